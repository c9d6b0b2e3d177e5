"""A network as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from gridcnn.inference.folding import folded_steps
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.heads import pyramid_regions
from gridcnn.network.sizes import sizes_after_blocks
from gridcnn.onnx_graph import Graph

__all__ = ["add_network"]


def add_network(
    graph: Graph,
    network: ConvPoolDense,
    grids: str,
    see: Callable[[Any, str], None] = lambda step, value: None,
    steps: Iterable[Any] | None = None,
) -> str:
    """Add a network to a graph, and return the name of its logits `(batch, n_classes)`.

    A 1-D grid is computed as a picture of one row, for which onnxruntime has its fastest kernels.

    Parameters
    ----------
    graph : Graph
        Where to.
    network : ConvPoolDense
        In evaluation mode; unless `steps` are given, with its batch normalisation folded, see `fold_batch_norm`.
    grids : str
        Name of the grids, float32 `(batch, *spec.shape)`.
    see : callable
        Told of each step and the name of its result; maps of sequences have an axis of size 1 before their cells.
    steps : iterable of Step, optional
        The steps of the network in order, without those that do nothing; the default is `folded_steps(network)`.
    """
    config, n_axes = network.config, len(network.spec.axes)
    row = [1] * (2 - n_axes)

    def weights(tensor: Any) -> str:
        return graph.constant(tensor.detach().numpy())

    def convolution(maps: str, branch: Any) -> str:
        size = [*row, *branch.kernel_size]
        bias = None if branch.bias is None else weights(branch.bias)
        kernels = branch.weight.reshape(*branch.weight.shape[:2], *size)
        gaps = [*row, *branch.dilation]
        lost = [(side - 1) * gap if branch.padding == "same" else 0 for side, gap in zip(size, gaps, strict=True)]
        pads = [cells // 2 for cells in lost] + [cells - cells // 2 for cells in lost]  # at the starts, at the ends
        return graph("Conv", maps, weights(kernels), bias, kernel_shape=size, dilations=gaps, pads=pads)

    def pooling(maps: str) -> str:
        operator = "MaxPool" if config.pool == "max" else "AveragePool"
        size, stride = config.pool_size, config.pool_stride or config.pool_size
        kernel_shape, strides = ([*row, *[side] * n_axes] for side in (size, stride))
        return graph(operator, maps, kernel_shape=kernel_shape, strides=strides, ceil_mode=1)

    def features(maps: str) -> str:
        maps, sums = _sums(graph, maps, config.summed_kernels)
        if config.head == "flatten":
            found = [graph("Flatten", maps)]
        else:
            found = [graph("Flatten", graph(operator, part)) for operator, part in _pooled(graph, maps, network)]
        found += sums
        return found[0] if len(found) == 1 else graph("Concat", *found, axis=1)

    values = graph("Unsqueeze", grids, graph.constant([2])) if row else grids
    for step in folded_steps(network) if steps is None else steps:
        layer: Any = step.run
        match step.kind:
            case "convolution":
                branches = [convolution(values, branch) for branch in layer]
                values = branches[0] if len(branches) == 1 else graph("Concat", *branches, axis=1)
            case "norm":
                of_maps = map(weights, (layer.weight, layer.bias, layer.running_mean, layer.running_var))
                values = graph("BatchNormalization", values, *of_maps, epsilon=layer.eps)
            case "relu":
                values = graph("Relu", values)
            case "pool":
                values = pooling(values)
            case "features":
                values = features(values)
            case "dense" | "logits":
                values = graph("Gemm", values, weights(layer.weight), weights(layer.bias), transB=1)
        see(step, values)
    return values


def _pooled(graph: Graph, maps: str, network: ConvPoolDense) -> Iterator[tuple[str, str]]:
    """Yield the operators that pool the maps of a global head, and what they pool."""
    head, n_axes = network.config.head, len(network.spec.axes)
    if head == "pyramid_max":
        for region in pyramid_regions(sizes_after_blocks(network.spec.sizes, network.config)[-1]):
            part = maps
            for axis, (start, stop) in enumerate(region, start=4 - n_axes):
                part = graph.slice(part, start, stop, axis)
            yield "GlobalMaxPool", part
    if head in {"global_max", "max_average"}:
        yield "GlobalMaxPool", maps
    if head == "share_average":
        above = graph("Greater", maps, graph.constant(0.0, np.float32))
        yield "GlobalAveragePool", graph.cast(above, np.float32)
    if head in {"global_average", "max_average", "share_average"}:
        yield "GlobalAveragePool", maps


def _sums(graph: Graph, maps: str, summed: int) -> tuple[str, list[str]]:
    """Return the other maps, and the sums of the last ones, `(batch, summed)`, if there are any."""
    if not summed:
        return maps, []
    last = graph.slice(maps, -summed, 2**62, axis=1)
    sums = graph("Flatten", graph("ReduceSum", last, graph.constant([2, 3])))
    return graph.slice(maps, 0, -summed, axis=1), [sums]
