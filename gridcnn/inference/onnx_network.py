"""A folded network as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gridcnn.inference.folding import folded_steps
from gridcnn.network.backbone import ConvPoolDense, Step
from gridcnn.onnx_graph import Graph

__all__ = ["add_network"]


def add_network(
    graph: Graph, folded: ConvPoolDense, grids: str, see: Callable[[Step, str], None] = lambda step, value: None
) -> str:
    """Add a network to a graph, and return the name of its logits `(batch, n_classes)`.

    A 1-D grid is computed as a picture of one row, for which onnxruntime has its fastest kernels.

    Parameters
    ----------
    graph : Graph
        Where to.
    folded : ConvPoolDense
        A network whose batch normalisation is folded into its convolutions, see `fold_batch_norm`.
    grids : str
        Name of the grids, float32 `(batch, *spec.shape)`.
    see : callable
        Told of each step and the name of its result; maps of sequences have an axis of size 1 before their cells.
    """
    config, n_axes = folded.config, len(folded.spec.axes)
    row = [1] * (2 - n_axes)

    def weights(tensor: Any) -> str:
        return graph.constant(tensor.detach().numpy())

    def convolution(maps: str, branch: Any) -> str:
        size = [*row, *branch.kernel_size]
        kernels = branch.weight.reshape(*branch.weight.shape[:2], *size)
        lost = [side - 1 if branch.padding == "same" else 0 for side in size]
        pads = [cells // 2 for cells in lost] + [cells - cells // 2 for cells in lost]  # at the starts, at the ends
        return graph("Conv", maps, weights(kernels), weights(branch.bias), kernel_shape=size, pads=pads)

    def pooling(maps: str) -> str:
        operator = "MaxPool" if config.pool == "max" else "AveragePool"
        size, stride = config.pool_size, config.pool_stride or config.pool_size
        kernel_shape, strides = ([*row, *[side] * n_axes] for side in (size, stride))
        return graph(operator, maps, kernel_shape=kernel_shape, strides=strides, ceil_mode=1)

    def features(maps: str) -> str:
        if config.head != "flatten":
            maps = graph("GlobalMaxPool" if config.head == "global_max" else "GlobalAveragePool", maps)
        return graph("Flatten", maps)

    values = graph("Unsqueeze", grids, graph.constant([2])) if row else grids
    for step in folded_steps(folded):
        layer: Any = step.run
        match step.kind:
            case "convolution":
                branches = [convolution(values, branch) for branch in layer]
                values = branches[0] if len(branches) == 1 else graph("Concat", *branches, axis=1)
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
