"""Previews of items as a page shows them: pictures, clips and texts, as data URIs."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
from PIL import Image, ImageDraw

from gridcnn.adapters.records import Preview
from gridcnn.segments import Segment
from gridcnn.stored import Stored

__all__ = ["Shown", "clip_uri", "draw_grid", "name_of", "picture_uri", "show", "tinted"]

LONGEST_SIDE = 192  # pixels of a curve
LONGEST_NAME = 600  # characters
MOST_CURVES = 8
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

# A ramp of ever lighter colours, readable for colour-blind people and in grey: matplotlib's viridis at nine places.
_RAMP = np.array(
    [(68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99),
     (170, 220, 50), (253, 231, 37)]
)  # fmt: skip


class Shown(NamedTuple):
    """A preview as a page shows it; empty strings if there is nothing of that kind.

    Parameters
    ----------
    name : str
        File name, or the sentence, or the shape of an array.
    picture : str
        Data URI of a PNG.
    sound : str
        Data URI of a clip.
    text : str
        Words.
    note : str
        What the preview leaves out.
    """

    name: str
    picture: str = ""
    sound: str = ""
    text: str = ""
    note: str = ""


def show(name: str, preview: Preview) -> Shown:
    """Return a preview as a page shows it."""
    return Shown(
        name,
        picture="" if preview.pixels is None else picture_uri(preview.pixels),
        sound="" if preview.waveform is None else clip_uri(preview.waveform, preview.sample_rate),
        text=preview.text,
        note=preview.note,
    )


def draw_grid(grid: np.ndarray, *, upwards: bool) -> np.ndarray:
    """Draw a grid `(channels, *sizes)`, uint8: curves along one axis, or the mean of the channels over two axes."""
    if grid.ndim == 2:
        return _curves(grid)
    values = grid.mean(axis=0)
    return tinted(values[::-1] if upwards else values)


def name_of(item: Any) -> str:
    """Name an item as a person would: a file without its folders, a sentence, the shape of an array."""
    if isinstance(item, os.PathLike | Stored):
        return Path(str(item)).name
    if isinstance(item, Segment):
        return _to_milliseconds(replace(item, path=Path(str(item.path)).name))
    if isinstance(item, str):
        name = Path(item).name if len(item) < LONGEST_NAME and os.path.isfile(item) else item  # noqa: PTH113
        return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    shape = getattr(item, "shape", None)
    return f"array of shape {tuple(shape)}" if shape is not None else type(item).__name__


def _to_milliseconds(part: Segment) -> str:
    """Name a part of a file by times that a person can read; one that is shorter than that keeps its own."""
    start, end = round(part.start, 3), round(part.end, 3)
    return str(replace(part, start=start, end=end) if start < end else part)


def picture_uri(pixels: np.ndarray) -> str:
    """Return uint8 pixels `(height, width)` or `(height, width, 3)` as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return _uri("image/png", buffer)


def clip_uri(waveform: np.ndarray, sample_rate: int, *, exact: bool = False) -> str:
    """Return a waveform `(samples,)` in [-1, 1] as a data URI: MP3, or 16-bit WAV if `exact`."""
    buffer = io.BytesIO()
    if exact:
        soundfile.write(buffer, waveform, sample_rate, format="WAV", subtype="PCM_16")
        return _uri("audio/wav", buffer)
    rate = next((rate for rate in MP3_RATES if rate >= sample_rate), MP3_RATES[-1])
    waveform = soxr.resample(waveform, sample_rate, rate) if rate != sample_rate else waveform
    soundfile.write(buffer, np.clip(waveform, -1, 1), rate, format="MP3")
    return _uri("audio/mpeg", buffer)


def _uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def tinted(values: np.ndarray) -> np.ndarray:
    """Colour `(height, width)` numbers, low to high, each cell large enough to be seen."""
    low, high = float(values.min()), float(values.max())
    level = (values - low) / (high - low or 1.0) * (len(_RAMP) - 1)
    channels = [np.interp(level, np.arange(len(_RAMP)), _RAMP[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _curves(grid: np.ndarray, height: int = 64) -> np.ndarray:
    """Draw `(channels, length)` numbers as curves, black on white."""
    scale = 3  # drawn large and reduced, so that lines are smooth
    width = LONGEST_SIDE
    picture = Image.new("L", (width * scale, height * scale), 255)
    pen = ImageDraw.Draw(picture)
    low, high = float(grid.min()), float(grid.max())
    across = np.linspace(4, width * scale - 4, grid.shape[1])
    for curve in grid[:MOST_CURVES]:
        up = (1 - (curve - low) / (high - low or 1.0)) * (height * scale - 12) + 6
        pen.line(list(zip(across.tolist(), up.tolist(), strict=True)), fill=40, width=scale + 1)
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
