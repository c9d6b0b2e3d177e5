"""Similarity of columns: correlations, their Fisher transforms, and the matrices that the tests compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Ints", "Similarity", "correlations", "fisher", "similarity", "varying"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

R_LIMIT = 0.9995  # Fisher's atanh diverges at 1: copies count as very similar, not as infinitely similar


def correlations(scores: Floats) -> Floats:
    """Correlate columns, (rows, columns) → (columns, columns), each pair over the rows that have both values.

    A constant column gives 0.
    """
    present = ~np.isnan(scores)
    if present.all():
        centred = scores - scores.mean(axis=0)
        length = np.sqrt(np.einsum("ij,ij->j", centred, centred))
        centred /= np.where(length > 1e-9, length, np.inf)
        return np.asarray(centred.T @ centred)
    mask, filled = present.astype(np.float64), np.nan_to_num(scores)
    count = np.maximum(mask.T @ mask, 1)
    total = filled.T @ mask  # entry (i, j): the sum of column i over the rows that have i and j
    square = (filled**2).T @ mask - total**2 / count
    norm = np.sqrt(np.maximum(square * square.T, 0))
    product = filled.T @ filled - total * total.T / count
    return np.asarray(np.clip(product / np.where(norm > 1e-9, norm, np.inf), -1, 1))


def varying(scores: Floats) -> NDArray[np.bool_]:
    """Tell which columns of rank scores vary, (rows, columns) → (columns,); constant ones are 0, missing values NaN."""
    return np.asarray(np.nanmax(np.abs(scores), axis=0, initial=0, where=~np.isnan(scores)) > 0)


def fisher(r: Floats) -> Floats:
    """Return Fisher's atanh of r: equal steps are equally surprising, whatever the size of r."""
    return np.ascontiguousarray(np.arctanh(np.clip(r, -R_LIMIT, R_LIMIT)))


def similarity(r: Floats) -> Floats:
    """Return Fisher's atanh of |r|."""
    return np.arctanh(np.minimum(np.abs(r), R_LIMIT))


@dataclass(frozen=True)
class Similarity:
    """How alike the cells of an axis are, measured on some rows: `signed` is atanh r, `size` is atanh |r|.

    Both have shape (columns, columns). Where the cells of an axis hold several columns each (positions of another axis,
    channels), they are means over these.
    """

    signed: Floats
    size: Floats

    @classmethod
    def of(cls, blocks: Sequence[Floats]) -> Similarity:
        """Measure on blocks of rank scores, each (rows, columns), and average."""
        found = [correlations(block) for block in blocks]
        return cls(np.mean([fisher(r) for r in found], axis=0), np.mean([similarity(r) for r in found], axis=0))
