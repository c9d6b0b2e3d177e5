"""Whether the best trial is better than the defaults beyond chance.

The best of many trials owes its place to luck in part, so its own score proves nothing. It is trained once more beside
the defaults, and both are judged by items that no trial was judged by. Where there are none, as all items had their
turn, the folds are drawn again twice, and the lead must stand out among as many as there were trials.

References
----------
Cawley and Talbot 2010, "On over-fitting in model selection and subsequent selection bias in performance evaluation".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from gridcnn.pipeline.split import LabelledItems, fold_indices
from gridcnn.training.folds import Fold
from gridcnn.training.judging import LEAD, Judged, lead

__all__ = ["FINALISTS", "Fresh", "ahead", "fresh_folds", "needed"]

FINALISTS = 2
"""The best trials that are judged anew."""

FRESH_FOLDS, MOST_FRESH_FOLDS = 3, 5
"""Folds of fresh items, and at most as many if each holds groups."""

REPEATS = 2
"""Times the folds of all items are drawn again, where no item is fresh."""


class Fresh:
    """What the finalists are judged by.

    Parameters
    ----------
    repeats : list of list of Fold
        Each item is held out once in each of these.
    compared : int
        Among how many a lead must stand out.
    items : LabelledItems
        Those of the fit, whose groups belong together.
    """

    def __init__(self, repeats: list[list[Fold]], compared: int, items: LabelledItems) -> None:
        self.repeats, self.compared, self._items = repeats, compared, items

    @property
    def folds(self) -> list[Fold]:
        """All folds, one repeat after the other."""
        return [fold for repeat in self.repeats for fold in repeat]

    def differences(self, mine: Sequence[Judged], usual: Sequence[Judged]) -> np.ndarray:
        """Return how much more often each item was right than with the defaults, each judged by the same folds."""
        return _differences(mine, usual)[1]

    def is_ahead(self, mine: Sequence[Judged], usual: Sequence[Judged]) -> bool:
        """Return whether one is ahead of the defaults beyond chance."""
        place, difference = _differences(mine, usual)
        groups = self._items.groups
        return ahead(difference, None if groups is None else groups[place], self.compared)


def fresh_folds(
    items: LabelledItems, folds: Sequence[Fold], seed: int, n_trials: int, n_finalists: int
) -> Fresh | None:
    """Return what finalists are judged by; None if there is nothing.

    Parameters
    ----------
    items : LabelledItems
        All items of the fit.
    folds : sequence of Fold
        By which the trials were judged.
    seed : int
        Of the random numbers.
    n_trials, n_finalists : int
        How many were compared in the search, and how many are now.
    """
    if len(folds) == 1:
        training = folds[0].training
        count = FRESH_FOLDS if training.groups is None else min(len(np.unique(training.groups)), MOST_FRESH_FOLDS)
        held = fold_indices(training, count, seed)
        repeats = [_folds(training, held)] if held else []
        return Fresh(repeats, n_finalists, items) if repeats else None
    drawn = [fold_indices(items, len(folds), seed + 1 + again) for again in range(REPEATS)]
    repeats = [_folds(items, held) for held in drawn if held]
    return Fresh(repeats, max(n_trials, n_finalists), items) if repeats else None


def _folds(items: LabelledItems, held_out: Sequence[np.ndarray]) -> list[Fold]:
    every = np.arange(len(items.target))
    return [Fold(items.take(np.setdiff1d(every, held)), items.take(held)) for held in held_out]


def _differences(mine: Sequence[Judged], usual: Sequence[Judged]) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of all items judged by both, and the mean difference of each over the repeats."""
    total: dict[int, list[float]] = {}
    for one, other in zip(mine, usual, strict=True):
        common, here, there = np.intersect1d(one.place, other.place, return_indices=True)
        for place, difference in zip(common.tolist(), (one.hit[here] - other.hit[there]).tolist(), strict=True):
            total.setdefault(int(place), []).append(difference)
    places = np.array(sorted(total), dtype=int)
    return places, np.array([np.mean(total[place]) for place in places.tolist()])


def ahead(difference: np.ndarray, groups: np.ndarray | None, compared: int) -> bool:
    """Return whether paired differences are above 0 beyond chance, over items and, if there are any, over groups."""
    if not lead(difference) >= needed(len(difference), compared):
        return False
    if groups is None or len(np.unique(groups)) < 2:
        return True
    means = np.array([difference[groups == group].mean() for group in np.unique(groups)])
    return lead(means) >= needed(len(means), compared)


def needed(units: int, compared: int) -> float:
    """Return the standard errors of so many units by which the best of several must be ahead.

    That of one alone, of many units, is that by which a question is decided, see `gridcnn.training.judging`.

    >>> [round(needed(*each), 2) for each in [(10_000, 1), (10_000, 2), (10_000, 20), (4, 1)]]
    [1.5, 1.83, 2.71, 2.04]
    """
    return float(stats.t.isf(stats.norm.sf(LEAD) / compared, max(units - 1, 1))) if units > 1 else math.inf
