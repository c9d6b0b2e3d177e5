"""Rows of a table as events: which column means what is told by the format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gridcnn.datasets.cells import as_word, is_missing, require_column
from gridcnn.datasets.event_files.reading import BadRowError, Reading, ended, has_decimal_commas, number_of
from gridcnn.datasets.limits import require_cells
from gridcnn.datasets.wording import listed
from gridcnn.errors import DataError
from gridcnn.segments import Event

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIELDS", "Roles", "field_of", "read_events", "require_free", "used_columns"]

FIELDS = ("path", "start", "end", "label", "confidence", "low", "high", "channel")
"""Columns of the formats that are tables of our own."""


MOST_CHANNELS = 2**16


@dataclass(frozen=True)
class Roles:
    """What the columns of a table mean; None if it has none for something.

    Parameters
    ----------
    start : str
        Column of onsets (s).
    end, since : str or None
        Column of offsets; with `since`, how long something lasts is their difference.
    duration : str or None
        Column of durations (s), if there are no offsets.
    source : tuple of str
        Columns of folders and of the name of the file, which are joined.
    label : tuple of str
        Columns of labels, the first of which that is not empty counts; the others stay further columns.
    confidence, low, high, channel : str or None
        Columns of the rest of an event.
    own : frozenset of str
        Columns that only number the rows, or say again what others say.
    hertz : float
        What a frequency is multiplied by to be in Hz.
    first_channel : int
        Number of the first channel.
    """

    start: str
    end: str | None = None
    since: str | None = None
    duration: str | None = None
    source: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    confidence: str | None = None
    low: str | None = None
    high: str | None = None
    channel: str | None = None
    own: frozenset[str] = frozenset()
    hertz: float = 1.0
    first_channel: int = 1

    def used(self) -> set[str]:
        """Return the columns that are part of an event."""
        single = (self.start, self.end, self.since, self.duration, self.confidence, self.low, self.high, self.channel)
        return {name for name in (*single, *self.source) if name is not None} | self.own


def field_of(name: str) -> str:
    """Return the name of a column without what people write in different ways.

    Examples
    --------
    >>> field_of("Begin Time (s)"), field_of("begin_time_s")
    ('begintimes', 'begintimes')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_events(table: pd.DataFrame, roles: Roles, reading: Reading) -> None:
    """Read every row of a table into `reading`.

    Raises
    ------
    DataError
        If two of its columns have one name, or the column of labels that a person named is not there.
    """
    if reading.label is not None:
        require_column(table, reading.label, reading.path)
        roles = _with_label(roles, reading.label)
    names = [str(name) for name in table.columns]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise DataError(f"{reading.path}: several columns are called {listed(twice[:5])}: rename all but one.")
    require_cells(reading.path, table.size)
    columns = {name: table.iloc[:, at].tolist() for at, name in enumerate(names)}
    numbers = [name for name in (roles.start, roles.end, roles.since, roles.duration, roles.low, roles.high) if name]
    commas = has_decimal_commas(cell for name in numbers for cell in columns[name])
    if commas:
        reading.notes.append(f"{reading.path}: decimal commas are read: 1,5 is 1.5")
    if roles.confidence is not None and not _are_shares(columns[roles.confidence], commas):
        reading.notes.append(
            f"{reading.path}: the column {roles.confidence!r} holds more than numbers from 0 to 1, so it is kept as it "
            "is, and not taken for a confidence"
        )
        roles = _without_confidence(roles)
    reading.names_sources = bool(roles.source)
    rest = [name for name in names if name not in roles.used() and name]
    malformed = table.attrs.get("malformed", {})
    for at, row in enumerate(table.index.tolist()):
        try:
            if row in malformed:
                raise BadRowError(malformed[row])
            cells = {name: column[at] for name, column in columns.items()}
            if all(map(is_missing, cells.values())):
                raise BadRowError("every cell is empty")
            reading.add(row, _event(cells, roles, rest, reading.source, commas=commas))
        except BadRowError as error:
            reading.skip(row, str(error))


