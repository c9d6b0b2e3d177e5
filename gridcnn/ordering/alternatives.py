"""Alternatives to a convolution: cross-validated scores of models that know no order, beside a small convolution.

The small convolution has the parts of the network (kernels, ReLU, pooling, a linear layer), but its kernels are random
and only the linear layer is learned, as in ROCKET (Dempster, Petitjean and Webb 2020). That takes milliseconds, so the
model is scored on shuffled orders as well: if it does as well on those, the given order buys nothing.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from gridcnn.display import as_table, as_text
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering.random_kernels import RandomKernel, random_features, sizes_for
from gridcnn.ordering.similarity import Floats

__all__ = ["Alternatives", "Score", "score_alternatives"]

ROWS, COLUMNS = 2000, 1024
CELLS = 2_000_000  # most rows × columns × classes, so that it takes seconds: larger tables are sampled
FEWEST_ROWS = 300
CLASSES = 50
SHUFFLES = 5
KERNELS, SEGMENTS = 32, 8


class Score(NamedTuple):
    """Accuracy of one model in cross-validation.

    Attributes
    ----------
    model : str
        Name of the model.
    accuracy : float
        Mean over the folds, in [0, 1].
    spread : float
        Standard deviation over the folds.
    """

    model: str
    accuracy: float
    spread: float


@dataclass(frozen=True)
class Alternatives:
    """Scores of models that know no order, beside a small convolution; `print` shows them as a table.

    Attributes
    ----------
    scores : tuple of Score
        Models that know no order, best first.
    given, shuffled : Score
        The small convolution on the columns in the given order, and in shuffled orders.
    chance : float
        Share of the largest class, in [0, 1].
    folds, rows_used : int
        Number of folds of the cross-validation, and of rows in it.
    conclusion : str
        One sentence: how much the order buys, and the best model.
    """

    scores: tuple[Score, ...]
    given: Score
    shuffled: Score
    chance: float
    folds: int
    rows_used: int

    @property
    def conclusion(self) -> str:
        """One sentence: how much the order buys, and the best model."""
        best = self.scores[0]
        gain = self.given.accuracy - self.shuffled.accuracy
        bought = "nothing" if gain <= max(self.given.spread, 0.01) else f"{100 * gain:.1f} points"
        ahead = best.accuracy - self.given.accuracy
        place = f"is {100 * ahead:.1f} points ahead of it" if ahead > 0.005 else "does as well" if ahead > -0.005 else (
            f"is {-100 * ahead:.1f} points behind it"
        )  # fmt: skip
        return f"The given order buys the convolution {bought}; {best.model}, which knows no order, {place}."

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready values."""
        return {
            "scores": [score._asdict() for score in self.scores],
            "given": self.given._asdict(),
            "shuffled": self.shuffled._asdict(),
            "chance": self.chance,
            "folds": self.folds,
            "rows_used": self.rows_used,
            "conclusion": self.conclusion,
        }

    def _repr_html_(self) -> str:
        """Show the scores in a notebook."""
        rows = [
            (each.model, f"{each.accuracy:.1%}", f"± {each.spread:.1%}")
            for each in (*self.scores, self.given, self.shuffled)
        ]
        return as_table(
            ("model", "accuracy", "spread"), [*rows, ("largest class", f"{self.chance:.1%}", "")]
        ) + as_text(self.conclusion)

    def __str__(self) -> str:
        rows = [
            f"  {score.model:36} {score.accuracy:6.1%} ± {score.spread:.1%}"
            for score in (*self.scores, self.given, self.shuffled)
        ]
        head = f"accuracy, {self.folds} folds of {self.rows_used} rows (the largest class: {self.chance:.1%})"
        return "\n".join([head, *rows, textwrap.fill(self.conclusion, 88)])


