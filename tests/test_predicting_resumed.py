"""Predictions that are killed, stopped or cut off go on where they were: no row twice, none lost, none torn."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.cli.partial import Partial
from gridcnn.errors import ConfigurationError

Run = Callable[..., Any]  # the fixture of conftest.py
QUICK: dict[str, Any] = {"epochs": 1, "cache": False, "kernels": (3,)}
WORDS = ["good", "bad", "film", "number", "plot", "actor"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny models and inputs: text, picture, table."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    labels = ["a", "b"] * 6
    texts = [f"{word} film number {at}" for at in range(6) for word in ("good", "bad")]
    GridClassifier(adapter=TextAdapter(), **QUICK).fit(texts, labels).save(folder / "text.safetensors")
    GridClassifier(adapter=TextAdapter(), **QUICK).fit(texts, labels[::-1]).save(folder / "other.safetensors")
    GridClassifier(adapter=TextAdapter(), **QUICK).fit(texts, list("ac" * 6)).save(folder / "classes.safetensors")
    pictures = list(rng.integers(0, 256, (12, 8, 8), dtype=np.uint8))
    GridClassifier(adapter=ImageAdapter(), **QUICK).fit(pictures, labels).save(folder / "image.safetensors")
    (folder / "pictures").mkdir()
    for at in range(300):
        Image.fromarray(pictures[at % 12]).save(folder / "pictures" / f"{at}.png")
    (folder / "pictures" / "20.png").write_bytes(b"no picture")
    table = pd.DataFrame(rng.normal(size=(700, 10)).cumsum(axis=1)).add_prefix("c")
    GridClassifier(ordering="assume", **QUICK).fit(table[:12], labels).save(folder / "table.safetensors")
    table.iloc[7::50, 2] = np.nan
    table.to_csv(folder / "table.csv", index=False)
    lines = [" ".join(rng.choice(WORDS, 4)) for _ in range(6000)]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    pd.DataFrame({"text": lines, "n": range(6000)}).to_json(folder / "lines.jsonl", orient="records", lines=True)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


# ------------------------------------------------------------------------------------- killed

_HOST = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from gridcnn.cli import main

whole, output, seed, *command = sys.argv[1:]
output = Path(output)


def begin(*more):
    child = os.fork()
    if not child:
        log = os.open(str(output) + ".log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            main(["predict", *command, *more])
        except SystemExit as ended:
            os._exit(ended.code or 0)
        os._exit(99)
    return child


started = time.perf_counter()
if os.waitstatus_to_exitcode(os.waitpid(begin("-o", whole), 0)[1]):
    sys.exit("the run that nobody interrupts fails")
usual = time.perf_counter() - started
random.seed(seed)
kills = gone_on = 0
while True:
    child = begin("-o", str(output), "--resume")
    latest = 1.1 if kills else 0.6  # of the first run, which may have been slower: one at least is killed
    wait = random.uniform(0.2, latest) * usual if kills < 4 else 600.0
    until = time.perf_counter() + wait
    ended = 0
    while not ended and time.perf_counter() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
    if ended:
        sys.exit(os.waitstatus_to_exitcode(status)) if status else print(kills, gone_on)
        break
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kills += 1
    if output.exists():
        if output.stat().st_size != Path(whole).stat().st_size:
            sys.exit("a file under its final name is not whole")
        output.unlink()
    elif Path(f"{output}.partial.journal").exists():
        gone_on += Path(f"{output}.partial.journal").read_bytes().count(b"\\n") > 1
"""


