"""Cells that hold several labels: "a|b|c", "a;b", "a, b", a list of json or parquet; an empty one holds none."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.cells import as_labels, as_word, is_missing
from gridcnn.display import counted
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from gridcnn.datasets.remote import RemoteFile

__all__ = ["LabelSets", "read_label_sets"]

_SEPARATORS = ("|", ";", ",")
_LISTS = (list, tuple, set, np.ndarray)


class LabelSets(NamedTuple):
    """Labels of each item, tuples in an object `(n,)`, and a sentence on how they were read."""

    labels: NDArray[Any]
    note: str


def read_label_sets(column: pd.Series[Any], source: Path | RemoteFile) -> LabelSets:
    """Read the labels of a column; what separates them is told from all cells together.

    A vertical bar always separates. A semicolon or a comma does if the parts occur more often than the whole cells, so
    that "Salt Lake, UT" stays one label.

    Raises
    ------
    DataError
        If no cell holds a label.
    """
    cells = [None if is_missing(cell) else cell for cell in column]
    words = {as_word(cell) for cell in cells if cell is not None and not isinstance(cell, _LISTS)}
    if all(word.startswith("[") and word.endswith("]") for word in words):
        how = "a list"
        rows = [_of_list(cell) for cell in cells]
    else:
        mark = next((each for each in _SEPARATORS if _separates(each, words)), None)
        how = "one label" if mark is None else f"labels separated by {mark!r}"
        rows = [_of_list(cell) if isinstance(cell, _LISTS) else _divided(cell, mark) for cell in cells]
    every = [label for row in rows for label in row]
    if not every:
        raise DataError(f"{source}: no cell of the column {column.name!r} holds a label: check its name.")
    numbers = as_labels(every).dtype.kind == "i"
    labels = np.empty(len(rows), dtype=object)
    for at, row in enumerate(rows):
        labels[at] = tuple(int(label) for label in row) if numbers else row
    n_empty = sum(not row for row in rows)
    note = f"a cell of {column.name!r} is read as {how}: {len(every) / len(rows):.2f} labels an item on average"
    if max(map(len, rows)) < 2:
        note += "; no item has more than one, so --label would do"
    return LabelSets(labels, note + (f", and {counted(n_empty, 'item')} without any" if n_empty else ""))


def _separates(mark: str, words: set[str]) -> bool:
    if not any(mark in word for word in words):
        return False
    parts = {part.strip() for word in words for part in word.split(mark)} - {""}
    return mark == "|" or len(parts) < len(words)


def _divided(cell: object, mark: str | None) -> tuple[str, ...]:
    if cell is None:
        return ()
    word = as_word(cell)
    return _different(word.split(mark) if mark else [word])


def _of_list(cell: object) -> tuple[str, ...]:
    """Return the labels of a list, which may be written as json or as Python writes it."""
    if cell is None:
        return ()
    if isinstance(cell, _LISTS):
        return _different([as_word(each) for each in cell if not is_missing(each)])
    text = str(cell).strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        quote = "'" if "'" in text else '"'
        found = next(csv.reader([text[1:-1].replace("\n", " ")], quotechar=quote, skipinitialspace=True), [])
    return _different([as_word(each) for each in found if isinstance(each, str | int | float)])


def _different(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
