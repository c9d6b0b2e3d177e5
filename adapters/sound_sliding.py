"""Windows that slide over a recording of any length, at flat memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr

from gridcnn.adapters.base import is_path
from gridcnn.adapters.recordings import load, mixed
from gridcnn.adapters.sound_stretches import pieces
from gridcnn.errors import ItemError

__all__ = ["slide"]


def slide(
    item: Any, step: float, rate: int, window: int, rate_of_arrays: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the places and the samples of windows at equal distances, some at a time.

    Parameters
    ----------
    item : path, or what else `recordings.load` reads
        The recording.
    step : float
        Seconds between the beginnings of two windows, above 0.
    rate : int
        Samples a second (Hz) that it is resampled to.
    window : int
        Samples of a window at that rate.
    rate_of_arrays : int or None
        Sample rate of an array.

    Yields
    ------
    (ndarray of shape (n,), ndarray of shape (n, window))
        Where the windows begin (s), ascending, and their samples, float32. The last one ends where the recording ends,
        so it may be nearer to the one before. A recording that is shorter than a window stands between zeros.

    Raises
    ------
    ItemError
        As `pieces` does: what could be read before is yielded first.
    """
    held = np.zeros(0, np.float32)
    first = taken = 0  # the sample that `held` begins with; windows yielded
    failure: ItemError | None = None
    parts = _resampled(pieces(item) if is_path(item) else iter([load(item, rate_of_arrays)]), rate)
    try:
        for part in parts:
            held = np.concatenate([held, part])
            starts: list[int] = []
            while round((taken + len(starts)) * step * rate) + window <= first + len(held):
                starts.append(round((taken + len(starts)) * step * rate))
            if starts:
                yield np.array(starts) / rate, np.stack([held[at - first : at - first + window] for at in starts])
                taken += len(starts)
                kept = max(min(round(taken * step * rate), first + len(held) - window) - first, 0)
                held, first = held[kept:], first + kept
    except ItemError as error:  # raised below, behind what was read
        failure = error
    total = first + len(held)
    if total >= window:
        before = round((taken - 1) * step * rate)
        if total - window > before:  # the end
            yield np.array([total - window]) / rate, held[None, len(held) - window :]
    elif total:
        alone = np.zeros((1, window), np.float32)
        before = (window - total) // 2
        alone[0, before : before + total] = held
        yield np.array([-before / rate]), alone
    if failure is not None:
        raise failure


def _resampled(parts: Iterator[tuple[np.ndarray, int]], rate: int) -> Iterator[np.ndarray]:
    """Yield the samples of pieces, mixed to one channel, at another rate."""
    stream: soxr.ResampleStream | None = None
    failure: ItemError | None = None
    try:
        for channels, own in parts:
            mono = mixed(channels)
            if own != rate:
                stream = stream or soxr.ResampleStream(own, rate, 1, dtype="float32", quality="HQ")
                mono = stream.resample_chunk(mono)
            if len(mono):
                yield mono
    except ItemError as error:
        failure = error
    if stream is not None and len(rest := stream.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield rest
    if failure is not None:
        raise failure
