"""Tokens: if the columns are positions in a sequence, the token at one position depends on the one before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from gridcnn.ordering.neighbours import against
from gridcnn.ordering.trees import Floats, Ints, flips, shuffles

__all__ = ["bigrams_against_nulls"]

CODES = 200
COUNT = 49


def bigrams_against_nulls(codes: Floats, rng: np.random.Generator) -> dict[str, float]:
    """Compare the mutual information of pooled bigrams with shuffles and with flips of a tree of similar columns.

    Parameters
    ----------
    codes : array, shape (rows, columns)
        Token ids, in any numbering.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    dict
        value (nats), the effect scores z_shuffle and z_flip, and share_shuffle and share_flip, the shares of null
        orders that reach the value.
    """
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.argsort(-counts)] = np.arange(len(counts))
    table = np.minimum(rank[inverse.reshape(codes.shape)], CODES).astype(np.intp)
    columns = table.shape[1]
    size = int(table.max()) + 1
    coarse = np.minimum(table, 12)
    distance = np.zeros((columns, columns))
    for i in range(columns):
        for j in range(i):
            distance[i, j] = distance[j, i] = -_information(coarse[:, i] * 13 + coarse[:, j], 13)
    distance -= distance.min()
    np.fill_diagonal(distance, 0.0)
    tree = np.asarray(hierarchy.average(squareform(distance, checks=False)))
    value = _pooled(table, np.arange(columns), size)
    flipped = np.array([_pooled(table, order, size) for order in flips(tree, COUNT, rng)])
    shuffled = np.array([_pooled(table, order, size) for order in shuffles(columns, COUNT, rng)])
    return {
        "value": value,
        "z_flip": against(value, flipped),
        "z_shuffle": against(value, shuffled),
        "share_flip": float((flipped >= value).mean()),
        "share_shuffle": float((shuffled >= value).mean()),
    }


def _pooled(table: Ints, order: Ints, size: int) -> float:
    placed = table[:, order]
    return _information((placed[:, :-1] * size + placed[:, 1:]).ravel(), size)


def _information(pairs: NDArray[np.intp], size: int) -> float:
    """Return the mutual information, in nats, of the two codes in `first * size + second`."""
    joint = np.bincount(pairs, minlength=size * size).reshape(size, size) / len(pairs)
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / expected[seen])).sum())
