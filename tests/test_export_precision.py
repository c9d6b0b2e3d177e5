"""Exported models in fewer bits: what is stored, what is computed, and how far the answers move."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridcnn import FittedModel, datasets, fit
from gridcnn.adapters import ArrayAdapter, TextAdapter
from gridcnn.errors import ConfigurationError

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from gridcnn.export.exported_model import ExportedModel  # noqa: E402
from gridcnn.export.onnx_file import export_onnx, metadata_of, sealed, write_graph  # noqa: E402
from gridcnn.export.precision import reduced  # noqa: E402


@pytest.fixture(scope="module")
def digits() -> tuple[FittedModel, np.ndarray, np.ndarray]:
    """Return a network for arrays, trained well enough to have an accuracy, and items that it has not seen."""
    data = datasets.load("digits")
    X, y = np.stack(data.items).astype(np.float32), np.asarray(data.labels)
    shape = {"kernels": (16, 32), "convs_per_block": 1, "head": "flatten", "dense": (256,)}
    settings = {"epochs": 3, "validation_fraction": 0.0, "cache": False, **shape}
    return fit(ArrayAdapter(axes=("height", "width")), X[:1200], y[:1200], settings), X[1200:1500], y[1200:1500]


@pytest.fixture(scope="module")
def graph(digits: Any) -> Any:
    return write_graph(digits[0]).model()


def running(model: FittedModel, graph: Any) -> ExportedModel:
    return ExportedModel(sealed(graph, metadata_of(model)), threads=1)


def test_float16_halves_the_file_and_moves_probabilities_in_the_third_decimal_at_most(digits: Any, graph: Any) -> None:
    model, X, _ = digits
    smaller, taken = reduced(graph, "float16", model.adapter, [])
    before, after = running(model, graph).predict(X), running(model, smaller).predict(X)

    assert taken.tolist() == []
    assert smaller.ByteSize() < 0.52 * graph.ByteSize()
    assert 0 < np.abs(before.probabilities - after.probabilities).max() < 2e-3
    assert (before.labels == after.labels).mean() >= 0.99


def test_float16_stores_every_kernel_rounded_and_computes_in_32_bits(digits: Any, graph: Any) -> None:
    smaller, _ = reduced(graph, "float16", digits[0].adapter, [])
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in smaller.graph.initializer}
    casts = {each.output[0]: each.input[0] for each in smaller.graph.node if each.op_type == "Cast"}
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in graph.graph.initializer}
    kernels = [node.input[1] for node in smaller.graph.node if node.op_type in ("Conv", "Gemm")]

    assert len(kernels) == 4
    for name in kernels:
        assert stored[casts[name]].dtype == np.float16
        np.testing.assert_array_equal(stored[casts[name]], weights[name].astype(np.float16))
    onnx.checker.check_model(smaller, full_check=True)


def test_numbers_that_float16_cannot_hold_keep_their_32_bits(digits: Any, graph: Any) -> None:
    model, X, _ = digits
    huge = onnx.ModelProto()
    huge.CopyFrom(graph)
    (first,) = [node.input[1] for node in huge.graph.node if node.op_type == "Conv"][:1]
    (kernels,) = [each for each in huge.graph.initializer if each.name == first]
    kernels.CopyFrom(onnx.numpy_helper.from_array(1e6 * onnx.numpy_helper.to_array(kernels), first))
    smaller, _ = reduced(huge, "float16", model.adapter, [])

    assert first in {each.name for each in smaller.graph.initializer if each.data_type == onnx.TensorProto.FLOAT}
    assert running(model, smaller).predict(X).good.all()


def test_int8_computes_the_network_and_nothing_else_with_8_bits(digits: Any, graph: Any) -> None:
    model, X, _ = digits
    smaller, _ = reduced(graph, "int8", model.adapter, X)
    made_by = {name: node.op_type for node in smaller.graph.node for name in node.output}
    computed = [node for node in smaller.graph.node if node.op_type in ("Conv", "Gemm")]
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in smaller.graph.initializer}
    weights = [each for each in stored.values() if each.dtype == np.int8 and each.ndim > 1]

    assert len(computed) == len(weights) == 4
    assert all(made_by[name] == "DequantizeLinear" for node in computed for name in node.input[:2])
    assert max(np.abs(each.astype(int)).max() for each in weights) <= 64  # so that no processor saturates
    assert {each.op_type for each in smaller.graph.node if each.name.startswith("input")} == {
        each.op_type for each in graph.graph.node if each.name.startswith("input")
    }


def test_int8_is_a_third_of_the_size_and_keeps_the_accuracy(digits: Any, graph: Any) -> None:
    model, X, y = digits
    smaller, taken = reduced(graph, "int8", model.adapter, X)
    others = np.setdiff1d(np.arange(len(X)), taken)
    before, after = (running(model, each).predict(X[others]).labels == y[others] for each in (graph, smaller))

    assert smaller.ByteSize() < 0.35 * graph.ByteSize()
    assert before.mean() > 0.9
    assert abs(before.mean() - after.mean()) <= 0.02


def test_ranges_come_from_half_of_the_items_of_all_classes(digits: Any, graph: Any) -> None:
    model, X, y = digits
    by_class = np.argsort(y, kind="stable")[:40]
    _, taken = reduced(graph, "int8", model.adapter, X[by_class])

    assert len(taken) == len(set(taken.tolist())) == 20
    assert set(y[by_class][taken]) == set(y[by_class])


@pytest.mark.parametrize("spoil", [lambda X: [], lambda X: X[:3], lambda X: X[:40] * np.nan])
def test_too_few_items_to_learn_from_are_refused(digits: Any, graph: Any, spoil: Callable[[Any], Any]) -> None:
    model, X, _ = digits
    with pytest.raises(ConfigurationError, match="--precision int8 .* at least 2.*--check SOURCE"):
        reduced(graph, "int8", model.adapter, spoil(X))


@pytest.mark.parametrize(("precision", "in_8_bits"), [("float16", 0), ("int8", 5)])
def test_texts_have_their_embeddings_in_16_bits(precision: str, in_8_bits: int) -> None:
    data = datasets.load("word_order").take(range(120))
    model = fit(TextAdapter(), data.items, data.labels, {"epochs": 1, "validation_fraction": 0.0, "cache": False})
    graph = write_graph(model).model()
    smaller, _ = reduced(graph, precision, model.adapter, data.items)
    shapes = {
        kind: [tuple(each.dims) for each in smaller.graph.initializer if each.data_type == kind and len(each.dims) > 1]
        for kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8)
    }
    embed: Any = model.network.frontend  # in the graph, evidence stands beside the vectors
    width = embed.vectors.embedding_dim + embed.evidence.embedding_dim
    tables = [(len(each.weight), width) for each in (embed.vectors, embed.pieces)] + [tuple(embed.runs.weight.shape)]
    before, after = (running(model, each).predict(data.items).probabilities for each in (graph, smaller))

    assert set(tables) <= set(shapes[onnx.TensorProto.FLOAT16])
    assert len(shapes[onnx.TensorProto.INT8]) == in_8_bits
    assert shapes[onnx.TensorProto.FLOAT] == []
    assert 0 < np.abs(before - after).max() < 0.05


def test_int8_is_silent_leaves_no_file_behind_and_changes_neither_model_nor_loggers(
    digits: Any, graph: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, X, _ = digits
    before, handlers, level = graph.SerializeToString(), list(logging.getLogger().handlers), logging.getLogger().level
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    smaller, _ = reduced(graph, "int8", model.adapter, X[:20])

    assert list(tmp_path.iterdir()) == []
    assert tuple(capfd.readouterr()) == ("", "")
    assert graph.SerializeToString() == before
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)
    assert smaller.metadata_props == graph.metadata_props


@pytest.mark.parametrize(("precision", "n_compared"), [("float16", 60), ("int8", 30)])
def test_export_measures_a_smaller_model_on_items_that_it_was_not_made_with(
    digits: Any, tmp_path: Path, precision: str, n_compared: int
) -> None:
    model, X, y = digits
    whole = export_onnx(model, tmp_path / "whole.onnx")
    found = export_onnx(model, tmp_path / "m.onnx", items=X[:60], labels=y[:60], precision=precision)

    assert found.n_compared == n_compared
    assert found.n_bytes < 0.55 * whole.n_bytes
    assert found.accuracy is not None
    assert min(found.accuracy) > 0.8
    assert ExportedModel(found.path).metadata["precision"] == precision
