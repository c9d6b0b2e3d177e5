"""Several labels an item: label sets as a matrix of zeros and ones, probabilities that do not compete, thresholds.

A matrix of targets `(n, n_classes)` stands for several labels an item, a vector of class indices `(n,)` for one: the
functions below tell them apart by that. Each label has a probability of its own, the sigmoid of its logit, and is given
if that reaches the threshold of its class.

References
----------
Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure"; Schapire and Singer 2000,
"BoosTexter", for the ranking precision of an item.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "SEPARATOR",
    "USUAL_THRESHOLD",
    "choose_thresholds",
    "given_labels",
    "item_hits",
    "item_losses",
    "joined",
    "score_name",
    "set_numbers",
    "shares",
    "stored_thresholds",
    "thresholds_error",
]

SEPARATOR = "|"
"""What stands between the labels of an item in a cell."""

USUAL_THRESHOLD = 0.5
"""Of a class of which no held-out item tells anything."""

CANDIDATES = np.arange(2, 99) / 100
"""Thresholds that are tried."""

BORROWED = 10.0
"""Positive items' worth of what all classes say together, by which the threshold of a rare class is held back."""


def shares(logits: np.ndarray, *, several: bool) -> np.ndarray:
    """Return the probabilities of logits, classes last: their softmax, or if labels do not compete their sigmoid."""
    from scipy.special import expit, softmax  # noqa: PLC0415  (an exported model answers without it)

    found: np.ndarray = expit(logits) if several else softmax(logits, axis=-1)
    return found


def item_losses(probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the negative log-likelihood of the true class, or of the true label set, of each item, in nats `(n,)`."""
    if target.ndim == 1:
        likelihood = probabilities[np.arange(len(target)), target]
        lost: np.ndarray = -np.log(np.maximum(likelihood, np.finfo(float).tiny))
        return lost
    likelihood = np.where(target > 0, probabilities, 1 - probabilities)
    summed: np.ndarray = -np.log(np.maximum(likelihood, np.finfo(float).tiny)).sum(axis=1)
    return summed


def item_hits(probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return how right the ranking of the classes is for each item, in [0, 1] `(n,)`; it needs no threshold.

    With one label, 1 if its class is the most probable one, else 0. With several, the mean, over the true labels, of
    the share of true labels among those ranked as high: 1 if all true labels lead, and for an item without any.

    >>> item_hits(np.array([[0.9, 0.2, 0.6], [0.9, 0.2, 0.6]]), np.array([[1, 0, 1], [0, 0, 1]])).tolist()
    [1.0, 0.5]
    """
    if target.ndim == 1:
        return np.asarray(probabilities.argmax(axis=1) == target, dtype=float)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    true = np.take_along_axis(target, order, axis=1).astype(float)
    precision = true.cumsum(axis=1) / np.arange(1, target.shape[1] + 1)
    counts = true.sum(axis=1)
    return np.where(counts > 0, (precision * true).sum(axis=1) / np.maximum(counts, 1), 1.0)


def score_name(*, several: bool) -> str:
    """Return what the mean of `item_hits` is called."""
    return "ranking precision" if several else "accuracy"


def set_numbers(target: np.ndarray) -> np.ndarray:
    """Return a class index for each item: its own, or with several labels the number of its label set."""
    if target.ndim == 1:
        return target
    numbers: np.ndarray = np.unique(target, axis=0, return_inverse=True)[1].reshape(-1)
    return numbers


def given_labels(probabilities: np.ndarray, thresholds: np.ndarray, classes: np.ndarray) -> list[tuple[Any, ...]]:
    """Return the labels that reach their thresholds, for each item a tuple in the order of the classes."""
    labels = classes.tolist()
    return [tuple(labels[at] for at in np.flatnonzero(row)) for row in probabilities >= thresholds]


def joined(labels: Iterable[Any], among: Sequence[Any] = ()) -> str:
    """Write a label set as one cell; the separator is one that stands in no label, if there is such.

    Parameters
    ----------
    labels : iterable
        Of one item.
    among : sequence
        All labels that there are.

    Examples
    --------
    >>> joined(["rain", "dog"]), joined(["a|b", "c"], among=["a|b", "c"])
    ('rain|dog', 'a|b;c')
    """
    names = [str(each) for each in among]
    separator = next((mark for mark in (SEPARATOR, ";", "\t") if not any(mark in name for name in names)), SEPARATOR)
    return separator.join(map(str, labels))


def choose_thresholds(probabilities: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the threshold of each class that gives held-out items the best F1, `(n_classes,)` in (0, 1).

    The counts of a class are completed by those of all classes together, scaled to `BORROWED` positive items: a handful
    of items does not move the threshold of a rare class far from the common one. Among equally good thresholds the
    middle one is taken.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of items that the network has not learned from.
    target : ndarray of shape (n, n_classes)
        1 for the labels that an item has, else 0.
    weight : ndarray of shape (n,), optional
        How often each item counts.
    """
    n_classes = target.shape[1]
    weight = np.ones(len(target)) if weight is None else weight
    weighted = (target * weight[:, None]).astype(float)
    positives = weighted.sum(axis=0)
    if not positives.sum():
        return np.full(n_classes, USUAL_THRESHOLD)
    right, given = np.empty((2, len(CANDIDATES), n_classes))
    for at, threshold in enumerate(CANDIDATES.tolist()):
        named = probabilities >= threshold
        right[at] = (named * weighted).sum(axis=0)
        given[at] = weight @ named
    borrowed = BORROWED / positives.sum()
    right += borrowed * right.sum(axis=1, keepdims=True)
    given += borrowed * given.sum(axis=1, keepdims=True)
    f1 = 2 * right / np.maximum(given + positives + BORROWED, 1e-12)
    return np.array([_middle_of_best(each) for each in f1.T])


def _middle_of_best(f1: np.ndarray) -> float:
    """Return the middle of the first stretch of candidates that are as good as the best one."""
    best = f1 >= f1.max() - 1e-9
    first = int(best.argmax())
    length = int(np.append(best[first:], False).argmin())
    return float(CANDIDATES[first : first + length].mean())


def thresholds_error(thresholds: np.ndarray, n_classes: int) -> str:
    """Say what is wrong with the thresholds of a model; empty if nothing is."""
    if thresholds.shape != (n_classes,) or thresholds.dtype.kind != "f":
        return f"there must be one threshold for each of the {n_classes} classes, got shape {thresholds.shape}"
    if not ((thresholds > 0) & (thresholds < 1)).all():
        return "a threshold must lie in (0, 1)"
    return ""


def stored_thresholds(stored: Any, n_classes: int) -> np.ndarray | None:
    """Return the thresholds that a file holds, which a stranger may have written; None if it holds none.

    Raises
    ------
    ValueError
        If they make no sense for a model of so many classes.
    """
    if stored is None:
        return None
    if not isinstance(stored, list) or not all(type(each) is float for each in stored):
        raise ValueError("thresholds must be a list of numbers")
    thresholds = np.array(stored, dtype=float)
    if wrong := thresholds_error(thresholds, n_classes):
        raise ValueError(wrong)
    return thresholds
