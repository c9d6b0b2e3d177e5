"""Segments of background: stretches of annotated files in which nothing is annotated."""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import numpy as np

from gridcnn.adapters.long_items import around
from gridcnn.errors import DataError, ItemError
from gridcnn.pipeline.duplicates import identity
from gridcnn.segments import File, Segment, Span, Varied

__all__ = ["background_segments", "met", "neighbours", "share_annotated", "unannotated", "varied"]

TIMES, FEWEST = 2, 100
"""Segments for each annotated one, and at least, if there is room: background has more sorts than any class."""

VIEWS, MOST_VIEWED = 8, 8_000
"""Windows that training has of each annotated segment; fewer of many, so that these are not more than so many."""

INSIDE = 0.6
"""Share of an annotated segment, or of a window, that is in each window."""

MOST_TRIES = 50
"""Draws for each wanted segment."""


def background_segments(
    annotated: Sequence[Segment],
    length_of: Callable[[File], float],
    *,
    files: Collection[File] | None = None,
    quiet: Collection[File] = (),
    most: int | None = None,
    least: float = 0,
    seed: int = 0,
) -> list[Segment]:
    """Return segments of the same files that overlap none of those annotated, nor each other.

    Their lengths are drawn from those annotated, and their places at random, so that a file has more of them the more
    of it is not annotated.

    Parameters
    ----------
    annotated : sequence of Segment
        All that is annotated, of any class.
    length_of : callable
        Returns the length of a file (s).
    files : collection of str, optional
        The files to draw from; None is all of them.
    quiet : collection of str
        Further files, in which there is nothing at all.
    most : int, optional
        How many; None is twice as many as are annotated in these files, and at least 100.
    least : float
        How long each is at least, such as a window.
    seed : int
        Of the random numbers.

    Returns
    -------
    list of Segment
        As many as there is room for, by file and time. Of `Span`s, they begin and end at whole numbers.

    Raises
    ------
    DataError
        If there is no room for a single one: everything is annotated.
    """
    random = np.random.default_rng(seed)
    lengths = np.sort([each.end - each.start for each in annotated if files is None or each.path in files])
    kind, whole = type(annotated[0]), isinstance(annotated[0], Span)
    lengths = np.maximum(lengths, least or np.percentile(lengths, 25))  # or a window would reach into an event
    lengths = np.ceil(lengths) if whole else lengths
    shortest = math.ceil(least) if least else lengths[0]
    free = unannotated(annotated, length_of, files=files, quiet=quiet)
    gaps = [each for each in free if each[2] - each[1] >= shortest]
    if not gaps:
        raise DataError(
            "there is no room for segments of background: the files are annotated from end to end. Leave it out, or "
            "add files with stretches in which nothing is annotated"
        )
    wanted = most if most is not None else max(TIMES * len(lengths), FEWEST)
    room = np.array([end - start for _, start, end in gaps])
    drawn: dict[int, list[tuple[float, float]]] = defaultdict(list)
    n_drawn = 0
    for _ in range(MOST_TRIES * wanted):
        if n_drawn == wanted:
            break
        at = int(random.choice(len(gaps), p=room / room.sum()))
        _, first, last = gaps[at]
        fitting = lengths[: np.searchsorted(lengths, last - first, side="right")]
        length = float(random.choice(fitting)) if len(fitting) else shortest
        start = float(random.uniform(first, last - length))
        start = float(round(start)) if whole else start
        if all(end <= start or begin >= start + length for begin, end in drawn[at]):
            drawn[at].append((start, start + length))
            n_drawn += 1
    return [kind(gaps[at][0], *each) for at in sorted(drawn) for each in sorted(drawn[at])]


def unannotated(
    annotated: Sequence[Segment],
    length_of: Callable[[File], float],
    *,
    files: Collection[File] | None = None,
    quiet: Collection[File] = (),
) -> list[tuple[File, float, float]]:
    """Return the stretches of files in which nothing is annotated, by file and time; see `background_segments`."""
    by_file = {**{path: [] for path in quiet}, **_by_file(annotated, files)}
    return [
        (path, *gap)
        for path, taken in sorted(by_file.items(), key=lambda each: identity(each[0], 0))
        for gap in _gaps(taken, _length(path, length_of))
    ]


