"""The hyperparameters of the one network, each declared once."""

from __future__ import annotations

from dataclasses import dataclass

from gridcnn.errors import ConfigurationError
from gridcnn.parameters import Choice, Flag, Number, Optional, Several, parameter, validate

__all__ = ["BackboneConfig"]

_COUNT = Number(int, low=1)


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
    convs_per_block : int
        Convolutions of a block, each followed by batch normalisation and ReLU.
    pool_after : int or None
        The convolution of a block that pooling follows, counted from 1; None means the last. If 2 convolutions are
        pooled after the first, the second sees fewer cells, which saves a quarter of the time on a 2-D grid.
    padding : {"same", "valid"}
        `"same"` pads the border with zeros so that maps keep their size; `"valid"` keeps a kernel inside the border, as
        the classic drawing does. Several kernel sizes need `"same"`.
    batch_norm : bool
        Batch normalisation between convolution and ReLU.
    pool : {"max", "average"}
        What a pooling window becomes.
    pool_size : int
        Side of the pooling window; 1 pools nothing. A window at the border may be incomplete.
    pool_stride : int or None
        Step between pooling windows; None means `pool_size`.
    head : {"flatten", "global_max", "global_average"}
        How the last maps become the feature vector: all their cells, or one number for each map.
    dense : tuple of int
        Neurons of each dense layer between the feature vector and the logits.
    dropout : float
        Share of the feature vector (and of each dense layer) that is dropped in training, in [0, 1).

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    kernels: tuple[int, ...] = parameter(
        (16, 32, 64), Several(_COUNT, fewest=1), "Kernels of each block, such as 24,48,96."
    )
    kernel_sizes: tuple[int, ...] = parameter(
        (3,),
        Several(_COUNT, fewest=1),
        "Side of a kernel; several, such as 3,4,5, make parallel branches.",
        flag="kernel-size",
    )
    convs_per_block: int = parameter(1, _COUNT, "Convolutions in a block.")
    pool_after: int | None = parameter(None, Optional(_COUNT), "Convolution of a block that pooling follows.")
    padding: str = parameter("same", Choice(("same", "valid")), "Whether zeros pad the border.")
    batch_norm: bool = parameter(True, Flag(), "Batch normalisation after a convolution.")
    pool: str = parameter("max", Choice(("max", "average")), "What a pooling window becomes.")
    pool_size: int = parameter(2, _COUNT, "Side of the pooling window.")
    pool_stride: int | None = parameter(None, Optional(_COUNT), "Step of the pooling window.")
    head: str = parameter(
        "flatten", Choice(("flatten", "global_max", "global_average")), "How the last maps become the feature vector."
    )
    dense: tuple[int, ...] = parameter((), Several(_COUNT), "Neurons of each dense layer, such as 128,64; or none.")
    dropout: float = parameter(
        0.0, Number(low=0, high=1), "Share of the feature vector that is dropped in training, in [0, 1)."
    )

    def __post_init__(self) -> None:
        validate(self)
        for name in ("kernels", "kernel_sizes", "dense"):
            values = getattr(self, name)
            object.__setattr__(
                self, name, tuple(int(each) for each in (values if hasattr(values, "__len__") else [values]))
            )
        if self.pool_after is not None and self.pool_after > self.convs_per_block:
            raise ConfigurationError(
                f"pool_after names a convolution of the block, from 1 to {self.convs_per_block}; got {self.pool_after}"
            )
        if self.padding == "valid" and len(self.kernel_sizes) > 1:
            raise ConfigurationError(
                f"parallel kernel sizes {self.kernel_sizes} give maps of different sizes with padding='valid'; "
                "use padding='same', or one kernel size"
            )
