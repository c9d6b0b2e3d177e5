"""Scores of models that know no order, beside a small convolution."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression

from gridcnn import check_order, datasets
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering import score_alternatives
from gridcnn.ordering.random_kernels import RandomKernel, random_features


@pytest.fixture
def table():
    rng = np.random.default_rng(2)
    labels = rng.integers(2, size=150)
    return pd.DataFrame(rng.normal(size=(150, 6)) + labels[:, None]), labels


def accuracy(alternatives, model):
    return {score.model: score.accuracy for score in alternatives.scores}[model]


def test_random_features_are_those_of_a_dilated_convolution():
    rng = np.random.default_rng(1)
    table, kernel = rng.normal(size=(4, 12)), RandomKernel(rng.normal(size=3), 2, 0.5)
    spread = np.zeros(5)
    spread[::2] = kernel.weights
    for padded, mode in ((False, "valid"), (True, "same")):
        expected = [np.correlate(row, spread, mode).max() + 0.5 for row in table]
        found = random_features(table, [kernel], lambda cells: cells.max(axis=1, keepdims=True), padded=padded)
        assert found[:, 0] == pytest.approx(expected)


def test_reversing_columns_changes_linear_scores_not_at_all(table):
    frame, labels = table
    reverse = score_alternatives(frame.iloc[:, ::-1], labels)
    given = score_alternatives(frame, labels)
    assert accuracy(reverse, "logistic regression") == pytest.approx(accuracy(given, "logistic regression"))


def test_the_order_of_a_grade_sheet_buys_a_convolution_nothing():
    grades = datasets.grades()
    found = score_alternatives(grades.items, grades.labels)
    assert abs(found.given.accuracy - found.shuffled.accuracy) < 0.04
    assert found.scores[0].accuracy > max(found.given.accuracy, found.chance + 0.15)
    assert "buys the convolution nothing" in found.conclusion


def test_the_order_of_motifs_at_random_places_buys_it_much():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 40)), np.arange(400) % 2
    for row, label in zip(X, y, strict=True):
        at = rng.integers(32)
        row[at : at + 8] += 3 * (np.sin(np.arange(8) * (1.6 if label else 0.8)))
    found = score_alternatives(X, y)
    assert found.given.accuracy > found.shuffled.accuracy + 0.15
    assert f"{100 * (found.given.accuracy - found.shuffled.accuracy):.1f} points" in found.conclusion


def test_a_report_carries_the_scores_of_a_refused_table_on_request():
    grades = datasets.grades()
    report = check_order(grades.items, grades.labels, alternatives=True)
    lines = str(report).splitlines()
    assert sum(" ± " in line for line in lines) == 5
    assert max(map(len, lines)) <= 90
    assert json.loads(json.dumps(report.to_dict()))["alternatives"]["folds"] == 5
    assert check_order(grades.items, grades.labels).alternatives is None


def test_an_ordered_table_and_one_without_classes_get_no_scores():
    rng = np.random.default_rng(0)
    walks, numbers = rng.normal(size=(120, 20)).cumsum(axis=1), rng.normal(size=120)
    assert check_order(walks, numbers > 0, alternatives=True).alternatives is None
    refused = check_order(walks[:, rng.permutation(20)], numbers, alternatives=True)
    assert refused.alternatives is None
    assert any("give class labels" in warning for warning in refused.warnings)


def test_missing_values_categories_and_rows_without_label_are_taken(table):
    frame, labels = table
    frame = frame.assign(kind=np.where(labels, "a", "b"))
    frame.iloc[:20, 0] = np.nan
    wanted = labels.astype(float)
    wanted[:10] = np.nan
    found = score_alternatives(frame, wanted)
    assert accuracy(found, "logistic regression") > 0.95
    assert found.rows_used == 140


def test_a_model_of_ones_own_stands_beside_them_and_the_best_comes_first(table):
    found = score_alternatives(*table, models={"guess": DummyClassifier()})
    assert found.scores[-1].model == "guess"


def test_one_class_or_a_regressor_is_refused_with_the_remedy(table):
    with pytest.raises(DataError, match="nothing to tell apart"):
        score_alternatives(table[0], np.zeros(150))
    with pytest.raises(ConfigurationError, match="no scikit-learn classifier"):
        score_alternatives(*table, models={"line": LinearRegression()})
