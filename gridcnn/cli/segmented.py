"""Long items that a command reads whole or in parts: rows of a csv say where each part begins and ends."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.asked import Asked, Source, text_name, unreadable
from gridcnn.cli.columns import Columns
from gridcnn.cli.sources import holds_rows
from gridcnn.display import none_can
from gridcnn.errors import ConfigurationError, DataError, ItemError, Skipped
from gridcnn.segments import Segment, Span, file_of
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset
    from gridcnn.datasets.members import Place
    from gridcnn.model import FittedModel

__all__ = ["as_item", "has_parts", "in_parts", "long_item", "names_in", "read_by", "require_long"]

LOGS_HELD = 4
"""Logs that are in memory at a time, since rows that name one may stand anywhere."""


def has_parts(adapter: Adapter) -> bool:
    """Whether an item may be a part of a longer one, and not only all of a picture or of a row."""
    return adapter.reads_logs or adapter.reads_texts or (adapter.reads_files and adapter.spec_.axes[-1].unit == "s")


def require_long(model: FittedModel) -> None:
    """Refuse a model of items in which nothing can be detected, before anything else is said of it."""
    from gridcnn.adapters import Adapter

    if type(model.adapter).slide is Adapter.slide:
        noun = model.adapter.noun.removesuffix("s")
        raise ConfigurationError(
            f"this model reads {noun}s, in which nothing can be detected: events lie in recordings, logs and texts. "
            f"`gridcnn predict` answers {noun}s."
        )


def long_item(file: Place, adapter: Adapter, encoding: str | None = None) -> Any:
    """Return what a file holds: a path of a recording or picture, a text, or a log as it was read.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    if adapter.reads_files or isinstance(file, Stored):
        return file
    if adapter.reads_texts:
        from gridcnn.datasets.folder import read_document

        return read_document(file, encoding)
    return _log(file, file.stat().st_mtime_ns)


@functools.lru_cache(LOGS_HELD)
def _log(file: Path, _changed: int) -> Any:
    from gridcnn.datasets.logs import read_log

    return read_log(file)


def as_item(asked: Asked, adapter: Adapter) -> Asked:
    """Return an item as the adapter reads it: a log that is no longer than a window, as a series."""
    if isinstance(asked.item, ItemError) or not adapter.reads_logs:
        return asked
    try:
        _require_short(adapter.length_of(asked.item), adapter, asked.name)
        return asked._replace(item=adapter.part(asked.item))
    except ItemError as error:
        return unreadable(asked.name, error.reason, asked.row)


def _require_short(length: float, adapter: Adapter, name: str) -> None:
    """Refuse a whole log that is longer than a window: the answer would be about all of it, and mean nothing.

    Raises
    ------
    ItemError
        It says what to do.
    """
    if length > adapter.extent_:
        raise ItemError(
            name,
            f"a log of {length:,.0f} samples, and this model reads {adapter.extent_:,.0f}: `gridcnn detect` finds what "
            "is in it; for given parts, list them in a csv, and say --path, --start and --end",
        )


def read_by(data: Dataset, model: FittedModel) -> Dataset:
    """Return items of logs and texts as a model reads them; those that it cannot read are left out.

    Raises
    ------
    DataError
        If none is left.
    """
    adapter, surrounded = model.adapter, model.background is not None
    if data.places is None and not (adapter.reads_logs and data.whole is not None):
        return data
    kept, items, skipped = [], [], []
    for at, item in enumerate(data.items):
        place = None if data.places is None else data.places[at]
        try:
            if place is None:
                _require_short(_samples(item), adapter, f"item {at + 1}")
                items.append(item)
            else:
                whole = data.long_item(place.path)
                items.append(adapter.part(whole, place.start, place.end, surrounded=surrounded))
            kept.append(at)
        except ItemError as error:
            skipped.append(Skipped(str(place or error.item), error.reason))
    if not kept:
        raise DataError(f"{data.name}: {none_can(len(data), 'item')} be used; the first: {skipped[0].reason}.")
    return replace(data.take(kept), items=items, skipped=(*data.skipped, *skipped))


