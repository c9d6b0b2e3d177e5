"""Cutting what is longer than a grid into windows, so that nothing of it goes unread."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

__all__ = ["cut_windows", "fitted_windows", "slid"]

PART = 1_024  # windows


def cut_windows(values: np.ndarray, length: int) -> np.ndarray:
    """Cut a sequence into the fewest windows that cover it, at equal distances, first to last.

    Neighbouring windows overlap by less than half as soon as there are three of them.

    Parameters
    ----------
    values : ndarray of shape (n, …)
        A sequence with n ≥ `length`.
    length : int
        Length of a window.

    Returns
    -------
    ndarray of shape (windows, length, …)

    Examples
    --------
    >>> cut_windows(np.arange(10), 4)
    array([[0, 1, 2, 3],
           [3, 4, 5, 6],
           [6, 7, 8, 9]])
    """
    if len(values) == length:
        return values[None]
    starts = np.linspace(0, len(values) - length, math.ceil(len(values) / length)).round().astype(np.int64)
    windows: np.ndarray = values[starts[:, None] + np.arange(length)]
    return windows


def fitted_windows(values: np.ndarray, length: int, trimmed: float) -> np.ndarray:
    """Return a sequence `(n,)` as windows `(windows, length)`.

    A shorter one stands in the middle of zeros, one that is longer by at most the share `trimmed` of a window loses
    that at both ends, and a longer one is cut.

    Examples
    --------
    >>> fitted_windows(np.arange(1, 4), 5, 0.2), fitted_windows(np.arange(6), 5, 0.2)
    (array([[0, 1, 2, 3, 0]]), array([[0, 1, 2, 3, 4]]))
    """
    excess = len(values) - length
    if excess <= 0:
        window = np.zeros((1, length), values.dtype)
        before = -excess // 2
        window[0, before : before + len(values)] = values
        return window
    if excess <= trimmed * length:
        return values[None, excess // 2 : excess // 2 + length]
    return cut_windows(values, length)


def slid(n: int, length: int, step: float) -> Iterator[np.ndarray]:
    """Yield where windows begin that slide over a sequence by `step`, some at a time; the last one ends with it.

    Parameters
    ----------
    n, length : int
        Lengths of the sequence and of a window; a sequence that is not longer than a window has one.
    step : float
        At least 1.

    Examples
    --------
    >>> list(slid(11, 4, 3))
    [array([0, 3, 6, 7])]
    """
    last = max(n - length, 0)
    starts = np.arange(0, last + 1, max(step, 1.0)).round().astype(np.int64)
    starts = starts if starts[-1] == last else np.append(starts, last)
    for at in range(0, len(starts), PART):  # those of a long item are never in memory together
        yield starts[at : at + PART]
