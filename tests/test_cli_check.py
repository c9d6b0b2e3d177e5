"""`gridcnn check`: a verdict and an exit code for every kind of source, and a plain error for bad ones."""

from __future__ import annotations

import io
import json
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from gridcnn import datasets
from gridcnn.cli import waiting

Run = Callable[..., Any]  # the fixture of conftest.py


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def series(rng: np.random.Generator, rows: int = 120, columns: int = 30) -> pd.DataFrame:
    walks = rng.normal(size=(rows, columns)).cumsum(axis=1)
    return pd.DataFrame(walks, columns=[f"t{index}" for index in range(columns)])


def saved(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


# ------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_an_ordered_table_ends_with_0_and_leaves_a_page(
    run: Run, tmp_path: Path, rng: np.random.Generator, suffix: str
) -> None:
    done = run("check", saved(series(rng), tmp_path / f"series.{suffix}"), "-o", tmp_path / "out" / "why.html")

    assert done.code == 0
    assert done.out.startswith("ORDERED")
    assert "<svg" in (tmp_path / "out" / "why.html").read_text(encoding="utf-8")


def test_a_grade_sheet_ends_with_3_and_says_what_to_use_instead(run: Run, tmp_path: Path) -> None:
    grades = datasets.grades()
    source = saved(grades.items.assign(passed=grades.labels), tmp_path / "grades.csv")

    printed = run("check", source, "--label", "passed")
    report = json.loads(run("check", source, "--label", "passed", "--json").out)

    assert printed.code == 3
    assert "logistic regression" in printed.out
    assert "shuffled orders" in printed.out
    assert report["verdict"] == "exchangeable"
    assert report["columns"] == grades.items.shape[1]
    assert report["alternatives"]["conclusion"] in " ".join(printed.out.split())


def test_training_on_a_refused_table_names_the_command_that_shows_why(run: Run, tmp_path: Path) -> None:
    grades = datasets.grades()
    source = saved(grades.items.assign(passed=grades.labels), tmp_path / "grades.csv")

    done = run("train", source, "--label", "passed", "-o", tmp_path / "m.safetensors")

    assert done.code == 2
    assert "--ordering assume" in done.err
    assert f"gridcnn check {source} --label passed" in done.err
    assert not (tmp_path / "m.safetensors").exists()


def test_an_array_gets_a_verdict_for_each_axis(run: Run, tmp_path: Path, rng: np.random.Generator) -> None:
    np.save(tmp_path / "sensors.npy", rng.normal(size=(200, 8, 40)).cumsum(axis=2))

    result = run("check", tmp_path / "sensors.npy", "--json", "-o", tmp_path / "why.html")

    report = json.loads(result.out)
    assert [axis["verdict"] for axis in report["axes"]] == ["exchangeable", "ordered"]
    assert result.code == 0  # sensors become channels: the array can be used
    assert "make axis 1 channels" in report["advice"]
    assert (tmp_path / "why.html").read_text(encoding="utf-8").count("<svg") == 2


def test_pictures_in_a_folder_without_class_folders_are_checked_as_grids(
    run: Run, tmp_path: Path, rng: np.random.Generator
) -> None:
    for number in range(150):
        smooth = rng.normal(size=(14, 14)).cumsum(axis=0).cumsum(axis=1)
        pixels = 255 * (smooth - smooth.min()) / (smooth.max() - smooth.min())
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"")

    done = run("check", tmp_path, "--json")

    report = json.loads(done.out)
    assert done.code == 0
    assert [(axis["name"], axis["verdict"]) for axis in report["axes"][1:]] == [
        ("height", "ordered"),
        ("width", "ordered"),
    ]
    assert report["items"] == 151
    assert "broken.png" in done.err


