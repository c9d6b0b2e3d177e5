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

FOLDS = {5: 2.5e11, 3: 1e12}
"""Folds of few items, and the multiply-adds that a training may take, forwards: about 15 seconds, and a minute."""

MOST_SURVEYED = 2_000
"""Items that a plan is made from."""

MOST_FOLDED = 500
"""More items have one validation split."""


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
    possible = validation is None and job.config.time_limit is None and job.refits(surveyed)
    if (job.config.folds or 1) > 1 and not possible:
        job.callback.on_message(
            "no folds: they need a last training on all items, without a time limit and validation items of one's own"
        )
    wanted = job.config.folds or _usual_folds(job, surveyed)
    if possible and wanted > 1:
        held_out = fold_indices(job.items, wanted, seed)
        every = np.arange(len(job.items.target))
        if held_out:
            return [Fold(job.items.take(np.setdiff1d(every, held)), job.items.take(held)) for held in held_out]
    return [Fold(*split_job(job, validation, seed))]


def _usual_folds(job: Job, surveyed: Adapter) -> int:
    n_items = len(job.items.target)
    if n_items > MOST_FOLDED or job.parameters.get("epochs") is not None:
        return 1
    recipe = resolve(job.settings, surveyed, n_items)
    network = ConvPoolDense(surveyed.spec_, recipe.backbone, len(job.classes))
    work = n_items * recipe.training.epochs * sum(layer.multiply_adds for layer in network.layers())
    few = min(FOLDS) if n_items < SMALLEST_SPLIT else 1  # there is no other way to tell how good the model is
    return next((folds for folds, most in FOLDS.items() if work <= most), few)
