"""Augmentation in terms of axes: what may change about a grid without changing its class.

Everything works on a batch of grids at once, on the device that holds them, with torch's global random generator.

Source: Park et al. 2019, "SpecAugment", for masks along an axis; Jaitly and Hinton 2013, "Vocal tract length
perturbation", for scaling the frequency axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from gridcnn.errors import ConfigurationError
from gridcnn.grid import GridSpec

__all__ = ["AugmentConfig", "Augmenter"]


@dataclass(frozen=True)
class AugmentConfig:
    """How far each ordered axis may be changed, as shares of its size.

    Parameters
    ----------
    shift, scale, mask : mapping of axis name to float
        Largest shift, largest relative change of scale, and largest masked stretch, in [0, 1).
    flip : tuple of str
        Axes that may be mirrored.
    rotate : float
        Largest rotation in degrees; 2-D grids only.
    tilt : mapping of axis name to float
        Standard deviation of a smooth random curve that is added along the axis, in the grid's own units: for sound,
        the colouring of a room or a microphone.
    gain, noise : float
        Standard deviation of an offset of the whole grid and of independent noise on each cell.

    Raises
    ------
    ConfigurationError
        If a share is outside [0, 1) or another strength is negative.
    """

    shift: Mapping[str, float] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    mask: Mapping[str, float] = field(default_factory=dict)
    flip: tuple[str, ...] = ()
    rotate: float = 0.0
    tilt: Mapping[str, float] = field(default_factory=dict)
    gain: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("shift", "scale", "mask"):
            for axis, share in getattr(self, name).items():
                if not 0 <= share < 1:
                    raise ConfigurationError(f"{name} of {axis} is a share of the axis in [0, 1), got {share}")
        for name, value in {"rotate": self.rotate, "gain": self.gain, "noise": self.noise, **self.tilt}.items():
            if value < 0:
                raise ConfigurationError(f"{name} is a strength of at least 0, got {value}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AugmentConfig:
        """Build from plain values; an unknown name raises ConfigurationError with the known ones."""
        known = [item.name for item in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ConfigurationError(f"unknown augmentation {', '.join(unknown)}; known: {', '.join(known)}")
        return cls(**{**values, "flip": tuple(values.get("flip", ()))})

    def scaled(self, strength: float) -> AugmentConfig:
        """Return the same augmentation at `strength` in [0, 1]: a short training can bear less than a long one."""

        def scale(shares: Mapping[str, float]) -> dict[str, float]:
            return {axis: share * strength for axis, share in shares.items()}

        return AugmentConfig(
            shift=scale(self.shift),
            scale=scale(self.scale),
            mask=scale(self.mask),
            flip=self.flip,
            rotate=self.rotate * strength,
            tilt=scale(self.tilt),
            gain=self.gain * strength,
            noise=self.noise * strength,
        )


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
        by_axis = {
            name: {spec.axis_index(axis): share for axis, share in getattr(config, name).items() if share}
            for name in ("shift", "scale", "mask", "tilt")
        }
        self.shift, self.scale, self.mask, self.tilt = by_axis.values()
        self.flip = [spec.axis_index(axis) for axis in config.flip]
        if config.rotate and self.axes != 2:
            raise ConfigurationError(f"rotation needs two ordered axes, this grid has {self.axes}: {spec}")

    def __call__(self, grids: Tensor) -> Tensor:
        """(batch, channels, *sizes) → the same shape, changed at random."""
        if self.flip:
            grids = self._flipped(grids)
        if self.shift or self.scale or self.config.rotate:
            grids = self._warped(grids)
        for axis, strength in self.tilt.items():
            grids = grids + strength * self._curves(grids, axis)
        if self.config.gain:
            grids = grids + self.config.gain * torch.randn(_per_item(grids), device=grids.device)
        if self.config.noise:
            grids = grids + self.config.noise * torch.randn_like(grids)
        for axis, share in self.mask.items():
            grids = self._masked(grids, axis, share)
        return grids

    def _flipped(self, grids: Tensor) -> Tensor:
        for axis in self.flip:
            chosen = torch.rand(_per_item(grids), device=grids.device) < 0.5
            grids = torch.where(chosen, grids.flip(2 + axis), grids)
        return grids

    def _warped(self, grids: Tensor) -> Tensor:
        """Shift, scale and rotate about the centre; what comes in from outside repeats the border."""
        flat = grids if self.axes == 2 else grids.unsqueeze(2)  # (batch, channels, height or 1, width)
        batch, _, height, width = flat.shape

        def uniform(shares: Mapping[int, float], axis: int) -> Tensor:
            """One number an item in ±share for the axis, counted from the last."""
            share = shares.get(self.axes - 1 - axis, 0.0)
            return (torch.rand(batch, device=flat.device) * 2 - 1) * share

        moves = [2 * uniform(self.shift, axis) for axis in (0, 1)]  # in affine coordinates an axis is 2 long
        if not self.scale and not self.config.rotate:  # whole cells, so that nothing is blurred
            moves = [(move * size / 2).round() * 2 / size for move, size in zip(moves, (width, height), strict=True)]
        scales = [torch.exp(uniform(self.scale, axis)) for axis in (0, 1)]
        angle = (torch.rand(batch, device=flat.device) * 2 - 1) * math.radians(self.config.rotate)
        aspect = height / width
        theta = torch.stack(
            [
                torch.stack([angle.cos() * scales[0], -angle.sin() * scales[0] * aspect, moves[0]], dim=1),
                torch.stack([angle.sin() * scales[1] / aspect, angle.cos() * scales[1], moves[1]], dim=1),
            ],
            dim=1,
        )  # (batch, 2, 3)
        where = F.affine_grid(theta, list(flat.shape), align_corners=False)
        return F.grid_sample(flat, where, padding_mode="border", align_corners=False).reshape(grids.shape)

    def _curves(self, grids: Tensor, axis: int) -> Tensor:
        """Smooth random curves along one axis: a sum of four cosines, the slower ones stronger."""
        size = grids.shape[2 + axis]
        orders = torch.arange(1, 5, device=grids.device)
        position = (torch.arange(size, device=grids.device) + 0.5) / size
        cosines = torch.cos(math.pi * orders[:, None] * position) / orders[:, None]  # (4, size)
        curves = torch.randn(grids.shape[0], 4, device=grids.device) @ cosines  # (batch, size)
        shape = [grids.shape[0]] + [1] * (grids.ndim - 1)
        shape[2 + axis] = size
        return curves.reshape(shape)

    @staticmethod
    def _masked(grids: Tensor, axis: int, share: float) -> Tensor:
        """Set one stretch an item to 0, the mean of a standardised grid."""
        size = grids.shape[2 + axis]
        length = torch.rand(_per_item(grids), device=grids.device) * share * size
        start = torch.rand(_per_item(grids), device=grids.device) * (size - length)
        shape = [1] * grids.ndim
        shape[2 + axis] = size
        cell = torch.arange(size, device=grids.device).reshape(shape) + 0.5
        return grids.masked_fill((cell >= start) & (cell < start + length), 0.0)


def _per_item(grids: Tensor) -> tuple[int, ...]:
    return (grids.shape[0],) + (1,) * (grids.ndim - 1)
