"""Csv files of Kaleidoscope: folders and name of the file, offset and duration, automatic and manual identification.

References
----------
Columns of Kaleidoscope Pro (Wildlife Acoustics), as published beside data made by it: FOLDER is relative to INDIR,
CHANNEL is 0 for left and 1 for right, OFFSET and DURATION are seconds in the input file; id.csv has AUTO ID and columns
of bats, cluster.csv TOP1MATCH and TOP1DIST, a distance; some names end in a star. BirdNET-Analyzer
(`KALEIDOSCOPE_HEADER`) writes scientific_name, common_name and confidence instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import IO, Any

from gridcnn.datasets.cells import some_names
from gridcnn.datasets.event_files.plain import csv_cell, rows_or_none
from gridcnn.datasets.event_files.reading import Reading
from gridcnn.datasets.event_files.roles import Roles, read_events, require_free, used_columns
from gridcnn.errors import DataError
from gridcnn.segments import Event

__all__ = ["NEEDED", "read", "write"]

NEEDED = ("IN FILE", "OFFSET", "DURATION")
"""Columns by which such a file is recognised."""

_COLUMNS = ("INDIR", "FOLDER", "IN FILE", "CHANNEL", "OFFSET", "DURATION", "Fmin", "Fmax", "TOP1MATCH", "confidence",
            "MANUAL ID")  # fmt: skip
_FOUND = "TOP1MATCH"
"""Column of what a program found, which stays beside what a person said."""
_LABELS = ("MANUAL ID*", "MANUAL ID", "AUTO ID*", "AUTO ID", "TOP1MATCH*", "TOP1MATCH", "common_name",
           "scientific_name")  # fmt: skip
_OF_BATS = ("PULSES", "Fc", "Fk")
"""Columns that only the analysis of bats has, whose frequencies are in kHz."""


def read(reading: Reading) -> None:
    """Read an id.csv, cluster.csv or meta.csv; what a person said goes before what Kaleidoscope found.

    Raises
    ------
    DataError
        If it cannot be read, or has none of the columns of such a file.
    """
    table = rows_or_none(reading.path, reading.encoding)
    if table is None:
        return
    given = [str(name).strip() for name in table.columns]
    plain = [name.removesuffix("*").strip() for name in given]
    table.columns = [short if plain.count(short) == 1 else name for name, short in zip(given, plain, strict=True)]
    names = list(table.columns)
    if missing := [name for name in NEEDED if name not in names]:
        raise DataError(
            f"{reading.path}: no csv file of Kaleidoscope: {', '.join(missing)} is missing among {some_names(names)}."
        )
    labels = tuple(name for name in _LABELS if name in names)
    roles = Roles(
        start="OFFSET",
        duration="DURATION",
        source=tuple(name for name in ("INDIR", "FOLDER", "IN FILE") if name in names),
        label=labels,
        confidence=next((name for name in ("confidence", "CONFIDENCE") if name in names), None),
        low="Fmin" if "Fmin" in names else None,
        high="Fmax" if "Fmax" in names else None,
        channel="CHANNEL" if "CHANNEL" in names else None,
        hertz=1000.0 if any(name in names for name in _OF_BATS) else 1.0,
        first_channel=0,
    )
    read_events(table, roles, reading)


def write(file: IO[bytes], events: Sequence[Event]) -> None:
    """Write a line for each event: a label without a confidence is that of a person."""
    more = [name for name in used_columns(events) if name != _FOUND]
    require_free(more, _COLUMNS, "kaleidoscope")
    file.write((",".join(map(csv_cell, (*_COLUMNS, *more))) + "\r\n").encode("utf-8", "backslashreplace"))
    for event in events:
        cells = (csv_cell(cell) for cell in (*_cells(event), *(event.more.get(name) for name in more)))
        file.write((",".join(cells) + "\r\n").encode("utf-8", "backslashreplace"))


def _cells(event: Event) -> tuple[Any, ...]:
    at = max(event.source.rfind("/"), event.source.rfind("\\"))
    folder = event.source[: max(at, 1)] if at >= 0 else ""  # the root is a folder, too
    by_person = event.confidence is None
    return (
        folder,
        "",
        event.source[at + 1 :],
        None if event.channel is None else event.channel - 1,
        float(event.start),
        float(Decimal(repr(float(event.end))) - Decimal(repr(float(event.start)))),
        None if event.low is None else float(event.low),
        None if event.high is None else float(event.high),
        event.more.get(_FOUND) if by_person else event.label,
        None if event.confidence is None else float(event.confidence),
        event.label if by_person else "",
    )
