"""The classic baseline of a modality, fitted in seconds, to stand beside the network.

Each adapter names its own (`Adapter.baseline`). If it is ahead of the network, use the baseline.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.multiclass import OneVsRestClassifier

from gridcnn.adapters import Adapter
from gridcnn.adapters.records import ClassicModel
from gridcnn.errors import DataError
from gridcnn.pipeline.encode import encode_items
from gridcnn.pipeline.label_sets import with_classes

__all__ = ["Baseline", "fit_baseline"]

MOST_ITEMS = 20_000
"""A baseline is fitted on at most this many random items: the time of an SVM grows with their square."""


@dataclass(frozen=True)
class Baseline:
    """A fitted classic baseline.

    Parameters
    ----------
    adapter : Adapter
        The fitted adapter whose decoded items it reads, so that it sees what the network sees.
    model : ClassicModel
        Name, features, and the fitted estimator.
    n_items : int
        Number of items that it was fitted on.
    """

    adapter: Adapter
    model: ClassicModel
    n_items: int

    @property
    def name(self) -> str:
        """What it is, such as `"TF-IDF + linear SVM"`."""
        return self.model.name

    def predict(self, items: Sequence[Any]) -> np.ndarray:
        """Return a label for each item, shape `(n,)`; ItemError if one cannot be decoded."""
        features, _ = _features(self.adapter, self.model, items, on_error="raise")
        labels: np.ndarray = self.model.estimator.predict(features)
        return labels

    def label_sets(self, items: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return scores in [0, 1] and labels, zeros and ones, both `(n, n_classes)`, of items with several labels.

        The scores rank items; they are no probabilities.
        """
        features, _ = _features(self.adapter, self.model, items, on_error="raise")
        estimator = self.model.estimator
        if hasattr(estimator, "decision_function"):
            ranked = expit(estimator.decision_function(features))
        else:
            ranked = estimator.predict_proba(features)
        return np.asarray(ranked), np.asarray(estimator.predict(features))


def fit_baseline(
    adapter: Adapter, items: Sequence[Any], labels: Any, random_state: int = 0, classes: np.ndarray | None = None
) -> Baseline:
    """Fit the classic baseline of the adapter's modality.

    Parameters
    ----------
    adapter : Adapter
        A fitted adapter: the baseline reads pictures of its size, sounds of its rate, its tokens.
    items : sequence of n raw items
        Training items; those that cannot be decoded are left out.
    labels : array-like of shape (n,)
        Their classes.
    random_state : int
        Seed of the sample and the model.
    classes : ndarray of shape (n_classes,), optional
        If the items may have several of these labels: then there is one classic model for each.

    Raises
    ------
    DataError
        If fewer than two classes are left.
    """
    labels = np.asarray(labels) if classes is None else with_classes(labels, classes)[0]
    rng = np.random.default_rng(random_state)
    chosen = np.arange(len(labels))
    if len(chosen) > MOST_ITEMS:
        chosen = np.sort(rng.choice(chosen, MOST_ITEMS, replace=False))
    classic = adapter.baseline(random_state)
    features, good = _features(adapter, classic, [items[index] for index in chosen.tolist()], on_error="skip")
    labels = labels[chosen][good]
    if len(np.unique(labels)) < 2:
        raise DataError("a baseline needs readable training items of at least two classes")
    if classes is not None:
        classic = replace(classic, estimator=OneVsRestClassifier(classic.estimator))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of labels that no item has, or all have
            classic.estimator.fit(features, labels)
        return Baseline(adapter, classic, len(labels))
    classic.estimator.fit(features, labels)
    return Baseline(adapter, classic, len(labels))


def _features(adapter: Adapter, model: ClassicModel, items: Sequence[Any], on_error: str) -> tuple[Any, np.ndarray]:
    """Return the features of the items that can be decoded, one row an item, and the indices of these items."""
    encoded = encode_items(adapter, items, on_error=on_error)
    good, first = np.unique(encoded.item, return_index=True)
    if not len(good):
        return [], good
    windows = np.split(encoded.windows, first[1:])
    return model.features([items[index] for index in good.tolist()], windows), good
