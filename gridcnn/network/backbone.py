"""The one network of gridcnn: convolution, ReLU, pooling, repeated; then a feature vector, dense layers, logits.

The same code reads 1-D grids `(batch, channels, length)` and 2-D grids `(batch, channels, height, width)`.

References
----------
LeCun et al. 1998, "Gradient-based learning applied to document recognition", for the stack; Kim 2014, "Convolutional
neural networks for sentence classification", for parallel kernels of several sizes; Ioffe and Szegedy 2015, "Batch
normalization".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gridcnn.grid import GridSpec
from gridcnn.network.config import BackboneConfig
from gridcnn.network.heads import features_of, n_features
from gridcnn.network.layers import ParallelBranches, SequenceAveragePool, SequenceMaxPool, SequenceNorm
from gridcnn.network.sizes import check_sizes, sizes_after_blocks

__all__ = ["BackboneConfig", "ConvPoolDense", "Layer", "Step", "maxima_first", "sizes_after_blocks"]


class Step(NamedTuple):
    """One step of the network: its kind, its block (counted from 1; None after the blocks), and what runs it.

    Kinds: "convolution", "norm", "relu", "pool", "features", "dropout", "dense", "logits".
    """

    kind: str
    block: int | None
    run: Callable[[Tensor], Tensor]


class Layer(NamedTuple):
    """One row of the layer table: what a layer makes of one grid, and what it costs."""

    name: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


class ConvBlock(nn.Module):
    """Convolution, normalisation and ReLU, `config.convs_per_block` times; pooling after one of them."""

    def __init__(self, channels: int, kernels: int, dimensions: int, config: BackboneConfig) -> None:
        super().__init__()
        convolution = (nn.Conv1d, nn.Conv2d)[dimensions - 1]
        norm = (SequenceNorm, nn.BatchNorm2d)[dimensions - 1]
        self.maps = kernels * len(config.branches)
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for index in range(config.convs_per_block):
            inputs = self.maps if index else channels
            branches = [
                convolution(
                    inputs, kernels, size, dilation=dilation, padding=config.padding, bias=not config.batch_norm
                )
                for size, dilation in config.branches
            ]
            for branch in branches:
                nn.init.kaiming_normal_(branch.weight, nonlinearity="relu")
                if branch.bias is not None:
                    nn.init.zeros_(branch.bias)
            if config.summed_kernels:
                branches.append(convolution(inputs, config.summed_kernels, 1, padding="same", bias=False))
            self.convs.append(ParallelBranches(branches))
            self.norms.append(norm(self.maps) if config.batch_norm else nn.Identity())
        self.pool = _pooling(config, dimensions)
        self.pool_after = config.pool_after or config.convs_per_block

    def steps(self) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """Yield what the block does, in order: kinds as in `Step`, and what runs them."""
        for number, (convolution, norm) in enumerate(zip(self.convs, self.norms, strict=True), start=1):
            yield "convolution", convolution
            yield "norm", norm
            yield "relu", torch.relu
            if number == self.pool_after:
                yield "pool", self.pool

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, *sizes) → (batch, maps, *smaller sizes)."""
        for _, run in self.steps():
            maps = run(maps)
        return maps


def _pooling(config: BackboneConfig, dimensions: int) -> nn.Module:
    if config.pool_size == 1 and config.pool_stride in {None, 1}:
        return nn.Identity()
    kinds = (SequenceMaxPool, nn.MaxPool2d) if config.pool == "max" else (SequenceAveragePool, nn.AvgPool2d)
    pooling: nn.Module = kinds[dimensions - 1](
        config.pool_size, stride=config.pool_stride or config.pool_size, ceil_mode=True
    )
    return pooling


def maxima_first(steps: Iterable[Step], config: BackboneConfig) -> Iterator[Step]:
    """Yield steps, each maximum before the ReLU that it follows: the same numbers, as ReLU then has less to do."""
    relu = None
    takes_largest = config.head in {"global_max", "pyramid_max"} and not config.summed_kernels
    for step in steps:
        if isinstance(step.run, nn.Identity):
            continue
        of_largest = isinstance(step.run, SequenceMaxPool | nn.MaxPool2d) or (takes_largest and step.kind == "features")
        if relu is not None and not of_largest:
            yield relu
            relu = None
        if step.kind == "relu":
            relu = step
        else:
            yield step


