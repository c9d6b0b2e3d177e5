"""Events in items of any length: windows slide over them, and where the evidence for a class lies, there is an event.

Nothing is kept of an item but the windows of one batch and its events, so that a recording of a day takes no more
memory than one of a minute. A batch may hold windows of several items.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.inference.cells import CellLogits, cell_logits, has_cells
from gridcnn.inference.event_finding import Cells, EventFinder, without_doubtful, without_echoes
from gridcnn.inference.predictor import predictor
from gridcnn.model import FittedModel
from gridcnn.multilabel import shares
from gridcnn.network.sizes import sizes_after_blocks
from gridcnn.pipeline.device import choose_device
from gridcnn.predictions import name_of
from gridcnn.segments import Event

__all__ = ["Detecting", "Detections", "detect"]

STEP = 0.6
"""Distance between two windows as a share of one, if cells tell what lies where in a window: most places lie in two."""

COVERED_BY_WHOLE = 8
"""The same, if only the whole window has an answer."""

HALF = 0.5 + 1e-6
"""Of a cell, and what the arithmetic of places may be off."""

AT_ONCE = 64
"""Windows that are computed together, at least."""


@dataclass(frozen=True)
class Detecting:
    """What counts as an event.

    Parameters
    ----------
    step : float or None
        Distance between two windows, in seconds (samples or tokens of items without seconds), above 0; it is rounded to
        whole cells of the last maps. None is three fifths of a window, or an eighth if the network tells nothing of its
        cells.
    confidence : float or mapping of str to float
        Probability of a window from which there is an event, in (0, 1], for all classes or for each one by its name.
    merge : float or None
        Events of one class that are this near to each other are one, in the unit of `step`; None is half of a window.
    shortest : float
        Events that are shorter are left out.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    step: float | None = None
    confidence: float | Mapping[str, float] = 0.6
    merge: float | None = None
    shortest: float = 0.0

    def __post_init__(self) -> None:
        each = self.confidence.values() if isinstance(self.confidence, Mapping) else [self.confidence]
        if not all(0 < value <= 1 for value in each):
            raise ConfigurationError(f"confidence must lie in (0, 1], got {self.confidence!r}")
        if self.step is not None and not 0 < self.step < math.inf:
            raise ConfigurationError(f"step must be above 0, got {self.step!r}")
        for name in ("merge", "shortest"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ConfigurationError(f"{name} must be at least 0, got {value!r}")

    def thresholds(self, classes: Sequence[str]) -> np.ndarray:
        """Return the probability that each class needs, `(n_classes,)`."""
        if not isinstance(self.confidence, Mapping):
            return np.full(len(classes), float(self.confidence))
        if unknown := sorted(set(self.confidence) - set(classes)):
            raise ConfigurationError(f"confidence: there is no class {unknown[0]!r}; there are {', '.join(classes)}")
        return np.array([self.confidence.get(name, type(self).confidence) for name in classes])


class Detections(NamedTuple):
    """What was found in one item.

    `error` is empty if all of the item could be read; else `events` are those before what could not. `places` `(n,)`
    are the middles of the cells and `curve` `(n, n_classes)` float32 their probabilities; both None unless they were
    asked for.
    """

    item: Any
    events: list[Event]
    length: float
    error: str = ""
    places: np.ndarray | None = None
    curve: np.ndarray | None = None


def detect(
    model: FittedModel,
    items: Iterable[Any],
    settings: Detecting | None = None,
    *,
    device: str = "auto",
    curves: bool = False,
) -> Iterator[Detections]:
    """Find the events in items of any length, one item after another.

    Parameters
    ----------
    model : FittedModel
        A classifier of parts of such items, best one with a background class: without it every window is of some class.
    items : iterable of raw items
        Long recordings, series or texts, as the model's adapter reads them; taken as they are needed. An `ItemError`
        among them stands for one that is known to be unreadable.
    settings : Detecting, optional
        What counts as an event.
    device : str
        As in `FitConfig`.
    curves : bool
        Whether to keep the probabilities of all cells, which takes memory in proportion to the length of an item.

    Yields
    ------
    Detections
        In the order of the items. The events of an item are sorted by their beginnings, and begin and end at seconds,
        samples or words; the background is none.

    Raises
    ------
    ConfigurationError
        If the settings name a class that the model does not have, or the model reads items in which nothing can be
        detected, such as pictures.
    """
    settings = settings or Detecting()
    device_ = choose_device(device)
    extent, localises = model.adapter.extent_, has_cells(model.network)
    compute = cell_logits(model.network, device_) if localises else _of_whole_windows(model, device_)
    spec, config = model.network.backbone.spec, model.network.backbone.config
    n_cells = sizes_after_blocks(spec.sizes, config)[-1][-1] if localises else COVERED_BY_WHOLE
    width = extent / n_cells
    step = settings.step or (max(int(STEP * n_cells), 1) * width if localises else width)
    if step > extent:
        raise ConfigurationError(f"step must be at most a window, {extent:.6g}, or something goes unread; got {step!r}")
    if localises:
        step = max(round(step / width), 1) * width
    else:
        width = step
    offset = 0.0 if localises else (extent - width) / 2
    thresholds = settings.thresholds(model.class_names)
    merge = extent / 2 if settings.merge is None else settings.merge
    waiting = _Waiting(compute, several=model.several)
    looks: deque[_Look] = deque()
    for position, item in enumerate(items):
        name = name_of(item, position)
        finder = EventFinder(name, model.class_names, thresholds, width, merge, settings.shortest, model.background)
        look = _Look(item, finder, model.adapter, offset, curves=curves, several=model.several)
        looks.append(look)
        try:
            if isinstance(item, ItemError):
                raise item
            for starts, windows in model.adapter.slide(item, step):
                waiting.add(look, starts, windows)
        except ItemError as failure:
            look.error = failure.reason
        look.read = True
        while looks and looks[0].over:
            yield looks.popleft().finish()
    waiting.compute_all()
    yield from (look.finish() for look in looks)


def _of_whole_windows(model: FittedModel, device: torch.device) -> CellLogits:
    """Return logits that give the probabilities of windows as those of their only cell."""
    whole = predictor(model.network, device)
    least = np.finfo(float).tiny

    def compute(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        chances = whole(windows)
        logits = np.log(np.maximum(chances, least))
        if model.several:
            logits -= np.log(np.maximum(1 - chances, least))
        return logits[:, None], logits

    return compute


class _Waiting:
    """Windows of one or several items that wait until the network has enough to compute."""

    def __init__(self, compute: CellLogits, *, several: bool) -> None:
        self._compute, self._several = compute, several
        self._parts: list[tuple[_Look, np.ndarray, np.ndarray]] = []
        self._n_windows = 0

    def add(self, look: _Look, starts: np.ndarray, windows: np.ndarray) -> None:
        """Take windows of an item, which begin at these places."""
        look.waiting += 1
        self._parts.append((look, starts, windows))
        self._n_windows += len(starts)
        if self._n_windows >= AT_ONCE:
            self.compute_all()

    def compute_all(self) -> None:
        """Hand the cells of all windows that wait to their items."""
        if not self._parts:
            return
        cells, whole = self._compute(np.concatenate([windows for _, _, windows in self._parts]))
        chances = shares(whole, several=self._several)
        first = 0
        for look, starts, _ in self._parts:
            own = slice(first, first := first + len(starts))
            look.take(starts, cells[own], chances[own])
            look.waiting -= 1
        self._parts, self._n_windows = [], 0


class _Look:
    """What is known of one item so far: the cells that further windows may cover, and the events."""

    def __init__(
        self, item: Any, finder: EventFinder, adapter: Adapter, offset: float, *, curves: bool, several: bool
    ) -> None:
        self._adapter = adapter
        self.item, self.finder, self.error, self.read, self.waiting = item, finder, "", False, 0
        self._offset, self._curves, self._several = offset, curves, several
        self._sums: _Sums | None = None
        self._events: list[Event] = []
        self._kept: list[Cells] = []

    @property
    def over(self) -> bool:
        """Whether all windows of the item are computed."""
        return self.read and not self.waiting

    def take(self, starts: np.ndarray, cells: np.ndarray, chances: np.ndarray) -> None:
        """Take what is said of windows: logits of cells `(n, cells, n_classes)`, probabilities `(n, n_classes)`."""
        # Not rounded to even numbers: the middles of whole windows lie between two cells, each in the next one.
        at = np.floor((starts + self._offset) / self.finder.width + HALF).astype(int)
        self._sums = self._sums or _Sums.from_first(int(at[0]), cells.shape[2], several=self._several)
        self._sums.reach(max(int(at[-1]), self._sums.first) + cells.shape[1])
        for first, logits, chance in zip(at.tolist(), cells, chances, strict=True):
            self._sums.add(first, logits, chance)
        self._find(self._sums.take(int(at[-1]), self.finder.width))

    def _find(self, some: Cells) -> None:
        self._events += self.finder.add(some)
        if self._curves:
            self._kept.append(Cells(some.starts, some.cells.astype(np.float32), some.windows[:0]))

    def finish(self) -> Detections:
        """Return what was found."""
        finder = self.finder
        if self._sums is not None:
            self._find(self._sums.take(None, finder.width))
        events = [*self._events, *finder.finish()]
        if self._several:
            events = without_doubtful(events, dict(zip(finder.classes, finder.thresholds.tolist(), strict=True)))
        else:
            events = without_echoes(events, finder.merge / 2)
        item = self.item.item if isinstance(self.item, ItemError) else self.item
        if events and not self.error:
            starts = self._adapter.counted(item, np.array([event.start for event in events]))
            ends = self._adapter.counted(item, np.array([event.end for event in events]), ends=True)
            told = zip(events, starts.tolist(), ends.tolist(), strict=True)
            events = [replace(event, start=first, end=last) for event, first, last in told]
        if not self._curves:
            return Detections(item, events, finder.length, self.error)
        places = np.concatenate([np.empty(0), *(some.starts + finder.width / 2 for some in self._kept)])
        curve = np.concatenate([np.empty((0, len(finder.classes)), np.float32), *(some.cells for some in self._kept)])
        return Detections(item, events, finder.length, self.error, places, curve)


@dataclass
class _Sums:
    """Cells that more windows may cover: the first one, sums of logits, numbers of windows, largest probabilities."""

    first: int
    logits: np.ndarray
    windows: np.ndarray
    largest: np.ndarray
    several: bool = False

    @classmethod
    def from_first(cls, first: int, n_classes: int, *, several: bool) -> _Sums:
        """Begin with a cell, by its number."""
        return cls(first, np.zeros((0, n_classes)), np.zeros(0), np.zeros((0, n_classes)), several)

    def reach(self, behind: int) -> None:
        """Make room for the cells before this number."""
        missing = max(behind - self.first - len(self.windows), 0)
        self.logits = np.pad(self.logits, ((0, missing), (0, 0)))
        self.largest = np.pad(self.largest, ((0, missing), (0, 0)))
        self.windows = np.pad(self.windows, (0, missing))

    def add(self, first: int, logits: np.ndarray, chance: np.ndarray) -> None:
        """Add a window whose first cell has this number."""
        at = slice(max(first - self.first, 0), max(first - self.first, 0) + len(logits))
        self.logits[at] += logits
        self.windows[at] += 1
        self.largest[at] = np.maximum(self.largest[at], chance)

    def take(self, behind: int | None, width: float) -> Cells:
        """Remove and return the cells before a number, or all."""
        n = len(self.windows) if behind is None else min(behind - self.first, len(self.windows))
        mean = self.logits[:n] / np.maximum(self.windows[:n], 1)[:, None]
        taken = Cells(
            (self.first + np.arange(n)) * width, shares(mean, several=self.several) if n else mean, self.largest[:n]
        )
        self.logits, self.windows, self.largest = self.logits[n:], self.windows[n:], self.largest[n:]
        self.first += n
        return taken
