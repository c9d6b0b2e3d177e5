"""Pairs of vectors that are near each other among many, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Pair", "near_pairs"]

NEIGHBOURS = 11
"""Of each vector, itself included; the last tells how far away others usually are."""

EXAMINED = 5
"""Nearest neighbours of a vector that may be copies of it; of more copies, each has some of the others here."""

DIMENSIONS = 64
"""Principal components that are compared; they hold nearly all of the distance, and never more than that."""

APART = 0.8
"""Isolation above which a pair is no nearer than neighbours usually are, unless it is nearer than a quarter of `near`,
as the copies of an item that has many of them are."""

SMALLEST = 1e-6


class Pair(NamedTuple):
    """Two vectors, by their indices, their distance, and its share of the distance to other neighbours."""

    first: int
    second: int
    distance: float
    isolation: float


def near_pairs(vectors: np.ndarray, turned: Sequence[np.ndarray], near: float) -> list[Pair]:
    """Return the pairs of vectors that are nearer to each other than to most others, the nearest first.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Each of length 1.
    turned : sequence of ndarray of shape (n, d)
        The vectors of the same items, changed in ways that leave them the same; each is compared with `vectors`.
    near : float
        Largest distance of a pair.

    Returns
    -------
    list of Pair
        Each pair once, `first` below `second`.
    """
    if len(vectors) < 2:
        return []
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  (for an audit only)

    basis = _principal(vectors)
    known = np.ascontiguousarray(vectors @ basis)
    neighbours = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(vectors)), algorithm="brute").fit(known)
    pairs: dict[tuple[int, int], tuple[float, float]] = {}
    for asked in [known, *(each @ basis for each in turned)]:
        distances, found = neighbours.kneighbors(np.ascontiguousarray(asked))
        usual = np.maximum(distances[:, -1], SMALLEST)
        for rank in range(min(EXAMINED + 1, found.shape[1])):
            close = np.flatnonzero((distances[:, rank] <= near) & (found[:, rank] != np.arange(len(found))))
            for one in close.tolist():
                other = int(found[one, rank])
                key = (min(one, other), max(one, other))
                distance = float(distances[one, rank])
                isolation = distance / float(usual[one]) if found.shape[1] > 2 else 1.0
                pairs[key] = min(pairs.get(key, (np.inf, np.inf)), (distance, isolation))
    kept = (Pair(*key, *value) for key, value in pairs.items() if value[1] <= APART or value[0] <= near / 4)
    return sorted(kept, key=lambda pair: pair.distance)


def _principal(vectors: np.ndarray) -> np.ndarray:
    """Return orthonormal directions `(d, DIMENSIONS)` along which the vectors differ most."""
    if vectors.shape[1] <= DIMENSIONS:
        return np.eye(vectors.shape[1], dtype=np.float32)
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(directions[:, ::-1][:, :DIMENSIONS])
