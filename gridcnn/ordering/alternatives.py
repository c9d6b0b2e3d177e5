"""What instead: cross-validated scores of models that know no order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from gridcnn.errors import ConfigurationError, DataError

__all__ = ["score_alternatives"]

ROWS = 2000


def score_alternatives(
    X: Any, y: Any, *, models: dict[str, Any] | None = None, random_state: int = 0
) -> dict[str, tuple[float, float]]:
    """Cross-validate models that ignore column order, on at most 2,000 rows.

    Parameters
    ----------
    X : array or DataFrame, shape (rows, columns)
        The table; numbers may be missing, texts are taken as categories.
    y : array, shape (rows,)
        Class labels; rows without one are left out.
    models : dict of str to scikit-learn classifier, optional
        Further classifiers to score beside them, such as a convolution; they are given the columns as numbers, scaled.
    random_state : int, default 0
        Seed of the rows and folds.

    Returns
    -------
    dict of str to (float, float)
        Mean and standard deviation of the accuracy over the folds, best first.

    Raises
    ------
    DataError
        If fewer than two classes have at least two rows.
    ConfigurationError
        If one of `models` is not a classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> scores = score_alternatives(*load_wine(return_X_y=True))
    >>> min(accuracy for accuracy, spread in scores.values()) > 0.9
    True
    """
    for name, model in (models or {}).items():
        if not is_classifier(model):
            raise ConfigurationError(f"model {name!r} is a {type(model).__name__}, which is no scikit-learn classifier")
    rng = np.random.default_rng(random_state)
    labels = pd.Series(np.asarray(y))
    if len(labels) != len(X):
        raise DataError(f"y holds {len(labels)} labels, the table has {len(X)} rows: give one label per row")
    often = labels.map(labels.value_counts()) >= 2
    pool = np.flatnonzero(labels.notna() & often)
    if labels.iloc[pool].nunique() < 2:
        raise DataError("fewer than two classes have two rows or more: there is nothing to tell apart")
    take = np.sort(rng.choice(pool, ROWS, replace=False)) if len(pool) > ROWS else pool
    frame = X.iloc[take] if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X)[take])
    frame = frame.set_axis([str(at) for at in range(frame.shape[1])], axis=1)
    frame = frame.replace([np.inf, -np.inf], np.nan)
    codes = pd.factorize(labels.iloc[take])[0]
    folds = StratifiedKFold(max(2, min(5, int(np.bincount(codes).min()))), shuffle=True, random_state=random_state)
    encode = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include=["number", "bool"]),
        ),
        (
            OneHotEncoder(handle_unknown="ignore", max_categories=20, sparse_output=False),
            make_column_selector(dtype_exclude=["number", "bool", "datetime"]),
        ),
    )
    candidates = {
        "logistic regression": LogisticRegression(max_iter=1000),
        "histogram gradient boosting": HistGradientBoostingClassifier(max_iter=60, random_state=random_state),
        "RBF SVM": SVC(),
        **(models or {}),
    }
    scores = {
        name: cross_val_score(make_pipeline(encode, model), frame, codes, cv=folds)
        for name, model in candidates.items()
    }
    ranked = sorted(scores.items(), key=lambda one: -one[1].mean())
    return {name: (float(values.mean()), float(values.std())) for name, values in ranked}
