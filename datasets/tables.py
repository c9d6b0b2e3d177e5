"""Readers of csv, tsv, parquet, json and Excel files, whose rows keep the numbers that they have in the file."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from gridcnn.datasets.compressed import read_bytes, table_suffix
from gridcnn.datasets.encoding import decode
from gridcnn.datasets.excel import read_excel
from gridcnn.datasets.json_rows import read_json, read_jsonl
from gridcnn.datasets.limits import most, require_cells
from gridcnn.datasets.parquet import read_parquet
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_CELLS_OF_ANY_LENGTH = threading.Lock()
"""Held while the limit of the module csv is another one than usual."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")

EMPTY: list[str] = []
MOST_EMPTY = 1_000_000  # lines

SEPARATOR_LINE = re.compile(r'sep=([^"\r\n])\r?\n')
"""A line in which Excel notes the separator."""

__all__ = [
    "SEPARATOR_LINE",
    "all_malformed",
    "csv_cells",
    "csv_table",
    "delimiter_of",
    "is_malformed",
    "long_cells",
    "no_rows",
    "read_table",
    "require_file",
    "unclosed_quote",
]


def read_table(source: Path, encoding: str | None) -> pd.DataFrame:
    """Read a file of rows under named columns.

    Parameters
    ----------
    source : Path
        A .csv, .tsv, .parquet, .jsonl, .json or .xlsx file, or one of these as .gz, .bz2, .xz or .zst, or
        alone in a .zip.
    encoding : str or None
        Encoding of a csv, tsv or json file; None detects it, see `gridcnn.datasets.encoding.decode`.

    Returns
    -------
    DataFrame
        Its index holds the number of each row in the file: the first row of a csv is row 2, below the header, and the
        first row of a parquet or json file is row 1. The cells of csv and tsv files are strings. Its `attrs` name the
        `delimiter` of a csv file, and its `malformed` rows: number and reason. `Rows` leaves those out.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or has no rows.
    """
    require_file(source)
    data, suffix = read_bytes(source)
    reader = _READERS.get(suffix)
    if reader is None:
        raise DataError(
            f"{source}: expected a file that ends in {', '.join(_READERS)}, also with .gz or .zst: save the table as "
            "one of these."
        )
    table = reader(data, source, encoding)
    table.columns = [str(column).strip() for column in table.columns]
    if table.empty:
        raise no_rows(source)
    return table


def require_file(source: Path) -> None:
    """Raise DataError unless there is such a file."""
    if source.is_dir():
        raise DataError(f"{source} is a folder, not a file: read a folder of class folders with load_folder.")
    if not source.is_file():
        raise DataError(f"{source}: no such file, seen from {Path.cwd()}: check the spelling, or give the full path.")


def no_rows(source: Path) -> DataError:
    """Return what is wrong with a file of rows that has none."""
    return DataError(f"{source}: no rows: expected one line with the names of the columns and one row per item.")


def _read_parquet(data: bytes, source: Path, _encoding: str | None) -> pd.DataFrame:
    return read_parquet(io.BytesIO(data), source)


def _read_jsonl(data: bytes, source: Path, encoding: str | None) -> pd.DataFrame:
    return read_jsonl(decode(data, source, encoding), source)


def _read_json(data: bytes, source: Path, encoding: str | None) -> pd.DataFrame:
    return read_json(decode(data, source, encoding), source)


def _read_excel(data: bytes, source: Path, _encoding: str | None) -> pd.DataFrame:
    return read_excel(data, source)


def _read_csv(data: bytes, source: Path, encoding: str | None) -> pd.DataFrame:
    text, first = decode(data, source, encoding), 2
    if said := SEPARATOR_LINE.match(text):
        text, first = text[said.end() :], 3
    delimiter = said[1] if said else delimiter_of(text, source)
    header, *rows = csv_cells(text, delimiter, source) or [[]]
    if any(rows) and not any(map(any, rows)):
        raise DataError(f"{source}: every cell of its {len(rows)} rows is empty: there is nothing to read.")
    while rows and not any(rows[-1]):  # empty lines at the end
        rows.pop()
    table = csv_table(header, rows, first, delimiter)
    if rows and len(table.attrs["malformed"]) == len(rows):
        raise all_malformed(source, first, table.attrs["malformed"][first])
    return table


