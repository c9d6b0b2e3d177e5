"""Classic models that several adapters share as their baselines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from gridcnn.adapters.lengths import at_mean_behind
from gridcnn.adapters.records import ClassicModel

__all__ = ["order_free", "principal_components", "tf_idf"]

COMPONENTS = 60


def order_free(random_state: int) -> ClassicModel:
    """Return the best of three models that know no order, chosen by cross-validation on the training items."""
    name = "the best of logistic regression, SVM and gradient boosting"
    return ClassicModel(name, _first_window, BestOfThree(random_state))


def principal_components(random_state: int) -> ClassicModel:
    """Return an SVM on the principal components of the cells."""
    return ClassicModel(f"pixels, {COMPONENTS} principal components + SVM", _first_window, ComponentsSVM(random_state))


def tf_idf(tokenise: Callable[[str], list[str]], token: str, longest: int) -> ClassicModel:
    """Return a linear SVM on TF-IDF of runs of tokens.

    Parameters
    ----------
    tokenise : callable
        Cuts a text into tokens.
    token : str
        What a token is called.
    longest : int
        Tokens in the longest run.
    """
    vectors = TfidfVectorizer(
        tokenizer=tokenise, token_pattern=None, lowercase=False, sublinear_tf=True, ngram_range=(1, longest)
    )
    name = f"TF-IDF of 1 to {longest} {token}s + linear SVM"
    return ClassicModel(name, _the_items, make_pipeline(vectors, LinearSVC()))


def _the_items(items: Sequence[Any], windows: Sequence[np.ndarray]) -> Sequence[Any]:
    return items


def _first_window(items: Sequence[Any], windows: Sequence[np.ndarray]) -> np.ndarray:
    """Return the cells of the first window of each item, float32 of shape `(n, cells)`; series rest at their mean."""
    first = np.stack([each[0] for each in windows]).astype(np.float32)
    return (at_mean_behind(first) if np.isnan(first).any() else first).reshape(len(first), -1)


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
