"""`gridcnn audit` as a person runs it: the table, the exit code, the JSON, the page; and what `train` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from gridcnn.adapters import ImageAdapter
from gridcnn.evaluation.audit import audit
from gridcnn.render.audit_page import audit_page

Run = Callable[..., Any]


WORDS = ["tree", "house", "river", "stone", "cloud", "glass", "paper", "wheel"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of texts with copies of another class and in another part, a class of two names, and a hostile text."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 9)) + f" {at}" for at in range(60)]
    rows = [(text, ["praise", "blame"][at % 2], "train" if at < 40 else "test") for at, text in enumerate(texts)]
    rows += [(f"{texts[3]}!", "praise", "test"), (texts[4].upper(), "Praise", "train")]
    rows += [("<script>alert(1)</script>", "praise", "train"), ("<Script>alert(1)</Script>", "praise", "train")]
    path = tmp_path / "opinions.csv"
    path.write_text("text,kind,part\n" + "".join(f'"{text}",{kind},{part}\n' for text, kind, part in rows))
    return path


def columns(path: Path) -> list[Any]:
    return [path, "--text", "text", "--label", "kind", "--split", "part", "--quick"]


def test_the_table_names_findings_examples_and_what_to_do(table: Path, run: Run) -> None:
    done = run("audit", *columns(table))

    assert done.code == 1
    assert "2 items are equal to others of another class" in done.out
    assert "'Praise' (1) and 'praise'" in done.out
    assert "(blame) = " in done.out
    assert "correct them, or remove the items" in done.out
    assert "64 items; checked: labels, classes, readable, flaws, mixed, copies, shortcuts, series" in done.out


def test_parts_of_logs_and_rows_of_tables_have_their_names(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    log = rng.normal(size=1_200)
    log[600:620] = log[100:120]
    (tmp_path / "log.csv").write_text("x\n" + "".join(f"{value}\n" for value in log))
    parts = [(start, ("a", "b")[start // 100 % 2]) for start in range(0, 1_200, 20)]
    rows = "".join(f"log.csv,{start},{start + 20},{label}\n" for start, label in parts)
    (tmp_path / "parts.csv").write_text(f"path,start,end,label\n{rows}")
    where = ["--path", "path", "--start", "start", "--end", "end", "--check", "copies", "--json", tmp_path / "f.json"]
    run("audit", tmp_path / "parts.csv", *where)
    (found,) = json.loads((tmp_path / "f.json").read_text())["findings"]

    names = [item["item"] for item in found["examples"][0]["items"]]
    assert names == [f"{tmp_path / 'log.csv'}, {start} to {start + 20}" for start in (100, 600)]

    table = "".join(f"{','.join(map(str, row))},{at % 2}\n" for at, row in enumerate(rng.normal(size=(40, 12))))
    header = ",".join([*(f"c{at}" for at in range(12)), "label"])
    (tmp_path / "table.csv").write_text(f"{header}\n{table}{table.splitlines()[0][:-1]}1\n")
    run("audit", tmp_path / "table.csv", "--check", "copies", "--json", tmp_path / "f.json", "--label", "label")
    (found,) = json.loads((tmp_path / "f.json").read_text())["findings"]
    assert [item["item"] for item in found["examples"][0]["items"]] == ["row 2", "row 42"]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--fail-on", "never"], 0),
        (["--check", "readable"], 0),
        (["--check", "copies"], 1),
        (["--check", "classes"], 0),  # a tiny class is a warning
        (["--check", "classes", "--fail-on", "warning"], 1),
        (["--check", "copies", "--skip", "copies"], 0),
        (["--check", "speed"], 2),
        (["--skip", "speed"], 2),
    ],
)
def test_the_exit_code_says_how_grave_it_is(flags: list[str], code: int, table: Path, run: Run) -> None:
    assert run("audit", *columns(table), *flags).code == code


def test_json_holds_every_finding_with_its_items(table: Path, tmp_path: Path, run: Run) -> None:
    run("audit", *columns(table), "--json", tmp_path / "found.json")

    found = json.loads((tmp_path / "found.json").read_text())

    assert (found["items"], found["worst"]) == (64, "error")
    copies = next(each for each in found["findings"] if each["kind"] == "copies-of-different-classes")
    assert copies["affected"] == [3, 4, 60, 61]
    first = copies["examples"][0]["items"][0]
    assert set(first) == {"item", "index", "label", "part"}
    assert {each["part"] for each in copies["examples"][0]["items"]} == {"train", "test"}


def test_the_page_shows_texts_as_they_are_and_runs_nothing(table: Path, tmp_path: Path, run: Run) -> None:
    run("audit", *columns(table), "-o", tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text()

    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page.lower()
    assert "script-src &#39;none&#39;" in page or "script-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "equal to others of another class" in page


def test_the_page_plays_sounds_and_shows_pictures_side_by_side(tmp_path: Path, run: Run) -> None:
    for name, hertz in (("low", 300), ("high", 1200)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for at in range(6):
            wave = np.sin(np.arange(4000) * 2 * np.pi * hertz * (1 + at / 9) / 8000) * np.hanning(4000)
            soundfile.write(tmp_path / "d" / name / f"{at}.wav", wave, 8000)
    (tmp_path / "d" / "high" / "copy.wav").write_bytes((tmp_path / "d" / "low" / "3.wav").read_bytes())
    run("audit", tmp_path / "d", "--check", "copies", "-o", tmp_path / "page.html")
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (32, 32, 3)).astype(np.uint8) for _ in range(8)]
    pictures.append(pictures[2])

    sounds = (tmp_path / "page.html").read_text()
    shown = audit_page(audit(ImageAdapter(), pictures, checks=["copies"]), ImageAdapter(), pictures)

    assert sounds.count("<audio controls") == 2
    assert "low/3.wav" in sounds
    assert shown.count("data:image/png") == 2


def test_the_outputs_replace_no_input_and_not_each_other(table: Path, tmp_path: Path, run: Run) -> None:
    for flags in (["--json", table], ["-o", tmp_path / "x", "--json", tmp_path / "x"]):
        assert run("audit", *columns(table), *flags).code == 2
    assert table.read_text().startswith("text,kind,part")


def test_training_begins_with_the_quick_part(table: Path, run: Run) -> None:
    done = run("train", *columns(table)[:-1], "--dry-run")

    assert "error: names of classes differ only in case, spaces, hyphens or underscores: 'Praise' (1)" in done.err
    assert "warning: classes with fewer than 5 items to train on: Praise (1)" in done.err
