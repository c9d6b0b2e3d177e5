"""Calibration: whether a stated confidence of 80 % is right in 80 % of the cases, and the temperature that makes it so.

Probabilities are the softmax of logits that are divided by a temperature: above 1 a network gets more modest, below 1
bolder. The temperature is fitted on held-out items, by their negative log-likelihood.

References
----------
Guo et al. 2017, "On calibration of modern neural networks".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridcnn.multilabel import item_losses, shares

__all__ = ["HIGHEST", "LOWEST", "Calibration", "calibrate", "fit_temperature", "mean_loss", "mean_probabilities"]

USUAL_TEMPERATURE = 0.85
"""What a network asks for that nothing is known of: smoothed labels make most of them modest."""

SPREAD = 0.5
"""Standard deviation, from set to set, of the logarithm of the temperature around that of the usual one."""

LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of a temperature."""

PRECISION = 1e-4
"""Of the logarithm of a temperature."""


@dataclass(frozen=True)
class Calibration:
    """Confidence beside accuracy, in bins.

    Parameters
    ----------
    confidence, accuracy : list of float
        Mean confidence and share of hits in each bin that has items, in [0, 1].
    counts : list of int
        Items in each of these bins.
    error : float
        Expected calibration error: mean distance of the two, weighted by the items, in [0, 1].
    by_chance : float
        The error to expect of so many items if every stated confidence were exactly right: what is not above it shows
        no fault. The distance in each bin is taken as normally distributed.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks", equation 3.
    """

    confidence: list[float]
    accuracy: list[float]
    counts: list[int]
    error: float
    by_chance: float


def calibrate(hit: NDArray[np.bool_], confidence: NDArray[np.float64], n_bins: int = 10) -> Calibration:
    """Compare confidence with accuracy in bins of equal width.

    >>> round(calibrate(np.array([True, True, False, True]), np.array([0.9, 0.9, 0.7, 0.7])).error, 2)
    0.15
    """
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    filled = counts > 0
    mean = np.bincount(bins, weights=confidence, minlength=n_bins)[filled] / counts[filled]
    share = np.bincount(bins, weights=hit, minlength=n_bins)[filled] / counts[filled]
    error = float(np.abs(mean - share) @ counts[filled] / len(hit))
    variance = np.bincount(bins, weights=confidence * (1 - confidence), minlength=n_bins)
    by_chance = float(np.sqrt(2 / math.pi * variance).sum() / len(hit))  # mean distance of a normal variable from 0
    return Calibration(mean.tolist(), share.tolist(), counts[filled].tolist(), error, by_chance)


def mean_probabilities(
    logits: NDArray[np.floating], item: NDArray[np.integer], temperature: float, *, several: bool = False
) -> NDArray[np.float64]:
    """Return the probabilities of items as prediction has them: the mean over their windows and flipped copies.

    Parameters
    ----------
    logits : ndarray of shape (windows, copies, n_classes)
        Of each window, as it is and flipped.
    item : ndarray of shape (windows,)
        Which item each window belongs to, ascending.
    temperature : float
        What the logits are divided by.
    several : bool
        Whether an item may have several labels, whose probabilities do not compete.

    Returns
    -------
    ndarray of shape (n_items, n_classes), float64
        Of the items that have windows, in their order.
    """
    scaled = logits / np.float64(temperature)
    if several:
        of_windows = shares(scaled, several=True).mean(axis=1)
    else:
        powers = np.exp(scaled - scaled.max(axis=2, keepdims=True))
        of_windows = (powers / powers.sum(axis=2, keepdims=True)).mean(axis=1)
    first, counts = np.unique(item, return_index=True, return_counts=True)[1:]
    probabilities: NDArray[np.float64] = np.add.reduceat(of_windows, first) / counts[:, None]
    return probabilities


def mean_loss(
    probabilities: NDArray[np.float64], target: NDArray[np.integer], weight: NDArray[np.floating] | None = None
) -> float:
    """Return the mean negative log-likelihood of the true classes `(n,)`, or label sets `(n, n_classes)`, in nats."""
    return float(np.average(item_losses(probabilities, target), weights=weight))


def fit_temperature(
    logits: NDArray[np.floating],
    item: NDArray[np.integer],
    target: NDArray[np.integer],
    weight: NDArray[np.floating] | None = None,
) -> float:
    """Return the temperature under which held-out items are most likely, drawn to the usual one where they are few.

    The logarithm of the temperature has a normal prior around that of `USUAL_TEMPERATURE`. It counts as much as a dozen
    items: without it, 20 items that are all right would ask for a temperature of next to 0.

    Parameters
    ----------
    logits, item
        As in `mean_probabilities`.
    target : ndarray of shape (n_items,) or (n_items, n_classes)
        Index of the true class of each item, or zeros and ones for several labels.
    weight : ndarray of shape (n_items,), optional
        How often each item counts; only their ratios matter.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  (only to train)

    n_items = len(target)

    def cost(log_temperature: float) -> float:
        found = mean_probabilities(logits, item, math.exp(log_temperature), several=target.ndim > 1)
        off = (log_temperature - math.log(USUAL_TEMPERATURE)) / SPREAD
        return n_items * mean_loss(found, target, weight) + off**2 / 2

    bounds = (math.log(LOWEST), math.log(HIGHEST))
    return math.exp(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": PRECISION}).x)
