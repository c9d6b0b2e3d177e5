"""From the probabilities of the cells of an item, which come part by part, to events."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gridcnn.segments import Event

__all__ = ["Cells", "EventFinder", "without_echoes"]

LOW = 0.4
"""An event lasts while its class has this share of the probability that it needs (hysteresis)."""

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
class EventFinder:
    """Finds the events of one item in the probabilities of its cells, which come part by part, in their order.

    Parameters
    ----------
    source : str
        Name of the item.
    classes : sequence of str
        The labels.
    thresholds : ndarray of shape (n_classes,)
        Probability of a window from which there is an event; above 1 for a class that is never reported.
    width : float
        Of a cell.
    merge, shortest : float
        As in `Detecting`.
    """

    source: str
    classes: Sequence[str]
    thresholds: np.ndarray
    width: float
    merge: float
    shortest: float
    length: float = 0.0
    _open: dict[int, tuple[float, float, float]] = field(default_factory=dict)

    def add(self, some: Cells) -> Iterator[Event]:
        """Take the next cells; yield the events that are over."""
        if not len(some.starts):
            return
        self.length = float(some.starts[-1]) + self.width
        lasts = some.cells >= LOW * self.thresholds
        for label in sorted({*np.flatnonzero(lasts.any(axis=0)).tolist(), *self._open}):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], lasts[:, label], [False]]).astype(np.int8)))
            for first, behind in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                start, end = float(some.starts[first]), float(some.starts[behind - 1]) + self.width
                confidence = float(some.windows[first:behind, label].max())
                before = self._open.get(label)
                if before is not None and start - before[1] <= self.merge + self.width / 2:
                    self._open[label] = (before[0], end, max(before[2], confidence))
                    continue
                if before is not None:
                    yield from self._event(label)
                self._open[label] = (start, end, confidence)
            if label in self._open and self.length - self._open[label][1] > self.merge + self.width:
                yield from self._event(label)

    def finish(self) -> Iterator[Event]:
        """Yield the events that end with the item."""
        for label in sorted(self._open):
            yield from self._event(label)

    def _event(self, label: int) -> Iterator[Event]:
        start, end, confidence = self._open.pop(label)
        if confidence >= self.thresholds[label] and end - start >= self.shortest:
            yield Event(self.source, max(start, 0.0), max(end, 0.0), self.classes[label], min(confidence, 1.0))


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
