"""Augmentation in terms of axes: what may change about a grid without changing its class.

Everything works on a batch of grids at once, on the device that holds them, with torch's global random generator.

References
----------
Park et al. 2019, "SpecAugment", for masks along an axis; Jaitly and Hinton 2013, "Vocal tract length perturbation", for
scaling the frequency axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from gridcnn.errors import ConfigurationError
from gridcnn.grid import GridSpec
from gridcnn.network.config import AugmentConfig

__all__ = ["Augmenter", "flipped_copies"]


class Augmenter:
    """Applies an `AugmentConfig` to batches of grids of one spec.

    Parameters
    ----------
    config : AugmentConfig
        What to do.
    spec : GridSpec
        The grids; every axis that the config names must be an ordered axis of it.

    Raises
    ------
    ConfigurationError
        If the config names an axis that the spec does not have, or rotates a 1-D grid.
    """

    def __init__(self, config: AugmentConfig, spec: GridSpec) -> None:
        self.config = config
        self.axes = len(spec.axes)
        by_axis = {  # counted from the last, -2 and -1, so that a sequence is a picture without a height
            name: {spec.axis_index(axis) - self.axes: share for axis, share in getattr(config, name).items() if share}
            for name in ("shift", "scale", "mask", "tilt")
        }
        self.shift, self.scale, self.mask, self.tilt = by_axis.values()
        self.flip = [spec.axis_index(axis) - self.axes for axis in config.flip]
        if config.rotate and self.axes != 2:
            raise ConfigurationError(f"rotation needs two ordered axes, this grid has {self.axes}: {spec}")

    def __call__(self, grids: Tensor) -> Tensor:
        """(batch, channels, *sizes) → the same shape, changed at random."""
        if self.scale or self.config.rotate:
            grids = self._warped(grids)
        elif self.shift or self.flip:
            grids = self._moved(grids)
        for axis, strength in self.tilt.items():
            grids = grids + strength * _curves(grids, axis)
        if self.config.gain:
            grids = grids + self.config.gain * torch.randn(_per_item(grids), device=grids.device)
        if self.config.noise:
            grids = grids + self.config.noise * torch.randn_like(grids)
        for axis, share in self.mask.items():
            grids = _masked(grids, axis, share)
        return grids

    def _moved(self, grids: Tensor) -> Tensor:
        """Flip, and shift by whole cells, which blurs nothing; cells that come in repeat the border."""
        source = torch.zeros(_per_item(grids), dtype=torch.long, device=grids.device)  # the cell that each one copies
        for axis in range(-self.axes, 0):
            size = grids.shape[axis]
            cell = _along(axis, torch.arange(size, device=grids.device), grids)
            if axis in self.flip:
                cell = torch.where(_flipped(grids), size - 1 - cell, cell)
            if axis in self.shift:
                cell = (cell + (size * _uniform(grids, self.shift[axis])).round().long()).clamp(0, size - 1)
            source = source * size + cell  # (batch, 1, *sizes) at the end
        source = source.flatten(2).expand(-1, grids.shape[1], -1)
        return grids.flatten(2).gather(2, source).reshape(grids.shape)

    def _warped(self, grids: Tensor) -> Tensor:
        """Rotate, scale and flip about the centre, and shift; cells that come in repeat the border."""
        flat = grids if self.axes == 2 else grids.unsqueeze(2)  # (batch, channels, height or 1, width)
        height, width = flat.shape[2:]
        row, column = (  # from -1 to 1
            _along(axis, (torch.arange(size, device=flat.device) + 0.5) * (2 / size) - 1, flat)
            for axis, size in ((-2, height), (-1, width))
        )
        if self.config.rotate:
            angle = _uniform(flat, math.radians(self.config.rotate))
            row, column = (
                angle.cos() * row + angle.sin() * (width / height) * column,
                angle.cos() * column - angle.sin() * (height / width) * row,
            )
        places = [row, column]
        for axis, share in self.scale.items():
            places[axis] = places[axis] * _uniform(flat, share).exp()
        for axis in self.flip:
            places[axis] = torch.where(_flipped(flat), -places[axis], places[axis])
        for axis, share in self.shift.items():
            places[axis] = places[axis] + 2 * _uniform(flat, share)
        row, column = (place.expand(len(flat), 1, height, width).squeeze(1) for place in places)
        where = torch.stack([column, row], dim=-1)  # (batch, height, width, 2)
        return F.grid_sample(flat, where, padding_mode="border", align_corners=False).reshape(grids.shape)


def flipped_copies(grids: Tensor, spec: GridSpec, axes: Sequence[str]) -> list[Tensor]:
    """Return grids `(batch, *spec.shape)` as they are, and flipped in every way along the named axes.

    Predictions are averaged over these copies (test-time augmentation).

    References
    ----------
    Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", section 4.1.

    Examples
    --------
    >>> grids = torch.arange(3.0).reshape(1, 1, 3)
    >>> [copy.flatten().tolist() for copy in flipped_copies(grids, GridSpec.of("value", 1, x=3), ["x"])]
    [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]
    """
    found = [grids]
    for axis in axes:
        found += [copy.flip(spec.axis_index(axis) - len(spec.axes)) for copy in found]
    return found


def _per_item(grids: Tensor) -> tuple[int, ...]:
    return (grids.shape[0],) + (1,) * (grids.ndim - 1)


def _uniform(grids: Tensor, limit: float) -> Tensor:
    """One number an item, from -limit to limit."""
    return (torch.rand(_per_item(grids), device=grids.device) * 2 - 1) * limit


def _flipped(grids: Tensor) -> Tensor:
    """Whether each item is flipped: half of them are."""
    return torch.rand(_per_item(grids), device=grids.device) < 0.5


def _along(axis: int, values: Tensor, grids: Tensor) -> Tensor:
    """Lay values, `(size,)` or `(batch, size)`, along an ordered axis of the grids."""
    shape = [1] * grids.ndim
    shape[0], shape[axis] = values[..., 0].numel(), values.shape[-1]
    return values.reshape(shape)


def _curves(grids: Tensor, axis: int) -> Tensor:
    """Smooth random curves along one axis: a sum of four cosines, the slower ones stronger."""
    size = grids.shape[axis]
    orders = torch.arange(1, 5, device=grids.device)
    position = (torch.arange(size, device=grids.device) + 0.5) / size
    cosines = torch.cos(math.pi * orders[:, None] * position) / orders[:, None]  # (4, size)
    return _along(axis, torch.randn(grids.shape[0], 4, device=grids.device) @ cosines, grids)


def _masked(grids: Tensor, axis: int, share: float) -> Tensor:
    """Set one stretch an item to 0, the mean of a standardised grid."""
    size = grids.shape[axis]
    length = torch.rand(_per_item(grids), device=grids.device) * share * size
    start = torch.rand(_per_item(grids), device=grids.device) * (size - length)
    cell = _along(axis, torch.arange(size, device=grids.device) + 0.5, grids)
    return grids * ((cell < start) | (cell >= start + length))
