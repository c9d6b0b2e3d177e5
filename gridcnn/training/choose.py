"""Questions that the data decide: every option is trained, and judged on items that it has not seen.

The usual option is kept unless another one is better beyond chance, as paired comparisons of the same held-out items
tell. Of many items, a sample decides.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.adapters.questions import Option, Question
from gridcnn.display import counted
from gridcnn.multilabel import score_name
from gridcnn.pipeline.split import LabelledItems
from gridcnn.training.budget import Budget
from gridcnn.training.checkpoint import Checkpoints
from gridcnn.training.folds import Fold
from gridcnn.training.job import Job
from gridcnn.training.judging import best_of, judged, lead
from gridcnn.training.lesson import Lesson, learn_folds
from gridcnn.training.limit import is_reduced

__all__ = ["MOST_JUDGED", "MOST_TRIED", "Choice", "decide", "is_behind", "open_questions"]

MOST_TRIED, MOST_JUDGED = 3_000, 1_000
"""Items that an option is trained on and judged on; of more, a random part."""

BEHIND = 0.5
"""Standard errors by which an option may be behind after some folds; with more it is not tried on the others."""

SHARE_OF_LIMIT = 0.3
"""Share of a time limit that all trials may take."""

SHORTEST_TRIAL = 2.0
"""Seconds below which a trial would tell nothing."""


@dataclass(frozen=True)
class Choice:
    """What was decided, and why.

    Parameters
    ----------
    about : str
        The question.
    chosen : Option
        The option taken.
    scores : dict of str to float
        Accuracy of each option on the items held out.
    n_items : int
        Their number.
    given_up : dict of str to int
        Of options that were behind after some folds: the items held out from these, of which their scores are.
    beside : dict of str to float
        Accuracy of the usual option on these items.
    several : bool
        Whether items may have several labels: then scores are ranking precisions, see `gridcnn.multilabel.item_hits`.
    """

    about: str
    chosen: Option
    scores: dict[str, float]
    n_items: int
    given_up: dict[str, int] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)
    several: bool = False

    def __str__(self) -> str:
        usual, chosen = next(iter(self.scores), ""), self.chosen.name
        whole = {name: score for name, score in self.scores.items() if name not in self.given_up}
        scores = ", ".join(f"{name} {score:.1%}" for name, score in whole.items())
        behind = "".join(
            f"; {name} was given up with {self.scores[name]:.1%} of {counted(n_items, 'item')}, of which {usual} had "
            f"{self.beside[name]:.1%}"
            for name, n_items in self.given_up.items()
            if name in self.beside
        )
        settings = {**self.chosen.parameters, **self.chosen.adapter}.items()
        told = [f"{name}={value}" for name, value in settings if value not in (None, "auto")]
        how = f" ({', '.join(told)})" if told and chosen != usual else ""
        if chosen == usual and max(whole.values(), default=0) > whole.get(usual, 1):
            how = ", since the lead of the other may be chance"
        right = score_name(several=True) if self.several else "right"
        return (
            f"{self.about}: {scores} {right} of {counted(self.n_items, 'item')} held out{behind}; taken: {chosen}{how}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready, as a model keeps it."""
        return {
            "about": self.about,
            "chosen": self.chosen.name,
            "parameters": dict(self.chosen.parameters),
            "adapter": dict(self.chosen.adapter),
            "scores": self.scores,
            "items": self.n_items,
            "given_up": self.given_up,
            "beside": self.beside,
        }


def open_questions(job: Job, surveyed: Adapter) -> tuple[Job, list[Question]]:
    """Return the job with the first options of all questions that no parameter answers, and these questions."""
    if job.start is not None:  # it has answered them
        return job, []
    usual = inspect.signature(type(job.adapter)).parameters
    given = {name for name, value in job.parameters.items() if value is not None}
    given = given - {"augment"} if job.config.augment == "auto" else given | {"augment"}  # None means no augmentation
    given |= {name for name, value in job.adapter.get_params(deep=False).items() if value != usual[name].default}
    still_open = [
        question
        for question in surveyed.questions(len(job.items.target))
        if not given & {name for option in question.options for name in {**option.parameters, **option.adapter}}
    ]
    for question in still_open:
        job = job.with_settings(question.options[0].parameters, question.options[0].adapter)
    return job, still_open


