"""One raw item as something that a page can show: a picture, a player with a spectrogram, a sentence, a curve."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from PIL import Image

from gridcnn.adapters import Adapter
from gridcnn.errors import ItemError

__all__ = ["Exhibit", "clip_uri", "exhibit", "name_of", "picture_uri", "tinted"]

LONGEST_SIDE = 192  # pixels of a thumbnail
LONGEST_SENTENCE = 600  # characters
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

# A ramp of ever lighter colours, readable for colour-blind people and in grey: matplotlib's viridis at nine places.
_RAMP = np.array(
    [(68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99),
     (170, 220, 50), (253, 231, 37)]
)  # fmt: skip


@dataclass(frozen=True)
class Exhibit:
    """What a page shows of an item; empty strings where there is nothing of that kind.

    Parameters
    ----------
    name : str
        File name, or the sentence, or the shape of an array.
    picture : str
        Data URI of a PNG: thumbnail, spectrogram, curve.
    sound : str
        Data URI of a clip of at most one window.
    text : str
        Sentence, shortened where it is long.
    note : str
        What the picture or clip leaves out.
    """

    name: str
    picture: str = ""
    sound: str = ""
    text: str = ""
    note: str = ""


def exhibit(adapter: Adapter, item: Any) -> Exhibit:
    """Show one item that the adapter can decode.

    Raises
    ------
    ItemError
        If it cannot be decoded.
    """
    from gridcnn.adapters import AudioAdapter, ImageAdapter, TextAdapter  # noqa: PLC0415  (each brings its libraries)

    name = name_of(adapter, item)
    if isinstance(adapter, TextAdapter):
        shortened = len(item) > LONGEST_SENTENCE
        note = f"the first {LONGEST_SENTENCE} of {len(item)} characters" if shortened else ""
        return Exhibit(name, text=item[:LONGEST_SENTENCE], note=note)
    if isinstance(adapter, ImageAdapter):
        return Exhibit(name, picture=picture_uri(_thumbnail(item)))
    windows = adapter.encode(item)
    with torch.inference_mode():
        grid = adapter.frontend()(torch.from_numpy(windows[:1]))[0].numpy()  # (channels, *sizes)
    if isinstance(adapter, AudioAdapter):
        seconds = adapter.samples_ / adapter.sample_rate_
        note = f"the first {seconds:.3g} s" if len(windows) > 1 else ""
        clip = clip_uri(windows[0], adapter.sample_rate_)
        return Exhibit(name, picture=picture_uri(tinted(grid[0, ::-1])), sound=clip, note=note)
    measured = grid[: windows.shape[1]]  # without the second copy of each channel that an array may have
    if grid.ndim == 3:
        return Exhibit(name, picture=picture_uri(tinted(measured.mean(axis=0))))
    return Exhibit(name, picture=picture_uri(_curves(measured)))


def name_of(adapter: Adapter, item: Any) -> str:
    """Name an item as a person would: a file without its folders, a sentence, the shape of an array."""
    if isinstance(item, os.PathLike) or (isinstance(item, str) and adapter.reads_files):
        return Path(item).name
    if isinstance(item, str):
        return item if len(item) <= LONGEST_SENTENCE else f"{item[:LONGEST_SENTENCE]}…"
    shape = getattr(item, "shape", None)
    return f"array of shape {tuple(shape)}" if shape is not None else type(item).__name__


def picture_uri(pixels: np.ndarray) -> str:
    """Return uint8 pixels `(height, width)` or `(height, width, 3)` as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return _uri("image/png", buffer)


def clip_uri(waveform: np.ndarray, sample_rate: int, *, exact: bool = False) -> str:
    """Return a waveform `(samples,)` in [-1, 1] as a data URI: MP3, or 16-bit WAV where `exact`."""
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


def _thumbnail(item: Any) -> np.ndarray:
    """Return a picture in its own colours and proportions, small; decoded as the network's input is."""
    if not isinstance(item, str | os.PathLike | np.ndarray | Image.Image):
        raise ItemError(item, "expected a path, a Pillow image or a uint8 array")
    from gridcnn.adapters import ImageAdapter  # noqa: PLC0415

    own = ImageAdapter().fit([item])  # its sides, of at most 64 pixels
    if max(own.height_, own.width_) >= 64:
        grown = LONGEST_SIDE / max(own.height_, own.width_)
        own = ImageAdapter(size=(round(own.height_ * grown), round(own.width_ * grown))).fit([item])
    pixels: np.ndarray = own.encode(item)[0].transpose(1, 2, 0)
    return pixels if pixels.shape[2] == 3 else pixels[..., 0]


def tinted(values: np.ndarray) -> np.ndarray:
    """Colour `(height, width)` numbers, low to high, each cell large enough to be seen."""
    low, high = float(values.min()), float(values.max())
    level = (values - low) / (high - low or 1.0) * (len(_RAMP) - 1)
    channels = [np.interp(level, np.arange(len(_RAMP)), _RAMP[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _curves(grid: np.ndarray, height: int = 64) -> np.ndarray:
    """Draw `(channels, length)` numbers as curves, black on white."""
    from PIL import ImageDraw  # noqa: PLC0415  only for arrays

    scale = 3  # drawn large and reduced, so that lines are smooth
    width = LONGEST_SIDE
    picture = Image.new("L", (width * scale, height * scale), 255)
    pen = ImageDraw.Draw(picture)
    low, high = float(grid.min()), float(grid.max())
    across = np.linspace(4, width * scale - 4, grid.shape[1])
    for curve in grid[:8]:
        up = (1 - (curve - low) / (high - low or 1.0)) * (height * scale - 12) + 6
        pen.line(list(zip(across.tolist(), up.tolist(), strict=True)), fill=40, width=scale + 1)
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
