"""Tables of measurements: every column is one, except the label."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gridcnn.datasets.cells import OnError, Rows, as_labels, as_splits, as_word, is_missing, require_column
from gridcnn.datasets.dataset import SPLIT_NAMES, Dataset
from gridcnn.datasets.label_sets import read_label_sets
from gridcnn.datasets.located import how_to_read, mostly_files
from gridcnn.datasets.numerals import Numerals, as_numbers, is_words
from gridcnn.datasets.sheets import table_path
from gridcnn.datasets.tables import read_table
from gridcnn.display import counted
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from gridcnn.datasets.streamed import StreamedTable

__all__ = ["StreamedMeasurements", "as_measurements", "load_table"]

FEWEST_MEASUREMENTS = 3
"""A table with fewer columns of numbers than this is no table of measurements if another column holds sentences."""

MOST_LOOKED_AT = 200  # rows

_SPLIT_COLUMNS = frozenset({"split", "set", "subset", "part", "partition", "fold"})


def load_table(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
    labels: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read a table of measurements: every column except the label is one.

    Parameters
    ----------
    path : path
        A .csv, .tsv, .parquet, .jsonl, .json or .xlsx file with named columns, or one of these as .gz, .bz2,
        .xz or .zst, or in a .zip; of several sheets, book.xlsx#cats is one.
    label, labels : str, optional
        Column of labels, one an item or several, as in `load_manifest`.
    encoding : str, optional
        As in `load_manifest`.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row without a label is an error, or is listed in `skipped` with its number in `Skipped.row`.

    Returns
    -------
    Dataset
        Items are a DataFrame of the other columns in their order. A column that holds only numbers becomes numeric, and
        its empty cells become NaN; numbers may be written with a decimal comma. The index holds the number of each row
        in the file. A first column without a name that only numbers the rows is left out, a column called split that
        says train, validation or test becomes `split`, and `notes` says so.

    Raises
    ------
    DataError
        If the file cannot be read, the label column is missing, the other columns hold sentences or names of files
        rather than measurements, or, with ``on_error="raise"``, a row has no label.
    """
    source = table_path(path)
    table = read_table(source, encoding)
    if labels is None:
        return as_measurements(table, source, label, on_error)
    if label is not None:
        raise DataError(f"{source}: give label= (one label an item) or labels= (several), not both.")
    require_column(table, labels, source)
    data = as_measurements(table.drop(columns=labels), source, None, on_error)
    sets = read_label_sets(table.loc[data.items.index, labels], source)
    return replace(data, labels=sets.labels, notes=(*data.notes, sets.note))


def as_measurements(
    table: pd.DataFrame, source: Path, label: str | None, on_error: OnError, *, numbered: bool = True
) -> Dataset:
    """Split a table into measurements and labels; see `load_table`.

    Parameters
    ----------
    table : DataFrame
        All columns.
    source : Path
        The file they come from, for messages and the name of the set.
    label, on_error
        As in `load_table`.
    numbered : bool, default=True
        Whether the index of `table` holds the number of each row in the file. Otherwise it counts the rows of a sample.
    """
    rows = Rows(table, source, on_error, numbered=numbered)
    labels = None
    if label is not None:
        require_column(table, label, source)
        rows.drop(rows.table[label].map(is_missing), f"no {label}")
        labels = as_labels(rows.table[label])
    table = rows.table if label is None else rows.table.drop(columns=label)
    notes = list[str]()
    kept = list(range(table.shape[1]))
    if _numbers_rows(table):
        kept.remove(0)
        notes.append("the first column, which has no name and numbers the rows, is left out")
    split, position = None, _column_of_parts(table)
    if position is not None:
        kept.remove(position)
        notes.append(f"the column {table.columns[position]!r} says which part of the set a row belongs to")
        split = as_splits(table.iloc[:, position], source)
    table = table.iloc[:, kept]
    items, commas = as_numbers(table)
    if commas:
        notes.append(f"decimal commas are read in {counted(len(commas), 'column')}, such as {commas[0]!r}: 1,5 is 1.5")
    _refuse_words(items, source)
    return Dataset(
        items, labels, "table", name=source.stem, split=split, skipped=tuple(rows.skipped), notes=tuple(notes)
    )