def decide(
    job: Job,
    questions: Sequence[Question],
    folds: Sequence[Fold],
    seed: int,
    *,
    limit: float | None = None,
    checkpoints: Checkpoints | None = None,
) -> tuple[Job, list[Choice], Lesson | None]:
    """Answer questions, one after another.

    Parameters
    ----------
    job : Job
        With the first option of each question, see `open_questions`.
    questions : sequence of Question
        What to decide.
    folds : sequence of Fold
        What each option learns from and is judged on.
    seed : int
        Of the random numbers of each training.
    limit : float or None
        Seconds that the whole fit may take.
    checkpoints : Checkpoints or None
        Where the plans for a time limit are kept.

    Returns
    -------
    job : Job
        With the settings chosen.
    choices : list of Choice
        What was decided.
    lesson : Lesson or None
        What the chosen settings learned, if it was from all items of the folds; also if a person ended a training.
    """
    folds, whole = _sampled(folds, seed)
    n_trials = 1 + sum(len(question.options) - 1 for question in questions)
    seconds = None if limit is None else SHARE_OF_LIMIT * limit / (n_trials * len(folds))
    choices: list[Choice] = []
    if any(fold.checking is None for fold in folds) or (seconds is not None and seconds < SHORTEST_TRIAL):
        return job, choices, None

    def learned(option: Option, usual: Lesson) -> Lesson:
        limited = seconds is not None
        as_long = limited and not option.adapter and "epochs" not in option.parameters  # as the usual option
        return learn_folds(
            usual.job.with_settings(option.parameters, option.adapter),
            folds,
            seed,
            budget=Budget(seconds) if limited and not as_long else None,
            epochs=usual.folds[0].model.recipe["epochs"] if as_long else None,
            checkpoints=checkpoints,
            hopeless=lambda lesson: is_behind(lesson, usual),
        )

    budget = None if seconds is None else Budget(seconds)
    tell = whole and limit is None
    best = learn_folds(job, folds, seed, budget=budget, checkpoints=checkpoints, tell=tell)
    for question in questions:
        usual, *others = question.options
        if best.model.interrupted or best.answers is None or is_reduced(best.job, best.model):
            break
        tried = {usual.name: best}
        for option in others:
            job.callback.on_message(f"{question.about}: trying {option.name}")
            try:
                tried[option.name] = learned(option, best)
            except KeyboardInterrupt:
                return best.job, choices, best.interrupted()
            if tried[option.name].model.interrupted:
                return best.job, choices, best.interrupted()
        of_all = {name: lesson.answers for name, lesson in tried.items() if not lesson.given_up}
        name = best_of({name: judged(each) for name, each in of_all.items()})
        chosen = next(option for option in question.options if option.name == name)
        choices.append(_choice(question, chosen, tried))
        if others:
            job.callback.on_message(str(choices[-1]))
        best = tried[name]
    is_it = best.model.interrupted or (whole and limit is None)
    return best.job, choices, best if is_it else None


def _sampled(folds: Sequence[Fold], seed: int) -> tuple[list[Fold], bool]:
    """Return folds of no more items than are tried, and whether these are all."""
    small = [
        Fold(
            _some(fold.training, MOST_TRIED, seed),
            None if fold.checking is None else _some(fold.checking, MOST_JUDGED, seed),
        )
        for fold in folds
    ]
    return small, all(some.training is every.training for some, every in zip(small, folds, strict=True))


def _some(part: LabelledItems, most: int, seed: int) -> LabelledItems:
    if len(part.target) <= most:
        return part
    return part.take(np.sort(np.random.default_rng(seed).choice(len(part.target), most, replace=False)))


def is_behind(lesson: Lesson, usual: Lesson) -> bool:
    """Return whether an option is behind the usual one after its first folds."""
    first = judged(usual._replace(folds=usual.folds[: len(lesson.folds)]).answers)
    other = judged(lesson.answers).at(first.place)
    return other is None or lead(other.hit - first.hit) < -BEHIND


def _choice(question: Question, chosen: Option, tried: dict[str, Lesson]) -> Choice:
    by_name = {name: judged(lesson.answers) for name, lesson in tried.items()}
    usual = by_name[question.options[0].name]
    given_up = {name: len(by_name[name].place) for name, lesson in tried.items() if lesson.given_up}
    beside = {name: usual.at(by_name[name].place) for name in given_up}
    return Choice(
        question.about,
        chosen,
        scores={name: float(each.hit.mean()) for name, each in by_name.items() if len(each.hit)},
        n_items=max(len(each.place) for each in by_name.values()),
        given_up=given_up,
        beside={name: float(each.hit.mean()) for name, each in beside.items() if each is not None},
        several=tried[question.options[0].name].model.several,
    )
