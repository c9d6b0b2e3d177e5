"""A saved model at work: loaded, given the columns it knows, scored."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.sources import MANIFESTS, Columns, read_rows
from gridcnn.errors import DataError, Skipped

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.estimator import GridClassifier
    from gridcnn.evaluation.metrics import Evaluation


def load_model(model: Path, threads: int | None = None) -> GridClassifier:
    """Load a model that `gridcnn train` saved, and compute with so many threads."""
    from gridcnn.estimator import GridClassifier
    from gridcnn.pipeline.parallel import set_computing_threads

    set_computing_threads(threads)
    classifier: GridClassifier = GridClassifier.load(model)
    return classifier


def score_items(classifier: GridClassifier, data: Dataset) -> tuple[Evaluation, list[Skipped]]:
    """Score the items that can be read; return the others with their reasons."""
    from gridcnn.evaluation.metrics import evaluate

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


def item_of_row(classifier: GridClassifier, place: Path, number: int, columns: Columns) -> Any:
    """Return the item in one row of a file; rows have the numbers that a spreadsheet shows."""
    from gridcnn.datasets import load_table

    adapter = classifier.adapter_
    if place.suffix.lower() not in MANIFESTS or not place.is_file():
        raise DataError(f"{place}: --row takes a row of a file that ends in {', '.join(sorted(MANIFESTS))}.")
    if adapter.modality == "array":
        table = known_columns(classifier, load_table(place, encoding=columns.encoding).items)
        _require_row(place, number, table.index)
        try:
            return adapter.check_items(table.loc[[number]])[0]
        except ValueError as error:  # in scikit-learn's words
            raise DataError(f"{place}, row {number}: {error}") from error
    rows = read_rows(place, adapter.modality, columns)
    _require_row(place, number, rows)
    if isinstance(rows[number], Skipped):
        raise DataError(": ".join(rows[number]))
    return rows[number]


def _require_row(place: Path, number: int, rows: Collection[int]) -> None:
    if number not in rows:
        raise DataError(f"{place} has no row {number}: its items stand in rows {min(rows)} to {max(rows)}.")


def is_error(cell: object) -> bool:
    """Tell whether a cell of the error column holds an error."""
    return isinstance(cell, str) and cell != ""
