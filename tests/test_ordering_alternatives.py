"""Scores of models that know no order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering import score_alternatives


@pytest.fixture
def table():
    rng = np.random.default_rng(2)
    labels = rng.integers(2, size=150)
    return pd.DataFrame(rng.normal(size=(150, 6)) + labels[:, None]), labels


def test_shuffling_columns_changes_linear_scores_not_at_all(table):
    frame, labels = table
    turned = score_alternatives(frame.iloc[:, ::-1], labels)
    assert turned["logistic regression"][0] == pytest.approx(
        score_alternatives(frame, labels)["logistic regression"][0]
    )


def test_missing_values_categories_and_rows_without_label_are_taken(table):
    frame, labels = table
    frame = frame.assign(kind=np.where(labels, "a", "b"))
    frame.iloc[:20, 0] = np.nan
    wanted = labels.astype(float)
    wanted[:10] = np.nan
    assert score_alternatives(frame, wanted)["logistic regression"][0] > 0.95


def test_a_model_of_ones_own_stands_beside_them_and_the_best_comes_first(table):
    scores = score_alternatives(*table, models={"guess": DummyClassifier()})
    assert list(scores)[-1] == "guess"


def test_one_class_or_a_regressor_is_refused_with_the_remedy(table):
    with pytest.raises(DataError, match="nothing to tell apart"):
        score_alternatives(table[0], np.zeros(150))
    with pytest.raises(ConfigurationError, match="no scikit-learn classifier"):
        score_alternatives(*table, models={"line": LinearRegression()})
