"""Segments out of manifests and annotations: what is an item, what is left out, what stays together in a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gridcnn.datasets import load_manifest
from gridcnn.datasets.annotations import write_annotations
from gridcnn.datasets.blocks import blocks_of_time
from gridcnn.datasets.logs import read_log
from gridcnn.datasets.segmented import load_annotations
from gridcnn.errors import DataError
from gridcnn.segments import Event, Segment


def manifest(folder: Path, rows: str, name: str = "m.csv", sounds: tuple[str, ...] = ("a.wav", "b.wav")) -> Path:
    for each in sounds:
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).touch()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(rows, encoding="utf-8")
    return folder / name


# ---- manifests ------------------------------------------------------------------------------------------------------


def test_rows_with_times_are_segments_of_recordings(tmp_path: Path) -> None:
    path = manifest(tmp_path, "file,begin,end,species\na.wav,0.5,2,x\na.wav,1,3.25,y\nb.wav,0,1,x\n")
    data = load_manifest(path, path_column="file", start="begin", end="end", label="species")

    a, b = (str(tmp_path / name) for name in ("a.wav", "b.wav"))
    assert data.items == [Segment(a, 0.5, 2), Segment(a, 1, 3.25), Segment(b, 0, 1)]
    assert data.labels.tolist() == ["x", "y", "x"]
    assert data.modality == "sound"


BAD_TIMES = {
    "2,2": "ends at 2, and begins at 2",
    "3,2": "ends at 2, and begins at 3",
    "-1,2": "below 0",
    "nan,2": "no number but 'nan'",
    "x,2": "no number but 'x'",
    "0,inf": "no number but 'inf'",
    '"1,234",2000': "no number but '1,234'",
    "1_0,20": "no number but '1_0'",
    ",2": "no begin",
    "0,": "no end",
}


@pytest.mark.parametrize("times", BAD_TIMES)
def test_a_row_without_a_beginning_and_a_later_end_is_left_out(tmp_path: Path, times: str) -> None:
    path = manifest(tmp_path, f"file,begin,end\na.wav,0,1\na.wav,{times}\n")
    data = load_manifest(path, path_column="file", start="begin", end="end", on_error="skip")

    assert data.items == [Segment(str(tmp_path / "a.wav"), 0, 1)]
    assert data.skipped[0].row == 3
    assert BAD_TIMES[times] in data.skipped[0].reason
    with pytest.raises(DataError, match="row 3: "):
        load_manifest(path, path_column="file", start="begin", end="end")


def test_a_missing_recording_is_left_out(tmp_path: Path) -> None:
    path = manifest(tmp_path, "file,begin,end\na.wav,0,1\nno.wav,0,1\n")
    data = load_manifest(path, path_column="file", start="begin", end="end", on_error="skip")

    assert [each.row for each in data.skipped] == [3]
    assert len(data) == 1


def test_decimal_commas_of_a_semicolon_file_are_read(tmp_path: Path) -> None:
    path = manifest(tmp_path, "file;begin;end\na.wav;0,5;1,25\n")

    assert load_manifest(path, path_column="file", start="begin", end="end").items[0].end == 1.25


def test_a_beginning_without_an_end_is_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, "file,begin,end\na.wav,0,1\n")

    with pytest.raises(DataError, match="start and end go together"):
        load_manifest(path, path_column="file", start="begin")
    with pytest.raises(DataError, match="no column 'stop'"):
        load_manifest(path, path_column="file", start="begin", end="stop")


def test_pictures_have_no_time(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    path = manifest(tmp_path, "file,begin,end\na.png,0,1\n")

    with pytest.raises(DataError, match="these are pictures"):
        load_manifest(path, path_column="file", start="begin", end="end")


def test_words_of_a_text_are_counted_from_0_and_the_end_is_not_one_of_them(tmp_path: Path) -> None:
    path = manifest(tmp_path, "text,from,to\nwhat a  fine day,0,2\nwhat a  fine day,2,4\nother words,1,2\n")
    data = load_manifest(path, text="text", start="from", end="to")

    assert data.items == ["what a", "fine day", "words"]
    assert data.modality == "text"


@pytest.mark.parametrize(
    ("times", "reason"), [("1,5", "has 4 words"), ("4,5", "has 4 words"), ("0.5,2", "whole numbers")]
)
def test_words_that_are_not_there_are_no_item(tmp_path: Path, times: str, reason: str) -> None:
    path = manifest(tmp_path, f"text,from,to\none two three four,0,1\none two three four,{times}\n")
    data = load_manifest(path, text="text", start="from", end="to", on_error="skip")

    assert data.items == ["one"]
    assert reason in data.skipped[0].reason


def test_segments_of_one_text_stay_together(tmp_path: Path) -> None:
    rows = "".join(f"text number {number} has words,{at},{at + 2}\n" for number in range(6) for at in (0, 1, 3))
    data = load_manifest(manifest(tmp_path, f"text,from,to\n{rows}"), text="text", start="from", end="to")

    assert len(set(data.groups)) == 6
    assert [len(set(data.groups[at : at + 3])) for at in range(0, 18, 3)] == [1] * 6


# ---- logs -----------------------------------------------------------------------------------------------------------


def log(folder: Path, name: str, n_samples: int = 100, n_channels: int = 2) -> np.ndarray:
    values = np.arange(n_samples * n_channels, dtype=float).reshape(n_samples, n_channels)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values.T)
    elif path.suffix == ".npz":
        np.savez_compressed(path, values.T)
    else:
        frame = pd.DataFrame(values, columns=[f"sensor{at}" for at in range(n_channels)])
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return values.T


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy", "npz"])
def test_segments_of_logs_are_series_of_samples(tmp_path: Path, suffix: str) -> None:
    values = log(tmp_path, f"a.{suffix}")
    path = manifest(tmp_path, f"log,first,last,kind\na.{suffix},10,20,x\na.{suffix},30,45,y\n")
    data = load_manifest(path, path_column="log", start="first", end="last", label="kind")

    assert (data.modality, data.axes, data.items.shape) == ("array", ("channels", "length"), (2, 2, 15))
    np.testing.assert_array_equal(data.items[0, :, :10], values[:, 10:20])
    np.testing.assert_array_equal(data.items[1], values[:, 30:45])
    assert np.isnan(data.items[0, :, 10:]).all()


def test_a_log_of_one_channel_has_no_axis_of_channels(tmp_path: Path) -> None:
    values = log(tmp_path, "a.csv", n_channels=1)
    path = manifest(tmp_path, "log,first,last\na.csv,10,20\n")
    data = load_manifest(path, path_column="log", start="first", end="last")

    assert data.axes == ("length",)
    np.testing.assert_array_equal(data.items, values[:, 10:20])


def test_whole_logs_are_items_without_times(tmp_path: Path) -> None:
    values = [log(tmp_path, "a.npy", 20), log(tmp_path, "b.npy", 30)]
    data = load_manifest(manifest(tmp_path, "log,kind\na.npy,x\nb.npy,y\n"), path_column="log", label="kind")

    assert data.items.shape == (2, 2, 30)
    np.testing.assert_array_equal(data.items[1], values[1])
    assert data.groups is None


def test_each_log_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(tmp_path, "a.csv")
    read: list[str] = []
    monkeypatch.setattr(
        "gridcnn.datasets.manifest_segments.read_log", lambda path: (read.append(str(path)), read_log(path))[1]
    )
    rows = "".join(f"a.csv,{at},{at + 5}\n" for at in range(50))
    load_manifest(manifest(tmp_path, f"log,first,last\n{rows}"), path_column="log", start="first", end="last")

    assert read == [str(tmp_path / "a.csv")]


def test_logs_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    log(tmp_path, "a.csv")
    log(tmp_path, "three.csv", n_channels=3)
    (tmp_path / "words.csv").write_text("x,y\n1,on\n2,off\n")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': [")
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object))
    names = ["a.csv", "three.csv", "words.csv", "broken.npy", "objects.npy", "none.csv", "a.csv", "a.csv", "a.csv"]
    times = [(0, 5)] * 6 + [(99, 101), (2.5, 4), (95, 100)]
    rows = "".join(f"{name},{first},{last}\n" for name, (first, last) in zip(names, times, strict=True))
    path = manifest(tmp_path, f"log,first,last\n{rows}")
    data = load_manifest(path, path_column="log", start="first", end="last", on_error="skip")

    assert len(data) == 2
    assert sorted(each.row or 0 for each in data.skipped) == [3, 4, 5, 6, 7, 8, 9]
    reasons = " ".join(each.reason for each in data.skipped)
    for expected in ("3 channels, and others have 2", "'y' are none", "as an array", "no such file", "has 100 samples"):
        assert expected in reasons


def test_a_log_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", np.zeros(2**24))

    with pytest.raises(DataError, match="times its size"):
        read_log(tmp_path / "zeros.npz")


def test_a_log_with_a_damaged_row_is_not_read_without_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3\n5,6\n")

    with pytest.raises(DataError, match=r"a\.csv, row 3: 1 cells"):
        read_log(tmp_path / "a.csv")


# ---- what stays together --------------------------------------------------------------------------------------------


def test_a_recording_stays_together_if_there_are_five() -> None:
    names = [f"{at % 5}.wav" for at in range(20)]

    assert blocks_of_time(names, list(range(20)), list(range(1, 21))).tolist() == names


def test_fewer_recordings_are_cut_into_blocks_of_about_ten() -> None:
    starts = np.arange(200.0)
    blocks = blocks_of_time(["a.wav"] * 200, starts.tolist(), (starts + 0.5).tolist())
    names, counts = np.unique(blocks, return_counts=True)

    assert len(names) == 10
    assert counts.min() >= 10
    assert (np.diff([blocks.tolist().index(name) for name in dict.fromkeys(blocks)]) > 0).all()


def test_blocks_begin_at_the_widest_gaps() -> None:
    starts = [at + (100 if at >= 23 else 0) for at in range(40)]
    blocks = blocks_of_time(["a.wav"] * 40, starts, [start + 0.5 for start in starts])

    assert blocks[22] != blocks[23]


@pytest.mark.parametrize("seed", range(20))
def test_segments_that_overlap_are_in_one_block(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0, 300, 150).round(1)
    ends = starts + rng.exponential(3, 150).round(1) + 0.1
    blocks = blocks_of_time(["a.wav"] * 150, starts.tolist(), ends.tolist())

    for at in range(150):
        overlapping = (starts < ends[at]) & (ends > starts[at])
        assert set(blocks[overlapping]) == {blocks[at]}
    assert len(set(blocks)) > 1


def test_segments_that_all_overlap_are_one_block() -> None:
    assert len(set(blocks_of_time(["a.wav"] * 30, list(range(30)), [40] * 30))) == 1


def test_a_given_group_goes_before_blocks_of_time(tmp_path: Path) -> None:
    path = manifest(tmp_path, "file,begin,end,site\na.wav,0,1,n\na.wav,2,3,s\n")
    data = load_manifest(path, path_column="file", start="begin", end="end", group="site")

    assert data.groups.tolist() == ["n", "s"]
    assert data.notes == ()


# ---- annotations ----------------------------------------------------------------------------------------------------

HEAD = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\tSite\tPart\n"


def test_a_folder_of_selection_tables_is_a_set_of_segments(tmp_path: Path) -> None:
    manifest(
        tmp_path, HEAD + "1\t0\t1\tx\tn\ttrain\n2\t5\t6\ty\ts\ttest\n", "one/a.Table.1.selections.txt", ("one/a.wav",)
    )
    manifest(tmp_path, HEAD + "1\t2\t3\tx\tn\ttrain\n", "two/b.txt", ("two/b.flac",))
    manifest(tmp_path, "Dear diary, …\n", "README.txt", ())
    data = load_annotations(tmp_path, "raven")

    a, b = str(tmp_path / "one/a.wav"), str(tmp_path / "two/b.flac")
    assert data.items == [Segment(a, 0, 1), Segment(a, 5, 6), Segment(b, 2, 3)]
    assert data.labels.tolist() == ["x", "y", "x"]
    assert [Path(each.item).name for each in data.skipped] == ["README.txt"]
    assert "stretches of time are on one side" in data.split_notes[0]
    by_site = load_annotations(tmp_path, "raven", group="Site", split="Part")
    assert (by_site.groups.tolist(), by_site.split.tolist()) == (["n", "s", "n"], ["train", "test", "train"])


def test_the_format_is_told_from_each_file_if_nobody_says_it(tmp_path: Path) -> None:
    manifest(tmp_path, HEAD + "1\t0\t1\tx\t\t\n", "a.txt", ("a.wav",))
    manifest(tmp_path, "4\t5\ty\n", "b.txt", ("b.wav",))
    write_annotations(tmp_path / "c.json", [Event("c.wav", 0, 1, "z")])
    manifest(tmp_path, "no annotations\n", "LICENCE.txt", ("c.wav",))

    assert load_annotations(tmp_path).labels.tolist() == ["x", "y", "z"]


def test_one_table_without_its_recording_loses_its_rows_only(tmp_path: Path) -> None:
    manifest(tmp_path, HEAD + "1\t0\t1\tx\t\t\n", "a.txt", ("a.wav",))
    manifest(tmp_path, HEAD + "1\t0\t1\tx\t\t\n2\t1\t2\tx\t\t\n", "gone.txt", ())
    manifest(tmp_path, HEAD + "1\tx\t1\tx\t\t\n2\t0\t1\t\t\t\n3\t1\t1\tx\t\t\n4\t2\t3\ty\t\t\n", "b.txt", ("b.wav",))
    data = load_annotations(tmp_path, "raven", on_error="skip")

    assert data.labels.tolist() == ["x", "y"]
    assert sorted((Path(each.item).name.split(",")[0], each.row) for each in data.skipped) == [
        ("b.txt", 2), ("b.txt", 3), ("b.txt", 4), ("gone.txt", 2), ("gone.txt", 3)
    ]  # fmt: skip
    with pytest.raises(DataError, match="row 2: "):
        load_annotations(tmp_path, "raven")


def test_a_file_that_cannot_be_read_is_listed_among_others(tmp_path: Path) -> None:
    manifest(tmp_path, HEAD + "1\t0\t1\tx\t\t\n", "a.txt", ("a.wav",))
    manifest(tmp_path, "Selection\tBegin Time (s)\tBegin Time (s)\n1\t2\t3\n", "b.txt")

    assert [Path(each.item).name for each in load_annotations(tmp_path, on_error="skip").skipped] == ["b.txt"]
    with pytest.raises(DataError, match="no Raven selection table"):
        load_annotations(tmp_path)


def test_recordings_in_another_folder_are_found_by_their_names(tmp_path: Path) -> None:
    manifest(tmp_path, "path,start,end,label\nD:\\nights\\a.wav,0,1,x\n", "tables/all.csv", ("sounds/a.wav",))
    data = load_annotations(tmp_path, "csv")

    assert data.items == [Segment(str(tmp_path / "sounds/a.wav"), 0, 1)]
    assert "found by name" in data.notes[0]


def test_a_folder_without_annotations_says_what_is_expected(tmp_path: Path) -> None:
    manifest(tmp_path, "hello\n", "a.md")
    with pytest.raises(DataError, match=r"no file of annotations in the format raven in it.*rec\.Table\.1\.selections"):
        load_annotations(tmp_path, "raven")
    manifest(tmp_path, HEAD, "a.txt")
    with pytest.raises(DataError, match="no annotated segment of a recording in it"):
        load_annotations(tmp_path, "raven")
