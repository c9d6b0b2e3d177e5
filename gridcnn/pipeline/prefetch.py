"""Prefetching: rows of an array on disk are requested one batch before they are needed.

A memory map reads a page when it is touched, and up to megabytes around it. Training in random order uses next to
nothing of these, and drops them again if the array is larger than memory. So the system is told which rows come next,
and reads them while the previous batch is computed.

References
----------
madvise(2), "MADV_WILLNEED".
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator

import numpy as np

__all__ = ["batches"]


def batches(array: np.ndarray, order: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield rows of an array, batch by batch.

    Parameters
    ----------
    array : ndarray of shape (n, …)
        In memory, or a memory map.
    order : iterable of ndarray of shape (batch,), int
        Which rows, batch by batch. One batch more is taken from it than was yielded.

    Yields
    ------
    ndarray of shape (batch, …)
        A copy, in memory.

    Examples
    --------
    >>> [batch.tolist() for batch in batches(np.array([0, 10, 20, 30]), [np.array([3, 0]), np.array([2])])]
    [[30, 0], [20]]
    """
    rows = None
    for coming in order:
        _announce(array, coming)
        if rows is not None:
            yield array[rows]
        rows = coming
    if rows is not None:
        yield array[rows]


def _announce(array: np.ndarray, rows: np.ndarray) -> None:
    """Tell the system which rows will be read, where the array is a whole memory map and the system can be told."""
    if not (isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_WILLNEED")):
        return
    first = array.offset % mmap.ALLOCATIONGRANULARITY  # where the array begins in the map
    size = array.nbytes // len(array)
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1  # rows that follow one another are announced at once
    for run in np.split(rows, breaks):
        start, stop = first + int(run[0]) * size, first + (int(run[-1]) + 1) * size
        page = start - start % mmap.PAGESIZE
        array.base.madvise(mmap.MADV_WILLNEED, page, stop - page)
