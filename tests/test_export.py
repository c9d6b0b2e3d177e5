"""Exported models: the same answers as torch's, from one file that says what it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridcnn import fit, save
from gridcnn.adapters import ArrayAdapter, TableAdapter
from gridcnn.adapters.base import Adapter
from gridcnn.cli import main
from gridcnn.errors import (
    BundleVersionError,
    ConfigurationError,
    ExportError,
    MissingAdapterError,
    NotABundleError,
    TamperedBundleError,
)
from gridcnn.export import exported_model, onnx_file
from gridcnn.export.exported_model import ExportedModel
from gridcnn.export.onnx_file import export_onnx
from gridcnn.inference import predict
from gridcnn.model import FittedModel

QUICK: dict[str, Any] = {"epochs": 1, "kernels": (4, 6), "validation_fraction": 0.0, "cache": False}


def arrays(*shape: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    values = np.random.default_rng(0).normal(size=(n, *shape)).cumsum(axis=-1)
    return values, np.where(values.reshape(n, -1)[:, -1] > 0, "up", "down")


@pytest.fixture(scope="module")
def series() -> tuple[FittedModel, np.ndarray]:
    values, labels = arrays(3, 50)
    return fit(ArrayAdapter(axes=("channels", "time")), values, labels, QUICK), values


@pytest.fixture
def exported(series: Any, tmp_path: Path) -> Path:
    path = tmp_path / "series.onnx"
    export_onnx(series[0], path)
    return path


@pytest.mark.parametrize(
    ("axes", "shape", "parameters"),
    [
        (("length",), (30,), {}),
        (("time", "channels"), (30, 4), {"pool": "average", "pool_size": 3, "pool_stride": 2}),
        (("channels", "time"), (4, 30), {"head": "flatten", "dense": (8, 5), "kernel_sizes": (3, 5)}),
        (("height", "width"), (12, 15), {"padding": "valid", "kernel_sizes": (3,)}),
        (("height", "channels", "width"), (11, 3, 14), {"head": "global_max", "batch_norm": False}),
        (("height", "width"), (12, 15), {"kernel_sizes": (2, 4), "pool_after": 1, "convs_per_block": 2}),
        (("height", "width"), (12, 15), {"head": "pyramid_max"}),
        (("channels", "time"), (4, 30), {"head": "pyramid_max"}),
        (("channels", "time"), (4, 30), {"head": "max_average"}),
        (("channels", "time"), (4, 30), {"head": "share_average", "kernel_sizes": (9,), "dilations": (1, 2, 3)}),
        (("height", "width"), (12, 15), {"head": "share_average", "dilations": (1, 2), "batch_norm": False}),
    ],
)
def test_every_shape_of_array_and_network_answers_as_torch_does(
    axes: tuple[str, ...], shape: tuple[int, ...], parameters: dict[str, Any], tmp_path: Path
) -> None:
    values, labels = arrays(*shape)
    model = fit(ArrayAdapter(axes=axes), values, labels, QUICK | parameters)

    found = export_onnx(model, tmp_path / "m.onnx", items=values)

    assert found.n_compared == found.same_labels == len(values)
    assert found.difference <= 1e-6


@pytest.mark.parametrize("scaling", ["channel", "both", "cell"])
def test_every_scaling_answers_as_torch_does(scaling: str, tmp_path: Path) -> None:
    values, labels = arrays(2, 40)
    model = fit(ArrayAdapter(axes=("channels", "time"), scaling=scaling), values * 1e3, labels, QUICK)

    assert export_onnx(model, tmp_path / "m.onnx", items=values * 1e3).difference <= 1e-6


@pytest.mark.parametrize("scaling", ["channel", "both"])
@pytest.mark.parametrize("axes", [("channels", "time"), ("time", "channels")])
def test_series_of_unequal_length_answer_as_torch_does(axes: tuple[str, str], scaling: str, tmp_path: Path) -> None:
    values, labels = arrays(2, 40)
    series = [each[:, : 20 + at % 21] for at, each in enumerate(values)]
    if axes[0] == "time":
        series = [each.T for each in series]
    model = fit(ArrayAdapter(axes=axes, scaling=scaling), series, labels, QUICK)

    found = export_onnx(model, tmp_path / "m.onnx", items=series)

    assert model.adapter.ended_
    assert found.n_compared == found.same_labels == len(values)
    assert found.difference <= 1e-6


def test_numbers_that_float32_would_blur_stay_apart(tmp_path: Path) -> None:
    values, labels = arrays(40)
    model = fit(ArrayAdapter(), 1e9 + values * 1e-3, labels, QUICK)

    found = export_onnx(model, tmp_path / "m.onnx", items=1e9 + values * 1e-3)

    assert model.adapter.centred_
    assert found.difference <= 1e-6
    assert ExportedModel(tmp_path / "m.onnx")(np.zeros((1, 40)) + 1e9).shape == (1, 2)


def test_flipped_copies_are_averaged_in_the_file_too(tmp_path: Path) -> None:
    values, labels = arrays(10, 12)
    model = fit(
        ArrayAdapter(axes=("height", "width")), values, labels, QUICK | {"augment": {"flip": ["height", "width"]}}
    )

    assert model.network.flip_axes == ("height", "width")
    assert export_onnx(model, tmp_path / "m.onnx", items=values).difference <= 1e-6


def test_a_hidden_picture_is_put_together_in_the_file(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    smooth = random.normal(size=(300, 9, 9)).cumsum(axis=1).cumsum(axis=2)
    rows = pd.DataFrame(smooth.reshape(300, -1)).add_prefix("p")
    model = fit(TableAdapter(), rows, np.where(smooth[:, 4, 4] > 0, "a", "b"), QUICK)

    found = export_onnx(model, tmp_path / "m.onnx", items=rows)

    assert model.adapter.shape_ == [9, 9]
    assert found.difference <= 1e-6


def test_dropped_cells_are_filled_in_the_file(tmp_path: Path) -> None:
    from gridcnn.adapters.arrangement import ABSENT, Arrangement

    adapter = TableAdapter(ordering="assume")
    rows, labels = arrays(12)
    model = fit(adapter, rows, labels, QUICK)
    cells = np.arange(12).reshape(3, 4)
    cells[0, 0] = ABSENT
    arrangement = Arrangement(("height", "width"), cells, 12, filling=-7.5)
    graph = onnx_file.Graph()
    graph.output("grids", arrangement.add_to(graph, graph.input("row", np.float64, ["n", 12])), np.float64, ["n", 3, 4])
    session = exported_model.require("onnxruntime").InferenceSession(graph.model().SerializeToString())

    (grids,) = session.run(None, {"row": rows})

    assert np.array_equal(grids, arrangement.arrange(rows))
    assert grids[0, 0, 0] == -7.5
    assert model.adapter.shape_ == [12]


def test_an_item_that_cannot_be_used_has_its_error_and_the_others_their_answers(series: Any, exported: Path) -> None:
    model, values = series
    broken = values[:5].copy()
    broken[2, 0, 7] = np.nan

    expected, found = predict(model, broken), ExportedModel(exported).predict(broken)

    assert found.errors == expected.errors
    assert found.errors[2]
    assert found.labels.tolist() == expected.labels.tolist()
    assert np.allclose(found.probabilities, expected.probabilities, atol=1e-6, equal_nan=True)


def test_the_file_says_what_it_is(exported: Path) -> None:
    metadata = ExportedModel(exported).metadata

    assert json.loads(metadata["classes"]) == ["down", "up"]
    assert json.loads(metadata["scaling"]) == "channel"
    assert "gridcnn" in json.loads(metadata["versions"])


def test_labels_come_beside_the_probabilities(series: Any, exported: Path) -> None:
    _, values = series
    session = exported_model.require("onnxruntime").InferenceSession(exported.read_bytes())

    outputs = dict(
        zip(
            ["probabilities", "label", "classes"],
            session.run(["probabilities", "label", "classes"], {"array": values.astype(np.float32)}),
            strict=True,
        )
    )

    assert outputs["classes"].tolist() == ["down", "up"]
    assert outputs["label"].tolist() == [outputs["classes"][at] for at in outputs["probabilities"].argmax(axis=1)]


@pytest.mark.parametrize("labels", [[3, 7], [0.0, 1.0], [True, False], ["ä\nb", "\ud800"]])
def test_labels_keep_their_kind(labels: list[Any], tmp_path: Path) -> None:
    values, _ = arrays(20)
    model = fit(ArrayAdapter(), values, np.array(labels * 20, dtype=None if labels[0] != "ä\nb" else object), QUICK)
    export_onnx(model, tmp_path / "m.onnx")

    found = ExportedModel(tmp_path / "m.onnx")

    assert found.classes.tolist() == model.classes.tolist()
    assert found.classes.dtype.kind == model.classes.dtype.kind


def test_a_file_that_would_answer_otherwise_is_not_written(
    series: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = onnx_file.fold_batch_norm

    def dishonest(backbone: Any) -> Any:
        folded = honest(backbone)
        folded.output.bias.data += np.array([0.0, 0.01], dtype=np.float32).tolist()[1]
        folded.output.bias.data[0] -= 0.02
        return folded

    monkeypatch.setattr(onnx_file, "fold_batch_norm", dishonest)

    with pytest.raises(ExportError, match="answer otherwise than torch: a probability differs by 0.00"):
        export_onnx(series[0], tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_an_altered_file_is_refused(exported: Path) -> None:
    content = exported.read_bytes()
    exported.write_bytes(content.replace(b"down", b"DOWN"))

    with pytest.raises(TamperedBundleError, match="changed after it was written"):
        ExportedModel(exported)


def test_a_file_that_others_wrote_is_refused(tmp_path: Path) -> None:
    graph = onnx_file.Graph()
    graph.output("y", graph.input("x", np.float32, [1]), np.float32, [1])
    other, no_model = tmp_path / "other.onnx", tmp_path / "no.onnx"
    other.write_bytes(graph.model().SerializeToString())
    no_model.write_bytes(b"PK\x03\x04")

    with pytest.raises(NotABundleError, match="not one that gridcnn wrote"):
        ExportedModel(other)
    with pytest.raises(NotABundleError, match="not an ONNX model"):
        ExportedModel(no_model)
    with pytest.raises(NotABundleError, match="there is no such file"):
        ExportedModel(tmp_path / "missing.onnx")


def test_a_newer_format_is_refused(series: Any, exported: Path) -> None:
    content = onnx_file.sealed(
        onnx_file.write_graph(series[0]).model(), onnx_file.metadata_of(series[0]) | {"gridcnn_format": "99"}
    )

    with pytest.raises(BundleVersionError, match="format 99"):
        ExportedModel(content)


def test_a_file_of_an_adapter_that_is_not_installed_is_refused(series: Any) -> None:
    metadata = onnx_file.metadata_of(series[0])
    content = onnx_file.sealed(
        onnx_file.write_graph(series[0]).model(),
        metadata | {"gridcnn": metadata["gridcnn"].replace("ArrayAdapter", "ProteinAdapter")},
    )

    with pytest.raises(MissingAdapterError, match="ProteinAdapter"):
        ExportedModel(content)


def test_an_adapter_that_cannot_be_exported_says_so(
    series: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArrayAdapter, "add_to", Adapter.add_to)

    with pytest.raises(ConfigurationError, match="a model of ArrayAdapter cannot be exported yet"):
        export_onnx(series[0], tmp_path / "m.onnx")


def test_a_missing_package_is_named_with_its_command(
    series: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(ExportError, match=r"pip install 'gridcnn\[export\]'"):
        export_onnx(series[0], tmp_path / "m.onnx")


# ---- the command line -----------------------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Path, Path]:
    """A saved model of a table, and rows to predict."""
    values, labels = arrays(30)
    table = pd.DataFrame(values).add_prefix("c")
    save(fit(TableAdapter(ordering="assume"), table, labels, QUICK), tmp_path / "m.safetensors")
    table.iloc[:5].to_csv(tmp_path / "rows.csv", index=False)
    table.assign(label=labels).to_csv(tmp_path / "labelled.csv", index=False)
    return tmp_path / "m.safetensors", tmp_path / "rows.csv"


def run(*arguments: object) -> int:
    try:
        main(list(map(str, arguments)))
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_predict_writes_the_same_file_from_the_exported_model(rows: Any, tmp_path: Path) -> None:
    model, items = rows

    assert run("export", model, "-o", tmp_path / "m.onnx") == 0
    assert run("predict", model, items, "-o", tmp_path / "torch.csv") == 0
    assert run("predict", tmp_path / "m.onnx", items, "-o", tmp_path / "onnx.csv") == 0
    assert (tmp_path / "onnx.csv").read_text() == (tmp_path / "torch.csv").read_text()


def test_predicting_with_an_exported_model_imports_no_torch(
    imported_by: Callable[[str], set[str]], rows: Any, tmp_path: Path
) -> None:
    run("export", rows[0], "-o", tmp_path / "m.onnx")

    modules = imported_by(f"from gridcnn.cli import main; main({['predict', f'{tmp_path}/m.onnx', str(rows[1])]})")

    assert "onnxruntime" in modules
    assert not {"torch", "torchaudio", "sklearn", "scipy", "matplotlib"} & modules


def test_what_was_compared_is_printed(rows: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("export", rows[0], "-o", tmp_path / "m.onnx", "--check", tmp_path / "labelled.csv")

    said = capsys.readouterr().err

    assert "compared with the trained model on 40 items" in said
    assert "40 of 40 labels are equal" in said
    assert "accuracy on them: " in said
    assert "40 of the 40 items were used in training" in said


def test_wrong_places_and_kinds_of_models_are_named(
    rows: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, items = rows
    run("export", model, "-o", tmp_path / "m.onnx")
    capsys.readouterr()

    for arguments, said in [
        (["export", model, "-o", tmp_path / "m.pdf"], "name a file that ends in .onnx"),
        (["export", model, "-o", items, "--web"], "is a file: --web writes a folder"),
        (["export", model, "-o", tmp_path / "s", "--web", "--precision", "int8"], "is for .onnx files"),
        (["export", tmp_path / "m.onnx", "-o", tmp_path / "n.onnx"], "an exported model"),
        (["explain", tmp_path / "m.onnx", items, "--row", "2", "-o", tmp_path / "w.html"], "an exported model"),
    ]:
        assert run(*arguments) == 2
        assert said in capsys.readouterr().err


def test_long_texts_are_not_answered_beside_short_ones() -> None:
    texts = ["a" * 300_000, "b", "c" * 300_000, "d"]

    assert list(exported_model._batches(texts)) == [[1, 3], [0], [2]]
