"""A lesson: one training for each fold, and what they tell together of items that none of them had seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gridcnn.errors import DataError
from gridcnn.model import EpochRecord, FittedModel
from gridcnn.training.budget import Budget
from gridcnn.training.certainty import (
    Answers,
    learn_certainty,
    pooled,
    scores_at,
    scores_by_class,
    scores_of,
    thresholds_of,
)
from gridcnn.training.checkpoint import Checkpoints
from gridcnn.training.folds import Fold
from gridcnn.training.job import Job
from gridcnn.training.learn import Learned, learn
from gridcnn.training.loop import best_epoch

__all__ = ["Lesson", "learn_folds"]


class Lesson(NamedTuple):
    """What one recipe learned from the folds.

    Parameters
    ----------
    job : Job
        With the parameters and the adapter that were used.
    folds : tuple of Learned
        One for each fold; fewer if a person ended the training, it was given up, or too little of a fold can be read.
    given_up : bool
        Whether it was seen to be hopeless after some folds.
    """

    job: Job
    folds: tuple[Learned, ...]
    given_up: bool = False

    @property
    def answers(self) -> Answers | None:
        """What the networks say of the items held out from each of them."""
        return pooled([fold.answers for fold in self.folds])

    def interrupted(self) -> Lesson:
        """Return what was learned until a person ended the training."""
        first = self.folds[0]._replace(model=replace(self.folds[0].model, interrupted=True))
        return self._replace(folds=(first, *self.folds[1:]))

    @property
    def model(self) -> FittedModel:
        """The model of the first fold, with history, scores and certainty of all of them."""
        first = self.folds[0].model
        interrupted = any(fold.model.interrupted for fold in self.folds)
        if len(self.folds) == 1 or interrupted:
            return replace(first, interrupted=interrupted)
        counts = np.array([fold.model.summary["validation_items"] for fold in self.folds], dtype=float)
        scored = counts > 0 if counts.any() else np.ones(len(counts), bool)  # of a fold that cannot be read, none are
        histories = [fold.model.history for fold, there in zip(self.folds, scored, strict=True) if there]
        weights = np.maximum(counts[scored], 1)
        history = tuple(_mean_record(records, weights) for records in zip(*histories, strict=False))
        answers = self.answers
        chosen = len(history) if answers is None else best_epoch(history, answers.weight)
        scores = scores_at(history[chosen - 1])
        summary = first.summary | {"validation_items": int(counts.sum()), "folds": len(self.folds)}
        if "mixture" in summary:  # with a bag, of which the history knows nothing
            found = [fold.model.summary["mixture"] for fold in self.folds]
            summary["mixture"] = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
        several = self.job.items.several
        if answers is not None and ("mixture" in summary or self.job.config.class_weight or several):
            scores = scores_of(answers)
        certainty = learn_certainty(answers)
        return replace(
            first,
            history=history,
            best_epoch=chosen,
            scores=scores | scores_by_class(answers),
            certainty=certainty,
            thresholds=thresholds_of(answers, certainty, len(first.classes), several=several),
            summary=summary,
        )


def learn_folds(
    job: Job,
    folds: Sequence[Fold],
    seed: int,
    *,
    budget: Budget | None = None,
    checkpoints: Checkpoints | None = None,
    epochs: int | None = None,
    tell: bool = False,
    hopeless: Callable[[Lesson], bool] = lambda lesson: False,
) -> Lesson:
    """Train on each fold; a person who ends one training ends all. The parameters are those of `learn`.

    `hopeless` is asked after each fold but the last whether to give up.
    """
    learned: list[Learned] = []
    for number, fold in enumerate(folds, start=1):
        first = tell and not learned
        if number > 1:
            job.callback.on_message(f"fold {number} of {len(folds)}")
        try:
            this = learn(job, *fold, seed, budget=budget, epochs=epochs, checkpoints=checkpoints, tell=first)
        except KeyboardInterrupt:
            if not learned:
                raise
            return Lesson(job, tuple(learned)).interrupted()
        except DataError as error:
            if len(folds) == 1 or (number == len(folds) and not learned):
                raise
            job.callback.on_message(f"fold {number} is left out: {error}")
            continue
        learned.append(this)
        if this.model.interrupted:
            break
        if number < len(folds) and hopeless(Lesson(job, tuple(learned))):
            return Lesson(job, tuple(learned), given_up=True)
    return Lesson(job, tuple(learned))


def _mean_record(records: Sequence[EpochRecord], counts: np.ndarray) -> EpochRecord:
    """Return one row of the history for an epoch of all folds; the seconds add up."""
    mean = EpochRecord(*np.average(np.array(records, dtype=float), axis=0, weights=counts).tolist())
    return mean._replace(epoch=records[0].epoch, seconds=sum(record.seconds for record in records))
