"""What an adapter makes of items of any length, such as recordings, logs and texts: windows, parts and places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.segments import Segment, file_of

if TYPE_CHECKING:
    from gridcnn.grid import GridSpec

__all__ = ["LongItems", "around", "stretch", "window_for"]

Place = TypeVar("Place", int, float)

LOCATED_QUANTILE = 25
"""Percentile of the lengths of annotated parts that a window has which is to locate such parts."""

SHORTEST_WINDOW = 8
"""Samples or tokens of a window that locates something, at least."""


class LongItems:
    """The part of `Adapter` that is about items of any length, and what lies in them."""

    reads_files: ClassVar[bool] = False

    reads_logs: bool = False
    """Whether an item may be a log of samples, or lie in one."""

    if TYPE_CHECKING:

        @property
        def spec_(self) -> GridSpec: ...  # noqa: D102

    @property
    def extent_(self) -> float:
        """How much of an item a window covers, in the units of its places: seconds, samples, tokens."""
        return float(self.spec_.sizes[-1])

    def length_of(self, item: Any) -> float:
        """Return how long an item is that holds parts: seconds of a file, samples of a log, words of a text.

        ItemError if it cannot be read.
        """
        raise ConfigurationError(f"{type(self).__name__} reads no parts of long items")

    def part(self, item: Any, start: float = 0, end: float | None = None, *, surrounded: bool = False) -> Any:
        """Return what lies in a long item from one place to another as an item, in the units of `length_of`.

        Parameters
        ----------
        item : object
            A path of a recording, of which the part is a `Segment`; a log, `(samples,)` or `(channels, samples)`; a
            text.
        start, end : float
            The end is not part of it; None is that of the item.
        surrounded : bool
            Whether a part that is shorter than a window comes with what is around it, as a window meets it that slides
            over the item.

        Raises
        ------
        ItemError
            If there is no such part.
        ConfigurationError
            If items are no parts of anything, such as pictures.
        """
        if not self.reads_files or type(self).length_of is LongItems.length_of:
            raise ConfigurationError(f"{type(self).__name__} reads no parts of long items")
        return Segment(file_of(item), start, self.length_of(item) if end is None else end)

    def located(self, lengths: Sequence[float], gaps: Sequence[float] = ()) -> tuple[Any, int]:
        """Return an adapter, not fitted, whose windows suit parts of such lengths that are to be found in long items.

        `gaps` are the lengths of the stretches between them. The second is how long its windows are, in the units of
        `length_of`; 0 if the adapter reads `Segment`s, and knows itself what surrounds them.
        """
        return self, 0

    def slide(self, item: Any, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield where windows begin `(n,)`, and the encoded windows `(n, *encoded_shape)`, some at a time.

        They slide by `step`, in units of `extent_`; the last one ends with the item. ItemError follows what was read.
        """
        raise ConfigurationError(f"{type(self).__name__} has no long items in which something could be detected")

    def counted(self, item: Any, places: np.ndarray, *, ends: bool = False) -> np.ndarray:
        """Return places in an item, as `slide` tells them, in the units of `length_of`.

        Parameters
        ----------
        item : object
            The same one.
        places : ndarray of shape (n,)
            In units of `extent_`.
        ends : bool
            Whether something ends there, so that what lies just before is part of it.
        """
        return places


def window_for(lengths: Sequence[float], gaps: Sequence[float] = ()) -> int:
    """Return how long windows should be that locate parts of such lengths: no longer than most of them, and most gaps.

    Examples
    --------
    >>> window_for([20, 30, 40, 50, 60]), window_for([3, 4]), window_for([50, 60], [10, 20, 200])
    (30, 8, 15)
    """
    usual = (float(np.percentile(each, LOCATED_QUANTILE)) for each in (lengths, gaps) if len(each))
    return max(round(min(usual)), SHORTEST_WINDOW)


def stretch(length: int, start: float, end: float | None, units: str) -> tuple[int, int]:
    """Return two places in an item of some length as whole numbers.

    Raises
    ------
    ItemError
        If they are none that follow each other in the item.

    Examples
    --------
    >>> stretch(10, 2.0, None, "samples")
    (2, 10)
    """
    last = length if end is None else end
    what = f"{start:g} to {last:g}"
    if not (float(start).is_integer() and float(last).is_integer()):
        raise ItemError(what, f"{units} are counted from 0, in whole numbers")
    if last > length:
        raise ItemError(what, f"there are {length:,} {units}, and the part ends at {last:g}")
    return int(start), int(last)


def around(length: Place, start: Place, end: Place, window: int) -> tuple[Place, Place]:
    """Return where a part with what surrounds it begins and ends: at least a window, if the item is that long.

    Examples
    --------
    >>> around(100, 10, 14, 10), around(100, 0, 4, 10), around(100, 97, 99, 10), around(100, 20, 40, 10)
    ((7, 17), (0, 10), (90, 100), (20, 40))
    """
    if end - start >= window:
        return start, end
    first = max(min((start + end - window) // 2, length - window), 0)
    return first, min(first + window, length)
