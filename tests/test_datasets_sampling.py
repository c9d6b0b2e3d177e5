"""Tables larger than memory are sampled: from all over the file, the same rows for a seed, and no torn ones."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridcnn.datasets import sample_table, sampling
from gridcnn.errors import DataError

N, CLASSES = 30_000, 20


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SMALL", 2000)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Rows sorted by class, of which every cell follows from the row's number."""
    number = np.arange(N)
    return pd.DataFrame(
        {"number": number, "double": 2.0 * number, "label": [f"c{each * CLASSES // N}" for each in number]}
    )


@pytest.fixture(params=["csv", "parquet"])
def path(request: pytest.FixtureRequest, frame: pd.DataFrame, tmp_path: Path) -> Path:
    source = tmp_path / f"big.{request.param}"
    if request.param == "csv":
        frame.to_csv(source, index=False)
    else:
        frame.to_parquet(source, index=False, row_group_size=7000)
    return source


def test_rows_come_whole_from_all_over_a_file_that_is_sorted_by_class(path: Path) -> None:
    data, rows, whole, malformed = sample_table(path, label="label")

    assert not whole
    assert malformed == 0
    assert rows == pytest.approx(N, rel=0.05)
    assert 1900 <= len(data) <= 2000
    assert len(data.counts) == CLASSES
    assert np.array_equal(data.items["double"], 2 * data.items["number"])
    assert data.labels is not None
    assert data.labels.tolist() == [f"c{each * CLASSES // N}" for each in data.items["number"]]
    counts = np.histogram(data.items["number"], bins=10, range=(0, N))[0]
    assert counts.min() > 100
    assert data.items["number"].is_monotonic_increasing
    assert data.items["number"].is_unique


def test_a_column_that_counts_rows_still_counts_in_the_sample(path: Path) -> None:
    number = sample_table(path, label="label").data.items["number"]

    assert (np.diff(number) == 1).mean() > 0.85


def test_a_seed_gives_the_same_rows_and_another_seed_others(path: Path) -> None:
    first, again, other = (sample_table(path, random_state=seed).data.items for seed in (0, 0, 1))

    assert first.equals(again)
    assert len(set(first["number"]) & set(other["number"])) < 1000


def test_a_small_file_is_read_whole(path: Path, monkeypatch: pytest.MonkeyPatch, frame: pd.DataFrame) -> None:
    monkeypatch.setattr(sampling, "SMALL", 10**9)

    sample = sample_table(path, label="label")

    assert sample.whole
    assert sample.rows == len(sample.data) == N
    assert sample.data.items["number"].tolist() == frame["number"].tolist()


def test_wide_tables_give_fewer_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "CELLS", 900)

    assert 200 <= len(sample_table(path).data) <= 300


def write_csv(path: Path, notes: list[str], rows: int = 3000, **options: object) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, **options)  # type: ignore[arg-type]
        writer.writerow(["number", "note", "double"])
        writer.writerows([number, notes[number % len(notes)], 2 * number] for number in range(rows))
    return path


def test_line_ends_inside_quotes_do_not_tear_rows(tmp_path: Path) -> None:
    notes = ['she said "yes",\n7,torn,14\n8,torn,16\nand left', "plain", "a\n\nb,c\n"]

    data, rows, _, malformed = sample_table(write_csv(tmp_path / "quoted.csv", notes), rows=300)

    assert malformed == 0
    assert rows == pytest.approx(3000, rel=0.1)
    assert set(data.items["note"]) == set(notes)
    assert np.array_equal(data.items["double"], 2 * data.items["number"])


def test_rows_of_another_length_are_left_out_and_counted(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "ragged.csv", ["plain"])
    lines = source.read_text().splitlines()
    source.write_text(
        "\n".join(line if at % 10 else f"{line},too,many" for at, line in enumerate(lines)).replace(",too,many", "", 1)
    )

    sample = sample_table(source, rows=300)

    assert sample.malformed == pytest.approx(30, abs=3)
    assert np.array_equal(sample.data.items["double"], 2 * sample.data.items["number"])


def test_tabs_other_encodings_and_quotes_that_only_are_quotes_are_read(tmp_path: Path) -> None:
    source = tmp_path / "latin.tsv"
    source.write_bytes("".join(["number\tnote\n", *(f'{at}\t"très bon\n' for at in range(3000))]).encode("cp1252"))

    data = sample_table(source, rows=300).data

    assert set(data.items["note"]) == {'"très bon'}
    assert len(data) > 250


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("one line of prose. And another, with, commas\n" + "word word\n" * 2000, "another number of cells"),
        ("a,b\n" + "3,4\n" * 500 + '1,"2\n' + "3,4\n" * 500, "double quote"),
        (b"\x00\x01\x02" * 1000, "UTF-8"),
        ("a,b\n" + "1" * 20_000, "no csv file of rows"),
    ],
)
def test_what_is_no_table_is_refused_without_being_read_whole(
    tmp_path: Path, content: str | bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "LONGEST_ROW", 10_000)
    source = tmp_path / "no_table.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(DataError, match=words):
        sample_table(source)


def test_rows_without_a_label_are_listed_and_a_label_that_is_not_there_is_refused(
    path: Path, frame: pd.DataFrame
) -> None:
    with pytest.raises(DataError, match="'lable': choose one of .*Did you mean 'label'"):
        sample_table(path, label="lable")
    gaps = path.with_name("gaps.parquet")
    frame.assign(label=frame["label"].where(frame.index % 2 == 0)).to_parquet(gaps, index=False)

    data = sample_table(gaps, label="label").data

    assert len(data) == pytest.approx(len(data.skipped), abs=2)
    assert data.skipped[0].reason == "no label"


def test_sampled_rows_of_a_parquet_file_keep_their_numbers_in_it(frame: pd.DataFrame, tmp_path: Path) -> None:
    source = tmp_path / "gaps.parquet"
    frame.assign(label=frame["label"].where(frame.index % 2 == 0)).to_parquet(source, index=False)

    data = sample_table(source, label="label").data

    assert np.array_equal(data.items.index, data.items["number"] + 1)
    rows = [each.row for each in data.skipped if each.row is not None]
    assert len(rows) == len(data.skipped)
    assert {row % 2 for row in rows} == {0}
    assert max(rows) > N / 2


def test_sampled_rows_of_a_csv_file_claim_no_number(frame: pd.DataFrame, tmp_path: Path) -> None:
    source = tmp_path / "gaps.csv"
    frame.assign(label=frame["label"].where(frame.index % 2 == 0)).to_csv(source, index=False)

    skipped = sample_table(source, label="label").data.skipped

    assert {each.row for each in skipped} == {None}
    assert skipped[0].item.endswith("of the sample")


def test_a_broken_parquet_file_says_so(tmp_path: Path) -> None:
    source = tmp_path / "broken.parquet"
    source.write_bytes(os.urandom(5000))

    with pytest.raises(DataError, match="not a readable parquet file"):
        sample_table(source)
