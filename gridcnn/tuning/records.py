"""What a search keeps of each trial, and what it returns; needs no search engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridcnn.model import FittedModel
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.judging import Judged

__all__ = [
    "Tried",
    "Tuned",
    "Watcher",
    "Watchers",
    "best_first",
    "from_plain",
    "in_words",
    "plain",
    "score_name_of_trials",
]


@dataclass(frozen=True)
class Tried:
    """One trial that ended.

    Parameters
    ----------
    number : int
        From 0; the first is that of the defaults.
    state : {"complete", "pruned", "failed"}
        How it ended.
    accuracy, loss : float
        On the items held out from it; NaN unless it is complete. If items may have several labels, the first is the
        mean average precision of the labels.
    told : dict of str to str
        In what it differs from the defaults, in words.
    point : dict
        A number or a name for each dimension of the search.
    seconds : float
        How long it took.
    reason : str
        Why it was pruned or failed.
    judged : Judged or None
        What became of each item held out, if it is complete.
    """

    number: int
    state: str
    accuracy: float = math.nan
    loss: float = math.nan
    told: Mapping[str, str] = field(default_factory=dict)
    point: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    judged: Judged | None = field(default=None, compare=False, repr=False)

    @property
    def complete(self) -> bool:
        """Whether it has a score."""
        return self.state == "complete"

    def __str__(self) -> str:
        if self.complete:
            return f"trial {self.number}, {self.accuracy:.4f} in {self.seconds:.0f} s: {self.settings}"
        return f"trial {self.number}, {self.state} after {self.seconds:.0f} s ({self.reason}): {self.settings}"

    @property
    def settings(self) -> str:
        """In what it differs from the defaults, in one line."""
        return in_words(self.told)


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    model : FittedModel or None
        Trained with the settings taken, on all items; None if no model was asked for.
    trials : tuple of Tried
        All trials of the study that ended, in their order.
    usual : Tried or None
        That of the defaults, as a fit without a search has them.
    chosen : Tried or None
        The one whose settings were taken; None if there is no verdict yet.
    why : str
        How that was decided, in a sentence.
    parameters : dict
        The hyperparameters taken, where they differ from the defaults.
    adapter : dict
        Those of the adapter.
    importance : dict of str to float
        Share of the differences between trials that each dimension explains, the largest first; empty if too few
        trials are complete.
    several : bool
        Whether items may have several labels.
    """

    model: FittedModel | None
    trials: tuple[Tried, ...]
    usual: Tried | None
    chosen: Tried | None
    why: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    adapter: Mapping[str, Any] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    several: bool = False

    @property
    def score(self) -> str:
        """What the score of a trial is called."""
        return score_name_of_trials(several=self.several)


def score_name_of_trials(*, several: bool) -> str:
    """Return what the score of a trial is called."""
    return "mean average precision" if several else "accuracy"


class Watcher(Callback):
    """Observes a search; it also hears of the epochs of each trial, and of the last training."""

    def on_trial(self, number: int, told: Mapping[str, str]) -> None:
        """Called before a trial with in what it differs from the defaults."""

    def on_trials(self, trials: Sequence[Tried], wanted: int | None) -> None:
        """Called after each trial with all that ended, those of other processes too, and how many are wanted."""

    def on_searched(self) -> None:
        """Called after the last trial, before the last training."""


class Watchers(CallbackList, Watcher):
    """Several callbacks as one; those that are watchers also hear of trials."""

    def on_trial(self, number: int, told: Mapping[str, str]) -> None:
        """Pass it on to watchers."""
        for each in self._watchers():
            each.on_trial(number, told)

    def on_trials(self, trials: Sequence[Tried], wanted: int | None) -> None:
        """Pass them on to watchers."""
        for each in self._watchers():
            each.on_trials(trials, wanted)

    def on_searched(self) -> None:
        """Pass it on to watchers."""
        for each in self._watchers():
            each.on_searched()

    def _watchers(self) -> list[Watcher]:
        return [each for each in self.callbacks if isinstance(each, Watcher)]


def in_words(told: Mapping[str, str]) -> str:
    """Return in what settings differ from the defaults, in one line.

    >>> in_words({"pool": "average", "dense": "64"}), in_words({})
    ('pool = average, dense = 64', 'the defaults')
    """
    return ", ".join(f"{name} = {value}" for name, value in told.items()) or "the defaults"


def best_first(trials: Sequence[Tried]) -> list[Tried]:
    """Return the complete trials, the best first: by accuracy, and of equal ones by loss."""
    return sorted((each for each in trials if each.complete), key=lambda each: (-each.accuracy, each.loss))


def plain(judged: Judged) -> dict[str, Any]:
    """Return what became of the items, JSON-ready and short."""
    return {
        "place": judged.place.astype(int).tolist(),
        "right": [round(hit, 4) for hit in judged.hit.tolist()]
        if ((judged.hit > 0) & (judged.hit < 1)).any()  # of several labels, some lead and some do not
        else "".join("1" if hit else "0" for hit in judged.hit),
        "loss": [round(loss, 4) for loss in judged.loss.tolist()],
    }


def from_plain(values: Mapping[str, Any]) -> Judged:
    """Return what `plain` described."""
    hit = np.array([float(each) for each in values["right"]], dtype=float)
    return Judged(np.array(values["place"], dtype=int), hit, np.array(values["loss"], dtype=float))
