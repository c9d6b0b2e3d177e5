"""What users met when they predicted: answers that were blank, lost, misnamed or never came."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

import gridcnn
from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import DataError, ItemError
from gridcnn.inference import predict_in_parts, predictions

Run = Callable[..., Any]  # the fixture of conftest.py
QUICK: dict[str, Any] = {"epochs": 1, "cache": False}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models: text, picture, sound, table."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (12, 8, 8), dtype=np.uint8))
    texts = [f"{word} film number {at}" for at in range(6) for word in ("good", "bad")]
    sounds = [rng.normal(size=800).astype(np.float32) for _ in range(12)]
    table = pd.DataFrame(rng.normal(size=(12, 10)).cumsum(axis=1)).add_prefix("c")
    labels = ["a", "b"] * 6
    settings = {"kernels": (3,), **QUICK}
    GridClassifier(adapter=TextAdapter(), **settings).fit(texts, labels).save(folder / "text.safetensors")
    GridClassifier(adapter=ImageAdapter(), **settings).fit(pictures, labels).save(folder / "image.safetensors")
    GridClassifier(adapter=AudioAdapter(sample_rate=8000), **settings).fit(sounds, labels).save(
        folder / "sound.safetensors"
    )
    GridClassifier(ordering="assume", **settings).fit(table, labels).save(folder / "table.safetensors")
    table.to_csv(folder / "table.csv", index=False)
    Image.fromarray(pictures[0]).save(folder / "picture.png")
    soundfile.write(folder / "sound.wav", sounds[0], 8000)
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def read(path: Path) -> list[dict[str, str]]:
    return rows_of(path.read_bytes().decode())


# ------------------------------------------------------------------------------------- never blank, never lost


class Overflowing:
    """Stands in for a network whose answers are finite for all windows but one."""

    batch_size = 4

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        answers = np.full((len(windows), 2), 0.5)
        answers[windows.reshape(len(windows), -1).max(axis=1) > 20] = np.nan
        return answers


def test_an_answer_that_is_not_finite_is_an_error_of_its_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """A satellite picture with a no-data value got a class, and blank probabilities."""
    series = np.random.default_rng(0).normal(size=(12, 10)).astype(np.float32)
    model = GridClassifier(adapter=ArrayAdapter(), kernels=(3,), **QUICK).fit(series, ["a", "b"] * 6).model_
    monkeypatch.setattr(predictions, "predictor", lambda *_: Overflowing())
    series[4, 3] = 30.0

    answers = gridcnn.predict(model, series)

    assert [bool(error) for error in answers.errors] == [at == 4 for at in range(12)]
    assert "not finite" in answers.errors[4]
    assert answers.labels[4] is None
    assert np.isnan(answers.probabilities[4]).all()
    assert np.isfinite(answers.probabilities[[0, 3, 5, 11]]).all()
    with pytest.raises(ItemError, match="4: the network's answer is not finite"):
        gridcnn.predict(model, series, on_error="raise")


def stop_after_a_part(monkeypatch: pytest.MonkeyPatch, stop: Callable[[], None]) -> list[str]:
    """Let `stop` be called once some items are answered; return the list of their names, filled by then."""
    answered: list[str] = []

    def parts(model: Any, items: Any, **options: Any) -> Iterator[Any]:
        source = iter(items)
        first = next(predict_in_parts(model, itertools.islice(source, 3), **options))
        answered.extend(first.items)
        yield first
        stop()
        yield from predict_in_parts(model, source, **options)

    monkeypatch.setattr("gridcnn.inference.predict_in_parts", parts)
    return answered


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_prediction_keeps_its_rows(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """A batch system ended a job after an hour, and not one of its answers was on the disk."""
    answered = stop_after_a_part(monkeypatch, lambda: os.kill(os.getpid(), number))
    (tmp_path / "texts.txt").write_text("good\nbad\nfilm\nnumber\n")
    before = signal.getsignal(signal.SIGTERM)

    done = run("predict", models / "text.safetensors", tmp_path / "texts.txt", "-o", tmp_path / "answers.csv")

    unfinished = tmp_path / "answers.csv.partial"
    assert done.code == code
    assert [row["item"] for row in read(unfinished)] == answered == ["good", "bad", "film"]
    assert f"3 of 4 items are answered, in {unfinished}; the same command with --resume goes on" in done.err
    assert not (tmp_path / "answers.csv").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_rows_are_written_as_they_are_computed(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person looked at the output of a long prediction and found it empty."""
    (tmp_path / "texts.txt").write_text("good\nbad\nfilm\nnumber\n")
    early: list[str] = []
    stop_after_a_part(monkeypatch, lambda: early.append(capsys.readouterr().out))

    run("predict", models / "text.safetensors", tmp_path / "texts.txt")

    assert [row["item"] for row in rows_of(early[0])] == ["good", "bad", "film"]

    drafts: list[str] = []
    stop_after_a_part(monkeypatch, lambda: drafts.append((tmp_path / "answers.csv.partial").read_text()))
    run("predict", models / "text.safetensors", tmp_path / "texts.txt", "-o", tmp_path / "answers.csv")
    assert [row["item"] for row in rows_of(drafts[0])] == ["good", "bad", "film"]


