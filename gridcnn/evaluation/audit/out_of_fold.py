"""Probabilities of each item by networks that were not trained on it."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.inference import predict
from gridcnn.training.callbacks import Callback
from gridcnn.training.fit import fit

__all__ = ["FOLDS", "out_of_fold"]

FOLDS = 4

SHARE_OF_EPOCHS = 0.5
"""Of the adapter's number: a half-trained network knows the rule, and has not yet learned the exceptions by heart."""

FEWEST_EPOCHS, MOST_EPOCHS = 3, 20


class _Steps(Callback):
    """Counts the epochs of all folds."""

    def __init__(self, progress: Callable[[int, int], None], epochs: int) -> None:
        self._progress, self._epochs, self._done = progress, epochs, 0

    def on_epoch(self, record: Any, network: Any) -> None:
        """Say how far it has come."""
        self._done += 1
        self._progress(self._done, FOLDS * self._epochs)


def out_of_fold(
    adapter: Adapter,
    items: Any,
    target: np.ndarray,
    groups: np.ndarray | None,
    *,
    random_state: int,
    progress: Callable[[int, int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Train a network on three quarters of the items, and ask it about the others, four times.

    Parameters
    ----------
    adapter : Adapter
        Reads the items; it is cloned, and remains as it is.
    items : sequence of n raw items, or DataFrame
        As a loader gives them.
    target : ndarray of shape (n,)
        Class indices; every class has at least as many items as there are folds.
    groups : ndarray of shape (n,), or None
        Folds keep groups whole.
    random_state : int
        Seed of the folds and the networks.
    progress : callable
        Called with the epochs that are done, and all epochs.

    Returns
    -------
    (ndarray of shape (n, classes), ndarray of shape (n,), bool)
        Probabilities; which items could be asked about.
    """
    from sklearn.base import clone  # noqa: PLC0415  (for training only)
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415

    count = len(target)
    fitted = clone(adapter).fit(adapter.check_items(items))
    wanted = round(SHARE_OF_EPOCHS * fitted.defaults(count)["epochs"])
    epochs = min(max(wanted, FEWEST_EPOCHS), MOST_EPOCHS)
    parameters = {
        "epochs": epochs,
        "label_smoothing": 0.0,  # which hides how sure a network is
        "validation_fraction": 0.0,
        "refit": False,
        "random_state": random_state,
        "on_error": "skip",
    }
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(FOLDS, shuffle=True, random_state=random_state).split(target, target, groups)
    probabilities = np.zeros((count, int(target.max()) + 1))
    answered = np.zeros(count, dtype=bool)
    steps = _Steps(progress, epochs)
    for learned, held in folds:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # of a training without validation: this is one
            model = fit(adapter, _taken(items, learned), target[learned], parameters, callbacks=[steps])
        if model.interrupted:
            raise KeyboardInterrupt  # Ctrl-C ends a training with its best weights; they prove nothing about labels
        answers = predict(model, _taken(items, held))
        good = held[answers.good]
        probabilities[np.ix_(good, model.classes)] = answers.probabilities[answers.good]
        answered[good] = True
    return probabilities, answered


def _taken(items: Any, indices: np.ndarray) -> Any:
    if hasattr(items, "iloc"):
        return items.iloc[indices]
    return items[indices] if isinstance(items, np.ndarray) else [items[at] for at in indices.tolist()]
