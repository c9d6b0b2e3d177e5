"""Events in items of any length: windows slide over them, and where a class stays probable, there is an event.

Nothing is kept of an item but the windows of one batch and the events that are not over, so that a recording of a day
takes no more memory than one of a minute.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.inference.predictor import Predictor, predictor
from gridcnn.model import FittedModel
from gridcnn.pipeline.device import choose_device
from gridcnn.predictions import name_of
from gridcnn.segments import Event

__all__ = ["Detecting", "Detections", "EventFinder", "detect"]

STEPS = 8
"""Windows that cover each place of an item, unless another step is asked for."""

LOW = 0.6
"""An event lasts while its class has this share of the probability that it needs to begin (hysteresis)."""


@dataclass(frozen=True)
class Detecting:
    """What counts as an event.

    Parameters
    ----------
    step : float or None
        Distance between two windows, in seconds (samples or tokens of items without seconds), above 0. None is an
        eighth of a window.
    confidence : float or mapping of str to float
        Probability from which there is an event, in (0, 1], the same for all classes or for each one.
    merge : float
        Events of one class that are this near to each other are one, in the unit of `step`.
    shortest : float
        Events that are shorter are left out.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    step: float | None = None
    confidence: float | Mapping[str, float] = 0.5
    merge: float = 0.0
    shortest: float = 0.0

    def __post_init__(self) -> None:
        each = self.confidence.values() if isinstance(self.confidence, Mapping) else [self.confidence]
        if not all(0 < value <= 1 for value in each):
            raise ConfigurationError(f"confidence must lie in (0, 1], got {self.confidence!r}")
        if self.step is not None and not 0 < self.step < math.inf:
            raise ConfigurationError(f"step must be above 0, got {self.step!r}")
        for name in ("merge", "shortest"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} must be at least 0, got {getattr(self, name)!r}")

    def thresholds(self, classes: Sequence[str]) -> np.ndarray:
        """Return the probability that each class needs, `(n_classes,)`."""
        if not isinstance(self.confidence, Mapping):
            return np.full(len(classes), float(self.confidence))
        if unknown := sorted(set(self.confidence) - set(classes)):
            raise ConfigurationError(f"confidence: there is no class {unknown[0]!r}; there are {', '.join(classes)}")
        return np.array([self.confidence.get(name, 0.5) for name in classes])


class Detections(NamedTuple):
    """What was found in one item.

    `error` is empty if all of the item could be read; else `events` are those before what could not.
    `places` `(n,)` are the middles of the windows and `curve` `(n, n_classes)` float32 their probabilities; both None
    unless they were asked for.
    """

    item: Any
    events: list[Event]
    length: float
    error: str = ""
    places: np.ndarray | None = None
    curve: np.ndarray | None = None


@dataclass
class _Open:
    """A stretch in which a class stays probable."""

    start: float
    end: float
    confidence: float
    over: bool = False  # only another one that is near may join it


@dataclass
class EventFinder:
    """Finds the events of one item in the probabilities of its windows, which come part by part.

    Where a window is centred on an event, its class is most probable, and it stays so as long as about half of the
    event, or half of the window, is covered. Up to the length of a window, that says where the middle of an event is,
    but not how long it is: then it is as long as its class usually is.

    Parameters
    ----------
    source : str
        Name of the item.
    classes : sequence of str
        The labels.
    thresholds : ndarray of shape (n_classes,)
        Probability from which there is an event; above 1 for a class that is never reported.
    extent, step : float
        Length of a window, and the distance between two of them.
    usual : ndarray of shape (n_classes,)
        How long an event of each class usually is; at most `extent`.
    settings : Detecting
    """

    source: str
    classes: Sequence[str]
    thresholds: np.ndarray
    extent: float
    step: float
    usual: np.ndarray
    settings: Detecting
    length: float = 0.0
    _open: dict[int, _Open] = field(default_factory=dict)

    def add(self, starts: np.ndarray, probabilities: np.ndarray) -> Iterator[Event]:
        """Take the probabilities `(n, n_classes)` of windows that begin at `starts` `(n,)`; yield events that are over.

        The windows of an item are added in their order.
        """
        if not len(starts):
            return
        self.length = max(self.length, float(starts[-1]) + self.extent)
        high = probabilities >= LOW * self.thresholds
        concerned = set(np.flatnonzero(high.any(axis=0)).tolist()) | set(self._open)
        for label in sorted(concerned):
            yield from self._add_class(label, starts + self.extent / 2, probabilities[:, label], high[:, label])

    def _add_class(self, label: int, centres: np.ndarray, chances: np.ndarray, high: np.ndarray) -> Iterator[Event]:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], high, [False]]).astype(np.int8)))
        for first, last in zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True):
            start, end = float(centres[first]) - self.step / 2, float(centres[last]) + self.step / 2
            before = self._open.get(label)
            stretch = _Open(start, end, float(chances[first : last + 1].max()))
            if before is not None:
                goes_on = first == 0 and not before.over
                if goes_on or start - before.end <= self.settings.merge:
                    stretch = _Open(before.start, end, max(before.confidence, stretch.confidence))
                else:
                    yield from self._event(label, before)
            stretch.over = last < len(centres) - 1
            self._open[label] = stretch
        left = self._open.get(label)
        if left is None:
            return
        left.over = left.over or not high[-1]
        if left.over and float(centres[-1]) - left.end > self.settings.merge + self.step:
            yield from self._event(label, self._open.pop(label))

    def finish(self) -> Iterator[Event]:
        """Yield the events that end with the item."""
        for label in sorted(self._open):
            yield from self._event(label, self._open[label])
        self._open.clear()

    def _event(self, label: int, stretch: _Open) -> Iterator[Event]:
        if stretch.confidence < self.thresholds[label]:
            return
        start, end = stretch.start, stretch.end
        if end - start <= self.extent:
            middle = (start + end) / 2
            start, end = middle - self.usual[label] / 2, middle + self.usual[label] / 2
        start, end = max(start, 0.0), min(end, self.length)
        if end > start and end - start >= self.settings.shortest:
            confidence = min(max(stretch.confidence, 0.0), 1.0)
            yield Event(self.source, float(start), float(end), self.classes[label], confidence)


