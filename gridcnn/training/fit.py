"""From raw items and labels to a FittedModel: encoded, trained, and trained once more on all items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sklearn.utils import check_random_state

from gridcnn.adapters import Adapter
from gridcnn.model import FittedModel
from gridcnn.training.announce import about_input
from gridcnn.training.bag import Mixture
from gridcnn.training.budget import Budget
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.certainty import still_right
from gridcnn.training.checkpoint import CHECKPOINTING, checkpoints_of
from gridcnn.training.choose import Choice, decide, open_questions
from gridcnn.training.folds import survey
from gridcnn.training.going_on import starting_folds
from gridcnn.training.job import make_job
from gridcnn.training.learn import answers_for, learn
from gridcnn.training.lesson import Lesson, learn_folds
from gridcnn.training.limit import as_reduced, refits_in_time, timed
from gridcnn.training.peers import ALONE, Peers
from gridcnn.training.recipe import fit_config

__all__ = ["fit"]


def fit(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    sample_weight: Any = None,
    groups: Any = None,
    validation: tuple[Any, Any] | None = None,
    callbacks: Iterable[Callback] = (),
    start: Any = None,
    peers: Peers = ALONE,
) -> FittedModel:
    """Train a classifier.

    Parameters
    ----------
    adapter : Adapter
        Reads the items; it is cloned, and remains as it is.
    X : sequence of n raw items
        Paths, sentences, arrays, or a numeric table `(n, columns)`, as the adapter reads them.
    y : array-like of shape (n,) or (n, n_classes)
        Labels, strings or integers. If items may have several labels, or none: a matrix of zeros and ones, or a list of
        labels for each item.
    parameters : mapping, optional
        Fields of `BackboneConfig`, `TrainingConfig` and `FitConfig`; None, or a missing name, is the adapter's choice.
    sample_weight : array-like of shape (n,), optional
        How often each item counts. A weight of 2 equals the item given twice, and 0 the item left out.
    groups : array-like of shape (n,), optional
        Speaker, site, patient: the validation split keeps groups whole. The final model is trained on all of them.
    validation : (X, y), optional
        Items that choose the best weights, instead of a validation split of `X`.
    callbacks : iterable of Callback
        They observe the training, and may stop it.
    start : FittedModel or GridClassifier, optional
        A fitted one to go on from: its adapter reads the items, its weights are the first ones, its classes are kept
        and those of the items added, and the training takes a quarter of the epochs. What is set about network and
        adapter must be as in that model. `class_weight` and such are set anew.
    peers : Peers
        Several processes, of which the first one calls this, and the others call `following.follow`.

    Returns
    -------
    FittedModel

    Raises
    ------
    ConfigurationError
        If a parameter is out of its range, both `epochs` and `time_limit` are given, or `checkpoint_dir` cannot be
        used or holds the checkpoints of another run, or `start` is of another network or reads other items.
    DataError
        If fewer than two classes are left, or no item can be read.
    ItemError
        If an item cannot be decoded and `on_error` is `"raise"`.
    OrderingError
        If the columns of a table could be shuffled, or may be; its `report` holds the evidence.
    DivergedError
        If the training runs into numbers that are not finite, as with an absurd learning rate.
    """
    config = fit_config(parameters or {})
    budget = None if config.time_limit is None else Budget(config.time_limit)
    kept = {name: value for name, value in (parameters or {}).items() if name not in CHECKPOINTING}
    job = make_job(adapter, X, y, kept, config, sample_weight, groups, callbacks, start, peers)
    seed = check_random_state(config.random_state).randint(2**31)
    job, surveyed = survey(job)
    job, questions = open_questions(job, surveyed)
    folds = starting_folds(job, surveyed, validation, seed)
    job.say(about_input(job, folds, given=validation is not None))
    if budget is not None and validation is None and job.refits(surveyed):
        budget.refit = config.refit
    with checkpoints_of(job, *folds[0]) as checkpoints:
        if checkpoints is not None:
            job = replace(job, callback=CallbackList([job.callback, checkpoints]))
            if budget is not None:
                budget.earlier = checkpoints.earlier
        choices: list[Choice] = []
        lesson: Lesson | None = None
        if questions:
            limit = config.time_limit
            job, choices, lesson = decide(job, questions, folds, seed, limit=limit, checkpoints=checkpoints)
        if lesson is None:
            lesson = learn_folds(job, folds, seed, budget=budget, checkpoints=checkpoints, tell=True)
        model = lesson.model
        model.summary["choices"] = [choice.to_dict() for choice in choices]
        mixture = Mixture(**model.summary["mixture"]) if "mixture" in model.summary else None
        if mixture is not None:
            job.callback.on_message(str(mixture))
        possible = validation is None and folds[0].checking is not None and not model.interrupted
        if not possible or not (
            job.refits(model.adapter) if budget is None else refits_in_time(job, model, budget, checkpoints)
        ):
            return timed(model, budget, refit=False)
        job.callback.on_message(f"training once more, on all {len(job.items.target):,} items")
        job = as_reduced(job, model)
        try:
            final = learn(job, job.items, None, seed, epochs=max(model.best_epoch, 1), mixture=mixture).model
            if final.interrupted:
                raise KeyboardInterrupt
            answers = answers_for(job, final, [fold.checking for fold in folds if fold.checking is not None])
        except KeyboardInterrupt:
            return timed(replace(model, interrupted=True), budget, refit=False)
        if not still_right(answers, lesson.answers):
            why = "it learned less from all items than from part of them"
            job.callback.on_message(f"{why}, so the model before is kept")
            return timed(model, budget, refit=False)
    of_first = ("validation_items", "folds", "choices", "time")
    kept = {name: model.summary[name] for name in of_first if name in model.summary}
    final = replace(
        final,
        history=model.history,
        best_epoch=model.best_epoch,
        scores=model.scores,
        certainty=model.certainty,
        thresholds=model.thresholds,
        summary=final.summary | kept | {"refit": True},
    )
    return timed(final, budget, refit=True)
