"""Rows of JSON files: one object on each line, or a whole file in one of the shapes that are usual."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcnn.datasets.limits import require_cells, require_unpacked
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["json_row", "read_json", "read_jsonl", "records_table", "require_dense"]

_EXAMPLE = '{"text": "…", "label": "…"}'


def json_row(line: str) -> dict[str, Any]:
    """Return the object on a line.

    Raises
    ------
    ValueError
        If there is none, or a key stands in it twice.

    Examples
    --------
    >>> json_row('{"text": "a", "text": "b"}')
    Traceback (most recent call last):
    ValueError: the key 'text' stands in one object twice: write one JSON object on each line
    """
    try:
        row = _parsed(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{error}: write one JSON object on each line") from None
    if not isinstance(row, dict):
        raise ValueError(f"expected an object such as {_EXAMPLE} on each line")
    return row


def read_jsonl(text: str, source: Path) -> pd.DataFrame:
    """Read one object on each line; rows have the numbers of their lines, and a line that holds none is malformed.

    Raises
    ------
    DataError
        If no line can be used, or the table is too large.
    """
    rows: dict[int, dict[str, Any]] = {}
    malformed: dict[int, str] = {}
    # Not splitlines: JSON strings may hold the line separators of Unicode.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows[number] = json_row(line)
        except ValueError as error:
            rows[number], malformed[number] = {}, str(error)
    if rows and len(malformed) == len(rows):
        first = next(iter(malformed))
        raise DataError(f"{source}, row {first}: {malformed[first]}; no line of the file holds one.")
    table = records_table(rows, source)
    table.attrs |= {"malformed": malformed}
    return table


def read_json(text: str, source: Path) -> pd.DataFrame:
    """Read an array of objects, or an object of such an array, or of columns; or one object on each line.

    Raises
    ------
    DataError
        If it is something else, or the table is too large.
    """
    try:
        content = _parsed(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{") and "\n" in text.strip():
            return read_jsonl(text, source)
        raise DataError(
            f"{source}: {error}: write an array of objects, or one object on each line of a .jsonl."
        ) from None
    rows = _rows_of(content, source)
    if not isinstance(rows, list):
        raise DataError(f"{source}: expected an array of objects such as [{_EXAMPLE}].")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{source}, row {number}: expected an object such as {_EXAMPLE}.")
    return records_table(dict(enumerate(rows, start=1)), source)


def records_table(rows: dict[int, dict[str, Any]], source: Path) -> pd.DataFrame:
    """Return objects, by the numbers of their rows, as a table with a column for each key that any of them has."""
    import pandas as pd  # noqa: PLC0415

    keys = list(dict.fromkeys(itertools.chain.from_iterable(rows.values())))
    require_dense(source, rows.values(), len(keys))
    cells = np.fromiter((row.get(key) for row in rows.values() for key in keys), object, len(rows) * len(keys))
    return pd.DataFrame(cells.reshape(len(rows), len(keys)), index=list(rows), columns=keys, dtype=object)


def require_dense(source: Path, some: Collection[Sized], many: int) -> None:
    """Raise DataError if objects become a table of too many cells, or one that is all but empty."""
    cells = len(some) * many
    require_cells(source, cells)
    require_unpacked(source, 8 * sum(map(len, some)), 8 * cells)


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError if a key stands in it twice, of which `json` would keep the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shortened(twice)!r} stands in one object twice")
    return made


def _rows_of(content: Any, source: Path) -> Any:
    """Return the rows of a file in one of the shapes that pandas and others write; or the content as it is."""
    if not isinstance(content, dict) or not content:
        return content
    values = list(content.values())
    names, data = content.get("columns"), content.get("data")
    if isinstance(names, list) and isinstance(data, list):  # pandas: orient="split"
        for number, row in enumerate(data, start=1):
            if not isinstance(row, list) or len(row) != len(names):
                raise DataError(f"{source}, row {number}: expected an array of {len(names)} cells, one a column.")
        if len(set(map(str, names))) < len(names):
            raise DataError(f"{source}: two of its columns have one name: rename all but one.")
        return [dict(zip(map(str, names), row, strict=True)) for row in data]
    if all(isinstance(column, dict) for column in values):  # pandas: orient="columns"
        rows = dict.fromkeys(row for column in values for row in column)
        require_dense(source, values, len(rows))
        return [{name: column.get(row) for name, column in content.items()} for row in rows]
    arrays = [value for value in values if isinstance(value, list)]
    if len(arrays) == 1 and arrays[0] and all(isinstance(row, dict) for row in arrays[0]):
        return arrays[0]  # {"data": [{…}, {…}]}
    if arrays and len(arrays) == len(values) and len({len(column) for column in arrays}) == 1:
        return [dict(zip(content, row, strict=True)) for row in zip(*arrays, strict=True)]
    return content
