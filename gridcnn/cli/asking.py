"""The INPUTs of `predict`, item by item: each has a name in the answers, also if it cannot be read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gridcnn.cli.output import note
from gridcnn.cli.sources import TABLE_FILES, Columns, holds_rows, located, read_rows, require_kind
from gridcnn.errors import ConfigurationError, DataError, GridcnnError, Skipped

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset

__all__ = ["Asked", "read_inputs"]

STANDARD_INPUT = "-"


class Asked(NamedTuple):
    """One item of the inputs.

    Parameters
    ----------
    name : str
        What the answers call it: its path, its text, or its file and row, as a spreadsheet counts.
    item : object
        The raw item, as `Adapter.check_items` returns it.
    error : str
        Why it is known to be unreadable already; empty for the others.
    """

    name: str
    item: Any = None
    error: str = ""


def read_inputs(inputs: Iterable[str], adapter: Adapter, columns: Columns) -> list[Asked]:
    """Return the items of all inputs in their order.

    Raises
    ------
    DataError
        If an input holds no items for this adapter. A file that is itself an item may be unreadable: then its `Asked`
        says so, or the adapter will.
    """
    inputs = list(inputs)
    if inputs.count(STANDARD_INPUT) > 1:
        raise ConfigurationError("'-' is given twice, and standard input can be read only once: give it once.")
    return [asked for source in inputs for asked in _read_input(source, adapter, columns)]


def _read_input(source: str, adapter: Adapter, columns: Columns) -> list[Asked]:
    if source == STANDARD_INPUT:
        if not adapter.reads_texts:
            raise DataError(f"'-' reads sentences, and this model reads {adapter.modality}: give files or a folder.")
        return [Asked(line, line) for line in _lines(sys.stdin.buffer.read(), Path("standard input"), columns.encoding)]
    place = located(source)
    if not (adapter.reads_texts or adapter.reads_files):
        return _rows_of_table(source, place, adapter, columns.encoding)
    if os.path.isdir(place):  # noqa: PTH112  (a name may be too long, or a sentence)
        return _documents(place, columns.encoding) if adapter.reads_texts else _from_folder(place, adapter)
    if holds_rows(place):
        return [_asked(row) for row in read_rows(place, adapter, columns).values()]
    if not adapter.reads_texts:
        return [Asked(source, str(place))]
    if not os.path.isfile(place):  # noqa: PTH113
        raise DataError(
            f"{source!r} is no file, and this model reads text: give a csv file with --text COLUMN, a file with one "
            'sentence a line, or - for standard input: echo "your text" | gridcnn predict MODEL -'
        )
    lines = _lines(place.read_bytes(), place, columns.encoding)
    if len(lines) > 1:
        note(f"{source}: {len(lines)} texts, one a line (in a folder of .txt files, each file would be one text).")
    return [Asked(line, line) for line in lines]


def _asked(item: Any) -> Asked:
    return Asked(item.item, error=item.reason) if isinstance(item, Skipped) else Asked(str(item), item)


def _rows_of_table(source: str, place: Path, adapter: Adapter, encoding: str | None) -> list[Asked]:
    import pandas as pd

    data = _load_rows(source, place, encoding)
    table: Any = data.items
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{source} holds no rows of a table, which this model reads.")
    try:
        numbers = adapter.check_items(table)
    except GridcnnError:
        raise
    except (ValueError, TypeError) as error:  # in scikit-learn's words
        raise DataError(f"{source}: {error}") from error
    asked = {row: Asked(f"{source}, row {row}", item) for row, item in zip(table.index, numbers, strict=True)}
    asked |= {each.row: Asked(f"{source}, row {each.row}", error=each.reason) for each in data.skipped}
    return [asked[row] for row in sorted(asked)]


def _load_rows(source: str, place: Path, encoding: str | None) -> Dataset:
    from gridcnn.datasets import load, load_table

    if os.path.isdir(place):  # noqa: PTH112
        raise DataError(
            f"{source} is a folder, and this model reads rows of a table: give a file that ends in {TABLE_FILES}."
        )
    is_name = not place.suffix and not os.path.isfile(place)  # noqa: PTH113
    return load(source) if is_name else load_table(place, encoding=encoding, on_error="skip")


def _lines(data: bytes, place: Path, encoding: str | None) -> list[str]:
    from gridcnn.datasets.encoding import decode

    lines = decode(data, place, encoding).split("\n")
    if not lines[-1]:
        lines.pop()  # the end of the last line begins no new one
    if not lines:
        raise DataError(f"{place}: empty: give one sentence a line.")
    return [line.rstrip("\r") for line in lines]


def _documents(folder: Path, encoding: str | None) -> list[Asked]:
    """Read each .txt file below a folder as one text."""
    from gridcnn.datasets.encoding import decode
    from gridcnn.datasets.folder import DOCUMENTS
    from gridcnn.datasets.media import walk

    found = [place for place in sorted(walk(folder)) if place.suffix.lower() in DOCUMENTS]
    if not found:
        raise DataError(
            f"{folder} is a folder without .txt files, and this model reads text: give a folder of .txt files, one "
            "text in each, a csv file with --text COLUMN, or - for standard input."
        )
    asked = []
    for place in found:
        try:
            asked.append(Asked(str(place), decode(place.read_bytes(), place, encoding)))
        except DataError as error:
            asked.append(Asked(str(place), error=str(error)))
        except OSError as error:
            asked.append(Asked(str(place), error=f"cannot be read ({error.strerror})"))
    return asked


def _from_folder(place: Path, adapter: Adapter) -> list[Asked]:
    from gridcnn.datasets import list_media_files

    found = list_media_files(place)
    require_kind(str(place), found, adapter)
    every = [_asked(item) for item in (*found.items, *found.skipped)]
    return sorted(every, key=lambda each: each.name)
