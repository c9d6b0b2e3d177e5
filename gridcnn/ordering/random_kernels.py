"""Features from convolutions with random kernels, which need no training.

References
----------
A. Dempster, F. Petitjean and G. I. Webb, "ROCKET: exceptionally fast and accurate time series classification using
random convolutional kernels", Data Mining and Knowledge Discovery 34 (2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gridcnn.ordering.similarity import Floats

__all__ = ["RandomKernel", "random_features", "sizes_for"]


class RandomKernel(NamedTuple):
    """Weights of shape (size,), the distance in columns between two weights, and a bias."""

    weights: Floats
    dilation: int
    bias: float


def sizes_for(columns: int) -> list[int]:
    """Return the kernel sizes that suit a number of columns."""
    return [size for size in (3, 5, 7, 9) if size <= max(3, columns // 2)]


def random_features(
    table: Floats, kernels: list[RandomKernel], pool: Callable[[Floats], Floats], *, padded: bool = False
) -> Floats:
    """Slide each kernel along the columns and pool its feature map.

    Parameters
    ----------
    table : array of shape (rows, columns)
        Columns as z-scores.
    kernels : list of RandomKernel
        Each spans at most all columns.
    pool : callable
        Turns a feature map, shape (rows, positions), into features, shape (rows, features).
    padded : bool, default False
        Whether zeros are added at both ends, so that there are as many positions as columns.

    Returns
    -------
    array of shape (rows, kernels × features)
    """
    return np.concatenate([pool(_feature_map(table, kernel, padded)) for kernel in kernels], axis=1)


def _feature_map(table: Floats, kernel: RandomKernel, padded: bool) -> Floats:
    span = (len(kernel.weights) - 1) * kernel.dilation
    if padded:
        table = np.pad(table, ((0, 0), (span // 2, span // 2)))
    positions = table.shape[1] - span
    result = np.full((len(table), positions), kernel.bias)
    for tap, weight in enumerate(kernel.weights):
        first = tap * kernel.dilation
        result += weight * table[:, first : first + positions]
    return result