@pytest.mark.parametrize(
    ("model", "source", "suffix"),
    [
        ("text.safetensors", "lines.txt", ".csv"),
        ("text.safetensors", "lines.jsonl", ".parquet"),
        ("image.safetensors", "pictures", ".jsonl"),
    ],
)
def test_a_run_that_is_killed_at_any_moment_ends_as_if_nothing_had_happened(
    models: Path, tmp_path: Path, model: str, source: str, suffix: str
) -> None:
    whole, output = tmp_path / f"whole{suffix}", tmp_path / f"killed{suffix}"
    command = [str(models / model), str(models / source)]

    done = subprocess.run(
        [sys.executable, "-c", _HOST, str(whole), str(output), suffix, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr + output.with_name(f"{output.name}.log").read_text()
    if suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(output), pd.read_parquet(whole), check_exact=True)
    else:
        assert output.read_bytes() == whole.read_bytes()
    assert int(done.stdout.split()[-2]) > 0  # kills
    assert sorted(each.suffix for each in tmp_path.iterdir()) == sorted([suffix, suffix, ".log"])


# ------------------------------------------------------------------------------------- where the rows end


def unfinished(place: Path, parts: list[bytes]) -> Partial:
    """Write parts as a run does that is then cut off."""
    partial = Partial(place)
    assert partial.begin({"run": 1}, lambda run: []) is None
    rows = 0
    for part in parts:
        partial.write(part)
        rows += part.count(b"\n")
        partial.mark(rows, 0, "names")
    partial._close()
    return partial


@pytest.mark.parametrize(
    ("damage", "rows"),
    [
        (lambda rows, journal: (rows + b"torn ro", journal), 4),
        (lambda rows, journal: (rows[:-1], journal), 3),
        (lambda rows, journal: (rows[:5] + b"\0\0\0" + rows[8:], journal), 2),
        (lambda rows, journal: (b"", journal), 0),
        (lambda rows, journal: (rows, journal[:-3]), 3),
        (lambda rows, journal: (rows, journal + b'[9, 0, "na'), 4),
        (lambda rows, journal: (rows, journal + b"\0" * 4096), 4),
        (lambda rows, journal: (rows, journal[:4]), 0),
    ],
)
def test_what_a_power_cut_left_is_cut_back_to_the_last_rows_that_are_whole(
    tmp_path: Path, damage: Callable[[bytes, bytes], tuple[bytes, bytes]], rows: int
) -> None:
    parts = [b"a\nb\n", b"c\n", b"d\n"]
    unfinished(tmp_path / "x.csv", parts)
    places = tmp_path / "x.csv.partial", tmp_path / "x.csv.partial.journal"
    for place, content in zip(places, damage(*(place.read_bytes() for place in places)), strict=True):
        place.write_bytes(content)

    partial = Partial(tmp_path / "x.csv")
    mark = partial.begin({"run": 1}, lambda run: [])
    partial.write(b"".join(parts)[2 * (mark.rows if mark else 0) :])
    partial.mark(4, 0, "names")
    partial.finish()

    assert (mark.rows if mark else 0) == rows
    assert (tmp_path / "x.csv").read_bytes() == b"".join(parts)
    assert [each.name for each in tmp_path.iterdir()] == ["x.csv"]


def test_rows_are_on_the_disk_before_the_journal_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a power cut could leave a journal that knows rows which no disk has."""
    monkeypatch.setattr("gridcnn.cli.partial.SYNC_EVERY", 0.0)
    order: list[str] = []
    monkeypatch.setattr(
        "gridcnn.cli.partial.sync", lambda number: order.append(Path(f"/proc/self/fd/{number}").readlink().name)
    )

    unfinished(tmp_path / "x.csv", [b"a\n", b"b\n"])

    assert order == ["x.csv.partial", "x.csv.partial.journal"] * 3


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    first = Partial(tmp_path / "x.csv")
    first.begin({}, lambda run: [])
    with pytest.raises(ConfigurationError, match="is being written by another run"):
        Partial(tmp_path / "x.csv").begin({}, lambda run: [])
    first.write(b"rows\n")
    first.mark(1, 0, "names")
    first.finish()

    assert (tmp_path / "x.csv").read_bytes() == b"rows\n"


# ------------------------------------------------------------------------------------- what is gone on with


@pytest.fixture
def stopped(models: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a prediction of 400 lines was stopped after 256."""
    (tmp_path / "lines.txt").write_text("\n".join([*(models / "lines.txt").read_text().split("\n")[:399], ""]) + "\n")
    (tmp_path / "m.safetensors").write_bytes((models / "text.safetensors").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gridcnn.inference.predictions.MOST", 128)
    assert run("predict", "m.safetensors", "lines.txt", "-o", "whole.csv").code == 0
    assert interrupted(run, monkeypatch, "m.safetensors", "lines.txt").code == 130
    assert len(read(tmp_path / "answers.csv.partial")) == 256
    return tmp_path


def interrupted(run: Run, monkeypatch: pytest.MonkeyPatch, *command: object, output: str = "answers.csv") -> Any:
    """Run a prediction that Ctrl-C stops in its third part."""
    from gridcnn.cli.answers import Answers

    added = []

    def add(self: Answers, part: Any) -> None:
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(part)
        usual(self, part)

    usual = Answers.add
    with monkeypatch.context() as patch:
        patch.setattr(Answers, "add", add)
        return run("predict", *command, "-o", output)


def test_a_stopped_run_says_how_to_go_on_and_does(run: Run, stopped: Path) -> None:
    done = run("predict", "m.safetensors", "lines.txt", "-o", "answers.csv", "--resume")

    assert done.code == 0
    assert (stopped / "answers.csv").read_bytes() == (stopped / "whole.csv").read_bytes()
    assert not list(stopped.glob("*.partial*"))


def test_a_run_that_would_begin_anew_loses_nothing(run: Run, stopped: Path) -> None:
    before = (stopped / "answers.csv.partial").read_bytes()

    done = run("predict", "m.safetensors", "lines.txt", "-o", "answers.csv")

    assert done.code == 2
    assert "answers.csv.partial has 256 rows of an unfinished run: go on with it by --resume" in done.err
    assert (stopped / "answers.csv.partial").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda command: Path(command[1]).write_bytes(Path("other").read_bytes()), "m.safetensors has changed"),
        (lambda command: command.__setitem__(1, "other"), "the model was m.safetensors, and is other"),
        (lambda command: command.__setitem__(1, "third"), r"the columns were .*p\(b\), error, and are .*p\(c\)"),
        (lambda command: command.__setitem__(2, "longer.txt"), "the inputs were lines.txt, and are longer.txt"),
        (lambda command: command.append("longer.txt"), "the inputs were lines.txt, and are lines.txt, longer.txt"),
        (lambda command: Path("lines.txt").write_text("good\n" * 400), "lines.txt has changed"),
        (lambda command: command.extend(["--encoding", "cp1252"]), "--encoding was not given, and is cp1252"),
        (lambda command: command.extend(["--format", "jsonl"]), "--format was csv, and is jsonl"),
        (lambda command: command.extend(["--max-characters", "99"]), "--max-characters was 1000000, and is 99"),
    ],
)  # fmt: skip
def test_another_run_is_told_what_is_different(
    run: Run, stopped: Path, models: Path, change: Callable[[list[str]], object], told: str
) -> None:
    (stopped / "other").write_bytes((models / "other.safetensors").read_bytes())
    (stopped / "third").write_bytes((models / "classes.safetensors").read_bytes())
    (stopped / "longer.txt").write_text((stopped / "lines.txt").read_text() + "good film\n")
    before = (stopped / "answers.csv.partial").read_bytes()
    command = ["predict", "m.safetensors", "lines.txt", "-o", "answers.csv", "--resume"]
    change(command)

    done = run(*command)

    assert done.code == 2
    assert re.search(told, done.err)
    assert "answers.csv.partial belongs to another run" in done.err
    assert (stopped / "answers.csv.partial").read_bytes() == before


