"""Tables, archives and folders that are damaged, or made to harm, as mutants of valid files found them."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridcnn.adapters.tokens import characters, words
from gridcnn.datasets import limits, list_media_files, load_folder, load_manifest, load_table
from gridcnn.datasets.arrays import load_array
from gridcnn.datasets.excel import read_excel
from gridcnn.datasets.folder import read_document
from gridcnn.datasets.json_rows import json_row
from gridcnn.datasets.media import walk
from gridcnn.datasets.numerals import as_numbers
from gridcnn.datasets.parquet import read_parquet
from gridcnn.datasets.tables import read_table
from gridcnn.datasets.unpacking import unpacked
from gridcnn.errors import ConfigurationError, DataError, GridcnnError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "hostile"))

CSV = "text,label\n" + "".join(f"row {n} of a table {n},l{n}\n" for n in range(12))


def made(folder: Path, name: str, content: str | bytes) -> Path:
    place = folder / name
    place.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return place


# -------------------------------------------------------------------------------------------- no row is lost or shifted


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(11, len(CSV) - 1), bit=st.integers(0, 6))
def test_a_bit_that_flips_shifts_no_row_and_no_label(tmp_path_factory, at, bit):
    """Row 7 keeps its label, or is left out; a damaged file is refused, or loses the rows that are damaged."""
    data = bytearray(CSV.encode())
    data[at] ^= 1 << bit
    place = made(tmp_path_factory.mktemp("x"), "x.csv", bytes(data))
    try:
        read = load_manifest(place, text="text", label="label", on_error="skip")
    except GridcnnError:
        return
    whole = {f"row {n} of a table {n}": f"l{n}" for n in range(12)}
    pairs = list(zip(read.items, map(str, read.labels), strict=True))
    wrong = [pair for pair in pairs if pair[0] in whole and whole[pair[0]] != pair[1] and pair[1] in whole.values()]
    in_a_label = sum(label in whole.values() for _, label in pairs) < len(pairs)
    assert not wrong or (len(wrong) == 1 and not in_a_label), "a digit of a label may flip into another digit"
    assert len(read) + len(read.skipped) >= 10


@pytest.mark.parametrize("row", ["b", "b,x,too much"])
def test_a_row_with_another_number_of_cells_is_left_out_by_its_number(tmp_path, row):
    """Its id was lost, and the label stood in the column of texts: it was answered."""
    place = made(tmp_path, "x.csv", f"text,label\na,x\n{row}\nc,y\n")
    data = load_manifest(place, text="text", on_error="skip")
    assert data.items == ["a", "c"]
    assert [each.row for each in data.skipped] == [3]
    assert "cells under 2 column names" in data.skipped[0].reason


def test_an_empty_line_is_a_row_without_cells(tmp_path):
    data = load_manifest(made(tmp_path, "x.csv", "text,label\na,x\n\nc,y\n"), text="text", on_error="skip")
    assert [(each.row, each.reason) for each in data.skipped] == [(3, "no text")]


def test_a_line_that_is_no_json_costs_one_row(tmp_path):
    lines = ['{"text": "a"}', '{"text": "b"', '{"text": "c", "text": "d"}', "[1]", '{"text": "e"}']
    data = load_manifest(made(tmp_path, "x.jsonl", "\n".join(lines)), text="text", on_error="skip")
    assert data.items == ["a", "e"]
    assert [each.row for each in data.skipped] == [2, 3, 4]
    assert "stands in one object twice" in data.skipped[1].reason
    with pytest.raises(DataError, match="row 2"):
        load_manifest(tmp_path / "x.jsonl", text="text")


def test_an_empty_cell_of_a_single_column_in_excel_shifts_no_row(tmp_path):
    """pandas leaves such rows out, and counts on."""
    buffer = io.BytesIO()
    pd.DataFrame({"text": ["a", None, "c"]}).to_excel(buffer, index=False)
    data = load_manifest(made(tmp_path, "x.xlsx", buffer.getvalue()), text="text", on_error="skip")
    assert data.items == ["a", "c"]
    assert [each.row for each in data.skipped] == [3]


def test_numbers_and_errors_of_excel_are_read_as_it_shows_them(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["a", "b", None], [3.0, "#DIV/0!", "beside"], [2.5, True, None]):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    table = read_excel(buffer.getvalue(), tmp_path / "x.xlsx")
    assert table.columns.tolist() == ["a", "b", ""]
    assert table.to_numpy().tolist() == [[3, None, "beside"], [2.5, True, None]]
    assert table.index.tolist() == [2, 3]


@pytest.mark.parametrize("content", [
    {"columns": 5, "data": [1]}, {"columns": ["text"], "data": [5]}, {"columns": ["text"], "data": [["a", "b"]]},
    {"columns": ["text", "text"], "data": [["a", "b"]]},
])  # fmt: skip
def test_json_that_is_only_like_that_of_pandas_is_one_clear_error(tmp_path, content):
    with pytest.raises(DataError):
        load_manifest(made(tmp_path, "x.json", json.dumps(content)), text="text")


def test_utf_8_with_one_byte_of_another_encoding_is_not_read_as_that_encoding(tmp_path):
    """Every apostrophe became â€™ in all rows, since one of them was cut."""
    text = "text,label\n" + "it’s fine,a\nvoilà,b\n" * 30
    with pytest.raises(DataError, match="UTF-8, but for bytes such as"):
        load_manifest(made(tmp_path, "x.csv", text.encode() + b"caf\xe9,a\n"), text="text")
    western = ("text,label\n" + "un café très chaud,a\n" * 30).encode("cp1252")
    assert load_manifest(made(tmp_path, "y.csv", western), text="text").items[0] == "un café très chaud"


# ------------------------------------------------------------------------------------------ what would become too large


def test_a_packed_table_that_unpacks_to_many_times_its_size_is_refused(tmp_path, monkeypatch):
    content = b"text,label\n" + b"a,b\n" * 25_000_000
    place = made(tmp_path, "x.csv.gz", gzip.compress(content, 1))
    with pytest.raises(DataError, match="GRIDCNN_MAX_EXPANSION"):
        read_table(place, None)
    monkeypatch.setenv("GRIDCNN_MAX_EXPANSION", "0.5")
    small = made(tmp_path, "y.csv.gz", gzip.compress(b"text,label\na,b\n"))
    assert len(read_table(small, None)) == 1, "a small file may always be read"
    monkeypatch.setenv("GRIDCNN_MAX_EXPANSION", "much")
    with pytest.raises(ConfigurationError, match="GRIDCNN_MAX_EXPANSION must be a number"):
        read_table(place, None)


def test_the_number_of_cells_is_limited_and_the_message_says_how_to_allow_more(tmp_path, monkeypatch):
    place = made(tmp_path, "x.csv", "a,b\n" + "1,2\n" * 100)
    monkeypatch.setenv("GRIDCNN_MAX_CELLS", "50")
    with pytest.raises(DataError, match="more than 50 cells .* GRIDCNN_MAX_CELLS"):
        load_table(place)
    monkeypatch.setenv("GRIDCNN_MAX_CELLS", "500")
    assert len(load_table(place)) == 100


@pytest.mark.parametrize(("rows", "groups", "entry"), [(20_000, 2, "a"), (1000, 1, "x" * 10_000)])
def test_a_small_parquet_file_of_many_rows_or_bytes_is_refused(tmp_path, monkeypatch, rows, groups, entry):
    monkeypatch.setenv("GRIDCNN_MAX_CELLS", "100000")
    monkeypatch.setattr(limits, "FREE", 2**18)
    column = pa.array([entry]).take(pa.array(np.zeros(rows, np.int32)))
    table, buffer = pa.table({"text": column, "b": column, "c": column}), io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table)
    with pytest.raises(DataError, match="GRIDCNN_MAX"):
        read_parquet(buffer, tmp_path / "x.parquet")


def test_objects_with_a_key_of_their_own_each_are_no_table(tmp_path):
    lines = "".join(f'{{"k{n}": 1}}\n' for n in range(20_000))
    with pytest.raises(DataError, match="GRIDCNN_MAX"):
        read_table(made(tmp_path, "x.jsonl", lines), None)
    columns = {f"c{n}": {f"r{n}": 1} for n in range(20_000)}
    with pytest.raises(DataError, match="GRIDCNN_MAX"):
        read_table(made(tmp_path, "x.json", json.dumps(columns)), None)


def sheet(content: str, before: str = "") -> bytes:
    buffer, packed = io.BytesIO(), io.BytesIO()
    pd.DataFrame({"text": ["a"]}).to_excel(buffer, index=False)
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(buffer) as book, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in book.namelist():
            changed = f'{before}<worksheet xmlns="{space}"><sheetData>{content}</sheetData></worksheet>'
            archive.writestr(name, changed if name.endswith("sheet1.xml") else book.read(name))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "before", "said"),
    [
        ('<row r="1"><c r="A1" t="str"><v>&a;</v></c></row>', '<!DOCTYPE x [<!ENTITY a "aaaa">]>', "invalid XML"),
        ('<row r="1"><c r="XFD1"><v>1</v></c></row><row r="40000"><c r="A40000"><v>1</v></c></row>', "", "GRIDCNN_MAX"),
        ('<row r="1"><c r="XFD1"><v>1</v></c></row><row r="99999999999"><c r="A2"/></row>', "", "GRIDCNN_MAX"),
        (" " * 2**26, "", "GRIDCNN_MAX"),
    ],
    ids=["entities", "sparse", "endless", "spaces"],
)  # fmt: skip
def test_excel_files_that_would_fill_the_memory_are_refused(tmp_path, content, before, said):
    with pytest.raises(DataError, match=said):
        read_excel(sheet(content, before), tmp_path / "x.xlsx")


def test_a_million_empty_lines_are_a_damaged_file(tmp_path):
    with pytest.raises(DataError, match="empty lines in a row"):
        read_table(made(tmp_path, "x.csv", "a,b\n" + "\n" * 1_000_010 + "1,2\n"), None)


def test_a_table_of_many_thousand_columns_is_read_at_once():
    """A column after another took ten minutes for a million."""
    cells = np.array([["1", "2.5"] * 20_000, ["", "3"] * 20_000], dtype=object)
    read, _ = as_numbers(pd.DataFrame(cells, dtype=object))
    assert read.shape == (2, 40_000)
    assert read.iloc[0, :4].tolist() == [1, 2.5, 1, 2.5]
    assert np.isnan(read.iloc[1, 0])


def test_columns_keep_their_order_and_kind_whatever_is_between_them():
    table = pd.DataFrame([["1", "x", "2.5", 4.5, "10"], ["2", "", " ", 1.0, "3"]], columns=list("abcda"), dtype=object)
    table["d"] = table["d"].astype(float)
    read, _ = as_numbers(table)
    assert read.columns.tolist() == list("abcda")
    assert [kind.kind for kind in read.dtypes] == ["i", "O", "f", "f", "i"]
    assert read.iloc[0].tolist() == [1, "x", 2.5, 4.5, 10]


def test_an_integer_that_no_float_holds_is_infinite(tmp_path):
    """OverflowError, from JSON."""
    lines = '{"a": 1%s, "b": 1, "c": 2}\n{"a": 2, "b": [3], "c": true}\n' % ("0" * 400)
    read = load_table(made(tmp_path, "x.jsonl", lines)).items
    assert read["a"].tolist() == [np.inf, 2]


def test_names_in_messages_are_short(tmp_path):
    with pytest.raises(DataError) as caught:
        load_manifest(made(tmp_path, "x.csv", f"{'a' * 100_000},label\nb,c\n"), text="text")
    assert len(str(caught.value)) < 1000
    place = made(tmp_path, "y.csv", f"path,label\n{'a' * 100_000}.png,c\n")
    with pytest.raises(DataError) as caught:
        load_manifest(place, path_column="path")
    assert len(str(caught.value)) < 1000


# ------------------------------------------------------------------------------------------------------- damaged files


def parquet(**options: object) -> bytearray:
    buffer = io.BytesIO()
    pd.DataFrame({"text": ["aaaa", "bbbb", "cccc"], "n": [1.0, 2.0, 3.0]}).to_parquet(buffer, **options)
    return bytearray(buffer.getvalue())


def test_a_text_of_parquet_that_is_no_utf_8_is_one_clear_error(tmp_path):
    """ArrowException, long after the file was read."""
    data = parquet(compression=None, use_dictionary=False)
    data[data.index(b"bbbb") + 1] = 0xFF
    with pytest.raises(DataError, match="not a readable parquet file"):
        read_parquet(io.BytesIO(data), tmp_path / "x.parquet")


def test_no_byte_of_a_parquet_file_ends_the_process(tmp_path):
    """Arrow 26 ends the process if it is asked for the sizes of some damaged columns."""
    data = parquet(write_page_checksum=True)
    for at in range(0, len(data), 7):
        damaged = data.copy()
        damaged[at] ^= 4
        try:
            table = read_parquet(io.BytesIO(damaged), tmp_path / "x.parquet")
        except GridcnnError:
            continue
        assert table.index.tolist() == [1, 2, 3]


def test_a_page_of_parquet_of_an_unknown_kind_is_refused(tmp_path):
    """Arrow took 1.6 GB to pass over it, and 2.1 GB for one that claimed to be packed into as many."""
    data = parquet()
    assert data[4:6] == b"\x15\x04", "the first field of the first page: its kind, a dictionary"
    data[5] = 0x7F
    with pytest.raises(DataError, match="impossible kind"):
        read_parquet(io.BytesIO(data), tmp_path / "x.parquet")
    data = parquet()
    data[9] ^= 0x80  # the packed size has another byte now
    with pytest.raises(DataError):
        read_parquet(io.BytesIO(data), tmp_path / "x.parquet")


@pytest.mark.parametrize("descr", ["'|O'", "'<U3'", "[('a', '<f8')]", "'<M8[s]'", "'<c16'"])
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, descr):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (2, 2), }}".ljust(117) + "\n"
    place = made(tmp_path, "x.npy", b"\x93NUMPY\x01\x00v\x00" + header.encode() + bytes(96))
    with pytest.raises(DataError, match="save it as numbers"):
        load_array(place)


@pytest.mark.parametrize("shape", ["(1000000000, 1000)", "(-1, 4)", "()", "(0, 4611686018427387904)", "((" + "(" * 40])
def test_the_shape_of_an_array_is_not_believed(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with pytest.raises(DataError):
        load_array(made(tmp_path, "x.npy", b"\x93NUMPY\x01\x00v\x00" + header.encode() + bytes(96)))


def test_several_arrays_in_one_file_and_an_empty_file_are_errors_in_one_line(tmp_path, run: Callable):
    """AttributeError, EOFError: a fault of gridcnn."""
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros((9, 3)))
    assert "several arrays" in run("check", made(tmp_path, "x.npy", buffer.getvalue())).err
    done = run("check", made(tmp_path, "y.npy", b""))
    assert (done.code, len(done.err.splitlines())) == (2, 1)


def test_a_key_of_json_stands_once():
    with pytest.raises(ValueError, match="'a' stands in one object twice"):
        json_row('{"a": 1, "b": {"a": 2}, "a": 3}')
    assert json_row('{"a": 1, "b": {"a": 2}}') == {"a": 1, "b": {"a": 2}}


# ------------------------------------------------------------------------------------------------ folders and archives


def tar(*members: tarfile.TarInfo, packed: bool = False, end: bool = True) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    data = buffer.getvalue() if end else buffer.getvalue().rstrip(b"\0") + bytes(400)
    return gzip.compress(data, mtime=0) if packed else data


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    made_ = tarfile.TarInfo(name)
    made_.type, made_.size, made_.linkname = kind, size, link
    return made_


def test_links_and_devices_in_an_archive_are_left_out_and_that_is_said(tmp_path):
    """A chain of links leads out of the folder with the tarfile of Python before 3.11.13, in spite of its filter."""
    place = made(
        tmp_path, "x.tar",
        tar(member("a/1.txt", size=3), member("a/out", tarfile.SYMTYPE, link="/"), member("a/out/etc/x"),
            member("p", tarfile.FIFOTYPE), member("h", tarfile.LNKTYPE, link="a/1.txt")),
    )  # fmt: skip
    with pytest.warns(UserWarning, match="3 links and devices in it are left out, such as a/out"):
        folder = unpacked(place)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "a/1.txt",
        "a/out/etc/x",
    ]


def test_an_archive_that_stops_early_is_damaged(tmp_path):
    """tarfile ends without a word where a header is damaged, or missing."""
    whole = tar(member("a/1.txt", size=3), member("a/2.txt", size=3), member("b/3.txt", size=3))
    cut = whole[: 2 * 1024]
    broken = bytearray(whole)
    broken[1024 + 10] ^= 1
    packed = bytearray(gzip.compress(whole, mtime=0))
    packed[-6] ^= 1  # in the checksum
    for number, data in enumerate((cut, bytes(broken))):
        with pytest.raises(DataError, match="damaged"):
            unpacked(made(tmp_path, f"{number}.tar", data))
    with pytest.raises(DataError, match="damaged"):
        unpacked(made(tmp_path, "x.tar.gz", bytes(packed)))


@pytest.mark.parametrize("cut", [bytes.partition, bytes.rpartition], ids=["before the file", "in the list"])
def test_a_name_in_a_zip_that_is_not_the_utf8_it_claims_to_be_is_damage(tmp_path, cut):
    """One changed byte of a name was a UnicodeDecodeError."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("é.csv", "a,b\n1,2\n")
    before, _, after = cut(buffer.getvalue(), "é".encode())
    with pytest.raises(DataError, match="a name in it is damaged"):
        load_table(made(tmp_path, "x.zip", before + b"\xf0\xff" + after))


