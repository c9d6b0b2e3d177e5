"""Manifests and tables: files with one row per item, in csv, tsv, parquet or jsonl."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.dataset import SPLIT_NAMES, Dataset, Modality
from gridcnn.datasets.media import sort_media
from gridcnn.datasets.tables import listed, read_table
from gridcnn.errors import DataError, Skipped

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_measurements", "load_manifest", "load_table"]

_NAMED_ROWS = 5  # a message names this many rows and counts the rest

OnError: TypeAlias = Literal["raise", "skip"]


def load_manifest(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
    path_column: str | None = None,
    text: str | None = None,
    group: str | None = None,
    split: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read a manifest: a file whose rows hold sentences, or the paths of pictures or sounds.

    Parameters
    ----------
    path : path
        A .csv (separated by comma, semicolon or tab), .tsv, .parquet or .jsonl file with named columns.
    label : str, optional
        Column of labels. Without it the set has no labels, which is enough for a prediction.
    path_column, text : str
        Column of files, relative to the folder of the manifest, or column of sentences; give one of the two.
        Sentences are kept verbatim, including words such as "NA" and "None".
    group : str, optional
        Column that names what must stay together: speaker, site, patient.
    split : str, optional
        Column that says train, validation or test (or training, val, valid, dev, testing).
    encoding : str, optional
        Encoding of a csv, tsv or jsonl file, by its Python name. Without it, a byte order mark, UTF-8 and Western
        European text are recognised.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row that has an empty cell or names a missing file is an error, or is listed in `skipped` with its
        number in `Skipped.row`.

    Returns
    -------
    Dataset
        Items are paths or sentences in the order of the rows. Labels are int64 if all of them are written as integers,
        and strings otherwise.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing (the message lists the existing ones), a split has an unknown
        name, or, with ``on_error="raise"``, a row has an empty cell or names a missing file. Rows are numbered as in a
        spreadsheet: the header of a csv is row 1.
    """
    source = Path(path)
    table = read_table(source, encoding)
    if (text is None) == (path_column is None):
        raise DataError(
            f"{source}: say which column holds the items, with either text= (sentences) or path_column= (files): "
            f"its columns are {listed(table.columns)}."
        )
    used = [name for name in (text, path_column, label, group, split) if name is not None]
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
        table[path_column].tolist() if path_column is not None else [str(cell) for cell in table[text]],
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
    on_error: OnError = "raise",
) -> Dataset:
    """Read a table of measurements: every column except the label is one.

    Parameters
    ----------
    path : path
        A .csv, .tsv, .parquet or .jsonl file with named columns.
    label : str, optional
        Column of labels.
    encoding : str, optional
        As in `load_manifest`.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row without a label is an error, or is listed in `skipped` with its number in `Skipped.row`.

    Returns
    -------
    Dataset
        Items are a DataFrame of the other columns in their order. A column that holds only numbers becomes numeric, and
        its empty cells become NaN. The index holds the number of each row in the file.

    Raises
    ------
    DataError
        If the file cannot be read, the label column is missing, or, with ``on_error="raise"``, a row has no label.
    """
    source = Path(path)
    return as_measurements(read_table(source, encoding), source, label, on_error)


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
    import pandas as pd  # noqa: PLC0415

    skipped: list[Skipped] = []
    labels = None
    if label is not None:
        _require_column(table, label, source)
        rows = _Rows(table, source, on_error, numbered=numbered)
        rows.drop(table[label].map(_is_missing), f"no {label}")
        table, skipped = rows.table, rows.skipped
        labels = _as_labels(table[label])
        table = table.drop(columns=label)
    columns = [_as_numbers(table.iloc[:, position]) for position in range(table.shape[1])]  # two may have one name
    items = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=table.index)
    return Dataset(items, labels, "table", name=source.stem, skipped=tuple(skipped))


class _Rows:
    """The rows still in use, and those that were left out."""

    def __init__(self, table: pd.DataFrame, source: Path, on_error: OnError, *, numbered: bool = True) -> None:
        if on_error not in ("raise", "skip"):
            raise DataError(f"on_error={on_error!r}: expected 'raise' or 'skip'.")
        self.table, self.source, self.on_error, self.numbered = table, source, on_error, numbered
        self.skipped: list[Skipped] = []

    def replace(self, column: str, change: Callable[[Any], Any]) -> None:
        self.table = self.table.assign(**{column: [change(cell) for cell in self.table[column]]})

    def drop(self, bad: Any, reason: str | Callable[[Any], str]) -> None:
        rows = self.table[np.asarray(bad, dtype=bool)]
        if rows.empty:
            return
        left_out = [
            Skipped(
                f"{self.source}, {self._name(number)}",
                reason if isinstance(reason, str) else reason(row),
                number if self.numbered else None,
            )
            for number, (_, row) in zip(rows.index.tolist(), rows.iterrows(), strict=True)
        ]
        if self.on_error == "raise":
            named = zip(rows.index[:_NAMED_ROWS], left_out, strict=False)
            these = "; ".join(f"{self._name(number)}: {each.reason}" for number, each in named)
            more = f" and {len(rows) - _NAMED_ROWS} more" if len(rows) > _NAMED_ROWS else ""
            raise DataError(
                f"{self.source}: {these}{more}. Correct or delete these rows, or skip them (on_error='skip')."
            )
        self.skipped += left_out
        self.table = self.table.drop(index=rows.index)
        if self.table.empty:
            raise DataError(
                f"{self.source}: every row was skipped, the last because of {left_out[-1].reason!r}: see the others."
            )

    def _name(self, number: int) -> str:
        return f"row {number}" if self.numbered else f"row {number} of the sample"


def _require_column(table: pd.DataFrame, name: str, source: Path) -> None:
    found = list(table.columns).count(name)
    if found == 1:
        return
    if found:
        raise DataError(f"{source}: {found} columns are called {name!r}: rename all but one.")
    close = difflib.get_close_matches(name.lower(), [str(column).lower() for column in table.columns], n=1)
    meant = [column for column in table.columns if close and str(column).lower() == close[0]]
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    raise DataError(f"{source}: no column {name!r}: choose one of {listed(table.columns)}.{hint}")


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
    """Return a column as numbers, with NaN for empty cells; unchanged if a cell holds something else."""
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
            f"{source}: unknown parts {listed(unknown[:_NAMED_ROWS])} in column {column.name!r}: write train, "
            "validation or test."
        )
    return np.array([SPLIT_NAMES[word.lower()] for word in words])
