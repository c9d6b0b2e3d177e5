"""How good a model is, in its card: every score that is known, on which items, and how sure it is."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import scipy.stats

from gridcnn.evaluation.label_sets_report import LabelSetReport
from gridcnn.evaluation.report import Report
from gridcnn.export.markdown import plain, table
from gridcnn.model import FittedModel

__all__ = [
    "MOST_CLASSES",
    "AnyReport",
    "Measured",
    "about_baseline",
    "about_calibration",
    "about_scores",
    "count",
    "measured",
]

AnyReport = Report | LabelSetReport
"""Scores on items that have one label each, or several."""

MOST_CLASSES = 100
"""Classes that have a row of their own; of more, the most frequent ones."""

FEW_ITEMS = 100
"""Scores on fewer items are called coarse."""

_OF_LABELS = {"mean average precision": "mean_average_precision", "micro F1": "micro_f1", "macro F1": "macro_f1"}


class Measured(NamedTuple):
    """Scores on some items, each in [0, 1].

    `right` is the share of the items that are answered right: with several labels an item, all of its labels. The
    scores of labels, by their names, are empty with one label an item.
    """

    what: str
    right: float
    n_items: int
    remark: str
    of_labels: dict[str, float]


def measured(model: FittedModel, evaluation: AnyReport | None) -> Iterator[Measured]:
    """Yield the scores that are known, the most trustworthy last."""
    scores, summary = model.scores, model.summary
    if (right := _number(scores.get("validation_accuracy"))) is not None:
        remark = "the best epoch was chosen on these items, so it may be a little too high"
        if summary.get("refit"):
            remark += "; measured before the model was trained once more on all items"
        n_items = int(summary.get("validation_items") or 0)
        yield Measured("validation split of the training items", right, n_items, remark, _stored(model, "validation"))
    if (right := _number(scores.get("test_accuracy"))) is not None:
        known = int(scores.get("test_items_trained_on") or 0)
        remark = f"{known:,} of these items were used in training as well" if known else "measured when it was trained"
        n_items = int(scores.get("test_items") or 0)
        yield Measured("test part of the data set", right, n_items, remark, _stored(model, "test"))
    if evaluation is not None:
        remark = evaluation.warning.rstrip(".") or "none of these items was used in training"
        source = re.split(r"[\\/]", evaluation.source.rstrip("\\/"))[-1]  # the folders are nobody's business
        what = f"held-out items of {source}" if source.strip(".") else "held-out items"
        found = evaluation.scores
        of_labels = {}
        if isinstance(evaluation, LabelSetReport):
            of_labels = {name: float(getattr(found, field)) for name, field in _OF_LABELS.items()}
        yield Measured(what, found.accuracy, found.n_items, remark, of_labels)


def _stored(model: FittedModel, part: str) -> dict[str, float]:
    """Return the scores of the labels that a model holds."""
    if not model.several:
        return {}
    found = {name: _number(model.scores.get(f"{part}_{field}")) for name, field in _OF_LABELS.items()}
    return {name: value for name, value in found.items() if value is not None}


def about_scores(model: FittedModel, evaluation: AnyReport | None) -> Iterator[str]:
    """Yield the tables of scores, and what they leave open."""
    known = list(measured(model, evaluation))
    if not known:
        yield "How good the model is was not measured: it was trained without a validation split.\n"
        return
    of_labels = [*_OF_LABELS] if model.several else []
    head = ("measured on", *of_labels, "all labels right" if model.several else "accuracy")
    rows = [
        (
            plain(each.what),
            *(f"{each.of_labels[name]:.4f}" if name in each.of_labels else "not known" for name in of_labels),
            f"{each.right:.4f}",
            _interval(each.right, each.n_items),
            count(each.n_items or None),
            plain(each.remark),
        )
        for each in known
    ]
    yield table((*head, "95 % interval (Wilson)", "items", "remark"), rows)
    if fewest := [each.n_items for each in known if 0 < each.n_items < FEW_ITEMS]:
        yield f"Scores on {min(fewest)} items are coarse: the interval says how much may be luck.\n"
    if evaluation is None:
        yield f"Precision and recall of each {'label' if model.several else 'class'} were not measured.\n"
    elif isinstance(evaluation, LabelSetReport):
        yield _table_of_labels(evaluation)
    else:
        scores = evaluation.scores
        yield f"Balanced accuracy {scores.balanced_accuracy:.4f}, macro F1 {scores.macro_f1:.4f}.\n"
        yield table(
            ("class", "precision", "recall", "F1", "items"),
            [
                (plain(row.name), f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", count(row.support))
                for row in _most_frequent(scores.classes)
            ],
        )


def _table_of_labels(evaluation: LabelSetReport) -> str:
    rows = [
        (
            plain(row.name),
            "not known" if row.average_precision is None else f"{row.average_precision:.3f}",
            f"{row.threshold:.2f}",
            *(f"{each:.3f}" for each in (row.precision, row.recall, row.f1)),
            count(row.support),
        )
        for row in _most_frequent(evaluation.scores.classes)
    ]
    return table(("label", "average precision", "threshold", "precision", "recall", "F1", "items"), rows)


def _most_frequent(rows: Sequence[Any]) -> Sequence[Any]:
    return rows if len(rows) <= MOST_CLASSES else sorted(rows, key=lambda row: -row.support)[:MOST_CLASSES]


def _interval(right: float, n_items: int) -> str:
    if not n_items:
        return "not known"
    hits = min(max(round(right * n_items), 0), n_items)
    low, high = scipy.stats.binomtest(hits, n_items).proportion_ci(method="wilson")
    return f"{low:.4f} to {high:.4f}"


def about_calibration(evaluation: AnyReport | None) -> str:
    """Say how far probabilities can be believed."""
    if evaluation is None:
        return "Not measured: nobody has checked whether a probability of 0.8 is right in 8 of 10 cases.\n"
    several = isinstance(evaluation, LabelSetReport)
    found = evaluation.scores.calibration if isinstance(evaluation, LabelSetReport) else evaluation.calibration
    rows = [
        (f"{confidence:.3f}", f"{accuracy:.3f}", count(n_items))
        for confidence, accuracy, n_items in zip(found.confidence, found.accuracy, found.counts, strict=True)
    ]
    of_what = "of every label of every item" if several else "of the most probable class"
    error = (
        f"Expected calibration error {found.error:.4f}, {of_what}, in ten bins of equal width; "
        f"{found.by_chance:.4f} is to be expected by chance. Without the temperature that was fitted on held-out items "
        f"it would be {evaluation.uncalibrated.error:.4f}.\n"
    )
    counted = "statements" if several else "items"
    return f"{error}\n{table(('mean probability', 'share that was right', counted), rows)}"


def about_baseline(model: FittedModel, evaluation: AnyReport | None) -> str:
    """Say what a classic model reaches."""
    if isinstance(evaluation, LabelSetReport) and (beside := evaluation.baseline) is not None:
        own = evaluation.scores
        return plain(
            f"Mean average precision of {beside.name}, one for each label, {beside.mean_average_precision:.4f}, of the "
            f"network {own.mean_average_precision:.4f}; micro F1 {beside.micro_f1:.4f} and {own.micro_f1:.4f}."
        )
    if isinstance(evaluation, Report) and evaluation.baseline is not None:
        return f"{plain(evaluation.baseline.verdict)}\n"
    stored = model.scores.get("baseline")
    if not stored:
        return "Not measured: no classic model was trained on the same items.\n"
    what = "All labels right by" if model.several else "Accuracy of"
    pair = f"{what} {stored['name']} {stored['accuracy']:.4f}, {'by' if model.several else 'of'} the network"
    told = f"{pair} {stored['network']:.4f}, on the {stored['part']} items. {stored.get('verdict', '')}"
    return f"{plain(told)}\n"


def _number(value: Any) -> float | None:
    """Return a score, or None if there is none."""
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else None


def count(number: Any) -> str:
    """Return a number of items as text."""
    return "not known" if number is None else f"{number:,}"
