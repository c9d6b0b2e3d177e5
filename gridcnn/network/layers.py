"""Layers that torch lacks, or computes more slowly.

A sequence is computed as a picture of one row with channels last. This gives the same numbers as torch's own 1-D
layers, which need channels first, in half to three quarters of their time on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["ParallelBranches", "SequenceAveragePool", "SequenceMaxPool", "SequenceNorm", "to_channels_last"]


def to_channels_last(grids: Tensor) -> Tensor:
    """Lay 2-D grids out with channels last, which CPUs and GPUs convolve faster; leave 1-D grids alone."""
    # `contiguous` would leave the strides of a single channel as they are, and what is computed from it channels first.
    return grids.to(memory_format=torch.channels_last) if grids.ndim == 4 else grids


class ParallelBranches(nn.ModuleList):
    """Convolutions of several kernel sizes over the same maps, whose feature maps are concatenated as channels."""

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, *sizes) → (batch, maps, *sizes)."""
        if maps.ndim == 3:
            return self._along_sequences(maps)
        branches: list[Tensor] = [_convolved(branch, maps) for branch in self]
        return branches[0] if len(branches) == 1 else torch.cat(branches, dim=1)

    def at_once(self) -> tuple[Tensor, Tensor | None]:
        """Return the kernels of all sizes for sequences `(maps, channels, width)`, and their biases `(maps,)`.

        A narrow kernel is a wide one with zeros at its ends. If sequences are padded, the width is odd, so that both
        borders are padded alike.
        """
        branches: Any = list(self)  # a ModuleList forgets what it holds
        sizes = [branch.kernel_size[0] for branch in branches]
        width = max(sizes) | (branches[0].padding == "same")
        before = [(width - 1) // 2 - (size - 1) // 2 for size in sizes]
        kernels = [
            F.pad(branch.weight, (left, width - size - left))
            for branch, size, left in zip(branches, sizes, before, strict=True)
        ]
        if branches[0].bias is None:
            return torch.cat(kernels), None
        without = kernels[-1].new_zeros(branches[-1].out_channels)  # summed kernels have none
        return torch.cat(kernels), torch.cat([without if each.bias is None else each.bias for each in branches])

    def _along_sequences(self, sequences: Tensor) -> Tensor:
        branches: Any = list(self)
        same, gaps = branches[0].padding == "same", [branch.dilation[0] for branch in branches]

        def convolved(kernels: Tensor, biases: Tensor | None, gap: int) -> Tensor:
            border = kernels.shape[2] // 2 * gap if same else 0
            rows = to_channels_last(kernels.unsqueeze(2))
            return F.conv2d(sequences.unsqueeze(2), rows, biases, padding=(0, border), dilation=(1, gap)).squeeze(2)

        if max(gaps) == 1:
            return convolved(*self.at_once(), 1)
        parts = [convolved(branch.weight, branch.bias, gap) for branch, gap in zip(branches, gaps, strict=True)]
        return torch.cat(parts, dim=1)


def _convolved(branch: Any, maps: Tensor) -> Tensor:
    """Convolve 2-D maps; even kernels with `padding="same"` get the extra row or column that torch would warn about."""
    height, width = ((size - 1) * gap for size, gap in zip(branch.kernel_size, branch.dilation, strict=True))
    if branch.padding != "same" or height % 2 == width % 2 == 0:
        convolved: Tensor = branch(maps)
        return convolved
    padded = F.pad(maps, (0, width % 2, 0, height % 2))
    return F.conv2d(padded, branch.weight, branch.bias, padding=(height // 2, width // 2), dilation=branch.dilation)


class SequenceNorm(nn.BatchNorm1d):
    """Batch normalisation of sequences."""

    def forward(self, sequences: Tensor) -> Tensor:
        """(batch, maps, length) → the same shape."""
        rows: Tensor = super().forward(sequences.unsqueeze(2))
        return rows.squeeze(2)

    def _check_input_dim(self, rows: Tensor) -> None:
        """Allow rows."""


class SequenceMaxPool(nn.MaxPool1d):
    """Max pooling of sequences."""

    def forward(self, sequences: Tensor) -> Tensor:
        """(batch, maps, length) → (batch, maps, smaller length)."""
        size, stride = _along_a_row(self.kernel_size), _along_a_row(self.stride)
        return F.max_pool2d(sequences.unsqueeze(2), size, stride, ceil_mode=self.ceil_mode).squeeze(2)


class SequenceAveragePool(nn.AvgPool1d):
    """Average pooling of sequences."""

    def forward(self, sequences: Tensor) -> Tensor:
        """(batch, maps, length) → (batch, maps, smaller length)."""
        size, stride = _along_a_row(self.kernel_size), _along_a_row(self.stride)
        return F.avg_pool2d(sequences.unsqueeze(2), size, stride, ceil_mode=self.ceil_mode).squeeze(2)


def _along_a_row(cells: Any) -> tuple[int, int]:
    return (1, cells[0] if isinstance(cells, tuple) else cells)
