"""Questions that the data decide: every option is trained, and judged on items that it has not seen.

The usual option is kept unless another one is better beyond chance, as paired comparisons of the same held-out items
tell. Of many items, a sample decides.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.adapters.questions import Option, Question
from gridcnn.calibration import fit_temperature
from gridcnn.pipeline.split import LabelledItems
from gridcnn.training.budget import Budget
from gridcnn.training.certainty import Answers
from gridcnn.training.checkpoint import Checkpoints
from gridcnn.training.folds import Fold
from gridcnn.training.job import Job
from gridcnn.training.lesson import Lesson, learn_folds

__all__ = ["MOST_JUDGED", "MOST_TRIED", "Choice", "decide", "open_questions"]

MOST_TRIED, MOST_JUDGED = 3_000, 1_000
"""Items that an option is trained on and judged on; of more, a random part."""

LEAD = 1.5
"""Standard errors by which another option must be right more often than the usual one: one or two items are chance."""

LEAD_WITH_LOSS, LEAD_IN_LOSS = 0.5, 2.0
"""Fewer are enough if its loss is lower by so many."""

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
    """

    about: str
    chosen: Option
    scores: dict[str, float]
    n_items: int
    given_up: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        after = {name: f" (given up after {n_items:,} items)" for name, n_items in self.given_up.items()}
        scores = ", ".join(f"{name} {score:.1%}{after.get(name, '')}" for name, score in self.scores.items())
        settings = {**self.chosen.parameters, **self.chosen.adapter}.items()
        told = [f"{name}={value}" for name, value in settings if value not in (None, "auto")]
        how = f" ({', '.join(told)})" if told and self.chosen.name != next(iter(self.scores)) else ""
        return f"{self.about}: {scores} right of {self.n_items:,} items held out; taken: {self.chosen.name}{how}"

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
        }


def open_questions(job: Job, surveyed: Adapter) -> tuple[Job, list[Question]]:
    """Return the job with the first options of all questions that no parameter answers, and these questions."""
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

    def learned(job: Job, *, usual: Lesson | None = None, tell: bool = False) -> Lesson:
        budget = None if seconds is None else Budget(seconds)

        def hopeless(lesson: Lesson) -> bool:
            return usual is not None and _is_behind(lesson, usual)

        return learn_folds(job, folds, seed, budget=budget, checkpoints=checkpoints, tell=tell, hopeless=hopeless)

    best = learned(job, tell=whole)
    for question in questions:
        usual, *others = question.options
        tried = {usual.name: best}
        for option in others:
            if best.model.interrupted or best.answers is None:
                return best.job, choices, best
            job.callback.on_message(f"{question.about}: trying {option.name}")
            tried[option.name] = learned(
                best.job.with_settings(option.parameters, option.adapter), usual=tried[usual.name]
            )
            if tried[option.name].model.interrupted:
                interrupted = replace(best.folds[0].model, interrupted=True)
                return best.job, choices, Lesson(best.job, (best.folds[0]._replace(model=interrupted),))
        of_all = {name: lesson for name, lesson in tried.items() if len(lesson.folds) == len(folds)}
        name = _best_of({name: lesson.answers for name, lesson in of_all.items()})
        best = tried[name]
        chosen = next(option for option in question.options if option.name == name)
        choices.append(_choice(question, chosen, tried))
        job.callback.on_message(str(choices[-1]))
    return best.job, choices, best if whole and limit is None else None


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


def _best_of(answers: dict[str, Answers | None]) -> str:
    """Return the option that is right most often, or the first one unless another is better beyond chance."""
    first, *others = answers
    hits, losses = zip(*(_judged(answers[name]) for name in answers), strict=True)
    better = {}
    for at, name in enumerate(others, start=1):
        if len(hits[at]) != len(hits[0]):  # a fold in which an answer was not finite: nothing to compare
            continue
        lead = _lead(hits[at] - hits[0])
        if lead > LEAD or (lead > LEAD_WITH_LOSS and _lead(losses[0] - losses[at]) > LEAD_IN_LOSS):
            better[name] = (float(np.nanmean(hits[at])), -float(np.nanmean(losses[at])))
    return max(better, key=lambda name: better[name]) if better else first


def _is_behind(lesson: Lesson, usual: Lesson) -> bool:
    """Return whether an option is behind the usual one after its first folds."""
    other, first = (
        _judged(each.answers)[0] for each in (lesson, usual._replace(folds=usual.folds[: len(lesson.folds)]))
    )
    return len(other) != len(first) or _lead(other - first) < -BEHIND


def _judged(answers: Answers | None) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each held-out item is right, and its loss at the best temperature; NaN if it was not scored."""
    if answers is None:
        return np.array([math.nan]), np.array([math.nan])
    hit, loss = np.full((2, answers.n_held_out), math.nan)
    temperature = fit_temperature(answers.logits, answers.item, answers.target, answers.weight)
    chances = answers.probabilities(temperature)
    hit[answers.place] = chances.argmax(axis=1) == answers.target
    loss[answers.place] = -np.log(np.maximum(chances[np.arange(len(chances)), answers.target], np.finfo(float).tiny))
    return hit, loss


def _lead(differences: np.ndarray) -> float:
    """Return the mean of paired differences, in standard errors."""
    known = differences[np.isfinite(differences)]
    if len(known) < 2 or not known.any():
        return 0.0 if len(known) else -math.inf
    spread = known.std(ddof=1) / math.sqrt(len(known))
    return float(known.mean() / spread) if spread else math.copysign(math.inf, known.mean())


def _choice(question: Question, chosen: Option, tried: dict[str, Lesson]) -> Choice:
    answers = {name: lesson.answers for name, lesson in tried.items()}
    scores = {name: float(np.nanmean(_judged(each)[0])) for name, each in answers.items()}
    counts = {name: 0 if each is None else len(each.target) for name, each in answers.items()}
    most = max(len(lesson.folds) for lesson in tried.values())
    given_up = {name: counts[name] for name, lesson in tried.items() if len(lesson.folds) < most}
    return Choice(question.about, chosen, scores, max(counts.values()), given_up)
