"""Folds: which items are held out from which training.

Few items say too little in one validation split: one item more or less that is right would choose the epochs. They are
cut into folds, each of which is held out from one training, so that every item counts once.

References
----------
Stone 1974, "Cross-validatory choice and assessment of statistical predictions".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from gridcnn.adapters import Adapter
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.pipeline.split import SMALLEST_SPLIT, LabelledItems, fold_indices, take
from gridcnn.training.job import Job, split_job
from gridcnn.training.recipe import resolve

__all__ = ["Fold", "folds_of", "survey"]

FOLDS = 5

MOST_SURVEYED = 2_000
"""Items that a plan is made from."""

MOST_FOLDED = 500
"""More items have one validation split."""

MOST_WORK = 2.5e11
"""Multiply-adds of a training, forwards, from which one validation split has to do: about a quarter of a minute."""


class Fold(NamedTuple):
    """Items to train on, and those held out, or None."""

    training: LabelledItems
    checking: LabelledItems | None


def survey(job: Job) -> tuple[Job, Adapter]:
    """Return the job with what all its trainings share, and an adapter fitted to enough of the items for a plan."""
    items, n_items = job.items.items, len(job.items.target)
    if n_items > MOST_SURVEYED:
        items = take(items, np.sort(np.random.default_rng(0).choice(n_items, MOST_SURVEYED, replace=False)))
    surveyed = job.fitted(clone(job.adapter), items)
    return replace(job, ended=getattr(surveyed, "ended_", None)), surveyed


def folds_of(job: Job, surveyed: Adapter, validation: tuple[Any, Any] | None, seed: int) -> list[Fold]:
    """Return the folds of a fit: one validation split, or several folds if there are few items and they are cheap.

    Parameters
    ----------
    job : Job
        The fit.
    surveyed : Adapter
        Fitted to some of its items.
    validation : (X, y) or None
        Items to validate on, if they are given.
    seed : int
        Of the random numbers.
    """
    wanted = job.config.folds or (FOLDS if _few_and_cheap(job, surveyed) else 1)
    if validation is None and wanted > 1 and job.config.time_limit is None and job.refits(surveyed):
        held_out = fold_indices(job.items, wanted, seed)
        every = np.arange(len(job.items.target))
        if held_out:
            return [Fold(job.items.take(np.setdiff1d(every, held)), job.items.take(held)) for held in held_out]
    return [Fold(*split_job(job, validation, seed))]


def _few_and_cheap(job: Job, surveyed: Adapter) -> bool:
    n_items = len(job.items.target)
    if n_items > MOST_FOLDED or job.parameters.get("epochs") is not None:
        return False
    if n_items < SMALLEST_SPLIT:
        return True
    recipe = resolve(job.settings, surveyed, n_items)
    network = ConvPoolDense(surveyed.spec_, recipe.backbone, len(job.classes))
    return n_items * recipe.training.epochs * sum(layer.multiply_adds for layer in network.layers()) <= MOST_WORK
