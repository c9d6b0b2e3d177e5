"""Length bucketing: batches of texts without the padding that all of them share.

A text that is shorter than the grid is padded at its end. If the network takes the global maximum of each map, a few
cells of padding have the same effect as many. So a batch is cut to its longest text, and long texts of similar length
share a batch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from gridcnn.network.backbone import ConvPoolDense

__all__ = ["batches_in_order", "lengths_needed", "shuffled_batches", "without_padding"]

LONG = 100
"""Cells above which bucketing saves enough time to be worth less random batches; for sentences it saves none."""

POOL = 20
"""Batches' worth of randomly drawn windows that are sorted by length before they are cut into batches."""


def lengths_needed(windows: np.ndarray, frontend: nn.Module, backbone: ConvPoolDense) -> np.ndarray | None:
    r"""Return how many cells of each window have to be computed for the same logits.

    Parameters
    ----------
    windows : ndarray of shape (n, cells, \*)
        Encoded windows, whose grids have one axis.
    frontend : nn.Module
        A frontend whose grids may be padded has a method `filled`, from windows to the number of cells before the
        padding.
    backbone : ConvPoolDense
        The network that computes the grids.

    Returns
    -------
    ndarray of shape (n,) or None
        None if all cells of all windows count.
    """
    filled: Any = getattr(frontend, "filled", None)
    if filled is None or backbone.padding_margin is None:
        return None
    sizes: np.ndarray = np.minimum(filled(windows) + backbone.padding_margin, windows.shape[1])
    return sizes


def shuffled_batches(n: int, n_batches: int, sizes: np.ndarray | None) -> list[np.ndarray]:
    """Cut `n` windows into random batches; if some of the `sizes` are long, windows of similar size share a batch."""
    order = torch.randperm(n).numpy()
    if sizes is None or sizes.max() <= LONG:
        return np.array_split(order, n_batches)
    pool = np.arange(n) * math.ceil(n_batches / POOL) // n
    batches = np.array_split(order[np.lexsort((sizes[order], pool))], n_batches)
    return [batches[index] for index in torch.randperm(n_batches)]


def batches_in_order(n: int, batch_size: int, sizes: np.ndarray | None) -> list[np.ndarray]:
    """Cut `n` windows into as few batches as possible, in their order, or from the smallest of `sizes` on."""
    order = np.arange(n) if sizes is None else sizes.argsort(kind="stable")
    return np.array_split(order, math.ceil(n / batch_size))


def without_padding(windows: np.ndarray, sizes: np.ndarray | None, batch: np.ndarray) -> np.ndarray:
    """Cut the windows of a batch to the largest of their sizes."""
    return windows if sizes is None else windows[:, : sizes[batch].max()]