def csv_table(header: list[str], rows: list[list[str]], first: int, delimiter: str) -> pd.DataFrame:
    """Return rows of cells under their header; the first one has the number `first` in the file."""
    import pandas as pd  # noqa: PLC0415

    width, empty = len(header), [""] * len(header)
    malformed = {
        number: f"{len(row)} cells under {width} column names ("
        + (f"put text that contains {delimiter!r} in double quotes)" if len(row) > width else "leave none out)")
        for number, row in enumerate(rows, start=first)
        if is_malformed(row, width)
    }
    even = (row if len(row) == width else (row + empty)[:width] if row else empty for row in rows)
    cells = np.fromiter(itertools.chain.from_iterable(even), dtype=object, count=len(rows) * width)
    table = pd.DataFrame(
        cells.reshape(len(rows), width), columns=header, index=range(first, len(rows) + first), dtype=object
    )
    table.attrs |= {"delimiter": delimiter, "malformed": malformed}
    return table


def is_malformed(row: list[str], width: int) -> bool:
    """Whether a row has more or fewer cells than the header, so that nobody knows which one is which; not if empty."""
    return len(row) != width and any(row)


def all_malformed(source: Path, first: int, reason: str) -> DataError:
    """Return what is wrong with a csv file of which no row can be used."""
    return DataError(f"{source}, row {first}: {reason}, and so on in every row.")


_READERS: dict[str, Callable[[bytes, Path, str | None], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_json,
    ".xlsx": _read_excel,
}


def delimiter_of(text: str, source: Path) -> str:
    """Return the separator of the cells of a csv or tsv file, from its header."""
    if table_suffix(source) == ".tsv":
        return "\t"
    start = re.match(r"\s*([^\n]*)", text)
    header = re.sub(r'"[^"]*"', "", start[1] if start else "")
    return max(",;\t", key=header.count)


def csv_cells(text: str, delimiter: str, source: Path) -> list[list[str]]:
    """Split the text of a csv or tsv file into rows of cells.

    Raises
    ------
    DataError
        If a quoted cell does not end, or there are more cells than may be held in memory.
    """

    def read(quoting: Literal[0, 3]) -> list[list[str]]:
        rows, n_cells, n_empty = list[list[str]](), 0, 0
        lines = (line[0] for line in _LINE.finditer(text))  # a StringIO would take four bytes a character
        with long_cells(len(text) + 1):
            for row in csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True):
                rows.append(row or EMPTY)  # one object for all of them
                n_cells += len(row)
                n_empty = 0 if row else n_empty + 1
                if n_cells > most_cells:
                    require_cells(source, n_cells)
                if n_empty > MOST_EMPTY:
                    raise DataError(f"{source}: more than {MOST_EMPTY:,} empty lines in a row: the file is damaged.")
        return rows

    most_cells = most("cells")

    try:
        return read(csv.QUOTE_MINIMAL)
    except csv.Error as error:
        if delimiter == "\t":  # many tsv files quote nothing, and a sentence may begin with a quotation mark
            return read(csv.QUOTE_NONE)
        raise unclosed_quote(source, error) from None


@contextlib.contextmanager
def long_cells(longest: int) -> Iterator[None]:
    """Let the module csv, which has one limit for the whole program, take cells of so many characters."""
    with _CELLS_OF_ANY_LENGTH:
        before = csv.field_size_limit(max(longest, 1))  # long documents and genomes are normal
        try:
            yield
        finally:
            csv.field_size_limit(before)


def unclosed_quote(source: Path, error: csv.Error) -> DataError:
    """Return what is wrong with a csv file that the module csv cannot read."""
    return DataError(
        f"{source}: {error}: a double quote opens a cell and none closes it; write a quote inside a quoted cell "
        'twice (""), or save the table as jsonl.'
    )
