"""Cosine similarity of a kernel with each patch of a grid, in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from gridcnn.errors import ConfigurationError, DataError

__all__ = ["cosine_similarity_map", "pool_map", "random_kernel"]


def cosine_similarity_map(kernel: np.ndarray, grid: np.ndarray, *, padding: str = "valid") -> np.ndarray:
    """Return the cosine similarity of a kernel with every patch of a grid, the match map of the classic walk.

    It is 1 if the patch equals the kernel at any strength (with normalisation after the convolution strength makes no
    difference), 0 if they have nothing in common or the patch is empty, and -1 if the patch is the negative of the
    kernel. For a picture and a kernel of ±1 it is the mean of the products.

    Parameters
    ----------
    kernel : ndarray of shape (channels, *size)
        Such as one of `Step.kernels`.
    grid : ndarray of shape (channels, *sizes)
        With as many axes as `kernel`: the grid, or the input of that step.
    padding : {"valid", "same"}
        Whether the kernel stays inside, so that the map is smaller, or reaches over the border into zeros.

    Returns
    -------
    ndarray of float64, in [-1, 1]
        Of shape `(*sizes)`, or of size - kernel size + 1 on each axis with `padding="valid"`.

    Raises
    ------
    DataError
        If the shapes do not fit.

    Examples
    --------
    >>> diagonal = 2 * np.eye(3) - 1
    >>> cosine_similarity_map(diagonal[None], 2 * np.eye(4)[None] - 1).round(2)
    array([[ 1.  , -0.11],
           [-0.11,  1.  ]])
    """
    if padding not in {"valid", "same"}:
        raise ConfigurationError(f"padding must be 'valid' or 'same', got {padding!r}")
    fits = kernel.ndim == grid.ndim and kernel.shape[0] == grid.shape[0]
    if not fits or grid.ndim not in {2, 3} or (padding == "valid" and np.less(grid.shape, kernel.shape).any()):
        raise DataError(
            f"a kernel of shape {kernel.shape} cannot be matched with a grid of shape {grid.shape}: both need "
            "(channels, length) or (channels, height, width), with the same channels, and the kernel must fit into it"
        )
    convolve = (F.conv1d, F.conv2d)[grid.ndim - 2]
    weights = torch.from_numpy(np.array(kernel, dtype=np.float64))[None]
    cells = torch.from_numpy(np.array(grid, dtype=np.float64))[None]
    if padding == "same":  # by hand: torch warns of kernels of even size
        borders = [((size - 1) // 2, size // 2) for size in reversed(kernel.shape[1:])]
        cells = F.pad(cells, [cells_added for border in borders for cells_added in border])
    products: Tensor = convolve(cells, weights)[0, 0]
    squares: Tensor = convolve(cells**2, torch.ones_like(weights))[0, 0]
    lengths = squares.clamp(min=0).sqrt() * weights.norm()
    match: np.ndarray = (products / lengths.clamp(min=1e-12)).clamp(-1, 1).numpy()
    return match


def pool_map(values: np.ndarray, size: int = 2, *, kind: str = "max") -> np.ndarray:
    """Shrink one map: each window of `size` cells a side becomes its largest value, or its mean.

    Parameters
    ----------
    values : ndarray of shape (length,) or (height, width)
        A map.
    size : int
        Side of a window, and the step between windows; a window at the border may be incomplete.
    kind : {"max", "average"}
        What a window becomes.

    Examples
    --------
    >>> pool_map(np.arange(5.0))
    array([1., 3., 4.])
    """
    if kind not in {"max", "average"}:
        raise ConfigurationError(f"kind must be 'max' or 'average', got {kind!r}")
    if values.ndim not in {1, 2}:
        raise DataError(f"a map has shape (length,) or (height, width), got {values.shape}")
    pools = (F.max_pool1d, F.max_pool2d) if kind == "max" else (F.avg_pool1d, F.avg_pool2d)
    cells = torch.from_numpy(np.array(values, dtype=np.float64))[None]
    pooled: np.ndarray = pools[values.ndim - 1](cells, size, ceil_mode=True)[0].numpy()
    return pooled


def random_kernel(like: np.ndarray, random_state: int = 0) -> np.ndarray:
    """Return an untrained kernel of the same shape and norm, to compare its similarity map with.

    Its mean is 0, so that it does not respond to brightness.
    """
    drawn = np.random.default_rng(random_state).normal(size=like.shape)
    drawn -= drawn.mean() if drawn.size > 1 else 0.0
    kernel: np.ndarray = drawn * np.linalg.norm(like) / np.linalg.norm(drawn)
    return kernel
