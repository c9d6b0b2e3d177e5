"""One file of annotations while it is read: the events so far, the rows that hold none, and the reasons."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from gridcnn.datasets.cells import OnError
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError, Skipped
from gridcnn.segments import Event

__all__ = ["BadRowError", "Reading", "ended", "has_decimal_commas", "number_of"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_NAMED_ROWS = 5


class BadRowError(ValueError):
    """A row that holds no event; its text says why."""


@dataclass
class Reading:
    """What a reader is asked for, and what it found.

    Parameters
    ----------
    path : Path
        The file.
    label : str, optional
        Column of labels; None is the usual one of the format.
    encoding : str, optional
        Its encoding; None detects it.
    source : str
        What events are in if the file does not say so.
    """

    path: Path
    label: str | None = None
    encoding: str | None = None
    source: str = ""
    events: list[Event] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names_sources: bool = False
    """Whether the file says which sound each event is in."""

    def add(self, row: int, event: Event) -> None:
        """Take an event that a row holds."""
        self.events.append(event)
        self.rows.append(row)

    def skip(self, row: int, reason: str) -> None:
        """Leave out a row."""
        self.skipped.append(Skipped(f"{self.path}, row {row}", shortened(reason), row))

    def finish(self, on_error: OnError) -> None:
        """Raise DataError if rows were left out and that is an error."""
        if on_error not in ("raise", "skip"):
            raise DataError(f"on_error={on_error!r}: expected 'raise' or 'skip'.")
        if on_error == "skip" or not self.skipped:
            return
        these = "; ".join(f"row {each.row}: {each.reason}" for each in self.skipped[:_NAMED_ROWS])
        more = f" and {len(self.skipped) - _NAMED_ROWS} more" if len(self.skipped) > _NAMED_ROWS else ""
        raise DataError(
            f"{self.path}: {these}{more}. Correct or delete these rows, or skip them with --on-error skip "
            "(on_error='skip')."
        )


def has_decimal_commas(cells: Iterable[Any]) -> bool:
    """Whether the numbers of a file are written with a decimal comma, all of them, beyond doubt.

    Examples
    --------
    >>> has_decimal_commas(["0,5", "1,234"]), has_decimal_commas(["0,5", "1.5"]), has_decimal_commas(["1,234"])
    (True, False, False)
    """
    words = [cell.strip() for cell in cells if isinstance(cell, str)]
    commas = [word for word in words if _COMMA.fullmatch(word)]
    points = any("." in word and _NUMBER.fullmatch(word) for word in words)
    return not points and any(not _THOUSANDS.fullmatch(word) for word in commas)


def number_of(cell: Any, name: str, *, commas: bool = False) -> float:
    """Return the number in a cell.

    Parameters
    ----------
    cell : object
        A string, or a number out of a parquet or JSON file.
    name : str
        Its column, for the message.
    commas : bool
        Whether 1,5 is 1.5.

    Raises
    ------
    BadRowError
        If it holds none, one that is not finite, or one below 0.
    """
    if isinstance(cell, str):
        word = cell.strip()
        if commas and _COMMA.fullmatch(word):
            word = word.replace(",", ".")
        if not _NUMBER.fullmatch(word):
            advice = ": write a decimal point" if _COMMA.fullmatch(word) else ""
            raise BadRowError(f"{name} is no number but {shortened(word, 40)!r}{advice}")
        value = float(word)
    else:
        try:
            value = float(cell)
        except (TypeError, ValueError, OverflowError):
            raise BadRowError(f"{name} is no number but {shortened(cell, 40)!r}") from None
        if isinstance(cell, bool):
            raise BadRowError(f"{name} is no number but {cell}")
    if not abs(value) < float("inf"):
        raise BadRowError(f"{name} is {value}, no finite number")
    if value < 0:
        raise BadRowError(f"{name} is {value:g}, which is below 0")
    return value


def ended(start: float, duration: float) -> float:
    """Return when something ends that begins and lasts so long, as decimals add up: no digit is lost on the way.

    Examples
    --------
    >>> ended(0.1, 0.2), 0.1 + 0.2
    (0.3, 0.30000000000000004)
    """
    return float(Decimal(repr(float(start))) + Decimal(repr(float(duration))))
