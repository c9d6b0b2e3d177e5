"""`gridcnn explain MODEL ITEM`: pictures or a page, and what it says to bad input."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, ImageAdapter
from gridcnn.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pictures = np.random.default_rng(0).integers(0, 255, (8, 12, 12), dtype=np.uint8)
    folder = tmp_path_factory.mktemp("model")
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=1, kernels=(3,), cache=False)
    classifier.fit(pictures, list("ab" * 4)).save(folder / "m.safetensors")
    Image.fromarray(pictures[0]).save(folder / "item.png")
    return folder


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code


def test_pictures_are_written_into_a_folder(model, tmp_path, capsys):
    code = run("explain", model / "m.safetensors", model / "item.png", "-o", tmp_path / "why", "--png", "--class", "b")

    written = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert code == 0
    assert written[0] == "01-input.png"
    assert f"{len(written)} pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["item.png", "-o", "why"], "name a page, such as why.html, or say --png"),
        (["missing.png", "-o", "why", "--png"], "missing.png: there is no such file"),
        (["m.safetensors", "-o", "why", "--png"], "m.safetensors: not a picture that Pillow can read"),
        (["item.png", "-o", "why", "--png", "--class", "z"], "there is no class 'z'; there are a, b"),
        (["item.png", "-o", "item.png", "--png"], "item.png is a file: --png writes several pictures"),
    ],
)
def test_bad_input_is_said_in_one_line(model, monkeypatch, capsys, arguments, remedy):
    monkeypatch.chdir(model)

    assert run("explain", "m.safetensors", *arguments) == 2
    assert remedy in capsys.readouterr().err
    assert not (model / "why").exists()


def test_a_model_of_tables_is_explained_in_python(tmp_path, capsys):
    series = np.random.default_rng(0).normal(size=(8, 20)).astype(np.float32)
    classifier = GridClassifier(adapter=ArrayAdapter(), epochs=1, kernels=(3,)).fit(series, [0, 1] * 4)
    classifier.save(tmp_path / "table.safetensors")

    assert run("explain", tmp_path / "table.safetensors", "row", "-o", tmp_path / "why.html") == 2
    assert "gridcnn.explain.trace" in capsys.readouterr().err
