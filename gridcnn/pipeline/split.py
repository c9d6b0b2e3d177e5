"""Labelled items to learn from: checked, each once, in an order that does not depend on the input's, and split."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.pipeline.duplicates import content_keys, identity
from gridcnn.pipeline.stratify import held_out, stratified_folds
from gridcnn.segments import NAMED

__all__ = [
    "SMALLEST_SPLIT",
    "USUAL_FRACTION",
    "LabelledItems",
    "few",
    "fold_indices",
    "merge_repeats",
    "take",
    "validation_indices",
]

SMALLEST_SPLIT = 50
"""Fewer items have no validation split: a handful would say nothing."""

USUAL_FRACTION, MOST_HELD_OUT = 0.1, 2_000
"""Share held out unless another one is asked for, as in `FitConfig`, and most items of it: more tell little more."""


@dataclass(frozen=True)
class LabelledItems:
    """Items with class indices, weights, the rows that they stand in and, if any, group indices, each `(n,)`.

    With several labels an item, `target` is a matrix of zeros and ones, `(n, n_classes)`.

    `place` tells items apart that are taken from the same ones, whatever their rows are called; None counts them.
    """

    items: Sequence[Any]
    target: np.ndarray
    weight: np.ndarray
    rows: np.ndarray
    groups: np.ndarray | None = None
    place: np.ndarray | None = None

    def take(self, indices: np.ndarray) -> LabelledItems:
        """Return some of the items."""
        groups = None if self.groups is None else self.groups[indices]
        items, place = take(self.items, indices), self.places[indices]
        return LabelledItems(items, self.target[indices], self.weight[indices], self.rows[indices], groups, place)

    @property
    def several(self) -> bool:
        """Whether an item may have several labels."""
        return self.target.ndim > 1

    @property
    def places(self) -> np.ndarray:
        """What no two of the items share."""
        return np.arange(len(self.target)) if self.place is None else self.place

    @property
    def names(self) -> list[Any]:
        """What a person calls each item: its path or text, or else the row that it stands in."""
        return [
            item if isinstance(item, NAMED) else f"row {row}"
            for item, row in zip(self.items, self.rows.tolist(), strict=True)
        ]


def merge_repeats(given: LabelledItems, *, files: bool = False, cache: Path | None = None) -> LabelledItems:
    """Merge items of one content and one label (or label set) into one of their total weight, and sort them by name.

    A weight of 2 then means exactly the same as two copies, no copy is on both sides of the validation split, and the
    order of the input does not matter. Items of weight 0 are left out. `files` says whether a str or a path names a
    file, whose copies under other names are found by their bytes, or in the cache.
    """
    used = np.flatnonzero(given.weight > 0).tolist()
    names = [identity(given.items[index], index) for index in used]
    keys = content_keys([given.items[index] for index in used], names, files=files, cache=cache)
    if len(set(keys)) == len(keys):  # as usual, and less to hold at a time
        return given.take(np.array(used)[sorted(range(len(used)), key=names.__getitem__)])
    first: dict[tuple[bytes, Any], tuple[bytes, int]] = {}
    total: dict[tuple[bytes, Any], float] = {}
    for index, name, content in zip(used, names, keys, strict=True):
        label = given.target[index]
        key = (content, label.tobytes() if given.several else int(label))
        first[key] = min(first.get(key, (name, index)), (name, index))
        total[key] = total.get(key, 0.0) + given.weight[index]
    order = sorted(first, key=lambda key: (first[key][0], key[1]))
    merged = given.take(np.array([first[key][1] for key in order]))
    return replace(merged, weight=np.array([total[key] for key in order]))


def validation_indices(training: LabelledItems, fraction: float, seed: int, classes: np.ndarray) -> np.ndarray:
    """Return the indices of the validation split; empty if there are too few items for one."""
    target, groups = training.target, training.groups
    none = np.array([], dtype=int)
    if fraction == 0 or len(target) < SMALLEST_SPLIT:
        return none
    if training.several:
        return _held_out_label_sets(training, fraction, seed)
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit  # noqa: PLC0415  (only to train)

    counts = np.bincount(target)
    if groups is not None:
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            warnings.warn("all items belong to one group, so there is no validation split", stacklevel=5)
            return none
        folds = StratifiedGroupKFold(min(n_groups, max(2, round(1 / fraction))), shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class in fewer groups than folds: handled just below
            parts = [validation for _, validation in folds.split(np.zeros(len(target)), target, groups)]
        usable = [held for held in parts if len(np.unique(np.delete(target, held))) == len(classes) and len(held)]
        if not usable:
            warnings.warn("a class occurs in one group only, so there is no validation split by groups", stacklevel=5)
            return none
        return min(usable, key=lambda held: abs(len(held) - fraction * len(target)))
    if (counts < 2).any():
        alone = few([str(classes[index]) for index in np.flatnonzero(counts < 2)])
        warnings.warn(f"classes with a single item are trained on but not validated: {alone}", stacklevel=5)
    several = np.flatnonzero(counts[target] >= 2)
    wanted = math.ceil(fraction * len(several))
    if fraction == USUAL_FRACTION:
        wanted = min(wanted, MOST_HELD_OUT)
    n_held = max(wanted, int((counts >= 2).sum()))
    if len(several) - n_held < int((counts >= 2).sum()):
        return none
    split = StratifiedShuffleSplit(1, test_size=n_held, random_state=seed)
    _, held = next(split.split(np.zeros(len(several)), target[several]))
    indices: np.ndarray = several[held]
    return indices


def _held_out_label_sets(training: LabelledItems, fraction: float, seed: int) -> np.ndarray:
    n_held = math.ceil(fraction * len(training.target))
    if fraction == USUAL_FRACTION:
        n_held = min(n_held, MOST_HELD_OUT)
    held = held_out(training.target, n_held, seed, training.groups)
    if not len(held):
        warnings.warn("no items can be held out without all items of a label, so none are", stacklevel=6)
    return held


def fold_indices(training: LabelledItems, n_folds: int, seed: int) -> list[np.ndarray]:
    """Return the indices of the items held out in each fold, at most so many; empty if folds are not possible.

    Each item is held out once, but those that are alone in their class, which are trained on in every fold. Groups are
    kept whole, and a fold whose training items would lack a class is left out.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415  (only to train)

    target, groups = training.target, training.groups
    if training.several:
        n_folds = min(n_folds, len(target) if groups is None else len(np.unique(groups)))
        held = stratified_folds(target, n_folds, seed, groups) if n_folds > 1 else []
        return held if len(held) > 1 else []
    counts = np.bincount(target)
    several = np.flatnonzero(counts[target] >= 2)
    n_folds = min(n_folds, counts.max(), len(several) if groups is None else len(np.unique(groups)))
    if n_folds < 2:
        return []
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer items than folds: handled just below
        parts = kind(n_folds, shuffle=True, random_state=seed).split(
            np.zeros(len(several)), target[several], None if groups is None else groups[several]
        )
        held = [several[validation] for _, validation in parts]
    usable = [each for each in held if len(each) and len(np.unique(np.delete(target, each))) == len(np.unique(target))]
    return usable if len(usable) >= 2 else []


def take(items: Sequence[Any], indices: np.ndarray) -> Sequence[Any]:
    """Return the items at these indices."""
    return items[indices] if isinstance(items, np.ndarray) else [items[index] for index in indices]


def few(names: Sequence[str], most: int = 10) -> str:
    """Return names separated by commas, for a message: the first ones, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