def names_in(data: Dataset) -> list[str] | None:
    """Return what items are called that have no names of their own: parts by their places, rows by their numbers."""
    if data.places is not None:
        return list(map(str, data.places))
    table: Any = data.items
    return [f"row {row}" for row in table.index] if hasattr(table, "iloc") else None


def _samples(item: Any) -> int:
    """Return how many samples a series has before NaN begins in all channels."""
    import numpy as np

    there = np.flatnonzero(~np.isnan(np.atleast_2d(item)).all(axis=0))
    return int(there[-1]) + 1 if len(there) else 0


def in_parts(
    sources: Sequence[Source], columns: Columns, adapter: Adapter, *, surrounded: bool = False
) -> list[Source]:
    """Return the inputs, with the parts that two columns name in place of whole items if these are given.

    Parameters
    ----------
    sources : sequence of Source
        Of recordings, texts, or logs as they were read.
    columns : Columns
        `start` and `end` name columns of seconds, of words, or of samples.
    adapter : Adapter
        Fitted.
    surrounded : bool
        As in `Adapter.part`.

    Raises
    ------
    ConfigurationError
        If an input is no file of rows, or the model reads no parts of anything.
    DataError
        If it has no such column.
    """
    if columns.start is None or columns.end is None:
        return list(sources)
    if not has_parts(adapter):
        raise ConfigurationError(
            f"--start and --end say where parts of recordings, logs and texts lie; a {adapter.noun} has none: leave "
            "them out."
        )
    return [_parts_of(source, columns.start, columns.end, columns, adapter, surrounded) for source in sources]


def _parts_of(source: Source, start: str, end: str, columns: Columns, adapter: Adapter, surrounded: bool) -> Source:
    place = source.listed_in
    if place is None or not holds_rows(place):
        raise ConfigurationError(
            f"--start and --end name columns of a csv file on this machine, and {source.name} is none: leave them out."
        )
    times = _times(place, start, end, columns.encoding)

    def items() -> Iterator[Asked]:
        for asked in source.items():
            if isinstance(asked.item, ItemError) or asked.row is None:
                yield asked
                continue
            row = f"{place}, row {asked.row}"
            try:
                first, last = map(_number, times[asked.row])
                file = asked.item if adapter.reads_files else asked.place or asked.item
                kind = Segment if adapter.reads_files else Span
                where = kind(file_of(file), first, last)
                item = adapter.part(asked.item, first, last, surrounded=surrounded)
            except DataError as error:
                yield unreadable(row, error.reason if isinstance(error, ItemError) else error, asked.row)
            else:
                name = text_name(item, row) if isinstance(item, str) and asked.place is None else str(where)
                yield Asked(name, item, asked.row, where)

    return source._replace(items=items)


def _times(place: Path, start: str, end: str, encoding: str | None) -> dict[int, tuple[Any, Any]]:
    """Return the cells that say where parts begin and end, by the numbers of their rows."""
    from gridcnn.datasets.cells import require_column
    from gridcnn.datasets.event_files.reading import has_decimal_commas
    from gridcnn.datasets.streamed import StreamedTable

    table = StreamedTable(place, encoding)
    first = next(table.parts())
    for name in (start, end):
        require_column(first, name, place)
    found: dict[int, tuple[Any, Any]] = {}
    for part in table.parts(start, end):
        columns = (part[name].tolist() for name in (start, end))
        found |= dict(zip(part.index.tolist(), zip(*columns, strict=True), strict=True))
    if has_decimal_commas(cell for cells in found.values() for cell in cells):
        found = {row: (_with_point(first), _with_point(last)) for row, (first, last) in found.items()}
    return found


def _with_point(cell: Any) -> Any:
    return cell.replace(",", ".") if isinstance(cell, str) else cell


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise DataError(
            f"expected where the part begins and ends, in seconds, samples or words, such as 12.5; got {cell!r}"
        ) from None
