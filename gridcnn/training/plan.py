"""A plan of a fit: its layers, what they cost, and how long all of its trainings take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from sklearn.base import clone
from sklearn.utils import check_random_state

from gridcnn.adapters import Adapter
from gridcnn.adapters.questions import Question
from gridcnn.grid import GridSpec
from gridcnn.network.backbone import ConvPoolDense, Layer
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.device import choose_device
from gridcnn.training.announce import about_input, about_network
from gridcnn.training.budget import Budget, Passes
from gridcnn.training.callbacks import Callback
from gridcnn.training.choose import MOST_JUDGED, MOST_TRIED, open_questions
from gridcnn.training.config import TrainingConfig
from gridcnn.training.folds import Fold, survey
from gridcnn.training.going_on import starting_folds
from gridcnn.training.job import Job, make_job
from gridcnn.training.limit import count, fit_to_budget
from gridcnn.training.recipe import fit_config, resolve
from gridcnn.training.schedule import Schedule

__all__ = ["Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """What a fit would do: the grids, the network and its layer table, the training, and its duration if measured."""

    spec: GridSpec
    backbone: BackboneConfig
    training: TrainingConfig
    layers: list[Layer]
    schedule: Schedule | None = None


def plan(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    groups: Any = None,
    validation: tuple[Any, Any] | None = None,
    measure_time: bool = False,
    callbacks: Iterable[Callback] = (),
    start: Any = None,
) -> Plan:
    """Return what `fit` would do with these items, without decoding them all or training.

    Parameters
    ----------
    adapter, X, y, parameters, groups, validation, start
        As in `gridcnn.training.fit.fit`.
    measure_time : bool
        Measure the costs, which takes a few seconds, so that the plan has a schedule; a `time_limit` does so too.
    callbacks : iterable of Callback
        They hear the messages that `fit` would begin with.
    """
    config = fit_config(parameters or {})
    budget = Budget(config.time_limit) if measure_time or config.time_limit is not None else None
    job = make_job(adapter, X, y, parameters or {}, config, groups=groups, callbacks=callbacks, start=start)
    job, surveyed = survey(job)
    job, questions = open_questions(job, surveyed)
    folds = starting_folds(job, surveyed, validation, check_random_state(config.random_state).randint(2**31))
    job.say(about_input(job, folds, given=validation is not None))
    training, checking = folds[0]
    fitted = job.fitted(clone(job.adapter), training.items, cached=False)
    recipe, schedule = resolve(job.settings, fitted, len(training.target)), None
    if budget is not None:
        device = choose_device(config.device)
        refits = validation is None and job.refits(fitted) and (job.start is None or checking is not None)
        budget.refit = config.refit if refits else False
        if recipe.training.solved or job.only_votes:  # in one step, which no limit can shorten
            budget = Budget(None)
        further = [*_usual(folds)[1:], *[Passes(count(job.items), 0)] * (refits and budget.limit is None)]
        fitting = fit_to_budget(budget, job, fitted, training, checking, device, further)
        fitted, schedule = fitting.adapter, fitting.schedule
        if budget.limit is None:
            schedule = _with_trials(schedule, job, folds, questions, device)
        chosen = {**fitting.chosen, "epochs": schedule.epochs}
        recipe = resolve({**job.settings, **chosen}, fitted, len(training.target))
    job.say([about_network(fitted, recipe, len(training.target), job), *fitted.remarks()])
    with torch.random.fork_rng(devices=[]):
        layers = ConvPoolDense(fitted.spec_, recipe.backbone, len(job.classes)).layers()
    return Plan(fitted.spec_, recipe.backbone, recipe.training, layers, schedule)


def _usual(folds: Sequence[Fold]) -> list[Passes]:
    return [Passes(count(fold.training), count(fold.checking)) for fold in folds]


def _with_trials(
    schedule: Schedule, job: Job, folds: Sequence[Fold], questions: Sequence[Question], device: torch.device
) -> Schedule:
    """Return the schedule with what it takes to try all options of all questions, each measured for itself."""
    if any(fold.checking is None for fold in folds):
        return schedule
    tried = [Passes(min(each.items, MOST_TRIED), min(each.scored, MOST_JUDGED)) for each in _usual(folds)]
    options = [option for question in questions for option in question.options[1:]]
    jobs = [job.with_settings(option.parameters, option.adapter) for option in options]
    if jobs and tried != _usual(folds):
        jobs.append(job)  # what the usual options learn from some of the items is not what they learn from all
    seconds, alone = 0.0, 0.0
    for each in jobs:
        training, checking = folds[0]
        fitted = each.fitted(clone(each.adapter), training.items, cached=False)
        trial = fit_to_budget(Budget(None), each, fitted, training, checking, device, tried[1:]).schedule
        share = min(1.0, sum(tried[0]) / max(count(training) + count(checking), 1))
        seconds += share * trial.seconds
        alone += share * (trial.seconds if trial.alone is None else trial.alone)
    quiet = None if schedule.alone is None else schedule.alone + alone
    trainings = schedule.trainings + len(jobs) * len(folds)
    return replace(schedule, seconds=schedule.seconds + seconds, alone=quiet, trainings=trainings)
