"""What a row of labels says of its item, so that `gridcnn train` finds the item again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.asked import Asked, Source
from gridcnn.cli.columns import Columns
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.segments import Segment
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter

__all__ = ["LabelledRows", "not_writable"]


class LabelledRows:
    """The columns of items: a path or a text, the part of a recording, the numbers of a row, a group.

    Parameters
    ----------
    adapter : Adapter
        Reads the items.
    columns : Columns
        Of the inputs.
    saved_as : str
        The column of labels beside them: `label`, or `labels` if an item may have several.
    """

    def __init__(self, adapter: Adapter, columns: Columns, saved_as: str = "label") -> None:
        self._adapter, self._columns, self._saved_as = adapter, columns, saved_as

    def cells(self, chosen: Iterable[tuple[Source, Asked]]) -> list[dict[str, str]]:
        """Return the cells of items, by the names of their columns.

        Raises
        ------
        ConfigurationError
            If a group was named, and the items of an input have none.
        """
        chosen = list(chosen)
        rows = self._rows_of(chosen)
        return [{**self._item(asked), **rows[id(source)](asked)} for source, asked in chosen]

    def training(self, rows: Iterable[dict[str, str]]) -> str:
        """Return the options with which `gridcnn train` reads such rows."""
        used = {column for row in rows for column in row}
        item = "--text text" if "text" in used else "--path path" if "path" in used else ""
        part = "--start begin --end end --no-background" if "begin" in used else ""  # nobody has seen the rest
        label = "--labels labels" if self._saved_as == "labels" else ""
        return " ".join(filter(None, [item, label, part, "--group group" if self._columns.group else ""]))

    def _item(self, asked: Asked) -> dict[str, str]:
        item = asked.item if asked.place is None else asked.place
        if isinstance(item, Segment):
            times = {"begin": _time(item.start), "end": _time(item.end)}
            if self._adapter.reads_texts and self._columns.path is None:
                return {"text": str(item.path), **times}
            return {"path": os.path.abspath(str(item.path)), **times}  # noqa: PTH100
        if asked.place is not None:
            return {"path": os.path.abspath(str(item))}  # noqa: PTH100
        if isinstance(item, str) and self._adapter.reads_texts:
            return {"text": item}
        return {"path": os.path.abspath(str(item))} if isinstance(item, str | os.PathLike | Stored) else {}  # noqa: PTH100

    def _rows_of(self, chosen: list[tuple[Source, Asked]]) -> dict[int, Callable[[Asked], dict[str, str]]]:
        """Return, for each input, what reads the other cells of its items; files are read once more."""
        found: dict[int, Callable[[Asked], dict[str, str]]] = {}
        for source, _ in chosen:
            if id(source) not in found:
                wanted = {asked.row for other, asked in chosen if other is source and asked.row is not None}
                lies_somewhere = any(asked.place is not None for other, asked in chosen if other is source)
                found[id(source)] = self._reader(source, wanted, lies_somewhere=lies_somewhere)
        return found

    def _reader(self, source: Source, wanted: set[int], *, lies_somewhere: bool) -> Callable[[Asked], dict[str, str]]:
        if source.listed_in is None or not wanted:
            if self._columns.group is not None:
                raise ConfigurationError(
                    f"--group {self._columns.group}: {source.name} is no file of rows, so that its items have no "
                    "column: leave --group out."
                )
            return lambda asked: {}
        if self._adapter.reads_files or self._adapter.reads_texts or lies_somewhere:
            return _group_of(source.listed_in, self._columns, wanted)
        if self._columns.group is not None:
            raise ConfigurationError("--group: the rows of a table of numbers are saved without groups: leave it out.")
        return _numbers_of(source.listed_in, self._columns.encoding, wanted, self._saved_as)


RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000, 250_000, 256_000, 384_000)
"""Samples a second at which a saved time names the same sample as the time of a part: the usual ones, bats included."""


def _time(seconds: float) -> str:
    """Write a time, or a number of samples or words, with no more digits than it takes to read the same part.

    >>> _time(2.2 + 1e-9), _time(0.1 + 0.2), _time(1 / 3), _time(600)
    ('2.2', '0.3', '0.333333', '600')
    """
    at = [round(seconds * rate) for rate in RATES]
    some = (round(seconds, digits) for digits in range(3, 10))
    short = next((each for each in some if [round(each * rate) for rate in RATES] == at), seconds)
    return f"{short:.9f}".rstrip("0").rstrip(".")


def _group_of(place: Path, columns: Columns, wanted: set[int]) -> Callable[[Asked], dict[str, str]]:
    from gridcnn.datasets.cells import as_word, require_column
    from gridcnn.datasets.streamed import StreamedTable

    if columns.group is None:
        return lambda asked: {}
    table = StreamedTable(place, columns.encoding)
    require_column(next(table.parts()), columns.group, place)
    cells = {
        number: as_word(cell)
        for part in table.parts(columns.group)
        for number, cell in zip(part.index.tolist(), part[columns.group].tolist(), strict=True)
        if number in wanted
    }
    return lambda asked: {} if asked.row is None else {"group": cells[asked.row]}


def _numbers_of(
    place: Path, encoding: str | None, wanted: set[int], saved_as: str
) -> Callable[[Asked], dict[str, str]]:
    """Return what reads the numbers of a row as they were read, under their own names."""
    from gridcnn.datasets.measurements import StreamedMeasurements
    from gridcnn.datasets.streamed import StreamedTable

    rows: dict[int, dict[str, str]] = {}
    for part, _ in StreamedMeasurements(StreamedTable(place, encoding), place).parts():
        names = [str(name) for name in part.columns]
        if saved_as in names:
            raise DataError(f"{place} has a column of numbers called {saved_as}, as the labels are: rename it.")
        for number, cells in zip(part.index.tolist(), part.to_numpy(dtype=object).tolist(), strict=True):
            if number in wanted:
                rows[number] = dict(zip(names, map(_number, cells), strict=True))
    return lambda asked: {} if asked.row is None else rows[asked.row]


def _number(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell)  # noqa: PLR0124  (NaN)


def not_writable(cells: dict[str, str]) -> str:
    """Say why a csv cannot hold the cells of an item; empty if it can."""
    for column, cell in cells.items():
        try:
            cell.encode()
        except UnicodeEncodeError:
            return f"its {column} has bytes that are no UTF-8, so that no csv can name it: rename it"
        if "\0" in cell:
            return f"its {column} has a null character, which no csv can hold"
    return ""
