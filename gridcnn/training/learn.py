"""One training: items are encoded, a network learns from some of them, and answers for those held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from gridcnn.adapters import Adapter
from gridcnn.display import none_can
from gridcnn.errors import DataError
from gridcnn.model import FittedModel, Network
from gridcnn.multilabel import set_numbers
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.duplicates import without_known
from gridcnn.pipeline.encode import EncodedItems
from gridcnn.pipeline.labels import class_weights
from gridcnn.pipeline.split import LabelledItems
from gridcnn.training.announce import (
    about_contradictions,
    about_network,
    about_unreadable,
    about_unscored,
    contradicting,
    names_of_targets,
)
from gridcnn.training.bag import Mixture, add_bag, can_hold_bag
from gridcnn.training.budget import Budget
from gridcnn.training.certainty import (
    Answers,
    answers_of,
    pooled,
    scores_at,
    scores_by_class,
    scores_of,
)
from gridcnn.training.checkpoint import Checkpoints
from gridcnn.training.config import TrainingConfig
from gridcnn.training.flip_test import flip_test
from gridcnn.training.going_on import certainty_of, first_network, known_after, thresholds_after, training_of
from gridcnn.training.job import Job
from gridcnn.training.limit import announce, fit_to_budget, reduced
from gridcnn.training.loop import Examples, Outcome, diverged, seeded
from gridcnn.training.recipe import resolve
from gridcnn.training.run_folder import Planned
from gridcnn.training.schedule import Schedule
from gridcnn.versions import versions

__all__ = ["Learned", "answers_for", "learn"]


class Learned(NamedTuple):
    """A trained model, and what it says of the items held out from it; None if there are none."""

    model: FittedModel
    answers: Answers | None


def answers_for(job: Job, model: FittedModel, parts: Iterable[LabelledItems]) -> Answers | None:
    """Ask a fitted model about labelled items, with the probabilities of an uncalibrated one."""
    device = torch.device("cpu")
    frontend = nn.Identity() if model.adapter.frontend_is_frozen else model.network.frontend
    network = Network(frontend, model.network.backbone, model.network.flip_axes, several=model.several)

    def asked(items: LabelledItems) -> Answers | None:
        encoded = job.encode(model.adapter, items, device)
        return answers_of(items, encoded, network, device, model.recipe["batch_size"])

    return pooled([asked(items) for items in parts])


def learn(
    job: Job,
    training: LabelledItems,
    checking: LabelledItems | None,
    seed: int,
    *,
    budget: Budget | None = None,
    epochs: int | None = None,
    mixture: Mixture | None = None,
    checkpoints: Checkpoints | None = None,
    tell: bool = False,
) -> Learned:
    """Fit the adapter, train a network, and ask it about the items held out.

    Parameters
    ----------
    job : Job
        The fit.
    training, checking : LabelledItems
        Items to learn from, and items held out, if any.
    seed : int
        Of all random numbers.
    budget : Budget or None
        The time limit.
    epochs : int or None
        Replaces the usual number.
    mixture : Mixture or None
        Of the kernels and a bag beside them; None lets the items held out decide.
    checkpoints : Checkpoints or None
        Where the plan for a time limit is kept.
    tell : bool
        Whether to say what a person should know about items and network.
    """
    device, n_items = choose_device(job.config.device), len(training.target)
    adapter = job.fitted(clone(job.adapter), training.items)
    chosen: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    solved = resolve(job.settings, adapter, n_items).training.solved
    at_once = solved or job.only_votes  # in one step, which no limit can shorten
    planned = None if checkpoints is None or budget is None else checkpoints.planned()
    if planned is not None:
        adapter, chosen = reduced(job, adapter, planned.share, training) or (adapter, chosen)
    elif budget is not None and not at_once:
        share, adapter, chosen, _ = fit_to_budget(budget, job, adapter, training, checking, device)
    learning, held_out = _encode(job, adapter, training, checking, device, tell=tell)
    flip_axes = _flip_axes(job, adapter, learning, tell=tell)
    recipe = resolve({**job.settings, **chosen}, adapter, n_items, flip_axes)
    schedule = None
    with seeded(seed, device):
        network = first_network(job, adapter, recipe)
        examples, held = _examples(job, learning, held_out)
        frontend = network.frontend
        if adapter.frontend_is_frozen:  # its grids are computed already
            network.frontend = nn.Identity()
        if budget is not None and not at_once:
            if planned is None:
                schedule = budget.schedule(network, examples, held, recipe.training, device, n_items)
            else:
                sizes = adapter.spec_.sizes
                schedule = Schedule(n_items, sizes, planned.epochs, planned.seconds, budget.limit, refit=planned.refit)
            if planned is None and checkpoints is not None:
                checkpoints.plan(Planned(share, schedule.epochs, schedule.seconds, schedule.refit))
            chosen["epochs"] = schedule.epochs
            recipe = resolve({**job.settings, **chosen}, adapter, n_items, flip_axes)
            if tell:
                announce(job, schedule, chosen)
        if tell:
            job.say([about_network(adapter, recipe, n_items, job), *adapter.remarks()])
        outcome = training_of(job, solved=solved)(
            network, examples, recipe.training, validation=held, device=device, callback=job.callback
        )
    _require_finite(network, learning, recipe.training, device)
    network.frontend = frontend
    batch_size = recipe.training.batch_size
    network, mixture = _with_bag(job, network, adapter, examples, held, mixture, batch_size)
    network.frontend = nn.Identity() if adapter.frontend_is_frozen else network.frontend
    answers = None if held_out is None else answers_of(*held_out, network.to(device), device, batch_size)
    network.frontend = frontend
    network.to("cpu").eval()
    parts = [learning.encoded, *([] if held_out is None else [held_out.encoded])]
    summary = _summary(job, adapter, learning, held_out) | _spent(budget, schedule, chosen)
    summary |= {} if mixture is None else {"mixture": mixture._asdict()}
    scores = _scores(job, outcome, answers, mixture)
    certainty = certainty_of(job, answers)
    model = FittedModel(
        adapter,
        network,
        job.classes,
        history=tuple(outcome.history),
        best_epoch=outcome.best_epoch,
        scores=(scores | scores_by_class(answers)) if held is not None else {},
        summary=summary,
        recipe={**recipe.to_dict(), **job.config.to_dict()},
        parameters=dict(job.parameters),
        fingerprints=known_after(job, [part.fingerprints for part in parts]),
        interrupted=outcome.interrupted,
        certainty=certainty,
        thresholds=thresholds_after(job, answers, certainty),
        skipped=tuple(each for part in parts for each in part.skipped),
    )
    return Learned(model, answers)


def _spent(budget: Budget | None, schedule: Schedule | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a time limit, if there is one, for the summary."""
    if budget is None or schedule is None:
        return {}
    spent = {"limit": budget.limit, "expected": schedule.seconds, "taken": budget.elapsed}
    return {"time": {**spent, "chosen": {**chosen, "refit": schedule.refit}}}