def test_lines_of_standard_input_go_on_if_they_are_the_same(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridcnn.inference.predictions.MOST", 128)
    lines = (models / "lines.txt").read_bytes().split(b"\n")[:500]
    command, output = (models / "text.safetensors", "-"), tmp_path / "answers.csv"

    def given(some: list[bytes]) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(some) + b"\n")))

    given(lines)
    assert run("predict", *command, "-o", tmp_path / "whole.csv").code == 0
    given(lines)
    assert "256 of all items are answered" in interrupted(run, monkeypatch, *command, output=str(output)).err
    for other in ([b"another", *lines[1:]], lines[:200]):
        given(other)
        refused = run("predict", *command, "-o", output, "--resume")
        assert refused.code == 2
        assert "has 256 rows of other items than the first ones of these inputs" in refused.err
    given(lines)
    assert run("predict", *command, "-o", output, "--resume").code == 0

    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_failures_before_the_interruption_are_counted_after_it(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, output = (models / "table.safetensors", models / "table.csv"), tmp_path / "answers.csv"
    whole = run("predict", *command, "-o", tmp_path / "whole.csv")
    assert interrupted(run, monkeypatch, *command, output=str(output)).code == 130

    done = run("predict", *command, "-o", output, "--resume")

    assert "14 of 700 items could not be predicted" in whole.err
    assert "14 of 700 items could not be predicted" in done.err
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_an_exported_model_goes_on_as_well(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    model, output = tmp_path / "m.onnx", tmp_path / "answers.jsonl"
    assert run("export", models / "image.safetensors", "-o", model).code == 0
    assert run("predict", model, models / "pictures", "-o", tmp_path / "whole.jsonl").code == 0
    assert interrupted(run, monkeypatch, model, models / "pictures", output=str(output)).code == 130

    assert run("predict", model, models / "pictures", "-o", output, "--resume").code == 0

    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert len(rows) == 300
    assert [bool(row["error"]) for row in rows].count(True) == 1


def test_the_unfinished_file_is_no_item_of_the_folder_it_is_in(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(300):
        (tmp_path / f"{at}.png").write_bytes((models / "pictures" / "1.png").read_bytes())
    monkeypatch.setattr("gridcnn.inference.predictions.MOST", 128)
    output = tmp_path / "answers.csv"
    assert interrupted(run, monkeypatch, models / "image.safetensors", tmp_path, output=str(output)).code == 130

    done = run("predict", models / "image.safetensors", tmp_path, "-o", output, "--resume")

    assert done.code == 0
    assert len(read(output)) == 300
    assert not any(row["error"] for row in read(output))


def test_nothing_to_go_on_with_is_begun(run: Run, models: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("good\nbad\n")
    command = ("predict", models / "text.safetensors", tmp_path / "lines.txt", "--resume")

    assert run(*command, "-o", tmp_path / "answers.csv").code == 0
    assert [row["item"] for row in read(tmp_path / "answers.csv")] == ["good", "bad"]
    refused = run(*command)
    assert refused.code == 2
    assert "--resume goes on with a file: name it with -o FILE" in refused.err


def test_a_file_of_that_name_that_is_none_of_ours_stays(run: Run, models: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("good\nbad\n")
    (tmp_path / "answers.csv.partial").write_text("mine")

    for more in ([], ["--resume"]):
        done = run(
            "predict", models / "text.safetensors", tmp_path / "lines.txt", "-o", tmp_path / "answers.csv", *more
        )
        assert done.code == 2
        assert "no journal beside it says what it holds" in done.err
    assert (tmp_path / "answers.csv.partial").read_text() == "mine"


def test_a_full_disk_keeps_the_rows_so_far(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridcnn.inference.predictions.MOST", 128)
    command = ("predict", models / "text.safetensors", models / "lines.txt", "-o", tmp_path / "answers.csv")
    usual, written = Partial.write, []

    def write(self: Partial, data: bytes) -> None:
        if len(written) == 3:  # the head and two parts
            raise OSError(28, "No space left on device")
        written.append(data)
        usual(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Partial, "write", write)
        done = run(*command)

    assert done.code == 2
    assert "cannot be written (No space left on device)" in done.err
    assert "256 items are answered, in " in done.err
    assert run(*command, "--resume").code == 0
    assert len(read(tmp_path / "answers.csv")) == 6000


# ------------------------------------------------------------------------------------- formats


def test_all_formats_hold_the_same_rows(run: Run, models: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "jsonl", "parquet"):
        done = run("predict", models / "image.safetensors", models / "pictures", "-o", tmp_path / f"answers.{suffix}")
        assert "1 of 300 items could not be predicted" in done.err

    rows = read(tmp_path / "answers.csv")
    objects = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    table = pd.read_parquet(tmp_path / "answers.parquet")
    assert list(rows[0]) == list(objects[0]) == table.columns.tolist()
    assert [row["item"] for row in rows] == [row["item"] for row in objects] == table["item"].tolist()
    assert [row["error"] or None for row in rows] == [row["error"] for row in objects]
    failed = next(at for at, row in enumerate(rows) if row["error"])
    assert objects[failed]["prediction"] is objects[failed]["p(a)"] is None
    assert rows[failed]["p(a)"] == ""
    assert np.isnan(table["p(a)"][failed])
    assert [f"{value:.6g}" for value in table["p(a)"].drop(failed)] == [r["p(a)"] for r in rows if not r["error"]]
    assert [row["p(a)"] for row in objects if not row["error"]] == [float(r["p(a)"]) for r in rows if not r["error"]]
    assert (
        run("predict", models / "image.safetensors", models / "pictures", "--format", "jsonl").out
        == (tmp_path / "answers.jsonl").read_text()
    )


def test_labels_keep_their_type_and_odd_characters_their_rows(run: Run, tmp_path: Path) -> None:
    texts = [f"{word} film number {at}" for at in range(6) for word in ("good", "bad")]
    GridClassifier(adapter=TextAdapter(), **QUICK).fit(texts, [10, 20] * 6).save(tmp_path / "m.safetensors")
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": 'half \ud83d "quoted"\n'}) + '\n{"text": "好"}\nno json\n')

    for suffix in ("csv", "jsonl", "parquet"):
        done = run("predict", tmp_path / "m.safetensors", tmp_path / "in.jsonl", "-o", tmp_path / f"out.{suffix}")
        assert done.code == 0

    objects = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert objects[0]["prediction"] in (10, 20)
    assert table["prediction"].dropna().isin([10, 20]).all()
    assert [row["item"] for row in objects][:2] == ['half \ud83d "quoted"\n', "好"]
    assert table["item"][0] == read(tmp_path / "out.csv")[0]["item"] == 'half \\ud83d "quoted"\n'
    assert "JSON" in objects[2]["error"]
    assert objects[2]["item"] == f"{tmp_path / 'in.jsonl'}, row 3"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "answers.tsv"], "rows are written as csv, jsonl or parquet"),
        (["-o", "answers.csv.gz"], "rows are written as csv, jsonl or parquet"),
        (["--format", "parquet"], "parquet needs a plain file"),
    ],
)
def test_a_format_that_cannot_be_written_is_refused(run: Run, models: Path, options: list[str], told: str) -> None:
    done = run("predict", models / "text.safetensors", models / "lines.txt", *options)

    assert done.code == 2
    assert told in done.err


def test_a_parquet_file_consists_of_row_groups_of_bounded_size(
    run: Run, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("gridcnn.cli.formats.ROWS_OF_A_GROUP", 2000)

    assert run("predict", models / "text.safetensors", models / "lines.txt", "-o", tmp_path / "a.parquet").code == 0

    metadata = pq.read_metadata(tmp_path / "a.parquet")
    assert metadata.num_rows == 6000
    assert all(metadata.row_group(at).num_rows >= 2000 for at in range(metadata.num_row_groups - 1))
    assert metadata.num_row_groups > 1


# ------------------------------------------------------------------------------------- memory


def test_no_more_items_are_read_than_are_needed_next(models: Path) -> None:
    """Any number of items may come: nothing waits for the last one."""
    import gridcnn
    from gridcnn.inference import predict_in_parts

    model = gridcnn.load(models / "image.safetensors")
    files = [models / "pictures" / f"{at}.png" for at in range(20)]
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield files[taken % 20]

    answered = 0
    for part in predict_in_parts(model, endless()):
        answered += len(part)
        assert taken - answered < 4 * 2048
        if answered > 10_000:
            break