def test_a_file_in_a_zip_that_is_said_to_be_there_and_is_not_is_damage(tmp_path):
    """zipfile reads nothing, and says nothing, if sizes and checksum are blank."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/1.txt", "some text")
        archive.writestr("b/2.txt", "some other text")
    data = bytearray(buffer.getvalue())
    at = data.index(b"PK\x01\x02")
    data[at + 16 : at + 24] = bytes(8)  # checksum and packed size
    with pytest.raises(DataError, match="incomplete"):
        unpacked(made(tmp_path, "x.zip", bytes(data)))


def test_a_list_of_files_in_a_zip_that_stops_early_is_damage(tmp_path):
    """The comment of the first file was said to be so long that it swallowed the others."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("a/1.txt", "b/2.txt", "b/3.txt"):
            archive.writestr(name, "some text")
    data = bytearray(buffer.getvalue())
    data[data.index(b"PK\x01\x02") + 33] = 12
    with pytest.raises(DataError, match="its list ends after 1 files"):
        unpacked(made(tmp_path, "x.zip", bytes(data)))


def test_a_long_name_in_an_archive_is_not_read_into_memory(tmp_path):
    head = member("a", tarfile.GNUTYPE_LONGNAME, 2**31).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(DataError, match="a header of"):
        unpacked(made(tmp_path, "x.tar.gz", gzip.compress(head + bytes(10**6))))


