"""A look at the training recordings: their rates and durations, and a listen to some of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gridcnn.adapters.base import sample_of
from gridcnn.adapters.recordings import cancel
from gridcnn.errors import ItemError
from gridcnn.segments import Segment, Varied

__all__ = ["Load", "is_clipped", "is_silent", "listen", "share_above", "survey"]

Load = Callable[[Any, int], tuple[np.ndarray, int]]
"""Reads at most so many samples of an item: `(samples, channels)`, and the sample rate (Hz)."""

LISTENED_TO = 64  # recordings
MOST_SAMPLES = 2**20  # of each
PARTS = 16  # of a longer one
SILENT = 1e-5  # amplitude, a third of the smallest step of 16 bits
FULL = 0.98  # amplitude from which a recording may be clipped
SHORTEST_FLAT = 4  # samples at the same extreme, one after another
FLAT_SHARE = 0.002


def survey(headers: Sequence[tuple[Any, int, float]]) -> dict[str, Any]:
    """Summarise the headers of recordings: items with their sample rates (Hz) and durations (s).

    Returns
    -------
    dict
        JSON-ready: how many `recordings`, how many of them are `segments` of others, how many have each of the `rates`
        (pairs), their `durations` from shortest to longest, at most 1,000 of them at equal distances, and how many
        `views` training has of each.
    """
    durations = np.sort([duration for _, _, duration in headers])
    places = np.linspace(0, len(durations) - 1, min(len(durations), 1_000)).round().astype(int)
    rates = Counter(rate for _, rate, _ in headers)
    return {
        "recordings": len(headers),
        "segments": sum(isinstance(item, Segment) for item, _, _ in headers),
        "rates": [list(pair) for pair in sorted(rates.items())],
        "durations": durations[places].round(4).tolist(),
        "views": max((len(item.beside) for item, _, _ in headers if isinstance(item, Varied)), default=1),
    }


def listen(headers: Sequence[tuple[Any, int, float]], load: Load, limit: float) -> dict[str, Any]:
    """Listen to the beginnings of at most 64 recordings, and of 64 that hold more than frequencies up to `limit` (Hz).

    Returns
    -------
    dict
        JSON-ready: how many were `heard`; of these, how many are `silent`, `clipped`, and have channels that are
        `cancelling` each other; and the mean share of the energy `above` the limit, of those recordings that may hold
        any, whose number among all is `cut`.
    """
    found = {"heard": 0, "silent": 0, "clipped": 0, "cancelling": 0}
    for channels, _ in _heard([item for item, _, _ in headers], load):
        found["heard"] += 1
        found["silent"] += is_silent(channels)
        found["clipped"] += is_clipped(channels)
        found["cancelling"] += cancel(channels)
    high = [item for item, rate, _ in headers if rate / 2 > limit]
    shares = [share_above(channels, rate, limit) for channels, rate in _heard(high, load)]
    return {**found, "cut": len(high), "above": float(np.mean(shares)) if shares else 0.0}


def _heard(items: Sequence[Any], load: Load) -> Iterator[tuple[np.ndarray, int]]:
    """Yield some of the recordings; those that cannot be read are reported when they are encoded."""
    for item in sample_of(items, LISTENED_TO):
        try:
            yield load(item, MOST_SAMPLES)
        except ItemError:
            continue


def share_above(channels: np.ndarray, rate: int, limit: float) -> float:
    """Return the share of the energy of `(samples, channels)` at a rate (Hz) that lies above `limit` (Hz).

    Of a long recording, parts at equal distances stand for it.
    """
    from scipy import fft  # noqa: PLC0415  (for training only)

    parts = [channels]
    if len(channels) > MOST_SAMPLES:
        length = MOST_SAMPLES // PARTS
        starts = np.linspace(0, len(channels) - length, PARTS).astype(np.int64)
        parts = [channels[start : start + length] for start in starts]
    spectra = (fft.rfft(part - part.mean(axis=0), axis=0) for part in parts)
    power = sum(np.square(np.abs(spectrum), dtype=np.float64).sum(axis=1) for spectrum in spectra)
    above = fft.rfftfreq(len(parts[0]), 1 / rate) > limit
    total = float(np.sum(power))
    return float(np.sum(np.asarray(power)[above])) / total if total > 0 else 0.0


def is_silent(channels: np.ndarray) -> bool:
    """Whether nothing but an offset is in `(samples, channels)`."""
    low, high = _extremes(channels)
    return bool((high - low).max() <= 2 * SILENT)


def is_clipped(channels: np.ndarray) -> bool:
    """Whether the peaks of `(samples, channels)` are cut off flat: too loud for the format."""
    low, high = _extremes(channels)
    if max(-float(low.min()), float(high.max())) < FULL or is_silent(channels):
        return False
    flat = (channels == low) | (channels == high)
    n = len(flat) - SHORTEST_FLAT + 1
    runs = np.logical_and.reduce([flat[start : start + max(n, 0)] for start in range(SHORTEST_FLAT)])
    return bool(runs.sum() > FLAT_SHARE * len(flat))


def _extremes(channels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest sample of each channel; one by one, which takes a tenth of the time."""
    return np.array([each.min() for each in channels.T]), np.array([each.max() for each in channels.T])