def test_a_prediction_that_fails_replaces_nothing_and_keeps_its_rows(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle had replaced yesterday's answers by the first few of today."""

    def fail() -> None:
        raise DataError("the disk was pulled out")

    stop_after_a_part(monkeypatch, fail)
    (tmp_path / "texts.txt").write_text("good\nbad\nfilm\nnumber\n")
    (tmp_path / "answers.csv").write_text("yesterday's")

    done = run("predict", models / "text.safetensors", tmp_path / "texts.txt", "-o", tmp_path / "answers.csv")

    assert done.code == 2
    assert "3 items are answered, in " in done.err
    assert (tmp_path / "answers.csv").read_text() == "yesterday's"
    assert [row["item"] for row in read(tmp_path / "answers.csv.partial")] == ["good", "bad", "film"]


def test_a_link_stays_a_link_and_a_pipe_a_pipe(run: Run, models: Path, tmp_path: Path) -> None:
    """Answers went into a named pipe, which was replaced by a file that nobody read."""
    (tmp_path / "texts.txt").write_text("good\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    os.mkfifo(tmp_path / "pipe")
    came: list[str] = []
    reader = threading.Thread(target=lambda: came.append((tmp_path / "pipe").read_text()))
    reader.start()

    for output in ("link.csv", "pipe"):
        assert run("predict", models / "text.safetensors", tmp_path / "texts.txt", "-o", tmp_path / output).code == 0
    reader.join(20)

    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "pipe").is_fifo()
    assert came == [(tmp_path / "target.csv").read_text()]
    assert [row["item"] for row in read(tmp_path / "target.csv")] == ["good"]


def test_a_pipe_among_documents_is_one_bad_item(run: Run, models: Path, tmp_path: Path) -> None:
    """A prediction waited for ever for a pipe whose name ended in .txt."""
    (tmp_path / "a.txt").write_text("good")
    os.mkfifo(tmp_path / "b.txt")

    done = run("predict", models / "text.safetensors", tmp_path)

    first, second = csv.DictReader(io.StringIO(done.out))
    assert (first["error"], second["prediction"]) == ("", "")
    assert "pipe" in second["error"]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    """A long prediction said nothing for an hour; a log of one must not be full of bars."""
    monkeypatch.setattr("gridcnn.cli.waiting.DELAY", 0.0)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    stop_after_a_part(monkeypatch, lambda: threading.Event().wait(0.3))
    (tmp_path / "texts.txt").write_text("good\n" * 6)

    done = run("predict", models / "text.safetensors", tmp_path / "texts.txt", "-o", tmp_path / "answers.csv")

    assert done.code == 0
    assert ("predicting" in done.err) is terminal
    assert "predicting" not in done.out


_SERVICE = """
import os, sys, time
import torch
torch.set_num_threads(2)
import gridcnn
model = gridcnn.load(sys.argv[1])
items = [sys.argv[2]] * 300
if sys.argv[3] == "warm":
    gridcnn.predict(model, items)
child = os.fork()
if not child:
    answers = gridcnn.predict(model, items)
    os._exit(0 if not any(answers.errors) and torch.get_num_threads() == 1 else 1)
ended, status = 0, 0
for _ in range(400):
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        break
    time.sleep(0.05)
else:
    os.kill(child, 9)
    sys.exit(2)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize(("model", "item", "state"), [("sound", "sound.wav", "cold"), ("image", "picture.png", "warm")])
def test_a_service_that_loads_and_then_forks_its_workers_answers(
    models: Path, model: str, item: str, state: str
) -> None:
    """A web server loaded a model, forked its workers, and none of them ever answered."""
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    arguments = [str(models / f"{model}.safetensors"), str(models / item), state]

    ended = subprocess.run([sys.executable, "-c", _SERVICE, *arguments], env=environment, timeout=60, check=False)

    assert ended.returncode == 0


@pytest.mark.parametrize("output", ["m.safetensors", "table.csv", "linked.csv", "sub/../table.csv"])
def test_answers_replace_no_input(run: Run, models: Path, tmp_path: Path, output: str) -> None:
    """`predict m x.csv -o x.csv` left a file of answers, and no data."""
    for source, copy in (("table.safetensors", "m.safetensors"), ("table.csv", "table.csv")):
        (tmp_path / copy).write_bytes((models / source).read_bytes())
    (tmp_path / "linked.csv").symlink_to(tmp_path / "table.csv")
    (tmp_path / "sub").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    done = run("predict", tmp_path / "m.safetensors", tmp_path / "table.csv", "-o", tmp_path / output)

    assert done.code == 2
    assert "give the result another name" in done.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_answers_replace_no_file_in_a_folder_of_inputs(run: Run, models: Path, tmp_path: Path) -> None:
    """The output was one of the pictures in the folder."""
    picture = tmp_path / "pictures" / "1.png"
    picture.parent.mkdir()
    picture.write_bytes((models / "picture.png").read_bytes())
    (tmp_path / "list.csv").write_text("path\npictures/1.png\n")

    for source in (picture.parent, tmp_path / "list.csv"):
        done = run("predict", models / "image.safetensors", source, "-o", picture, "--format", "csv")
        assert done.code == 2
        assert "give the result another name" in done.err
    assert picture.read_bytes() == (models / "picture.png").read_bytes()


# ------------------------------------------------------------------------------------- names


def test_rows_of_tables_are_called_by_file_and_number(run: Run, models: Path, tmp_path: Path) -> None:
    """Rows were counted from 0 across all files by `predict`, and from 2 in each file by `explain`."""
    table = pd.read_csv(models / "table.csv")
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    table[:3].to_csv(first, index=False)
    table[3:5].to_csv(second, index=False)
    table[5:6].to_json(tmp_path / "third.jsonl", orient="records", lines=True)

    done = run("predict", models / "table.safetensors", first, second, tmp_path / "third.jsonl")
    everything = run("predict", models / "table.safetensors", models / "table.csv")

    rows = rows_of(done.out)
    assert [row["item"] for row in rows] == [
        f"{first}, row 2", f"{first}, row 3", f"{first}, row 4", f"{second}, row 2", f"{second}, row 3",
        f"{tmp_path / 'third.jsonl'}, row 1",
    ]  # fmt: skip
    assert [row["p(a)"] for row in rows] == [row["p(a)"] for row in rows_of(everything.out)][:6]
    assert run("explain", models / "table.safetensors", second, "--row", 3, "-o", tmp_path / "why.html").code == 0
    assert "second.csv, row 3" in (tmp_path / "why.html").read_text()


def test_row_seven_of_a_csv_gets_row_seven_of_the_answers(run: Run, models: Path, tmp_path: Path) -> None:
    """Answers for sentences had to be found again in the file they came from."""
    source = tmp_path / "texts.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([["text"], ["good"], ["two\nlines"], [""], ["bad"], ["good"]])

    rows = rows_of(run("predict", models / "text.safetensors", source).out)

    assert [row["item"] for row in rows] == ["good", "two\nlines", f"{source}, row 4", "bad", "good"]
    assert [bool(row["error"]) for row in rows] == [False, False, True, False, False]


def test_the_label_and_split_columns_of_a_labelled_file_do_no_harm(run: Run, models: Path, tmp_path: Path) -> None:
    """A labelled csv was predicted to look at the mistakes."""
    (tmp_path / "texts.csv").write_text("label,text,split\na,good film,train\nb,bad film,test\n")
    table = pd.read_csv(models / "table.csv")
    table.assign(label="a", split="test").to_csv(tmp_path / "table.csv", index=False)

    texts = rows_of(run("predict", models / "text.safetensors", tmp_path / "texts.csv").out)
    rows = rows_of(run("predict", models / "table.safetensors", tmp_path / "table.csv").out)

    assert [row["item"] for row in texts] == ["good film", "bad film"]
    assert len(rows) == len(table)
    assert not any(row["error"] for row in rows)


LABELS = [
    "plain",
    "two\nlines",
    "carriage\rreturn",
    'say "a, b"',
    "a;b",
    " spaced ",
    "p(plain)",
    "item",
    "error",
    "[/b]",
]


def test_any_label_survives_the_csv(run: Run, tmp_path: Path) -> None:
    """A class name with a comma and a line break moved all columns to the right of it."""
    texts = [f"word{at} again" for at in range(len(LABELS)) for _ in range(3)]
    model = GridClassifier(adapter=TextAdapter(), kernels=(3,), **QUICK).fit(texts, np.repeat(LABELS, 3))
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "texts.txt").write_text("word1 again\nword2 again\n")

    done = run("predict", tmp_path / "m.safetensors", tmp_path / "texts.txt", "-o", tmp_path / "answers.csv")

    header, *rows = csv.reader(io.StringIO((tmp_path / "answers.csv").read_bytes().decode(), newline=""))
    assert done.code == 0
    assert header == ["item", "prediction", *(f"p({label})" for label in sorted(LABELS)), "error"]
    assert all(len(row) == len(header) and row[1] in LABELS for row in rows)
    assert pd.read_csv(tmp_path / "answers.csv", lineterminator="\n").shape == (2, len(header))


def test_names_that_are_no_unicode_are_escaped_and_keep_their_rows(run: Run, models: Path, tmp_path: Path) -> None:
    """A file name from an old camera, and half an emoji in a jsonl file: no row was printed at all."""
    odd = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Image.open(models / "picture.png").save(tmp_path / "good.png")
    Path(os.fsdecode(odd)).write_bytes((tmp_path / "good.png").read_bytes())
    (tmp_path / "half.jsonl").write_text(json.dumps({"text": "good \ud83d film"}) + "\n" + '{"text": "bad"}\n')

    for output in (tmp_path / "pictures.csv", tmp_path / "texts.csv"):
        kind, source = ("image", tmp_path) if output.stem == "pictures" else ("text", tmp_path / "half.jsonl")
        assert run("predict", models / f"{kind}.safetensors", source, "-o", output).code == 0

    pictures = [row for row in read(tmp_path / "pictures.csv") if not row["error"]]
    assert [Path(row["item"]).name for row in pictures] == [r"caf\udce9.png", "good.png"]
    assert pictures[0]["p(a)"] == pictures[1]["p(a)"]
    assert [row["item"] for row in read(tmp_path / "texts.csv")] == [r"good \ud83d film", "bad"]


# ------------------------------------------------------------------------------------- inputs


def test_a_folder_of_documents_is_predicted_file_by_file(run: Run, models: Path, tmp_path: Path) -> None:
    """A folder of .txt files was refused, and one of them was in another encoding."""
    folder = tmp_path / "documents"
    (folder / "deeper").mkdir(parents=True)
    (folder / "1.txt").write_text("a good film\n\nof two paragraphs\n")
    (folder / "2.TXT").write_bytes(b"\xff\xfe\xfd")
    (folder / "deeper" / "3.txt").write_text("a bad film")

    done = run("predict", models / "text.safetensors", folder)

    rows = rows_of(done.out)
    assert [Path(row["item"]).name for row in rows] == ["1.txt", "2.TXT", "3.txt"]
    assert [row["prediction"] in {"a", "b"} for row in rows] == [True, False, True]
    assert rows[1]["error"]
    assert "1 of 3 items could not be predicted" in done.err


def test_a_file_of_lines_is_predicted_line_by_line_and_says_so(run: Run, models: Path, tmp_path: Path) -> None:
    """One document of twelve lines got twelve answers, and nothing said why."""
    (tmp_path / "lines.txt").write_text("good\n\nbad\r\n")

    done = run("predict", models / "text.safetensors", tmp_path / "lines.txt")

    assert [row["item"] for row in rows_of(done.out)] == ["good", "", "bad"]
    assert "3 texts, one a line" in done.err


@pytest.mark.parametrize(
    ("model", "inputs", "remedy"),
    [
        ("text", ["-", "-"], "'-' is given twice"),
        ("text", ["empty"], "empty is a folder without .txt files"),
        ("text", ["a good film " * 50], "gridcnn predict MODEL -"),
        ("table", ["a good film " * 50], "No set is called"),
        ("text", ["missing.csv"], "missing.csv: no such file"),
        ("table", ["empty"], "empty is a folder, and this model reads rows of a table"),
        ("table", ["picture.png"], "expected a file that ends in"),
        ("table", ["missing.csv"], "missing.csv: no such file"),
        ("image", ["-"], "'-' reads sentences, and this model reads image"),
        ("sound", ["pictures"], "this model reads sound"),
    ],
)
def test_an_input_that_suits_no_model_of_this_kind_is_refused(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, inputs: list[str], remedy: str
) -> None:
    """Folders were looked up as names of data sets; the reason was about something else."""
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "pictures"):
        (tmp_path / folder).mkdir()
    for place in (tmp_path, tmp_path / "pictures"):
        (place / "picture.png").write_bytes((models / "picture.png").read_bytes())

    done = run("predict", models / f"{model}.safetensors", *inputs, "-o", "answers.csv")

    assert done.code == 2
    assert remedy in done.err
    assert not (tmp_path / "answers.csv").exists()


def test_files_of_another_kind_keep_their_rows(run: Run, models: Path) -> None:
    """One picture among recordings must not cost the answers for the recordings."""
    inputs = [models / "picture.png", models / "sound.wav", models / "missing.wav"]

    done = run("predict", models / "sound.safetensors", *inputs)
    none = run("predict", models / "sound.safetensors", *inputs[::2])

    odd = run("predict", models / "sound.safetensors", "x" * 300 + ".wav", models / "sound.wav")

    assert [bool(row["error"]) for row in rows_of(odd.out)] == [True, False]
    assert [bool(row["error"]) for row in rows_of(done.out)] == [True, False, True]
    assert (done.code, none.code, len(rows_of(none.out))) == (0, 1, 2)


@pytest.mark.parametrize("cell", ["", "n/a ", "-3.4e38", "inf"])
def test_a_cell_that_is_no_measurement_costs_its_row_only(run: Run, models: Path, tmp_path: Path, cell: str) -> None:
    """One empty cell in ten thousand rows ended in a traceback; a no-data value got a class."""
    table = pd.read_csv(models / "table.csv", dtype=str)
    expected = rows_of(run("predict", models / "table.safetensors", models / "table.csv").out)
    table.iloc[4, 7] = cell
    source = tmp_path / "table.csv"
    table.to_csv(source, index=False)

    done = run("predict", models / "table.safetensors", source)
    explained = run("explain", models / "table.safetensors", source, "--row", 6, "-o", tmp_path / "why.html")

    rows = rows_of(done.out)
    assert done.code == 0
    assert rows[4]["item"] == f"{source}, row 6"
    assert rows[4]["error"].startswith("column 'c7': ")
    assert rows[4]["prediction"] == rows[4]["p(a)"] == ""
    assert [row["p(a)"] for row in rows[:4] + rows[5:]] == [row["p(a)"] for row in expected[:4] + expected[5:]]
    assert explained.code == 2
    assert "table.csv, row 6: column 'c7': " in explained.err


def test_a_set_of_pictures_is_no_table(run: Run, models: Path) -> None:
    """A data set's name given to a model of tables ended in a traceback."""
    done = run("predict", models / "table.safetensors", "xo")

    assert done.code == 2
    assert "xo holds no rows of a table" in done.err


def test_what_deserves_less_trust_is_counted_beside_the_answers(run: Run, models: Path, tmp_path: Path) -> None:
    """Sentences in another language were all called "a", with confidence."""
    (tmp_path / "texts.txt").write_text("good film\nein guter Streifen\nun beau navet\n\n")
    (tmp_path / "one.txt").write_text("ein guter Streifen\n")

    several = run("predict", models / "text.safetensors", tmp_path / "texts.txt")
    one = run("predict", models / "text.safetensors", tmp_path / "one.txt")

    assert "2 of the 4 items looked at: none of its words is known to the model" in several.err
    assert "1 of the 4 items looked at: it has no words" in several.err
    assert "the item: none of its words is known to the model" in one.err
    assert "known to the model" not in several.out