def detect(
    model: FittedModel,
    items: Iterable[Any],
    settings: Detecting | None = None,
    *,
    device: str = "auto",
    precision: str = "float32",
    curves: bool = False,
) -> Iterator[Detections]:
    """Find the events in items of any length, one item after another.

    Parameters
    ----------
    model : FittedModel
        A classifier of parts of such items, best one with a background class: without it every window is of some class.
    items : iterable of raw items
        Long recordings, series or texts, as the model's adapter reads them; taken as they are needed.
    settings : Detecting, optional
        What counts as an event.
    device, precision
        As in `predict`.
    curves : bool
        Whether to keep the probabilities of all windows, which takes memory in proportion to the length of an item.

    Yields
    ------
    Detections
        In the order of the items. The events of an item are sorted by their beginnings; the background is none.

    Raises
    ------
    ConfigurationError
        If the settings name a class that the model does not have, or the model reads items in which nothing can be
        detected, such as pictures.
    """
    settings = settings or Detecting()
    compute = predictor(model.network, choose_device(device), precision)
    extent = model.adapter.extent_
    step = settings.step or extent / STEPS
    thresholds = settings.thresholds(model.class_names)
    if model.background is not None:
        thresholds[model.background] = np.inf
    usual = usual_lengths(model, extent)
    for position, item in enumerate(items):
        finder = EventFinder(name_of(item, position), model.class_names, thresholds, extent, step, usual, settings)
        yield _detect_in(model, item, finder, compute, curves=curves)


def usual_lengths(model: FittedModel, extent: float) -> np.ndarray:
    """Return how long the events of each class usually were in training, `(n_classes,)`, at most a window."""
    known = model.summary.get("usual_lengths", {})
    return np.array([min(known.get(name, extent), extent) for name in model.class_names])


def _detect_in(model: FittedModel, item: Any, finder: EventFinder, compute: Predictor, *, curves: bool) -> Detections:
    events: list[Event] = []
    places: list[np.ndarray] = []
    curve: list[np.ndarray] = []
    error = ""
    try:
        for starts, windows in _batches(model.adapter.slide(item, finder.step), compute.batch_size):
            probabilities = compute(windows)
            events += finder.add(starts, probabilities)
            if curves:
                places.append(starts + finder.extent / 2)
                curve.append(probabilities.astype(np.float32))
    except ItemError as failure:
        error = failure.reason
    events = sorted([*events, *finder.finish()], key=lambda event: (event.start, event.label))
    if not curves:
        return Detections(item, events, finder.length, error)
    empty = np.empty((0, len(finder.classes)), np.float32)
    return Detections(
        item, events, finder.length, error, np.concatenate([np.empty(0), *places]), np.concatenate([empty, *curve])
    )


def _batches(parts: Iterator[tuple[np.ndarray, np.ndarray]], size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the same windows in larger parts, so that each call of the network has enough to compute."""
    starts: list[np.ndarray] = []
    windows: list[np.ndarray] = []
    failure: ItemError | None = None
    while True:
        try:
            part = next(parts, None)
        except ItemError as error:  # behind what was read before
            failure, part = error, None
        if part is not None:
            starts.append(part[0])
            windows.append(part[1])
        if starts and (part is None or sum(map(len, starts)) >= size):
            yield np.concatenate(starts), np.concatenate(windows)
            starts, windows = [], []
        if part is None:
            break
    if failure is not None:
        raise failure
