"""Folds hold out every item once, also where some cannot be read, series end early, or a person is impatient."""

import numpy as np
import pytest

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, TextAdapter
from gridcnn.errors import DataError
from gridcnn.training import fit as fitting
from gridcnn.training.callbacks import Callback

SMALL = {"kernels": (4,), "kernel_sizes": (3,), "learning_rate": 0.02, "on_error": "skip"}


class Heard(Callback):
    def __init__(self):
        self.lines = []

    def on_message(self, line):
        self.lines.append(line)


def waves(n_items: int = 40, length: int = 24) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n_items) % 2
    cells = np.arange(length)
    X = np.sin(cells * (0.4 + 0.8 * y[:, None]) + rng.uniform(0, 6, (n_items, 1))) + rng.normal(
        0, 0.1, (n_items, length)
    )
    return X, y


def pictures(n_items: int = 40) -> tuple[np.ndarray, np.ndarray]:
    X, y = waves(n_items, 64)
    return X.reshape(n_items, 8, 8), y


def test_a_group_of_which_nothing_can_be_read_has_no_part_in_the_scores():
    X, y = pictures()
    groups = np.arange(40) // 8
    X[groups == 2, 3, 3] = np.nan
    model = (
        GridClassifier(ArrayAdapter(("height", "width")), epochs=6, folds=5, **SMALL).fit(X, y, groups=groups).model_
    )
    assert model.summary["validation_items"] == 32
    assert 0 <= model.scores["validation_accuracy"] <= 1
    assert np.isfinite([record.validation_loss for record in model.history]).all()
    assert model.summary["training_items"] == 32
    assert model.summary["skipped_items"] == 8


def test_without_any_item_to_score_all_epochs_are_trained():
    texts, labels = ["good film", "bad film"] * 2, [0, 0, 1, 1]  # each text in both classes
    model = GridClassifier(TextAdapter(), kernels=(2,)).fit(texts, labels).model_
    assert model.certainty.n_items == 0
    assert model.best_epoch == len(model.history) > 1


def test_series_end_early_in_all_folds_or_in_none():
    X, y = waves()
    groups = np.arange(40) // 8
    X[groups == 1, 18:] = np.nan
    model = GridClassifier(ArrayAdapter(), folds=5, epochs=2, **SMALL).fit(X, y, groups=groups).model_
    assert (model.summary["validation_items"], model.summary["training_items"]) == (40, 40)
    X, y = waves()
    X[3, 18:] = np.nan  # one of forty is missing by accident
    heard = Heard()
    model = GridClassifier(ArrayAdapter(), folds=5, epochs=12, callbacks=[heard], **SMALL).fit(X, y).model_
    assert (model.summary["training_items"], model.summary["skipped_items"]) == (39, 1)
    assert any("1 item cannot be read and is left out" in line for line in heard.lines)


def test_a_fold_that_loses_a_class_is_left_out():
    X, y = pictures(30)
    y[:] = 0
    y[:2] = 1
    X[0, 0, 0] = np.nan  # of the rare class one item is left
    heard = Heard()
    model = (
        GridClassifier(ArrayAdapter(("height", "width")), folds=5, epochs=2, callbacks=[heard], **SMALL)
        .fit(X, y)
        .model_
    )
    assert model.classes.tolist() == [0, 1]
    assert sum("is left out: " in line and line.startswith("fold") for line in heard.lines) == 1
    with pytest.raises(DataError):
        GridClassifier(ArrayAdapter(("height", "width")), folds=5, epochs=2, **SMALL).fit(X[:2], y[:2])


def test_ctrl_c_in_the_last_training_leaves_what_the_folds_learned(monkeypatch):
    def interrupted(*given, **named):
        raise KeyboardInterrupt

    X, y = waves()
    whole = GridClassifier(ArrayAdapter(), **SMALL, epochs=2, folds=3, refit=True)
    monkeypatch.setattr(fitting, "learn", interrupted)
    model = whole.fit(X, y).model_
    assert model.interrupted
    assert not model.summary["refit"]
    assert model.best_epoch >= 1
