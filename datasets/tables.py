"""Readers of csv, tsv, parquet, json and Excel files, whose rows keep the numbers that they have in the file."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gridcnn.datasets.compressed import read_bytes, table_suffix
from gridcnn.datasets.encoding import decode
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_CELLS_OF_ANY_LENGTH = threading.Lock()
"""Held while the limit of the module csv is another one than usual."""

__all__ = [
    "all_malformed",
    "csv_cells",
    "csv_table",
    "delimiter_of",
    "listed",
    "long_cells",
    "no_rows",
    "read_table",
    "refuse_doubled",
    "require_file",
    "unclosed_quote",
]


def read_table(source: Path, encoding: str | None) -> pd.DataFrame:
    """Read a file of rows under named columns.

    Parameters
    ----------
    source : Path
        A .csv, .tsv, .parquet, .jsonl, .json or .xlsx file, or one of these as .gz, or alone in a .zip.
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
            f"{source}: expected a file that ends in {', '.join(_READERS)}, also with .gz: save the table as one of "
            "these."
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
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        refuse_doubled(pq.read_schema(io.BytesIO(data)).names, source)
        table = pd.read_parquet(io.BytesIO(data))
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise DataError(f"{source}: not a readable parquet file ({error}): write it again.") from error
    return table.set_axis(range(1, len(table) + 1))


def refuse_doubled(names: list[str], source: Path) -> None:
    """Raise DataError if two columns have one name."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{source}: several columns are called {listed(twice)}: rename all but one.")


def _read_jsonl(data: bytes, source: Path, encoding: str | None) -> pd.DataFrame:
    rows = {}
    # Not splitlines: JSON strings may hold the line separators of Unicode.
    for number, line in enumerate(decode(data, source, encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows[number] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{source}, row {number}: {error}: write one JSON object on each line.") from None
    return _from_records(rows, source)


def _read_json(data: bytes, source: Path, encoding: str | None) -> pd.DataFrame:
    """Read an array of objects, or an object of such an array, or of columns; or one object on each line."""
    text = decode(data, source, encoding)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return _read_jsonl(data, source, encoding)
        raise DataError(
            f"{source}: {error}: write an array of objects, or one object on each line of a .jsonl."
        ) from None
    if isinstance(content, dict) and set(content) >= {"columns", "data"}:  # pandas: orient="split"
        content = [dict(zip(content["columns"], row, strict=False)) for row in content["data"]]
    if isinstance(content, dict) and content and all(isinstance(column, dict) for column in content.values()):
        rows = dict.fromkeys(row for column in content.values() for row in column)  # pandas: orient="columns"
        content = [{name: column.get(row) for name, column in content.items()} for row in rows]
    if isinstance(content, dict):
        arrays = [value for value in content.values() if isinstance(value, list)]
        if len(arrays) == 1 and arrays[0] and all(isinstance(row, dict) for row in arrays[0]):
            content = arrays[0]  # {"data": [{…}, {…}]}
        elif arrays and len(arrays) == len(content) and len({len(column) for column in arrays}) == 1:
            content = [dict(zip(content, row, strict=True)) for row in zip(*arrays, strict=True)]
    if not isinstance(content, list):
        raise DataError(f'{source}: expected an array of objects such as [{{"text": "…", "label": "…"}}].')
    return _from_records(dict(enumerate(content, start=1)), source)


def _from_records(rows: dict[int, Any], source: Path) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    for number, row in rows.items():
        if not isinstance(row, dict):
            raise DataError(f'{source}, row {number}: expected an object such as {{"text": "…", "label": "…"}}.')
    return pd.DataFrame(list(rows.values()), index=list(rows), dtype=object)


def _read_excel(data: bytes, source: Path, _encoding: str | None) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    try:
        sheets = pd.read_excel(
            io.BytesIO(data), sheet_name=None, dtype=object, keep_default_na=False, engine="openpyxl"
        )
    except ImportError:
        raise DataError(f"{source}: Excel files need the package openpyxl: pip install 'gridcnn[excel]'.") from None
    except Exception as error:  # what openpyxl raises on a damaged file is open-ended
        raise DataError(f"{source}: not a readable Excel file ({error}): save it again, or as csv.") from error
    filled = [sheet for sheet in sheets.values() if not sheet.empty]
    if len(filled) > 1:
        raise DataError(
            f"{source}: {len(filled)} sheets are filled ({listed(sheets)}): save the one that is meant as csv."
        )
    table = filled[0] if filled else pd.DataFrame()
    return table.set_axis(range(2, len(table) + 2))


def _read_csv(data: bytes, source: Path, encoding: str | None) -> pd.DataFrame:
    text, first = decode(data, source, encoding), 2
    if said := re.match(r"sep=(.)\r?\n", text):  # a line in which Excel notes the separator
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

    malformed = {
        number: f"{len(row)} cells under {len(header)} column names (put text that contains {delimiter!r} "
        "in double quotes)"
        for number, row in enumerate(rows, start=first)
        if len(row) > len(header)
    }
    padded = [row[: len(header)] + [""] * (len(header) - len(row)) for row in rows]
    table = pd.DataFrame(padded, columns=header, index=range(first, len(rows) + first), dtype=object)
    table.attrs |= {"delimiter": delimiter, "malformed": malformed}
    return table


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
    header = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(",;\t", key=header.count)


def csv_cells(text: str, delimiter: str, source: Path) -> list[list[str]]:
    """Split the text of a csv or tsv file into rows of cells.

    Raises
    ------
    DataError
        If a quoted cell does not end.
    """

    def read(quoting: Literal[0, 3]) -> list[list[str]]:
        with long_cells(len(text) + 1):
            return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True))

    try:
        return read(csv.QUOTE_MINIMAL)
    except csv.Error as error:
        if delimiter == "\t":  # many tsv files quote nothing, and a sentence may begin with a quotation mark
            return read(csv.QUOTE_NONE)
        raise unclosed_quote(source, error) from None


@contextlib.contextmanager
def long_cells(most: int) -> Iterator[None]:
    """Let the module csv, which has one limit for the whole program, take cells of so many characters."""
    with _CELLS_OF_ANY_LENGTH:
        before = csv.field_size_limit(max(most, 1))  # long documents and genomes are normal
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


def listed(names: Iterable[Any]) -> str:
    """Return names in quotes, separated by commas, for a message."""
    return ", ".join(repr(str(name)) for name in names)
