"""`gridcnn explain MODEL ITEM`: pictures or a page, and what it says to bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, ImageAdapter
from gridcnn.cli import main
from gridcnn.render.explain_page import explain_page


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
        (["m.safetensors", "-o", "why", "--png"], "m.safetensors: not a picture of a format that is read"),
        (["item.png", "-o", "why", "--png", "--class", "z"], "there is no class 'z'; there are a, b"),
        (["item.png", "-o", "item.png", "--png"], "item.png is a file: --png writes several pictures"),
    ],
)
def test_bad_input_is_said_in_one_line(model, monkeypatch, capsys, arguments, remedy):
    monkeypatch.chdir(model)

    assert run("explain", "m.safetensors", *arguments) == 2
    assert remedy in capsys.readouterr().err
    assert not (model / "why").exists()


def test_a_row_of_a_table_is_explained(tmp_path, capsys):
    series = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 20)).cumsum(axis=1)).add_prefix("nm")
    classifier = GridClassifier(ordering="assume", epochs=1, kernels=(3,)).fit(series, [0, 1] * 4)
    classifier.save(tmp_path / "m.safetensors")
    series.iloc[5, 3] = np.nan
    series.iloc[:, ::-1].assign(remark="x").to_csv(tmp_path / "t.csv", index=False)  # columns are found by their names

    code = run("explain", tmp_path / "m.safetensors", tmp_path / "t.csv", "--row", 4, "-o", tmp_path / "why.html")

    expected = explain_page(classifier, series.iloc[2].to_numpy(np.float32), name="t.csv, row 4")  # the header is row 1
    assert code == 0
    assert (tmp_path / "why.html").read_text(encoding="utf-8") == expected
    assert run("explain", tmp_path / "m.safetensors", tmp_path / "t.csv", "--row", 7, "-o", tmp_path / "why.html") == 2
    assert "t.csv, row 7: column 'nm3': missing" in capsys.readouterr().err


def test_an_item_that_a_file_lists_is_explained(model, tmp_path):
    listed = model / "listed.csv"
    listed.write_text("file,label\nmissing.png,a\nitem.png,b\n", encoding="utf-8")

    code = run("explain", model / "m.safetensors", listed, "--row", 3, "--path", "file", "-o", tmp_path / "why.html")

    classifier = GridClassifier.load(model / "m.safetensors")
    assert code == 0
    assert (tmp_path / "why.html").read_text(encoding="utf-8") == explain_page(classifier, model / "item.png")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["listed.csv"], "listed.csv lists several items: say which row is meant, such as --row 2"),
        (["listed.csv", "--path", "file"], "--path: for a row of a file, so say which one: --row NUMBER"),
        (["listed.csv", "--row", 9, "--path", "file"], "has no row 9: its items stand in rows 2 to 3"),
        (["listed.csv", "--row", 2, "--path", "file"], "listed.csv, row 2: no such file: missing.png"),
        (["item.png", "--row", 2], "item.png: --row takes a row of a file that ends in .csv"),
    ],
)
def test_a_row_that_is_not_there_is_said_to_be_missing(model, monkeypatch, capsys, arguments, remedy):
    monkeypatch.chdir(model)
    (model / "listed.csv").write_text("file,label\nmissing.png,a\nitem.png,b\n", encoding="utf-8")

    assert run("explain", "m.safetensors", *arguments, "-o", "why.html") == 2
    assert remedy in capsys.readouterr().err
    assert not (model / "why.html").exists()


def test_a_model_of_tables_asks_for_a_row(tmp_path, capsys):
    series = np.random.default_rng(0).normal(size=(8, 20)).astype(np.float32)
    classifier = GridClassifier(adapter=ArrayAdapter(), epochs=1, kernels=(3,)).fit(series, [0, 1] * 4)
    classifier.save(tmp_path / "table.safetensors")

    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert run("explain", tmp_path / "table.safetensors", tmp_path / "table.csv", "-o", tmp_path / "why.html") == 2
    assert "name a file and a row, table.csv --row 2" in capsys.readouterr().err
