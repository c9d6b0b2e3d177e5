"""ONNX files that a stranger made to do harm: nothing of them is computed that gridcnn would not have written."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridcnn import fit
from gridcnn.adapters import TextAdapter
from gridcnn.errors import BundleError, BundleVersionError, ExportError, NotABundleError, TamperedBundleError
from gridcnn.export import exported_model
from gridcnn.export.exported_model import ExportedModel
from gridcnn.export.onnx_file import export_onnx
from gridcnn.export.onnx_outline import OPERATORS, outline

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

Edit = Callable[[Any], object]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("exported") / "m.onnx"
    quick = {"epochs": 1, "kernels": (2,), "validation_fraction": 0, "cache": False}
    model = fit(TextAdapter(min_count=1, embedding_dim=2), ["the dog bites", "man and dog"] * 2, ["a", "b"] * 2, quick)
    export_onnx(model, path)
    return path.read_bytes()


def resealed(model: Any) -> bytes:
    """Return the bytes of a changed model, whose digest fits again."""
    place = "0" * 64
    for entry in model.metadata_props:
        if entry.key == "gridcnn_digest":
            entry.value = place
    content: bytes = model.SerializeToString(deterministic=True)
    return content.replace(place.encode(), hashlib.sha256(content).hexdigest().encode())


def edited(content: bytes, edit: Edit) -> bytes:
    model = onnx.load_model_from_string(content)
    edit(model)
    return resealed(model)


def described(change: Callable[[dict[str, Any]], object]) -> Edit:
    """Return an edit of what the file says of its adapter and classes."""

    def edit(model: Any) -> None:
        for entry in model.metadata_props:
            if entry.key == "gridcnn":
                values = json.loads(entry.value)
                change(values)
                entry.value = json.dumps(values)

    return edit


def weights_elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def weights_elsewhere_in_an_attribute(model: Any) -> None:
    tensor = TensorProto(dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/dev/zero")
    model.graph.node.append(helper.make_node("Constant", [], ["more"], value=tensor))


def endless_loop(model: Any) -> None:
    values = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", TensorProto.INT64), ("c", 9))]
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "body", values,
                             [helper.make_tensor_value_info("d", TensorProto.BOOL, [])])  # fmt: skip
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("Loop", ["", "yes"], [], body=body))


def branch(model: Any) -> None:
    inside = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=inside, else_branch=inside))


HOSTILE_GRAPHS: dict[str, tuple[Edit, str]] = {
    "weights in another file": (weights_elsewhere, "numbers in another file"),
    "the same in an attribute": (weights_elsewhere_in_an_attribute, "numbers in another file"),
    "a loop": (endless_loop, "a graph inside an operator"),
    "a branch": (branch, "a graph inside an operator"),
    "an operator of somebody's": (
        lambda model: model.graph.node.append(helper.make_node("Run", [], [], domain="evil.ops")),
        "the operator 'evil.ops:Run'",
    ),
    "an operator that the runtime has": (
        lambda model: model.graph.node.append(helper.make_node("RandomNormal", [], ["r"], shape=[2])),
        "the operator 'RandomNormal'",
    ),
    "a function": (
        lambda model: model.functions.append(helper.make_function("f", "F", [], [], [], [helper.make_opsetid("", 20)])),
        "functions of its own",
    ),
    "a training": (lambda model: model.training_info.add(), "a training of its own"),
    "sparse numbers": (lambda model: model.graph.sparse_initializer.add(), "sparse numbers"),
}


@pytest.mark.parametrize("name", HOSTILE_GRAPHS)
def test_a_graph_that_gridcnn_would_not_write_never_reaches_the_runtime(
    honest: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit, odd = HOSTILE_GRAPHS[name]
    monkeypatch.setattr(exported_model, "_session", lambda *_: pytest.fail("the runtime was given the file"))

    with pytest.raises(TamperedBundleError, match=odd):
        ExportedModel(edited(honest, edit))


HOSTILE_TEXTS: dict[str, Edit] = {
    "a length of a billion": described(lambda values: values["adapter"]["state"].update(length_=10**9)),
    "a vocabulary of numbers": described(lambda values: values["adapter"]["state"].update(vocabulary_=[1])),
    "settings that are unknown": described(lambda values: values["adapter"]["settings"].update(os=1)),
    "labels twice": described(lambda values: values["classes"].update(labels=["a", "a"])),
    "labels of objects": described(lambda values: values["classes"].update(kind="O")),
    "no classes": described(lambda values: values.pop("classes")),
    "an adapter that is a list": described(lambda values: values.update(adapter=[])),
    "certainty that is text": described(lambda values: values.update(certainty="yes")),
    "a background that is no class": described(lambda values: values.update(background="c")),
}


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_texts_that_lie_are_refused_before_the_runtime_sees_the_file(
    honest: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported_model, "_session", lambda *_: pytest.fail("the runtime was given the file"))

    with pytest.raises(TamperedBundleError):
        ExportedModel(edited(honest, HOSTILE_TEXTS[name]))


def test_a_model_with_more_classes_than_answers_is_found_out(honest: bytes) -> None:
    model = ExportedModel(edited(honest, described(lambda values: values["classes"].update(labels=["a", "b", "c"]))))

    with pytest.raises(TamperedBundleError, match="does not answer for its 3 classes"):
        model(np.array(["the dog"], dtype=object))


def test_no_adapter_is_imported_because_a_file_names_it(honest: bytes) -> None:
    known = set(sys.modules)

    with pytest.raises(BundleError, match="needs the adapter 'os'"):
        ExportedModel(edited(honest, described(lambda values: values["adapter"].update(name="os"))))

    assert set(sys.modules) == known


def test_another_format_says_so(honest: bytes) -> None:
    def format_(model: Any) -> None:
        next(each for each in model.metadata_props if each.key == "gridcnn_format").value = "²" * 9_999

    with pytest.raises(BundleVersionError, match="has format"):
        ExportedModel(edited(honest, format_))


def test_a_graph_that_asks_for_more_memory_than_it_may_is_stopped(honest: bytes) -> None:
    def huge(model: Any) -> None:
        text = model.graph.input[0].name
        size = numpy_helper.from_array(np.array([2**33], dtype=np.int64), "how many")
        zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
        model.graph.initializer.extend([size, zero])
        made = helper.make_node("Size", [text], ["n"]), helper.make_node("Cast", ["n"], ["n1"], to=TensorProto.FLOAT)
        model.graph.node.extend(made)
        model.graph.node.append(helper.make_node("Unsqueeze", ["n1", "first"], ["n2"]))
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.int64), "first"))
        model.graph.node.append(helper.make_node("Expand", ["n2", "how many"], ["much"]))  # 32 GiB
        model.graph.node.append(helper.make_node("ReduceSum", ["much"], ["sum"], keepdims=0))
        last = next(node for node in model.graph.node if node.output[0] == "probabilities")
        last.output[0] = "before"
        model.graph.node.append(helper.make_node("Add", ["before", "sum"], ["probabilities"]))

    model = ExportedModel(edited(honest, huge))

    with pytest.raises(ExportError, match="would take more than 8 GiB of memory"):
        model(np.array(["the dog"], dtype=object))


def test_other_files_are_no_models(tmp_path: Path) -> None:
    for content in (
        b"",
        b"\x00" * 100,
        b"\xff" * 100,
        b"\x89PNG\r\n\x1a\n",
        bytes(range(256)),
        b"\x3a\xff\xff\xff\xff\x7f",
    ):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(NotABundleError):
            ExportedModel(tmp_path / "m.onnx")


def test_damaged_files_raise_nothing_but_their_own_error(honest: bytes) -> None:
    random_, digest = random.Random(0), hashlib.sha256
    place = next(
        each.value for each in onnx.load_model_from_string(honest).metadata_props if each.key == "gridcnn_digest"
    )
    clean = honest.replace(place.encode(), b"0" * 64)
    refused = 0
    for _ in range(40):
        content = bytearray(clean)
        for _ in range(random_.choice([1, 1, 3])):
            content[random_.randrange(len(content))] = random_.randrange(256)
        sealed = bytes(content).replace(b"0" * 64, digest(bytes(content)).hexdigest().encode())
        try:
            ExportedModel(sealed)
        except BundleError:
            refused += 1

    assert refused > 10


def test_the_outline_of_an_honest_file_is_its_texts(honest: bytes) -> None:
    texts, odd = outline(honest)

    assert odd == ""
    assert texts == {each.key: each.value for each in onnx.load_model_from_string(honest).metadata_props}


def test_no_operator_that_is_allowed_opens_files_or_holds_a_graph() -> None:
    held = {("", name) for name in ("If", "Loop", "Scan", "SequenceMap", "RandomNormal", "ImageDecoder", "Optional")}

    assert not OPERATORS & held
    for domain, name in OPERATORS - {("com.microsoft", "Tokenizer")}:
        attributes = onnx.defs.get_schema(name, 20 if not domain else 2, domain).attributes.values()
        assert onnx.defs.OpSchema.AttrType.GRAPH not in {each.type for each in attributes}
