"""Exported models in fewer bits: weights stored in 16, or the network computed with 8.

References
----------
Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference".
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.export.exported_model import require

__all__ = ["FEWEST", "MOST", "reduced"]

FEWEST, MOST = 2, 300
"""Items that ranges are learned from: at least, at most."""

FEWEST_NUMBERS = 64
"""Constants of no more numbers keep their 32 bits: biases, and what several nodes share."""


def reduced(model: Any, precision: str, adapter: Adapter, items: Sequence[Any]) -> tuple[Any, np.ndarray]:
    """Return an exported model in fewer bits, and the places of the items that it was made with.

    Parameters
    ----------
    model : onnx.ModelProto
        What `write_graph` made; it is left as it is. Names of the network's nodes begin with "network".
    precision : {"float16", "int8"}
        `"float16"` stores the weights in 16 bits and computes in 32. `"int8"` computes convolutions and dense layers
        with 8 bits: each kernel has a scale of its own, and activations have ranges that are learned from items.
    adapter : Adapter
        Decodes the items.
    items : sequence of raw items
        At most half of these, and at most 300, are taken at random to learn ranges from; float16 takes none.

    Returns
    -------
    (onnx.ModelProto, ndarray of int64)
        The model, without metadata, and the places of the items that were taken, ascending: measure on the others.

    Raises
    ------
    ConfigurationError
        If there are not enough items that can be read.
    """
    if precision == "float16":
        return _stored_in_16_bits(model), np.empty(0, np.int64)
    places = np.sort(np.random.default_rng(0).choice(len(items), min(len(items) // 2, MOST), replace=False))
    decoded = list(_decoded(adapter, [items[at] for at in places]))
    if len(decoded) < FEWEST:
        raise ConfigurationError(
            f"--precision int8 learns ranges from half of the items that it is given, and got {len(decoded)} that can "
            f"be read: it needs at least {FEWEST}. Name more with --check SOURCE"
        )
    return _computed_with_8_bits(model, decoded), places


def _decoded(adapter: Adapter, items: Sequence[Any]) -> Iterator[Any]:
    for item in items:
        try:
            yield adapter.decode(item)
        except ItemError:
            continue


def _stored_in_16_bits(model: Any) -> Any:
    """Return the model with its learned numbers as float16, each followed by a cast to float32.

    These are the weights of the network, and tables whose rows are looked up: embeddings. A runtime casts them once,
    when it loads the file. Numbers beyond the range of float16 stay as they are.
    """
    onnx = require("onnx")
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    graph = smaller.graph
    learned = {
        name
        for node in graph.node
        for name in (node.input if node.name.startswith("network") else node.input[:1])
        if node.name.startswith("network") or node.op_type == "Gather"
    }
    casts = []
    for initializer in graph.initializer:
        if initializer.name not in learned or initializer.data_type != onnx.TensorProto.FLOAT:
            continue
        weights = onnx.numpy_helper.to_array(initializer)
        if weights.size <= FEWEST_NUMBERS or np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        name = initializer.name
        stored = f"{name} in 16 bits"
        initializer.CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], f"cast {name}", to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return smaller


class _Reader:
    """Hands items to the calibration one at a time, as they may have different shapes."""

    def __init__(self, name: str, decoded: Sequence[Any]) -> None:
        self._batches = iter({name: _alone(each)} for each in decoded)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _alone(decoded: Any) -> np.ndarray:
    return np.array([decoded], dtype=object) if isinstance(decoded, str) else np.asarray(decoded)[None]


def _computed_with_8_bits(model: Any, decoded: Sequence[Any]) -> Any:
    """Return the model with 8-bit convolutions and dense layers.

    Weights have 7 bits: then no processor's sums of two products saturate, and the file answers alike on all of them.
    """
    onnx = require("onnx")
    require("onnxruntime")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static  # noqa: PLC0415

    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    onnx.helper.set_model_props(prepared, {"onnx.quant.pre_process": "onnxruntime.quant"})  # or it warns
    operators = ["Conv", "Gemm"]
    chosen = [each.name for each in model.graph.node if each.name.startswith("network") and each.op_type in operators]
    with tempfile.TemporaryDirectory() as folder, _silence():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            prepared,
            path,
            _Reader(model.graph.input[0].name, decoded),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=operators,
            nodes_to_quantize=chosen,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        smaller = onnx.load(path)
    del smaller.metadata_props[:]
    return smaller


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the root logger, which onnxruntime's tools write to, from being set up and from being heard."""
    root, quiet = logging.getLogger(), logging.NullHandler()
    before = root.level
    root.addHandler(quiet)
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(quiet)
