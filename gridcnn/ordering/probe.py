"""The probe: whether convolutions with random kernels predict the labels better than models that know no order.

It finds motifs at random positions, which leave no correlation between columns. It can show an order, but not refute
one: on smooth data a model that knows no order does as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from gridcnn.ordering.neighbours import against
from gridcnn.ordering.random_kernels import RandomKernel, random_features, sizes_for
from gridcnn.ordering.trees import Floats

__all__ = ["probe"]

ROWS, COLUMNS, KERNELS, SHUFFLES = 300, 512, 64, 49


def probe(scores: Floats, target: Any, rng: np.random.Generator) -> dict[str, float] | None:
    """Score random convolutions, the same on shuffled columns, and models that know no order.

    The score is the leave-one-out R² of a ridge regression on the features.

    Parameters
    ----------
    scores : array, shape (rows, columns)
        Columns as z-scores.
    target : array, shape (rows,)
        Labels or numbers.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    dict or None
        value, order_free, z_shuffle and share_shuffle, the share of shuffles that are as good; the first of them
        ends the shuffles. None if the target cannot be predicted.
    """
    wanted = _one_column_per_class(target)
    if wanted is None or len(scores) < 40:
        return None
    take = rng.permutation(len(scores))[:ROWS]
    table, wanted = scores[take, :COLUMNS], wanted[take]
    wanted = wanted - wanted.mean(axis=0)
    if float((wanted**2).sum()) <= 0:
        return None
    columns = table.shape[1]
    size = rng.choice(sizes_for(columns), KERNELS)
    dilation = rng.choice([1, 2, 4], KERNELS)
    dilation = np.where((size - 1) * dilation < columns, dilation, 1)
    kernels = [
        RandomKernel(rng.normal(size=n), int(step), rng.normal() * 0.5) for n, step in zip(size, dilation, strict=True)
    ]
    value = _loo(_gram(random_features(table, kernels, _share_and_maximum)), wanted)
    square = ((table[:, None] - table[None]) ** 2).mean(axis=2) if columns <= 64 else _distances(table)
    order_free = max(_loo(_gram(table), wanted), _loo(np.exp(-square / max(float(np.median(square)), 1e-9)), wanted))
    null: list[float] = []
    beaten = 0
    for _ in range(SHUFFLES):
        null.append(
            _loo(_gram(random_features(table[:, rng.permutation(columns)], kernels, _share_and_maximum)), wanted)
        )
        beaten += null[-1] >= value
        if beaten or (len(null) == 5 and value < order_free + 0.02):
            break
    return {
        "value": value,
        "order_free": order_free,
        "z_shuffle": against(value, np.array(null)) if len(null) > 4 else 0.0,
        "share_shuffle": (beaten + 1) / (len(null) + 1),
    }


def _one_column_per_class(target: Any) -> Floats | None:
    values = np.asarray(target)
    levels, codes = np.unique(values.astype(str) if values.dtype.kind in "OUS" else values, return_inverse=True)
    if len(levels) < 2:
        return None
    if values.dtype.kind == "f" and len(levels) > 20:
        return _ranks(values)
    if len(levels) > 50:
        return None if values.dtype.kind in "OUS" else _ranks(values)
    return np.asarray(np.eye(len(levels))[codes])


def _ranks(values: Any) -> Floats:
    """Return ranks, so that a few large numbers do not drown the others."""
    return np.asarray(rankdata(np.asarray(values, dtype=np.float64)) / len(values))[:, None]


def _share_and_maximum(feature_map: Floats) -> Floats:
    """Return the share of positive values and the maximum of each row."""
    return np.stack([(feature_map > 0).mean(axis=1), feature_map.max(axis=1)], axis=1)


def _gram(features: Floats) -> Floats:
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    return np.asarray(scaled @ scaled.T / max(1, scaled.shape[1]))


def _distances(table: Floats) -> Floats:
    length = (table**2).sum(axis=1)
    return np.asarray(np.maximum(length[:, None] + length - 2 * table @ table.T, 0) / table.shape[1])


def _loo(gram: Floats, wanted: Floats) -> float:
    """Return the best leave-one-out R² of kernel ridge over penalties, from one eigendecomposition."""
    values, vectors = np.linalg.eigh(gram)
    projected = vectors.T @ wanted
    total = float((wanted**2).sum())
    best = -np.inf
    for penalty in np.logspace(-3, 2, 6) * max(float(values.sum()) / 20, 1e-9):
        shrink = penalty / (np.maximum(values, 0) + penalty)
        residual = vectors @ (shrink[:, None] * projected)
        leverage = np.einsum("ij,j,ij->i", vectors, shrink, vectors) - 1e-12
        best = max(best, 1 - float(((residual / leverage[:, None]) ** 2).sum()) / total)
    return best
