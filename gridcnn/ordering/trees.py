"""Trees of similar columns, and the orders that such a tree leaves open.

Real tables keep related columns together, so a comparison with shuffled columns proves nothing: any shuffle tears the
groups apart. A fair comparison keeps the groups. A *flip* is one of the leaf orders of a tree of similar columns: at
each fork the two branches are swapped with probability one half. Groups stay together in every flip, so the given order
beats the flips only if it goes beyond the groups.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

__all__ = ["Floats", "Ints", "cophenetic", "correlations", "fisher", "flips", "shuffles", "similarity", "tree_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

R_LIMIT = 0.9995  # Fisher's atanh diverges at 1: copies count as very similar, not as infinitely similar


def correlations(scores: Floats) -> Floats:
    """Correlate the columns of `scores`, (rows, columns) → (columns, columns); a constant column gives 0."""
    centred = scores - scores.mean(axis=0)
    length = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    centred /= np.where(length > 1e-9, length, np.inf)
    return np.asarray(centred.T @ centred)


def fisher(r: Floats) -> Floats:
    """Return Fisher's atanh of r: equal steps are equally surprising, whatever the size of r."""
    return np.ascontiguousarray(np.arctanh(np.clip(r, -R_LIMIT, R_LIMIT)))


def similarity(r: Floats) -> Floats:
    """Return Fisher's atanh of |r|."""
    return np.arctanh(np.minimum(np.abs(r), R_LIMIT))


def tree_of(similar: Floats) -> Floats:
    """Build the average-linkage tree, in scipy's form, of the distance 1 - |r| from atanh |r|, (columns, columns)."""
    distance = 1.0 - np.tanh(similar)
    np.fill_diagonal(distance, 0.0)
    return np.asarray(hierarchy.average(squareform(distance, checks=False)))


def cophenetic(tree: Floats) -> Floats:
    """Return the height of the fork at which two columns part, condensed as scipy does."""
    return np.asarray(hierarchy.cophenet(tree))


def shuffles(columns: int, count: int, rng: np.random.Generator) -> Ints:
    """Draw random orders, (count, columns)."""
    return np.asarray(np.argsort(rng.random((count, columns)), axis=1))


def flips(tree: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Draw random leaf orders of a tree.

    Parameters
    ----------
    tree : array, shape (columns - 1, 4)
        A tree in scipy's linkage form.
    count : int
        Number of orders.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of int, shape (count, columns)
        Each row is a permutation of the columns.
    """
    leaves = len(tree) + 1
    size = np.concatenate([np.ones(leaves), tree[:, 3]]).astype(np.intp)
    children = tree[:, :2].astype(np.intp)
    swapped = rng.random((leaves - 1, count)) < 0.5
    start = np.zeros((2 * leaves - 1, count), dtype=np.intp)  # where the leaves of a node begin, per order
    for fork in range(leaves - 2, -1, -1):
        left, right = children[fork]
        here = start[leaves + fork]
        start[left] = here + swapped[fork] * size[right]
        start[right] = here + ~swapped[fork] * size[left]
    return np.asarray(np.argsort(start[:leaves], axis=0).T)
