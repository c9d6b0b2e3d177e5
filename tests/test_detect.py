"""Detection: events in long recordings, texts and series, and how they agree with annotations."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from gridcnn import fit, load
from gridcnn.adapters import ArrayAdapter, TextAdapter
from gridcnn.adapters.recordings import Recording
from gridcnn.bundle import save
from gridcnn.certainty import Certainty, Quality
from gridcnn.cli import main
from gridcnn.cli.detecting import Run
from gridcnn.cli.event_scores import advice, confidences
from gridcnn.cli.long_items import long_items
from gridcnn.datasets import load_manifest
from gridcnn.datasets.annotations import read_annotations, write_annotations
from gridcnn.errors import ConfigurationError
from gridcnn.evaluation.events import score_events
from gridcnn.inference.cells import cell_logits, has_cells
from gridcnn.inference.detecting import STEP, Detecting, Detections, detect
from gridcnn.inference.event_finding import Cells, EventFinder, without_echoes
from gridcnn.model import FittedModel
from gridcnn.multilabel import shares
from gridcnn.pipeline.device import choose_device
from gridcnn.segments import Event, Segment

RATE = 8_000
TONES = {"low": 500, "high": 1_500}


def make_recording(path: Path, seed: int, events: list[tuple[float, float, str]], seconds: int = 120) -> None:
    """Write noise in which tones stand."""
    random = np.random.default_rng(seed)
    samples = random.normal(0, 0.02, seconds * RATE)
    for start, end, name in events:
        at = np.arange(round(start * RATE), round(end * RATE))
        samples[at] += 0.2 * np.sin(2 * np.pi * TONES[name] * at / RATE)
    soundfile.write(path, samples, RATE)


def drawn_events(seed: int, seconds: int = 120) -> list[tuple[float, float, str]]:
    random = np.random.default_rng(seed)
    starts = np.arange(1, seconds - 4, 4) + random.uniform(0, 1.5, len(range(1, seconds - 4, 4)))
    return [
        (float(start), float(start + random.uniform(0.5, 1.5)), ("low", "high")[at % 2])
        for at, start in enumerate(starts)
    ]


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two annotated recordings and a model trained on the first."""
    folder = tmp_path_factory.mktemp("field")
    for name, seed in (("first", 1), ("second", 2)):
        events = drawn_events(seed)
        make_recording(folder / f"{name}.wav", seed, events)
        rows = "".join(f"{name}.wav,{start:.4f},{end:.4f},{label}\n" for start, end, label in events)
        (folder / f"{name}.csv").write_text(f"file,begin,end,species\n{rows}")
    columns = ("--path", "file", "--start", "begin", "--end", "end", "--label", "species")
    arguments = (
        "train",
        folder / "first.csv",
        *columns,
        "--background",
        "-o",
        folder / "m.safetensors",
        "--epochs",
        8,
        "--kernels",
        "8,16",
    )
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "-q"])
    assert ended.value.code == 0, said.getvalue()
    assert "segments of 'background' are drawn" in said.getvalue()
    return folder


@pytest.fixture(scope="module")
def model(field: Path) -> FittedModel:
    return load(field / "m.safetensors")


def test_events_of_another_recording_are_found_where_they_are(field: Path, model: FittedModel) -> None:
    annotated = [Event(str(field / "second.wav"), *each) for each in drawn_events(2)]

    (found,) = detect(model, [str(field / "second.wav")])
    scores = score_events(annotated, found.events, collar=0.3)

    assert found.length == pytest.approx(120, abs=0.2)
    assert scores[""].f1 > 0.9
    assert "background" not in scores


