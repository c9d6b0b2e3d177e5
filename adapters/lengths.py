"""Series of unequal length in one array: missing numbers at the end of a series, in all its channels, are its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.adapters.tensors import is_tensor, to_array

__all__ = ["at_mean_behind", "behind_ends", "ends_of", "filled_up", "to_length"]


ENDING_EARLY = 0.05
"""Share of the series that end early if any are taken to."""


def filled_up(X: Any, axis: int) -> Any:
    """Return a sequence of series as one array, NaN behind the ends of the shorter ones; anything else as it is.

    Parameters
    ----------
    X : object
        Only a sequence of arrays or lists is changed, if they differ in length alone.
    axis : int
        Along which a series may end, counted from the last.

    Examples
    --------
    >>> filled_up([[1.0, 2.0, 3.0], [4.0]], axis=-1)
    array([[ 1.,  2.,  3.],
           [ 4., nan, nan]])
    """
    listed = isinstance(X, Sequence) and not isinstance(X, str | bytes)
    if not (listed or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)) or not len(X):
        return X
    try:
        series = [to_array(each) if is_tensor(each) else np.asarray(each) for each in X]
    except ValueError:
        return X
    shapes = {each.shape for each in series}
    others = {np.delete(shape, axis).tobytes() for shape in shapes if len(shape) >= -axis}
    alike = len({len(shape) for shape in shapes}) == 1 and len(others) == 1
    if len(shapes) < 2 or not alike or any(each.dtype.kind not in "fiub" for each in series):
        return X
    kind = np.result_type(*{each.dtype for each in series})
    longest = max(shape[axis] for shape in shapes)
    exact = kind if kind.kind == "f" else np.float32 if kind.itemsize <= 2 else np.float64
    return np.stack([to_length(each.astype(exact), longest, axis) for each in series])


def to_length(series: np.ndarray, length: int, axis: int = -1) -> np.ndarray:
    """Return a series of floats with NaN behind its end, or without what lies behind `length`."""
    missing = length - series.shape[axis]
    if missing <= 0:
        return series.take(np.arange(length), axis=axis)
    widths = [(0, 0)] * series.ndim
    widths[axis] = (0, missing)
    return np.pad(series, widths, constant_values=np.nan)


def ends_of(grids: np.ndarray) -> np.ndarray:
    """Return how many cells of each series come before its end.

    Parameters
    ----------
    grids : ndarray of shape (…, channels, length)
        NaN behind the end, in all channels.

    Examples
    --------
    >>> ends_of(np.array([[[1.0, np.nan, 2.0, np.nan]], [[1.0, 2.0, 3.0, 4.0]]]))
    array([3, 4])
    """
    there = ~np.isnan(grids).all(axis=-2)
    last = there[..., ::-1].argmax(axis=-1)
    return np.where(there.any(axis=-1), grids.shape[-1] - last, 0)


def behind_ends(grids: np.ndarray, ended: bool | None = None) -> np.ndarray:
    """Return which cells lie behind the end of their series, the same shape; none if too few series end early.

    A number may be missing by accident at the end of a row as elsewhere. So rows end early only if a twentieth of them
    do, and more of them than have a gap before their end.

    Parameters
    ----------
    grids : ndarray of shape (n, channels, length)
        NaN where a number is missing.
    ended : bool, optional
        Whether rows end early, if that is known.

    Examples
    --------
    >>> behind_ends(np.array([[[1.0, 2.0]], [[3.0, np.nan]], [[np.nan, 4.0]]])).any()
    np.False_
    >>> behind_ends(np.array([[[1.0, 2.0]], [[3.0, np.nan]], [[5.0, 4.0]]])).sum()
    np.int64(1)
    """
    ends = ends_of(grids)
    behind = np.arange(grids.shape[-1]) >= ends[:, None, None]
    with_gaps = (np.isnan(grids) & ~behind).any(axis=(1, 2))
    early = (ends > 0) & (ends < grids.shape[-1]) & ~with_gaps
    common = early.sum() > max(with_gaps.sum() + (ends == 0).sum(), ENDING_EARLY * len(grids) - 1)
    return np.broadcast_to(behind & (common if ended is None else ended), grids.shape)


def at_mean_behind(grids: np.ndarray) -> np.ndarray:
    """Return series `(n, channels, length)` with the mean of each of their channels behind their ends."""
    filled: np.ndarray = np.where(np.isnan(grids), np.nanmean(grids, axis=-1, keepdims=True), grids)
    return filled
