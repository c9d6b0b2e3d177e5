"""How well detected events agree with annotated ones: precision, recall and F1 of whole events, at collars.

References
----------
Mesaros, Heittola and Virtanen 2016, "Metrics for polyphonic sound event detection": event-based scores, with a collar
around onsets, and around offsets a collar or half of the event, whichever is longer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from gridcnn.errors import ConfigurationError
from gridcnn.segments import Event

__all__ = ["EventScores", "score_events"]


@dataclass(frozen=True)
class EventScores:
    """Counts of events, and what follows from them.

    Parameters
    ----------
    annotated, detected, matched : int
        Events; a detection matches at most one annotation of its class, and the other way round.
    """

    annotated: int
    detected: int
    matched: int

    @property
    def precision(self) -> float:
        """Share of the detections that are right; NaN without detections."""
        return self.matched / self.detected if self.detected else float("nan")

    @property
    def recall(self) -> float:
        """Share of the annotated events that are found; NaN without annotations."""
        return self.matched / self.annotated if self.annotated else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of both, counted as 2 × matched / (annotated + detected); NaN without any event."""
        both = self.annotated + self.detected
        return 2 * self.matched / both if both else float("nan")


def score_events(
    annotated: Iterable[Event], detected: Iterable[Event], *, collar: float = 0.5, offsets: bool = True
) -> dict[str, EventScores]:
    """Return the scores of each class, by its label, and under "" those of all events together.

    Parameters
    ----------
    annotated, detected : iterable of Event
        Those of one file have one `source`.
    collar : float
        What an onset may be off, in the unit of the events (seconds), at least 0; an offset may be off by that, or by
        half of the annotated event, whichever is more.
    offsets : bool
        Whether offsets count at all.

    Raises
    ------
    ConfigurationError
        If the collar is negative or no number.

    Examples
    --------
    >>> truth = [Event("a.wav", 1.0, 2.0, "dog"), Event("a.wav", 5.0, 6.0, "dog")]
    >>> scores = score_events(truth, [Event("a.wav", 1.3, 2.2, "dog"), Event("a.wav", 5.0, 6.0, "cat")])
    >>> scores["dog"].recall, scores["cat"].precision, scores[""].matched
    (0.5, 0.0, 1)
    """
    if not collar >= 0:
        raise ConfigurationError(f"collar must be a number of at least 0, got {collar!r}")
    known, found = _by_class(annotated), _by_class(detected)
    scores = {}
    for label in sorted({label for label, _ in (*known, *found)}):
        files = {file for each, file in (*known, *found) if each == label}
        pairs = [(known.get((label, file), []), found.get((label, file), [])) for file in sorted(files)]
        matched = sum(_matched(first, second, collar, offsets) for first, second in pairs)
        scores[label] = EventScores(sum(len(a) for a, _ in pairs), sum(len(d) for _, d in pairs), matched)
    each = list(scores.values())
    total = EventScores(sum(e.annotated for e in each), sum(e.detected for e in each), sum(e.matched for e in each))
    return {**scores, "": total}


def _by_class(events: Iterable[Event]) -> dict[tuple[str, str], list[Event]]:
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        groups[event.label, event.source].append(event)
    return groups


def _matched(annotated: Sequence[Event], detected: Sequence[Event], collar: float, offsets: bool) -> int:
    """Return the largest number of pairs that agree."""
    if not annotated or not detected:
        return 0
    order = sorted(detected, key=lambda event: event.start)
    starts = np.array([event.start for event in order])
    rows, columns = [], []
    for row, event in enumerate(annotated):
        first, last = np.searchsorted(starts, [event.start - collar, event.start + collar], side="left")
        last = max(int(last), int(np.searchsorted(starts, event.start + collar, side="right")))
        slack = max(collar, (event.end - event.start) / 2)
        for column in range(int(first), last):
            if not offsets or abs(order[column].end - event.end) <= slack:
                rows.append(row)
                columns.append(column)
    agree = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(annotated), len(order)))
    return int((maximum_bipartite_matching(agree, perm_type="column") >= 0).sum())
