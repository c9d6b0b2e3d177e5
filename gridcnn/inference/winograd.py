"""Convolutions of pictures with fewer multiplications: the same maps up to rounding, for prediction on a CPU.

A tile of m × m cells needs (m + 2)² products with a kernel of 3 × 3, in place of 9 m². Tile and kernel are turned into
the values of two polynomials at m + 2 points, these are multiplied, and the product is turned back. For m = 4 a quarter
of the products is left; turning costs as well, and pays where many maps meet many kernels.

References
----------
Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"; Barabasz et al. 2020, "Error analysis and
improving the accuracy of Winograd convolution for deep neural networks", for the points.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["KERNEL", "Tile", "Winograd", "cheapest_tile", "transforms"]

KERNEL = 3
"""Side of the kernels."""

TILES = (2, 4, 6)
"""Sides of a tile that are considered: even, so that pooling windows do not straddle tiles."""

POINTS = (0, 1, -1, 1 / 2, -2, 2, -1 / 2)
"""Where polynomials are evaluated: a tile of m takes the first m + 1, and infinity."""

CACHE = 5 * 2**20
"""Bytes that a thread's tiles may take at once, so that its caches hold what one step hands to the next."""

Tile = tuple[int, int]


class Winograd(nn.Module):
    """A convolution of 3 × 3 with `padding="same"`, and max pooling after it where that is asked for.

    Parameters
    ----------
    convolution : nn.Conv2d
        With a bias. It stays as it is.
    tile : (int, int)
        Even height and width of the cells that are computed together, at most 6.
    pooled : bool
        Whether max pooling of 2 × 2 follows, where windows at the border may be incomplete.
    """

    def __init__(self, convolution: nn.Conv2d, tile: Tile, pooled: bool) -> None:
        super().__init__()
        assert convolution.bias is not None  # for the type checker
        of_tile, of_kernel, back = zip(*(transforms(side) for side in tile), strict=True)
        kernels = np.einsum("ia,jb,kcab->ijck", *of_kernel, convolution.weight.detach().double().numpy())
        self._tile, self._pooled = tile, pooled
        self._of_tile = _float32(np.kron(*of_tile))
        self._kernels = _float32(kernels.reshape(-1, *kernels.shape[2:]))  # (points, channels, maps)
        self._back = _float32(np.kron(*back))
        self._bias = convolution.bias.detach()

    @torch.inference_mode()
    def forward(self, maps: Tensor) -> Tensor:
        """(n, channels, height, width) → (n, maps, height, width), half of it where pooled; both channels last."""
        tiles = math.prod(_tile_counts(maps.shape[2:], self._tile))
        widest = max(self._kernels.shape[1:])
        at_once = max(torch.get_num_threads() * CACHE // (4 * len(self._of_tile) * tiles * widest), 1)
        parts = torch.split(maps.permute(0, 2, 3, 1), at_once)
        return torch.cat([self._convolved(part) for part in parts]).permute(0, 3, 1, 2)

    def _convolved(self, maps: Tensor) -> Tensor:
        """The same with channels last: (n, height, width, channels) → (n, height, width, maps)."""
        n, *sizes, channels = maps.shape
        (rows, columns), (height, width) = self._tile, sizes
        down, across = _tile_counts(sizes, self._tile)
        border = KERNEL // 2
        padded = _ROOM.take(0, n, rows * down + 2 * border, columns * across + 2 * border, channels).zero_()
        padded[:, border : border + height, border : border + width] = maps
        of_item, of_row, of_column, _ = padded.stride()
        overlapping = padded.as_strided(
            (rows + KERNEL - 1, columns + KERNEL - 1, n, down, across, channels),
            (of_row, of_column, of_item, rows * of_row, columns * of_column, 1),
        )
        points, n_tiles, n_maps = len(self._of_tile), n * down * across, len(self._bias)
        tiles = _ROOM.take(1, *overlapping.shape).copy_(overlapping).view(points, -1)
        values = torch.mm(self._of_tile, tiles, out=_ROOM.take(0, points, n_tiles * channels))
        products = _ROOM.take(1, points, n_tiles, n_maps)
        torch.bmm(values.view(points, n_tiles, channels), self._kernels, out=products)
        cells = torch.mm(self._back, products.view(points, -1), out=_ROOM.take(0, rows * columns, n_tiles * n_maps))
        cells = cells.view(rows, columns, n, down, across, n_maps)
        if self._pooled:
            cells = _pooled(cells, sizes)
            rows, columns, height, width = rows // 2, columns // 2, -(-height // 2), -(-width // 2)
        cells = cells.permute(2, 3, 0, 4, 1, 5) + self._bias
        return cells.reshape(n, rows * down, columns * across, -1)[:, :height, :width]


class _Room(threading.local):
    """Memory of a thread that is used again: new pages from the kernel would cost as much as the convolution.

    There are two blocks, 0 and 1, of which one holds what a step reads, the other what it writes.
    """

    def __init__(self) -> None:
        self._blocks = [torch.empty(0), torch.empty(0)]

    def take(self, block: int, *shape: int) -> Tensor:
        """Return room for so many numbers, whatever they are."""
        size = math.prod(shape)
        if len(self._blocks[block]) < size:
            self._blocks[block] = torch.empty(size)
        return self._blocks[block][:size].view(shape)


_ROOM = _Room()


def _pooled(cells: Tensor, sizes: list[int]) -> Tensor:
    """Return the largest of every 2 × 2 cells of `(rows, columns, n, down, across, maps)`; none outside counts."""
    rows, columns = cells.shape[:2]
    if sizes[0] % 2:
        cells[sizes[0] % rows, :, :, -1] = -torch.inf
    if sizes[1] % 2:
        cells[:, sizes[1] % columns, :, :, -1] = -torch.inf
    cells = torch.maximum(cells[0::2], cells[1::2])
    return torch.maximum(cells[:, 0::2], cells[:, 1::2])


def transforms(tile: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the matrices of one axis, for a tile of m cells and kernels of r = 3.

    They turn m + r - 1 cells (those of the tile, and what reaches into it) into as many values, a kernel into as many
    values, and the products of both into m cells: shapes `(m + r - 1, m + r - 1)`, `(m + r - 1, r)`, `(m, m + r - 1)`.

    Examples
    --------
    >>> of_tile, of_kernel, back = transforms(2)
    >>> cells, kernel = np.array([1, 2, 3, 4]), np.array([1, 0, -1])
    >>> back @ ((of_kernel @ kernel) * (of_tile @ cells))
    array([-2., -2.])
    """
    points = np.array(POINTS[: tile + KERNEL - 2])
    others = [np.delete(points, index) for index in range(len(points))]
    of_tile = np.zeros((len(points) + 1, len(points) + 1))
    of_tile[-1] = np.poly(points)[::-1]
    for row, roots in zip(of_tile, others, strict=False):
        row[:-1] = np.poly(roots)[::-1]
    at_infinity = np.eye(KERNEL)[-1:]
    apart = [np.prod(point - roots) for point, roots in zip(points, others, strict=True)]
    of_kernel = np.concatenate([np.vander(points, KERNEL, increasing=True) / np.array(apart)[:, None], at_infinity])
    back = np.concatenate([np.vander(points, tile, increasing=True), np.eye(tile)[-1:]]).T
    return of_tile, of_kernel, back


def cheapest_tile(channels: int, kernels: int, sizes: tuple[int, ...]) -> tuple[float, Tile]:
    """Return the tile that takes the least time, and that time as a share of the usual convolution's (an estimate)."""
    direct = KERNEL**2 * channels * kernels * math.prod(sizes)
    tiles = itertools.product(TILES, TILES)
    return min((_cost(channels, kernels, sizes, tile) / direct, tile) for tile in tiles)


def _cost(channels: int, kernels: int, sizes: tuple[int, ...], tile: Tile) -> float:
    """Return the time of a convolution, in multiplications of the usual one; the weights were measured."""
    n_tiles = math.prod(_tile_counts(sizes, tile))
    points, cells = math.prod(side + KERNEL - 1 for side in tile), math.prod(tile)
    moved = points * channels, cells * kernels
    turned = points * moved[0], points * moved[1]
    return n_tiles * (1.45 * points * channels * kernels + 1.5 * sum(turned) + 55 * moved[0] + 36 * moved[1])


def _tile_counts(sizes: Sequence[int], tile: Tile) -> list[int]:
    """Return how many tiles cover each axis."""
    return [-(-size // side) for size, side in zip(sizes, tile, strict=True)]


def _float32(matrix: np.ndarray) -> Tensor:
    return torch.from_numpy(matrix).float().contiguous()
