"""Annotations in the formats that people use: there and back, as other programs write them, and damaged."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gridcnn.datasets.annotations import KINDS, kind_of_file, read_annotations, write_annotations
from gridcnn.datasets.segmented import load_annotations
from gridcnn.errors import DataError
from gridcnn.segments import Event

SUFFIX = {"csv": "csv", "parquet": "parquet", "raven": "txt", "audacity": "txt", "kaleidoscope": "csv",
          "labelstudio": "json"}  # fmt: skip

LABELS = [
    "Parus major",
    "",
    'the "loud" one',
    '"quoted"',
    "Grünspecht, laut",
    " blank ",
    "1",
    "0,5",
    "NA",
    "a;b|c",
    "鸟",
]


def thousand() -> list[Event]:
    """Return events with everything that an event may have, or not."""
    rng = random.Random(0)

    def perhaps(value: float) -> float | None:
        return value if rng.random() < 0.7 else None

    events = []
    for number in range(1000):
        start = rng.choice([0.0, rng.uniform(0, 86_400), number / 10])
        low = perhaps(rng.uniform(0, 4000))
        events.append(
            Event(
                source=f"nights/{number // 100} site.wav",
                start=start,
                end=start + rng.choice([0.0, 0.1, rng.uniform(0, 5)]),
                label=rng.choice(LABELS),
                confidence=perhaps(rng.random()),
                low=low,
                high=perhaps(rng.uniform(4000, 9000)),
                channel=rng.choice([None, 1, 2]),
                more={"Observer": rng.choice(["Ann", "Bo, jr."])} if number % 3 else {},
            )
        )
    return events


def as_held(kind: str, event: Event) -> Event:
    """Return what a format is said to hold of an event."""
    if kind == "audacity":
        return replace(event, source="", confidence=None, channel=None, more={})
    return event


@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_events_come_back_as_the_format_can_hold_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"all.{SUFFIX[kind]}"
    events = thousand()
    write_annotations(path, events, kind)
    read = read_annotations(path, kind, source="" if kind == "audacity" else None)
    expected = [as_held(kind, event) for event in events]

    def order(event: Event) -> tuple[bool, str]:
        return event.confidence is not None, repr(event)

    if kind == "labelstudio":
        assert sorted(read, key=order) == sorted(expected, key=order)
        assert [each.source for each in read] == [each.source for each in expected]
    else:
        assert list(read) == expected
    assert read.skipped == ()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_recognised_by_its_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"all.{SUFFIX[kind]}"
    write_annotations(path, thousand()[:9], kind)

    assert kind_of_file(path) == kind
    assert read_annotations(path).kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_no_events_are_a_file_without_events(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"none.{SUFFIX[kind]}"
    write_annotations(path, iter([]), kind)

    if kind == "parquet":  # as everywhere, a parquet file without rows is an error
        with pytest.raises(DataError, match="no rows"):
            read_annotations(path, kind)
    else:
        assert list(read_annotations(path, kind)) == []


def test_events_are_written_to_an_open_file_as_to_a_path(tmp_path: Path) -> None:
    file = io.BytesIO()
    write_annotations(file, thousand()[:5], "csv")
    write_annotations(tmp_path / "a.csv", iter(thousand()[:5]))

    assert file.getvalue() == (tmp_path / "a.csv").read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_a_failed_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(DataError, match="further columns 'label'"):
        write_annotations(path, [Event("a.wav", 0, 1, more={"label": "x"})])

    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "before"


def test_a_csv_of_detections_is_a_manifest(tmp_path: Path) -> None:
    write_annotations(tmp_path / "a.csv", [Event("x.wav", 1, 2.5, "cat", 0.5)])

    assert (tmp_path / "a.csv").read_text() == (
        "path,start,end,label,confidence,low,high,channel\nx.wav,1.0,2.5,cat,0.5,,,\n"
    )


# ---- as other programs write them -----------------------------------------------------------------------------------


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\tNotes\r\n"
    "1\tWaveform 1\t1\t1.5\t2.25\t\t\tREVI\t\r\n"
    "1\tSpectrogram 1\t1\t1.5\t2.25\t1000.0\t4000.0\tREVI\tfar\r\n"
    "2\tSpectrogram 1\t2\t3\t4\t0\t500\tOVEN\t\r\n"
)


def test_a_selection_with_a_row_for_each_view_is_one(tmp_path: Path) -> None:
    (tmp_path / "rec.wav").touch()
    read = read_annotations(written(tmp_path / "rec.Table.1.selections.txt", RAVEN))

    assert list(read) == [
        Event(str(tmp_path / "rec.wav"), 1.5, 2.25, "REVI", None, 1000.0, 4000.0, 1, {"Notes": "far"}),
        Event(str(tmp_path / "rec.wav"), 3.0, 4.0, "OVEN", None, 0.0, 500.0, 2),
    ]
    assert read.rows == (3, 4)


def test_selections_that_are_alike_in_one_view_are_several(tmp_path: Path) -> None:
    twice = RAVEN.replace("Waveform 1", "Spectrogram 1")

    assert len(read_annotations(written(tmp_path / "rec.txt", twice))) == 3


def test_times_of_a_sequence_of_files_count_from_the_beginning_of_each(tmp_path: Path) -> None:
    table = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tAnnotation\n"
        "1\t60.1\t60.4\tC:\\rec\\a.wav\t60.1\tx\n2\t3660.2\t3661.5\tC:\\rec\\b.wav\t60.2\ty\n"
    )
    read = read_annotations(written(tmp_path / "all.txt", table))

    assert [(each.source, each.start, each.end) for each in read] == [
        ("C:\\rec\\a.wav", 60.1, 60.4),
        ("C:\\rec\\b.wav", 60.2, 61.5),
    ]


def test_times_of_several_files_that_may_count_from_the_first_one_are_refused(tmp_path: Path) -> None:
    head = "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\n"
    apart = written(tmp_path / "apart.txt", head + "1\t1\t2\ta.wav\n2\t61\t62\tb.wav\n")
    within = written(tmp_path / "within.txt", head + "1\t1\t20\ta.wav\n2\t5\t6\tb.wav\n")

    with pytest.raises(DataError, match=r"2 files are named.*File Offset \(s\)"):
        read_annotations(apart)
    assert [each.start for each in read_annotations(within)] == [1, 5]


def test_a_selection_that_ends_in_another_file_is_a_bad_row(tmp_path: Path) -> None:
    head = "Selection\tBegin Time (s)\tEnd Time (s)\tFile Offset (s)\tBegin File\tEnd File\n"
    table = written(tmp_path / "a.txt", head + "1\t1\t2\t1\ta.wav\ta.wav\n2\t59\t62\t59\ta.wav\tb.wav\n")

    assert [each.row for each in read_annotations(table, on_error="skip").skipped] == [3]


def test_quotes_of_a_spreadsheet_are_no_part_of_a_label(tmp_path: Path) -> None:
    table = written(tmp_path / "a.txt", 'Begin Time (s)\tEnd Time (s)\tAnnotation\n1\t2\t"so ""loud"", yes"\n')

    assert read_annotations(table)[0].label == 'so "loud", yes'


def test_another_column_is_the_label_if_it_is_named(tmp_path: Path) -> None:
    table = written(tmp_path / "rec.txt", RAVEN)

    assert read_annotations(table, label="Notes")[0].label == "far"
    assert read_annotations(table, label="Notes")[0].more == {"Species": "REVI"}
    with pytest.raises(DataError, match="no column 'Kind'"):
        read_annotations(table, label="Kind")


def test_numbers_that_are_no_shares_are_no_confidence(tmp_path: Path) -> None:
    text = "Begin Time (s)\tEnd Time (s)\tAnnotation\tConfidence\n1\t2\tx\t5\n2\t3\tx\t0.5\n"
    read = read_annotations(written(tmp_path / "a.txt", text))

    assert [(each.confidence, each.more["Confidence"]) for each in read] == [(None, "5"), (None, "0.5")]
    assert "'Confidence'" in read.notes[0]


def test_an_audacity_track_has_frequencies_in_second_lines(tmp_path: Path) -> None:
    (tmp_path / "rec.flac").touch()
    track = "0.5\t1.5\tcall\n\\\t-1.000000\t6334.5\n2.0\t2.0\tpoint\n3.5\t4.25\tb\twith tab\n\\\t100.0\t-1.000000\n"
    read = read_annotations(written(tmp_path / "rec.txt", track))

    assert read.kind == "audacity"
    assert list(read) == [
        Event(str(tmp_path / "rec.flac"), 0.5, 1.5, "call", None, None, 6334.5),
        Event(str(tmp_path / "rec.flac"), 2.0, 2.0, "point"),
        Event(str(tmp_path / "rec.flac"), 3.5, 4.25, "b\twith tab", None, 100.0),
    ]


def test_what_a_person_said_goes_before_what_kaleidoscope_found(tmp_path: Path) -> None:
    text = (
        "INDIR,FOLDER,IN FILE,CHANNEL,OFFSET,DURATION,Fmin,Fmean,Fmax,TOP1MATCH,MANUAL ID\n"
        "C:\\a,b,x.wav,0,0.1,0.2,1500,2000,2500,robin,wren\nC:\\a,,y.wav,1,5,1,1500,2000,2500,robin,\n"
    )
    read = read_annotations(written(tmp_path / "cluster.csv", text))

    assert list(read) == [
        Event("C:\\a\\b\\x.wav", 0.1, 0.3, "wren", None, 1500, 2500, 1, {"Fmean": "2000", "TOP1MATCH": "robin"}),
        Event("C:\\a\\y.wav", 5, 6, "robin", None, 1500, 2500, 2, {"Fmean": "2000"}),
    ]


def test_frequencies_of_bats_are_in_kilohertz(tmp_path: Path) -> None:
    text = "INDIR,FOLDER,IN FILE,OFFSET,DURATION,AUTO ID*,PULSES,Fmax,Fmin\n/a,,x.wav,0,15,MYOLUC,7,60.5,40\n"

    event = read_annotations(written(tmp_path / "id.csv", text))[0]
    assert (event.label, event.low, event.high) == ("MYOLUC", 40_000, 60_500)


def test_label_studio_tasks_hold_annotations_and_predictions(tmp_path: Path) -> None:
    region = {"type": "labels", "value": {"start": 1, "end": 2.5, "channel": 0, "labels": ["a", "b"]}}
    series = {"type": "timeserieslabels", "value": {"start": 3, "end": 3, "instant": True, "timeserieslabels": ["c"]}}
    other = {"type": "choices", "value": {"choices": ["noisy"]}}
    tasks = [
        {
            "id": 7,
            "data": {"audio": "/data/upload/1/0123abcd-x.wav"},
            "annotations": [{"result": [region, other]}, {"was_cancelled": True, "result": [region]}],
            "predictions": [{"score": 0.5, "result": [series, {**series, "score": 0.75}]}],
        }
    ]
    (tmp_path / "x.wav").touch()
    read = read_annotations(written(tmp_path / "export.json", json.dumps(tasks)))

    sound = str(tmp_path / "x.wav")
    assert list(read) == [
        Event(sound, 1, 2.5, "a", channel=1),
        Event(sound, 1, 2.5, "b", channel=1),
        Event(sound, 3, 3, "c", 0.5),
        Event(sound, 3, 3, "c", 0.75),
    ]


def test_the_short_form_of_label_studio_is_read(tmp_path: Path) -> None:
    tasks = [{"id": 1, "audio": "x.wav", "label": [{"start": 0, "end": 1, "labels": ["a"]}]}]

    assert list(read_annotations(written(tmp_path / "min.json", json.dumps(tasks)))) == [Event("x.wav", 0, 1, "a")]


def test_a_part_of_a_text_is_no_event(tmp_path: Path) -> None:
    region = {"type": "labels", "value": {"start": 0, "end": 4, "text": "Anna", "labels": ["person"]}}
    tasks = [{"data": {"text": "Anna came"}, "annotations": [{"result": [region]}]}]

    with pytest.raises(DataError, match="row 1: a part of a text"):
        read_annotations(written(tmp_path / "ner.json", json.dumps(tasks)))


def test_columns_of_birdnet_are_understood(tmp_path: Path) -> None:
    text = "Start (s),End (s),Scientific name,Common name,Confidence,File\n0,3.0,Parus major,Great Tit,0.81,/a/x.wav\n"

    assert list(read_annotations(written(tmp_path / "x.csv", text))) == [
        Event("/a/x.wav", 0, 3, "Great Tit", 0.81, more={"Scientific name": "Parus major"})
    ]


def test_a_csv_without_times_says_which_columns_it_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no columns start and end.*'text', 'label'"):
        read_annotations(written(tmp_path / "x.csv", "text,label\na,b\n"))


# ---- where the recordings are ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "sound"),
    [
        ("rec.txt", "rec.wav"),
        ("rec.selections.txt", "rec.flac"),
        ("rec.Table.1.selections.txt", "rec.WAV"),
        ("2024.05.01.Table.1.selections.txt", "2024.05.01.wav"),
        ("rec.wav.txt", "rec.wav"),
    ],
)
def test_a_table_is_about_the_recording_beside_it(tmp_path: Path, table: str, sound: str) -> None:
    for name in (sound, "re.wav", "2024.wav"):
        (tmp_path / name).touch()

    assert read_annotations(written(tmp_path / table, "1\t2\tx\n"), "audacity")[0].source == str(tmp_path / sound)


def test_two_recordings_of_one_name_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("rec.wav", "rec.mp3"):
        (tmp_path / name).touch()

    assert read_annotations(written(tmp_path / "rec.txt", "1\t2\tx\n"))[0].source == str(tmp_path / "rec")


def test_a_recording_that_was_moved_is_found_by_its_name_if_there_is_one_only(tmp_path: Path) -> None:
    for place in ("one/a.wav", "one/b.wav", "two/b.wav"):
        written(tmp_path / place, "")
    table = written(tmp_path / "t.csv", "path,start,end\nC:\\old\\a.wav,0,1\nC:\\old\\b.wav,0,1\n")
    for read in (read_annotations(table, root=tmp_path), read_annotations(table)):
        assert [each.source for each in read] == [str(tmp_path / "one/a.wav"), "C:\\old\\b.wav"]
        assert "C:\\old\\b.wav fits 2 recordings, such as" in read.notes[0]
        assert "1 recording, such as C:\\old\\a.wav" in read.notes[1]


def test_of_recordings_of_one_name_the_one_in_the_folder_that_is_named_is_taken(tmp_path: Path) -> None:
    for place in ("here/x/rec.wav", "here/y/rec.wav"):
        written(tmp_path / place, "")
    table = written(tmp_path / "k.csv", "INDIR,FOLDER,IN FILE,OFFSET,DURATION,MANUAL ID\nC:\\field,x,rec.wav,1,2,owl\n")

    unclear = written(tmp_path / "u.csv", "path,start,end,label\nold/rec.wav,1,2,owl\n")

    assert [each.source for each in read_annotations(table)] == [str(tmp_path / "here/x/rec.wav")]
    with pytest.raises(DataError, match="2 recordings fit old/rec.wav, such as .*name one by its folder"):
        load_annotations(unclear)


def test_a_table_without_rows_says_so(tmp_path: Path) -> None:
    table = written(tmp_path / "a.csv", "path,start,end,label\n")
    with pytest.raises(DataError, match="no rows in it"):
        load_annotations(table, "csv")


# ---- bad rows -------------------------------------------------------------------------------------------------------

BAD = {
    "5,4": "ends at 4, before it begins at 5",
    "nan,4": "start is no number but 'nan'",
    "-1,4": "start is -1, which is below 0",
    "one,4": "start is no number but 'one'",
    "1,inf": "end is no number but 'inf'",
    "1,1e999": "end is inf",
    ",4": "no start",
    '"1,5",4': "start is no number but '1,5': write a decimal point",
    "1_0,20": "start is no number but '1_0'",
    "0:12,0:13": "start is no number but '0:12'",
    "1": "1 cells under 2 column names",
    "1,2,3": "3 cells under 2 column names",
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_an_error_or_listed_with_its_number(tmp_path: Path, row: str) -> None:
    path = written(tmp_path / "a.csv", f"start,end\n0.5,1\n{row}\n2,3\n")

    with pytest.raises(DataError, match="row 3: "):
        read_annotations(path)
    read = read_annotations(path, on_error="skip")
    assert [each.start for each in read] == [0.5, 2]
    assert read.rows == (2, 4)
    assert [each.row for each in read.skipped] == [3]
    assert BAD[row] in read.skipped[0].reason


@pytest.mark.parametrize(
    "row",
    ["5\t4\tx", "nan\t4\tx", "-1\t4\tx", "1\tx", "x", "1,5\t4\tx",
     "2\t3\tx\n\\\t500\t100", "2\t3\tx\n\\\t500", "2\t3\tx\n\\\ta\tb"],
)  # fmt: skip
def test_a_bad_label_of_audacity_is_left_out(tmp_path: Path, row: str) -> None:
    path = written(tmp_path / "a.txt", f"0.5\t1\ta\n{row}\n7\t8\tb\n")
    read = read_annotations(path, "audacity", on_error="skip")

    assert [each.label for each in read] == ["a", "b"]
    assert len(read.skipped) == 1


@pytest.mark.parametrize("content", ["{", "[1]", "[{}]", '{"a": 1}', "[" * 100_000, '"x"', "[null]"])
def test_json_that_is_no_list_of_tasks_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="a.json: "):
        read_annotations(written(tmp_path / "a.json", content), "labelstudio")


@pytest.mark.parametrize(
    "value",
    [{"start": 2, "end": 1}, {"start": "x", "end": 1}, {"start": 0}, {"start": 0, "end": 1, "channel": "x"},
     {"start": True, "end": 2}, {"start": [0], "end": 2}, {"start": 10**400, "end": 10**401}],
)  # fmt: skip
def test_a_bad_region_is_left_out(tmp_path: Path, value: dict[str, object]) -> None:
    good = {"type": "labels", "value": {"start": 0, "end": 1, "labels": ["a"]}}
    tasks = [{"data": {"audio": "x"}, "annotations": [{"result": [{"type": "labels", "value": value}, good]}]}]
    read = read_annotations(written(tmp_path / "a.json", json.dumps(tasks)), on_error="skip")

    assert [each.label for each in read] == ["a"]
    assert len(read.skipped) == 1


def test_a_file_with_decimal_commas_throughout_is_read(tmp_path: Path) -> None:
    table = RAVEN.replace("1.5", "1,5").replace("2.25", "2,250").replace("000.0", "000,0")
    read = read_annotations(written(tmp_path / "rec.txt", table))

    assert [(each.start, each.end, each.low) for each in read] == [(1.5, 2.25, 1000), (3, 4, 0)]
    assert "1,5 is 1.5" in read.notes[0]
    mixed = read_annotations(written(tmp_path / "mixed.txt", RAVEN.replace("2.25", "2,250")), on_error="skip")
    assert [each.row for each in mixed.skipped] == [2, 3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"\xff\xfe\xfd", b"PAR1", b"a\tb\n" * 9, b"\n" * 99, b'"'])
def test_a_file_of_something_else_is_an_error_or_holds_nothing(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / f"a.{SUFFIX[kind]}"
    path.write_bytes(content)
    try:
        assert list(read_annotations(path, kind, on_error="skip")) == []
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017  (either is right)


def test_damaged_files_never_end_in_another_error(tmp_path: Path) -> None:
    rng = random.Random(1)
    for kind in KINDS:
        path = tmp_path / f"a.{SUFFIX[kind]}"
        write_annotations(path, thousand()[:20], kind)
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(rng.randrange(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            path.write_bytes(damaged[: rng.randrange(1, len(damaged)) if rng.random() < 0.3 else None])
            try:
                read_annotations(path, kind, on_error="skip")
            except DataError:
                continue


def test_an_unknown_kind_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'mp3' is no format of annotations: choose one of csv, parquet, raven"):
        read_annotations(written(tmp_path / "a.txt", ""), "mp3")
    with pytest.raises(DataError, match="of no format of annotations"):
        read_annotations(written(tmp_path / "b.txt", "Dear diary,\nnothing happened.\n"))


def test_a_parquet_file_keeps_the_kinds_of_further_columns(tmp_path: Path) -> None:
    write_annotations(tmp_path / "a.parquet", [Event("a", 0, 1, more={"n": 3}), Event("b", 0, 1)])

    assert pd.read_parquet(tmp_path / "a.parquet").n.tolist()[0] == 3
    assert read_annotations(tmp_path / "a.parquet")[0].more == {"n": 3}
    with pytest.raises(DataError, match="'n' holds values of several kinds"):
        write_annotations(tmp_path / "b.parquet", [Event("a", 0, 1, more={"n": 3}), Event("b", 0, 1, more={"n": "x"})])
