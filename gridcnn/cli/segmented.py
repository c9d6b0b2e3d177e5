"""Rows of a csv that name parts of recordings: where each begins and ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gridcnn.cli.asked import Asked, Source
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.segments import Segment

__all__ = ["segmented"]


def segmented(source: Source, start: str, end: str, encoding: str | None) -> Source:
    """Return an input whose items are the parts that its rows name, in place of whole files.

    Parameters
    ----------
    source : Source
        A file of rows that lists recordings.
    start, end : str
        Columns of seconds from the beginning of the recording.
    encoding : str or None
        Of the file.

    Raises
    ------
    ConfigurationError
        If the input is no file of rows.
    DataError
        If it has no such column.
    """
    place = source.listed_in
    if place is None:
        raise ConfigurationError(
            f"--start and --end name columns of a csv file, and {source.name} is none: leave them out."
        )
    times = _times(place, start, end, encoding)

    def items() -> Iterator[Asked]:
        for asked in source.items():
            if isinstance(asked.item, ItemError) or asked.row is None:
                yield asked
                continue
            row = f"{place}, row {asked.row}"
            try:
                segment = Segment(str(asked.item), *map(_seconds, times[asked.row]))
            except DataError as error:
                yield Asked(row, ItemError(row, str(error)), asked.row)
            else:
                yield Asked(str(segment), segment, asked.row)

    return source._replace(items=items)


def _times(place: Path, start: str, end: str, encoding: str | None) -> dict[int, tuple[Any, Any]]:
    from gridcnn.datasets.cells import require_column
    from gridcnn.datasets.streamed import StreamedTable

    table = StreamedTable(place, encoding)
    first = next(table.parts())
    for name in (start, end):
        require_column(first, name, place)
    found: dict[int, tuple[Any, Any]] = {}
    for part in table.parts(start, end):
        columns = (part[name].tolist() for name in (start, end))
        found |= dict(zip(part.index.tolist(), zip(*columns, strict=True), strict=True))
    return found


def _seconds(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise DataError(f"expected seconds from the beginning of the recording, such as 12.5; got {cell!r}") from None
