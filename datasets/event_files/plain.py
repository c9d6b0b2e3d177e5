"""Events in csv and parquet files of our own, and in those of others whose columns have usual names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gridcnn.datasets.cells import some_names
from gridcnn.datasets.event_files.reading import Reading
from gridcnn.datasets.event_files.roles import FIELDS, Roles, field_of, read_events, require_free, used_columns
from gridcnn.datasets.tables import read_table
from gridcnn.errors import DataError
from gridcnn.segments import Event

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_cell", "holds_events", "read", "rows_or_none", "time_columns", "write_csv", "write_parquet"]

ROWS = 2**16
"""Of a part of a parquet file."""

LONGEST_HEADER = 2**16
"""Bytes."""

_NAMES = {
    "source": ("path", "file", "filename", "filepath", "source", "recording", "beginpath", "beginfile", "audio",
               "audiofile", "soundfile", "soundfiles", "wav"),
    "start": ("start", "begin", "onset", "starts", "begins", "onsets", "starttime", "begintime", "starttimes",
              "begintimes", "startseconds", "startsec"),
    "end": ("end", "stop", "offset", "ends", "offsets", "endtime", "stoptime", "endtimes", "endseconds",
            "endsec"),
    "duration": ("duration", "durations", "length", "lengths"),
    "label": ("label", "species", "class", "annotation", "annotations", "commonname", "scientificname", "tag", "event",
              "eventlabel", "call", "name"),
    "confidence": ("confidence", "score", "probability"),
    "low": ("low", "lowfreqhz", "lowf", "minfreq", "fmin", "lowhz"),
    "high": ("high", "highfreqhz", "highf", "maxfreq", "fmax", "highhz"),
    "channel": ("channel",),
}  # fmt: skip
"""Usual names of columns, as `field_of` writes them, the first of which that is there counts."""


def read(reading: Reading) -> None:
    """Read a csv, tsv, parquet, jsonl, json or xlsx file.

    Raises
    ------
    DataError
        If it cannot be read, or no column says when events begin or end.
    """
    table = rows_or_none(reading.path, reading.encoding)
    if table is None:
        return
    read_events(table, _roles(table, reading.path), reading)


def rows_or_none(path: Path, encoding: str | None) -> pd.DataFrame | None:
    """Return a table, or None if it has columns and no rows: nothing happens in what it is about."""
    try:
        return read_table(path, encoding)
    except DataError:
        if path.suffix.lower() in {".csv", ".tsv"} and _is_only_a_header(path):
            return None
        raise


def _is_only_a_header(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(2**16)
    return len(start.strip().splitlines()) == 1


def time_columns(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the columns that say where something begins and ends, by their usual names; None without both.

    Examples
    --------
    >>> time_columns(["file", "Begin Time", "end_time", "species"])
    ('Begin Time', 'end_time')
    """
    by_field: dict[str, str] = {}
    for name in names:
        by_field.setdefault(field_of(str(name)), str(name))
    start, end = (
        next((by_field[each] for each in _NAMES[role] if each in by_field), None) for role in ("start", "end")
    )
    return None if start is None or end is None else (start, end)


def holds_events(path: Path) -> bool:
    """Whether the header of a csv, tsv or parquet file says when events begin and end, and what they are.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow as pa  # noqa: PLC0415
            import pyarrow.parquet as pq  # noqa: PLC0415

            try:
                names = pq.read_schema(path).names
            except pa.ArrowException:
                return False
        else:
            with path.open("rb") as file:
                header = file.readline(LONGEST_HEADER).decode("utf-8-sig", "replace")
            names = [name.strip().strip('"') for name in re.split("[,;\t]", header)]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return time_columns(names) is not None and not set(_NAMES["label"]).isdisjoint(map(field_of, names))


def _roles(table: pd.DataFrame, path: Path) -> Roles:
    by_field: dict[str, str] = {}
    for name in map(str, table.columns):
        by_field.setdefault(field_of(name), name)
    found = {role: next((by_field[each] for each in names if each in by_field), None) for role, names in _NAMES.items()}
    start, end, duration = found["start"], found["end"], found["duration"]
    if start is None or (end is None and duration is None):
        raise DataError(
            f"{path}: no columns start and end, or begin, onset, stop, offset, duration: its columns are "
            f"{some_names(table.columns)}. Rename two, or read it as a manifest that names them (--start, --end)."
        )
    single: dict[str, Any] = {role: found[role] for role in ("confidence", "low", "high", "channel")}
    return Roles(
        start=start,
        end=end,
        duration=duration if end is None else None,
        source=() if found["source"] is None else (found["source"],),
        label=() if found["label"] is None else (found["label"],),
        **single,
    )


def write_csv(file: IO[bytes], events: Sequence[Event]) -> None:
    """Write a line for each event; what is not known is an empty cell."""
    more = used_columns(events)
    require_free(more, FIELDS, "csv")
    file.write((",".join(map(csv_cell, (*FIELDS, *more))) + "\n").encode("utf-8", "backslashreplace"))
    for event in events:
        cells = (csv_cell(cell) for cell in (*values_of(event), *(event.more.get(name) for name in more)))
        file.write((",".join(cells) + "\n").encode("utf-8", "backslashreplace"))


def values_of(event: Event) -> tuple[Any, ...]:
    """Return what an event holds in the order of `FIELDS`."""
    return (
        event.source,
        float(event.start),
        float(event.end),
        event.label,
        None if event.confidence is None else float(event.confidence),
        None if event.low is None else float(event.low),
        None if event.high is None else float(event.high),
        None if event.channel is None else int(event.channel),
    )


def csv_cell(value: Any) -> str:
    """Write a cell; Python's own writer leaves a lone carriage return without quotes."""
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"' if re.search('[",\r\n]', text) else text


def write_parquet(file: IO[bytes], events: Sequence[Event]) -> None:
    """Write a row for each event, numbers exactly; what is not known is null."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    more = used_columns(events)
    require_free(more, FIELDS, "parquet")
    kinds = (pa.string(), pa.float64(), pa.float64(), pa.string(), *(pa.float64(),) * 3, pa.int64())
    further = {name: _kind_of(name, events) for name in more}
    schema = pa.schema([*zip(FIELDS, kinds, strict=True), *further.items()])
    with pq.ParquetWriter(file, schema) as writer:
        for at in range(0, len(events), ROWS):
            part = events[at : at + ROWS]
            columns = [list(column) for column in zip(*map(values_of, part), strict=True)]
            columns += [[event.more.get(name) for event in part] for name in more]
            arrays = [pa.array(map(_written, cells), field.type) for cells, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _kind_of(name: str, events: Sequence[Event]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    cells = [event.more[name] for event in events if name in event.more]
    try:
        return pa.array([_written(cell) for cell in cells]).type
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(
            f"the further column {name!r} holds values of several kinds ({error}): make them one."
        ) from None


def _written(cell: Any) -> Any:
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell
