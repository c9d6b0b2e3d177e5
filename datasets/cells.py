"""Rows and cells of a file: columns found by name, cells that are missing, labels, names of parts."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.dataset import SPLIT_NAMES
from gridcnn.datasets.wording import listed, shortened
from gridcnn.display import none_can
from gridcnn.errors import DataError, Skipped

if TYPE_CHECKING:
    import pandas as pd

    from gridcnn.datasets.remote import RemoteFile

__all__ = [
    "OnError",
    "Rows",
    "as_labels",
    "as_splits",
    "as_word",
    "is_missing",
    "require_column",
    "some_names",
]

_NAMED_ROWS = 5  # a message names this many rows and counts the rest
_SURELY_A_SCALE = 8  # rising numbers
_MOST_COMPARED = 200  # columns
_LONGEST_NAME = 40  # characters of the name of a column; a sentence is longer

OnError: TypeAlias = Literal["raise", "skip"]


class Rows:
    """The rows still in use, and those that were left out."""

    def __init__(
        self, table: pd.DataFrame, source: Path | RemoteFile, on_error: OnError, *, numbered: bool = True
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise DataError(f"on_error={on_error!r}: expected 'raise' or 'skip'.")
        self.table, self.source, self.on_error, self.numbered = table, source, on_error, numbered
        self.skipped: list[Skipped] = []
        malformed = table.attrs.get("malformed", {})
        if malformed:
            self.drop(table.index.isin(list(malformed)), lambda row: malformed[row.name])

    def replace(self, column: str, change: Callable[[Any], Any]) -> None:
        """Change every cell of a column."""
        self.table = self.table.assign(**{column: [change(cell) for cell in self.table[column]]})

    def drop(self, bad: Any, reason: str | Callable[[Any], str]) -> None:
        """Leave out rows for a reason, or raise DataError that names the first of them."""
        rows = self.table[np.asarray(bad, dtype=bool)]
        if rows.empty:
            return
        reasons = [reason] * len(rows) if isinstance(reason, str) else [reason(row) for _, row in rows.iterrows()]
        left_out = [
            Skipped(
                f"{self.source}, {self._name(number)}",
                shortened(why.removesuffix(".")),
                number if self.numbered else None,
            )
            for number, why in zip(rows.index.tolist(), reasons, strict=True)
        ]
        if self.on_error == "raise":
            named = zip(rows.index[:_NAMED_ROWS], left_out, strict=False)
            these = "; ".join(f"{self._name(number)}: {each.reason}" for number, each in named)
            more = f" and {len(rows) - _NAMED_ROWS} more" if len(rows) > _NAMED_ROWS else ""
            raise DataError(
                f"{self.source}: {these}{more}. Correct or delete these rows, or skip them with --on-error skip "
                "(on_error='skip')."
            )
        self.skipped += left_out
        self.table = self.table.drop(index=rows.index)
        if self.table.empty:
            first = sorted(self.skipped, key=lambda each: each.row or 0)[:_NAMED_ROWS]
            these = "; ".join(
                f"{each.item if each.row is None else self._name(each.row)}: {each.reason}" for each in first
            )
            n_more = len(self.skipped) - len(first)
            raise DataError(
                f"{self.source}: {none_can(len(self.skipped), 'row')} be used: {these}"
                f"{f'; and {n_more} more' if n_more else ''}."
            )

    def _name(self, number: int) -> str:
        return f"row {number}" if self.numbered else f"row {number} of the sample"


def require_column(table: pd.DataFrame, name: str, source: Path | RemoteFile) -> None:
    """Raise DataError unless exactly one column has this name; the message says which columns there are."""
    found = list(table.columns).count(name)
    if found == 1:
        return
    if found:
        raise DataError(f"{source}: {found} columns are called {name!r}: rename all but one.")
    names = [str(column) for column in table.columns[:_MOST_COMPARED] if len(str(column)) <= _LONGEST_NAME]
    close = difflib.get_close_matches(name.lower(), [column.lower() for column in names], n=1)
    meant = [column for column in names if close and column.lower() == close[0]]
    hint = f" Did you mean {meant[0]!r}?" if meant else ""
    if _looks_like_data(table.columns) or _repeats_names(table):
        hint = " Its first row looks like data: add a line with the names of the columns above it, such as text,label."
    raise DataError(f"{source}: no column {name!r}: choose one of {some_names(table.columns)}.{hint}")


def _looks_like_data(names: Iterable[Any]) -> bool:
    """Whether names of columns are sentences, or numbers that are no scale such as 400, 410, 420."""
    words = [str(name) for name in names]
    if any(len(word) > _LONGEST_NAME or len(word.split()) > 4 for word in words):
        return True
    numbers = [float(word) for word in words if re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", word, re.IGNORECASE)]
    rising = all(left < right for left, right in itertools.pairwise(numbers))
    scale = rising and len(numbers) > 1 and all(number.is_integer() for number in numbers)
    return bool(numbers) and not (scale or (rising and len(numbers) >= _SURELY_A_SCALE))


def _repeats_names(table: pd.DataFrame) -> bool:
    """Whether the name of a column is also one of its cells, as a label is that stands in the place of a header."""
    names = enumerate(table.columns[:_MOST_COMPARED])
    return any(str(name) and str(name) in set(map(str, table.iloc[:, at])) for at, name in names)


def some_names(names: Iterable[Any], most: int = 20) -> str:
    """Return the first names of columns for a message, and how many there are besides."""
    every = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in map(str, names)]
    return listed(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def is_missing(cell: object) -> bool:
    """Return whether a cell is empty: white space, None, NaN, or an empty list."""
    if isinstance(cell, str):
        return not cell.strip()
    if isinstance(cell, list | tuple | dict | np.ndarray):  # of a json or parquet file
        return not len(cell)
    return cell is None or type(cell).__name__ == "NAType" or bool(cell != cell)  # noqa: PLR0124  (NaN and NaT)


def as_word(cell: object) -> str:
    """Write a cell as a label: 3.0, an integer in a column that had gaps, as 3."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace").strip()
    is_whole = isinstance(cell, float | np.floating) and float(cell).is_integer()
    return str(int(cell)) if is_whole else str(cell).strip()  # type: ignore[call-overload]


def as_labels(column: Iterable[Any]) -> NDArray[Any]:
    """Return the cells of a column as labels: int64 if all are written as integers, and strings otherwise.

    DataError if cells hold several labels.
    """
    cells = list(column)
    if any(isinstance(cell, list | tuple | np.ndarray) for cell in cells):
        raise DataError("the column of labels holds lists: say that an item has several labels, by --labels or labels=")
    words = [as_word(cell) for cell in cells]
    if all(re.fullmatch(r"0|-?[1-9]\d{0,17}", word) for word in words):  # "01" and "1" may be two classes
        return np.array(words, dtype=np.int64)
    return np.array(words)


def as_splits(column: pd.Series[Any], source: Path | RemoteFile) -> NDArray[Any]:
    """Return the cells of a column as "train", "validation" or "test"; DataError if one is something else."""
    words = [as_word(cell) for cell in column]
    unknown = sorted({word for word in words if word.lower() not in SPLIT_NAMES})
    if unknown:
        some = listed(map(shortened, unknown[:_NAMED_ROWS]))
        raise DataError(f"{source}: unknown parts {some} in column {column.name!r}: write train, validation or test.")
    return np.array([SPLIT_NAMES[word.lower()] for word in words])
