"""Lags: how well the distance between two columns explains their correlation.

On an ordered axis r(i, j) depends on the lag j - i: it decays, or comes and goes with a period. The share of the
variance of r that the lag explains is measured as a covariance between two halves of the rows. The halves do not share
noise, so it drops out, and the share does not shrink with the number of rows.

Columns that come as repeated blocks (mean, error and worst of thirty measurements) also have a lag structure, at one
lag and its multiples only: such isolated peaks are left out of the share called `rest`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcnn.ordering.neighbours import against
from gridcnn.ordering.trees import Floats, Ints, flips, shuffles

__all__ = ["Lags", "compare_lags"]

NULL_ORDERS = 99  # of each kind
PEAKS = 3  # isolated peaks that a table of repeated blocks may have


@dataclass(frozen=True)
class Lags:
    """The share of the variance of r that the lag explains, and its effect scores against the null orders.

    Attributes
    ----------
    value, rest : float
        The share, at most 1, and the share without isolated peaks.
    flip_mean : float
        Mean share of the flips.
    z_flip, z_shuffle : float
        Effect scores against flips and shuffles.
    profile : array of shape (lags,)
        Mean atanh r at lags 1, 2, … up to half the columns.
    """

    value: float
    rest: float
    flip_mean: float
    z_flip: float
    z_shuffle: float
    profile: Floats


def _sums(matrix: Floats, orders: Ints, lags: int) -> Floats:
    """Sum `matrix` over the pairs at each lag, (orders, columns) → (orders, lags)."""
    columns = orders.shape[1]
    flat = matrix.ravel()
    starts = orders * columns
    sums = np.empty((len(orders), lags))
    for lag in range(1, lags + 1):
        sums[:, lag - 1] = flat[starts[:, :-lag] + orders[:, lag:]].sum(axis=1)
    return sums


def compare_lags(pairs: list[tuple[Floats, Floats]], tree: Floats, rng: np.random.Generator) -> Lags:
    """Compare the share explained by the lag with flips of the tree of all rows, and with shuffles.

    Parameters
    ----------
    pairs : list of (array, array), each of shape (columns, columns)
        atanh r in the two halves of the rows, per split.
    tree : array, shape (columns - 1, 4)
        Tree of the same columns.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Lags
    """
    columns = len(tree) + 1
    lags = max(2, columns // 2)
    sizes = columns - np.arange(1.0, lags + 1)
    given = np.arange(columns)[None]
    orders = np.concatenate([given, flips(tree, NULL_ORDERS, rng), shuffles(columns, NULL_ORDERS, rng)])
    explained = np.zeros(len(orders))
    by_lag = np.zeros(lags)
    total = spread = 0.0
    profile = np.zeros(lags)
    for one, two in pairs:
        first, second = _sums(one, orders, lags), _sums(two, orders, lags)
        middle = (first.sum(axis=1) / sizes.sum())[:, None], (second.sum(axis=1) / sizes.sum())[:, None]
        parts = sizes * (first / sizes - middle[0]) * (second / sizes - middle[1])
        explained += parts.sum(axis=1)
        by_lag += parts[0]
        product = _sums(one * two, orders[:1], lags)[0].sum()
        spread += float(_sums(one * one, orders[:1], lags)[0].sum() - sizes.sum() * middle[0][0, 0] ** 2)
        total += float(product - sizes.sum() * middle[0][0, 0] * middle[1][0, 0])
        profile += (first[0] + second[0]) / sizes / (2 * len(pairs))
    total = max(total, 0.02 * spread, 1e-12)  # pure noise has no variance that the halves share
    after = np.append(profile[2:], -np.inf)
    isolated = np.flatnonzero((profile[1:] > profile[:-1]) & (profile[1:] > after)) + 1
    peaks = np.sort(by_lag[isolated])[::-1][:PEAKS].sum()
    flipped, shuffled = explained[1 : NULL_ORDERS + 1], explained[NULL_ORDERS + 1 :]
    return Lags(
        value=float(min(1.0, explained[0] / total)),
        rest=float(min(1.0, (explained[0] - peaks) / total)),
        flip_mean=float(flipped.mean() / total),
        z_flip=against(explained[0], flipped),
        z_shuffle=against(explained[0], shuffled),
        profile=profile,
    )