def _event(cells: Mapping[str, Any], roles: Roles, rest: Iterable[str], source: str, *, commas: bool) -> Event:
    start = _required(cells, roles.start, commas)
    if roles.duration is not None:
        end = ended(start, _required(cells, roles.duration, commas))
    else:
        end = _required(cells, str(roles.end), commas)
        if roles.since is not None:
            since = _required(cells, roles.since, commas)
            if end < since:
                raise BadRowError(f"it ends at {end:g}, before it begins at {since:g}")
            end = end if since == start else ended(start, ended(end, -since))
    if end < start:
        raise BadRowError(f"it ends at {end:g}, before it begins at {start:g}")
    if end == math.inf:
        raise BadRowError("its end is no finite number")
    low, high = (
        None if value is None else value * roles.hertz
        for value in (_optional(cells, roles.low, commas), _optional(cells, roles.high, commas))
    )
    if low is not None and high is not None and high < low:
        raise BadRowError(f"its highest frequency {high:g} is below its lowest, {low:g}")
    channel = _optional(cells, roles.channel, commas)
    if channel is not None and not channel.is_integer():
        raise BadRowError(f"{roles.channel} is {channel:g}, no whole number")
    if channel is not None and channel > MOST_CHANNELS:
        raise BadRowError(f"{roles.channel} is {channel:g}, and no recording has so many")
    label = next((name for name in roles.label if not is_missing(cells[name])), None)
    return Event(
        source=_joined(cells, roles.source) if roles.source else source,
        start=start,
        end=end,
        label="" if label is None else _word(cells[label]),
        confidence=_optional(cells, roles.confidence, commas),
        low=low,
        high=high,
        channel=None if channel is None else int(channel) - roles.first_channel + 1,
        more={name: cells[name] for name in rest if name != label and not is_missing(cells[name])},
    )


def _with_label(roles: Roles, label: str) -> Roles:
    return Roles(**(vars(roles) | {"label": (label,)}))


def _without_confidence(roles: Roles) -> Roles:
    return Roles(**(vars(roles) | {"confidence": None}))


def _are_shares(cells: Iterable[Any], commas: bool) -> bool:
    try:
        return all(number_of(cell, "", commas=commas) <= 1 for cell in cells if not _is_no_number(cell))
    except BadRowError:
        return False


def _required(cells: Mapping[str, Any], name: str, commas: bool) -> float:
    if is_missing(cells[name]):
        raise BadRowError(f"no {name}")
    return number_of(cells[name], name, commas=commas)


def _optional(cells: Mapping[str, Any], name: str | None, commas: bool) -> float | None:
    if name is None or _is_no_number(cells[name]):
        return None
    return number_of(cells[name], name, commas=commas)


def _is_no_number(cell: Any) -> bool:
    """Whether a cell says that a number is not known: empty, or as pandas may write it."""
    return is_missing(cell) or (isinstance(cell, str) and cell.strip().lower() == "nan")


def _joined(cells: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the path that folders and a name make up, with the separators that the folders have."""
    *folders, name = ("" if is_missing(cells[each]) else _word(cells[each]) for each in names)
    if not name.strip():
        raise BadRowError(f"no {names[-1]}")
    separator = "\\" if any("\\" in each for each in folders) and not any("/" in each for each in folders) else "/"
    for folder in reversed(folders):
        if folder:
            name = f"{folder.removesuffix(separator)}{separator}{name}"
    return name


def _word(cell: Any) -> str:
    return cell if isinstance(cell, str) else as_word(cell)


def used_columns(events: Iterable[Event]) -> list[str]:
    """Return the names of all further columns that events have, in the order in which they come."""
    return list(dict.fromkeys(str(name) for event in events for name in event.more))


def require_free(names: Iterable[str], taken: Iterable[str], kind: str) -> None:
    """Raise DataError if a further column has the name of one that the format itself has."""
    if doubled := sorted(set(names) & set(taken)):
        raise DataError(
            f"the events have further columns {listed(doubled[:5])}, which a {kind} file uses itself: rename them "
            "(Event.more)."
        )