class ConvPoolDense(nn.Module):
    """Blocks of convolution → ReLU → pooling, then the feature vector, dense layers and logits.

    Parameters
    ----------
    spec : GridSpec
        The grids it reads, `(batch, *spec.shape)`.
    config : BackboneConfig
        The hyperparameters.
    n_classes : int
        Number of classes, at least 1.

    Raises
    ------
    ConfigurationError
        If a block would shrink the grid below one cell; the message gives the sizes after each block and the nearest
        configuration that works. Also if no memory would hold it, or nobody wait for it.

    Examples
    --------
    >>> net = ConvPoolDense(GridSpec.of("colour", 1, height=9, width=9), BackboneConfig(kernels=(3,)), n_classes=2)
    >>> net(torch.zeros(5, 1, 9, 9)).shape
    torch.Size([5, 2])
    """

    def __init__(self, spec: GridSpec, config: BackboneConfig, n_classes: int) -> None:
        super().__init__()
        check_sizes(spec, config, n_classes)
        self.spec = spec
        self.config = config
        self.n_classes = n_classes
        self.blocks = nn.ModuleList()
        channels = spec.channels.size
        for kernels in config.kernels:
            block = ConvBlock(channels, kernels, len(spec.axes), config)
            self.blocks.append(block)
            channels = block.maps
        last_sizes = sizes_after_blocks(spec.sizes, config)[-1]
        width = n_features(config.head, channels, last_sizes) + config.summed_kernels
        self.dense = nn.ModuleList()
        for neurons in config.dense:
            self.dense.append(nn.Linear(width, neurons))
            width = neurons
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(width, n_classes)

    @property
    def padding_margin(self) -> int | None:
        """How many cells of padding at the end of a sequence can change the logits; None if all of them can.

        The global maximum is taken over cells. Beyond the receptive field of the last token all cells of a map are
        equal, up to the border: every convolution sees zeros beyond the border, but only the first one sees zeros in
        the padding.
        """
        config = self.config
        pools = config.pool_size > 1 or config.pool_stride not in {None, 1}
        if (
            len(self.spec.axes) > 1
            or pools
            or config.batch_norm
            or config.padding != "same"
            or config.head != "global_max"
        ):
            return None
        depth = len(config.kernels) * config.convs_per_block
        return (2 * depth - 1) * (config.span // 2) + 1

    def features(self, maps: Tensor) -> Tensor:
        """Return the feature vector of each grid: (batch, maps, *sizes) → (batch, features)."""
        summed = self.config.summed_kernels
        if not summed:
            return features_of(self.config.head, maps)
        sums = maps[:, -summed:].flatten(2).sum(dim=2)
        return torch.cat([features_of(self.config.head, maps[:, :-summed]), sums], dim=1)

    def steps(self) -> Iterator[Step]:
        """Yield every step from the grid to the logits, in the order that a trace records."""
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, ConvBlock)  # for the type checker: a ModuleList forgets what it holds
            for kind, run in block.steps():
                yield Step(kind, number, run)
        yield Step("features", None, self.features)
        yield Step("dropout", None, self.dropout)
        for dense in self.dense:
            yield Step("dense", None, dense)
            yield Step("relu", None, torch.relu)
            yield Step("dropout", None, self.dropout)
        yield Step("logits", None, self.output)

    def forward(self, grids: Tensor) -> Tensor:
        """(batch, *spec.shape) → logits (batch, n_classes)."""
        values = grids
        for step in maxima_first(self.steps(), self.config):
            values = step.run(values)
        return values

    def layers(self) -> list[Layer]:
        """Return the layer table for one grid: output shapes, parameters, multiply-adds.

        Multiply-adds count convolutions and dense layers; normalisation, ReLU and pooling cost next to nothing.
        """
        rows = [Layer("grid", self.spec.shape, 0, 0)]

        def add(name: str, module: nn.Module, shape: tuple[int, ...]) -> None:
            parameters = sum(parameter.numel() for parameter in module.parameters())
            weight = getattr(module, "weight", torch.empty(0))
            multiply_adds = weight.numel() * math.prod(shape[1:]) if weight.ndim > 1 else 0
            rows.append(Layer(name, shape, parameters, multiply_adds))

        def record(name: str) -> None:
            def hook(module: nn.Module, _: object, output: Tensor) -> None:
                if not isinstance(module, ParallelBranches):
                    add(name, module, tuple(output.shape[1:]))
                    return
                branches: Any = module
                for index, branch in enumerate(branches):
                    add(f"{name}.{index}", branch, (branch.out_channels, *output.shape[2:]))

            handles.append(modules[name].register_forward_hook(hook))

        modules = dict(self.named_modules())
        handles: list[torch.utils.hooks.RemovableHandle] = []
        was_training = self.training
        try:
            inside = tuple(f"{name}." for name, module in modules.items() if isinstance(module, ParallelBranches))
            for name, module in modules.items():
                is_leaf = not list(module.children()) and not isinstance(module, nn.Identity | nn.Dropout)
                if isinstance(module, ParallelBranches) or (is_leaf and not name.startswith(inside)):
                    record(name)
            with torch.no_grad():
                self.eval()(torch.zeros(1, *self.spec.shape, device=self.output.weight.device))
        finally:
            self.train(was_training)
            for handle in handles:
                handle.remove()
        return rows
