"""Batches of texts without the padding that all of them have.

A text that is shorter than the grid is padded at its end. Where the network takes the best match of each kernel, a few
cells of padding say as much as all of them, so a batch is cut to its longest text, and long texts of like length come
in one batch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from gridcnn.network.backbone import ConvPoolDense

__all__ = ["batches_in_order", "lengths_needed", "shuffled_batches", "trimmed"]

LONG = 100
"""Cells above which batches of like sizes are worth the chance that they take away; sentences are learned no faster."""

POOL = 20
"""Batches' worth of windows, drawn at random, that are sorted by size before they are cut into batches."""


def lengths_needed(windows: np.ndarray, frontend: nn.Module, backbone: ConvPoolDense) -> np.ndarray | None:
    r"""Return how many cells of each window have to be computed for the same answer.

    Parameters
    ----------
    windows : ndarray of shape (n, cells, \*)
        What `frontend` turns into grids of one axis.
    frontend : nn.Module
        Where it pads, it has a method `filled`, from windows to the number of cells up to the last one that is not.
    backbone : ConvPoolDense
        The network that computes the grids.

    Returns
    -------
    ndarray of shape (n,) or None
        None where all cells of all windows count.
    """
    filled: Any = getattr(frontend, "filled", None)
    if filled is None or backbone.padding_margin is None:
        return None
    sizes: np.ndarray = np.minimum(filled(windows) + backbone.padding_margin, windows.shape[1])
    return sizes


def shuffled_batches(n: int, n_batches: int, sizes: np.ndarray | None) -> list[np.ndarray]:
    """Cut `n` windows into batches at random; where some of the `sizes` are long, those of like size come together."""
    order = torch.randperm(n).numpy()
    if sizes is None or sizes.max() <= LONG:
        return np.array_split(order, n_batches)
    pool = np.arange(n) * math.ceil(n_batches / POOL) // n
    batches = np.array_split(order[np.lexsort((sizes[order], pool))], n_batches)
    return [batches[index] for index in torch.randperm(n_batches)]


def batches_in_order(n: int, batch_size: int, sizes: np.ndarray | None) -> list[np.ndarray]:
    """Cut `n` windows into few batches of nearly one size as they come; with `sizes`, the smallest come first."""
    order = np.arange(n) if sizes is None else sizes.argsort(kind="stable")
    return np.array_split(order, math.ceil(n / batch_size))


def without_padding(windows: np.ndarray, sizes: np.ndarray | None, batch: np.ndarray) -> np.ndarray:
    """Cut the windows of a batch to what the one that needs most cells needs."""
    return windows if sizes is None else windows[:, : sizes[batch].max()]