def test_recordings_in_a_folder_are_checked_as_mel_by_time(run: Run, tmp_path: Path, rng: np.random.Generator) -> None:
    for number in range(60):
        pitch = np.linspace(*rng.uniform(200, 3000, 2), 4000)
        tone = np.sin(2 * np.pi * np.cumsum(pitch) / 8000) * np.hanning(4000) + 0.01 * rng.normal(size=4000)
        with wave.open(str(tmp_path / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes((20_000 * tone / np.abs(tone).max()).astype("<i2").tobytes())

    report = json.loads(run("check", tmp_path, "--json").out)

    verdicts = {axis["name"]: axis["verdict"] for axis in report["axes"]}
    assert verdicts["frequency"] == verdicts["time"] == "ordered"


def test_the_order_of_words_is_found_and_that_of_shuffled_words_is_not(
    run: Run, tmp_path: Path, rng: np.random.Generator
) -> None:
    sentences = datasets.load("word_order").items[:400]
    shuffled = [" ".join(rng.permutation(sentence.replace(".", "").split())) for sentence in sentences]
    given = saved(pd.DataFrame({"text": sentences}), tmp_path / "given.csv")
    mixed = saved(pd.DataFrame({"text": shuffled}), tmp_path / "mixed.csv")

    found = run("check", given, "--text", "text")
    lost = run("check", mixed, "--text", "text")

    assert found.code == 0
    assert "token       ordered" in found.out
    assert "embedding   exchangeable" in found.out
    assert lost.code == 4


def test_texts_too_short_to_judge_are_undecided(run: Run, tmp_path: Path) -> None:
    source = saved(pd.DataFrame({"text": ["good film", "bad film"] * 30}), tmp_path / "short.csv")

    done = run("check", source, "--text", "text")

    assert done.code == 4
    assert "No sentence has 8 tokens" in " ".join(done.out.split())


def test_a_named_set_is_checked(run: Run) -> None:
    assert run("check", "grades").code == 3


def test_a_large_file_is_sampled_and_says_so(
    run: Run, tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.sampling, "SMALL", 10_000)
    source = saved(series(rng, rows=5000, columns=12).round(3), tmp_path / "series.parquet")

    first, again, other = (run("check", source, "--json", "--seed", seed).out for seed in (0, 0, 1))

    report = json.loads(first)
    assert report["rows"] == 5000
    assert report["rows_used"] <= 2000
    assert report["verdict"] == "ordered"
    assert "all over the file" in " ".join(report["warnings"])
    assert first == again
    assert first != other


@pytest.mark.parametrize(("terminal", "delay", "shown"), [(True, 0.0, True), (True, 60.0, False), (False, 0.0, False)])
def test_a_bar_appears_on_a_terminal_once_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, delay: float, shown: bool
) -> None:
    monkeypatch.setattr(waiting, "DELAY", delay)
    console = Console(file=io.StringIO(), force_terminal=terminal)

    with waiting.Waiting(console, "reading") as bar:
        time.sleep(0.2)
        bar.progress(1, 2)
        bar.now("checking")

    assert ("reading" in console.file.getvalue()) == shown  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------- bad input


def numbers(rng: np.random.Generator, rows: int = 60, columns: int = 8) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(size=(rows, columns)).round(3)).add_prefix("c")


def index_beside(rng: np.random.Generator) -> pd.DataFrame:
    frame = numbers(rng)
    frame.insert(0, "id", range(len(frame)))
    return frame


def with_infinity(rng: np.random.Generator) -> pd.DataFrame:
    frame = numbers(rng)
    frame.iloc[3, 2] = np.inf
    return frame


ODD_TABLES: dict[str, tuple[Callable[[np.random.Generator], pd.DataFrame], int | None, str]] = {
    "few columns": (lambda rng: numbers(rng, columns=4), 3, "fewer than 5 columns"),
    "few rows": (lambda rng: numbers(rng, rows=12), 4, "12 rows are too few"),
    "constant": (lambda _: pd.DataFrame(np.ones((60, 8))).add_prefix("c"), 3, "no column varies"),
    "an index": (index_beside, None, "column id counts rows (an identifier or a time step): left out"),
    "infinite": (with_infinity, None, "infinite and no-data values in 1 column"),
    "a column called label": (lambda rng: numbers(rng).assign(label=1), None, "say --label label"),
}


@pytest.mark.parametrize("name", ODD_TABLES)
def test_an_odd_table_gets_a_report_that_says_what_was_seen(
    run: Run, tmp_path: Path, rng: np.random.Generator, name: str
) -> None:
    make, code, words = ODD_TABLES[name]

    done = run("check", saved(make(rng), tmp_path / "odd.csv"))

    assert words in " ".join(done.out.split())
    assert done.code == code if code else done.code in {0, 3, 4}


