"""Files of rows as people have them: long cells, archives, Excel, decimal commas, indexes, odd paths and labels."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gridcnn.datasets import load_manifest, load_table
from gridcnn.errors import DataError, GridcnnError

QUICK = ("--epochs", "1", "--kernels", "4", "--quiet")
REVIEWS = "text,label\nlovely film,good\nawful film,bad\n"


def made(folder: Path, name: str, content: str | bytes) -> Path:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


# ----------------------------------------------------------------------------------------------------------- long cells


@pytest.mark.parametrize("name", ["genes.csv", "genes.tsv"])
def test_cells_of_any_length_are_read(tmp_path, name):
    """DNA, and whole documents: the csv module stops at 131,072 characters."""
    mark = "," if name.endswith("csv") else "\t"
    limit = csv.field_size_limit()
    data = load_manifest(
        made(tmp_path, name, f"text{mark}label\n{'acgt' * 50_000}{mark}x\nacgt{mark}y\n"), text="text", label="label"
    )
    assert [len(item) for item in data.items] == [200_000, 4]
    assert csv.field_size_limit() == limit


def test_a_quote_that_does_not_end_is_one_clear_error_in_a_long_file(tmp_path):
    place = made(tmp_path, "x.csv", 'text,label\n"never closed,a\n' + "word,b\n" * 40_000)
    with pytest.raises(DataError, match="double quote"):
        load_manifest(place, text="text", label="label")


# -------------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    "suffix", [".csv.gz", ".tsv.gz", ".jsonl.gz", ".zip", ".xlsx", ".json", ".ndjson", ".parquet", ".CSV"]
)
def test_every_usual_file_of_rows_is_read(tmp_path, suffix):
    """What colleagues send."""
    place = tmp_path / f"reviews{suffix}"
    frame = pd.DataFrame({"text": ["lovely film", "awful film"], "label": ["good", "bad"]})
    lines = "\n".join(json.dumps(row) for row in frame.to_dict("records"))
    if suffix in (".csv.gz", ".tsv.gz", ".CSV"):
        text = REVIEWS.replace(",", "\t") if "tsv" in suffix else REVIEWS
        place.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    elif suffix in (".jsonl.gz", ".ndjson"):
        place.write_bytes(gzip.compress(lines.encode()) if suffix.endswith("gz") else lines.encode())
    elif suffix == ".zip":
        with zipfile.ZipFile(place, "w") as archive:
            archive.writestr("data/reviews.csv", REVIEWS)
            archive.writestr("__MACOSX/data/._reviews.csv", "x")
    elif suffix == ".xlsx":
        frame.to_excel(place, index=False)
    elif suffix == ".json":
        frame.to_json(place, orient="records")
    else:
        frame.to_parquet(place)
    data = load_manifest(place, text="text", label="label")
    assert data.items == ["lovely film", "awful film"]
    assert data.labels.tolist() == ["good", "bad"]


@pytest.mark.parametrize(
    "content",
    [
        {"data": [{"text": "a b", "label": "x"}, {"text": "c", "label": "y"}]},
        {"text": ["a b", "c"], "label": ["x", "y"]},
    ],
)
def test_json_of_the_usual_shapes_is_read(tmp_path, content):
    place = made(tmp_path, "x.json", json.dumps(content))
    assert load_manifest(place, text="text", label="label").items == ["a b", "c"]


def test_an_archive_of_several_files_is_refused_by_name(tmp_path):
    place = tmp_path / "x.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("a.csv", REVIEWS)
        archive.writestr("b.csv", REVIEWS)
    with pytest.raises(DataError, match=r"2 files are in this archive \(a.csv, b.csv\)"):
        load_manifest(place, text="text")


@pytest.mark.parametrize("suffix", [".csv.gz", ".zip", ".xlsx", ".json", ".parquet", ".jsonl", ".csv"])
def test_a_damaged_file_is_one_clear_error(tmp_path, suffix):
    """A download that broke off, or bytes that are something else."""
    rng = np.random.default_rng(0)
    for number in range(20):
        place = made(tmp_path, f"{number}{suffix}", rng.integers(0, 256, 10 * number, dtype=np.uint8).tobytes())
        with pytest.raises(GridcnnError):
            load_manifest(place, text="text")


def test_a_truncated_archive_is_one_clear_error(tmp_path):
    whole = gzip.compress(("text,label\n" + "a b c,x\n" * 5000).encode())
    with pytest.raises(DataError, match="damaged"):
        load_manifest(made(tmp_path, "x.csv.gz", whole[: len(whole) // 2]), text="text")


def test_half_an_emoji_is_kept_and_survives_training(tmp_path, run: Callable):
    r"""A crawler cut texts in the middle of a surrogate pair: "\ud83d"."""
    rows = [{"text": f"good \ud83d number{number % 3}", "label": "a\ud83d"} for number in range(10)]
    rows += [{"text": f"bad word{number % 3}", "label": "b"} for number in range(10)]
    place = made(tmp_path, "x.jsonl", "\n".join(map(json.dumps, rows)))
    assert "\ud83d" in load_manifest(place, text="text").items[0]
    model = tmp_path / "m.safetensors"
    assert run("train", place, "--text", "text", "-o", model, "--epochs", "1", "--quiet").code == 0
    done = run("predict", model, place, "--text", "text")
    assert done.code == 0
    assert "p(a\\ud83d)" in done.out
    assert run("evaluate", model, place, "--text", "text").code == 0


# -------------------------------------------------------------------------------------------------------------- numbers


def columns(folder: Path, text: str) -> pd.DataFrame:
    return load_table(made(folder, "x.csv", text), label="label").items


def test_decimal_commas_are_read_and_that_is_said(tmp_path):
    """Saved by a European Excel."""
    place = made(tmp_path, "x.csv", "a;b;label\n1,5;2;x\n-0,25;1.234,5;y\n;3;x\n")
    data = load_table(place, label="label")
    assert data.items["a"].tolist()[:2] == [1.5, -0.25]
    assert np.isnan(data.items["a"].iloc[2])
    assert data.items["b"].tolist() == [2.0, 1234.5, 3.0]
    assert "decimal commas are read in 2 columns, such as 'a': 1,5 is 1.5" in data.notes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('a,label\n"1,234",x\n"2,500",y\n', 1234.0),
        ('a,b,label\n"1,234",0.5,x\n"2,500",1.5,y\n', 1234.0),
        ("a;label\n1,234;x\n2,500;y\n", 1.234),
        ("a;b;label\n1,234;0,5;x\n2,500;1,5;y\n", 1.234),
        ('a,label\n"1,234.5",x\n"7",y\n', 1234.5),
        ("a;label\n1,234;x\n2,5;y\n", 1.234),
    ],
)
def test_a_comma_before_three_digits_is_read_as_its_file_writes_commas(tmp_path, text, value):
    assert columns(tmp_path, text)["a"].iloc[0] == value


def test_words_among_numbers_stay_what_they_are(tmp_path):
    assert columns(tmp_path, "a,label\n1,x\nn/a,y\n")["a"].tolist() == ["1", "n/a"]


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_index_that_pandas_saves_is_left_out(tmp_path, name):
    data = load_table(made(tmp_path, "x.csv", f"{name},a,label\n0,1.5,x\n1,2.5,y\n"), label="label")
    assert list(data.items.columns) == ["a"]
    assert "numbers the rows" in data.notes[0]


def test_a_first_column_of_measurements_stays_without_a_name(tmp_path):
    assert columns(tmp_path, ",a,label\n0.5,1,x\n1.5,2,y\n").shape == (2, 2)


def test_a_column_of_parts_divides_a_table(tmp_path):
    data = load_table(made(tmp_path, "x.csv", "a,split,label\n1,train,x\n2,Test,y\n"), label="label")
    assert data.split.tolist() == ["train", "test"]
    assert list(data.items.columns) == ["a"]


# ----------------------------------------------------------------------------------------- what a file was not meant as


@pytest.mark.parametrize("extra", ["", ",split", ",id"])
def test_a_table_of_sentences_points_to_text(tmp_path, run: Callable, extra):
    """A csv with the columns text, label, split was called a table in which one column varies."""
    cell = {"": "", ",split": ",train", ",id": ",7"}[extra]
    rows = "".join(f"this is sentence number {number},{'xy'[number % 2]}{cell}\n" for number in range(20))
    done = run("train", made(tmp_path, "x.csv", f"text,label{extra}\n{rows}"), "-o", tmp_path / "m.safetensors")
    assert done.code == 2
    assert "--text text" in done.err


def test_a_table_of_chinese_sentences_points_to_text(tmp_path):
    """No spaces stand between the words."""
    rows = "".join(f"这部电影非常好看{number},{'xy'[number % 2]}\n" for number in range(20))
    with pytest.raises(DataError, match="--text text"):
        load_table(made(tmp_path, "x.csv", f"text,label\n{rows}"), label="label")


def test_a_table_of_files_points_to_path(tmp_path, run: Callable):
    rows = "".join(f"clips/{number}.wav,{'xy'[number % 2]}\n" for number in range(20))
    done = run("check", made(tmp_path, "x.csv", f"file,label\n{rows}"))
    assert done.code == 2
    assert "--path file" in done.err


@pytest.mark.parametrize("first", ["0.5\t1.5\t2", "this film is really very lovely\tgood"])
def test_a_file_without_a_header_is_recognised(tmp_path, run: Callable, first):
    """A tsv from a benchmark: the first row was offered as names of columns."""
    done = run("train", made(tmp_path, "x.tsv", f"{first}\n" * 3), "--text", "text", "-o", tmp_path / "m.safetensors")
    assert done.code == 2
    assert "first row looks like data" in done.err


def test_a_label_in_the_place_of_a_header_shows_that_it_is_missing(tmp_path):
    """Two short sentences and their labels, without names of columns."""
    with pytest.raises(DataError, match="first row looks like data"):
        load_manifest(made(tmp_path, "x.csv", "lovely film,good\nawful film,bad\nnice one,good\n"), text="text")


def test_the_name_of_an_encoding_with_a_zero_byte_is_unknown(tmp_path):
    with pytest.raises(DataError, match="unknown encoding"):
        load_manifest(made(tmp_path, "x.csv", REVIEWS), text="text", encoding="utf\0")


@pytest.mark.parametrize("names", ["400,410,420", "a,b,c", "0,1,2"])
def test_names_of_columns_may_be_a_rising_scale(tmp_path, names):
    """Spectra: wavelengths are names of columns."""
    with pytest.raises(DataError) as caught:
        load_table(made(tmp_path, "x.csv", f"{names}\n1,2,3\n"), label="label")
    assert "looks like data" not in str(caught.value)


def test_rows_that_cannot_be_used_are_listed(tmp_path):
    with pytest.raises(DataError, match=r"none of the 2 rows can be used: row 2: no label; row 3: no text"):
        load_manifest(made(tmp_path, "x.csv", "text,label\na,\n ,b\n"), text="text", label="label", on_error="skip")


def test_an_encoding_is_asked_for_by_its_flag(tmp_path, run: Callable):
    place = made(tmp_path, "x.csv", "text,label\nочень хороший фильм,x\n".encode("cp1251"))
    assert "--encoding" in run("train", place, "--text", "text", "-o", tmp_path / "m.safetensors").err


# --------------------------------------------------------------------------------------------------------------- labels


def test_a_label_column_of_identifiers_is_named(tmp_path, run: Callable):
    rows = "".join(f"{number},{number * 2},id{number}\n" for number in range(60))
    done = run(
        "train", made(tmp_path, "x.csv", f"a,b,name\n{rows}"), "--label", "name", "-o", tmp_path / "m.safetensors"
    )
    assert done.code == 2
    assert "'name'" in done.err
    assert "looks like an identifier or a regression target" in done.err


def test_labels_that_differ_in_case_only_are_pointed_out(tmp_path, run):
    table = made(tmp_path, "x.csv", "text,label\n" + "a,Cat\nb, cat\nc,dog\n" * 2)
    assert load_manifest(table, text="text", label="label").counts == {"Cat": 2, "cat": 2, "dog": 2}
    assert "'Cat' (2) and 'cat' (2)" in run("train", table, "--text", "text", "--dry-run").err


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        (pd.to_datetime(["2020-01-01", "2021-05-06"]), ["2020-01-01 00:00:00", "2021-05-06 00:00:00"]),
        ([True, False], ["True", "False"]),
        (pd.array([1, 2], dtype="Int64"), [1, 2]),
        (pd.Categorical(["a", "b"]), ["a", "b"]),
        ([b"a", b"b"], ["a", "b"]),
        (np.array([1, 2], dtype=np.int8), [1, 2]),
    ],
)
def test_labels_of_a_parquet_file_become_strings_or_integers(tmp_path, labels, read):
    """Dates as labels were saved, and called tampered with when they were loaded."""
    pd.DataFrame({"text": ["a", "b"], "label": labels}).to_parquet(tmp_path / "x.parquet")
    assert load_manifest(tmp_path / "x.parquet", text="text", label="label").labels.tolist() == read


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "written",
    ["pics\\a.png", "pics/a", "{here}/pics/a.png", "file://{here}/pics/a.png", "~/pics/a.png", "./pics/a.png"],
)
def test_a_file_is_found_however_its_path_is_written(tmp_path, monkeypatch, written):
    """Manifests travel between systems."""
    (tmp_path / "pics").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "pics" / "a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    place = made(tmp_path, "list.csv", f"path,label\n{written.format(here=tmp_path)},x\n")
    data = load_manifest(place, path_column="path", label="label")
    assert [item.resolve() for item in data.items] == [(tmp_path / "pics" / "a.png").resolve()]


def test_paths_relative_to_the_working_directory_are_found_and_that_is_said(tmp_path, monkeypatch):
    (tmp_path / "pics").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "pics" / "a.png")
    place = made(tmp_path / "lists", "list.csv", "path,label\npics/a.png,x\n")
    monkeypatch.chdir(tmp_path)
    data = load_manifest(place, path_column="path", label="label")
    assert len(data) == 1
    assert "1 file, such as pics/a.png, not named relative to the folder of the manifest" in data.notes[0]


def test_a_path_that_is_no_valid_url_is_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_manifest(made(tmp_path, "list.csv", "path\nfile://[x/a.png\n"), path_column="path")


def test_a_missing_file_stays_missing(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_manifest(made(tmp_path, "list.csv", f"path,label\n{'x' * 300}.png,x\n"), path_column="path")


# ------------------------------------------------------------------------------------------------------ one bad thing


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_a_row_with_too_many_cells_is_one_bad_row(tmp_path, run: Callable, kind):
    """A comma in a sentence without quotes refused the whole file."""
    rng = np.random.default_rng(0)
    waves = np.sin(np.arange(12) * rng.uniform(0.2, 0.4, (30, 1))).cumsum(axis=1).round(3)
    rows = {
        "texts": ["text,label", *(f"film number {n},{'ab'[n % 2]}" for n in range(30))],
        "numbers": [
            ",".join([*(f"c{n}" for n in range(12)), "label"]),
            *(",".join(map(str, [*row, "ab"[n % 2]])) for n, row in enumerate(waves)),
        ],
    }[kind]
    rows[3] += ",too,many"
    place, model = made(tmp_path, "x.csv", "\n".join(rows)), tmp_path / "m.safetensors"
    columns = ("--text", "text") if kind == "texts" else ()
    options = ("-o", model, "--epochs", "1", "--quiet", *columns, *(() if columns else ("--ordering", "assume")))
    done = run("train", place, *options)
    assert done.code == 0
    assert "row 4: " in done.err
    assert "cells under" in done.err
    assert run("train", place, *options, "--on-error", "raise").code == 2
    done = run("predict", model, place, *columns)
    lines = done.out.splitlines()
    assert len(lines) == 31
    assert "cells under" in lines[3]
    assert done.err.count("1 of 30 items could not be predicted") == 1


def book(place: Path) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.Workbook()
    made.active.title = "cats"
    for name, word in (("cats", "meow"), ("More dogs", "bark")):
        sheet = made[name] if name in made.sheetnames else made.create_sheet(name)
        for row in (["text", "label"], *([f"{word} {at}", f"{name} {at % 2}"] for at in range(6))):
            sheet.append(row)
    made.create_sheet("empty")
    made.save(place)
    return place


def test_one_of_several_filled_sheets_is_named_behind_the_file(tmp_path, run: Callable):
    """A sheet for each class, or for each year."""
    place = book(tmp_path / "book.xlsx")
    data = load_manifest(f"{place}#More dogs", text="text", label="label")

    assert data.items == [f"bark {at}" for at in range(6)]
    assert sorted(data.counts) == ["More dogs 0", "More dogs 1"]
    assert load_table(f"{place}#cats", label="label").items["text"].tolist() == [f"meow {at}" for at in range(6)]
    assert "2 classes: cats 0 3, cats 1 3" in run("train", f"{place}#cats", "--text", "text", "--dry-run").out
    told = f"'cats', 'More dogs'): say which one is meant, such as '{place}#cats'"
    assert told in " ".join(run("train", place, "--text", "text", "--dry-run").err.split())
    assert "there is no such sheet: the file has 'cats', 'More dogs', 'empty'" in run(
        "train", f"{place}#birds", "--text", "text", "--dry-run"
    ).err  # fmt: skip


def test_sheets_of_charts_are_passed_over_and_a_book_of_nothing_else_says_so(tmp_path):
    """A chart sheet without a chart was an AttributeError of openpyxl; one with a chart, alone, an empty table."""
    openpyxl = pytest.importorskip("openpyxl")
    made = openpyxl.load_workbook(book(tmp_path / "book.xlsx"))
    del made["More dogs"]
    made["cats"].sheet_state = "hidden"
    made.create_chartsheet("Sales", 0)
    made.save(tmp_path / "charts.xlsx")
    for name in ("cats", "empty"):
        del made[name]
    made.save(tmp_path / "only.xlsx")

    assert len(load_manifest(tmp_path / "charts.xlsx", text="text", label="label")) == 6
    for name, told in (
        ("charts.xlsx#Sales", "'Sales' holds a chart, a dialog or a macro; the file has 'cats', 'empty': name one"),
        ("only.xlsx", "expected a sheet of cells; 'Sales' holds a chart, a dialog or a macro; the file has none: put"),
        ("charts.xlsx#birds", "there is no such sheet: the file has 'cats', 'empty'"),
        ("charts.xlsx#empty", "no rows: expected one line"),
    ):
        with pytest.raises(DataError, match=re.escape(told)):
            load_manifest(f"{tmp_path / name}", text="text", label="label")


def test_files_that_a_sheet_lists_are_relative_to_the_file_and_a_packed_one_has_sheets_too(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    for at in range(4):
        Image.new("L", (4, 4), at).save(tmp_path / f"{at}.png")
    made = openpyxl.Workbook()
    for name in ("one", "two"):
        sheet = made.create_sheet(name)
        for row in (["path", "label"], *([f"{at}.png", name] for at in range(4))):
            sheet.append(row)
    made.save(tmp_path / "list.xlsx")
    (tmp_path / "list.xlsx.gz").write_bytes(gzip.compress((tmp_path / "list.xlsx").read_bytes()))
    for file in ("list.xlsx#two", "list.xlsx.gz#two"):
        data = load_manifest(tmp_path / file, path_column="path", label="label")
        assert data.items == [tmp_path / f"{at}.png" for at in range(4)]
        assert set(data.labels) == {"two"}


def test_a_file_whose_own_name_has_a_number_sign_is_that_file(tmp_path):
    place = book(tmp_path / "book.xlsx")
    place.rename(tmp_path / "a.xlsx#cats")
    book(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="expected a file that ends in"):
        load_manifest(tmp_path / "a.xlsx#cats", text="text", label="label")


def test_the_line_in_which_excel_notes_the_separator_is_no_header(tmp_path):
    data = load_manifest(made(tmp_path, "x.csv", "sep=;\ntext;label\na;x\n;y\n"), text="text", on_error="skip")
    assert data.items == ["a"]
    assert data.skipped[0].row == 4


@pytest.mark.parametrize("orient", ["columns", "split", "records", "list"])
def test_json_as_pandas_writes_it_is_read(tmp_path, orient):
    frame = pd.DataFrame({"text": ["a b", "c"], "label": ["x", "y"]})
    content = frame.to_dict("list") if orient == "list" else json.loads(frame.to_json(orient=orient))
    assert load_manifest(made(tmp_path, "x.json", json.dumps(content)), text="text").items == ["a b", "c"]


@pytest.mark.parametrize("cell", ["1 234,5", "1\u00a0234,5", "1\u202f234,5"])
def test_spaces_between_thousands_are_read(tmp_path, cell):
    assert columns(tmp_path, f"a;label\n{cell};x\n2,5;y\n")["a"].tolist() == [1234.5, 2.5]


def test_a_zero_byte_is_not_called_an_encoding(tmp_path):
    with pytest.raises(DataError, match="byte 12 is zero"):
        load_manifest(made(tmp_path, "x.csv", b"text,label\na\0b,x\n"), text="text")


@pytest.mark.parametrize("cell", [None, "half an emoji \ud83d here", ["a", "list"]])
def test_json_texts_with_odd_cells_are_still_pointed_to_their_option(cell, tmp_path):
    rows = [{"text": f"a lovely film {number}", "label": "ab"[number % 2]} for number in range(9)]
    lines = "\n".join(json.dumps(row) for row in [*rows, {"text": cell, "label": "a"}])
    with pytest.raises(DataError, match="--text text"):
        load_table(made(tmp_path, "texts.jsonl", lines), label="label")
