"""How good the answers are if an item may have several labels: average precision, F1, and a row for each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from gridcnn.calibration import Calibration, calibrate
from gridcnn.errors import DataError, Skipped
from gridcnn.inference import predict
from gridcnn.model import FittedModel
from gridcnn.pipeline.label_sets import with_classes

__all__ = ["LabelScore", "LabelSetScores", "ScoredLabelSets", "evaluate_label_sets", "score_label_sets"]


class LabelScore(NamedTuple):
    """One row of the table of labels.

    `threshold` is the probability from which the label is given. Precision, recall and F1 lie in [0, 1] and are those
    of the threshold; `average_precision` needs none, and is None if no item has the label. `support` counts them.
    """

    name: str
    threshold: float
    average_precision: float | None
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class LabelSetScores:
    """Scores of label sets; shares lie in [0, 1].

    Parameters
    ----------
    n_items : int
        Items that were scored.
    mean_average_precision : float
        Mean of the average precisions of the labels that occur (macro average).
    micro_f1, macro_f1 : float
        F1 over all labels of all items, and the mean over the labels that occur or were given.
    accuracy : float
        Share of the items whose labels are all right, and no other is given (subset accuracy).
    labels_an_item : (float, float)
        Mean number of labels that items have, and that they are given.
    classes : list of LabelScore
        One row for each label of the model, in its order.
    calibration : Calibration
        Of the probabilities of all labels of all items.
    unseen : dict of str to int
        Labels that the model does not know, with the number of items that have them; they count for nothing.
    missing : list of str
        Labels of the model that no item has.
    """

    n_items: int
    mean_average_precision: float
    micro_f1: float
    macro_f1: float
    accuracy: float
    labels_an_item: tuple[float, float]
    classes: list[LabelScore]
    calibration: Calibration
    unseen: dict[str, int]
    missing: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready values."""
        return {**asdict(self), "classes": [row._asdict() for row in self.classes]}


class ScoredLabelSets(NamedTuple):
    """Scores of a model, the items that could not be read, how many of the others it was trained on, and its answers.

    `good` tells which items were scored, bool `(n_items,)`; `truth` and `probabilities` `(n, n_classes)` are theirs.
    """

    scores: LabelSetScores
    unreadable: list[Skipped]
    n_trained_on: int
    good: np.ndarray
    truth: np.ndarray
    probabilities: np.ndarray


def evaluate_label_sets(
    truth: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    names: Sequence[str],
    unseen: dict[str, int] | None = None,
) -> LabelSetScores:
    """Score probabilities and what their thresholds make of them against the labels of items.

    Parameters
    ----------
    truth, probabilities : ndarray of shape (n, n_classes)
        Zeros and ones; probabilities.
    thresholds : ndarray of shape (n_classes,)
        The probability from which each label is given.
    names : sequence of str
        The labels.
    unseen : dict of str to int, optional
        How often other labels occur.

    Raises
    ------
    DataError
        If there is no item, or none has a label that the model knows.

    Examples
    --------
    >>> truth, probabilities = np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.6], [0.8, 0.7]])
    >>> scores = evaluate_label_sets(truth, probabilities, np.array([0.5, 0.5]), ["a", "b"])
    >>> scores.mean_average_precision, scores.accuracy, round(scores.micro_f1, 3)
    (1.0, 0.5, 0.857)
    """
    if not truth.any():
        raise DataError(
            f"no item has a label that the model knows ({', '.join(names[:10])}); the labels here are "
            f"{', '.join(list(unseen or {})[:10]) or 'none'}: check the column of labels"
        )
    given = (probabilities >= thresholds).astype(np.uint8)
    columns = precision_recall_fscore_support(truth, given, zero_division=0.0)
    precisions = [
        float(average_precision_score(truth[:, at], probabilities[:, at])) if truth[:, at].any() else None
        for at in range(len(names))
    ]
    rows = [
        LabelScore(name, float(threshold), ranked, float(precision), float(recall), float(f1), int(support))
        for name, threshold, ranked, precision, recall, f1, support in zip(
            names, thresholds, precisions, *columns, strict=True
        )
    ]
    return LabelSetScores(
        n_items=len(truth),
        mean_average_precision=float(np.mean([each for each in precisions if each is not None])),
        micro_f1=float(f1_score(truth, given, average="micro", zero_division=0.0)),
        macro_f1=float(np.mean([row.f1 for at, row in enumerate(rows) if row.support or given[:, at].any()])),
        accuracy=float((given == truth).all(axis=1).mean()),
        labels_an_item=(float(truth.sum(axis=1).mean()), float(given.sum(axis=1).mean())),
        classes=rows,
        calibration=calibrate(truth.ravel() > 0, probabilities.ravel()),
        unseen=unseen or {},
        missing=[row.name for row in rows if not row.support],
    )


def score_label_sets(
    model: FittedModel, items: Any, labels: Any, names: Sequence[str] | None = None
) -> ScoredLabelSets:
    """Score a model with several labels on the items that can be read.

    Parameters
    ----------
    model : FittedModel
        With thresholds.
    items : sequence of raw items
        As its adapter reads them.
    labels : array-like
        Their label sets, as `fit` takes them.
    names : sequence of str, optional
        What unreadable items are called; the default is what predictions call them.

    Raises
    ------
    DataError
        If no item has a label that the model knows.
    """
    assert model.thresholds is not None  # for the type checker
    truth, unseen = with_classes(labels, model.classes)
    answers = predict(model, items, fingerprints=True)
    good = answers.good
    unreadable = [Skipped(name, why) for name, why in zip(names or answers.items, answers.errors, strict=True) if why]
    truth, probabilities = truth[good], answers.probabilities[good]
    scores = evaluate_label_sets(truth, probabilities, model.thresholds, model.class_names, unseen)
    assert answers.fingerprints is not None  # for the type checker: they were asked for
    return ScoredLabelSets(
        scores, unreadable, int(model.trained_on(answers.fingerprints[good]).sum()), good, truth, probabilities
    )
