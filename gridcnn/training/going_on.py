"""A training that goes on from a model: what it is validated on, and what a person should know about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.split import SMALLEST_SPLIT, few, validation_indices
from gridcnn.training.folds import Fold, folds_of
from gridcnn.training.job import Job, split_job
from gridcnn.training.start import Start

__all__ = ["about_start", "fold_of_new_items", "starting_folds"]


def starting_folds(job: Job, surveyed: Adapter, validation: tuple[Any, Any] | None, seed: int) -> list[Fold]:
    """Return the folds of a fit, which may go on from a model; the callbacks hear of it."""
    if job.start is None:
        return folds_of(job, surveyed, validation, seed)
    job.say(about_start(job, job.start))
    if validation is not None:
        return [Fold(*split_job(job, validation, seed))]
    return [fold_of_new_items(job, job.start, seed)]


def fold_of_new_items(job: Job, start: Start, seed: int) -> Fold:
    """Return what is learned from and what is held out: only items that the model has not learned from tell anything.

    Nothing is held out if these are few, or there are none of some class.
    """
    everything = Fold(job.items, None)
    if not job.config.validation_fraction:
        return everything
    encoded = job.encode(start.adapter, job.items, choose_device(job.config.device))
    readable = np.unique(encoded.item)
    new = readable[~start.model.trained_on(encoded.fingerprints)]
    present, target = np.unique(job.items.target, return_inverse=True)
    if len(new) < len(readable):
        job.callback.on_message(
            f"{len(readable) - len(new):,} of {len(readable):,} items are among those that the model was trained on"
        )
    unseen = job.items.take(new)
    if len(new) >= SMALLEST_SPLIT and len(np.unique(unseen.target)) < len(present):
        without = [str(job.classes[each]) for each in np.setdiff1d(present, unseen.target)]
        job.callback.on_message(f"none is held out: of {few(without)} the model has learned from all items already")
        return everything
    relabelled = replace(unseen, target=target[new])
    held = validation_indices(relabelled, job.config.validation_fraction, seed, job.classes[present])
    if not len(held):
        return everything
    rest = np.setdiff1d(np.arange(len(job.items.target)), new[held])
    return Fold(job.items.take(rest), job.items.take(new[held]))


def about_start(job: Job, start: Start) -> list[str]:
    """Say what is gone on from, what is added, and what may be forgotten."""
    before = start.model.classes
    added = f", and {few(list(map(str, start.new_classes)))} added" if start.new_classes else ""
    items = start.model.summary.get("training_items")
    trained = f", trained on {items:,} items" if items else ""
    lines = [f"going on from a model of {len(before):,} classes (digest {start.model.digest}{trained}){added}"]
    if start.missing:
        without = few([str(start.classes[index]) for index in start.missing])
        lines.append(
            f"no item is of {without}: so that these are not forgotten, the kernels stay as they are, and only the "
            "votes for the other classes are learned. How well both are told apart nobody can say: add items of these "
            "classes if you can"
        )
    elif items and len(job.items.target) < items:
        lines.append(
            f"these are {len(job.items.target):,} items, fewer than the {items:,} before: what only the others showed "
            "may be forgotten in part"
        )
    return lines
