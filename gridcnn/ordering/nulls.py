"""The null families: four ways in which columns without an order may come to stand as they do.

A family is refuted by the statistic that does best against it. Tables that were *sorted* are drawn: the given table
with its columns rotated at random (the same principal components, but no column of its own), and tables that hold the
groups of the given one and nothing else. Each is sorted in six ways: a statistic must beat all twelve kinds at once.

References
----------
J. Hemerik and J. Goeman, "Exact testing with random permutations", TEST 27 (2018): flips and layouts are groups.
Ø. Langsrud, "Rotation tests", Statistics and Computing 15 (2005).
A. M. Winkler et al., "Faster permutation inference in brain imaging", NeuroImage 141 (2016): tails from moments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from gridcnn.ordering.orders import WAYS, block_layouts, cophenetic, flips, layouts, shuffles, sorted_orders, tree_of
from gridcnn.ordering.similarity import Floats, Similarity
from gridcnn.ordering.statistics import STATISTICS, Comparison, contrast, describe, stack, stack_correlations

__all__ = ["Refutation", "compare"]

ORDERS = 99
ORDERS_OF_A_LAYOUT, SMALL = 49, 40  # fewer orders of each layout where there are more columns
TABLES, TABLES_AT_ONCE = 80, 20
HINT, HINT_LAID_OUT = 0.1, 0.25  # p-values at which a family is in doubt; periodic series look laid out
FEW_TIMES = 1.5  # few orders: one other may be as close
HOPELESS, CLEAR = 0.5, 6.0  # scores at which drawing tables stops early
KINDS = [f"{table}, {how}" for table in ("no groups", "groups alone") for how in WAYS]
LOADED = 1e-6  # on the diagonal of a correlation matrix, so that it has a root


class Refutation(NamedTuple):
    """How clearly the given order beats a null family.

    Attributes
    ----------
    family, kind : str
        The family, and which member of it came closest.
    scores : dict of str to float
        Score of each statistic, as the quantile of a standard normal.
    p : float
        The p-value of the best statistic.
    statistic : str
        That statistic.
    given : float
        Its value in the given order, in standard deviations of the null orders.
    null : array, shape (orders,)
        Its values in the null orders.
    least : float
        The least p-value that the orders of the family allow: few columns have few orders.
    """

    family: str
    kind: str
    scores: dict[str, float]
    p: float
    statistic: str
    given: float
    null: Floats
    least: float = 0.0

    @property
    def is_hinted(self) -> bool:
        """Whether there is a hint against the family, be it refuted or not."""
        return self.p <= max(HINT_LAID_OUT if self.family == "laid out" else HINT, 2 * self.least)

    def holds(self, alpha: float) -> bool:
        """Whether the family is refuted at level `alpha`, or as clearly as its few orders allow."""
        return self.p <= max(alpha, FEW_TIMES * self.least)


def _refutation(family: str, kind: str, compared: list[Comparison], orders: float = np.inf) -> Refutation:
    """Average comparisons (of several halves) and turn them into a p-value."""
    scores = np.mean([one.scores for one in compared], axis=0)
    best = int(scores.argmax())
    p = float(norm.sf(np.mean([one.best for one in compared])))
    if all(one.given.max() > one.null.max() - 1e-9 for one in compared):  # the best of all: counting may do better
        p = min(p, max(1 / orders, 1 / (len(compared[0].null) + 1)))
    return Refutation(
        family, kind, dict(zip(STATISTICS, map(float, scores), strict=True)), p, list(STATISTICS)[best],
        float(np.mean([one.given[best] for one in compared])), np.concatenate([one.null[:, best] for one in compared]),
        1 / orders,
    )  # fmt: skip


def compare(
    whole: Similarity,
    halves: list[tuple[Similarity, Similarity]],
    rows: int,
    rng: np.random.Generator,
    alpha: float,
    before: int = 0,
) -> list[Refutation]:
    """Compare the given order with each null family; with sorted tables only if all others are refuted.

    Parameters
    ----------
    whole : Similarity
        Of all rows, the columns in the given order.
    halves : list of pairs of Similarity
        Of random halves of the rows.
    rows : int
        Number of rows, those of several blocks added up.
    rng : numpy.random.Generator
        Source of randomness.
    alpha : float
        Level at which a family is refuted.
    before : int, default 0
        Number of columns left out before the first.

    Returns
    -------
    list of Refutation
        Of the families *shuffled*, *grouped* and *laid out*, and then of *sorted*.
    """
    table, columns = stack(whole), len(whole.size)
    given = describe(table, np.arange(columns)[None])[0]
    shuffled = contrast(given, describe(table, shuffles(columns, ORDERS, rng)))
    found = [
        _refutation("shuffled", "", [shuffled]),
        _refutation("grouped", "", _against_flips(halves, rng), 2.0 ** (columns - 2)),
    ]
    layout = []
    for blocks in block_layouts(columns, before):
        if len(blocks.sizes) > 2 and blocks.share(whole.signed) < given[0]:
            continue  # a design of three ways that explains less than distance does
        number = blocks.number / (2 if math.prod(blocks.sizes) == columns else 1)
        drawn = ORDERS if columns <= SMALL else ORDERS_OF_A_LAYOUT
        against = contrast(given, describe(table, layouts(columns, blocks, drawn, rng)))
        layout.append(_refutation("laid out", str(blocks), [against], number))
    found.append(max(layout, key=lambda one: one.p / max(alpha, one.least)))
    if all(one.holds(alpha) for one in found):
        found.append(_against_sorted(given, whole, rows, rng))
    return found


def _against_flips(halves: list[tuple[Similarity, Similarity]], rng: np.random.Generator) -> list[Comparison]:
    """Compare the order in each half of the rows with flips of a tree built on the other half."""
    compared = []
    for pair in halves:
        for build, measure in (pair, pair[::-1]):
            table = stack(measure)
            given = describe(table, np.arange(len(build.size))[None])[0]
            compared.append(contrast(given, describe(table, flips(tree_of(build.size), ORDERS, rng))))
    return compared


def _against_sorted(given: Floats, whole: Similarity, rows: int, rng: np.random.Generator) -> Refutation:
    """Compare the order with tables that were sorted: each statistic counts by its least score over all kinds.

    The best of the statistics needs no further correction: to beat twelve kinds at once is harder than the level says.
    """
    draws = [_rotations(np.tanh(whole.signed), rng), _groups_alone(np.tanh(whole.size), rows, rng)]
    drawn: list[list[Floats]] = [[] for _ in KINDS]
    for at_most in range(TABLES_AT_ONCE, TABLES + 1, TABLES_AT_ONCE):
        for source, kept in zip(draws, (drawn[: len(WAYS)], drawn[len(WAYS) :]), strict=True):
            r = np.stack([next(source) for _ in range(TABLES_AT_ONCE)])
            table = stack_correlations(r)
            for orders, null in zip(sorted_orders(r), kept, strict=True):
                null.append(describe(table, orders))
        compared = [contrast(given, np.concatenate(null)) for null in drawn]
        least = np.min([one.scores for one in compared], axis=0)
        if at_most >= 2 * TABLES_AT_ONCE and not HOPELESS < least.max() < CLEAR:
            break
    best = int(least.argmax())
    nearest = int(np.argmin([one.scores[best] for one in compared]))
    return _refutation("sorted", KINDS[nearest], [compared[nearest]])._replace(
        scores=dict(zip(STATISTICS, map(float, least), strict=True)), p=float(norm.sf(least[best])),
        statistic=list(STATISTICS)[best], given=float(compared[nearest].given[best]),
        null=compared[nearest].null[:, best],
    )  # fmt: skip


def _as_correlations(root: Floats) -> Floats:
    """Return root @ root.T as correlations."""
    covariance = root @ root.T
    length = np.sqrt(np.diagonal(covariance))
    return np.asarray(covariance / np.maximum(np.outer(length, length), 1e-12))


def _rotations(r: Floats, rng: np.random.Generator) -> Iterator[Floats]:
    """Draw correlations of the table after a random rotation of its columns."""
    np.fill_diagonal(r, 1.0)
    values, _ = np.linalg.eigh(r)
    root = np.sqrt(np.maximum(values, 0))
    while True:
        turn, _ = np.linalg.qr(rng.normal(size=r.shape))
        yield _as_correlations(turn * root)


def _groups_alone(size: Floats, rows: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Draw correlations of `rows` normal rows whose columns are as alike as the tree of the given ones says."""
    np.fill_diagonal(size, 0.0)
    unbiased = np.sqrt(np.maximum(size**2 - 1 / rows, 0))
    r = cophenetic(tree_of(np.arctanh(np.minimum(unbiased, 1 - 1e-9))))
    root = np.linalg.cholesky(r + LOADED * np.eye(len(r)))
    columns, free = len(r), rows - 1
    below = np.tril_indices(columns, -1)
    while True:
        if free < columns:
            yield _as_correlations(root @ rng.normal(size=(columns, free)))
            continue
        draw = np.diag(np.sqrt(rng.chisquare(free - np.arange(columns))))  # Bartlett: a Wishart matrix by its root
        draw[below] = rng.normal(size=len(below[0]))
        yield _as_correlations(root @ draw)
