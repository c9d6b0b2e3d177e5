"""One trial: the folds are learned with the settings of a point, as long as there is hope."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from gridcnn.errors import DataError
from gridcnn.model import EpochRecord, Network
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.certainty import scores_by_class, scores_of
from gridcnn.training.folds import Fold
from gridcnn.training.job import Job
from gridcnn.training.judging import Judged, judged, lead
from gridcnn.training.lesson import Lesson, learn_folds
from gridcnn.tuning.space import Settings

__all__ = ["Pruned", "Score", "learned", "score_of"]

BEHIND = 1.0
"""Standard errors by which a trial may be behind the defaults after some folds; with more it is pruned."""


class Pruned(Exception):  # noqa: N818  no error: a trial without hope ends
    """A trial is not worth going on with; the message says why."""


class Score(NamedTuple):
    """What a trial reached on the items held out; if they may have several labels, their mean average precision."""

    accuracy: float
    loss: float
    judged: Judged


class Pruner(Callback):
    """Reports the accuracy (or ranking precision) of each epoch on the items held out, and ends a trial without hope.

    Parameters
    ----------
    report : callable
        Is told the number of the epoch, counted over all folds, and the mean accuracy of the folds up to it; it says
        why the trial should end, or None.
    """

    def __init__(self, report: Callable[[int, float], str | None]) -> None:
        self._report = report
        self._folds: list[float] = []  # the last accuracy of each fold
        self._epochs = 0

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Begin the next fold."""
        self._folds.append(math.nan)

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Report an epoch; Pruned if there is no hope."""
        self._epochs += 1
        if math.isnan(record.validation_accuracy):
            return
        self._folds[-1] = record.validation_accuracy
        why = self._report(self._epochs, sum(self._folds) / len(self._folds))
        if why is not None:
            raise Pruned(why)


def learned(
    job: Job,
    settings: Settings,
    folds: Sequence[Fold],
    seed: int,
    callbacks: Sequence[Callback],
    usual: Judged | None = None,
) -> Lesson:
    """Learn the folds with some settings.

    Parameters
    ----------
    job : Job
        The fit.
    settings : Settings
        In what it differs from the defaults.
    folds : sequence of Fold
        What is learned from and what is held out.
    seed : int
        Of the random numbers of each training.
    callbacks : sequence of Callback
        They observe the trainings, and hear no messages.
    usual : Judged or None
        What became of the same items with the defaults: a trial that is behind after some folds is pruned.

    Raises
    ------
    Pruned
        If there is no hope.
    DataError
        If an answer was not finite, so that there is nothing to judge.
    KeyboardInterrupt
        If a person ended a training.
    """
    quiet: list[Callback] = [_Quiet(callbacks)]
    trying = replace(job.with_settings(settings.parameters, settings.adapter), callback=CallbackList(quiet))

    def hopeless(lesson: Lesson) -> bool:
        if usual is None:
            return False
        mine = judged(lesson.answers)
        theirs = usual.at(mine.place)
        return theirs is not None and lead(mine.hit - theirs.hit) < -BEHIND

    lesson = learn_folds(trying, folds, seed, hopeless=hopeless)
    if lesson.model.interrupted:
        raise KeyboardInterrupt
    if lesson.given_up:
        raise Pruned(f"behind the defaults after {len(lesson.folds)} of {len(folds)} folds")
    return lesson


def score_of(lesson: Lesson) -> Score:
    """Return the score of what was learned; DataError if no answer can be judged."""
    if lesson.answers is None:
        raise DataError("no answer about an item held out is finite")
    scores = scores_of(lesson.answers) | scores_by_class(lesson.answers)
    name = "mean_average_precision" if lesson.answers.several else "accuracy"
    return Score(scores[f"validation_{name}"], scores["validation_loss"], judged(lesson.answers))


class _Quiet(CallbackList):
    """Callbacks that hear no messages: those of a training say nothing about a search."""

    def on_message(self, line: str) -> None:
        """Pass nothing on."""

    def on_encode(self, done: int, total: int) -> None:
        """Pass nothing on."""
