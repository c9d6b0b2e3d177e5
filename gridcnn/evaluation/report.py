"""How good a model is on items it has not seen: scores with their uncertainty, and the items behind them to look at.

`make_report` computes, `Report.to_html` draws one self-contained page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from gridcnn.errors import DataError, ItemError, Skipped
from gridcnn.estimator import GridClassifier
from gridcnn.evaluation.baselines import Comparison, compare, fit_baseline
from gridcnn.evaluation.metrics import Evaluation, evaluate
from gridcnn.render.html import render
from gridcnn.render.preview import Exhibit, exhibit
from gridcnn.training.loop import EpochRecord

__all__ = ["Answer", "Calibration", "Report", "calibrate", "make_report"]

MOST_SHOWN = 12
"""Mistakes, and hits, that are shown."""

MOST_CLASSES = 30
"""Up to this many classes the confusion matrix is drawn whole; beyond, the pairs that are confused most."""


@dataclass(frozen=True)
class Calibration:
    """Whether a stated confidence of 80 % is right in 80 % of the cases.

    Parameters
    ----------
    confidence, accuracy : list of float
        Mean confidence and share of hits in each bin that has items, in [0, 1].
    counts : list of int
        Items in each of these bins.
    error : float
        Expected calibration error: mean distance of the two, weighted by the items, in [0, 1].

    Source: Guo et al. 2017, "On calibration of modern neural networks", equation 3.
    """

    confidence: list[float]
    accuracy: list[float]
    counts: list[int]
    error: float


class Answer(NamedTuple):
    """One answer of the model; `confidence` is the probability of `prediction`, `exhibit` what a page shows."""

    truth: str
    prediction: str
    confidence: float
    exhibit: Exhibit


@dataclass(frozen=True)
class Report:
    """Scores of a model on held-out items, and what explains them.

    Parameters
    ----------
    model, source : str
        What the model and the held-out items are called.
    scores : Evaluation
        Accuracy, balanced accuracy, macro F1, a row for each class, the confusion matrix.
    interval : (float, float)
        95 % interval of the accuracy (Wilson).
    calibration : Calibration
        Of the most probable class.
    mistakes : list of Answer
        The most confident wrong answers, most confident first.
    hits : list of Answer
        The least confident right answers, least confident first.
    n_mistakes : int
        All wrong answers.
    baseline : Comparison or None
        The classic baseline on the same items, where training items were given.
    history : list of EpochRecord
        The epochs of the training.
    best_epoch : int
        Epoch whose weights were kept.
    skipped : list of Skipped
        Held-out items that could not be read.
    training : dict
        What the model was trained on, with which versions, and the scores that were known then.
    configuration : dict
        Adapter, grid, network and training.
    """

    model: str
    source: str
    scores: Evaluation
    interval: tuple[float, float]
    calibration: Calibration
    mistakes: list[Answer]
    hits: list[Answer]
    n_mistakes: int
    baseline: Comparison | None
    history: list[EpochRecord]
    best_epoch: int
    skipped: list[Skipped]
    training: dict[str, Any]
    configuration: dict[str, dict[str, Any]]

    def to_html(self) -> str:
        """Return one page that needs nothing else: no network, no script."""
        return render("report.html", report=self, confusion=_confusion(self.scores), curves=_curves(self.history))

    def __str__(self) -> str:
        low, high = self.interval
        lines = [
            f"accuracy           {self.scores.accuracy:.4f} on {self.scores.n_items} items "
            f"(95 % interval {low:.4f} to {high:.4f})",
            f"balanced accuracy  {self.scores.balanced_accuracy:.4f}",
            f"macro F1           {self.scores.macro_f1:.4f}",
            f"calibration error  {self.calibration.error:.4f}",
        ]
        if self.baseline is not None:
            lines += [f"baseline           {self.baseline.baseline:.4f} {self.baseline.name}", self.baseline.verdict]
        return "\n".join(lines)


def make_report(
    classifier: GridClassifier,
    items: Any,
    labels: Any,
    *,
    train: tuple[Any, Any] | None = None,
    model: str = "",
    source: str = "",
    skipped: Sequence[Skipped] = (),
) -> Report:
    """Score a trained classifier on held-out items.

    Parameters
    ----------
    classifier : GridClassifier
        A fitted classifier.
    items, labels : sequence of n raw items, array-like of shape (n,)
        What it has not seen.
    train : (items, labels), optional
        What it was trained on, to fit the classic baseline of the modality beside it.
    model, source : str
        What the page calls the model and the items.
    skipped : sequence of Skipped
        Items that could not even be listed.

    Raises
    ------
    DataError
        If no item can be read, or none is of a class that the model knows.

    Examples
    --------
    >>> from gridcnn import datasets
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(200))
    >>> classifier = GridClassifier(adapter=ImageAdapter(), epochs=2).fit(digits.items[:150], digits.labels[:150])
    >>> report = make_report(classifier, digits.items[150:], digits.labels[150:])
    >>> report.scores.n_items
    50
    """
    rows = classifier.predict_frame(items)
    errors = rows.iloc[:, -1].to_numpy()  # by place: a class may be called "error"
    good = np.flatnonzero(errors == "")
    if not len(good):
        raise DataError(f"none of the {len(rows)} held-out items can be read; the first: {errors[0]}")
    unreadable = [Skipped(str(rows.iat[at, 0]), str(errors[at])) for at in np.flatnonzero(errors != "").tolist()]
    names = [str(name) for name in classifier.classes_]
    truth = np.asarray(labels).astype(str)[good]
    prediction = rows.iloc[:, 1].to_numpy()[good].astype(str)
    scores = evaluate(truth, prediction, names)
    known = np.isin(truth, names)
    good, truth, prediction = good[known], truth[known], prediction[known]
    confidence = rows.iloc[:, 2:-1].to_numpy(dtype=np.float64)[good].max(axis=1)
    hit = truth == prediction
    interval = scipy.stats.binomtest(int(hit.sum()), len(hit)).proportion_ci(method="wilson")
    checked = classifier.adapter_.check_items(items)

    def answers(positions: np.ndarray) -> list[Answer]:
        return [
            Answer(truth[at], prediction[at], float(confidence[at]), _exhibit(classifier, checked[good[at]]))
            for at in positions[:MOST_SHOWN].tolist()
        ]

    by_confidence = np.argsort(-confidence, kind="stable")
    baseline = None
    if train is not None:
        fitted = fit_baseline(classifier.adapter_, classifier.adapter_.check_items(train[0]), train[1])
        baseline = compare(fitted.name, truth, fitted.predict([checked[index] for index in good.tolist()]), prediction)
    return Report(
        model=model,
        source=source,
        scores=scores,
        interval=(float(interval.low), float(interval.high)),
        calibration=calibrate(hit, confidence),
        mistakes=answers(by_confidence[~hit[by_confidence]]),
        hits=answers(by_confidence[hit[by_confidence]][::-1]),
        n_mistakes=int((~hit).sum()),
        baseline=baseline,
        history=classifier.history_,
        best_epoch=classifier.best_epoch_,
        skipped=[*skipped, *unreadable],
        training={**classifier.summary_, **classifier.scores_},
        configuration=_configuration(classifier),
    )


def calibrate(hit: np.ndarray, confidence: np.ndarray, n_bins: int = 10) -> Calibration:
    """Compare confidence with accuracy in bins of equal width.

    >>> round(calibrate(np.array([True, True, False, True]), np.array([0.9, 0.9, 0.7, 0.7])).error, 2)
    0.15
    """
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    filled = counts > 0
    mean = np.bincount(bins, weights=confidence, minlength=n_bins)[filled] / counts[filled]
    share = np.bincount(bins, weights=hit, minlength=n_bins)[filled] / counts[filled]
    error = float(np.abs(mean - share) @ counts[filled] / len(hit))
    return Calibration(mean.tolist(), share.tolist(), counts[filled].tolist(), error)


def _exhibit(classifier: GridClassifier, item: Any) -> Exhibit:
    try:
        return exhibit(classifier.adapter_, item)
    except ItemError as error:  # it could be read a moment ago
        return Exhibit(str(error.item), note=error.reason)


def _confusion(scores: Evaluation) -> dict[str, Any]:
    """Return the whole matrix with the share of each cell in its row, or the pairs that are confused most."""
    counts = np.array(scores.confusion)
    names = [row.name for row in scores.classes]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    pairs = [
        {"truth": names[row], "prediction": names[column], "count": int(wrong[row, column])}
        for row, column in (divmod(int(at), len(counts)) for at in np.argsort(-wrong, axis=None, kind="stable")[:10])
        if wrong[row, column]
    ]
    return {"whole": len(names) <= MOST_CLASSES, "names": names, "share": share.tolist(), "pairs": pairs}


def _configuration(classifier: GridClassifier) -> dict[str, dict[str, Any]]:
    adapter, network = classifier.adapter_, classifier.network_.backbone
    state = adapter.state()
    given = {name: value for name, value in adapter.get_params().items() if value is not None}
    learned = {  # a vocabulary is counted, not listed
        name.rstrip("_"): f"{len(value):,}" if isinstance(value, list) and len(value) > 20 else value
        for name, value in state.items()
    }
    summary: dict[str, Any] = classifier.summary_
    training = asdict(classifier._configuration(summary["training_items"], summary.get("time", {}).get("chosen"))[1])
    augment = {name: value for name, value in training.pop("augment").items() if value}
    chosen = {name: getattr(classifier, name) for name in ("class_weight", "validation_fraction", "random_state")}
    return {
        "Input": {"adapter": type(adapter).__name__, "grid": str(adapter.spec_), **given, **learned},
        "Network": {**asdict(network.config), "learned weights": f"{classifier.n_parameters_:,}"},
        "Training": {**training, **chosen, "augmentation": augment},
    }


def _curves(history: list[EpochRecord]) -> list[dict[str, Any]]:
    """Return what the learning curves show: lines, their ends' heights and the range of each chart."""
    charts = []
    for title, name, form in (("Loss", "loss", "%.2f"), ("Accuracy", "accuracy", "%.2f")):
        series: list[dict[str, Any]] = [
            {"name": label, "colour": colour, "values": [getattr(record, field) for record in history]}
            for label, colour, field in (("training", "two", name), ("validation", "one", f"validation_{name}"))
        ]
        series = [line for line in series if np.isfinite(line["values"]).all() and line["values"]]
        if not series:
            continue
        low, high = min(min(line["values"]) for line in series), max(max(line["values"]) for line in series)
        ends = [1 - (line["values"][-1] - low) / ((high - low) or 1.0) for line in series]
        if len(ends) == 2 and abs(ends[0] - ends[1]) < 0.08:  # labels need room
            middle, up = sum(ends) / 2, np.sign(ends[0] - ends[1]) or 1.0
            ends = [middle + 0.04 * up, middle - 0.04 * up]
        series = [{**line, "label_at": float(end)} for line, end in zip(series, ends, strict=True)]
        charts.append({"title": title, "series": series, "low": low, "high": high, "format": form})
    return charts
