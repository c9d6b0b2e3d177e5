"""Arrays made up to try an exported model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcnn.adapters.lengths import to_length

__all__ = ["arrays_within", "shorter_and_shorter"]

TRIALS = 8


def arrays_within(
    bounds: Sequence[Sequence[float]], sizes: tuple[int, ...], channels_at: int | None, random: np.random.Generator
) -> np.ndarray:
    """Return arrays of the range `bounds` of each channel, and one far outside.

    Parameters
    ----------
    bounds : sequence of (float, float)
        Smallest and largest number of each channel.
    sizes : tuple of int
        Of the ordered axes.
    channels_at : int or None
        Which axis of an array the channels are; None if arrays have no such axis.
    random : Generator
        Where the numbers come from.
    """
    low, high = np.asarray(bounds).T.reshape(2, -1, *[1] * len(sizes))
    strengths = np.linspace(0, 3, TRIALS).reshape(-1, *[1] * low.ndim)
    grids: np.ndarray = low + (high - low) * random.uniform(size=(TRIALS, len(low), *sizes)) * strengths
    return grids[:, 0] if channels_at is None else np.moveaxis(grids, 1, 1 + channels_at)


def shorter_and_shorter(arrays: np.ndarray, axis: int) -> list[np.ndarray]:
    """Return series that end one cell earlier each, with NaN behind their ends."""
    longest = arrays.shape[axis]
    parts = [to_length(each, max(longest - at, 1), axis) for at, each in enumerate(arrays)]
    return [to_length(part, longest, axis) for part in parts]
