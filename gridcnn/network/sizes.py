"""What a network will be, known before any of it is made: sizes of maps, shapes of weights, what it costs.

A configuration may come from a stranger's file, so nothing here takes more time or memory than its few numbers deserve.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from gridcnn.errors import ConfigurationError
from gridcnn.grid import GridSpec
from gridcnn.network.config import BackboneConfig
from gridcnn.network.heads import n_features

__all__ = ["check_sizes", "multiply_adds", "sizes_after_blocks", "weight_shapes"]

MOST_WEIGHTS = 10**9
"""Of a network; training needs 16 bytes for each."""

MOST_NUMBERS = 2**29
"""In the maps of one layer for one grid: 2 GiB."""

MOST_WORK = 10**13
"""Multiply-adds for one grid: minutes on a CPU."""


def sizes_after_blocks(sizes: tuple[int, ...], config: BackboneConfig) -> list[tuple[int, ...]]:
    """Return the sizes of the ordered axes after each block; a size below 1 means that the block does not fit.

    >>> sizes_after_blocks((9, 9), BackboneConfig(kernels=(3, 3), padding="valid"))
    [(4, 4), (1, 1)]
    """
    after = []
    for _ in config.kernels:
        sizes = tuple(_size_after_block(size, config) for size in sizes)
        after.append(sizes)
        if min(sizes) < 1:
            break
    return after


def _size_after_block(size: int, config: BackboneConfig) -> int:
    lost = config.span - 1 if config.padding == "valid" else 0  # cells, in each convolution
    before = config.pool_after or config.convs_per_block
    return _size_after_pooling(size - before * lost, config) - (config.convs_per_block - before) * lost


def _size_after_pooling(size: int, config: BackboneConfig) -> int:
    stride = config.pool_stride or config.pool_size
    if size < 1 or config.pool_size == 1 == stride:
        return size
    pooled = math.ceil((size - config.pool_size) / stride) + 1
    starts_outside = (pooled - 1) * stride >= size
    return pooled - starts_outside


def weight_shapes(spec: GridSpec, config: BackboneConfig, n_classes: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor in the state of the network that `ConvPoolDense` makes, by its name there.

    >>> spec, config = GridSpec.of("sensor", 2, time=9), BackboneConfig(kernels=(3,), batch_norm=False)
    >>> weight_shapes(spec, config, n_classes=2)
    {'blocks.0.convs.0.0.weight': (3, 2, 3), 'blocks.0.convs.0.0.bias': (3,),
     'output.weight': (2, 15), 'output.bias': (2,)}
    """
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = spec.channels.size
    for block, kernels in enumerate(config.kernels):
        maps = kernels * len(config.branches)
        for number in range(config.convs_per_block):
            for branch, (size, _) in enumerate(config.branches):
                convolution = f"blocks.{block}.convs.{number}.{branch}"
                shapes[f"{convolution}.weight"] = (kernels, inputs, *[size] * len(spec.axes))
                if not config.batch_norm:
                    shapes[f"{convolution}.bias"] = (kernels,)
            if config.summed_kernels:  # in the only convolution
                summed = f"blocks.{block}.convs.{number}.{len(config.kernel_sizes)}.weight"
                shapes[summed] = (config.summed_kernels, inputs, *[1] * len(spec.axes))
            if config.batch_norm:
                norm = f"blocks.{block}.norms.{number}"
                shapes |= {f"{norm}.{name}": (maps,) for name in ("weight", "bias", "running_mean", "running_var")}
                shapes[f"{norm}.num_batches_tracked"] = ()
            inputs = maps
    width = n_features(config.head, inputs, sizes_after_blocks(spec.sizes, config)[-1]) + config.summed_kernels
    layers = {**{f"dense.{at}": neurons for at, neurons in enumerate(config.dense)}, "output": n_classes}
    for name, neurons in layers.items():
        shapes |= {f"{name}.weight": (neurons, width), f"{name}.bias": (neurons,)}
        width = neurons
    return shapes


def check_sizes(spec: GridSpec, config: BackboneConfig, n_classes: int) -> None:
    """Raise ConfigurationError if a grid does not survive the blocks, or a network is one that no memory holds.

    The message gives the sizes after each block and the nearest configuration that works.
    """
    _check_fits(spec, config)
    _check_cost(spec, config, n_classes)


def _check_fits(spec: GridSpec, config: BackboneConfig) -> None:
    after = sizes_after_blocks(spec.sizes, config)
    if min(after[-1]) >= 1:
        return
    steps = " → ".join("×".join(str(size) for size in sizes) for sizes in (spec.sizes, *after))
    nearest = next(c for c in _smaller_configs(config) if min(sizes_after_blocks(spec.sizes, c)[-1]) >= 1)
    changes = ", ".join(
        f"{field.name}={getattr(nearest, field.name)!r}"
        for field in dataclasses.fields(config)
        if getattr(nearest, field.name) != getattr(config, field.name)
    )
    raise ConfigurationError(
        f"a grid of {spec} does not survive these blocks: {steps} (below one cell in block {len(after)}). "
        f"The nearest configuration that works has {changes}"
    )


def _smaller_configs(config: BackboneConfig) -> Iterator[BackboneConfig]:
    """Yield configurations with ever more changed, the last of which fits any grid."""
    for n_blocks in range(len(config.kernels) - 1, 0, -1):
        yield dataclasses.replace(config, kernels=config.kernels[:n_blocks])
    yield dataclasses.replace(config, padding="same")
    yield dataclasses.replace(config, pool_size=1, pool_stride=None)
    yield dataclasses.replace(config, padding="same", pool_size=1, pool_stride=None)


def multiply_adds(spec: GridSpec, config: BackboneConfig, n_classes: int) -> int:
    """Return the multiply-adds of all blocks for one grid, at most: maps shrink within a block, too."""
    shapes = weight_shapes(spec, config, n_classes)
    return sum(
        cells * sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(f"blocks.{block}."))
        for block, cells in enumerate(_cells(spec, config))
    )


def _cells(spec: GridSpec, config: BackboneConfig) -> list[int]:
    """Return the number of cells that each block sees."""
    return [math.prod(sizes) for sizes in (spec.sizes, *sizes_after_blocks(spec.sizes, config)[:-1])]


def _check_cost(spec: GridSpec, config: BackboneConfig, n_classes: int) -> None:
    shapes = weight_shapes(spec, config, n_classes)
    n_weights = sum(math.prod(shape) for name, shape in shapes.items() if name.endswith("weight"))
    if n_weights > MOST_WEIGHTS:
        raise ConfigurationError(
            f"this network would have {n_weights:,} weights, and more than {MOST_WEIGHTS:,} are not built: use fewer "
            "or smaller kernels, fewer convolutions or smaller dense layers"
        )
    largest, work = math.prod(spec.shape), multiply_adds(spec, config, n_classes)
    for block, cells in enumerate(_cells(spec, config)):
        largest = max(largest, cells * (config.kernels[block] * len(config.branches) + config.summed_kernels))
    if largest > MOST_NUMBERS or work > MOST_WORK:
        raise ConfigurationError(
            f"this network would have maps of {largest:,} numbers and {work:,} multiply-adds for one grid of {spec}, "
            f"and more than {MOST_NUMBERS:,} and {MOST_WORK:,} are not computed: use smaller grids, or fewer kernels"
        )