def test_pipes_and_links_to_devices_are_no_items(tmp_path):
    """Opening a pipe waits for ever, and /dev/zero never ends."""
    for label in "ab":
        (tmp_path / "t" / label).mkdir(parents=True)
        made(tmp_path / "t" / label, "1.txt", f"a text of {label}")
    os.mkfifo(tmp_path / "t" / "a" / "pipe.txt")
    (tmp_path / "t" / "b" / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "t" / "b" / "nowhere.txt").symlink_to(tmp_path / "missing")
    data = load_folder(tmp_path / "t")
    assert len(data) == 2
    assert len(data.skipped) == 3
    assert all("no plain file" in each.reason for each in data.skipped)
    with pytest.raises(DataError, match="no plain file"):
        read_document(tmp_path / "t" / "a" / "pipe.txt")
    (tmp_path / "m").mkdir()
    made(tmp_path / "m", "x.png", b"\x89PNG\r\n\x1a\n")
    os.mkfifo(tmp_path / "m" / "y.png")
    listed = list_media_files(tmp_path / "m")
    assert [path.name for path in listed.items] == ["x.png"]
    assert "no plain file" in listed.skipped[0].reason


def test_a_ladder_of_links_is_climbed_once(tmp_path):
    """Forty steps of two links each are a million million paths."""
    for number in range(40):
        (tmp_path / str(number)).mkdir()
    for number in range(39):
        for side in "xy":
            (tmp_path / str(number) / side).symlink_to(tmp_path / str(number + 1))
    made(tmp_path / "39", "1.txt", "a")
    assert len(list(walk(tmp_path / "0"))) == 1


