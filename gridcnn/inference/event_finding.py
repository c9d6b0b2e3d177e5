"""From the probabilities of the cells of an item, which come part by part, to events."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gridcnn.segments import Event

__all__ = ["Cells", "EventFinder", "without_doubtful", "without_echoes"]

LOW = 0.4
"""An event lasts while its class has this share of the probability that it needs (hysteresis)."""

ACTIVE = 0.4
"""Probability of anything but background from which a cell belongs to an event."""

LEAST = 1e-9
"""Smallest probability of a cell that counts: below, one cell would outvote all others."""

OVERLAPPED, LESS_DOUBT = 0.3, 0.25
"""Share of an event that a longer one of another label overlaps, from which it may be caused by that one, and share of
the usual doubt that it may then have."""

NEIGHBOURS = 100
"""Events before and after an event, in the order of their beginnings, that it may belong to."""


class Cells(NamedTuple):
    """What is known of neighbouring cells of an item: where they begin, and two probabilities of each class.

    `cells` `(n, n_classes)` are those of the cells themselves, `windows` `(n, n_classes)` those of the windows that
    cover them.
    """

    starts: np.ndarray
    cells: np.ndarray
    windows: np.ndarray


@dataclass
class _Stretch:
    """Cells one after another in which something is: sums over them and over what covers them."""

    start: float
    end: float
    evidence: np.ndarray
    windows: np.ndarray

    def extend(self, other: _Stretch) -> None:
        """Go on with a later one."""
        self.end = other.end
        self.evidence = self.evidence + other.evidence
        self.windows = np.maximum(self.windows, other.windows)


@dataclass
class EventFinder:
    """Finds the events of one item in the probabilities of its cells, which come part by part, in their order.

    A network that knows background tells in each cell whether there is anything at all, and that is what begins and
    ends an event. What it is, all of its cells say together: its class is the one with the largest mean log-probability
    over them. A network without background tells the classes apart in each cell, and an event lasts while its class is
    probable.

    Parameters
    ----------
    source : str
        Name of the item.
    classes : sequence of str
        The labels.
    thresholds : ndarray of shape (n_classes,)
        Probability of a window from which there is an event.
    width : float
        Of a cell.
    merge, shortest : float
        As in `Detecting`.
    background : int or None
        Index of the class that is never reported.
    """

    source: str
    classes: Sequence[str]
    thresholds: np.ndarray
    width: float
    merge: float
    shortest: float
    background: int | None = None
    length: float = 0.0
    _open: dict[int, _Stretch] = field(default_factory=dict)
    _stretch: _Stretch | None = None

    def add(self, some: Cells) -> Iterator[Event]:
        """Take the next cells; yield the events that are over."""
        if not len(some.starts):
            return
        self.length = float(some.starts[-1]) + self.width
        if self.background is None:
            lasts = some.cells >= LOW * self.thresholds
            for label in sorted({*np.flatnonzero(lasts.any(axis=0)).tolist(), *self._open}):
                for stretch in self._stretches(some, lasts[:, label]):
                    yield from self._take(label, stretch)
        else:
            yield from self._active(some)
        for label in sorted(self._open):
            end = self._open[label].end if self._stretch is None else max(self._open[label].end, self._stretch.start)
            if self.length - end > self.merge + self.width:
                yield from self._event(label)

    def finish(self) -> Iterator[Event]:
        """Yield the events that end with the item."""
        if self._stretch is not None:
            yield from self._close()
        for label in sorted(self._open):
            yield from self._event(label)

    def _active(self, some: Cells) -> Iterator[Event]:
        """Find where there is anything but background, and give each such stretch to one class."""
        assert self.background is not None  # for the type checker
        for stretch in self._stretches(some, 1 - some.cells[:, self.background] >= ACTIVE):
            if self._stretch is not None and stretch.start - self._stretch.end <= self.width / 2:
                self._stretch.extend(stretch)
                continue
            if self._stretch is not None:
                yield from self._close()
            self._stretch = stretch
        if self._stretch is not None and self.length - self._stretch.end > self.width / 2:
            yield from self._close()

    def _close(self) -> Iterator[Event]:
        stretch, self._stretch = self._stretch, None
        assert stretch is not None  # for the type checker
        evidence = stretch.evidence.copy()
        evidence[self.background] = -np.inf
        yield from self._take(int(evidence.argmax()), stretch)

    def _stretches(self, some: Cells, lasts: np.ndarray) -> Iterator[_Stretch]:
        """Yield the stretches of cells that belong together."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], lasts, [False]]).astype(np.int8)))
        for first, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            yield _Stretch(
                float(some.starts[first]),
                float(some.starts[behind - 1]) + self.width,
                np.log(np.maximum(some.cells[first:behind], LEAST)).sum(axis=0),
                some.windows[first:behind].max(axis=0),
            )

    def _take(self, label: int, stretch: _Stretch) -> Iterator[Event]:
        """Begin an event with a stretch of a class, or go on with one that is near."""
        before = self._open.get(label)
        if before is not None and stretch.start - before.end <= self.merge + self.width / 2:
            before.extend(stretch)
            return
        if before is not None:
            yield from self._event(label)
        self._open[label] = stretch

    def _event(self, label: int) -> Iterator[Event]:
        found = self._open.pop(label)
        start, end, confidence = max(found.start, 0.0), max(found.end, 0.0), float(found.windows[label])
        if confidence >= self.thresholds[label] and found.end - found.start >= self.shortest:
            yield Event(self.source, start, end, self.classes[label], min(confidence, 1.0))


