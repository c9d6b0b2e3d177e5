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
from gridcnn.export.exported_model import require, stacked

__all__ = ["FEWEST", "MOST", "reduced"]

FEWEST, MOST = 2, 300
"""Items that ranges are learned from: at least, at most."""

OPERATORS = ["Conv", "Gemm"]
"""What is computed with 8 bits."""

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
        with 8 bits: each kernel has a scale of its own, and activations have ranges that are learned from items; it
        stores embeddings in 16.
    adapter : Adapter
        Decodes the items.
    items : sequence of raw items
        At most half of these, and at most 300, are taken at random to learn ranges from; float16 takes none.

    Returns
    -------
    (onnx.ModelProto, ndarray of int64)
        The model, and the places of the items that were taken, ascending: measure on the others.

    Raises
    ------
    ConfigurationError
        If there are not enough items that can be read.
    """
    if precision == "float16":
        return _stored_in_16_bits(model, network=True), np.empty(0, np.int64)
    places = np.sort(np.random.default_rng(0).choice(len(items), min(len(items) // 2, MOST), replace=False))
    decoded = list(_decoded(adapter, [items[at] for at in places]))
    if len(decoded) < FEWEST:
        raise ConfigurationError(
            f"--precision int8 learns ranges from at least {FEWEST} items, half of those of --check SOURCE; of "
            f"{len(items)} given, {len(decoded)} were taken and could be read: name more"
        )
    return _computed_with_8_bits(_stored_in_16_bits(model, network=False), decoded), places


def _decoded(adapter: Adapter, items: Sequence[Any]) -> Iterator[Any]:
    for item in items:
        try:
            yield adapter.decode(item)
        except ItemError:
            continue


def _stored_in_16_bits(model: Any, *, network: bool) -> Any:
    """Return the model with its learned numbers as float16, each followed by a cast to float32.

    These are tables whose rows are looked up, which are embeddings, and if asked the weights of the network. A runtime
    casts them once, when it loads the file. Numbers beyond the range of float16 stay as they are.
    """
    onnx = require("onnx")
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    graph = smaller.graph
    learned = {
        name
        for node in graph.node
        for name in (node.input if _is_network(node) else node.input[:1])
        if (network if _is_network(node) else node.op_type == "Gather")
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


def _computed_with_8_bits(model: Any, decoded: Sequence[Any]) -> Any:
    """Return the model with 8-bit convolutions and dense layers.

    The network is cut out, as onnx cannot infer the shapes of all that comes before it. Weights have 7 bits: then no
    processor's sums of two products saturate, and the file answers alike on all of them.
    """
    onnx = require("onnx")
    network, (grids,) = _network_of(model)
    with tempfile.TemporaryDirectory() as folder, _silence():
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static  # noqa: PLC0415

        path = Path(folder) / "network.onnx"
        quantize_static(
            network,
            path,
            _Grids(model, grids, decoded),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            nodes_to_quantize=[node.name for node in network.graph.node if node.op_type in OPERATORS],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return _replaced(model, onnx.load(path).graph)


def _is_network(node: Any) -> bool:
    return bool(node.name.startswith("network"))


def _network_of(model: Any) -> tuple[Any, list[str]]:
    """Return the network as a model of its own, and the names of its inputs: that of the grids.

    Its constants have names of their own, as the same ones may be used elsewhere.
    """
    onnx = require("onnx")
    nodes = [node for node in model.graph.node if _is_network(node)]
    others = [node for node in model.graph.node if not _is_network(node)]
    made = {name for node in nodes for name in node.output}
    taken = {name for node in nodes for name in node.input if name}
    constants = [each for each in model.graph.initializer if each.name in taken]
    inputs = sorted(taken - made - {each.name for each in constants})
    outputs = sorted(made & {name for node in others for name in node.input})
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inputs],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, None) for name in outputs],
        constants,
    )
    own = {each.name: f"network {each.name}" for each in constants}
    for each in graph.initializer:
        each.name = own[each.name]
    for node in graph.node:
        node.input[:] = [own.get(name, name) for name in node.input]
    network = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.helper.set_model_props(network, {"onnx.quant.pre_process": "onnxruntime.quant"})  # or the tool warns
    return network, inputs


def _replaced(model: Any, network: Any) -> Any:
    """Return a model with a changed network, an `onnx.GraphProto`, in the place of its own."""
    changed = require("onnx").ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    first = next(at for at, node in enumerate(model.graph.node) if _is_network(node))
    nodes = [node for node in model.graph.node if not _is_network(node)]
    nodes[first:first] = network.node
    taken = {name for node in nodes for name in node.input}
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(each for each in [*model.graph.initializer, *network.initializer] if each.name in taken)
    return changed


class _Grids:
    """Hands the grids of items to the calibration, one item at a time, as items may have different shapes."""

    def __init__(self, model: Any, grids: str, decoded: Sequence[Any]) -> None:
        onnx, runtime = require("onnx"), require("onnxruntime")
        told = onnx.ModelProto()
        told.CopyFrom(model)
        told.graph.output.append(onnx.helper.make_tensor_value_info(grids, onnx.TensorProto.FLOAT, None))
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        self._session = runtime.InferenceSession(told.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._input, self._grids, self._decoded = model.graph.input[0].name, grids, iter(decoded)

    def get_next(self) -> dict[str, np.ndarray] | None:
        decoded = next(self._decoded, None)
        if decoded is None:
            return None
        return {self._grids: self._session.run([self._grids], {self._input: stacked([decoded])})[0]}


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
