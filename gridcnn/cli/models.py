"""A saved model at work: loaded, given the columns it knows, scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.errors import DataError, Skipped

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.estimator import GridClassifier
    from gridcnn.metrics import Evaluation


def load_model(model: Path) -> GridClassifier:
    """Load a model that `gridcnn train` saved."""
    from gridcnn.estimator import GridClassifier

    classifier: GridClassifier = GridClassifier.load(model)
    return classifier


def score_items(classifier: GridClassifier, data: Dataset) -> tuple[Evaluation, list[Skipped]]:
    """Score the items that can be read; return the others with their reasons."""
    from gridcnn.metrics import evaluate

    assert data.labels is not None  # for the type checker: read_labelled always asks for labels
    rows = classifier.predict_frame(known_columns(classifier, data.items))
    failed = rows["error"].map(is_error).to_numpy(dtype=bool)
    bad = rows[failed]
    unreadable = [Skipped(str(item), str(why)) for item, why in zip(bad["item"], bad["error"], strict=True)]
    scores = evaluate(data.labels[~failed], rows["prediction"].to_numpy()[~failed], classifier.classes_.tolist())
    return scores, unreadable


def known_columns(classifier: GridClassifier, items: Any) -> Any:
    """Take the columns that the model was trained on from a table; anything else is returned as it is."""
    names = getattr(classifier, "feature_names_in_", None)
    if names is None or not hasattr(items, "columns"):
        return items
    missing = [str(name) for name in names if name not in items.columns]
    if missing:
        raise DataError(
            f"the table lacks columns that the model was trained on: {', '.join(missing[:10])}; it has "
            f"{', '.join(map(str, items.columns[:10]))}: give a table with the columns of the training table."
        )
    return items[list(names)]


def is_error(cell: object) -> bool:
    """Tell whether a cell of the error column holds an error."""
    return isinstance(cell, str) and cell != ""