def _with_bag(
    job: Job,
    network: Network,
    adapter: Adapter,
    examples: Examples,
    held: Examples | None,
    mixture: Mixture | None,
    batch_size: int,
) -> tuple[Network, Mixture | None]:
    """Return the network with a bag in it, if it can hold one, and how they are mixed."""
    start = job.start
    if start is not None and start.only_votes:
        return network, start.mixture
    if not can_hold_bag(adapter, network):
        return network, None
    earlier = None
    if start is not None:
        earlier = start.evidence
        mixture = start.mixture if held is None and mixture is None else mixture
    return add_bag(network, adapter, examples, held, mixture, batch_size, earlier)


class _Part(NamedTuple):
    """Labelled items and what became of them."""

    given: LabelledItems
    encoded: EncodedItems

    def counts(self, n_classes: int) -> list[int]:
        """Return the number of items of each class, or with each label, that could be read."""
        target = self.given.target[np.unique(self.encoded.item)]
        found = target.sum(axis=0, dtype=np.int64) if self.given.several else np.bincount(target, minlength=n_classes)
        counts: list[int] = found.tolist()
        return counts

    def examples(self) -> Examples:
        """Pair windows with targets; the windows of an item share its weight, so that long items count no more."""
        item, n_items = self.encoded.item, len(self.given.target)
        weight = (self.given.weight / np.maximum(np.bincount(item, minlength=n_items), 1))[item]
        return Examples(self.encoded.windows, self.given.target[item], weight.astype(np.float32))


