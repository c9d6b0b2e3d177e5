"""A report on a model that gives an item several labels: its scores, a baseline beside them, and its mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gridcnn.calibration import Calibration
from gridcnn.certainty import Certainty
from gridcnn.display import counted
from gridcnn.errors import Skipped
from gridcnn.evaluation.baselines import fit_baseline
from gridcnn.evaluation.label_sets import LabelSetScores, evaluate_label_sets, score_label_sets
from gridcnn.evaluation.report import MOST_SHOWN, Answer, about_trained_on, configuration_of, shown_answer
from gridcnn.grid import GridSpec
from gridcnn.inference import predict
from gridcnn.model import EpochRecord, FittedModel
from gridcnn.multilabel import given_labels, joined

__all__ = ["BaselineScores", "LabelSetReport", "baseline_scores", "make_label_set_report"]


class BaselineScores(NamedTuple):
    """What one classic model for each label reaches on the same items; the scores are those of `LabelSetScores`."""

    name: str
    mean_average_precision: float
    micro_f1: float
    macro_f1: float
    accuracy: float


@dataclass(frozen=True)
class LabelSetReport:
    """Scores of a model on items with several labels, and the items behind them.

    Parameters
    ----------
    model, source : str
        Names of the model and of the items.
    scores : LabelSetScores
        Of the model.
    uncalibrated : Calibration
        Of its probabilities at a temperature of 1, as the network was trained.
    mistakes : list of Answer
        Items whose labels are not all right, those first in which a probability is farthest off.
    n_mistakes : int
        All such items.
    baseline : BaselineScores or None
        None if no training items were given.
    history, best_epoch, skipped, n_trained_on, spec, training, configuration
        As in `Report`.
    """

    model: str
    source: str
    scores: LabelSetScores
    uncalibrated: Calibration
    mistakes: list[Answer]
    n_mistakes: int
    baseline: BaselineScores | None
    history: list[EpochRecord]
    best_epoch: int
    skipped: list[Skipped]
    n_trained_on: int
    spec: GridSpec
    training: dict[str, Any]
    configuration: dict[str, dict[str, Any]]

    @property
    def warning(self) -> str:
        """How many of the scored items the model was trained on; empty if there are none."""
        if not self.n_trained_on:
            return ""
        return f"{about_trained_on(self.n_trained_on, self.scores.n_items)}."

    def __str__(self) -> str:
        scores = self.scores
        lines = [
            *([f"warning: {self.warning}"] if self.warning else []),
            f"mean average precision  {scores.mean_average_precision:.4f} on {counted(scores.n_items, 'item')}",
            f"micro F1                {scores.micro_f1:.4f}",
            f"macro F1                {scores.macro_f1:.4f}",
            f"all labels right        {scores.accuracy:.4f}",
        ]
        if (beside := self.baseline) is not None:
            lines.append(
                f"baseline                {beside.name}, one for each label: mean average precision "
                f"{beside.mean_average_precision:.4f}, micro F1 {beside.micro_f1:.4f}, macro F1 {beside.macro_f1:.4f}, "
                f"all labels right {beside.accuracy:.4f}"
            )
        return "\n".join(lines)


def make_label_set_report(
    model: FittedModel,
    items: Any,
    labels: Any,
    *,
    train: tuple[Any, Any] | None = None,
    name: str = "",
    source: str = "",
    skipped: Sequence[Skipped] = (),
    names: Sequence[str] | None = None,
) -> LabelSetReport:
    """Score a model with several labels an item; the parameters are those of `make_report`.

    Raises
    ------
    DataError
        If no item has a label that the model knows.
    """
    assert model.thresholds is not None  # for the type checker
    scored = score_label_sets(model, items, labels, names)
    checked = model.adapter.check_items(items)
    good = np.flatnonzero(scored.good).tolist()
    readable = [checked[at] for at in good]
    given = scored.probabilities >= model.thresholds
    wrong = np.flatnonzero((given != scored.truth).any(axis=1))
    off = np.abs(scored.truth - scored.probabilities)
    clearest = wrong[np.argsort(-(off * (given != scored.truth)).max(axis=1)[wrong], kind="stable")][:MOST_SHOWN]
    named = given_labels(scored.probabilities, model.thresholds, model.classes)
    known = model.classes.tolist()

    def answer(at: int) -> Answer:
        truth = [label for label, has in zip(known, scored.truth[at], strict=True) if has]
        said, is_ = (joined(each, known) or "no label" for each in (named[at], truth))
        return shown_answer(model, readable[at], is_, said, None, None if names is None else names[good[at]])

    plain = predict(replace(model, certainty=Certainty()), readable).probabilities
    uncalibrated = evaluate_label_sets(scored.truth, plain, model.thresholds, model.class_names).calibration
    beside = None
    if train is not None:
        beside = baseline_scores(model, train, readable, scored.truth)
    return LabelSetReport(
        model=name,
        source=source,
        scores=scored.scores,
        uncalibrated=uncalibrated,
        mistakes=[answer(at) for at in clearest.tolist()],
        n_mistakes=len(wrong),
        baseline=beside,
        history=list(model.history),
        best_epoch=model.best_epoch,
        skipped=[*skipped, *scored.unreadable],
        n_trained_on=scored.n_trained_on,
        spec=model.adapter.spec_,
        training={**model.summary, **model.scores},
        configuration=configuration_of(model),
    )


def baseline_scores(
    model: FittedModel, train: tuple[Any, Any], items: Sequence[Any], truth: np.ndarray
) -> BaselineScores:
    """Fit one classic model for each label, and score them on readable items with the labels `truth`."""
    fitted = fit_baseline(model.adapter, model.adapter.check_items(train[0]), train[1], classes=model.classes)
    ranked, given = fitted.label_sets(items)
    scores = evaluate_label_sets(truth, ranked, np.full(truth.shape[1], 0.5), model.class_names)
    named = evaluate_label_sets(truth, given.astype(float), np.full(truth.shape[1], 0.5), model.class_names)
    return BaselineScores(fitted.name, scores.mean_average_precision, named.micro_f1, named.macro_f1, named.accuracy)
