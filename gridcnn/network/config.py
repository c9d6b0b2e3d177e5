"""The hyperparameters of the one network and of its augmentation, each declared once; needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gridcnn.errors import ConfigurationError
from gridcnn.network.heads import HEADS
from gridcnn.parameters import Choice, Flag, Number, Optional, Several, parameter, validate
from gridcnn.searched import Among, Between, Blocks, Layers

__all__ = ["AugmentConfig", "BackboneConfig"]

MOST_OF_AXIS = 0.9
"""Largest share of an axis to which a stronger augmentation grows."""

_COUNT = Number(int, low=1, high=2**31)
_MOST_BLOCKS = 100
_POOLS = ("max", "average")


@dataclass(frozen=True)
class BackboneConfig:
    """The hyperparameters that a person chooses for the classic network.

    Parameters
    ----------
    kernels : tuple of int
        Number of kernels (filters, output channels) of each block; its length is the number of blocks.
    kernel_sizes : tuple of int
        Side of a kernel, in cells. Several sizes make parallel branches in every convolution, each with `kernels`
        kernels.
    dilations : tuple of int
        Distance between the cells that neighbouring weights of a kernel are laid on: 2 leaves out every other cell, so
        that a kernel of 9 weights spans 17. Several make parallel branches, one for each size and distance.
    convs_per_block : int
        Convolutions of a block, each followed by batch normalisation and ReLU.
    pool_after : int or None
        The convolution of a block that pooling follows, counted from 1; None means the last. If 2 convolutions are
        pooled after the first, the second sees fewer cells, which saves a quarter of the time on a 2-D grid.
    padding : {"same", "valid"}
        `"same"` pads the border with zeros so that maps keep their size; `"valid"` keeps a kernel inside the border, as
        the classic drawing does. Several kernel sizes or dilations need `"same"`.
    batch_norm : bool
        Batch normalisation between convolution and ReLU.
    pool : {"max", "average"}
        What a pooling window becomes.
    pool_size : int
        Side of the pooling window; 1 pools nothing. A window at the border may be incomplete.
    pool_stride : int or None
        Step between pooling windows; None means `pool_size`.
    head : {"flatten", "global_max", "global_average", "max_average", "share_average", "pyramid_max"}
        How the last maps become the feature vector: all their cells (exactly where), one number for each map
        (anywhere), the maximum and the mean of each, the share of its cells above 0 and its mean, or the maxima over
        the whole grid, its halves and its quarters along each axis (roughly where).
    dense : tuple of int
        Neurons of each dense layer between the feature vector and the logits.
    dropout : float
        Share of the feature vector (and of each dense layer) that is dropped in training, in [0, 1).
    summed_kernels : int
        Kernels of one cell, without biases, beside the others of a single convolution, whose maps enter the feature
        vector as sums over all cells, whatever the head is: they count evidence. No person sets it: a fit adds them,
        see `gridcnn.training.bag`.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    kernels: tuple[int, ...] = parameter(
        (16, 32, 64),
        Several(_COUNT, fewest=1, most=_MOST_BLOCKS),
        "Kernels of each block, such as 24,48,96.",
        search=Blocks(factor=2),
    )
    kernel_sizes: tuple[int, ...] = parameter(
        (3,),
        Several(_COUNT, fewest=1, most=16),
        "Side of a kernel; several, such as 3,4,5, make parallel branches.",
        flag="kernel-size",
        search=Among(((3,), (5,), (7,), (3, 5), (3, 4, 5))),
    )
    dilations: tuple[int, ...] = parameter(
        (1,),
        Several(_COUNT, fewest=1, most=64),
        "Distance between the cells under a kernel; several, such as 1,2,4, make parallel branches.",
    )
    convs_per_block: int = parameter(1, Number(int, low=1, high=100, closed=True), "Convolutions in a block.")
    pool_after: int | None = parameter(None, Optional(_COUNT), "Convolution of a block that pooling follows.")
    padding: str = parameter("same", Choice(("same", "valid")), "Whether zeros pad the border.")
    batch_norm: bool = parameter(True, Flag(), "Batch normalisation after a convolution.")
    pool: str = parameter("max", Choice(_POOLS), "What a pooling window becomes.", search=Among(_POOLS))
    pool_size: int = parameter(2, _COUNT, "Side of the pooling window.", search=Between(1, 4, whole=True))
    pool_stride: int | None = parameter(
        None, Optional(_COUNT), "Step of the pooling window.", search=Among((None, 1, 2, 3))
    )
    head: str = parameter("flatten", Choice(HEADS), "How the last maps become the feature vector.")
    dense: tuple[int, ...] = parameter(
        (),
        Several(_COUNT, most=_MOST_BLOCKS),
        "Neurons of each dense layer, such as 128,64; or none.",
        search=Layers(most=2, narrowest=32, widest=256),
    )
    dropout: float = parameter(
        0.0, Number(low=0, high=1), "Share of the feature vector that is dropped in training, in [0, 1)."
    )
    summed_kernels: int = field(default=0)

    def __post_init__(self) -> None:
        validate(self)
        for name in ("kernels", "kernel_sizes", "dilations", "dense"):
            values = getattr(self, name)
            object.__setattr__(
                self, name, tuple(int(each) for each in (values if hasattr(values, "__len__") else [values]))
            )
        if self.pool_after is not None and self.pool_after > self.convs_per_block:
            raise ConfigurationError(
                f"pool_after names a convolution of the block, from 1 to {self.convs_per_block}; got {self.pool_after}"
            )
        if max(self.dilations) > 1 and any(size % 2 == 0 for size in self.kernel_sizes):
            raise ConfigurationError(
                f"kernels with gaps need odd sizes, which have a cell in their middle; got kernel_sizes "
                f"{self.kernel_sizes} with dilations {self.dilations}"
            )
        if self.padding == "valid" and len(self.branches) > 1:
            raise ConfigurationError(
                f"parallel kernel sizes {self.kernel_sizes} and dilations {self.dilations} give maps of different "
                "sizes with padding='valid'; use padding='same', or one kernel size and one dilation"
            )
        if not (isinstance(self.summed_kernels, int) and 0 <= self.summed_kernels < _COUNT.high):
            raise ConfigurationError(f"summed_kernels must be a whole number from 0, got {self.summed_kernels!r}")
        if self.summed_kernels and not self.has_one_convolution:
            raise ConfigurationError(
                "summed_kernels stand beside one convolution: with one block, convs_per_block=1, padding='same', "
                "batch_norm=False, pool_size=1 and no dense layers"
            )

    @property
    def branches(self) -> list[tuple[int, int]]:
        """Size and dilation of each of the parallel branches of a convolution."""
        return [(size, dilation) for size in self.kernel_sizes for dilation in self.dilations]

    @property
    def span(self) -> int:
        """Cells from the first to the last one under the widest kernel."""
        return max((size - 1) * dilation + 1 for size, dilation in self.branches)

    @property
    def has_one_convolution(self) -> bool:
        """Whether the network is one convolution, ReLU, the head and the logits, so that `summed_kernels` fit in."""
        alone = len(self.kernels) == self.convs_per_block == 1 and not self.batch_norm and self.padding == "same"
        return alone and self.pool_size == 1 and self.pool_stride in {None, 1} and not self.dense