class StreamedMeasurements:
    """The rows of a table of measurements without labels, read a part at a time, as `load_table` reads them.

    Which columns are left out is decided by the first part.

    Parameters
    ----------
    table : StreamedTable
        All columns.
    source : Path
        The file they come from, for messages.

    Raises
    ------
    DataError
        If its columns hold sentences or names of files rather than measurements.
    """

    def __init__(self, table: StreamedTable, source: Path) -> None:
        self._table = table
        self._kept = list(range(len(table.columns)))
        first = next((part for part, _ in self._parts() if len(part)), None)
        if first is None:
            return
        left_out = {0} if _numbers_rows(first) else set[int]()
        if (position := _column_of_parts(first)) is not None:
            left_out.add(position)
        self._kept = [at for at in self._kept if at not in left_out]
        self._numerals = Numerals(lambda: (part for part, _ in self._parts()))
        _refuse_words(self._numerals.read(first.iloc[:, self._kept]), source)

    def parts(self) -> Iterator[tuple[pd.DataFrame, dict[int, str]]]:
        """Yield some rows, by their numbers in the file, and the reasons why others between them are none."""
        for part, malformed in self._parts():
            yield (self._numerals.read(part) if len(part) else part), malformed

    def _parts(self) -> Iterator[tuple[pd.DataFrame, dict[int, str]]]:
        for part in self._table.parts():
            malformed = part.attrs.get("malformed", {})
            yield part.drop(index=list(malformed)).iloc[:, self._kept], malformed


def _numbers_rows(table: pd.DataFrame) -> bool:
    """Whether the first column has no name and holds whole numbers: the index of a DataFrame that was saved."""
    if not table.shape[1] or str(table.columns[0]).strip() not in ("", "Unnamed: 0"):
        return False
    return all(re.fullmatch(r"\d+", str(cell)) for cell in table.iloc[:, 0])


def _column_of_parts(table: pd.DataFrame) -> int | None:
    """Return the position of a column called split, or alike, all cells of which are names of parts."""
    for position, name in enumerate(table.columns):
        if str(name).lower() in _SPLIT_COLUMNS:
            cells = [as_word(cell) for cell in table.iloc[:, position]]  # not a Series, which holds no half of an emoji
            if cells and all(cell.lower() in SPLIT_NAMES for cell in cells):
                return position
    return None


def _refuse_words(items: pd.DataFrame, source: Path) -> None:
    """Refuse a table of hardly any numbers that has a column of sentences or of files."""
    words = [position for position, kind in enumerate(items.dtypes) if is_words(kind)]
    if items.shape[1] - len(words) >= FEWEST_MEASUREMENTS:
        return
    for position in words:
        given = [cell for cell in items.iloc[:MOST_LOOKED_AT, position] if not is_missing(cell)]
        cells, name = [str(cell).strip() for cell in given], items.columns[position]
        if any(isinstance(cell, bytes) or (isinstance(cell, dict) and "bytes" in cell) for cell in given):
            raise DataError(f"{source}: the column {name!r} holds files: read them with --path {name} (path_column=).")
        if mostly_files(cells):
            how = how_to_read(name, list(items.columns))
            raise DataError(f"{source}: the column {name!r} names files: {how} (in Python, path_column=).")
        n_words = [len(cell.split()) for cell in cells]
        fewest = 3 if all(cell.isascii() for cell in cells) else 1  # Chinese and Japanese put no spaces between words
        if cells and float(np.median(n_words)) >= fewest and len(set(cells)) > len(cells) / 2:
            raise DataError(f"{source}: the column {name!r} holds sentences: read them with --text {name} (text=).")
