"""Rows of a manifest that are parts of long items: stretches of recordings, words of texts, samples of logs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridcnn.channels import Log
from gridcnn.datasets.cells import Rows, is_missing, some_names
from gridcnn.datasets.event_files.reading import BadRowError, has_decimal_commas, number_of
from gridcnn.datasets.folder import DOCUMENTS, read_document
from gridcnn.datasets.limits import require_cells
from gridcnn.datasets.logs import LOG_FILES, read_log
from gridcnn.errors import DataError
from gridcnn.segments import Span
from gridcnn.stored import as_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Cut",
    "cut_logs",
    "cut_texts",
    "document_names",
    "names_documents",
    "names_logs",
    "read_documents",
    "read_times",
]

LOGS_HELD = 4
"""Logs that are in memory at a time when they are read again."""


def read_times(rows: Rows, start: str, end: str, *, whole: bool) -> None:
    """Turn two columns into numbers; rows without a beginning and a later end are left out.

    Parameters
    ----------
    rows : Rows
        Of the manifest.
    start, end : str
        The columns.
    whole : bool
        Whether they count words or samples, so that they are whole numbers.
    """
    table = rows.table
    commas = has_decimal_commas([*table[start], *table[end]])
    numbers: dict[int, tuple[float, float]] = {}
    problems: dict[int, str] = {}
    for row, *cells in zip(table.index.tolist(), table[start], table[end], strict=True):
        try:
            first, last = (number_of(cell, name, commas=commas) for cell, name in zip(cells, (start, end), strict=True))
            if last <= first:
                raise BadRowError(f"it ends at {last:g}, and begins at {first:g}: it must end later")
            if whole and not (first.is_integer() and last.is_integer()):
                raise BadRowError(f"{start} and {end} count from 0, in whole numbers; got {first:g} and {last:g}")
            numbers[row] = first, last
        except BadRowError as error:
            problems[row] = str(error)
    rows.drop(table.index.isin(list(problems)), lambda row: problems[row.name])
    kept = rows.table.index.tolist()
    rows.table = rows.table.assign(
        **{name: np.array([numbers[row][at] for row in kept], dtype=float) for at, name in enumerate((start, end))}
    )


class Cut(NamedTuple):
    """Items that are cut out of logs or texts.

    Parameters
    ----------
    items : list of str, or ndarray of shape (n, channels, samples)
        In the order of the rows.
    places : list of Span or None
        Where each lies; None if they are whole.
    whole : callable or None
        Returns a log or a text by the path of a place.
    """

    items: Any
    places: list[Span] | None = None
    whole: Callable[[str], Any] | None = None


def cut_texts(rows: Rows, text: str, start: str, end: str, documents: Mapping[str, str]) -> Cut:
    """Return the words of each text from number `start`, counted from 0, to the one before `end`.

    Words are what white space separates. A text that ends before a segment does is a bad row.

    Parameters
    ----------
    rows : Rows
        Of the manifest.
    text, start, end : str
        Columns: of the names of texts, and of numbers of words.
    documents : mapping of str to str
        The texts by their names.
    """
    words = {each: documents[each].split() for each in rows.table[text].unique()}
    lengths = rows.table[text].map(lambda each: len(words[each])).to_numpy()
    rows.drop(
        rows.table[end].to_numpy() > lengths,
        lambda row: f"the text has {len(words[row[text]]):,} words, and the segment ends at {row[end]:g}",
    )
    places = _places(rows, text, start, end)
    return Cut([" ".join(words[it.path][int(it.start) : int(it.end)]) for it in places], places, documents.__getitem__)


def _places(rows: Rows, path: str, start: str, end: str) -> list[Span]:
    columns = (rows.table[name] for name in (path, start, end))
    return [Span(str(each), float(first), float(last)) for each, first, last in zip(*columns, strict=True)]


def names_logs(cells: pd.Series[Any]) -> bool:
    """Whether most cells name tables or arrays rather than pictures or sounds."""
    return _mostly(cells, LOG_FILES)


def names_documents(cells: pd.Series[Any]) -> bool:
    """Whether most cells name files that are one text each."""
    return _mostly(cells, DOCUMENTS)


def _mostly(cells: pd.Series[Any], suffixes: Collection[str]) -> bool:
    given = [os.path.splitext(str(cell).strip().lower())[1] for cell in cells if not is_missing(cell)]  # noqa: PTH122
    return 2 * sum(suffix in suffixes for suffix in given) > len(given)


def read_documents(rows: Rows, path: str, encoding: str | None) -> dict[str, str]:
    """Return the texts of files by their paths; rows whose file cannot be read, or is empty, are left out."""
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, file in {str(each): each for each in rows.table[path]}.items():
        try:
            with as_path(file) as place:
                texts[name] = read_document(Path(place), encoding)
            if not texts[name].strip():
                problems[name] = "the file is empty"
        except DataError as error:
            problems[name] = str(error)
    rows.replace(path, str)
    rows.drop(rows.table[path].isin(list(problems)), lambda row: problems[row[path]])
    return texts


def cut_logs(rows: Rows, path: str, start: str | None, end: str | None) -> Cut:
    """Return parts of logs, or whole logs without `start`, as an array `(n, channels, samples)`, NaN behind their ends.

    Of one channel, it is `(n, samples)`.

    Each file is read once. Files that cannot be read, have other channels than most, or end before a segment does are
    bad rows.
    """
    logs: dict[str, NDArray[Any]] = {}
    places: list[Span] | None
    problems: dict[str, str] = {}
    for name, file in {str(each): each for each in rows.table[path]}.items():
        try:
            with as_path(file) as place:
                logs[name] = read_log(place)
        except DataError as error:
            problems[name] = str(error)
    named = _usual_names(logs.values())
    for name, log in logs.items():
        try:
            logs[name] = np.atleast_2d(_in_order(log, named))
        except DataError as error:
            problems[name] = f"{name}: {error}"
    rows.drop(rows.table[path].map(lambda each: str(each) in problems), lambda row: problems[str(row[path])])
    heights = [len(logs[str(each)]) for each in rows.table[path]]
    usual = max(set(heights), key=heights.count)
    rows.drop(
        np.array(heights) != usual,
        lambda row: f"{row[path]}: {len(logs[str(row[path])])} channels, and others have {usual}",
    )
    if start is not None and end is not None:
        rows.drop(
            [last > logs[str(each)].shape[1] for each, last in zip(rows.table[path], rows.table[end], strict=True)],
            lambda row: (
                f"{row[path]} has {logs[str(row[path])].shape[1]:,} samples, and the segment ends at {row[end]:g}"
            ),
        )
        places = _places(rows, path, start, end)
        parts = [logs[str(it.path)][:, int(it.start) : int(it.end)] for it in places]
    else:
        places = None
        parts = [logs[str(each)] for each in rows.table[path]]
    longest = max(part.shape[1] for part in parts)
    require_cells(rows.source, len(parts) * usual * longest)
    items = np.full((len(parts), usual, longest), np.nan)
    for item, part in zip(items, parts, strict=True):
        item[:, : part.shape[1]] = part
    items = Log.of(items, named) if usual > 1 and named is not None and len(named) == usual else items
    whole = functools.lru_cache(LOGS_HELD)(lambda path: _in_order(read_log(path), named))
    return Cut(items if usual > 1 else items[:, 0], places, whole)


def _usual_names(logs: Iterable[Any]) -> tuple[str, ...] | None:
    """Return the names of channels that most logs have, in the order of the first of these; None if none has names."""
    found = [log.columns for log in logs if isinstance(log, Log) and log.columns is not None]
    sets = [tuple(sorted(names)) for names in found]
    return found[sets.index(max(sets, key=sets.count))] if found else None


def _in_order(log: Any, names: tuple[str, ...] | None) -> Any:
    """Return a log whose channels have the order of others, by their names; DataError if as many have others."""
    if not isinstance(log, Log) or names is None or len(log) != len(names):
        return log
    ordered = log.ordered(names)
    if ordered is None:
        here, others = some_names(log.columns or ()), some_names(names)
        raise DataError(f"its columns are {here}, and others have {others}: rename them if they hold the same")
    return ordered


def document_names(texts: Sequence[Any], source: str) -> list[str]:
    """Return a short name for each text, the same for the same text."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(map(str, texts)), start=1)}
    return [f"{source}, text {numbers[str(text)]}" for text in texts]