def without_doubtful(events: Iterable[Event], confidence: Mapping[str, float]) -> list[Event]:
    """Leave out what a longer event of another label may have caused, and return the others by their beginnings.

    Events of labels that do not exclude each other may be there at the same time. But a loud sound makes others look
    probable, too: an event that a longer one overlaps needs more confidence than one that is alone.

    Parameters
    ----------
    events : iterable of Event
        Those of one item.
    confidence : mapping of str to float
        The probability from which there is an event of each label.
    """
    ordered = sorted(events, key=lambda event: (event.start, event.end, event.label))

    def may_be_caused(event: Event, other: Event) -> bool:
        both, length = min(event.end, other.end) - max(event.start, other.start), event.end - event.start
        return event.label != other.label and length < other.end - other.start and both >= OVERLAPPED * length

    kept = []
    for at, event in enumerate(ordered):
        doubt = 1 - (event.confidence or 0.0)
        near = ordered[max(at - NEIGHBOURS, 0) : at + 1 + NEIGHBOURS]
        sure = doubt <= LESS_DOUBT * (1 - confidence[event.label])
        if sure or not any(may_be_caused(event, other) for other in near):
            kept.append(event)
    return kept


def without_echoes(events: Iterable[Event], near: float) -> list[Event]:
    """Leave out what touches a longer event of another class, and return the others by their beginnings.

    A network that tells classes apart gives each place to one of them. The first moment of a call may sound like
    another kind, and would be an event of its own beside the one that it belongs to.

    Parameters
    ----------
    events : iterable of Event
        Those of one item.
    near : float
        Distance up to which events touch.
    """
    ordered = sorted(events, key=lambda event: (event.start, event.end, event.label))

    def weight(event: Event) -> tuple[float, float, str]:
        return event.end - event.start, event.confidence or 0.0, event.label

    kept = []
    for at, event in enumerate(ordered):
        beside = itertools.chain(reversed(ordered[max(at - NEIGHBOURS, 0) : at]), ordered[at + 1 : at + 1 + NEIGHBOURS])
        touching = (each for each in beside if each.start - near < event.end and event.start < each.end + near)
        if not any(each.label != event.label and weight(each) > weight(event) for each in touching):
            kept.append(event)
    return kept
