"""Readers of csv, tsv, parquet and jsonl files, whose rows keep the numbers that they have in the file."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gridcnn.datasets.encoding import decode
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_cells", "delimiter_of", "listed", "read_table"]


def read_table(source: Path, encoding: str | None) -> pd.DataFrame:
    """Read a file of rows under named columns.

    Parameters
    ----------
    source : Path
        A .csv, .tsv, .parquet or .jsonl file.
    encoding : str or None
        Encoding of a csv, tsv or jsonl file; None detects it, see `gridcnn.datasets.encoding.decode`.

    Returns
    -------
    DataFrame
        Its index holds the number of each row in the file: the first row of a csv is row 2, below the header, and the
        first row of a parquet or jsonl file is row 1. The cells of csv and tsv files are strings.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or has no rows.
    """
    if source.is_dir():
        raise DataError(f"{source} is a folder, not a file: read a folder of class folders with load_folder.")
    if not source.is_file():
        raise DataError(f"{source}: no such file, seen from {Path.cwd()}: check the spelling, or give the full path.")
    readers: dict[str, Callable[[Path, str | None], pd.DataFrame]] = {
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".parquet": _read_parquet,
        ".jsonl": _read_jsonl,
    }
    reader = readers.get(source.suffix.lower())
    if reader is None:
        raise DataError(f"{source}: expected a file that ends in {', '.join(readers)}: save the table as one of these.")
    table = reader(source, encoding)
    table.columns = [str(column).strip() for column in table.columns]
    if table.empty:
        raise DataError(f"{source}: no rows: expected one line with the names of the columns and one row per item.")
    return table


def _read_parquet(source: Path, _encoding: str | None) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        names = pq.read_schema(source).names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{source}: several columns are called {listed(twice)}: rename all but one.")
        table = pd.read_parquet(source)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: not a readable parquet file ({error}): write it again.") from error
    return table.set_axis(range(1, len(table) + 1))


def _read_jsonl(source: Path, encoding: str | None) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    rows = {}
    # Not splitlines: JSON strings may hold the line separators of Unicode.
    for number, line in enumerate(decode(source.read_bytes(), source, encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows[number] = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{source}, row {number}: {error}: write one JSON object on each line.") from None
        if not isinstance(rows[number], dict):
            raise DataError(f'{source}, row {number}: expected an object such as {{"text": "…", "label": "…"}}.')
    return pd.DataFrame(list(rows.values()), index=list(rows), dtype=object)


def _read_csv(source: Path, encoding: str | None) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    text = decode(source.read_bytes(), source, encoding)
    delimiter = delimiter_of(text, source)
    header, *rows = csv_cells(text, delimiter, source) or [[]]
    if any(rows) and not any(map(any, rows)):
        raise DataError(f"{source}: every cell of its {len(rows)} rows is empty: there is nothing to read.")
    while rows and not any(rows[-1]):  # empty lines at the end
        rows.pop()
    for number, row in enumerate(rows, start=2):
        if len(row) > len(header):
            raise DataError(
                f"{source}, row {number}: {len(row)} cells under {len(header)} column names: put text that contains "
                f"the separator {delimiter!r} in double quotes."
            )
    padded = [row + [""] * (len(header) - len(row)) for row in rows]
    return pd.DataFrame(padded, columns=header, index=range(2, len(rows) + 2), dtype=object)


def delimiter_of(text: str, source: Path) -> str:
    """Return the separator of the cells of a csv or tsv file, from its header."""
    if source.suffix.lower() == ".tsv":
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
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True))

    try:
        return read(csv.QUOTE_MINIMAL)
    except csv.Error as error:
        if delimiter == "\t":  # many tsv files quote nothing, and a sentence may begin with a quotation mark
            return read(csv.QUOTE_NONE)
        raise DataError(
            f"{source}: {error}: a double quote opens a cell and none closes it; write a quote inside a quoted cell "
            'twice (""), or save the table as jsonl.'
        ) from None


def listed(names: Iterable[Any]) -> str:
    """Return names in quotes, separated by commas, for a message."""
    return ", ".join(repr(str(name)) for name in names)
