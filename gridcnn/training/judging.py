"""Judging what was learned by items held out: paired, so that what is hard for all does not count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gridcnn.calibration import fit_temperature
from gridcnn.multilabel import item_hits, item_losses
from gridcnn.training.certainty import Answers

__all__ = ["LEAD", "Judged", "best_of", "judged", "lead"]

LEAD = 1.5
"""Standard errors by which another option must be right more often than the usual one: one or two items are chance."""

LEAD_WITH_LOSS, LEAD_IN_LOSS = 0.5, 2.0
"""Fewer are enough if its loss is lower by so many."""


class Judged(NamedTuple):
    """Items held out, whether each is right, and its loss at the best temperature."""

    place: np.ndarray
    hit: np.ndarray
    loss: np.ndarray

    def at(self, place: np.ndarray) -> Judged | None:
        """Return the same of the items at these places, or None if one of them was not scored, or there are none."""
        common, mine, theirs = np.intersect1d(self.place, place, return_indices=True)
        if len(common) < max(len(place), 1):
            return None
        mine = mine[np.argsort(theirs)]
        return Judged(place, self.hit[mine], self.loss[mine])


def judged(answers: Answers | None) -> Judged:
    """Return what became of each item held out; of no answers, an empty one."""
    if answers is None:
        return Judged(*np.empty((3, 0)))
    temperature = fit_temperature(answers.logits, answers.item, answers.target, answers.weight)
    chances = answers.probabilities(temperature)
    return Judged(answers.place, item_hits(chances, answers.target), item_losses(chances, answers.target))


def lead(differences: np.ndarray) -> float:
    """Return the mean of paired differences, in standard errors."""
    if len(differences) < 2 or not differences.any():
        return 0.0
    spread = differences.std(ddof=1) / math.sqrt(len(differences))
    return float(differences.mean() / spread) if spread else math.copysign(math.inf, differences.mean())


def best_of(answers: Mapping[str, Judged]) -> str:
    """Return the option that is right most often, or the first one unless another is better beyond chance."""
    first, *others = answers
    usual = answers[first]
    better = {}
    for name in others:
        other = answers[name].at(usual.place)
        if other is None:  # a fold in which an answer was not finite: nothing to compare
            continue
        ahead = lead(other.hit - usual.hit)
        if ahead > LEAD or (ahead > LEAD_WITH_LOSS and lead(usual.loss - other.loss) > LEAD_IN_LOSS):
            better[name] = (float(other.hit.mean()), -float(other.loss.mean()))
    return max(better, key=lambda name: better[name]) if better else first
