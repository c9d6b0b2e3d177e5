"""Pixels that are missing from a picture: where the gaps were, by the similarity to the row above."""

from __future__ import annotations

import numpy as np

from gridcnn.ordering.layout import ABSENT
from gridcnn.ordering.similarity import Floats, Ints
from gridcnn.ordering.statistics import lag_means

__all__ = ["fill_gaps"]


def fill_gaps(similar: Floats, width: int, most: int) -> Ints:
    """Place the columns in rows of a width if some are missing at the ends of rows, as constant borders are.

    Each row is a run of at least `width - most` columns, the first and the last of any number, and begins anywhere. A
    dynamic programme over the rows, whose state is where a row starts, how long it is, and how far it is set in, finds
    the most similar neighbours above one another and the deepest breaks between rows.

    Parameters
    ----------
    similar : array, shape (d, d)
        Similarity of all columns.
    width : int
        Columns of a full row.
    most : int
        Columns that may be missing from a row.

    Returns
    -------
    array of int, shape (rows, width)
        Columns in their places, -1 for missing ones.
    """
    columns = len(similar)
    shapes = [(size, inset) for size in range(width, 0, -1) for inset in range(width - size + 1)]
    length, inset = (np.array(each) for each in zip(*shapes, strict=True))
    usual = length >= width - most
    profile = lag_means(similar, np.arange(columns)[None], width + 2)[0]
    level = min(profile[max(0, width - most - 3)], profile[width + 1])  # similarity beside the lag of one row
    sums = np.zeros((width + 1, columns + 1))  # similarity at each lag, summed up to a column
    for lag in range(1, width + 1):
        sums[lag, 1 : columns - lag + 1] = (np.diagonal(similar, lag) - level).cumsum()
        sums[lag, columns - lag + 1 :] = sums[lag, columns - lag]
    best = np.full((columns + 1, len(shapes)), -np.inf)  # where a row starts × its shape
    before = np.zeros(best.shape, dtype=np.intp)
    best[0] = 0
    for start in range(columns):
        for size in range(width, 0 if start == 0 else width - most - 1, -1):
            group, below = np.flatnonzero(length == size), start + size
            if below >= columns or not np.isfinite(best[start, group]).any():
                continue
            follow = np.flatnonzero(usual | (length == columns - below))
            own, other = inset[group][:, None], inset[follow]
            first = np.maximum(own, other)  # cells that both rows have
            last = np.maximum(np.minimum(own + size, other + length[follow]), first)
            lag = size + own - other
            line, end = np.maximum(lag, 1), np.minimum(start + last - own, columns)
            shared = sums[line, end] - sums[line, np.minimum(start + first - own, columns)]
            value = np.where(lag > 0, best[start, group][:, None] + shared, -np.inf)
            reached = value.max(axis=0) - similar[below - 1, below]
            better = reached > best[below, follow]
            best[below, follow[better]] = reached[better]
            before[below, follow[better]] = group[value.argmax(axis=0)[better]]
    shape = int(best[columns - length, np.arange(len(shapes))].argmax())
    start, rows = columns - int(length[shape]), []
    while True:
        row = np.full(width, ABSENT)
        row[inset[shape] : inset[shape] + length[shape]] = np.arange(start, start + length[shape])
        rows.append(row)
        if start == 0:
            return np.array(rows[::-1])
        shape = int(before[start, shape])
        start -= int(length[shape])