def score_alternatives(X: Any, y: Any, *, models: dict[str, Any] | None = None, random_state: int = 0) -> Alternatives:
    """Cross-validate models that ignore column order, and a small convolution with the given and shuffled orders.

    Parameters
    ----------
    X : array or DataFrame of shape (rows, columns)
        The table. Missing values become the median of their column, texts are taken as categories, dates are left out.
        At most 2,000 rows and 1,024 columns are used.
    y : array of shape (rows,)
        Class labels. Rows without a label are left out, and so are classes with a single row.
    models : dict of str to scikit-learn classifier, optional
        Further classifiers to score. They read the columns as scaled numbers.
    random_state : int, default 0
        Seed of the rows, folds, kernels and shuffles.

    Returns
    -------
    Alternatives
        The scores; the same seed gives the same ones.

    Raises
    ------
    DataError
        If `y` does not fit `X`, fewer than two classes have at least two rows, or there are more than 50 classes.
    ConfigurationError
        If one of `models` is not a classifier.

    References
    ----------
    A. Dempster, F. Petitjean and G. I. Webb, "ROCKET: exceptionally fast and accurate time series classification using
    random convolutional kernels", Data Mining and Knowledge Discovery 34 (2020).

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> table = score_alternatives(*load_wine(return_X_y=True))
    >>> table.scores[0].accuracy > 0.95
    True
    """
    for name, model in (models or {}).items():
        if not is_classifier(model):
            raise ConfigurationError(f"model {name!r} is a {type(model).__name__}, which is no scikit-learn classifier")
    rng = np.random.default_rng(random_state)
    frame, codes = _sample(X, y, rng)
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
        "histogram gradient boosting": HistGradientBoostingClassifier(
            max_iter=30, learning_rate=0.2, max_leaf_nodes=15, max_bins=63, random_state=random_state
        ),
        "RBF SVM": SVC(),
        **(models or {}),
    }
    scores = [
        _score(name, [cross_val_score(make_pipeline(encode, model), frame, codes, cv=folds)])
        for name, model in candidates.items()
    ]
    cells = _cells(frame)
    kernels = _kernels(cells.shape[1], rng)
    linear = make_pipeline(StandardScaler(), RidgeClassifier(alpha=KERNELS))
    starts = np.unique(np.linspace(0, cells.shape[1], min(SEGMENTS, cells.shape[1]), endpoint=False).astype(np.intp))

    def maxima(feature_map: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(np.maximum(feature_map, 0), starts, axis=1))

    given, *shuffled = (
        cross_val_score(linear, random_features(cells[:, order], kernels, maxima, padded=True), codes, cv=folds)
        for order in [np.arange(cells.shape[1]), *(rng.permutation(cells.shape[1]) for _ in range(SHUFFLES))]
    )
    return Alternatives(
        tuple(sorted(scores, key=lambda score: -score.accuracy)),
        _score("small convolution, given order", [given]),
        _score(f"small convolution, {SHUFFLES} shuffled orders", shuffled),
        float(np.bincount(codes).max() / len(codes)),
        folds.get_n_splits(),
        len(codes),
    )


def _score(name: str, folds: list[Any]) -> Score:
    """Average the folds of all orders; the spread is that over the folds of one order, averaged over the orders."""
    return Score(name, float(np.mean(folds)), float(np.mean([values.std() for values in folds])))


def _sample(X: Any, y: Any, rng: np.random.Generator) -> tuple[pd.DataFrame, Any]:
    """Draw the rows and columns to score, with their labels as codes."""
    labels = pd.Series(np.asarray(y))
    if len(labels) != len(X):
        raise DataError(f"y holds {len(labels)} labels, the table has {len(X)} rows: give one label per row")
    present = int(labels.notna().sum())
    if labels.nunique() > max(2, min(CLASSES, present // 4)):
        raise DataError(
            f"y holds {labels.nunique()} values in {present} rows, as numbers to predict do: give class labels, at "
            f"most {CLASSES} of them"
        )
    pool = np.flatnonzero(labels.notna() & (labels.map(labels.value_counts()) >= 2))
    classes = labels.iloc[pool].nunique()
    if classes < 2:
        raise DataError("fewer than two classes have two rows or more: there is nothing to tell apart")
    columns = min(np.shape(X)[1], COLUMNS)
    most = min(ROWS, max(FEWEST_ROWS, CELLS // (columns * classes)))
    take = np.sort(rng.choice(pool, most, replace=False)) if len(pool) > most else pool
    kept = take[(labels.iloc[take].map(labels.iloc[take].value_counts()) >= 2).to_numpy()]
    frame = X.iloc[kept, :columns] if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X)[kept, :columns])
    frame = frame.set_axis([str(at) for at in range(columns)], axis=1).replace([np.inf, -np.inf], np.nan)
    frame = frame.dropna(axis=1, how="all")
    if frame.empty:
        raise DataError("no column holds a value: there is nothing to tell the classes apart by")
    return frame, pd.factorize(labels.iloc[kept])[0]


def _cells(frame: pd.DataFrame) -> Floats:
    """Return each column as standardised numbers: categories as codes, missing values as the median."""
    numbers = [
        frame[name] if pd.api.types.is_numeric_dtype(frame[name]) else pd.Series(pd.factorize(frame[name])[0])
        for name in frame
    ]
    cells = np.column_stack([column.to_numpy(dtype=np.float64, na_value=np.nan) for column in numbers])
    cells = np.where(np.isnan(cells), np.nanmedian(cells, axis=0), cells)
    return np.asarray(StandardScaler().fit_transform(cells))


def _kernels(columns: int, rng: np.random.Generator) -> list[RandomKernel]:
    """Draw kernels; the weights of each add up to 0."""
    kernels = []
    for _ in range(KERNELS):
        size = int(rng.choice(sizes_for(columns)))
        dilation = int(2 ** rng.uniform(0, np.log2(max(1, (columns - 1) / (size - 1)))))
        weights = rng.normal(size=size)
        kernels.append(
            RandomKernel((weights - weights.mean()) / np.sqrt(size), dilation, float(rng.uniform(-0.5, 0.5)))
        )
    return kernels
