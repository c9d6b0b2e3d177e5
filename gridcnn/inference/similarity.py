"""Vectors that are alike, and vectors that are different, by the cosine of the angle between them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gridcnn.errors import DataError

__all__ = ["farthest_first", "nearest", "of_length_one"]

SAME = 1e-6
"""Vectors whose cosine is less than this below 1 count as equal."""


def of_length_one(vectors: np.ndarray) -> np.ndarray:
    """Return vectors `(n, features)` divided by their lengths, float32; a vector of zeros stays one.

    >>> of_length_one(np.array([[3, 4], [0, 0]]))
    array([[0.6, 0.8], [0. , 0. ]], dtype=float32)
    """
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    directions: np.ndarray = np.divide(exact, lengths, out=np.zeros_like(exact), where=lengths > 0).astype(np.float32)
    return directions


def nearest(vector: np.ndarray, blocks: Iterable[np.ndarray], top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `top` rows that are most like a vector, the most similar first: all rows are compared.

    Parameters
    ----------
    vector : ndarray of shape (features,)
        What is looked for.
    blocks : iterable of ndarray of shape (n, features)
        The rows, block after block, of which one is held at a time. A row with NaN is passed over.
    top : int
        How many, at least 1; fewer if there are fewer.

    Returns
    -------
    (ndarray of int64, ndarray of float64)
        Positions, counted over all blocks, and cosine similarities in [-1, 1]. Of equal ones the first row comes first.

    Raises
    ------
    DataError
        If the vector is zero or not finite, so that it has no direction.

    Examples
    --------
    >>> blocks = [np.array([[1.0, 0], [0, 2]]), np.array([[3.0, 3]])]
    >>> positions, similarities = nearest(np.array([0.0, 1]), blocks, top=2)
    >>> positions, similarities.round(3)
    (array([1, 2]), array([1.   , 0.707]))
    """
    wanted = np.asarray(vector, dtype=np.float64)
    length = np.linalg.norm(wanted)
    if not np.isfinite(length) or length == 0:
        raise DataError(
            "the feature vector that is looked for is zero or not finite, so that nothing is like it: the item is "
            "empty, silent, or all of its words are unknown"
        )
    best, at, before = np.empty(0), np.empty(0, dtype=np.int64), 0
    for block in blocks:
        similar = of_length_one(block).astype(np.float64) @ (wanted / length)
        known = np.flatnonzero(~np.isnan(similar))
        best, at = np.concatenate([best, similar[known]]), np.concatenate([at, before + known])
        order = np.argsort(-best, kind="stable")[:top]
        best, at = best[order], at[order]
        before += len(block)
    return at, np.clip(best, -1, 1)


def farthest_first(vectors: np.ndarray, most: int) -> list[int]:
    """Return rows that differ as much as possible, each the one whose nearest chosen row is farthest away.

    The first is the row that is least like the mean of all. A row that equals a chosen one is not chosen, so that there
    may be fewer than `most`.

    References
    ----------
    Gonzalez 1985, "Clustering to minimize the maximum intercluster distance"; Sener and Savarese 2018, "Active learning
    for convolutional neural networks: a core-set approach".

    Examples
    --------
    >>> farthest_first(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.0]]), most=4)
    [2, 0, 1]
    """
    directions = of_length_one(vectors)
    if not len(directions):
        return []
    chosen = [int(np.argmin(directions @ directions.mean(axis=0)))]
    nearness = directions @ directions[chosen[0]]
    nearness[chosen] = 1
    while len(chosen) < most:
        following = int(nearness.argmin())
        if nearness[following] > 1 - SAME:
            break
        chosen.append(following)
        nearness = np.maximum(nearness, directions @ directions[following])
        nearness[chosen] = 1
    return chosen
