"""Label tracks of Audacity: start, end and label between tabs, and a second line for frequencies if they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO

from gridcnn.datasets.event_files.reading import BadRowError, Reading, has_decimal_commas, number_of
from gridcnn.datasets.folder import read_document
from gridcnn.errors import DataError
from gridcnn.segments import Event

__all__ = ["is_track", "read", "write"]

_NO_FREQUENCY = -1.0
_SECOND = "\\"
"""What the second line of a label begins with."""


def read(reading: Reading) -> None:
    """Read a label track; an empty one has no labels.

    Raises
    ------
    DataError
        If it cannot be read, or a person named a column: it has none.
    """
    if reading.label is not None:
        raise DataError(f"{reading.path}: a label track has no columns, so none is called {reading.label!r}.")
    text = read_document(reading.path, reading.encoding)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    commas = has_decimal_commas(cell for line in lines for cell in line.split("\t")[line.startswith(_SECOND) :][:2])
    if commas:
        reading.notes.append(f"{reading.path}: decimal commas are read: 1,5 is 1.5")
    for number, line in enumerate(lines, start=1):
        try:
            if line.startswith(_SECOND):
                _add_frequencies(reading, number, line, commas)
            elif line.strip():
                reading.add(number, _event(reading.source, line, commas))
        except BadRowError as error:
            reading.skip(number, str(error))


def _event(source: str, line: str, commas: bool) -> Event:
    cells = line.split("\t", 2)
    if len(cells) < 2:
        raise BadRowError("expected a start, an end and a label, separated by tabs")
    start, end = (number_of(cell, name, commas=commas) for cell, name in zip(cells, ("start", "end"), strict=False))
    if end < start:
        raise BadRowError(f"it ends at {end:g}, before it begins at {start:g}")
    return Event(source, start, end, cells[2] if len(cells) > 2 else "")


def _add_frequencies(reading: Reading, number: int, line: str, commas: bool) -> None:
    """Read the second line of the label before it."""
    if not reading.rows or reading.rows[-1] != number - 1:
        if reading.skipped and reading.skipped[-1].row == number - 1:
            return  # of a label that was left out
        raise BadRowError("frequencies without a label before them")
    try:
        low, high = (_frequency(cell, commas) for cell in line.split("\t")[1:])
        if low is not None and high is not None and high < low:
            raise BadRowError(f"its highest frequency {high:g} is below its lowest, {low:g}")
    except ValueError as error:  # also if there are not two
        reading.events.pop()
        reading.rows.pop()
        raise BadRowError(str(error) if isinstance(error, BadRowError) else "expected two frequencies") from None
    reading.events[-1] = replace(reading.events[-1], low=low, high=high)


def _frequency(cell: str, commas: bool) -> float | None:
    text = cell.strip().replace(",", ".") if commas else cell.strip()
    if text.startswith("-") and text.lstrip("-0.1") == "" and float(text) == _NO_FREQUENCY:
        return None
    return number_of(cell, "a frequency", commas=commas)


def write(file: IO[bytes], events: Sequence[Event]) -> None:
    """Write a label track: no names of files, confidences, channels, further columns; ends of lines become spaces."""
    for event in events:
        label = event.label.replace("\r\n", " ").replace("\r", " ").replace("\n", " ")
        line = f"{float(event.start)!r}\t{float(event.end)!r}\t{label}\n"
        if event.low is not None or event.high is not None:
            low, high = (_NO_FREQUENCY if each is None else float(each) for each in (event.low, event.high))
            line += f"{_SECOND}\t{low!r}\t{high!r}\n"
        file.write(line.encode("utf-8", "backslashreplace"))


def is_track(start: str) -> bool:
    """Whether the beginning of a file is that of a label track: empty, or two numbers before a tab."""
    lines = [line for line in start.splitlines() if line.strip()]
    if not lines:
        return True
    try:
        cells = lines[0].split("\t")
        commas = has_decimal_commas(cells[:2])
        return len(cells) > 1 and all(number_of(cell, "", commas=commas) >= 0 for cell in cells[:2])
    except BadRowError:
        return False