def share_annotated(
    annotated: Sequence[Segment], length_of: Callable[[File], float], *, files: Collection[File] | None = None
) -> float:
    """Return the share of the time of files that is annotated, in [0, 1]; 1 if none of them can be read."""
    total = free = 0.0
    for path, taken in _by_file(annotated, files).items():
        length = _length(path, length_of)
        total += length
        free += sum(end - start for start, end in _gaps(taken, length))
    return 1 - free / total if total else 1.0


def _by_file(annotated: Sequence[Segment], files: Collection[File] | None) -> dict[File, list[tuple[float, float]]]:
    by_file: dict[File, list[tuple[float, float]]] = defaultdict(list)
    for each in annotated:
        if files is None or each.path in files:
            by_file[each.path].append((each.start, each.end))
    return by_file


def _length(path: File, length_of: Callable[[File], float]) -> float:
    """Return the length of a file; 0 if it cannot be read, as whoever reads its segments will say."""
    try:
        return length_of(path)
    except ItemError:
        return 0.0


def _gaps(taken: Sequence[tuple[float, float]], length: float) -> list[tuple[float, float]]:
    """Return the stretches of a file of this length that none of the others covers."""
    found, free = [], 0.0
    for start, end in sorted(taken):
        if start > free:
            found.append((free, min(start, length)))
        free = max(free, end)
    return [(start, end) for start, end in [*found, (free, length)] if end > start]


def met(span: Segment, length: float, window: int, *, inside: float = INSIDE) -> tuple[float, float]:
    """Return what training reads of a part of a log or a text, so that its windows lie as those that slide over it.

    Each window holds a share of the part, or of a window if that is shorter; with a share of 1, what is read is the
    part itself, and at least a window.

    Parameters
    ----------
    span : Segment
        The part.
    length : float
        Of the log or text.
    window : int
        In the same unit.
    inside : float
        Share that each window holds at least, in (0, 1].

    Examples
    --------
    >>> met(Span("log.csv", 100, 120), 1_000, 10), met(Span("log.csv", 100, 104), 1_000, 10, inside=1)
    ((96, 124), (97, 107))
    """
    margin = window - round(inside * window) if inside < 1 else 0
    start, end = max(span.start - margin, 0.0), min(span.end + margin, length)
    return around(length, start, end, window)


def neighbours(drawn: Sequence[Segment], annotated: Sequence[Segment]) -> list[int]:
    """Return the index of the annotated segment that is nearest to each drawn one, in its own file.

    What belongs together in a split of the annotated segments then holds for those drawn between them, too. All of a
    file in which nothing is annotated go with one annotated segment.
    """
    places: dict[File, list[tuple[float, int]]] = defaultdict(list)
    for at, each in enumerate(annotated):
        places[each.path].append(((each.start + each.end) / 2, at))
    for known in places.values():
        known.sort()
    quiet = [path for path in dict.fromkeys(each.path for each in drawn) if path not in places]
    for number, path in enumerate(quiet):
        places[path] = [(0.0, number % len(annotated))]
    found = []
    for each in drawn:
        middle, known = (each.start + each.end) / 2, places[each.path]
        behind = bisect.bisect_left(known, (middle, -1))
        found.append(min((abs(place - middle), at) for place, at in known[max(behind - 1, 0) : behind + 1])[1])
    return found


def varied(annotated: Sequence[Segment], drawn: Sequence[Segment], seed: int = 0) -> list[Segment]:
    """Return segments as training meets them, several times and in other backgrounds.

    Parameters
    ----------
    annotated, drawn : sequence of Segment
        Those of a class, and those of background.
    seed : int
        Of the random numbers.

    Returns
    -------
    list of Segment
        The annotated ones and those of background, in their order.
    """
    views = max(min(VIEWS, MOST_VIEWED // max(len(annotated), 1)), 1)
    random = np.random.default_rng(seed)

    def beside(n: int) -> tuple[Segment, ...]:
        return tuple(drawn[at] for at in random.integers(len(drawn), size=n).tolist())

    events = [Varied(each.path, each.start, each.end, beside(views), INSIDE, seed) for each in annotated]
    others = [Varied(each.path, each.start, each.end, beside(max(views // TIMES, 1)), 1.0, seed) for each in drawn]
    return [*events, *others]
