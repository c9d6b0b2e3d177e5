"""Files that are read a part at a time say the same as if they were read whole."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pandas as pd
import pytest

from gridcnn.datasets import load_table, media, streamed
from gridcnn.datasets.lines import read_lines, survey
from gridcnn.datasets.measurements import StreamedMeasurements
from gridcnn.datasets.media import walk
from gridcnn.datasets.streamed import StreamedTable
from gridcnn.datasets.tables import read_table
from gridcnn.errors import DataError


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "ROWS", 3)


TABLE = pd.DataFrame(
    {"text": ["plain", "two\nlines", "", "a,b", 'say "x"', " spaced ", "naïve", "好", "NA", "last"], "n": range(10)}
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".json"])
def test_the_parts_are_the_whole(tmp_path: Path, suffix: str) -> None:
    place = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        TABLE.to_parquet(place)
    elif ".json" in suffix:
        TABLE.to_json(place, orient="records", lines=suffix == ".jsonl", force_ascii=False)
    else:
        TABLE.to_csv(place, index=False, sep="\t" if suffix == ".tsv" else ",")

    table = StreamedTable(place)
    parts = list(table.parts())

    whole = read_table(place, None)
    assert table.n_rows == len(whole) == 10
    assert len(parts) > 1
    assert table.columns == ["text", "n"]
    pd.testing.assert_frame_equal(pd.concat(parts), whole, check_dtype=False)
    assert [cell for part in table.parts("text") for cell in part["text"]] == whole["text"].tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"text\nna\xefve\n" + b"more\n" * 20,
        "text\nnaïve\n".encode("utf-16"),
        b"\xef\xbb\xbftext\na\n\n\nb\n\n\n",
        b"sep=;\ntext;n\na;1\nb;2\n",
        b"text;n\r\n'a';1\r\nb;2;3\r\nc\r\nd;4\r\n",
        b'text\tn\n"quoted\t1\nplain\t2\n3\t4\n5\t6\n',
    ],
)
def test_odd_files_are_read_in_parts_as_they_are_whole(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / ("table.tsv" if b"\t" in content else "table.csv")
    place.write_bytes(content)

    parts = list(StreamedTable(place).parts())

    whole = read_table(place, None)
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
    malformed = {number: why for part in parts for number, why in part.attrs["malformed"].items()}
    assert malformed == whole.attrs["malformed"]


@pytest.mark.parametrize(
    "content",
    [b"", b"text\n", b"text,n\n,\n,\n", b'text\n"never closed\n' + b"more\n" * 20, b"text\n1,2\n3,4\n", b"text\na\0\n"],
)
def test_what_is_refused_whole_is_refused_before_the_first_part(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table.csv").write_bytes(content)

    with pytest.raises(DataError) as whole:
        read_table(tmp_path / "table.csv", None)
    with pytest.raises(DataError) as streaming:
        StreamedTable(tmp_path / "table.csv")

    assert str(streaming.value) == str(whole.value)


def test_a_line_that_is_no_object_is_one_bad_row(tmp_path: Path) -> None:
    (tmp_path / "table.jsonl").write_text('{"text": "a"}\n\n{"text": \n[1]\n{"text": "b", "n": 1}\n')

    parts = list(StreamedTable(tmp_path / "table.jsonl").parts())

    table = pd.concat(parts)
    assert table["text"].tolist() == ["a", None, None, "b"]
    assert table.index.tolist() == [1, 3, 4, 5]
    assert [number for part in parts for number in part.attrs["malformed"]] == [3, 4]


@pytest.mark.parametrize("seed", range(6))
def test_numbers_are_read_as_in_the_whole_table(tmp_path: Path, seed: int) -> None:
    """Which mark is the decimal one may only be seen in the last row."""
    random.seed(seed)
    style, other = random.choice([(",", "."), (".", ",")])

    def written(number: float) -> str:
        whole, cents = f"{number:.2f}".split(".")
        if random.random() < 0.3:
            return random.choice(["", f"{whole[:1]}{other}{whole[1:]}" if len(whole) == 4 else whole])
        return f"{whole}{style}{cents}" if random.random() < 0.2 else whole

    rows = [[written(random.uniform(0, 9999)) for _ in range(4)] for _ in range(30)]
    (tmp_path / "table.csv").write_text("\n".join(";".join(row) for row in [["a", "b", "c", "d"], *rows]))

    whole = load_table(tmp_path / "table.csv", on_error="skip").items
    measured = StreamedMeasurements(StreamedTable(tmp_path / "table.csv"), tmp_path / "table.csv")
    parts = [part for part, _ in measured.parts()]

    assert len(parts) == 10
    for name in whole.columns:
        column = pd.concat([part[name].astype(object) for part in parts])
        assert [str(cell) for cell in pd.to_numeric(column, errors="coerce")] == [
            str(cell) for cell in pd.to_numeric(whole[name], errors="coerce")
        ]


def test_columns_that_only_number_or_divide_the_rows_are_left_out(tmp_path: Path) -> None:
    rows = [f"{at},{at / 7},{at + 1},{at * 2},train" for at in range(10)]
    (tmp_path / "table.csv").write_text("\n".join([",a,b,c,split", *rows]))

    table = StreamedMeasurements(StreamedTable(tmp_path / "table.csv"), tmp_path / "table.csv")

    assert {tuple(part.columns) for part, _ in table.parts()} == {("a", "b", "c")}


# ------------------------------------------------------------------------------------- lines


def lines_of(content: bytes, encoding: str | None = None) -> list[str]:
    lines = read_lines(io.BytesIO(content), Path("here"), encoding)
    return [line if isinstance(line, str) else f"error: {line}" for line in lines]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\r\n\nc", ["a", "b", "", "c"]),
        ("好\nnaïve\n".encode(), ["好", "naïve"]),
        (b"plain\nna\xefve\nd\xe9j\xe0\n", ["plain", "naïve", "déjà"]),
        ("a\n好\n".encode("utf-16"), ["a", "好"]),
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"]),
        (b"a\x0bb\x0cc\xe2\x80\xa8d\n", ["a\x0bb\x0cc\u2028d"]),
        (b"", []),
    ],
)
def test_lines_are_decoded_as_they_come(content: bytes, lines: list[str]) -> None:
    assert lines_of(content) == lines
    assert survey(io.BytesIO(content), Path("here")).lines == len(lines)


def test_a_line_that_is_no_text_is_one_bad_line() -> None:
    lines = lines_of("好\n".encode() + b"na\xefve\n" + b"zero\0\n" + b"good\n")

    assert [line.startswith("error") for line in lines] == [False, True, True, False]
    assert "here, line 2: not UTF-8, as lines before it are" in lines[1]
    assert "here, line 3" in lines[2]


def test_a_line_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridcnn.datasets.lines.LONGEST_LINE", 100)
    endless = b"a\n" + b"x" * 1000 + b"\nb\n"

    for lines in (lines_of(endless), lines_of(endless, "utf-8")):
        assert [lines[0], lines[2]] == ["a", "b"]
        assert "here, line 2: longer than 100 characters" in lines[1]


def test_the_encoding_of_a_file_is_known_from_its_last_byte_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridcnn.datasets.lines.BLOCK", 7)
    words = "plain text that goes on and on\n"

    assert survey(io.BytesIO((words * 3 + "naïve\n").encode()), Path("here")).encoding == "utf-8"
    assert survey(io.BytesIO((words * 3 + "naïve\n").encode("cp1252")), Path("here")) == ("cp1252", 4)
    assert survey(io.BytesIO((words * 3 + "好\n").encode("utf-16")), Path("here")) == ("utf-16", 4)
    with pytest.raises(DataError, match="not utf-8 throughout"):
        survey(io.BytesIO("好\n".encode() + words.encode() + b"na\xefve\n"), Path("here"))


def test_objects_with_as_many_keys_as_rows_are_refused_before_they_become_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A jsonl file in which each row has a key of its own took the square of its size."""
    monkeypatch.setattr(streamed, "ROWS", 2_000)
    (tmp_path / "wide.jsonl").write_text("".join(f'{{"key {row}": 1}}\n' for row in range(6000)))

    with pytest.raises(DataError, match="GRIDCNN_MAX_EXPANSION"):
        list(StreamedTable(tmp_path / "wide.jsonl").parts())


# ------------------------------------------------------------------------------------- folders


def test_files_come_in_the_order_of_their_paths_whatever_the_folder_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "NAMES_AT_ONCE", 2)
    for name in ("b/2", "b/1", "a", "b.x", "b-x", "c/d/e", "c/d.f", "z", ".hidden", "Thumbs.db", "0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "c" / "back").symlink_to(tmp_path)

    found = [str(place.relative_to(tmp_path)) for place in walk(tmp_path)]

    assert found == ["0", "a", "b-x", "b.x", "b/1", "b/2", "c/d.f", "c/d/e", "z"]
    assert found == sorted(found)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everybody may read it")
def test_a_folder_that_cannot_be_read_is_among_the_files(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "open").write_text("")

    assert list(walk(tmp_path)) == [tmp_path / "closed", tmp_path / "open"]
