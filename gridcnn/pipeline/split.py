"""Labelled items to learn from: checked, each once, in an order that does not depend on the input's, and split."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from gridcnn.errors import ConfigurationError, DataError

__all__ = [
    "SMALLEST_SPLIT",
    "LabelledItems",
    "check_labels",
    "class_weights",
    "merge_repeats",
    "take",
    "validation_indices",
]

SMALLEST_SPLIT = 50
"""Fewer items have no validation split: a handful would say nothing."""


@dataclass(frozen=True)
class LabelledItems:
    """Items with class indices `(n,)`, weights `(n,)` and, if there are any, group indices `(n,)`."""

    items: Sequence[Any]
    target: np.ndarray
    weight: np.ndarray
    groups: np.ndarray | None = None

    def take(self, indices: np.ndarray) -> LabelledItems:
        """Return some of the items."""
        groups = None if self.groups is None else self.groups[indices]
        return LabelledItems(take(self.items, indices), self.target[indices], self.weight[indices], groups)


def check_labels(y: Any, n_items: int) -> np.ndarray:
    """Return the labels `(n_items,)`, or raise what scikit-learn raises for labels that do not fit."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    labels: np.ndarray = column_or_1d(y, warn=True)
    if len(labels) != n_items:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n_items}, {len(labels)}]")
    if missing := np.flatnonzero(pd.isna(labels)).tolist():
        raise DataError(f"y has missing labels at {missing[:5]}: leave those items out, or label them")
    check_classification_targets(labels)
    return labels.astype(str) if labels.dtype == object and isinstance(labels[0], str) else labels


def merge_repeats(
    items: Sequence[Any], target: np.ndarray, weight: np.ndarray, groups: np.ndarray | None = None
) -> LabelledItems:
    """Merge an item that is given twice with one label into one of twice the weight, and sort items by their content.

    A weight of 2 then means exactly the same as two copies, no copy is on both sides of the validation split, and the
    order of the input does not matter. Items of weight 0 are left out.
    """
    first: dict[tuple[bytes, int], int] = {}
    total: dict[tuple[bytes, int], float] = {}
    for index in np.flatnonzero(weight > 0).tolist():
        key = (_identity(items[index], index), int(target[index]))
        first.setdefault(key, index)
        total[key] = total.get(key, 0.0) + weight[index]
    keys = sorted(first)
    indices = np.array([first[key] for key in keys])
    merged = LabelledItems(items, target, weight, groups).take(indices)
    return replace(merged, weight=np.array([total[key] for key in keys]))


def validation_indices(training: LabelledItems, fraction: float, seed: int, classes: np.ndarray) -> np.ndarray:
    """Return the indices of the validation split; empty if there are too few items for one."""
    target, groups = training.target, training.groups
    none = np.array([], dtype=int)
    if fraction == 0 or len(target) < SMALLEST_SPLIT:
        return none
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
        alone = ", ".join(str(classes[index]) for index in np.flatnonzero(counts < 2))
        warnings.warn(f"classes with a single item are trained on but not validated: {alone}", stacklevel=5)
    several = np.flatnonzero(counts[target] >= 2)
    n_held = max(math.ceil(fraction * len(several)), int((counts >= 2).sum()))
    if len(several) - n_held < int((counts >= 2).sum()):
        return none
    split = StratifiedShuffleSplit(1, test_size=n_held, random_state=seed)
    _, held = next(split.split(np.zeros(len(several)), target[several]))
    indices: np.ndarray = several[held]
    return indices


def class_weights(
    class_weight: str | Mapping[Any, float] | None, classes: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return the weight of each class `(n_classes,)` for `"balanced"`, a mapping from labels to weights, or None."""
    totals = np.bincount(target, weights=weight, minlength=len(classes))
    if np.count_nonzero(totals) < 2:
        raise DataError("fewer than two classes are left after skipping items that cannot be read")
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, Mapping):
        return np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
    if class_weight != "balanced":
        raise ConfigurationError(f"class_weight must be 'balanced', a dict or None, got {class_weight!r}")
    shares: np.ndarray = totals.sum() / (len(classes) * np.maximum(totals, 1e-12))
    return shares


def take(items: Sequence[Any], indices: np.ndarray) -> Sequence[Any]:
    """Return the items at these indices."""
    return items[indices] if isinstance(items, np.ndarray) else [items[index] for index in indices]


def _identity(item: Any, index: int) -> bytes:
    if isinstance(item, str | os.PathLike):
        return os.fsencode(item) if isinstance(item, os.PathLike) else item.encode("utf-8", "surrogatepass")
    if isinstance(item, np.ndarray):
        return hashlib.blake2b(item.tobytes() + str(item.shape).encode(), digest_size=16).digest()
    return b"item %012d" % index
