"""Parts of long items: a segment that is read when it is needed, and an event that has a label there."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gridcnn.errors import DataError
from gridcnn.stored import Stored

__all__ = ["NAMED", "Event", "File", "Segment", "Span", "Varied", "are_segments", "file_of"]


File: TypeAlias = str | Stored
"""What a segment is a part of."""


def file_of(item: Any) -> File:
    """Return a file as segments name it: its path, or what it is stored in."""
    return item if isinstance(item, Stored) else str(item)


@dataclass(frozen=True)
class Segment:
    """A part of a file, as a raw item of an adapter that reads such files.

    Parameters
    ----------
    path : str or Stored
        The file.
    start, end : float
        Where the part begins and ends, in seconds from the beginning of a recording; `start` ≥ 0, `end` > `start`.

    Raises
    ------
    DataError
        If the times are not finite numbers in this order.

    Examples
    --------
    >>> print(Segment("night.wav", 12.5, 14))
    night.wav, 12.5 to 14 s
    """

    path: File
    start: float
    end: float

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end < math.inf):
            raise DataError(f"a segment begins at 0 or later and ends after that, got {self.start!r} to {self.end!r}")

    def __str__(self) -> str:
        return f"{self.path}, {self.start:.10g} to {self.end:.10g} s"


@dataclass(frozen=True)
class Varied(Segment):
    """A part of a file that training meets several times: at other places in a window, and in other backgrounds.

    Parameters
    ----------
    beside : tuple of Segment
        Stretches of background; there is a window for each, in which it is mixed with the part, or with what is around.
    inside : float
        Share of the part, or of a window if that is shorter, that each window holds at least, in (0, 1].
    seed : int
        Of the random numbers.
    """

    beside: tuple[Segment, ...] = ()
    inside: float = 1.0
    seed: int = 0

    __str__ = Segment.__str__


NAMED = (str, os.PathLike, Stored, Segment)
"""What a person knows by its name, where files are read: their paths, stored files, and parts of them."""


@dataclass(frozen=True)
class Span(Segment):
    """A part of a log or of a text: where it begins and ends is counted in samples or in words, from 0.

    Examples
    --------
    >>> print(Span("log.csv", 120, 180))
    log.csv, 120 to 180
    """

    def __str__(self) -> str:
        return f"{self.path}, {self.start:.10g} to {self.end:.10g}"


@dataclass(frozen=True)
class Event:
    """What is annotated or detected in a part of an item.

    Parameters
    ----------
    source : str
        The file, or another name of the item.
    start, end : float
        Onset and offset, in seconds; in samples or words where the item has no seconds. `end` ≥ `start` ≥ 0.
    label : str
        Its class; empty if it has none.
    confidence : float or None
        In [0, 1]; None for an annotation by a person.
    low, high : float or None
        Frequencies in Hz between which it lies, if that is known.
    channel : int or None
        Channel of the recording, counted from 1, if that is known.
    more : mapping of str to str
        Other columns of its row, as they were read.
    """

    source: str
    start: float
    end: float
    label: str = ""
    confidence: float | None = None
    low: float | None = None
    high: float | None = None
    channel: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0 <= self.start <= self.end < math.inf):
            raise DataError(
                f"{self.source}: an event begins at 0 or later and does not end before that, got {self.start!r} to "
                f"{self.end!r}"
            )


def are_segments(items: Iterable[Any]) -> bool:
    """Whether items are segments, all of them; none at all are not."""
    some = False
    for item in items:
        if not isinstance(item, Segment):
            return False
        some = True
    return some
