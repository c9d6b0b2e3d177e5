"""Parts of items with several labels, in which each label is as frequent as in the whole.

References
----------
Sechidis et al. 2011, "On the stratification of multi-label data", for iterative stratification.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["divide", "held_out", "stratified_folds"]


def divide(target: np.ndarray, shares: Sequence[float], seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the part that each item belongs to, `(n,)` int.

    The items of the rarest label are given out first, each to the part that lacks this label most. Groups are given out
    whole, as items with the labels of all their members.

    Parameters
    ----------
    target : ndarray of shape (n, n_classes)
        Zeros and ones.
    shares : sequence of float
        Of the items, for each part; they sum to 1.
    seed : int
        Of the random order.
    groups : ndarray of shape (n,), optional
        Index of the group of each item.
    """
    member = np.arange(len(target)) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    n_units = int(member.max()) + 1
    labels = np.zeros((n_units, target.shape[1]), dtype=np.int64)
    np.add.at(labels, member, target.astype(np.int64))
    size = np.bincount(member, minlength=n_units)
    part_of_unit = _give_out(labels, size, np.asarray(shares, dtype=float), np.random.default_rng(seed))
    parts: np.ndarray = part_of_unit[member]
    return parts


def _give_out(labels: np.ndarray, size: np.ndarray, shares: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Give out units, of so many items and labels, to parts of these shares."""
    part = np.full(len(labels), -1)
    lacking = shares[:, None] * labels.sum(axis=0)  # (parts, classes)
    room = shares * size.sum()
    order = random.permutation(len(labels))
    order = order[np.argsort(-size[order], kind="stable")]  # large groups fit while there is room

    def give(unit: int, wanted: np.ndarray) -> None:
        best = np.flatnonzero(wanted >= wanted.max() - 1e-9)
        best = best[room[best] >= room[best].max() - 1e-9]
        chosen = int(random.choice(best)) if len(best) > 1 else int(best[0])
        part[unit] = chosen
        lacking[chosen] -= labels[unit]
        room[chosen] -= size[unit]

    left = (labels > 0).sum(axis=0)  # units of each label that have no part yet
    while (left > 0).any():
        rarest = int(np.where(left > 0, left, np.iinfo(np.int64).max).argmin())
        for unit in order[(part[order] < 0) & (labels[order, rarest] > 0)].tolist():
            give(unit, lacking[:, rarest])
            left -= labels[unit] > 0
    for unit in order[part[order] < 0].tolist():
        give(unit, room)
    return part


def held_out(target: np.ndarray, n_held: int, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the indices of about `n_held` items to hold out; what is left has every label that there is."""
    share = n_held / len(target)
    return _with_labels_left(target, np.flatnonzero(divide(target, [1 - share, share], seed, groups) == 1), groups)


def stratified_folds(target: np.ndarray, n_folds: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Return the indices of the items that each fold holds out; a label of one item is never held out."""
    parts = divide(target, [1 / n_folds] * n_folds, seed, groups)
    folds = [_with_labels_left(target, np.flatnonzero(parts == each), groups) for each in range(n_folds)]
    return [held for held in folds if len(held)]


def _with_labels_left(target: np.ndarray, held: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Take back the held-out items of labels that no other item has, with their groups."""
    only_here = target[held].sum(axis=0) == target.sum(axis=0)
    taken_back = (target[held][:, only_here & (target.sum(axis=0) > 0)] > 0).any(axis=1)
    if groups is not None:
        taken_back = np.isin(groups[held], groups[held][taken_back])
    kept: np.ndarray = held[~taken_back]
    return kept