@dataclass(frozen=True)
class AugmentConfig:
    """How far each ordered axis may be changed, as shares of its size.

    Parameters
    ----------
    shift, scale, mask : mapping of axis name to float
        Largest shift, largest relative change of scale, and largest masked stretch, in [0, 1).
    flip : tuple of str
        Axes that may be flipped; a prediction is then the mean over the flipped copies, see `flipped_copies`.
    rotate : float
        Largest rotation in degrees; 2-D grids only.
    tilt : mapping of axis name to float
        Standard deviation of a smooth random curve that is added along the axis, in the grid's own units: for sound,
        the frequency response of a room or a microphone.
    gain, noise : float
        Standard deviation of an offset of the whole grid and of independent noise on each cell.
    annealed : bool
        Whether all changes but flips weaken linearly from epoch to epoch, down to none in the last epoch. Rotation and
        scaling also blur a grid, so the network ends its training on sharp ones.

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
    annealed: bool = False

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
        """Return the same augmentation at `strength` of at least 0; a short training needs less of it."""

        def scale(shares: Mapping[str, float], most: float = MOST_OF_AXIS) -> dict[str, float]:
            return {axis: min(share * strength, max(share, most)) for axis, share in shares.items()}

        return replace(
            self,
            shift=scale(self.shift),
            scale=scale(self.scale),
            mask=scale(self.mask),
            rotate=self.rotate * strength,
            tilt=scale(self.tilt, math.inf),
            gain=self.gain * strength,
            noise=self.noise * strength,
        )

    def in_epoch(self, epoch: int, epochs: int) -> AugmentConfig:
        """Return the augmentation of an epoch, counted from 1, of so many."""
        if not self.annealed or epochs == 1:
            return self
        return self.scaled((epochs - epoch) / (epochs - 1))
