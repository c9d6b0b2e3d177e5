"""A file that lists the items: one row per item, in csv, tsv, parquet or jsonl."""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.dataset import SPLIT_NAMES, Dataset, Modality
from gridcnn.datasets.encoding import decode
from gridcnn.datasets.media import sort_media
from gridcnn.errors import DataError, Skipped

if TYPE_CHECKING:
    import pandas as pd

_NAMED_ROWS = 5  # a message names this many rows and counts the rest


def load_manifest(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
    path_column: str | None = None,
    text: str | None = None,
    group: str | None = None,
    split: str | None = None,
    encoding: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> Dataset:
    """Read a manifest: sentences in a text column, or files of pictures or sounds in a path column.

    Parameters
    ----------
    path : path
        A .csv (separated by comma, semicolon or tab), .tsv, .parquet or .jsonl file with named columns.
    label : str, optional
        The column of labels; without it the set has none, which is enough for a prediction.
    path_column, text : str
        The column of files, relative to the manifest's folder, or the column of sentences: one of the two.
        Sentences are kept verbatim, words such as "NA" and "None" included.
    group : str, optional
        The column that says what must stay together: speaker, site, patient.
    split : str, optional
        The column that says train, validation or test (or training, val, valid, dev, testing).
    encoding : str, optional
        Of a csv, tsv or jsonl file, as Python names it. Without it a byte order mark, UTF-8 and Western European
        text are recognised.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row with an empty cell, or whose file is missing, is an error or goes into `skipped`.

    Returns
    -------
    Dataset
        Items are paths or sentences in the order of the rows. Labels are integers where all of them are written as
        integers, otherwise strings.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing (the existing ones are listed), a split has an unknown name,
        or, with ``on_error="raise"``, rows have an empty cell or no file. Rows are numbered as in a spreadsheet: the
        header of a csv is row 1.
    """
    source = Path(path)
    table = _read(source, encoding)
    if (text is None) == (path_column is None):
        raise DataError(
            f"{source}: say which column holds the items, with either text= (sentences) or path_column= (files): "
            f"its columns are {_listed(table.columns)}."
        )
    item = text or path_column
    assert item is not None  # for the type checker: the lines above say so
    used = [name for name in (item, label, group, split) if name is not None]
    for name in used:
        _require_column(table, name, source)
    rows = _Rows(table, source, on_error)
    for name in used:
        rows.drop(rows.table[name].map(_is_missing), f"no {name}")

    modality: Modality = "text"
    if path_column is not None:
        rows.replace(path_column, lambda cell: source.parent / str(cell).strip())
        rows.drop(~rows.table[path_column].map(os.path.isfile), lambda row: f"no such file: {row[path_column]}")
        media = sort_media(rows.table[path_column].tolist(), str(source))
        modality = media.modality
        rows.drop(~np.array(media.kept), lambda row: f"no {modality}: {row[path_column]}")
    table = rows.table
    return Dataset(
        [str(cell) for cell in table[item]] if text is not None else table[item].tolist(),
        None if label is None else _as_labels(table[label]),
        modality,
        name=source.stem,
        groups=None if group is None else np.array([_as_word(cell) for cell in table[group]]),
        split=None if split is None else _as_splits(table[split], source),
        skipped=tuple(rows.skipped),
    )


def load_table(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
    encoding: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> Dataset:
    """Read a table whose every column, except the label, is a measurement.

    Parameters
    ----------
    path : path
        A .csv, .tsv, .parquet or .jsonl file with named columns.
    label : str, optional
        The column of labels.
    encoding : str, optional
        As in `load_manifest`.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row without a label is an error or goes into `skipped`.

    Returns
    -------
    Dataset
        Items are a DataFrame of the other columns in their order, numbers where a column holds only numbers (an empty
        cell is then NaN); its index numbers the rows as the file does.

    Raises
    ------
    DataError
        If the file cannot be read, the label column is missing, or, with ``on_error="raise"``, rows have no label.
    """
    source = Path(path)
    return as_measurements(_read(source, encoding), source, label, on_error)


def as_measurements(
    table: pd.DataFrame, source: Path, label: str | None, on_error: Literal["raise", "skip"]
) -> Dataset:
    """Split a table into measurements and labels; see `load_table`."""
    import pandas as pd  # noqa: PLC0415

    skipped: list[Skipped] = []
    labels = None
    if label is not None:
        _require_column(table, label, source)
        rows = _Rows(table, source, on_error)
        rows.drop(table[label].map(_is_missing), f"no {label}")
        table, skipped = rows.table, rows.skipped
        labels = _as_labels(table[label])
        table = table.drop(columns=label)
    columns = [_as_numbers(table.iloc[:, position]) for position in range(table.shape[1])]  # two may have one name
    items = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=table.index)
    return Dataset(items, labels, "table", name=source.stem, skipped=tuple(skipped))


class _Rows:
    """The rows still in use, and those that were left out."""

    def __init__(self, table: pd.DataFrame, source: Path, on_error: Literal["raise", "skip"]) -> None:
        if on_error not in ("raise", "skip"):
            raise DataError(f"on_error={on_error!r}: expected 'raise' or 'skip'.")
        self.table, self.source, self.on_error = table, source, on_error
        self.skipped: list[Skipped] = []

    def replace(self, column: str, change: Callable[[Any], Any]) -> None:
        self.table = self.table.assign(**{column: [change(cell) for cell in self.table[column]]})

    def drop(self, bad: Any, reason: str | Callable[[Any], str]) -> None:
        rows = self.table[np.asarray(bad, dtype=bool)]
        if rows.empty:
            return
        reasons = [reason if isinstance(reason, str) else reason(row) for _, row in rows.iterrows()]
        if self.on_error == "raise":
            listed = "; ".join(
                f"row {number}: {why}" for number, why in zip(rows.index[:_NAMED_ROWS], reasons, strict=False)
            )
            more = f" and {len(rows) - _NAMED_ROWS} more" if len(rows) > _NAMED_ROWS else ""
            raise DataError(
                f"{self.source}: {listed}{more}. Correct or delete these rows, or skip them (on_error='skip')."
            )
        self.skipped += [
            Skipped(f"{self.source}, row {number}", why) for number, why in zip(rows.index, reasons, strict=True)
        ]
        self.table = self.table.drop(index=rows.index)
        if self.table.empty:
            raise DataError(
                f"{self.source}: every row was skipped, the last because of {reasons[-1]!r}: see the others."
            )


def _require_column(table: pd.DataFrame, name: str, source: Path) -> None:
    found = list(table.columns).count(name)
    if found == 1:
        return
    if found:
        raise DataError(f"{source}: {found} columns are called {name!r}: rename all but one.")
    close = difflib.get_close_matches(name.lower(), [str(column).lower() for column in table.columns], n=1)
    meant = [column for column in table.columns if close and str(column).lower() == close[0]]
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    raise DataError(f"{source}: no column {name!r}: choose one of {_listed(table.columns)}.{hint}")


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(repr(str(name)) for name in names)


def _is_missing(cell: object) -> bool:
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell != cell  # noqa: PLR0124  (only NaN and NaT differ from themselves)


def _as_word(cell: object) -> str:
    """Write a cell as a label: 3.0, an integer in a column that had gaps, as 3."""
    is_whole = isinstance(cell, float | np.floating) and float(cell).is_integer()
    return str(int(cell)) if is_whole else str(cell).strip()  # type: ignore[call-overload]


def _as_labels(column: pd.Series[Any]) -> NDArray[Any]:
    words = [_as_word(cell) for cell in column]
    if all(re.fullmatch(r"0|-?[1-9]\d{0,17}", word) for word in words):  # "01" and "1" may be two classes
        return np.array(words, dtype=np.int64)
    return np.array(words)


def _as_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as numbers, NaN where a cell is empty; unchanged where a cell holds something else."""
    import pandas as pd  # noqa: PLC0415

    if not (pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)):
        return column  # numbers already, or dates
    numbers = pd.to_numeric(column, errors="coerce")
    odd = column[numbers.isna()]
    return numbers if odd.map(_is_missing).all() else column


def _as_splits(column: pd.Series[Any], source: Path) -> NDArray[Any]:
    words = [_as_word(cell) for cell in column]
    unknown = sorted({word for word in words if word.lower() not in SPLIT_NAMES})
    if unknown:
        raise DataError(
            f"{source}: unknown parts {_listed(unknown[:_NAMED_ROWS])} in column {column.name!r}: write train, "
            "validation or test."
        )
    return np.array([SPLIT_NAMES[word.lower()] for word in words])


def _read(source: Path, encoding: str | None) -> pd.DataFrame:
    """Read a file into a DataFrame whose index numbers the rows as the file does."""
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
            raise DataError(f"{source}: several columns are called {_listed(twice)}: rename all but one.")
        table = pd.read_parquet(source)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: not a readable parquet file ({error}): write it again.") from error
    return table.reset_index(drop=True).rename(index=lambda row: row + 1)


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
    """Return what separates the cells of a csv or tsv file, from its header."""
    if source.suffix.lower() == ".tsv":
        return "\t"
    header = re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0])
    return max(",;\t", key=header.count)


def csv_cells(text: str, delimiter: str, source: Path) -> list[list[str]]:
    """Cut the text of a csv or tsv file into rows of cells."""

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
