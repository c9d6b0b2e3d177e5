"""Neighbours: whether they are more alike than the groups of columns explain.

The similarity of neighbours, S = mean atanh |r|, is compared with two kinds of null orders. *Shuffles* are random
orders: they ask whether the order means anything at all. *Flips* keep groups of similar columns together (see
`gridcnn.ordering.trees`): they ask whether the order means more than the groups.

A tree of the rows on which S is measured follows their noise, which favours the flips. A tree of other rows misses
groups if there are few rows, which favours the given order. So both trees are used, and the weaker score counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import squareform

from gridcnn.ordering.trees import Floats, Ints, cophenetic, correlations, flips, shuffles, tree_of

__all__ = ["Neighbours", "against", "compare_neighbours", "halves", "lag_means"]

SPLITS = 5
NULL_ORDERS = 99  # of each kind for each half of the rows


@dataclass(frozen=True)
class Neighbours:
    """The similarity of neighbours, in units of atanh |r|, and its effect scores against the null orders.

    Each `z` is (value - null mean) / null sd, averaged over half-splits of the rows: an effect score, not a p-value.
    """

    value: float
    flip_mean: float
    shuffle_mean: float
    z_flip: float  # flips of a tree from the other half of the rows
    z_tree: float  # flips of a tree from all rows
    z_shuffle: float
    share_flip: float  # share of flips that reach the given order
    share_closer: float  # share of flips that are closer, the given order itself not counted
    z_pair: float  # as z_flip, for lags 1 and 2 together: swapped neighbours do not hurt it
    z_pair_tree: float
    share_pair: float
    z_second: float  # as z_flip, for lag 2 alone: an order sorted by similarity is close at lag 1 only
    seam: float  # slope of neighbours' similarity on the height of the fork between them: 1 groups, 0 order
    null: Floats
    """Values of the flips, for the figure."""


def against(value: float, null: Floats) -> float:
    """Return the effect score of a value: its distance from the null mean in null standard deviations."""
    spread = float(null.std())
    gap = value - float(null.mean())
    return gap / max(spread, 1e-6 + 1e-3 * abs(gap))


def halves(scores: Floats, splits: int, rng: np.random.Generator) -> list[tuple[Floats, Floats]]:
    """Correlate the columns in random halves of the rows, once for each split."""
    rows = len(scores)
    pairs = []
    for _ in range(splits):
        order = rng.permutation(rows)
        pairs.append((correlations(scores[order[: rows // 2]]), correlations(scores[order[rows // 2 :]])))
    return pairs


def lag_means(matrix: Floats, orders: Ints, lags: int) -> Floats:
    """Average `matrix` over the pairs at each lag, (orders, columns) → (orders, lags)."""
    columns = orders.shape[1]
    means = np.empty((len(orders), lags))
    flat = matrix.ravel()
    starts = orders * columns
    for lag in range(1, lags + 1):
        means[:, lag - 1] = flat[starts[:, :-lag] + orders[:, lag:]].mean(axis=1)
    return means


def compare_neighbours(pairs: list[tuple[Floats, Floats]], whole: Floats, rng: np.random.Generator) -> Neighbours:
    """Compare the given order with flips and shuffles.

    Parameters
    ----------
    pairs : list of (array, array), each of shape (columns, columns)
        Similarity (atanh |r|) in the two halves of the rows, per split.
    whole : array, shape (columns, columns)
        The same on all rows.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Neighbours
    """
    columns = len(whole)
    given = np.arange(columns)[None]
    values, flip_means, shuffle_means, scores, shares = [], [], [], [], []
    for pair in pairs:
        for build, measure in (pair, pair[::-1]):
            tree = tree_of(build)
            value = lag_means(measure, given, 2)[0]
            flipped = lag_means(measure, flips(tree, NULL_ORDERS, rng), 2)
            shuffled = lag_means(measure, shuffles(columns, NULL_ORDERS, rng), 1)[:, 0]
            pair_value, pair_null = value.mean(), flipped.mean(axis=1)
            values.append(value[0])
            flip_means.append(flipped[:, 0].mean())
            shuffle_means.append(shuffled.mean())
            scores.append(
                (
                    against(value[0], flipped[:, 0]),
                    against(value[0], shuffled),
                    against(pair_value, pair_null),
                    against(value[1], flipped[:, 1]),
                )
            )
            shares.append(
                (
                    (flipped[:, 0] >= value[0]).mean(),
                    (pair_null >= pair_value).mean(),
                    (flipped[:, 0] > value[0] + 1e-9).mean(),
                )
            )
    z_flip, z_shuffle, z_pair, z_second = np.mean(scores, axis=0)
    tree = tree_of(whole)
    value = lag_means(whole, given, 2)[0]
    flipped = lag_means(whole, flips(tree, 2 * NULL_ORDERS, rng), 2)
    return Neighbours(
        value=float(np.mean(values)),
        flip_mean=float(np.mean(flip_means)),
        shuffle_mean=float(np.mean(shuffle_means)),
        z_flip=float(z_flip),
        z_tree=against(value[0], flipped[:, 0]),
        z_shuffle=float(z_shuffle),
        share_flip=float(np.mean(shares, axis=0)[0]),
        share_closer=float(np.mean(shares, axis=0)[2]),
        z_pair=float(z_pair),
        z_pair_tree=against(value.mean(), flipped.mean(axis=1)),
        share_pair=float(np.mean(shares, axis=0)[1]),
        z_second=float(z_second),
        seam=_seam(whole, tree),
        null=flipped[:, 0],
    )


def _seam(whole: Floats, tree: Floats) -> float:
    """Regress the similarity of neighbours on that of their branches (their cophenetic similarity): the slope."""
    height = np.diagonal(squareform(cophenetic(tree)), 1)
    branch = np.arctanh(np.clip(1 - height, 0, 0.9995))
    near = np.diagonal(whole, 1)
    spread = float(branch.var())
    return float(np.mean((branch - branch.mean()) * (near - near.mean())) / spread) if spread > 1e-12 else 1.0
