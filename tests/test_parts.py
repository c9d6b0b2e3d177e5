"""Parts of logs and texts in every command, and the background between them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridcnn import load
from gridcnn.adapters import ArrayAdapter, LogAdapter, TextAdapter
from gridcnn.cli import main
from gridcnn.datasets import load_manifest
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.inference.detecting import detect
from gridcnn.pipeline.background import background_segments, met
from gridcnn.segments import Span

Run = Callable[..., Any]
TIMES = ("--path", "file", "--start", "begin", "--end", "end")
FOOD, CARS = ["bread", "cheese", "apple", "soup", "rice"], ["engine", "wheel", "brake", "clutch", "gear"]
FILLING = ["the", "of", "and", "to", "in", "a", "is", "that", "it", "was", "for", "on", "are", "as", "with"]


def made_log(seed: int, n: int = 3_000) -> tuple[np.ndarray, list[tuple[int, int, str]]]:
    """Return noise of two sensors in which bumps and waves stand."""
    random = np.random.default_rng(seed)
    values, events, at = random.normal(0, 0.15, (n, 2)), [], 40
    while at < n - 100:
        length, kind = int(random.integers(30, 60)), ("bump", "wave")[int(random.integers(2))]
        if kind == "bump":
            values[at : at + length, 0] += 2 * np.hanning(length)
        else:
            values[at : at + length, 1] += 1.5 * np.sin(2 * np.pi * np.arange(length) / 10)
        events.append((at, at + length, kind))
        at += length + int(random.integers(60, 160))
    return values, events


def made_text(seed: int) -> tuple[str, list[tuple[int, int, str]]]:
    """Return filling words in which runs of words about food or cars stand."""
    random = np.random.default_rng(seed)
    words: list[str] = []
    events = []
    for at in range(10):
        words += [*random.choice(FILLING, int(random.integers(12, 18))), ","]
        words[-2:] = [f"{words[-2]},"]
        kind = ("food", "cars")[at % 2]
        run = random.choice(FOOD if kind == "food" else CARS, 8)
        events.append((len(words), len(words) + 8, kind))
        words += list(run)
    return " ".join([*words, *random.choice(FILLING, 12)]), events


def listed(place: Path, rows: list[tuple[str, list[tuple[int, int, str]]]]) -> None:
    with place.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "begin", "end", "kind"])
        writer.writerows([name, *event] for name, events in rows for event in events)


@pytest.fixture(scope="module")
def quietly() -> Callable[..., str]:
    def command(*arguments: object) -> str:
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        assert ended.value.code in {0, None}, said.getvalue()
        return said.getvalue()

    return command


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory, quietly: Callable[..., str]) -> Path:
    """A folder of annotated logs, and a model that locates what is in them."""
    folder = tmp_path_factory.mktemp("logs")
    rows = []
    for seed, name in enumerate(("a.csv", "b.npy", "c.csv")):
        values, events = made_log(seed)
        if name.endswith("npy"):
            np.save(folder / name, values.T)
        else:
            np.savetxt(folder / name, values, delimiter=",", header="left,right", comments="", fmt="%.5f")
        rows.append((name, events))
    listed(folder / "train.csv", rows[:2])
    listed(folder / "test.csv", rows[2:])
    said = quietly("train", folder / "train.csv", *TIMES, "--label", "kind", "-o", folder / "m.safetensors", "-q",
                   "--epochs", 12, "--no-refit", "--folds", 2)  # fmt: skip
    assert "segments of 'background' are drawn from where nothing is annotated, which is" in said
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory, quietly: Callable[..., str]) -> Path:
    """A folder of annotated texts, and a model that locates what is in them."""
    folder = tmp_path_factory.mktemp("texts")
    rows = []
    for seed in range(7):
        text, events = made_text(seed)
        (folder / f"{seed}.txt").write_text(text)
        rows.append((f"{seed}.txt", events))
    listed(folder / "train.csv", rows[:6])
    listed(folder / "test.csv", rows[6:])
    said = quietly("train", folder / "train.csv", *TIMES, "--label", "kind", "--background", "none", "-o",
                   folder / "m.safetensors", "-q", "--epochs", 4, "--no-refit")  # fmt: skip
    assert "segments of 'none' are drawn" in said
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_events_of_a_log_are_found_and_background_never_is(logs: Path, run: Run, tmp_path: Path) -> None:
    model = load(logs / "m.safetensors")
    done = run("detect", logs / "m.safetensors", logs / "c.csv", "-o", tmp_path / "e.csv")
    found = rows_of((tmp_path / "e.csv").read_text())
    scored = run("evaluate", logs / "m.safetensors", logs / "test.csv", *TIMES, "--label", "kind", "--events", "--json")
    classes = json.loads(scored.out)["classes"]

    assert done.code == 0
    assert isinstance(model.adapter, LogAdapter)
    assert model.background is not None
    assert {each["label"] for each in found} == {"bump", "wave"}
    assert set(classes) == {"all", "bump", "wave"}
    assert classes["all"]["f1"] >= 0.9


def test_events_of_texts_are_counted_in_words(texts: Path, run: Run, tmp_path: Path) -> None:
    run("detect", texts / "m.safetensors", texts / "6.txt", "-o", tmp_path / "e.csv")
    found = rows_of((tmp_path / "e.csv").read_text())
    scored = run("evaluate", texts / "m.safetensors", texts / "test.csv", *TIMES, "--label", "kind", "--events",
                 "--json")  # fmt: skip
    classes = json.loads(scored.out)["classes"]

    assert all(float(each["end"]) <= len((texts / "6.txt").read_text().split()) for each in found)
    assert "none" not in {each["label"] for each in found} | set(classes)
    assert classes["all"]["f1"] >= 0.8


def test_each_whole_window_has_a_cell_of_its_own(texts: Path) -> None:
    model = load(texts / "m.safetensors")
    (found,) = detect(model, [(texts / "6.txt").read_text()], curves=True)
    assert found.places is not None
    assert found.curve is not None

    assert np.diff(found.places).tolist() == [1.0] * (len(found.places) - 1)
    assert not (np.ptp(found.curve, axis=1) < 1e-6).any()


@pytest.mark.parametrize("kind", ["logs", "texts"])
def test_given_parts_are_answered_by_every_command(
    kind: str, request: pytest.FixtureRequest, run: Run, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(kind)
    model, table = folder / "m.safetensors", folder / "test.csv"
    kinds = [row["kind"] for row in rows_of(table.read_text())]
    predicted = rows_of(run("predict", model, table, *TIMES).out)
    run("embed", model, table, *TIMES, "-o", tmp_path / "e.parquet")
    searched = json.loads(run("search", tmp_path / "e.parquet", table, "--row", 3, *TIMES, "--top", 1, "--json").out)
    scored = run("evaluate", model, table, *TIMES, "--label", "kind")
    reviewed = run("review", model, table, *TIMES, "-o", tmp_path / "r.html")
    explained = run("explain", model, table, "--row", 3, *TIMES, "-o", tmp_path / "why.html")

    assert np.mean([row["prediction"] == each for row, each in zip(predicted, kinds, strict=True)]) >= 0.9
    assert re.fullmatch(r".*, \d+ to \d+", predicted[1]["item"])
    assert searched[0]["item"] == predicted[1]["item"]
    assert f"items              {len(kinds)}" in scored.out
    assert "gridcnn train labels.csv --path path --start begin --end end --no-background -o" in reviewed.err
    assert (explained.code, explained.err.count("page:")) == (0, 1)


def test_a_whole_log_is_refused_in_a_line_that_says_what_to_do(logs: Path, run: Run) -> None:
    model = logs / "m.safetensors"
    one = run("predict", model, logs / "c.csv")
    without_times = run("evaluate", model, logs / "test.csv", "--path", "file", "--label", "kind")

    assert (one.code, one.out, one.err.count("\n")) == (2, "", 1)
    assert "a log of 3,000 samples" in one.err
    assert "`gridcnn detect` finds what is in it" in one.err
    assert "none of the" in without_times.err
    assert "`gridcnn detect` finds what is in it" in without_times.err


def test_what_detect_finds_in_a_log_is_read_again_by_the_names_of_answers(logs: Path, run: Run, tmp_path: Path) -> None:
    model, found, answers = logs / "m.safetensors", tmp_path / "found.csv", tmp_path / "answers.csv"
    assert run("detect", model, logs / "c.csv", "-o", found).code == 0
    events = rows_of(found.read_text())
    assert len(events) > 5
    assert all(float(each[name]).is_integer() for each in events for name in ("start", "end"))

    asked = ("--path", "path", "--start", "start", "--end", "end")
    assert run("predict", model, found, *asked, "-o", answers).code == 0
    first = rows_of(answers.read_text())[0]
    assert first["error"] == ""
    assert run("explain", model, first["item"], "-o", tmp_path / "why.html").code == 0
    refused = run("explain", model, logs / "c.csv", "-o", tmp_path / "none.html")
    assert refused.code == 2
    assert "`gridcnn detect` finds what is in it" in " ".join(refused.err.split())


def test_a_short_log_is_an_item(logs: Path, run: Run, tmp_path: Path) -> None:
    values, events = made_log(0)
    window = int(load(logs / "m.safetensors").adapter.extent_)
    np.save(tmp_path / "short.npy", values[events[0][0] :][:window].T)

    assert rows_of(run("predict", logs / "m.safetensors", tmp_path).out)[0]["prediction"] == events[0][2]


def test_a_log_of_other_channels_says_so(logs: Path, run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "three.npy", np.zeros((3, 20)))

    assert (
        "it has 3 channels, and the model reads 2" in run("predict", logs / "m.safetensors", tmp_path / "three.npy").err
    )


def test_columns_that_look_like_times_are_named(logs: Path, run: Run, tmp_path: Path) -> None:
    assert (
        "say --start begin --end end"
        in run("embed", logs / "m.safetensors", logs / "test.csv", "--path", "file", "-o", tmp_path / "e.parquet").err
    )


def test_a_table_of_logs_is_searched_log_by_log(logs: Path, run: Run, tmp_path: Path) -> None:
    done = run("detect", logs / "m.safetensors", logs / "test.csv", "--path", "file", "-o", tmp_path / "e.csv")

    assert "in 1 item" in done.out
    assert {row["path"] for row in rows_of((tmp_path / "e.csv").read_text())} == {str(logs / "c.csv")}


def test_a_saved_model_of_windows_is_loaded_as_it_was(logs: Path) -> None:
    adapter = load(logs / "m.safetensors").adapter
    part = np.random.default_rng(0).normal(size=(2, 80))

    assert adapter.encode(part).shape[1:] == (2, adapter.extent_)
    assert len(adapter.encode(part)) > 2
    with pytest.raises(ItemError, match="and a window has"):
        adapter.encode(part[:, :5])


def test_a_part_comes_with_what_surrounds_it_if_a_window_is_longer() -> None:
    series = ArrayAdapter(axes=("channels", "length")).fit(np.random.default_rng(0).normal(size=(20, 2, 10)))
    log = np.arange(200.0).reshape(2, 100)
    words = TextAdapter(length=8, min_count=1).fit(["a b c d e f g h"])
    text = "zero one two three four five six seven eight nine"

    assert series.part(log, 20, 24)[0].tolist() == [20, 21, 22, 23]
    assert series.part(log, 20, 24, surrounded=True)[0].tolist() == list(range(17, 27))
    assert words.part(text, 4, 6) == "four five"
    assert words.part(text, 4, 6, surrounded=True) == "one two three four five six seven eight"
    with pytest.raises(ItemError, match="there are 100 samples, and the part ends at 101"):
        series.part(log, 90, 101)
    with pytest.raises(ItemError, match="in whole numbers"):
        words.part(text, 0.5, 2)


def test_pictures_have_no_parts() -> None:
    from gridcnn.adapters import ImageAdapter

    with pytest.raises(ConfigurationError, match="reads no parts"):
        ImageAdapter().part("a.png", 0, 1)


def test_background_of_a_log_begins_and_ends_at_samples_and_is_as_long_as_a_window() -> None:
    annotated = [Span("a.csv", at, at + 7) for at in range(0, 1_000, 50)]
    drawn = background_segments(annotated, lambda _: 1_000.0, least=12)

    assert all(isinstance(each, Span) and each.start.is_integer() and each.end - each.start == 12 for each in drawn)
    assert not any(each.start < other.end and other.start < each.end for each in drawn for other in annotated)


def test_windows_in_training_hold_most_of_an_event() -> None:
    span = Span("a.csv", 100, 140)

    assert met(span, 1_000, 20) == (92, 148)
    assert met(span, 1_000, 60, inside=1) == (90, 150)
    assert met(Span("a.csv", 0, 4), 30, 20, inside=1) == (0, 20)


def test_words_of_a_text_hold_its_tokens() -> None:
    reader = TextAdapter(length=8, min_count=1).fit(["it's late, go home now please do"])
    text = "it's late, go"  # it 's late , go

    assert reader.counted(text, np.array([0.0, 1.0, 2.0, 4.0])).tolist() == [0, 0, 1, 2]
    assert reader.counted(text, np.array([2.0, 3.0, 4.0, 5.0]), ends=True).tolist() == [1, 2, 2, 3]


def test_texts_in_files_that_a_table_lists_are_cut_at_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("what a  fine day")
    (tmp_path / "m.csv").write_text("file,from,to\na.txt,0,2\na.txt,2,4\nnone.txt,0,1\na.txt,3,9\n")
    data = load_manifest(tmp_path / "m.csv", path_column="file", start="from", end="to", on_error="skip")
    whole = load_manifest(tmp_path / "m.csv", path_column="file", on_error="skip")

    assert data.items == ["what a", "fine day"]
    assert [each.row for each in data.skipped] == [4, 5]
    assert data.segments == [Span(str(tmp_path / "a.txt"), 0, 2), Span(str(tmp_path / "a.txt"), 2, 4)]
    assert whole.items == ["what a  fine day"] * 3
    assert "--start from --end to" not in str(whole.notes)


@pytest.mark.parametrize("kind", ["logs", "texts"])
def test_reports_exports_audits_and_checks_take_parts(
    kind: str, request: pytest.FixtureRequest, run: Run, tmp_path: Path
) -> None:
    folder = request.getfixturevalue(kind)
    model, table, label = folder / "m.safetensors", folder / "test.csv", ("--label", "kind")
    n_items = len(rows_of(table.read_text()))
    reported = run("report", model, table, *TIMES, *label, "-o", tmp_path / "r.html")
    audited = run("audit", table, *TIMES, *label, "--quick")
    checked = run("check", table, *TIMES)
    scored = run("evaluate", model, table, *TIMES, *label)

    assert f"on {n_items} items (95 % interval" in reported.out
    assert re.search(rf"{'c.csv' if kind == 'logs' else '6.txt'}, \d+ to \d+", (tmp_path / "r.html").read_text())
    assert f"{n_items} items; checked" in audited.out
    assert f"looked at   {n_items} of {n_items} items" in checked.out
    assert "validation split" not in reported.err + audited.err + checked.err + scored.err


@pytest.mark.parametrize(
    "command",
    [("predict",), ("embed", "-o", "e.parquet"), ("evaluate", "--label", "kind"), ("detect", "-o", "d.csv"),
     ("report", "--label", "kind", "-o", "r.html"), ("review", "-o", "r.html"),
     ("explain", "--row", "3", "-o", "w.html"), ("export", "-o", "m.onnx", "--check"),
     ("explain", "--row", "3", "--start", "begin", "--end", "end", "-o", "w.html")],
    ids=" ".join,
)  # fmt: skip
def test_a_table_that_lists_logs_says_which_option_names_their_column(
    command: tuple[str, ...], logs: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *others = command
    table = logs / "test.csv"
    inputs = [*others, table] if name == "export" else [table, *others]
    done = run(name, logs / "m.safetensors", *inputs)

    assert done.code == 2
    assert "--path file, and for parts of them --start begin --end end" in done.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["train", "tune", "audit", "check"])
def test_a_table_that_lists_logs_is_no_table_of_numbers_to_learn_from(
    command: str, logs: Path, run: Run, tmp_path: Path
) -> None:
    table = tmp_path / "plain.csv"
    table.write_text((logs / "train.csv").read_text().replace("kind", "label", 1))
    output = ("-o", tmp_path / "m.safetensors") if command in {"train", "tune"} else ()

    assert "names files: name their column, --path file" in run(command, table, *output).err


def test_a_row_of_a_table_whose_column_is_called_path_is_read_without_naming_it(
    logs: Path, run: Run, tmp_path: Path
) -> None:
    table = logs / "usual.csv"
    table.write_text((logs / "test.csv").read_text().replace("file", "path", 1))
    times = ("--start", "begin", "--end", "end")

    assert run("explain", logs / "m.safetensors", table, "--row", 3, *times, "-o", tmp_path / "w.html").code == 0
    assert run("evaluate", logs / "m.safetensors", table, *times, "--label", "kind").code == 0


def test_names_of_files_that_are_read_as_texts_are_told(texts: Path, run: Run) -> None:
    said = run("predict", texts / "m.safetensors", texts / "test.csv", "--text", "file").err

    assert "say --path file in place of --text file" in said


def test_columns_for_the_items_of_a_check_need_that_check(logs: Path, run: Run, tmp_path: Path) -> None:
    done = run("export", logs / "m.safetensors", "-o", tmp_path / "m.onnx", "--start", "begin", "--end", "end")

    assert (done.code, done.err) == (2, "error: --start, --end: for the items of --check, so name them as well.\n")


def test_a_set_without_the_part_to_score_names_the_option_that_chooses_another(
    logs: Path, run: Run, tmp_path: Path
) -> None:
    rows = (logs / "test.csv").read_text().splitlines()
    parts = ["part", *("validation" if at % 2 else "train" for at in range(len(rows) - 1))]
    divided = logs / "divided.csv"
    divided.write_text("\n".join(f"{row},{part}" for row, part in zip(rows, parts, strict=True)))
    model, asked = logs / "m.safetensors", (*TIMES, "--label", "kind")
    page = ("-o", tmp_path / "r.html")

    for command in (("evaluate", model, divided), ("report", model, divided, *page)):
        done = run(*command, *asked, "--split", "part")
        assert "holds train, validation: say which is meant, such as --split-part validation" in done.err
        assert run(*command, *asked, "--split", "part", "--split-part", "val").code == 0
        assert "with --split COLUMN" in run(*command, *asked, "--split-part", "val").err


@pytest.mark.parametrize(
    ("command", "told"),
    [("evaluate --events --step -1", "step must be above 0"),
     ("evaluate --events --collar -1", "--collar: expected a number of at least 0"),
     ("evaluate --events --min-confidence foo=0.3", "there is no class 'foo'"),
     ("evaluate --collar 3", "--collar: for events: say --events, too"),
     ("evaluate --events --abstain 0.9", "--abstain: for items, and not for events"),
     ("review --start begin", "--start and --end belong together"),
     ("detect -o d.csv --text a", "the model reads series, so leave --text out"),
     ("predict --text a", "the model reads series, so leave --text out")],
)  # fmt: skip
def test_what_a_model_cannot_do_is_told_before_any_data_are_read(
    command: str, told: str, logs: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *options = command.split()
    done = run(name, logs / "m.safetensors", "missing.csv", *options)

    assert done.code == 2
    assert told in done.err
    assert "no such file" not in done.err


def test_a_part_is_searched_by_its_name_from_any_folder(
    logs: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(logs)
    run("embed", "m.safetensors", "test.csv", *TIMES, "-o", tmp_path / "e.parquet")
    name = rows_of(run("predict", "m.safetensors", "test.csv", *TIMES).out)[1]["item"]
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("search", "e.parquet", name, "--top", 1, "--json").out)
    other = run("search", "e.parquet", f"{name}0")

    assert re.fullmatch(r"c\.csv, \d+ to \d+", name)
    assert (found[0]["item"], found[0]["similarity"]) == (name, 1.0)
    assert "c.csv: no such file, seen from" in other.err


def test_a_long_text_is_called_by_its_file_and_line_which_explain_takes(
    texts: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, long = texts / "m.safetensors", "bread and soup " * 100
    Path("one.txt").write_text(long)
    Path("many.txt").write_text(f"bread\n{long}\n")
    Path("m.csv").write_text(f"text\nbread\n{long}\n")
    names = [row["item"] for row in rows_of(run("predict", model, "one.txt", "many.txt", "m.csv").out)]

    assert names == ["one.txt", "bread", "many.txt, line 2", "bread", "m.csv, row 3"]
    assert all(run("explain", model, name, "-o", "w.html").code == 0 for name in names)
    assert "has no line 9: its lines are 1 to 2" in run("explain", model, "many.txt, line 9", "-o", "w.html").err


def test_an_exported_model_of_logs_reads_parts_of_any_length(logs: Path, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from gridcnn.export.exported_model import ExportedModel
    from gridcnn.inference import predict
    from gridcnn.render.asked_numbers import asked_numbers

    model, exported = load(logs / "m.safetensors"), tmp_path / "m.onnx"
    done = run(
        "export", logs / "m.safetensors", "-o", exported, "--check", logs / "test.csv", *TIMES, "--label", "kind"
    )
    random, window = np.random.default_rng(0), int(model.adapter.extent_)
    graph = ExportedModel(exported)

    assert done.code == 0
    for length in (window, window + 1, 3 * window // 2, 3 * window // 2 + 1, 5 * window + 3):
        parts = random.normal(size=(2, 2, length))
        assert np.allclose(graph.predict(parts).probabilities, predict(model, parts).probabilities, atol=1e-6)
    short = graph.predict(random.normal(size=(1, 2, window - 1)))
    assert asked_numbers(model.adapter)["shape"] == [2, window]
    assert short.errors == [f"{window - 1} samples, and a window has {window}"]
    assert [row["error"] for row in rows_of(run("predict", exported, logs / "test.csv", *TIMES).out)][:3] == [""] * 3


def test_annotations_of_logs_in_a_csv_are_read_as_those_of_recordings(logs: Path, run: Run, tmp_path: Path) -> None:
    table = logs / "found.csv"
    table.write_text((logs / "test.csv").read_text().replace("file,begin,end,kind", "path,start,end,label", 1))
    model, kinds = logs / "m.safetensors", [row["kind"] for row in rows_of((logs / "test.csv").read_text())]
    scored = run("evaluate", model, table, "--annotations", "csv")
    events = json.loads(run("evaluate", model, table, "--annotations", "auto", "--events", "--json").out)["classes"]
    planned = run("train", table, "--annotations", "csv", "--dry-run")

    assert f"items              {len(kinds)}" in scored.out
    assert events["all"]["annotated"] == len(kinds)
    assert (planned.code, f"read {len(kinds)} items (array)" in planned.out) == (0, True)


def parts_with_gaps_of(gap: int, folder: Path) -> Path:
    random = np.random.default_rng(0)
    for name in "ab":
        np.save(folder / f"{name}.npy", random.normal(size=(2, 1_000)))
    places = range(0, 900, 60 + gap)
    rows = [(f"{name}.npy", [(at, at + 60, "xy"[at // (60 + gap) % 2]) for at in places]) for name in "ab"]
    listed(folder / "m.csv", rows)
    return folder / "m.csv"


def test_windows_fit_into_the_gaps_between_parts(run: Run, tmp_path: Path) -> None:
    """Windows as long as the parts held no background alone, and events ran together."""
    said = run(
        "train", parts_with_gaps_of(20, tmp_path), *TIMES, "--label", "kind", "--background", "none", "--dry-run"
    ).err
    assert "× 20 length" in said
    assert "warning: that is little" not in said


def test_little_background_is_warned_of(run: Run, tmp_path: Path) -> None:
    said = run(
        "train", parts_with_gaps_of(0, tmp_path), *TIMES, "--label", "kind", "--background", "none", "--dry-run"
    ).err
    assert "that is little, since hardly anything is left between what is annotated" in said


def test_channels_of_logs_are_taken_by_their_names(run: Run, tmp_path: Path) -> None:
    """A log with the columns in another order got the answers of the other class."""
    random = np.random.default_rng(0)

    def log(name: str, columns: list[str]) -> list[tuple[int, int, str]]:
        samples = random.normal(0, 0.3, (2, 1_000))
        parts = [(at, at + 40, "ab"[at // 100 % 2]) for at in range(30, 900, 100)]
        for first, behind, kind in parts:
            samples["ab".index(kind), first:behind] += 2 * np.sin(np.arange(40) / 3)
        table = pd.DataFrame(dict(zip("xy", samples, strict=True)))[columns]
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        return parts

    def rows(name: str, columns: list[str]) -> Path:
        listed(tmp_path / f"{name}-parts.csv", [(f"{name}.csv", log(name, columns))])
        return tmp_path / f"{name}-parts.csv"

    listed(tmp_path / "m.csv", [(f"{at}.csv", log(str(at), [["x", "y"], ["y", "x"]][at % 2])) for at in range(3)])
    model = tmp_path / "m.safetensors"
    labels, short = ("--label", "kind"), ("--epochs", 20, "--folds", 1)
    assert run("train", tmp_path / "m.csv", *TIMES, *labels, "--background", "none", *short, "-o", model).code == 0
    turned = rows("turned", ["y", "x"])
    scored = run("evaluate", model, turned, *TIMES, *labels, "--json")
    assert json.loads(scored.out)["accuracy"] == 1
    answers = pd.read_csv(io.StringIO(run("predict", model, turned, *TIMES).out))
    assert answers["prediction"].tolist() == pd.read_csv(turned)["kind"].tolist()
    assert run("detect", model, tmp_path / "turned.csv", "-o", tmp_path / "d.csv").code == 0
    assert pd.read_csv(tmp_path / "d.csv")["label"].tolist() == answers["prediction"].tolist()

    log("other", ["x", "y"])
    (tmp_path / "other.csv").write_text((tmp_path / "other.csv").read_text().replace("x,y", "x,z", 1))
    listed(tmp_path / "o.csv", [("other.csv", [(30, 70, "a")])])
    refused = run("predict", model, tmp_path / "o.csv", *TIMES)
    assert "its columns are x, z, and the model reads x, y" in refused.out
