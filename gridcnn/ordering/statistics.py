"""Statistics of an order: in how far similar columns stand near one another.

Each statistic is a sum of descriptions, standardised against the null orders that it is compared with:

- *lags*: the share of the variance of atanh r that the lag (the distance between two columns) explains;
- *fading*: lags; the same share of atanh |r| for lags up to a quarter of the columns; the share of steps away from a
  column at which similarity falls; the similarity of next neighbours but one;
- *cycle*: the share that the lag explains if the last column is the neighbour of the first;
- *ranks*: the share of steps at which similarity falls, and the rank correlation of similarity and nearness.

Mean similarity of neighbours, the obvious statistic, is left out: whoever sorts columns makes it as high as it can be.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from gridcnn.ordering.similarity import Floats, Ints, Similarity, fisher, similarity

__all__ = [
    "STATISTICS",
    "Comparison",
    "contrast",
    "describe",
    "lag_means",
    "profile_of",
    "score",
    "stack",
    "stack_correlations",
]

STATISTICS = {"lags": [0], "fading": [0, 1, 2, 3], "ranks": [2, 4], "cycle": [5]}


class _Pairs(NamedTuple):
    """Pairs of columns in the order of their lags, and where each lag begins."""

    first: Ints
    second: Ints
    starts: Ints
    sizes: Floats
    nearness: Floats  # of each lag, as a standardised rank
    steps: tuple[Ints, Ints]  # positions of a pair, and of the pair one column farther apart


@lru_cache(maxsize=64)
def _pairs(columns: int) -> _Pairs:
    lag = np.arange(1, columns)
    first = np.concatenate([np.arange(columns - one) for one in lag])
    lags = np.repeat(lag, columns - lag)
    starts = np.concatenate([[0], np.cumsum(columns - lag)[:-1]])
    ranks = rankdata(-lags)
    ranks = (ranks - ranks.mean()) / max(float(ranks.std()), 1e-12)
    inner = lags < columns - 1
    nearer = np.flatnonzero(inner)
    wider = starts[np.minimum(lags, columns - 2)]  # where the next lag begins
    right = nearer[first[inner] + lags[inner] + 1 < columns]
    left = nearer[first[inner] > 0]
    return _Pairs(
        first, first + lags, starts, (columns - lag).astype(np.float64), ranks[starts],
        (np.concatenate([right, left]), np.concatenate([wider[right] + first[right], wider[left] + first[left] - 1])),
    )  # fmt: skip


def _stacked(signed: Floats, size: Floats) -> Floats:
    """Stack atanh r, atanh |r|, and the ranks of the latter, standardised; both of shape (tables, columns, columns)."""
    pairs = _pairs(size.shape[1])
    ranks = rankdata(size[:, pairs.first, pairs.second], axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    ranks /= np.maximum(ranks.std(axis=1, keepdims=True), 1e-12)
    square = np.zeros_like(size)
    square[:, pairs.first, pairs.second] = square[:, pairs.second, pairs.first] = ranks
    return np.stack([signed, size, square], axis=1)


def describe(stacked: Floats, orders: Ints) -> Floats:
    """Describe orders of the columns.

    Parameters
    ----------
    stacked : array, shape (tables, 3, columns, columns)
        What `stack` returns: one table for all orders, or one for each.
    orders : array of int, shape (orders, columns)

    Returns
    -------
    array of shape (orders, 6)
        Lags, near lags, falling, next but one, nearness, cycle, see the module; higher means closer.
    """
    columns = orders.shape[1]
    pairs = _pairs(columns)
    flat = orders[:, pairs.first] * columns + orders[:, pairs.second]
    values = stacked.reshape(len(stacked), 3, -1)
    signed, size, rank = (np.take_along_axis(values[:, one], flat, axis=1) if len(values) > 1 else values[0, one][flat]
                          for one in range(3))  # fmt: skip
    half, quarter = max(2, columns // 2), max(3, columns // 4)
    by_lag = [np.add.reduceat(one, pairs.starts, axis=1) for one in (signed, size, rank)]
    nearer, wider = pairs.steps
    return np.stack(
        [
            _explained(by_lag[0][:, :half], pairs.sizes[:half], signed),
            _explained(by_lag[1][:, :quarter], pairs.sizes[:quarter], size),
            (size[:, nearer] >= size[:, wider]).mean(axis=1),
            by_lag[1][:, 1] / pairs.sizes[1],
            by_lag[2] @ pairs.nearness / len(pairs.first),
            _explained(_circular(by_lag[0]), _circular(pairs.sizes[None])[0], signed),
        ],
        axis=1,
    )


def _circular(sums: Floats) -> Floats:
    """Add up what lies at lags l and columns - l, the same on a circle, (orders, columns - 1) → (orders, half)."""
    half = (sums.shape[1] + 1) // 2
    both = sums[:, :half] + sums[:, ::-1][:, :half]
    if sums.shape[1] % 2:
        both[:, -1] /= 2
    return both


def _explained(sums: Floats, sizes: Floats, values: Floats) -> Floats:
    """Return the share of the variance of `values`, (orders, pairs), that lies between the means of the first lags."""
    means = sums / sizes
    middle = sums.sum(axis=1, keepdims=True) / sizes.sum()
    spread = values.var(axis=1) * values.shape[1]
    return np.asarray((sizes * (means - middle) ** 2).sum(axis=1) / np.maximum(spread, 1e-12))


def lag_means(matrix: Floats, orders: Ints, lags: int) -> Floats:
    """Average `matrix` over the pairs at each of the first lags, (orders, columns) → (orders, lags)."""
    columns = orders.shape[1]
    flat, starts = matrix.ravel(), orders * columns
    means = [flat[starts[:, :-lag] + orders[:, lag:]].mean(axis=1) for lag in range(1, lags + 1)]
    return np.stack(means, axis=1)


def profile_of(matrix: Floats) -> Floats:
    """Average a matrix over the pairs at each lag, (columns, columns) → (columns - 1,)."""
    pairs = _pairs(len(matrix))
    return np.asarray(np.add.reduceat(matrix[pairs.first, pairs.second], pairs.starts) / pairs.sizes)


class Comparison(NamedTuple):
    """Statistics of the given order beside those of null orders.

    Attributes
    ----------
    scores : array, shape (statistics,)
        Each statistic as the quantile of a standard normal.
    best : float
        The score of the best of them, corrected for their number.
    given : array, shape (statistics,)
        The statistics of the given order, in standard deviations of the null orders.
    null : array, shape (orders, statistics)
        The same of the null orders.
    """

    scores: Floats
    best: float
    given: Floats
    null: Floats


def contrast(given: Floats, null: Floats) -> Comparison:
    """Compare the given order with null orders.

    A null distribution is fitted by its mean, spread and skewness (Pearson III, after Wilson and Hilferty), which needs
    far fewer orders than counting does where p is small (Winkler et al. 2016). The best statistic is compared with the
    best one of each null order, which corrects for their number (Westfall and Young 1993).

    Parameters
    ----------
    given : array, shape (6,)
        Description of the given order.
    null : array, shape (orders, 6)
        Descriptions of the null orders.
    """
    gap = given - null.mean(axis=0)
    spread = np.maximum(null.std(axis=0), 1e-9 + 1e-3 * np.abs(gap))
    own, others = gap / spread, (null - null.mean(axis=0)) / spread
    sums = np.stack([others[:, parts].sum(axis=1) for parts in STATISTICS.values()], axis=1)
    width = np.maximum(sums.std(axis=0), 1e-3)
    values = np.array([own[parts].sum() for parts in STATISTICS.values()]) / width
    sums /= width
    scores = np.array([score(value, one) for value, one in zip(values, sums.T, strict=True)])
    return Comparison(scores, score(float(values.max()), sums.max(axis=1)), values, sums)


def score(value: float, null: Floats) -> float:
    """Return the quantile of a standard normal that `value` has in a distribution fitted to null values."""
    spread = max(float(null.std()), 1e-3)
    plain = (value - float(null.mean())) / spread
    skew = float(np.clip((((null - null.mean()) / spread) ** 3).mean(), -2, 2))
    if abs(skew) < 0.05:
        return plain
    return float(6 / skew * (np.cbrt(max(1 + skew * plain / 2, 1e-3)) - 1) + skew / 6)


def stack(similar: Similarity) -> Floats:
    """Stack one similarity for `describe`, (1, 3, columns, columns)."""
    return _stacked(similar.signed[None], similar.size[None])


def stack_correlations(r: Floats) -> Floats:
    """Stack correlations for `describe`, (tables, columns, columns) → (tables, 3, columns, columns)."""
    return _stacked(fisher(r), similarity(r))
