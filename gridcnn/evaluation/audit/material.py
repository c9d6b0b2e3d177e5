"""What the checks of an audit look at: items, their labels, groups and parts, and what inspecting each item told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.adapters.inspecting import Inspection, Inspector
from gridcnn.errors import ItemError, Skipped
from gridcnn.pipeline.encode import threads_for
from gridcnn.pipeline.parallel import in_threads
from gridcnn.segments import NAMED

__all__ = ["Material", "Progress"]

CHUNK = 32  # items
LONGEST_NAME = 120  # characters

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and how much there is."""


@dataclass(frozen=True)
class Material:
    """What is audited.

    Parameters
    ----------
    adapter : Adapter
        Reads the items; need not be fitted.
    items : sequence of n raw items
        As `adapter.check_items` returns them.
    labels, groups, parts : ndarray of shape (n,), or None
        Class, group and part ("train", "validation", "test") of each item.
    skipped : tuple of Skipped
        What the loader left out.
    given : object
        The items as a loader gave them, such as a DataFrame, which the adapter learns column names from.
    inspections : sequence of n, or None
        What each item was found to be, None for one that cannot be read. None before they are inspected.
    reasons : sequence of n str
        Why an item cannot be read; empty if it can.
    random_state : int
        Seed of all that is drawn at random.
    progress : callable, optional
    names : sequence of n str, or None
        What the items are called, if they do not say it themselves, such as parts of logs.
    """

    adapter: Adapter
    items: Sequence[Any]
    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None
    skipped: tuple[Skipped, ...] = ()
    given: Any = None
    inspections: Sequence[Inspection | None] | None = None
    reasons: Sequence[str] = ()
    random_state: int = 0
    progress: Progress = lambda doing, done, total: None
    names: Sequence[str] | None = None

    @property
    def inspector(self) -> Inspector:
        """Who looks at single items."""
        return self.adapter.inspector(self.adapter.get_params(deep=False))

    @property
    def learned(self) -> np.ndarray:
        """Indices of the items to train on: those of the part "train", or all."""
        return np.arange(len(self.items)) if self.parts is None else np.flatnonzero(self.parts == "train")

    @property
    def read(self) -> dict[int, Inspection]:
        """The inspections of the items that can be read, by their indices."""
        return {at: each for at, each in enumerate(self.inspections or ()) if each is not None}

    def name(self, item: int) -> str:
        """Return what a person calls an item: its given name, its path or text, or else its number, from 0."""
        it = self.items[item] if self.names is None else self.names[item]
        if not isinstance(it, NAMED):
            return f"row {item}"
        name = " ".join(str(it).split())
        return name if len(name) <= LONGEST_NAME or self.adapter.reads_files else f"{name[: LONGEST_NAME - 1]}…"

    def label(self, item: int) -> str:
        """Return the class of an item as a person writes it; empty without classes."""
        return "" if self.labels is None else str(self.labels[item])

    def inspected(self) -> Material:
        """Return the material with its items inspected, in parallel threads."""
        inspections, reasons = list[Inspection | None](), list[str]()
        inspector = self.inspector

        def look(items: Sequence[Any]) -> list[Inspection | str]:
            return [_look(inspector, item) for item in items]

        for found in in_threads(look, self.items, threads_for(self.adapter, None, self.items), CHUNK):
            for each in found:
                inspections.append(None if isinstance(each, str) else each)
                reasons.append(each if isinstance(each, str) else "")
            self.progress("reading", len(reasons), len(self.items))
        return replace(self, inspections=inspections, reasons=reasons)


def _look(inspector: Inspector, item: Any) -> Inspection | str:
    try:
        return inspector.inspect(item)
    except ItemError as error:
        return error.reason or "it cannot be read"
    except OSError as error:  # a name that is too long, a disk that went away
        return f"cannot be read ({error.strerror or error})"
