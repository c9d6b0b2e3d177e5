"""Annotations that overlap in time: stretches in which the same things are heard, each with its set of labels."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gridcnn.datasets.dataset import Dataset
from gridcnn.errors import DataError
from gridcnn.segments import File, Segment, are_segments

__all__ = ["are_events", "as_label_sets"]

LONGEST_WINDOW = 1.0
"""Seconds of a window at most, as far as stretches are concerned that are too short to fill one."""


class _Stretch(NamedTuple):
    """A part of a recording, what is heard there, and one of the annotations that it is made of."""

    start: float
    end: float
    labels: frozenset[Any]
    annotation: int


def are_events(data: Dataset) -> bool:
    """Whether the rows of a set are events with one label each, so that others may be heard at the same time.

    A row that holds several labels, or none, says all about its segment, and so do the rows beside it.
    """
    labels = () if data.labels is None else data.labels
    return are_segments(data.items) and all(not isinstance(each, tuple) or len(each) == 1 for each in labels)


def as_label_sets(data: Dataset) -> Dataset:
    """Return segments with the set of all labels that are annotated there, so that overlapping events are learned.

    Where annotations overlap, time is cut wherever one of them begins or ends. A stretch that is shorter than a window,
    beside one in which something else is heard, is left out, since a window there would hold both. Any other that is
    shorter is an item as long as a window. Segments that overlap no other stay as they are.

    Parameters
    ----------
    data : Dataset
        Its items are `Segment`s with one label each, or several.

    Returns
    -------
    Dataset
        `labels` are tuples. Groups and parts are those of the annotations, which stand in `annotated`.

    Raises
    ------
    DataError
        If items are no segments, or have no labels.

    Examples
    --------
    >>> calls = [Segment("a.wav", 0, 4), Segment("a.wav", 3, 6), Segment("a.wav", 8, 9)]
    >>> sets = as_label_sets(Dataset(calls, np.array(["owl", "fox", "owl"]), "sound"))
    >>> [(each.start, each.end, labels) for each, labels in zip(sets.items, sets.labels)]
    [(0, 3, ('owl',)), (3, 4, ('fox', 'owl')), (4, 6, ('fox',)), (8, 9, ('owl',))]
    """
    if data.labels is None or not are_segments(data.items):
        raise DataError(f"{data.name}: label sets of a time are made of labelled segments: give --start and --end.")
    sets = [each if isinstance(each, tuple) else (each,) for each in data.labels.tolist()]
    segments: Sequence[Segment] = data.items
    window = min(LONGEST_WINDOW, float(np.percentile([each.end - each.start for each in segments], 25)))
    found = [stretch for members in _clusters(segments) for stretch in _cut(segments, sets, members, window)]
    found.sort(key=lambda each: each.annotation)
    n_overlapping = sum(len(members) for members in _clusters(segments) if len(members) > 1)
    labels = np.empty(len(found), dtype=object)
    labels[:] = [tuple(sorted(each.labels)) for each in found]
    at = [each.annotation for each in found]
    items = [replace(segments[each.annotation], start=each.start, end=each.end) for each in found]
    note = f"{n_overlapping:,} of {len(segments):,} annotations overlap others"
    if n_overlapping:
        both = sum(len(each) > 1 for each in labels)
        note += f": they are {len(found):,} stretches of time, {both:,} of them with several labels"
    return replace(
        data,
        items=items,
        labels=labels,
        groups=None if data.groups is None else data.groups[at],
        split=None if data.split is None else data.split[at],
        notes=(*data.notes, note),
        annotated=tuple(segments),
    )


def _clusters(segments: Sequence[Segment]) -> Iterator[list[int]]:
    """Yield the segments that are connected by overlaps, by the order of their beginnings."""
    by_file: dict[File, list[int]] = defaultdict(list)
    for at, each in enumerate(segments):
        by_file[each.path].append(at)
    for members in by_file.values():
        members.sort(key=lambda at: (segments[at].start, segments[at].end))
        cluster, end = members[:1], segments[members[0]].end
        for at in members[1:]:
            if segments[at].start >= end:
                yield cluster
                cluster = []
            cluster.append(at)
            end = max(end, segments[at].end) if len(cluster) > 1 else segments[at].end
        yield cluster


def _cut(
    segments: Sequence[Segment], sets: Sequence[tuple[Any, ...]], members: list[int], window: float
) -> list[_Stretch]:
    """Return the stretches of a cluster in which the same labels are heard, without those that are too short."""
    if len(members) == 1:
        only = segments[members[0]]
        return [_Stretch(only.start, only.end, frozenset(sets[members[0]]), members[0])]
    times = sorted({time for at in members for time in (segments[at].start, segments[at].end)})
    stretches: list[_Stretch] = []
    for start, end in itertools.pairwise(times):
        there = [at for at in members if segments[at].start <= start and segments[at].end >= end]
        labels = frozenset(label for at in there for label in sets[at])
        if stretches and stretches[-1].labels == labels:
            stretches[-1] = stretches[-1]._replace(end=end)
        else:
            stretches.append(_Stretch(start, end, labels, min(there)))
    kept = []
    for at, each in enumerate(stretches):
        beside = frozenset().union(*(other.labels for other in stretches[max(at - 1, 0) : at + 2]))
        if each.end - each.start >= window:
            kept.append(each)
        elif beside == each.labels:
            start = max((each.start + each.end - window) / 2, 0.0)
            kept.append(each._replace(start=start, end=start + window))
    return kept
