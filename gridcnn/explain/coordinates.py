"""Where the cells of a grid lie: hertz and seconds of a sound, pixels of a picture, words of a text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.adapters.sound_files import read_header
from gridcnn.adapters.windows import cut_windows

__all__ = ["Coordinates", "coordinates"]


@dataclass(frozen=True)
class Coordinates:
    """Where the cells of one ordered axis lie.

    Parameters
    ----------
    name : str
        Name of the axis: `"height"`, `"frequency"`, `"time"`, `"token"`.
    unit : str
        `"pixel"`, `"Hz"`, `"s"`, or what the caller of an ArrayAdapter named; empty for tokens.
    low, centre, high : ndarray of shape (size,)
        Where each cell begins, has its middle and ends, in `unit`. Seconds count from the beginning of the recording.
    words : tuple of str
        For a text the token of each cell, `""` where the grid is padded; otherwise empty.
    known : tuple of bool
        For a text whether the model knows the token; otherwise empty.
    """

    name: str
    unit: str
    low: np.ndarray
    centre: np.ndarray
    high: np.ndarray
    words: tuple[str, ...] = ()
    known: tuple[bool, ...] = ()

    def between(self, cells: slice) -> str:
        """Say where a stretch of cells lies: `"420–880 Hz"`, `"height 3–7"`, `"not bad at all"`."""
        if self.words:
            return " ".join(word or "·" for word in self.words[cells])
        low, high = float(self.low[cells][0]), float(self.high[cells][-1])
        if self.unit == "pixel":  # whole cells, the last one included
            return f"{self.name} {low:.0f}–{high - 1:.0f}"
        if self.unit == "Hz":
            return f"{low:.0f}–{high:.0f} Hz"
        if self.unit == "s":
            return f"{low:.2f}–{high:.2f} s"
        return f"{self.name} {low:g}–{high:g} {self.unit}".rstrip()


def coordinates(adapter: Adapter, item: Any, window: int, n_windows: int) -> tuple[Coordinates, ...]:
    """Return where the cells of a window (counted from 1) of an item lie, one entry for each ordered axis."""
    if adapter.modality == "text":
        return (_words(adapter, item, window),)
    if adapter.modality == "sound":
        return _bands(adapter), _frames(adapter, _window_start(adapter, item, window, n_windows))
    found = []
    for axis in adapter.spec_.axes:
        low = np.arange(axis.size) * axis.step
        if axis.unit == "pixel":
            found.append(Coordinates(axis.name, axis.unit, low, low + 0.5, low + 1))
        else:  # a sampled axis: a cell is a point
            found.append(Coordinates(axis.name, axis.unit, low, low, low))
    return tuple(found)


def _words(adapter: Any, text: str, window: int) -> Coordinates:
    tokens = adapter.tokenise(text)
    if len(tokens) > adapter.length_:
        first = int(cut_windows(np.arange(len(tokens)), adapter.length_)[window - 1][0])
        tokens = tokens[first : first + adapter.length_]
    else:
        first = 0
    padding = [""] * (adapter.length_ - len(tokens))
    vocabulary = set(adapter.vocabulary_)
    position = np.arange(first, first + adapter.length_)
    known = tuple(token in vocabulary for token in tokens + padding)
    return Coordinates("token", "", position, position, position, (*tokens, *padding), known)


def _bands(adapter: Any) -> Coordinates:
    """Return the mel bands in Hz: band m rises from edge m, is highest at edge m + 1 and ends at edge m + 2.

    Source: the HTK formula, mel = 2595 log10(1 + f / 700), which torchaudio uses.
    """
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (adapter.f_min_, adapter.f_max_))
    edges = 700 * (10 ** (np.linspace(lowest, highest, adapter.n_mels_ + 2) / 2595) - 1)
    return Coordinates("frequency", "Hz", edges[:-2], edges[1:-1], edges[2:])


def _frames(adapter: Any, start: float) -> Coordinates:
    """Return the frames in seconds of the recording; each is centred on a multiple of the hop."""
    step = adapter.hop_length_ / adapter.sample_rate_
    centre = start + np.arange(adapter.spec_.axes[1].size) * step
    end = start + adapter.samples_ / adapter.sample_rate_
    return Coordinates("time", "s", np.maximum(centre - step / 2, start), centre, np.minimum(centre + step / 2, end))


def _window_start(adapter: Any, item: Any, window: int, n_windows: int) -> float:
    """Return where a window begins in its recording, in seconds; negative where the recording stands inside zeros."""
    if isinstance(item, str | os.PathLike):
        samples = round(read_header(item)[1] * adapter.sample_rate_)
    else:
        samples = _n_samples(np.asarray(item).shape)
    excess = samples - adapter.samples_
    start = int(excess / 2) if n_windows == 1 else np.linspace(0, excess, n_windows)[window - 1]
    return float(start / adapter.sample_rate_)


def _n_samples(shape: Sequence[int]) -> int:
    return shape[-1]  # (samples,) or (channels, samples)