def test_a_table_of_missing_values_says_so(run: Run, tmp_path: Path) -> None:
    missing = pd.DataFrame(np.full((60, 8), np.nan)).add_prefix("c")

    done = run("check", saved(missing, tmp_path / "missing.parquet"))

    assert done.code == 3
    assert "columns hold no value at all" in " ".join(done.out.split())


def test_names_that_come_twice_are_said_and_in_a_parquet_file_refused(
    run: Run, tmp_path: Path, rng: np.random.Generator
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = numbers(rng).set_axis(["a", "b", "c", "d", "e", "a", "g", "h"], axis=1)
    pq.write_table(pa.Table.from_arrays(list(frame.to_numpy().T), names=list(frame)), tmp_path / "twice.parquet")

    read = run("check", saved(frame, tmp_path / "twice.csv"))
    refused = run("check", tmp_path / "twice.parquet")

    assert "column names come twice: a" in " ".join(read.out.split())
    assert "8 of 8 columns" in read.out
    assert refused.code == 2
    assert "several columns are called 'a': rename all but one" in refused.err


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["one"] * 60, "the labels hold one value only"),
        (["a", "b", ""] * 20, "20 rows without passed left out"),
    ],
)
def test_labels_that_say_little_are_reported(
    run: Run, tmp_path: Path, rng: np.random.Generator, labels: list[str], words: str
) -> None:
    done = run("check", saved(numbers(rng).assign(passed=labels), tmp_path / "t.csv"), "--label", "passed")

    assert done.code in {0, 3, 4}
    assert words in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.csv", "text\n" + "".join(f"sentence {i} of a text\n" for i in range(60)), "--text text"),
        ("prose.csv", "Dear reader\nthis, as you see, is no table\n", "3 cells under 1 column names"),
        ("empty.csv", "", "no rows"),
        ("missing.csv", "a,b,c,d,e\n" + ",,,,\n" * 60, "every cell of its 60 rows is empty"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\x00\x01\xff\xfe" * 10, "is zero"),
        ("list.csv.txt", "a,b\n1,2\n", "expected a file that ends in .csv"),
        ("array.npy", "not an array", "numpy.save"),
        ("broken.parquet", "not parquet", "not a readable parquet file"),
    ],
)
def test_what_is_no_table_is_one_line_of_error(
    run: Run, tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)

    done = run("check", tmp_path / name)

    assert done.code == 2
    assert words in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["t.csv", "--label", "pased"], "Did you mean 'passed'"),
        (["nowhere.csv"], "check the spelling"),
        (["nowhere.npy"], "check the spelling"),
        (["nowhere"], "no such file or folder"),
        (["digits", "--label", "x"], "leave it out"),
        (["a.npy", "--label", "x"], "leave it out"),
        (["t.csv", "--text", "c0", "--path", "c1"], "give one of them"),
    ],
)
def test_what_cannot_work_is_refused_with_a_remedy(
    run: Run,
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    remedy: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(numbers(rng).assign(passed=1), tmp_path / "t.csv")

    done = run("check", *arguments)

    assert done.code == 2
    assert remedy in done.err


def test_an_axis_of_length_one_and_an_array_of_one_axis_are_said(
    run: Run, tmp_path: Path, rng: np.random.Generator
) -> None:
    np.save(tmp_path / "flat.npy", rng.normal(size=200))
    np.save(tmp_path / "one.npy", rng.normal(size=(100, 1, 30)).cumsum(axis=2))

    flat, one = run("check", tmp_path / "flat.npy"), run("check", tmp_path / "one.npy")

    assert flat.code == 2
    assert "at least two dimensions" in flat.err
    assert "axis 1 (1): exchangeable: 1 cell: fewer than 5" in one.out
    assert "axis 2 (30): ordered" in one.out


@pytest.mark.parametrize("cell", [b"GIF89a", {"bytes": b"GIF89a", "path": "a.gif"}])
def test_a_column_of_bytes_is_told_how_it_is_read(run, tmp_path, cell):
    done = run("check", saved(pd.DataFrame({"image": [cell] * 30, "label": ["a", "b"] * 15}), tmp_path / "x.parquet"))
    assert done.code == 2
    assert "the column 'image' holds files: read them with --path image" in done.err
