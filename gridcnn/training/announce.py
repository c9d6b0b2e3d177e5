"""What a person should know about a training before trusting its model, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.display import counted
from gridcnn.multilabel import joined, set_numbers
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.duplicates import contradictions
from gridcnn.pipeline.encode import EncodedItems
from gridcnn.pipeline.split import SMALLEST_SPLIT, LabelledItems, few
from gridcnn.training.config import TrainingConfig
from gridcnn.training.job import Job
from gridcnn.training.recipe import Recipe

__all__ = [
    "about_contradictions",
    "about_input",
    "about_network",
    "about_unreadable",
    "about_unscored",
    "contradicting",
    "names_of_targets",
]

NAMED_GROUPS, NAMED_ITEMS, LONGEST_NAME = 5, 4, 80


def about_input(job: Job, folds: Sequence[tuple[LabelledItems, LabelledItems | None]], *, given: bool) -> list[str]:
    """Say what was merged, and what is trained and validated on; `given` if the validation items were given."""
    lines = []
    if merged := job.n_given - len(job.items.target):
        lines.append(
            f"{_items(merged)} {'repeats' if merged == 1 else 'repeat'} the content and class of others: each content "
            "is learned once, with the weight of all its copies"
        )
    if getattr(job.order_report, "verdict", "") == "ordered":
        lines.append("order: the columns have one, as the ordering check found")
    if len(folds) > 1:
        whole = " of whole groups" if job.items.groups is not None else ""
        split = f"split: {_items(len(job.items.target))} in {len(folds)} folds{whole}, each held out from one training"
        return [*lines, split]
    return [*lines, _about_split(job, *folds[0], given)]


def about_unreadable(n_left_out: int, counts: Sequence[int], classes: np.ndarray, n_held: int) -> str:
    """Say how many items cannot be read, and what is left of each class to train on."""
    left = few([f"{label} {count:,}" for label, count in zip(classes, counts, strict=True)])
    return (
        f"{_items(n_left_out)} cannot be read and {'is' if n_left_out == 1 else 'are'} left out: {sum(counts):,} are "
        f"left to train on ({left}), {n_held:,} to validate on"
    )


def _about_split(job: Job, training: LabelledItems, checking: LabelledItems | None, given: bool) -> str:
    n_training = len(training.target)
    if checking is not None:
        what = "label, by iterative stratification" if job.items.several else "class, at random"
        how = f"{len(checking.target) / len(job.items.target):.0%} of each {what}"
        if given:
            how = "the given validation part"
        elif training.groups is not None and checking.groups is not None:
            n_groups = [len(np.unique(groups)) for groups in (training.groups, checking.groups)]
            how = f"whole groups, {n_groups[0]} to train on and {n_groups[1]} to validate on"
        return f"split: {_items(n_training)} to train on, {len(checking.target):,} to validate on ({how})"
    why = ""
    if job.config.validation_fraction and n_training < SMALLEST_SPLIT:
        why = f" (fewer than {SMALLEST_SPLIT} different items are too few for one)"
    none = f"none to validate on{why}, so no score says how good the model is"
    return f"split: {_items(n_training)} to train on, {none}"


def contradicting(parts: Sequence[tuple[LabelledItems, EncodedItems]]) -> list[list[tuple[str, int]]]:
    """Return the groups of items, as name and number of class or label set, of equal content but not the same class."""
    fingerprints = np.concatenate([encoded.fingerprints for _, encoded in parts])
    at = [(part, np.unique(encoded.item)) for part, encoded in parts]
    target = set_numbers(_targets(parts))
    groups = contradictions(fingerprints, target)
    if not groups:
        return []
    names = [str(part.names[index]) for part, indices in at for index in indices.tolist()]
    return [[(names[index], int(target[index])) for index in group.tolist()] for group in groups]


def _targets(parts: Sequence[tuple[LabelledItems, EncodedItems]]) -> np.ndarray:
    return np.concatenate([part.target[np.unique(encoded.item)] for part, encoded in parts])


def names_of_targets(parts: Sequence[tuple[LabelledItems, EncodedItems]], classes: np.ndarray) -> np.ndarray:
    """Return what the numbers of `contradicting` are called: classes, or label sets."""
    if not parts[0][0].several:
        return classes
    rows = np.unique(_targets(parts), axis=0)
    return np.array([joined(classes[row > 0], classes.tolist()) or "no label" for row in rows], dtype=object)


def about_contradictions(groups: Sequence[Sequence[tuple[str, int]]], classes: np.ndarray) -> str:
    """List items of equal content in different classes."""
    listed = [
        " = ".join(f"{_short(name)} ({classes[target]})" for name, target in group[:NAMED_ITEMS])
        for group in groups[:NAMED_GROUPS]
    ]
    more = len(groups) - len(listed)
    return (
        f"{_items(sum(map(len, groups)))} contradict each other, with equal content in different classes, and all are "
        f"learned from: {'; '.join(listed)}{f'; and {more:,} more' if more > 0 else ''}"
    )


def about_unscored(n_left_out: int, n_left: int) -> str:
    """Say how many items do not count in the validation, because training has their content."""
    rest = f"{n_left:,} are left" if n_left else "none is left, so no score says how good the model is"
    have, do = ("has", "does") if n_left_out == 1 else ("have", "do")
    return f"{_items(n_left_out)} to validate on {have} the content of items to train on and {do} not count: {rest}"


def about_network(adapter: Adapter, recipe: Recipe, n_items: int, job: Job) -> str:
    """Describe the network and its training, and say who chose them."""
    blocks = ", ".join(map(str, recipe.backbone.kernels))
    chosen = sorted(name for name, value in job.parameters.items() if name in _CHOICES and value not in (None, "auto"))
    who = f"; set by hand: {few(chosen)}" if chosen else ""
    epochs = counted(recipe.training.epochs, "epoch")
    how = f"{epochs}, batches of {recipe.training.batch_size}"
    if recipe.training.solved:
        n_maps = sum(recipe.backbone.kernels) * len(recipe.backbone.branches)
        blocks, how = f"{n_maps:,} fixed", "votes found in one step"
    else:
        blocks = f"blocks of {blocks}"
    if job.only_votes:
        return (
            f"network: {blocks} kernels on grids of {adapter.spec_}, which stay as they are; their votes are learned "
            f"further in one step, from {_items(n_items)}"
        )
    return (
        f"network: {blocks} kernels on grids of {adapter.spec_}; {how}: the defaults of {type(adapter).__name__} for "
        f"{_items(n_items)}{who}"
    )


_CHOICES = {*BackboneConfig.__dataclass_fields__, *TrainingConfig.__dataclass_fields__}


def _items(count: int) -> str:
    return counted(count, "item")


def _short(name: str) -> str:
    flat = " ".join(name.split())
    half = LONGEST_NAME // 2
    return flat if len(flat) <= LONGEST_NAME else f"{flat[: half - 1]}…{flat[-half:]}"