def _encode(
    job: Job,
    adapter: Adapter,
    training: LabelledItems,
    checking: LabelledItems | None,
    device: torch.device,
    *,
    tell: bool,
) -> tuple[_Part, _Part | None]:
    """Encode the items; those to validate on whose content is among the others do not count.

    `tell` also says which items contradict each other, and which cannot be read.
    """
    learning = _Part(training, job.encode(adapter, training, device))
    if not len(learning.encoded.item):
        worst = learning.encoded.skipped[0]
        raise DataError(
            f"{none_can(len(learning.encoded.skipped), 'item')} be read; the first: {worst.item}: {worst.reason}"
        )
    held_out = None if checking is None else _Part(checking, job.encode(adapter, checking, device))
    parts = [part for part in (learning, held_out) if part is not None]
    if tell and (groups := contradicting(parts)):
        job.callback.on_message(about_contradictions(groups, names_of_targets(parts, job.classes)))
    n_skipped = sum(len(part.encoded.skipped) for part in parts)
    if tell and n_skipped:
        n_held = 0 if held_out is None else len(held_out.encoded.fingerprints)
        job.callback.on_message(about_unreadable(n_skipped, learning.counts(len(job.classes)), job.classes, n_held))
    if checking is None or held_out is None:
        return learning, None
    known_ones = learning.encoded
    if job.start is not None:
        known_ones = replace(known_ones, fingerprints=known_after(job, [known_ones.fingerprints]))
    left, indices = without_known(held_out.encoded, known_ones)
    if known := len(held_out.encoded.fingerprints) - len(left.fingerprints):
        if tell:
            job.callback.on_message(about_unscored(known, len(indices)))
        held_out = _Part(checking.take(indices), left)
    return learning, held_out


def _flip_axes(job: Job, adapter: Adapter, part: _Part, *, tell: bool) -> list[str]:
    """Return the axes that the adapter would flip, without those whose flips would mix up classes."""
    kept: list[str] = []
    if job.config.augment != "auto":
        return kept
    if job.start is not None:
        return list(job.start.model.network.flip_axes)
    kinds = set_numbers(part.given.target)
    for axis in adapter.defaults(len(part.given.target)).get("augment", {}).get("flip", ()):
        frontend = nn.Identity() if adapter.frontend_is_frozen else adapter.frontend()
        test = flip_test(part.encoded.windows, kinds[part.encoded.item], frontend, adapter.spec_, axis)
        if test is None or test.keeps_classes:
            kept.append(axis)
        elif tell:
            job.callback.on_message(f"no flips along the {axis} in training: {test}")
    return kept


def _examples(job: Job, learning: _Part, held_out: _Part | None) -> tuple[Examples, Examples | None]:
    """Return what is learned from and what is held out, with the weights of their classes."""
    examples = learning.examples()
    if learning.given.several:  # whose classes have no weights
        held = held_out.examples() if held_out is not None and len(held_out.encoded.item) else None
        return examples, held
    class_weight = class_weights(job.config.class_weight, job.classes, examples.target, examples.weight)
    if held_out is None or not len(held_out.encoded.item):
        return _weighted(examples, class_weight), None
    return _weighted(examples, class_weight), _weighted(held_out.examples(), class_weight)


def _weighted(examples: Examples, class_weight: np.ndarray) -> Examples:
    return examples._replace(weight=(examples.weight * class_weight[examples.target]).astype(np.float32))


def _scores(job: Job, outcome: Outcome, answers: Answers | None, mixture: Mixture | None) -> dict[str, Any]:
    if answers is not None and (mixture or job.config.class_weight or job.items.several):
        return scores_of(answers)
    if not outcome.history or job.items.several:  # an epoch has another score than a model of several labels
        return {}
    return scores_at(outcome.history[max(outcome.best_epoch, 1) - 1])


def _summary(job: Job, adapter: Adapter, learning: _Part, held_out: _Part | None) -> dict[str, Any]:
    parts = [learning, *([] if held_out is None else [held_out])]
    counts = learning.counts(len(job.classes))
    origin = {} if job.start is None else {"from": job.start.origin()}
    return origin | {
        "training_items": len(np.unique(learning.encoded.item)),
        "validation_items": 0 if held_out is None else len(held_out.encoded.fingerprints),
        "refit": False,
        "merged_items": job.n_given - len(job.items.target),
        "skipped_items": sum(len(part.encoded.skipped) for part in parts),
        "class_counts": dict(zip(map(str, job.classes), counts, strict=True)),
        "ordering": getattr(adapter, "ordering_", "by adapter"),
        "versions": versions(),
    }


@torch.inference_mode()
def _require_finite(network: Network, learning: _Part, config: TrainingConfig, device: torch.device) -> None:
    """Raise DivergedError if the network has weights, or gives answers, that are not finite."""
    finite = all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())
    if finite:
        some = torch.from_numpy(np.array(learning.encoded.windows[: config.batch_size])).to(device)
        finite = bool(network.eval()(some).isfinite().all())
    if not finite:
        raise diverged("its weights or answers", config)
