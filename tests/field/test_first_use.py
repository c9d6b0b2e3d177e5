"""What a first user of logs, texts and recordings in parts stumbled over: wording, options, and reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from gridcnn.datasets import load_manifest
from gridcnn.display import counted
from gridcnn.training.announce import about_unscored

Run = Callable[..., Any]


def test_one_of_a_thing_is_told_in_the_singular(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("path,label\na.png,x\n")
    data = load_manifest(tmp_path / "m.csv", label="label", path_column="path")

    assert repr(data) == "<Dataset m: 1 image item, 1 class>"
    assert "1 item to validate on has the content of items to train on and does not count" in about_unscored(1, 4)
    assert [counted(n, "row") for n in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]


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