def test_folders_thousands_deep_are_an_error_in_one_line(tmp_path, run: Callable):
    here = Path.cwd()
    (tmp_path / "deep").mkdir()
    os.chdir(tmp_path / "deep")
    try:
        for _ in range(3000):
            Path("d").mkdir()
            os.chdir("d")
        Path("1.txt").write_text("a")
    finally:
        os.chdir(here)
    found = [path.name for path in walk(tmp_path / "deep")]  # as far as a path can name it
    assert found == ["d"]
    done = run("train", tmp_path / "deep", "--dry-run")
    subprocess.run(["rm", "-r", tmp_path / "deep"], check=True)  # too deep for pytest
    assert (done.code, len(done.err.splitlines())) == (2, 1)


def test_names_that_are_no_text_are_read_and_printed(tmp_path, run: Callable):
    for label in "ab":
        (tmp_path / "t" / label).mkdir(parents=True)
        for number in range(4):
            made(tmp_path / "t" / label, f"{number}.txt", f"a text of {label} {number}")
    made(tmp_path / "t" / "a", "\x1b[31m\n.txt", "")
    made(tmp_path / "t" / "a", os.fsdecode(b"\xff\xfe.txt"), "another text")
    done = run("train", tmp_path / "t", "--dry-run")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/proc/self/mem", ".", "..", "/", "a\0b", "\ud800", "x/" * 3000, "{pipe}"]
)
def test_a_manifest_that_names_no_plain_file_names_a_missing_one(tmp_path, path):
    os.mkfifo(tmp_path / "pipe.png")
    row = json.dumps({"path": path.format(pipe=tmp_path / "pipe.png")})
    with pytest.raises(DataError):
        load_manifest(made(tmp_path, "x.jsonl", row), path_column="path", on_error="skip")


def test_marks_without_end_on_a_letter_are_normalised_in_time():
    """Unicode's order of 200,000 marks took minutes."""
    text = "a" + "\u0300\u0316" * 100_000
    assert len(characters(text)) == len(text) - 1
    assert len(words("ok " + text)) == 2
    assert characters("a" + "\u0316\u0301" * 3) == list(unicodedata.normalize("NFC", "a" + "\u0316\u0301" * 3))


# ------------------------------------------------------------------------------------------------------------- mutants


def test_mutants_of_valid_files_are_answered_or_refused(tmp_path):
    """A few of those that benchmarks/hostile tries."""
    import tables  # noqa: F401
    from families import FAMILIES
    from mutations import mutant

    family = FAMILIES["tables"]
    seeds = family.seeds()
    for number in range(200):
        one = mutant(family, seeds, number, start=99)
        place = made(tmp_path, one.name, one.content)
        try:
            family.attempt(None, place)
        except GridcnnError as error:
            assert len(str(error)) < 3000  # noqa: PT017
