"""Rows of a manifest that are parts of long items: stretches of recordings, words of texts, samples of logs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.cells import Rows, is_missing
from gridcnn.datasets.event_files.reading import BadRowError, has_decimal_commas, number_of
from gridcnn.datasets.limits import require_cells
from gridcnn.datasets.logs import LOG_FILES, read_log
from gridcnn.errors import DataError
from gridcnn.stored import as_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cut_logs", "cut_texts", "document_names", "names_logs", "read_times"]


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


def cut_texts(rows: Rows, text: str, start: str, end: str) -> list[str]:
    """Return the words of each text from number `start`, counted from 0, to the one before `end`.

    Words are what white space separates. A text that ends before a segment begins is a bad row.
    """
    words = {each: str(each).split() for each in rows.table[text].unique()}
    lengths = rows.table[text].map(lambda each: len(words[each])).to_numpy()
    rows.drop(
        rows.table[end].to_numpy() > lengths,
        lambda row: f"the text has {len(words[row[text]]):,} words, and the segment ends at {row[end]:g}",
    )
    columns = (rows.table[name] for name in (text, start, end))
    return [" ".join(words[each][int(first) : int(last)]) for each, first, last in zip(*columns, strict=True)]


def names_logs(cells: pd.Series[Any]) -> bool:
    """Whether most cells name tables or arrays rather than pictures or sounds."""
    given = [os.path.splitext(str(cell).strip().lower())[1] for cell in cells if not is_missing(cell)]  # noqa: PTH122
    return 2 * sum(suffix in LOG_FILES for suffix in given) > len(given)


def cut_logs(rows: Rows, path: str, start: str | None, end: str | None) -> NDArray[Any]:
    """Return parts of logs, or whole logs without `start`, as an array `(n, channels, samples)`, NaN behind their ends.

    Of one channel, it is `(n, samples)`.

    Each file is read once. Files that cannot be read, have other channels than most, or end before a segment does are
    bad rows.
    """
    logs: dict[str, NDArray[Any]] = {}
    problems: dict[str, str] = {}
    for name, file in {str(each): each for each in rows.table[path]}.items():
        try:
            with as_path(file) as place:
                logs[name] = np.atleast_2d(read_log(place))
        except DataError as error:
            problems[name] = str(error)
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
        columns = (rows.table[name] for name in (path, start, end))
        parts = [logs[str(each)][:, int(first) : int(last)] for each, first, last in zip(*columns, strict=True)]
    else:
        parts = [logs[str(each)] for each in rows.table[path]]
    longest = max(part.shape[1] for part in parts)
    require_cells(rows.source, len(parts) * usual * longest)
    items = np.full((len(parts), usual, longest), np.nan)
    for item, part in zip(items, parts, strict=True):
        item[:, : part.shape[1]] = part
    return items if usual > 1 else items[:, 0]


def document_names(texts: Sequence[Any], source: str) -> list[str]:
    """Return a short name for each text, the same for the same text."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(map(str, texts)), start=1)}
    return [f"{source}, text {numbers[str(text)]}" for text in texts]
