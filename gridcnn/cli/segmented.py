"""Rows of a csv that name parts of recordings: where each begins and ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.asked import Asked, Source
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.segments import Segment
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter

__all__ = ["in_parts", "segmented"]


def in_parts(
    sources: Sequence[Source], start: str | None, end: str | None, encoding: str | None, adapter: Adapter
) -> list[Source]:
    """Return the inputs, with the parts that two columns name in place of whole recordings if these are given.

    Raises
    ------
    ConfigurationError
        If only one is named, or the model reads nothing that has seconds; and as `segmented`.
    """
    if start is None or end is None:
        if start != end:
            raise ConfigurationError("--start and --end belong together: name both columns, or neither.")
        return list(sources)
    if not adapter.reads_files or adapter.spec_.axes[-1].unit != "s":
        raise ConfigurationError(
            f"--start and --end are seconds of recordings; a {adapter.noun} has none: leave them out."
        )
    return [segmented(source, start, end, encoding) for source in sources]


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
            f"--start and --end name columns of a csv file on this machine, and {source.name} is none: leave them out."
        )
    times = _times(place, start, end, encoding)

    def items() -> Iterator[Asked]:
        for asked in source.items():
            if isinstance(asked.item, ItemError) or asked.row is None:
                yield asked
                continue
            row = f"{place}, row {asked.row}"
            try:
                whole = asked.item if isinstance(asked.item, Stored) else str(asked.item)
                segment = Segment(whole, *map(_seconds, times[asked.row]))
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