def test_the_command_writes_each_format_and_evaluates(field: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    output = tmp_path / "found.csv"
    done = run("detect", field / "m.safetensors", field / "second.wav", "-o", output, "--format", "csv,raven,audacity",
               "--curve", tmp_path / "curves")  # fmt: skip
    events = read_annotations(output)
    raven = read_annotations(tmp_path / "found.selections.txt")
    track = read_annotations(tmp_path / "found.second.labels.txt", source=str(field / "second.wav"))
    curve = np.load(tmp_path / "curves" / "second.wav.npz")

    assert done.code == 0
    assert len(events) == len(raven) == len(track) > 20
    assert [each.start for each in events] == [each.start for each in raven] == [each.start for each in track]
    assert all(each.confidence is not None and each.confidence >= 0.8 for each in events)
    assert curve["probability"].shape == (len(curve["time"]), 3)
    assert not output.with_name("found.csv.partial").exists()

    columns = ("--path", "file", "--start", "begin", "--end", "end", "--label", "species")
    scored = run("evaluate", field / "m.safetensors", field / "second.csv", *columns, "--events", "--json")
    assert json.loads(scored.out)["classes"]["all"]["f1"] > 0.9


def test_a_confidence_is_advised_only_if_it_is_needed_and_leaves_most_of_what_is_right() -> None:
    truth = [Event("a.wav", float(at), at + 0.5, name) for at in range(10) for name in ("good", "mended", "lucky")]
    found = [Event("a.wav", float(at), at + 0.5, "good", 0.7) for at in range(9)]
    found += [Event("a.wav", float(at), at + 0.5, "mended", 0.8 + at / 100) for at in range(8)]
    found += [Event("a.wav", 50.0 + at, 50.5 + at, "mended", 0.65) for at in range(4)]
    found += [Event("a.wav", float(at), at + 0.5, "lucky", 0.99 if at == 0 else 0.7) for at in range(8)]
    found += [Event("a.wav", 50.0 + at, 50.5 + at, "lucky", 0.9) for at in range(4)]
    found += [Event("a.wav", 80.0, 81.0, "never", 0.9)]
    used = dict.fromkeys(("good", "mended", "lucky", "never"), 0.6)

    enough = confidences(truth, found, 0.2, used)
    line = advice(enough, used, {"mended": 0.8})

    assert {name: (each.confidence, each.needed) for name, each in enough.items()} == {
        "good": (0.6, False),
        "lucky": (None, False),
        "mended": (0.8, True),
        "never": (None, False),
    }
    assert line.endswith("--min-confidence mended=0.80 (recall of mended 0.800 instead of 0.800)")
    assert advice({"good": enough["good"]}, used, {"good": 0.9}) == ""
    assert "mended=0.80,good=0.5," in advice(enough, used | {"good": 0.5}, {"mended": 0.8}).replace(" (", ", (")


def test_bad_recordings_are_listed_and_the_others_are_searched(
    field: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text.wav").write_text("no sound")
    whole = (field / "second.wav").read_bytes()
    (tmp_path / "in" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    output = tmp_path / "found.csv"

    done = run("detect", field / "m.safetensors", tmp_path / "in", field / "second.wav", "-o", output)
    listed = (tmp_path / "found.csv.skipped.csv").read_text()
    sources = [Path(each.source).name for each in read_annotations(output)]

    assert done.code == 0
    assert "2 of 3 items could not be read" in done.err
    assert "truncated" in listed
    assert sources.count("second.wav") > sources.count("cut.wav") > 5


def test_recordings_of_one_name_in_two_folders_keep_a_file_each(
    field: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    places = [tmp_path / folder / "night.wav" for folder in ("a", "b")]
    for place, name in zip(places, ("first.wav", "second.wav"), strict=True):
        place.parent.mkdir()
        place.write_bytes((field / name).read_bytes())

    run("detect", field / "m.safetensors", *places, "-o", tmp_path / "found.csv", "--format", "csv,audacity",
        "--curve", tmp_path / "curves")  # fmt: skip
    tracks = [read_annotations(tmp_path / f"found.{name}.labels.txt", source=name) for name in ("a-night", "b-night")]
    curves = [np.load(tmp_path / "curves" / f"{name}-night.wav.npz") for name in ("a", "b")]

    assert sum(map(len, tracks)) == len(read_annotations(tmp_path / "found.csv"))
    assert [str(each["source"]) for each in curves] == list(map(str, places))
    assert not np.array_equal(curves[0]["probability"], curves[1]["probability"])


def test_each_of_several_recordings_has_a_selection_table_that_raven_can_draw(
    field: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    inputs = [field / "first.wav", field / "second.wav", tmp_path / "quiet.wav"]
    make_recording(inputs[2], 7, [], seconds=8)
    done = run(
        "detect", field / "m.safetensors", *inputs, "-o", tmp_path / "found.selections.txt", "--format", "raven,csv"
    )
    tables = [tmp_path / f"found.{each.stem}.selections.txt" for each in inputs]
    header, first, *_ = [line.split("\t") for line in tables[1].read_text().splitlines()]
    cells = dict(zip(header, first, strict=True))

    assert done.code == 0, done.err
    assert not (tmp_path / "found.selections.txt").exists()
    assert [(cells[name]) for name in ("Channel", "Low Freq (Hz)", "High Freq (Hz)")] == ["1", "0.0", "4000.0"]
    assert cells["Begin Time (s)"] == cells["File Offset (s)"]
    assert len(read_annotations(tables[2])) == 0
    events = [event for table in tables for event in read_annotations(table)]
    assert [(each.source, each.start, each.end) for each in events] == [
        (each.source, each.start, each.end) for each in read_annotations(tmp_path / "found.csv")
    ]


@pytest.mark.parametrize("refused", [("--step", "50"), ("--merge", "-1")])
def test_a_refused_run_leaves_nothing_in_the_way_of_the_next_one(
    field: Path, run: Callable[..., Any], tmp_path: Path, refused: tuple[str, str]
) -> None:
    make_recording(tmp_path / "a.wav", 5, [(3.0, 3.5, "low")], seconds=8)
    output = tmp_path / "new" / "folder" / "a.csv"
    command = ("detect", field / "m.safetensors", tmp_path / "a.wav", "-o", output)
    first = run(*command, *refused)
    second = run(*command)
    again = run(*command, "--resume")

    assert (first.code, second.code) == (2, 0), second.err
    assert "1 event in 1 item," in second.out
    assert [each.name for each in output.parent.iterdir()] == ["a.csv"]
    assert "to go on with, so this begins anew" in again.err


def test_a_step_that_leaves_something_unread_is_refused(field: Path, model: FittedModel) -> None:
    with pytest.raises(ConfigurationError, match="at most a window"):
        list(detect(model, [str(field / "second.wav")], Detecting(step=2 * model.adapter.extent_)))


def test_an_interrupted_run_goes_on_behind_what_is_done(
    field: Path, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gridcnn.inference import detecting

    output = tmp_path / "found.csv"
    inputs = (field / "first.wav", field / "second.wav")
    expected = tmp_path / "expected.csv"
    run("detect", field / "m.safetensors", *inputs, "-o", expected)
    searched: list[str] = []

    def stopping(model: Any, items: Any, *_: Any, **__: Any) -> Iterator[Any]:
        for each in detect(model, items):
            if len(searched) == 1:
                raise KeyboardInterrupt
            searched.append(each.item)
            yield each

    monkeypatch.setattr(detecting, "detect", stopping)
    stopped = run("detect", field / "m.safetensors", *inputs, "-o", output)
    monkeypatch.undo()
    refused = run("detect", field / "m.safetensors", *inputs, "-o", output)
    other = run("detect", field / "m.safetensors", *inputs, "-o", output, "--resume", "--merge", "3")
    with output.with_name("found.csv.partial").open("ab") as file:
        file.write(b'{"name": "half a li')
    resumed = run("detect", field / "m.safetensors", *inputs, "-o", output, "--resume")

    assert stopped.code == 130
    assert "1 of 2 are done" in stopped.err
    assert refused.code == 2
    assert "go on with --resume" in refused.err
    assert "other settings" in other.err
    assert resumed.code == 0
    assert output.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--min-confidence", "much"), "expected a probability"),
        (("--min-confidence", "bird=0.5"), "there is no class 'bird'"),
        (("--min-confidence", "1.5"), "must lie in (0, 1]"),
        (("--min-confidence", "background=0.5"), "background is the background, which is never an event"),
        (("--step", "-1"), "step must be above 0"),
        (("--format", "mp3"), "'mp3' is none of"),
    ],
)
def test_bad_options_are_refused(
    field: Path, run: Callable[..., Any], tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = run("detect", field / "m.safetensors", field / "second.wav", "-o", tmp_path / "a.csv", *options)

    assert done.code == 2
    assert said in done.err
    assert list(tmp_path.iterdir()) == []


def test_info_of_a_model_with_background_says_how_to_detect(field: Path, run: Callable[..., Any]) -> None:
    said = run("info", field / "m.safetensors").out

    assert "m.safetensors RECORDINGS -o events.csv" in said
    assert "--annotations auto --events" in said
    assert " segments" in said
    assert "of the recordings are" not in said


def test_a_missing_folder_of_annotations_is_called_missing(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("train", tmp_path / "none", "--annotations", "raven", "--dry-run")

    assert done.code == 2
    assert f"{tmp_path / 'none'}: no such file or folder" in done.err


def test_a_model_without_background_says_so(field: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    columns = ("--path", "file", "--start", "begin", "--end", "end", "--label", "species")
    run(
        "train", field / "first.csv", *columns, "--no-background", "-o", tmp_path / "m.safetensors", "--epochs", 1, "-q"
    )

    done = run("detect", tmp_path / "m.safetensors", field / "second.wav", "-o", tmp_path / "a.csv")

    assert "has no background class" in done.err


def test_raven_tables_beside_their_recordings_are_trained_on(
    field: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    make_recording(tmp_path / "night.wav", 3, drawn_events(3))
    rows = [f"{at}\t{start}\t{end}\t{label}" for at, (start, end, label) in enumerate(drawn_events(3), start=1)]
    header = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation"
    (tmp_path / "night.Table.1.selections.txt").write_text("\n".join([header, *rows, ""]))
    make_recording(tmp_path / "quiet.wav", 4, [], seconds=20)
    (tmp_path / "quiet.Table.1.selections.txt").write_text(header + "\n")

    done = run("train", tmp_path, "--annotations", "raven", "-o", tmp_path / "m.safetensors", "--epochs", 1, "-q")
    model = load(tmp_path / "m.safetensors")

    assert done.code == 0, done.err
    assert model.class_names == ["background", "high", "low"]
    assert model.background == 0
    assert re.search(r"'background' are drawn .* which is \d+% of the time \(--no-background draws none\)", done.err)


def test_segments_behind_the_end_are_listed_by_a_dry_run_and_cut_if_most_of_them_is_there(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    make_recording(tmp_path / "a.wav", 3, drawn_events(3, 40), seconds=40)
    rows = [f"a.wav,{start},{end},{label}" for start, end, label in drawn_events(3, 40)]
    over = ["a.wav,39,40.6,low", "a.wav,38,55,high", "a.wav,41,42,low", "a.wav,39.5,40.004,low"]
    (tmp_path / "broken.wav").write_text("no sound")
    (tmp_path / "a.csv").write_text("\n".join(["path,start,end,label", *rows, *over, "broken.wav,1,2,low", ""]))

    done = run("train", tmp_path / "a.csv", "--annotations", "csv", "--dry-run", "--no-background")

    assert done.code == 0, done.err
    assert f"read {len(rows) + 2} items" in done.out
    assert "1 segment that reaches over the end of the recording, by up to 0.6 s, is cut to it" in done.err
    assert "left out 3 of" in done.err
    assert "a.wav, 38 to 55 s: the recording holds only 2 s of that, and ends after 40 s" in done.err
    assert "a.wav, 41 to 42 s: the recording ends before that, after 40 s" in done.err
    assert "broken.wav, 1 to 2 s: not a sound file" in done.err


def test_neighbours_in_time_are_on_one_side_of_the_split(field: Path) -> None:
    data = load_manifest(field / "first.csv", label="species", path_column="file", start="begin", end="end")
    assert data.groups is not None
    by_time = [group for _, group in sorted(zip([item.start for item in data.items], data.groups, strict=True))]

    assert all(isinstance(item, Segment) for item in data.items)
    assert len(set(by_time)) == 10
    assert sum(one != other for one, other in itertools.pairwise(by_time)) == 9


def test_rows_whose_times_are_none_are_skipped(field: Path) -> None:
    path = field / "bad.csv"
    path.write_text(
        "file,begin,end,species\nfirst.wav,1,2,low\nfirst.wav,3,2,low\nfirst.wav,x,2,low\nfirst.wav,5,6,high\n"
    )
    data = load_manifest(path, label="species", path_column="file", start="begin", end="end", on_error="skip")

    assert [each.row for each in data.skipped] == [3, 4]
    assert [item.start for item in data.items] == [1, 5]


def test_cells_and_windows_have_the_logits_of_the_network(field: Path, model: FittedModel) -> None:
    windows = np.concatenate([model.adapter.encode(Segment(str(field / "first.wav"), at, at + 0.5)) for at in range(9)])
    cells, whole = cell_logits(model.network, choose_device("cpu"))(windows)
    import torch

    with torch.inference_mode():
        expected = model.network(torch.from_numpy(windows)).numpy()

    assert has_cells(model.network)
    np.testing.assert_allclose(whole, expected, atol=1e-4)
    np.testing.assert_allclose(cells.mean(axis=1), expected, atol=1e-4)  # the head is a mean


def test_by_default_the_windows_that_cover_a_place_decide_together(field: Path, model: FittedModel) -> None:
    [found] = detect(model, [field / "second.wav"], curves=True)
    assert found.places is not None
    assert found.curve is not None
    width = float(np.diff(found.places).mean())
    n_cells = round(model.adapter.extent_ / width)
    step = int(STEP * n_cells)
    assert n_cells / 2 < step < n_cells

    starts, windows = next(iter(model.adapter.slide(str(field / "second.wav"), step * width)))
    np.testing.assert_allclose(starts[:3], [0, step * width, 2 * step * width], atol=1e-4)
    (first, second), _ = cell_logits(model.network, choose_device("cpu"))(windows[:2])
    both = (first[step:] + second[: n_cells - step]) / 2
    expected = shares(np.concatenate([first[:step], both]), several=False)
    np.testing.assert_allclose(found.curve[:n_cells], expected, atol=1e-5)


def test_many_short_recordings_have_the_events_that_each_has_alone(field: Path, model: FittedModel) -> None:
    samples, _ = soundfile.read(field / "second.wav", dtype="float32")
    parts = [Recording(part, RATE) for part in np.split(samples, 40)]
    together = list(detect(model, parts))
    alone = [next(detect(model, [part])) for part in parts[:12]]

    assert sum(len(each.events) for each in together) > 20
    for one, other in zip(alone, together, strict=False):
        assert one.length == other.length
        assert [(e.start, e.end, e.label) for e in one.events] == [(e.start, e.end, e.label) for e in other.events]


def test_a_recording_that_changed_is_searched_again(field: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    for each in (first, second):
        make_recording(each, 5, [(3.0, 3.5, "low")], seconds=8)
    adapter = load(field / "m.safetensors").adapter
    items = long_items([str(first), str(second)], adapter)
    made_by = {"model": str(field / "m.safetensors")}
    with Run.begun(tmp_path / "found.csv", made_by, resume=False) as begun:
        for each in items:
            begun.add(each, each.state, Detections(each.name, [], 8.0))
    os.utime(second, ns=(1, 1))
    with Run.begun(tmp_path / "found.csv", made_by, resume=True) as resumed:
        known = [resumed.knows(each) for each in items]
        resumed.add(items[1], items[1].state, Detections(each.name, [Event("x", 3, 4, "low")], 8.0))
    events, _ = resumed.finish(items)

    assert known == [True, False]
    assert [(event.source, event.start) for event in events] == [(str(second), 3)]


def test_texts_of_a_folder_are_read_one_by_one_and_a_bad_one_is_a_row(run: Callable[..., Any], tmp_path: Path) -> None:
    words = ["red green blue", "one two three"]
    sentences, labels = zip(*[(words[at % 2], ("colour", "number")[at % 2]) for at in range(60)], strict=True)
    model = fit(TextAdapter(length=4, min_count=1), sentences, labels, {"epochs": 8, "background": "number"})
    save(model, tmp_path / "m.safetensors")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one two three two one two red green blue green red green one two three")
    (tmp_path / "texts" / "b.txt").write_bytes(b"\xff\xfe\x00 no text")
    (tmp_path / "texts" / "c.png").write_bytes(b"")

    done = run("detect", tmp_path / "m.safetensors", tmp_path / "texts", "-o", tmp_path / "found.csv", "--merge", 0)

    assert done.code == 0, done.err
    assert "in 2 items" in done.out
    assert [event.label for event in read_annotations(tmp_path / "found.csv")] == ["colour"]
    [skipped] = (tmp_path / "found.csv.skipped.csv").read_text().splitlines()[1:]
    assert "b.txt" in skipped
    assert "the file is damaged, or no text" in skipped


def test_a_precision_is_kept_by_a_confidence_for_each_class(
    field: Path, model: FittedModel, run: Callable[..., Any], tmp_path: Path
) -> None:
    quality, low = Quality(1, 1), np.tile([0.1, 0.2, 0.7], (20, 1))
    certainty = Certainty.learned(1.0, quality, quality, low, np.repeat([2, 0], [19, 1]))
    save(replace(model, certainty=certainty), tmp_path / "m.safetensors")
    command = ("detect", tmp_path / "m.safetensors", field / "second.wav", "-o", tmp_path / "a.csv")
    done = run(*command, "--precision", "0.9")
    both = run(*command, "--precision", "0.9", "--min-confidence", "0.5")

    assert model.class_names == ["background", "high", "low"]
    assert "confidence for a precision of 0.9, as held-out items tell: low 0.70" in done.err
    assert "a precision of 0.9 cannot be promised for high:" in done.err
    assert both.code == 2


def of_three(*rows: tuple[float, float, float]) -> Cells:
    chances = np.array(rows, float)
    return Cells(np.arange(len(rows), dtype=float), chances, chances)


def test_all_cells_of_an_event_tell_together_which_kind_it_is() -> None:
    nothing, dog, cat = (0.9, 0.05, 0.05), (0.1, 0.85, 0.05), (0.1, 0.05, 0.85)
    search = EventFinder("a", ["background", "dog", "cat"], np.full(3, 0.6), 1.0, 0.0, 0.0, background=0)
    found = [*search.add(of_three(nothing, dog, cat, cat, nothing, nothing, dog, nothing)), *search.finish()]

    assert [(event.start, event.end, event.label, event.confidence) for event in found] == [
        (1, 4, "cat", 0.85),
        (6, 7, "dog", 0.85),
    ]


@pytest.mark.parametrize("cut", range(1, 10))
def test_kinds_of_events_do_not_depend_on_the_parts_in_which_cells_come(cut: int) -> None:
    nothing, dog, cat = (0.9, 0.05, 0.05), (0.1, 0.85, 0.05), (0.1, 0.05, 0.85)
    whole = of_three(cat, dog, dog, nothing, dog, nothing, nothing, cat, cat, dog)
    search = EventFinder("a", ["background", "dog", "cat"], np.full(3, 0.6), 1.0, 1.0, 0.0, background=0)
    parts = [Cells(*(values[part] for values in whole)) for part in (slice(None, cut), slice(cut, None))]
    found = [*search.add(parts[0]), *search.add(parts[1]), *search.finish()]

    assert [(event.start, event.end, event.label) for event in found] == [(0, 5, "dog"), (7, 10, "cat")]


def finder(merge: float = 0.0, shortest: float = 0.0, threshold: float = 0.8) -> EventFinder:
    return EventFinder("a", ["x", "y"], np.array([threshold, np.inf]), 1.0, merge, shortest)


def cells_of(first: int, chances: list[float], windows: list[float] | None = None) -> Cells:
    both = np.stack([chances, 1 - np.array(chances)], axis=1)
    whole = both if windows is None else np.stack([windows, 1 - np.array(windows)], axis=1)
    return Cells(first + np.arange(len(chances), dtype=float), both, whole)


@pytest.mark.parametrize("cut", range(1, 12))
def test_events_do_not_depend_on_the_parts_in_which_cells_come(cut: int) -> None:
    chances = [0, 0.9, 0.5, 0, 0, 0.9, 0, 0.9, 0.1, 0.5, 0.6, 0.9]
    search = finder(merge=1.0)
    found = [*search.add(cells_of(0, chances[:cut])), *search.add(cells_of(cut, chances[cut:])), *search.finish()]

    assert [(event.start, event.end) for event in found] == [(1, 3), (5, 12)]


def test_an_event_begins_with_a_probable_window_and_lasts_while_cells_are_likely() -> None:
    search = finder()
    found = [*search.add(cells_of(0, [0.4, 0.4, 0.1, 0.4, 0.3], [0.9, 0.7, 0.9, 0.7, 0.7])), *search.finish()]

    assert [(event.start, event.end, event.confidence) for event in found] == [(0, 2, 0.9)]


def test_short_events_are_left_out_on_request() -> None:
    search = finder(shortest=2.0)
    found = [*search.add(cells_of(0, [0.9, 0, 0.9, 0.9])), *search.finish()]

    assert [(event.start, event.end) for event in found] == [(2, 4)]


def test_a_table_of_events_among_logs_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
    (tmp_path / "b.csv").write_text("start,end\n1,2\n3,4\n")  # two sensors may be called so
    (tmp_path / "marks.csv").write_text("\ufeffstart;end;label\n1;2;bump\n")
    write_annotations(tmp_path / "found.csv", [Event("a.csv", 1, 2, "bump", 0.9)])
    write_annotations(tmp_path / "found.parquet", [Event("a.csv", 1, 2, "bump", 0.9)])
    reader = ArrayAdapter(axes=("time",))
    found = long_items([str(tmp_path)], reader)

    assert [each.file.name for each in found] == ["a.csv", "b.csv"]
    said = capsys.readouterr().err
    assert said.startswith("left out, since the columns say where events begin and end, so that it is no log: ")
    assert [name in said for name in ("marks.csv", "found.csv", "found.parquet")] == [True] * 3


def test_the_beginning_of_a_call_is_no_event_of_another_class() -> None:
    call, beginning = Event("a", 2, 5, "rooster", 0.9), Event("a", 1.2, 1.9, "dog", 0.99)
    far, same = Event("a", 0, 0.5, "dog", 0.9), Event("a", 5.1, 5.3, "rooster", 0.9)

    assert without_echoes([call, same, beginning, far], near=0.5) == [far, call, same]
    assert without_echoes([beginning], near=0.5) == [beginning]


def test_texts_and_series_are_searched_too() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, (120, 40))
    bumps = noise.copy()
    bumps[:60, 10:30] += 2 * np.hanning(20)
    series = fit(ArrayAdapter(axes=("time",)), bumps, ["bump"] * 60 + ["none"] * 60,
                 {"background": "none", "epochs": 15, "solved": False})  # fmt: skip
    log = random.normal(0, 0.1, 1_000)
    log[400:420] += 2 * np.hanning(20)
    (found,) = detect(series, [log], Detecting(step=5))
    words = ["red green blue", "one two three"]
    sentences, labels = zip(*[(words[at % 2], ("colour", "number")[at % 2]) for at in range(60)], strict=True)
    texts = fit(TextAdapter(length=4, min_count=1), sentences, labels, {"epochs": 8, "background": "number"})
    text = "one two three two one two red green blue green red green one two three one two"
    (colours,) = detect(texts, [text], Detecting(merge=0))

    assert [event.label for event in found.events] == ["bump"]
    assert abs((found.events[0].start + found.events[0].end) / 2 - 410) < 25
    assert [event.label for event in colours.events] == ["colour"]
    assert 2 <= colours.events[0].start <= 7
    assert 10 <= colours.events[0].end <= 15


def test_pictures_have_no_events(tmp_path: Path) -> None:
    from gridcnn import datasets
    from gridcnn.adapters import ImageAdapter

    some = datasets.load("xo").take(range(60))
    model = fit(ImageAdapter(), some.items, some.labels, {"epochs": 1})

    with pytest.raises(ConfigurationError, match="no long items"):
        list(detect(model, some.items[:1]))


def test_events_match_one_to_one_and_offsets_may_be_off_by_half_of_the_event() -> None:
    truth = [Event("a", 1, 5, "x"), Event("a", 10, 10.4, "x")]
    found = [Event("a", 1.4, 3.1, "x"), Event("a", 1.2, 5, "x"), Event("a", 10, 11, "x")]
    scores = score_events(truth, found)["x"]

    assert (scores.annotated, scores.detected, scores.matched) == (2, 3, 1)
    assert score_events(truth, found, offsets=False)["x"].matched == 2
    assert score_events(truth, [found[0]])["x"].matched == 1
    assert score_events(truth, [Event("b", 1, 5, "x")])["x"].matched == 0


@pytest.mark.parametrize("collar", [-1.0, float("nan")])
def test_a_collar_is_no_negative_number(collar: float) -> None:
    with pytest.raises(ConfigurationError, match="collar"):
        score_events([], [], collar=collar)
