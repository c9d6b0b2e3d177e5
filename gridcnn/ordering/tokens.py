"""Tokens: if the columns are positions in a sequence, the token at one position depends on the one before."""

from __future__ import annotations

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from scipy.stats import norm

from gridcnn.ordering.nulls import Refutation
from gridcnn.ordering.orders import flips, shuffles
from gridcnn.ordering.similarity import Floats, Ints
from gridcnn.ordering.statistics import score

__all__ = ["bigrams_against_nulls"]

COLUMNS = 64
CODES, COARSE = 200, 12  # commonest codes that are told apart in bigrams, and in the tree
ORDERS = 49


def bigrams_against_nulls(codes: Floats, rng: np.random.Generator) -> list[Refutation]:
    """Compare the mutual information of pooled bigrams with shuffles, and with flips of a tree of similar columns.

    The tree is built on one half of the rows and the orders compared on the other, both ways.

    Parameters
    ----------
    codes : array, shape (rows, columns)
        Token ids, in any numbering; the middle 64 columns are looked at.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    list of Refutation
        Of the families *shuffled* and *grouped*.
    """
    codes = codes[:, max(0, (codes.shape[1] - COLUMNS) // 2) :][:, :COLUMNS]
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.argsort(-counts)] = np.arange(len(counts))
    table = np.minimum(rank[inverse.reshape(codes.shape)], CODES).astype(np.intp)
    columns = table.shape[1]
    rows = rng.permutation(len(table))
    halves = table[rows[: len(table) // 2]], table[rows[len(table) // 2 :]]
    compared = [(table, shuffles(columns, ORDERS, rng))]
    compared += [(measure, flips(_tree(build), ORDERS, rng)) for build, measure in (halves, halves[::-1])]
    scores, nulls = [], []
    for measured, orders in compared:
        value, null = _pooled(measured, np.arange(columns)), np.array([_pooled(measured, order) for order in orders])
        scores.append(score(value, null))
        nulls.append((value - null.mean(), null - null.mean()))
    return [
        Refutation(family, "", {"bigrams": one}, float(norm.sf(one)), "bigrams", nulls[at][0], nulls[at][1], least)
        for family, one, at, least in (
            ("shuffled", scores[0], 0, 0.0), ("grouped", (scores[1] + scores[2]) / 2, 1, 2.0 ** (2 - columns))
        )
    ]  # fmt: skip


def _tree(table: Ints) -> Floats:
    """Build the average-linkage tree of the columns by mutual information of the commonest codes."""
    coarse = np.minimum(table, COARSE)
    columns = table.shape[1]
    distance = np.zeros((columns, columns))
    for i in range(columns):
        for j in range(i):
            distance[i, j] = distance[j, i] = -_information(coarse[:, i] * (COARSE + 1) + coarse[:, j], COARSE + 1)
    distance -= distance.min()
    np.fill_diagonal(distance, 0.0)
    return np.asarray(hierarchy.average(squareform(distance, checks=False)))


def _pooled(table: Ints, order: Ints) -> float:
    placed = table[:, order]
    return _information((placed[:, :-1] * (CODES + 1) + placed[:, 1:]).ravel(), CODES + 1)


def _information(pairs: Ints, size: int) -> float:
    """Return the mutual information, in nats, of the two codes in `first * size + second`."""
    joint = np.bincount(pairs, minlength=size * size).reshape(size, size) / len(pairs)
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / expected[seen])).sum())
