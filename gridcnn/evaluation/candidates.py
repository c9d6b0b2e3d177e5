"""Which items a person should look at first: the surest answers, the least certain, or items that differ most.

References
----------
Lewis and Gale 1994, "A sequential algorithm for training text classifiers", for the least certain items.
"""

from __future__ import annotations

import numpy as np

from gridcnn.errors import ConfigurationError
from gridcnn.inference.similarity import farthest_first

__all__ = ["STRATEGIES", "choose_candidates"]

STRATEGIES = {
    "confident": "the surest answers of each class",
    "uncertain": "those it is least certain of",
    "different": "those that differ most from each other",
}
"""The strategies, and what they choose."""


def choose_candidates(
    strategy: str,
    probabilities: np.ndarray,
    most: int,
    vectors: np.ndarray | None = None,
    thresholds: np.ndarray | None = None,
) -> list[int]:
    """Return the positions of the items to look at, the most important first.

    Parameters
    ----------
    strategy : {"confident", "uncertain", "different"}
        `confident` takes the surest answer of each class in turn, then the second of each, and returns them class by
        class. `uncertain` takes the items whose most probable class has the lowest probability. `different` takes each
        time the item that is least like those before.
    probabilities : ndarray of shape (n, n_classes)
        Of the items; rows with NaN are passed over.
    most : int
        How many, at most.
    vectors : ndarray of shape (n, n_features), optional
        Feature vectors; needed for `different`.
    thresholds : ndarray of shape (n_classes,), optional
        The probability from which an item has each label, if it may have several: the least certain items are those
        with a label whose probability is nearest to its threshold.

    Raises
    ------
    ConfigurationError
        If there is no such strategy.

    Examples
    --------
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.99, 0.01]])
    >>> choose_candidates("confident", probabilities, 3), choose_candidates("uncertain", probabilities, 3)
    ([3, 0, 2], [1, 2, 0])
    """
    if strategy not in STRATEGIES:
        raise ConfigurationError(f"strategy: expected one of {', '.join(STRATEGIES)}; got {strategy!r}")
    good = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    if strategy == "different":
        if vectors is None:
            raise ConfigurationError("strategy 'different' compares feature vectors: give those that `embed` returns")
        return good[farthest_first(vectors[good], most)].tolist() if len(good) else []
    if not len(good):
        return []
    sure, answer = probabilities[good].max(axis=1), probabilities[good].argmax(axis=1)
    if strategy == "uncertain" and thresholds is not None:
        chances = probabilities[good]
        away = np.where(chances < thresholds, 1 - chances / thresholds, (chances - thresholds) / (1 - thresholds))
        sure = away.min(axis=1)
    if strategy == "uncertain":
        return [int(at) for at in good[np.argsort(sure, kind="stable")[:most]]]
    by_sureness = np.argsort(-sure, kind="stable")
    place = np.empty(len(good), dtype=int)  # of each item among those with its answer
    for label in np.unique(answer):
        of_label = by_sureness[answer[by_sureness] == label]
        place[of_label] = np.arange(len(of_label))
    chosen = by_sureness[np.argsort(place[by_sureness], kind="stable")[:most]]
    return [int(at) for at in good[chosen[np.argsort(answer[chosen], kind="stable")]]]
