"""A report: scores of a model with their uncertainty, calibration, and the items behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from gridcnn.adapters.records import Preview
from gridcnn.calibration import Calibration, calibrate
from gridcnn.certainty import Certainty
from gridcnn.display import agreeing, as_text, counted, none_can
from gridcnn.errors import DataError, ItemError, Skipped
from gridcnn.evaluation.baselines import fit_baseline
from gridcnn.evaluation.comparison import Comparison, compare
from gridcnn.evaluation.item_map import ItemMap, make_map
from gridcnn.evaluation.metrics import Evaluation, evaluate
from gridcnn.evaluation.seen import seen
from gridcnn.grid import GridSpec
from gridcnn.inference import predict
from gridcnn.model import EpochRecord, FittedModel, fitted_model

__all__ = ["MOST_SHOWN", "Answer", "Report", "about_trained_on", "configuration_of", "make_report", "shown_answer"]

MOST_SHOWN = 12
"""Largest number of mistakes, and of hits, that are shown."""


class Answer(NamedTuple):
    """One answer of the model.

    `confidence` is the probability of `prediction`, in [0, 1]; None if that is a set of labels. `preview` shows the
    item; if it has neither pixels nor text, `grid` `(channels, *sizes)` is the first window as the network sees it.
    `name` is what a part of a longer item is called; empty if the item itself says so.
    """

    truth: str
    prediction: str
    confidence: float | None
    item: Any
    preview: Preview
    grid: np.ndarray | None = None
    name: str = ""


@dataclass(frozen=True)
class Report:
    """Scores of a model on labelled items, and the items that explain them.

    Parameters
    ----------
    model, source : str
        Names of the model and of the items.
    scores : Evaluation
        Accuracy, balanced accuracy, macro F1, a row for each class, the confusion matrix.
    interval : (float, float)
        95 % interval of the accuracy (Wilson).
    calibration : Calibration
        Of the most probable class.
    uncalibrated : Calibration
        The same at a temperature of 1, as the network was trained.
    mistakes : list of Answer
        The most confident wrong answers, most confident first.
    hits : list of Answer
        The least confident right answers, least confident first.
    n_mistakes : int
        All wrong answers.
    baseline : Comparison or None
        The classic baseline on the same items; None if no training items were given.
    history : list of EpochRecord
        The epochs of the training.
    best_epoch : int
        Epoch whose weights were kept.
    skipped : list of Skipped
        Items that could not be read.
    n_trained_on : int
        Number of the scored items that the model was trained on, by their content.
    accuracy_on_others : float or None
        Accuracy on the items that it was not trained on; None if all or none of them were.
    spec : GridSpec
        The grids of the model.
    training : dict
        Counts of the training items, versions, and the scores that were known then.
    configuration : dict
        Adapter, grid, network and training.
    item_map : ItemMap or None
        The items in a plane; None if there are fewer than three.
    """

    model: str
    source: str
    scores: Evaluation
    interval: tuple[float, float]
    calibration: Calibration
    uncalibrated: Calibration
    mistakes: list[Answer]
    hits: list[Answer]
    n_mistakes: int
    baseline: Comparison | None
    history: list[EpochRecord]
    best_epoch: int
    skipped: list[Skipped]
    n_trained_on: int
    accuracy_on_others: float | None
    spec: GridSpec
    training: dict[str, Any]
    configuration: dict[str, dict[str, Any]]
    item_map: ItemMap | None = None

    @property
    def warning(self) -> str:
        """How many of the scored items the model was trained on, and what that means; empty if there are none."""
        if not self.n_trained_on:
            return ""
        n_others = self.scores.n_items - self.n_trained_on
        sentence = about_trained_on(self.n_trained_on, self.scores.n_items)
        if self.n_trained_on > n_others:
            sentence += ", so these scores say little about new items"
        if self.accuracy_on_others is not None:
            sentence += f"; accuracy on the other {n_others}: {self.accuracy_on_others:.4f}"
        return f"{sentence}."

    def _repr_html_(self) -> str:
        """Show the scores in a notebook."""
        return as_text(str(self)) + self.scores.table()

    def __str__(self) -> str:
        low, high = self.interval
        lines = [
            *([f"warning: {self.warning}"] if self.warning else []),
            f"accuracy           {self.scores.accuracy:.4f} on {counted(self.scores.n_items, 'item')} "
            f"(95 % interval {low:.4f} to {high:.4f})",
            f"balanced accuracy  {self.scores.balanced_accuracy:.4f}",
            f"macro F1           {self.scores.macro_f1:.4f}",
            f"calibration error  {self.calibration.error:.4f} (by chance {self.calibration.by_chance:.4f}; "
            f"{self.uncalibrated.error:.4f} without its temperature)",
        ]
        if self.baseline is not None:
            lines += [f"baseline           {self.baseline.baseline:.4f} {self.baseline.name}", self.baseline.verdict]
        return "\n".join(lines)


def about_trained_on(n_trained_on: int, n_items: int) -> str:
    """Say how many of the scored items a model was trained on."""
    used = agreeing(n_trained_on, "was", "were")
    return f"{n_trained_on} of the {counted(n_items, 'item')} {used} used in training (by their content)"


def make_report(
    model: Any,
    items: Any,
    labels: Any,
    *,
    train: tuple[Any, Any] | None = None,
    name: str = "",
    source: str = "",
    skipped: Sequence[Skipped] = (),
    names: Sequence[str] | None = None,
) -> Report:
    """Score a trained model on labelled items.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    items, labels : sequence of n raw items, array-like of shape (n,)
        Items to score, which the model should not have seen.
    train : (items, labels), optional
        The training items, to fit the classic baseline of the modality beside the model.
    name, source : str
        Names of the model and of the items.
    skipped : sequence of Skipped
        Items that could not even be listed.
    names : sequence of n str, optional
        What the items are called; the default is `Predictions.items`.

    Raises
    ------
    DataError
        If no item can be read, or none is of a class that the model knows.

    Examples
    --------
    >>> from gridcnn import datasets, fit
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(200))
    >>> model = fit(ImageAdapter(), digits.items[:150], digits.labels[:150], {"epochs": 2})
    >>> report = make_report(model, digits.items[150:], digits.labels[150:])
    >>> report.scores.n_items, report.n_trained_on
    (50, 0)
    """
    model = fitted_model(model)
    answers = predict(model, items, fingerprints=True)
    good = np.flatnonzero(answers.good)
    if not len(good):
        raise DataError(f"{none_can(len(answers), 'item')} be read; the first: {answers.errors[0]}")
    called = list(answers.items if names is None else names)
    unreadable = [Skipped(item, why) for item, why in zip(called, answers.errors, strict=True) if why]
    truth = np.asarray(labels).astype(str)[good]
    prediction = answers.most_probable[good].astype(str)
    scores = evaluate(truth, prediction, model.class_names)
    known = np.isin(truth, model.class_names)
    good, truth, prediction = good[known], truth[known], prediction[known]
    confidence = answers.probabilities[good].max(axis=1)
    hit = truth == prediction
    assert answers.fingerprints is not None  # for the type checker: they were asked for
    trained_on = model.trained_on(answers.fingerprints[good])
    mixed = 0 < trained_on.sum() < len(good)
    interval = scipy.stats.binomtest(int(hit.sum()), len(hit)).proportion_ci(method="wilson")
    checked = model.adapter.check_items(items)

    def shown(positions: np.ndarray) -> list[Answer]:
        return [
            shown_answer(
                model,
                checked[good[at]],
                truth[at],
                prediction[at],
                float(confidence[at]),
                None if names is None else names[good[at]],
            )
            for at in positions[:MOST_SHOWN].tolist()
        ]

    by_confidence = np.argsort(-confidence, kind="stable")
    baseline = None
    if train is not None:
        fitted = fit_baseline(model.adapter, model.adapter.check_items(train[0]), train[1])
        baseline = compare(fitted.name, truth, fitted.predict([checked[index] for index in good.tolist()]), prediction)
    return Report(
        model=name,
        source=source,
        scores=scores,
        interval=(float(interval.low), float(interval.high)),
        calibration=calibrate(hit, confidence),
        uncalibrated=_uncalibrated(model, [checked[at] for at in good.tolist()], truth),
        mistakes=shown(by_confidence[~hit[by_confidence]]),
        hits=shown(by_confidence[hit[by_confidence]][::-1]),
        n_mistakes=int((~hit).sum()),
        baseline=baseline,
        history=list(model.history),
        best_epoch=model.best_epoch,
        skipped=[*skipped, *unreadable],
        n_trained_on=int(trained_on.sum()),
        accuracy_on_others=float(hit[~trained_on].mean()) if mixed else None,
        spec=model.adapter.spec_,
        training={**model.summary, **model.scores},
        configuration=configuration_of(model),
        item_map=make_map(
            model,
            [checked[at] for at in good.tolist()],
            [called[at] for at in good.tolist()],
            truth,
            prediction,
        ),
    )


def _uncalibrated(model: FittedModel, items: Sequence[Any], truth: np.ndarray) -> Calibration:
    """Return the calibration of a model at a temperature of 1 on readable items of known classes."""
    answers = predict(replace(model, certainty=Certainty()), items)
    return calibrate(answers.most_probable.astype(str) == truth, answers.probabilities.max(axis=1))


def shown_answer(
    model: FittedModel, item: Any, truth: str, prediction: str, confidence: float | None, name: str | None = None
) -> Answer:
    """Return an answer with a preview of its item, or with its grid."""
    try:
        preview, grid = seen(model, item)
    except ItemError as error:  # it could be read a moment ago
        preview, grid = Preview(note=error.reason), None
    return Answer(truth, prediction, confidence, item, preview, grid, name or "")


def configuration_of(model: FittedModel) -> dict[str, dict[str, Any]]:
    """Return adapter, grid, network and training, as a report shows them."""
    adapter, network = model.adapter, model.network.backbone
    given = {name: value for name, value in adapter.get_params().items() if value is not None}
    weights = "weights" if model.recipe.get("solved") else "learned weights"  # of which those of the votes are learned
    learned = {  # a vocabulary is counted, not listed; what was surveyed is said by the remarks
        name.rstrip("_"): f"{len(value):,}" if isinstance(value, list) and len(value) > 20 else value
        for name, value in adapter.state().items()
        if not isinstance(value, dict) and name != "remarks_"
    }
    if remarks := adapter.remarks():
        learned["remarks"] = " ".join(remarks)
    training = dict(model.recipe)
    augment = {name: value for name, value in dict(training.pop("augment", {})).items() if value}
    return {
        "Input": {"adapter": type(adapter).__name__, "grid": str(adapter.spec_), **given, **learned},
        "Network": {**asdict(network.config), weights: f"{model.n_parameters:,}"},
        "Training": {**training, "augmentation": augment},
    }
