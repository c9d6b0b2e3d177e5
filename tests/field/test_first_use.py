"""What a first user of logs, texts and recordings in parts stumbled over: wording, options, and reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gridcnn.datasets import load_manifest
from gridcnn.display import counted
from gridcnn.evaluation.report import about_trained_on
from gridcnn.training.announce import about_unscored
from gridcnn.training.schedule import Schedule

Run = Callable[..., Any]


def test_one_of_a_thing_is_told_in_the_singular(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("path,label\na.png,x\n")
    data = load_manifest(tmp_path / "m.csv", label="label", path_column="path")

    assert repr(data) == "<Dataset m: 1 image item, 1 class>"
    assert "1 item to validate on has the content of items to train on and does not count" in about_unscored(1, 4)
    assert [counted(n, "row") for n in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert about_trained_on(1, 5) == "1 of the 5 items was used in training (by their content)"
    assert str(Schedule(1, (8, 8), epochs=1, seconds=2.0)).startswith("1 item, 8 × 8, 1 epoch: ")


def test_a_file_of_another_kind_is_told_with_what_was_expected(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "notes.md").write_text("words")
    (tmp_path / "m.csv").write_text("path,label\na.png,x\nnotes.md,y\n")
    data = load_manifest(tmp_path / "m.csv", label="label", path_column="path", on_error="skip")

    assert data.skipped[0].reason == f"expected a picture, got {tmp_path / 'notes.md'} (neither a picture nor a sound)"


def test_reasons_that_are_whole_sentences_end_with_one_full_stop(tmp_path: Path, run: Run) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "m.csv").write_text("path,label\nbad.csv,x\nbad.csv,y\n")
    done = run("train", tmp_path / "m.csv", "--path", "path", "-o", tmp_path / "m.safetensors")

    assert done.code == 2
    assert "leave them out; row 3" in done.err
    assert ".." not in done.err.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("command", "told"),
    [("train -o m.safetensors --start a --path p", "--start and --end belong together"),
     ("train -o m.safetensors --text a --path p", "--text names a column of sentences, --path one of files"),
     ("train -o m.safetensors --annotations foo", "--annotations: expected auto or one of csv"),
     ("train -o m.safetensors --annotations csv --path p", "the format of annotations says what is where"),
     ("train -o m.safetensors --labels a --class-weight balanced", "--class-weight is for one class an item"),
     ("train -o m.safetensors --class-weight foo", "class_weight must be 'balanced'"),
     ("train -o m.safetensors --background a --no-background", "contradict each other"),
     ("train -o m.safetensors --image-size foo", "--image-size: expected pixels"),
     ("train -o m.safetensors --duration -1", "duration must be a number in [0.001, 86,400]"),
     ("train -o m.safetensors --tokens foo", "tokens must be one of 'auto', 'word', 'character'"),
     ("train -o m.safetensors --adapter Foo", "there is no adapter 'Foo'"),
     ("train -o m.safetensors --adapter TextAdapter --mels 40", "--mels is no option of TextAdapter"),
     ("train -o m.safetensors --vectors none.txt", "--vectors none.txt: no such file"),
     ("train -o m.safetensors --device foo", "device 'foo' cannot be used here"),
     ("train -o m.safetensors --epochs -3", "epochs must be a whole number of at least 1"),
     ("train -o m.safetensors --encoding foo", "Python knows no encoding 'foo'"),
     ("tune -o m.safetensors --image-size foo", "--image-size: expected pixels"),
     ("tune -o m.safetensors --class-weight foo", "class_weight must be 'balanced'"),
     ("audit --check foo", "--check foo: no check is called so"),
     ("audit --adapter Foo", "there is no adapter 'Foo'"),
     ("check --alpha 3", "alpha is 3.0")],
)  # fmt: skip
def test_what_cannot_be_is_told_before_any_data_are_read(
    command: str, told: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *options = command.split()
    done = run(name, "missing.csv", *options)  # which would be told first if it were read

    assert done.code == 2
    assert told in done.err
    assert "no such file or folder" not in done.err


def test_the_reasons_come_before_the_complaint_about_one_class(tmp_path: Path, run: Run) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("path,label\na.png,x\nnone.png,y\n")
    said = run("train", tmp_path / "m.csv", "--path", "path", "-o", tmp_path / "m.safetensors").err

    assert "left out 1 of 2 items" in said
    assert said.index("no such file") < said.index("at least two classes")


def test_a_model_of_pictures_is_refused_before_anything_else_is_said_of_it(tmp_path: Path, run: Run) -> None:
    from gridcnn import datasets, fit, save
    from gridcnn.adapters import ImageAdapter

    some = datasets.load("xo").take(range(60))
    save(fit(ImageAdapter(), some.items, some.labels, {"epochs": 1}), tmp_path / "m.safetensors")
    detected = run("detect", tmp_path / "m.safetensors", "a.png", "-o", tmp_path / "e.csv", "--precision", 0.9)
    scored = run("evaluate", tmp_path / "m.safetensors", "a.csv", "--events")

    for done in (detected, scored):
        assert (done.code, len(done.err.splitlines())) == (2, 1)
        assert "this model reads pictures, in which nothing can be detected" in done.err
