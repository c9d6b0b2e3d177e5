"""Whether what a model states holds on labelled items: probabilities, sets of classes, and that it is unsure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.stats

from gridcnn.answer_rule import UNSURE
from gridcnn.calibration import Calibration, calibrate
from gridcnn.predictions import Predictions

__all__ = ["Abstained", "Covered", "Trust", "measure_trust"]


@dataclass(frozen=True)
class Covered:
    """Sets beside the true classes: all shares lie in [0, 1].

    `share` of the sets hold the true class, with its 95 % `interval` (Clopper–Pearson); `mean_size` counts the classes
    in a set, and `empty` is the share of the sets that hold none.
    """

    share: float
    interval: tuple[float, float]
    mean_size: float
    empty: float


@dataclass(frozen=True)
class Abstained:
    """What came of being unsure: the share of items that got an answer, and of these the share that was right.

    `accuracy` is None if none was answered.
    """

    answered: float
    accuracy: float | None


@dataclass(frozen=True)
class Trust:
    """How far the statements of a model held.

    Parameters
    ----------
    calibration : Calibration
        Of the most probable class.
    covered : Covered or None
        None if there were no sets.
    abstained : Abstained
        All are answered unless the rule of the answers says otherwise.
    """

    calibration: Calibration
    covered: Covered | None
    abstained: Abstained

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)


def measure_trust(answers: Predictions, truth: np.ndarray) -> Trust | None:
    """Compare the answers for items with their labels.

    Parameters
    ----------
    answers : Predictions
        Made by the rule that is to be judged.
    truth : ndarray of shape (n,)
        Labels, compared by their string form; items of classes that the model does not know do not count.

    Returns
    -------
    Trust or None
        None if no item counts.
    """
    names = answers.classes.astype(str)
    known = answers.good & np.isin(truth.astype(str), names)
    if not known.any():
        return None
    probabilities, true = answers.probabilities[known], truth[known].astype(str)
    hit = names[probabilities.argmax(axis=1)] == true
    given = answers.labels[known] != UNSURE
    return Trust(
        calibrate(hit, probabilities.max(axis=1)),
        None if answers.sets is None else _covered(answers.sets[known], true),
        Abstained(float(given.mean()), float(hit[given].mean()) if given.any() else None),
    )


def _covered(sets: np.ndarray, true: np.ndarray) -> Covered:
    held = [label in map(str, each) for each, label in zip(sets, true, strict=True)]
    sizes = np.array([len(each) for each in sets])
    interval = scipy.stats.binomtest(sum(held), len(held)).proportion_ci(method="exact")
    return Covered(
        float(np.mean(held)),
        (float(interval.low), float(interval.high)),
        float(sizes.mean()),
        float((sizes == 0).mean()),
    )
