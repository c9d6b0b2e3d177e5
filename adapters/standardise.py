"""Standardisation by a mean and a standard deviation that were learned on the training part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Standardise"]


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
