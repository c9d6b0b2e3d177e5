"""Convolutions with random kernels, whose match maps make features without training.

References
----------
A. Dempster, F. Petitjean and G. I. Webb, "ROCKET: exceptionally fast and accurate time series classification using
random convolutional kernels", Data Mining and Knowledge Discovery 34 (2020).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridcnn.ordering.trees import Floats

__all__ = ["RandomKernel", "match_map"]


class RandomKernel(NamedTuple):
    """Weights `(size,)`, the distance between the cells that they meet, and a bias."""

    weights: Floats
    dilation: int
    bias: float


def match_map(table: Floats, kernel: RandomKernel, *, padded: bool = False) -> Floats:
    """Slide a kernel along the columns: (rows, columns) → (rows, places).

    A kernel that is not `padded` stays inside, so that there are fewer places than columns.
    """
    reach = (len(kernel.weights) - 1) * kernel.dilation
    cells = np.pad(table, ((0, 0), (reach // 2, reach // 2))) if padded else table
    places = table.shape[1] if padded else table.shape[1] - reach
    match = np.full((len(table), places), kernel.bias)
    for tap, weight in enumerate(kernel.weights):
        match += weight * cells[:, tap * kernel.dilation : tap * kernel.dilation + places]
    return match
