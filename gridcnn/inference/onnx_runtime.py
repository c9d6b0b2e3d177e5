"""A folded network in onnxruntime, which is faster than torch."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gridcnn.inference.folding import Logits, probabilities
from gridcnn.inference.onnx_network import add_network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.onnx_graph import Graph

__all__ = ["in_onnxruntime", "onnx_model", "started"]

PROBES = 4
"""Random grids on which a runtime is compared with torch."""

TOLERANCE = 1e-5
"""Largest difference allowed between its probabilities and torch's."""


def in_onnxruntime(folded: ConvPoolDense) -> Logits | None:
    """Return a function that computes logits in onnxruntime, in the thread that calls it.

    None if it is not installed, or gives other answers.
    """

    def start() -> Logits:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would report its use over the network
        import onnxruntime  # noqa: PLC0415  (optional, as is onnx)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(onnx_model(folded), options, providers=["CPUExecutionProvider"])
        return lambda grids: torch.from_numpy(session.run(None, {"grids": grids.contiguous().numpy()})[0])

    return started("onnxruntime", start, folded)


def started(
    name: str, start: Callable[[], Logits], folded: ConvPoolDense, tolerance: float = TOLERANCE
) -> Logits | None:
    """Start a network in another runtime, and compare its answers with torch's.

    Parameters
    ----------
    name : str
        Of the runtime.
    start : callable
        Returns a function that computes logits.
    folded : ConvPoolDense
        The network.
    tolerance : float
        Largest difference allowed between the probabilities.

    Returns
    -------
    callable or None
        None if the runtime, or onnx, is not installed, or cannot compute the network, or computes something else.
    """
    try:
        logits = start()
        probes: Tensor = torch.randn(PROBES, *folded.spec.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            difference = np.abs(probabilities(logits(probes)) - probabilities(folded(probes))).max()
    except ImportError:
        return None
    except Exception as error:  # another runtime may raise anything, and torch can answer
        warnings.warn(f"{name} cannot run this network, so torch does, slower: {error}", stacklevel=2)
        return None
    return logits if difference <= tolerance else None


def onnx_model(folded: ConvPoolDense) -> bytes:
    """Write a folded network as an ONNX model: `grids`, float32 `(batch, *spec.shape)`, to logits."""
    graph = Graph()
    shape = folded.spec.shape if folded.padding_margin is None else (folded.spec.shape[0], "length")
    grids = graph.input("grids", np.float32, ["batch", *shape])
    graph.output("logits", add_network(graph, folded, grids), np.float32, ["batch", folded.n_classes])
    written: bytes = graph.model().SerializeToString()
    return written
