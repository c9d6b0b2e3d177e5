"""A folded network in onnxruntime, which is faster than torch on one thread."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridcnn.inference.folding import Logits, folded_steps, probabilities
from gridcnn.network.backbone import ConvPoolDense

__all__ = ["in_onnxruntime"]

PROBES = 4
"""Random grids on which the runtime is compared with torch."""

TOLERANCE = 1e-5
"""Largest difference allowed between its probabilities and torch's."""

OPSET, IR_VERSION = 19, 9  # of ONNX: the first that averages incomplete pooling windows as torch does


def in_onnxruntime(folded: ConvPoolDense) -> Logits | None:
    """Return a function that computes logits in onnxruntime; None if it is not installed, or gives other answers."""
    try:
        import onnxruntime  # noqa: PLC0415  (optional, as is onnx)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(_onnx_model(folded), options, providers=["CPUExecutionProvider"])

        def logits(grids: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {"grids": grids.contiguous().numpy()})[0])

        probes = torch.randn(PROBES, *folded.spec.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            difference = np.abs(probabilities(logits(probes)) - probabilities(folded(probes))).max()
    except ImportError:
        return None
    except Exception as error:  # another runtime may raise anything, and torch can answer
        warnings.warn(f"onnxruntime cannot run this network, so torch does, slower: {error}", stacklevel=2)
        return None
    return logits if difference <= TOLERANCE else None


def _onnx_model(folded: ConvPoolDense) -> bytes:
    """Write a folded network as an ONNX model: `grids`, float32 `(batch, *spec.shape)`, to logits.

    A 1-D grid is computed as a picture of one row, for which onnxruntime has its fastest kernels.
    """
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    config, n_axes = folded.config, len(folded.spec.axes)
    row = [1] * (2 - n_axes)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(values: Tensor) -> str:
        constants.append(numpy_helper.from_array(values.detach().numpy(), f"constant {len(constants)}"))
        return f"constant {len(constants) - 1}"

    def node(operator: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [f"values {len(nodes)}"], **attributes))
        return f"values {len(nodes) - 1}"

    def convolution(maps: str, branch: Any) -> str:
        size = [*row, *branch.kernel_size]
        kernels = branch.weight.reshape(*branch.weight.shape[:2], *size)
        lost = [side - 1 if branch.padding == "same" else 0 for side in size]
        pads = [cells // 2 for cells in lost] + [cells - cells // 2 for cells in lost]  # at the starts, at the ends
        return node("Conv", maps, constant(kernels), constant(branch.bias), kernel_shape=size, pads=pads)

    def pooling(maps: str) -> str:
        operator = "MaxPool" if config.pool == "max" else "AveragePool"
        size, stride = config.pool_size, config.pool_stride or config.pool_size
        kernel_shape, strides = ([*row, *[side] * n_axes] for side in (size, stride))
        return node(operator, maps, kernel_shape=kernel_shape, strides=strides, ceil_mode=1)

    def features(maps: str) -> str:
        if config.head != "flatten":
            maps = node("GlobalMaxPool" if config.head == "global_max" else "GlobalAveragePool", maps)
        return node("Flatten", maps)

    values = node("Unsqueeze", "grids", constant(torch.tensor([2]))) if row else "grids"
    for kind, _, run in folded_steps(folded):
        layer: Any = run
        match kind:
            case "convolution":
                branches = [convolution(values, branch) for branch in layer]
                values = branches[0] if len(branches) == 1 else node("Concat", *branches, axis=1)
            case "relu":
                values = node("Relu", values)
            case "pool":
                values = pooling(values)
            case "features":
                values = features(values)
            case "dense" | "logits":
                values = node("Gemm", values, constant(layer.weight), constant(layer.bias), transB=1)
    shape = folded.spec.shape if folded.padding_margin is None else (folded.spec.shape[0], "length")
    grids = helper.make_tensor_value_info("grids", TensorProto.FLOAT, ["batch", *shape])
    logits = helper.make_tensor_value_info(values, TensorProto.FLOAT, ["batch", folded.n_classes])
    graph = helper.make_graph(nodes, "gridcnn", [grids], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    written: bytes = model.SerializeToString()
    return written
