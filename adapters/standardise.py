"""Standardisation: by the mean and deviation of the training items, and by those of each grid itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MeanBehindEnd", "Standardise", "WithOwnScale"]

FAINTEST_SHAPE = 1e-4
"""Standard deviation of a channel within a standardised grid, below which it has a level and no shape."""


class Standardise(nn.Module):
    """Subtracts a mean and divides by a standard deviation.

    Parameters
    ----------
    mean, std : Tensor
        Broadcast against one grid, shape `(channels, 1, …)` or that of the grid; `std` is above 0.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("std", std.to(torch.float32))

    def forward(self, values: Tensor) -> Tensor:
        """Map numbers of any dtype, shape `(batch, channels, …)`, to standardised float32 of the same shape."""
        return (values.to(torch.float32) - self.mean) / self.std


class WithOwnScale(nn.Module):
    """Adds every channel of a standardised grid once more, standardised by its own mean and standard deviation.

    The first copy keeps the level of an item, the second shows its shape, be it large or small.
    """

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids `(batch, channels, …)` to `(batch, 2 channels, …)`: as they are, then by themselves; NaN stays."""
        cells = tuple(range(2, grids.ndim))
        if grids.isnan().any():
            mean = grids.nanmean(dim=cells, keepdim=True)
            std = (grids - mean).square().nanmean(dim=cells, keepdim=True).sqrt()
        else:
            std, mean = torch.std_mean(grids, dim=cells, correction=0, keepdim=True)
        return torch.cat([grids, (grids - mean) / std.clamp(min=FAINTEST_SHAPE)], dim=1)


class MeanBehindEnd(nn.Module):
    """Shows the mean, which is 0 in a standardised grid, in all cells behind the end of a series, where NaN stands."""

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids `(batch, channels, length)` with NaN behind the end to grids without it."""
        return grids.nan_to_num(nan=0.0)
