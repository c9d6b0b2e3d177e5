"""Classic models that several adapters share as their baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from gridcnn.adapters.base import ClassicModel

__all__ = ["first_window", "order_free", "principal_components"]

COMPONENTS = 60


def order_free(random_state: int) -> ClassicModel:
    """Return the best of three models that know no order, chosen by cross-validation on the training items."""
    name = "the best of logistic regression, SVM and gradient boosting"
    return ClassicModel(name, first_window, BestOfThree(random_state))


def principal_components(random_state: int) -> ClassicModel:
    """Return an SVM on the principal components of the cells."""
    return ClassicModel(f"pixels, {COMPONENTS} principal components + SVM", first_window, ComponentsSVM(random_state))


def first_window(items: Sequence[Any], windows: Sequence[np.ndarray]) -> np.ndarray:
    """Return the cells of the first window of each item, float32 of shape `(n, cells)`."""
    return np.stack([each[0].ravel() for each in windows]).astype(np.float32)


class BestOfThree(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression, an RBF SVM or gradient boosting, whichever is best in cross-validation."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Choose and fit the model."""
        smallest = int(np.unique(y, return_counts=True)[1].min())
        folds = StratifiedKFold(max(2, min(3, smallest)), shuffle=True, random_state=self.random_state)
        boosting = HistGradientBoostingClassifier(random_state=self.random_state)
        models = [LogisticRegression(max_iter=1000), SVC(), boosting]
        pipeline = Pipeline([("scale", StandardScaler()), ("model", models[0])])
        self.model_ = GridSearchCV(pipeline, {"model": models}, cv=folds).fit(X, y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable labels."""
        labels: np.ndarray = self.model_.predict(X)
        return labels


class ComponentsSVM(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Principal components, at most as many as there are items or cells, and an SVM."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit both."""
        components = PCA(min(COMPONENTS, *X.shape), svd_solver="randomized", random_state=self.random_state)
        self.model_ = make_pipeline(components, SVC(C=10)).fit(X, y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable labels."""
        labels: np.ndarray = self.model_.predict(X)
        return labels
