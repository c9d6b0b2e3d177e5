"""A training that goes on from a model: what it is validated on, and what a person should know about it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.certainty import Certainty
from gridcnn.display import agreeing, counted
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.split import SMALLEST_SPLIT, few, validation_indices
from gridcnn.training.certainty import Answers, learn_certainty, thresholds_of
from gridcnn.training.config import TrainingConfig
from gridcnn.training.folds import Fold, folds_of
from gridcnn.training.following import train_together
from gridcnn.training.job import Job, split_job
from gridcnn.training.loop import Examples, Outcome
from gridcnn.training.recipe import Recipe
from gridcnn.training.solve import solve
from gridcnn.training.start import Start
from gridcnn.training.votes import learn_votes, shift_votes

__all__ = [
    "about_start",
    "caught_up",
    "certainty_of",
    "first_network",
    "fold_of_new_items",
    "known_after",
    "starting_folds",
    "thresholds_after",
    "training_of",
]

MOST_WEIGHT = 16.0
"""Of an item of a new class, beside an item of a known one."""

MOST_SHARE = 0.5
"""Of the weight of an average known class, for a new class whose items weigh more."""


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
    if job.items.several:
        target = job.items.target
        present = np.flatnonzero(target.any(axis=0))
    else:
        present, target = np.unique(job.items.target, return_inverse=True)
    if len(new) < len(readable):
        known = len(readable) - len(new)
        among = f"{agreeing(known, 'is', 'are')} among those that the model was trained on"
        job.callback.on_message(f"{known:,} of {len(readable):,} items {among}")
    unseen = job.items.take(new)
    left = np.flatnonzero(unseen.target.any(axis=0)) if unseen.several else np.unique(unseen.target)
    if len(new) >= SMALLEST_SPLIT and len(left) < len(present):
        without = [str(job.classes[each]) for each in np.setdiff1d(present, left)]
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
    new = start.new_classes
    what = "a new class" if len(new) == 1 else f"{len(new):,} new classes"
    added = f", with {what}: {few(list(map(str, new)))}" if new else ""
    items = start.model.summary.get("training_items")
    trained = f", trained on {counted(items, 'item')}" if items else ""
    of = counted(len(before), "class", "classes")
    lines = [f"going on from a model of {of} (digest {start.model.digest}{trained}){added}"]
    if start.missing:
        without = few([str(start.classes[index]) for index in start.missing])
        lines.append(
            f"warning: no item is of {without}: the kernels stay as they are, and only the votes for the other classes "
            "are learned, for which items of these may be taken now. How often, nothing here can tell, the validation "
            "accuracy least of all: add some items of these classes"
        )
    elif items and len(job.items.target) < items:
        lines.append(
            f"{counted(len(job.items.target), 'item is', 'items are')} given, fewer than the {items:,} before: what "
            "only the others showed may be forgotten in part"
        )
    return lines


def known_after(job: Job, fingerprints: Sequence[np.ndarray]) -> np.ndarray:
    """Return the fingerprints of all items that a training, and those that it goes on from, have learned from."""
    earlier = [] if job.start is None else [job.start.model.fingerprints]
    every: np.ndarray = np.unique(np.concatenate([*fingerprints, *earlier]), axis=0)
    return every


def first_network(job: Job, adapter: Adapter, recipe: Recipe) -> Network:
    """Return the network that a training begins with."""
    flip_axes = recipe.training.augment.flip
    if job.start is not None:
        return job.start.first_network(flip_axes)
    backbone = ConvPoolDense(adapter.spec_, recipe.backbone, len(job.classes))  # it draws its weights first
    return Network(adapter.frontend(), backbone, flip_axes, several=job.items.several)


def caught_up(examples: Examples, n_classes: int, known: Sequence[int]) -> Examples:
    """Return the examples with more weight for those of new classes.

    The kernels were learned without these classes, and go on with small steps for a short time: ten items of a new
    class among thousands of known ones would move them too little. Together they weigh at most half as much as an
    average class that the model knows: with more, others are taken for the new class.
    """
    several = examples.target.ndim > 1
    if several:
        total = examples.weight.astype(float) @ examples.target
    else:
        total = np.bincount(examples.target, examples.weight, minlength=n_classes)
    more = np.ones(n_classes)
    new = np.setdiff1d(np.flatnonzero(total), known)
    more[new] = np.clip(MOST_SHARE * total[known].mean() / total[new], 1, MOST_WEIGHT)
    of_item = np.max(examples.target * more, axis=1, initial=1.0) if several else more[examples.target]
    return examples._replace(weight=(examples.weight * of_item).astype(np.float32))


def training_of(job: Job, *, solved: bool) -> Callable[..., Outcome]:
    """Return what trains a network."""
    start, training = job.start, functools.partial(train_together, peers=job.peers)
    if start is not None and start.only_votes:
        return functools.partial(learn_votes, fixed=start.missing)
    if start is None or solved:
        return functools.partial(solve, keep_kernels=start is not None) if solved else training

    def further(network: Network, examples: Examples, config: TrainingConfig, **more: Any) -> Outcome:
        known = np.searchsorted(job.classes, start.model.classes).tolist()
        if len(known) < len(job.classes):  # a vote of zeros would take long to learn
            shift_votes(network, examples, config.batch_size, known, more["device"])
            examples = caught_up(examples, len(job.classes), known)
        return training(network, examples, config, **more)

    return further


def thresholds_after(job: Job, answers: Answers | None, certainty: Certainty) -> np.ndarray | None:
    """Return the threshold of each class; of those that no held-out item has, that of the model that is gone on from.

    It is None if items have one label.
    """
    found = thresholds_of(answers, certainty, len(job.classes), several=job.items.several)
    before = None if job.start is None else job.start.model
    if found is None or before is None or before.thresholds is None:
        return found
    at = np.searchsorted(job.classes, before.classes)
    unheard = np.ones(len(at), dtype=bool) if answers is None else ~answers.target[:, at].any(axis=0)
    found[at[unheard]] = before.thresholds[unheard]
    return found


def certainty_of(job: Job, answers: Answers | None) -> Certainty:
    """Return what the items held out tell, or else the temperature of the model that is gone on from."""
    if answers is None and job.start is not None:
        return Certainty(job.start.model.certainty.temperature)
    return learn_certainty(answers)
