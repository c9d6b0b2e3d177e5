"""What commands do for models that give an item several labels: scores, their tables, and clear refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gridcnn.cli.columns import Columns
from gridcnn.cli.output import add_row, list_skipped, note, print_table, table
from gridcnn.cli.segmented import names_in
from gridcnn.display import counted, printable
from gridcnn.errors import ConfigurationError, Skipped

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.evaluation.label_sets import LabelSetScores, ScoredLabelSets
    from gridcnn.model import FittedModel

__all__ = [
    "columns_for",
    "print_label_set_scores",
    "print_scores_after_training",
    "refuse",
    "score_data",
    "show_scores",
]


def columns_for(model: FittedModel, columns: Columns) -> Columns:
    """Return the columns with that of the labels as the model has them, one or several an item.

    Raises
    ------
    ConfigurationError
        If labels of the other kind were asked for.
    """
    if not model.several:
        if columns.labels is not None:
            raise ConfigurationError("--labels: this model gives each item one label: name its column with --label.")
        return columns
    if columns.label is not None:
        raise ConfigurationError("--label: this model gives an item several labels: name their column with --labels.")
    return replace(columns, labels=columns.labels or ("labels" if columns.annotations is None else "auto"))


def refuse(model: FittedModel, what: str, instead: str) -> None:
    """Raise ConfigurationError if a model gives several labels, since `what` needs one an item."""
    if model.several:
        raise ConfigurationError(
            f"{what} needs a model that gives each item one label, and this one gives several: {instead}."
        )


def score_data(model: FittedModel, data: Dataset) -> ScoredLabelSets:
    """Score the readable items of a set."""
    from gridcnn.evaluation.label_sets import score_label_sets

    return score_label_sets(model, data.items, data.labels, names_in(data))


def show_scores(model: FittedModel, data: Dataset, *, as_json: bool) -> tuple[int, int, list[Skipped]]:
    """Print the scores of a model; return how many items it was trained on, how many were scored, and the others."""
    scored = score_data(model, data)
    skipped = [*data.skipped, *scored.unreadable]
    if as_json:
        values = scored.scores.to_dict() | {"trained_on": scored.n_trained_on}
        values["calibration"] |= {"temperature": model.certainty.temperature}
        print(json.dumps(values | {"skipped": [each._asdict() for each in skipped]}, indent=2))
    else:
        print_label_set_scores(scored.scores)
    return scored.n_trained_on, scored.scores.n_items, skipped


def print_label_set_scores(scores: LabelSetScores) -> None:
    """Print the scores and the table of labels."""
    has, given = scores.labels_an_item
    print(f"items                   {scores.n_items}, with {has:.2f} labels each; {given:.2f} are given")
    print(f"mean average precision  {scores.mean_average_precision:.4f} (macro: over the labels that occur)")
    print(f"micro F1                {scores.micro_f1:.4f}")
    print(f"macro F1                {scores.macro_f1:.4f}")
    print(f"all labels right        {scores.accuracy:.4f}")
    error = scores.calibration
    print(f"calibration error       {error.error:.4f} ({error.by_chance:.4f} is to be expected by chance)")
    shown = table("label", "threshold", "average precision", "precision", "recall", "F1", "support")
    for row in scores.classes:
        precision = "–" if row.average_precision is None else f"{row.average_precision:.3f}"
        numbers = (f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", row.support)
        add_row(shown, row.name, f"{row.threshold:.2f}", precision, *numbers)
    print_table(shown)
    print_unmatched(scores)


def print_unmatched(scores: LabelSetScores) -> None:
    """Name the labels that occur only in the data or only in the model."""
    if scores.unseen:
        counted = ", ".join(f"{name} ({count})" for name, count in scores.unseen.items())
        print(printable(f"labels unseen in training, which count for nothing: {counted}"))
    if scores.missing:
        print(printable(f"labels of the model that no item here has: {', '.join(scores.missing)}"))


def print_scores_after_training(model: FittedModel) -> None:
    """Say how good a new model is on the items that were held out."""
    scores, summary = model.scores, model.summary
    folds = summary.get("folds")
    by = f"each by one of {folds} models, which had not seen it" if folds else "by the model of the first training"
    then = f", {by}" if folds or summary["refit"] else ""
    then += "; the saved one was then trained once more on all items" if summary["refit"] else ""
    print(
        f"validation: mean average precision {scores['validation_mean_average_precision']:.4f}, micro F1 "
        f"{scores['validation_micro_f1']:.4f}, macro F1 {scores['validation_macro_f1']:.4f}, all labels right "
        f"{scores['validation_accuracy']:.4f} on {counted(summary['validation_items'], 'item')}{then}"
    )


def compare_label_sets(model: FittedModel, train: tuple[Any, Any], judged: tuple[Any, Any], part: str) -> None:
    """Set one classic model for each label beside a new model, on items that neither was trained on."""
    import numpy as np

    from gridcnn.evaluation.label_sets import score_label_sets
    from gridcnn.evaluation.label_sets_report import baseline_scores

    scored = score_label_sets(model, *judged)
    checked = model.adapter.check_items(judged[0])
    readable = [checked[at] for at in np.flatnonzero(scored.good).tolist()]
    beside, own = baseline_scores(model, train, readable, scored.truth), scored.scores
    model.scores["baseline"] = {"name": beside.name, "part": part, "accuracy": beside.accuracy, "network": own.accuracy}
    for what, each in ((f"the baseline ({beside.name}, one for each label)", beside), ("the network", own)):
        print(
            f"{part}: mean average precision {each.mean_average_precision:.4f}, micro F1 {each.micro_f1:.4f}, macro F1 "
            f"{each.macro_f1:.4f}, all labels right {each.accuracy:.4f}, by {what}"
        )
    if beside.mean_average_precision >= own.mean_average_precision:
        print("the baseline ranks the items as well or better: use it instead, or give the network more items")


def score_test_part(model: FittedModel, test: Dataset) -> list[Skipped]:
    """Score a new model on its test part, and keep the scores in it; return the items that could not be read."""
    scored = score_data(model, test)
    scores = scored.scores
    model.scores.update(
        test_accuracy=scores.accuracy,
        test_mean_average_precision=scores.mean_average_precision,
        test_micro_f1=scores.micro_f1,
        test_macro_f1=scores.macro_f1,
        test_items=scores.n_items,
        test_items_trained_on=scored.n_trained_on,
    )
    print(
        f"test: mean average precision {scores.mean_average_precision:.4f}, micro F1 {scores.micro_f1:.4f}, macro F1 "
        f"{scores.macro_f1:.4f}, all labels right {scores.accuracy:.4f} on "
        f"{counted(scores.n_items, 'item')}, by the saved model"
    )
    print_unmatched(scores)
    return scored.unreadable


def note_after_scores(data: Dataset, skipped: list[Skipped]) -> None:
    """Say how the items were read, and which could not be."""
    for line in data.notes:
        note(line)
    if skipped:
        note(f"{counted(len(skipped), 'item')} could not be read, not counted here:")
        list_skipped(skipped)
