"""Cutting what is longer than a grid into windows, so that nothing of it goes unread."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["cut_windows"]


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
