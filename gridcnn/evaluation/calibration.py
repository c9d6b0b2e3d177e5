"""Calibration: whether a stated confidence of 80 % is right in 80 % of the cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Calibration", "calibrate"]


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

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks", equation 3.
    """

    confidence: list[float]
    accuracy: list[float]
    counts: list[int]
    error: float


def calibrate(hit: np.ndarray, confidence: np.ndarray, n_bins: int = 10) -> Calibration:
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
    return Calibration(mean.tolist(), share.tolist(), counts[filled].tolist(), error)
