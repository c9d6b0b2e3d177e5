"""The probe: whether convolutions with random kernels predict the labels better than models that know no order.

It finds motifs at random positions, which leave no correlation between columns. Two independent draws of kernels must
agree, so that one lucky draw decides nothing. On smooth data a model that knows no order does as well, so that the
probe refutes an order only where the accuracy in the given order and in shuffled ones is the same within a point.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from gridcnn.ordering.random_kernels import RandomKernel, random_features, sizes_for
from gridcnn.ordering.similarity import Floats, Ints
from gridcnn.ordering.statistics import score

__all__ = ["Probe", "probe"]

ROWS, MORE_ROWS, COLUMNS, KERNELS = 400, 2000, 256, 64
DRAWS, SHUFFLES, FEW_SHUFFLES = 2, 49, 5
FEWEST_ROWS, FEWEST_COLUMNS = 40, 8
AHEAD = 0.02  # R² by which convolutions must be ahead of models that know no order
CLEAR = 3.0  # the score that each draw of kernels must reach
WITHIN = 0.01  # accuracy that an order must bring to be worth it
ENOUGH_ROWS = 400  # fewer cannot show that an order brings less


class Probe(NamedTuple):
    """Leave-one-out R² of convolutions with random kernels.

    Attributes
    ----------
    value, shuffled, order_free : float
        R² in the given order, in shuffled ones, and of the better of two models that know no order.
    p : float
        The p-value against shuffled orders; 1 if one draw of kernels found nothing.
    gain : tuple of float or None
        95 % interval of accuracy in the given order minus that in shuffled ones; None for few rows, or for numbers.
    """

    value: float
    shuffled: float
    order_free: float
    p: float
    gain: tuple[float, float] | None = None

    def is_ordered(self, alpha: float) -> bool:
        """Whether convolutions see the target better in the given order, and better than models without order."""
        return self.p <= alpha and self.value >= self.order_free + AHEAD

    @property
    def brings_nothing(self) -> bool:
        """Whether the order cannot bring a point of accuracy."""
        return self.gain is not None and self.gain[0] > -WITHIN and self.gain[1] < WITHIN


def probe(scores: Floats, target: Any, rng: np.random.Generator) -> Probe | None:
    """Score random convolutions, the same on shuffled columns, and models that know no order.

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
    Probe or None
        None if the target cannot be predicted, or the table is too small.
    """
    wanted = _one_column_per_class(target)
    if wanted is None or len(scores) < FEWEST_ROWS or scores.shape[1] < FEWEST_COLUMNS:
        return None
    rows = rng.permutation(len(scores))
    take = rows[:ROWS]
    table, aim = scores[take, :COLUMNS], wanted[take] - wanted[take].mean(axis=0)
    if float((aim**2).sum()) <= 0:
        return None
    columns = table.shape[1]
    square = ((table**2).sum(axis=1)[:, None] + (table**2).sum(axis=1) - 2 * table @ table.T) / columns
    square = np.maximum(square, 0)
    kernel = np.linalg.eigh(np.exp(-square / max(float(np.median(square)), 1e-9)))
    order_free = max(_fit(*_decompose(table), aim)[0], _fit(kernel[1], kernel[0], aim)[0])
    values, shuffled, tails = [], [], []
    for _ in range(DRAWS):
        kernels = _kernels(columns, rng)
        values.append(_fit(*_features(table, kernels), aim)[0])
        null: list[float] = []
        for _ in range(SHUFFLES):
            null.append(_fit(*_features(table[:, rng.permutation(columns)], kernels), aim)[0])
            hopeless = sum(one >= values[-1] for one in null) > 1 or values[-1] < order_free + AHEAD
            if hopeless and len(null) >= FEW_SHUFFLES:
                break
        shuffled.append(float(np.mean(null)))
        tails.append(score(values[-1], np.array(null)))
        if hopeless or tails[-1] < CLEAR:
            break
    agree = len(tails) == DRAWS and min(tails) >= CLEAR
    gain = None
    if not agree and wanted.shape[1] > 1 and len(scores) >= ENOUGH_ROWS:
        gain = _gain(scores[rows[:MORE_ROWS], :COLUMNS], wanted[rows[:MORE_ROWS]], rng)
    p = float(norm.sf(np.mean(tails))) if agree else 1.0
    return Probe(float(np.mean(values)), float(np.mean(shuffled)), order_free, p, gain)


def _gain(table: Floats, wanted: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval of accuracy in the given order minus accuracy in shuffled orders, row by row."""
    kernels, columns = _kernels(table.shape[1], rng), table.shape[1]
    middle = wanted.mean(axis=0)

    def right(order: Ints) -> Floats:
        answer = _fit(*_features(table[:, order], kernels), wanted - middle)[1] + middle
        return np.asarray(answer.argmax(axis=1) == wanted.argmax(axis=1), dtype=np.float64)

    shuffled = np.mean([right(rng.permutation(columns)) for _ in range(FEW_SHUFFLES)], axis=0)
    ahead = right(np.arange(columns)) - shuffled
    error = 1.96 * float(ahead.std()) / np.sqrt(len(ahead))
    return float(ahead.mean() - error), float(ahead.mean() + error)


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


def _kernels(columns: int, rng: np.random.Generator) -> list[RandomKernel]:
    size, dilation = rng.choice(sizes_for(columns), KERNELS), rng.choice([1, 2, 4], KERNELS)
    dilation = np.where((size - 1) * dilation < columns, dilation, 1)
    return [
        RandomKernel(rng.normal(size=n), int(step), rng.normal() * 0.5) for n, step in zip(size, dilation, strict=True)
    ]


def _features(table: Floats, kernels: list[RandomKernel]) -> tuple[Floats, Floats]:
    """Convolve, take the share of positive values and the maximum of each row, and decompose."""

    def pool(feature_map: Floats) -> Floats:
        return np.stack([(feature_map > 0).mean(axis=1), feature_map.max(axis=1)], axis=1)

    return _decompose(random_features(table, kernels, pool))


def _decompose(features: Floats) -> tuple[Floats, Floats]:
    """Return the eigenvectors of the Gram matrix of standardised features that have eigenvalues, and these."""
    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread > 1e-9, spread, np.inf)
    vectors, roots, _ = np.linalg.svd(scaled / np.sqrt(max(1, scaled.shape[1])), full_matrices=False)
    return vectors, roots**2


def _fit(vectors: Floats, values: Floats, wanted: Floats) -> tuple[float, Floats]:
    """Return the best leave-one-out R² of kernel ridge over penalties, and its leave-one-out predictions."""
    projected = vectors.T @ wanted
    total = float((wanted**2).sum())
    best, answer = -np.inf, wanted
    for penalty in np.logspace(-3, 2, 6) * max(float(values.sum()) / 20, 1e-9):
        kept = np.maximum(values, 0) / (np.maximum(values, 0) + penalty)
        residual = wanted - vectors @ (kept[:, None] * projected)
        residual /= np.maximum(1 - np.einsum("ij,j,ij->i", vectors, kept, vectors), 1e-12)[:, None]
        explained = 1 - float((residual**2).sum()) / total
        if explained > best:
            best, answer = explained, wanted - residual
    return best, answer
