"""Certainty: what held-out items told about a model, by which its probabilities and refusals to guess can be trusted.

Of each held-out item it keeps how far the model was from its true class and from being certain. From that follow the
confidence below which an answer had better be “unsure”, and sets of classes that hold the true one as often as asked
(split conformal prediction). Both hold for new items that come from where the held-out ones came from.

References
----------
Vovk et al. 2005, "Algorithmic learning in a random world", for conformal sets, also by class (Mondrian); Sadinle et al.
2019, "Least ambiguous set-valued classifiers with bounded error levels", for the score; Jin and Candès 2023, "Selection
by prediction with conformal p-values", for counting one error more than was seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gridcnn.calibration import HIGHEST, LOWEST
from gridcnn.errors import ConfigurationError

__all__ = ["MOST_KEPT", "Certainty", "Quality"]

MOST_KEPT = 5_000
"""Held-out items whose scores are kept; of more, a random part."""

MOST_ITEMS = 2**53
"""Held-out items, at most: what JSON can count."""

DIGITS = 6
"""Digits of a score that are kept."""

SLACK = 1e-9
"""What a share that is given as a decimal number may be off, so that 0.9 of 10 items are 9."""

SAME = 1e-5
"""What the probabilities of one item differ by at most, from one way of computing them to another.

Of items of which many are equal, such as rows of a few categories, whole heaps stand exactly at a level.
"""


class Quality(NamedTuple):
    """How good the probabilities of the held-out items were.

    `loss` is their mean negative log-likelihood, in nats; `error` the expected calibration error, in [0, 1].
    """

    loss: float
    error: float


@dataclass(frozen=True, eq=False)
class Certainty:
    """What was learned on held-out items.

    Parameters
    ----------
    temperature : float
        What logits are divided by before softmax, see `gridcnn.calibration`; 1 if there were no held-out items.
    n_items : int
        Number of held-out items.
    before, after : Quality or None
        Of their probabilities with the temperature 1, and with that above; None if there were none.
    target : ndarray of shape (n_kept,), int
        Index of the true class of the items whose scores are kept, at most `MOST_KEPT`; none with several labels.
    miss : ndarray of shape (n_kept,), float64
        1 less the probability of the true class, with the temperature.
    doubt : ndarray of shape (n_kept,), float64
        1 less the probability of the most probable class.
    guess : ndarray of shape (n_kept,), int
        Index of the most probable class; empty in models that were saved without.
    """

    temperature: float = 1.0
    n_items: int = 0
    before: Quality | None = None
    after: Quality | None = None
    target: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    miss: np.ndarray = field(default_factory=lambda: np.empty(0))
    doubt: np.ndarray = field(default_factory=lambda: np.empty(0))
    guess: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))

    def __post_init__(self) -> None:
        if not LOWEST <= self.temperature <= HIGHEST:  # beyond, all answers are certain, or none
            raise ConfigurationError(f"temperature must lie in [{LOWEST}, {HIGHEST}], got {self.temperature!r}")
        if not 0 <= self.n_items <= MOST_ITEMS:
            raise ConfigurationError(f"n_items must lie in [0, {MOST_ITEMS:,}]")
        kept = min(self.n_items, MOST_KEPT)
        if not len(self.target) == len(self.miss) == len(self.doubt) or len(self.target) not in (kept, 0):
            raise ConfigurationError(
                f"target, miss and doubt must hold {kept:,} scores, got {len(self.target)}, {len(self.miss)} and "
                f"{len(self.doubt)}"
            )
        if len(self.guess) not in (0, kept):
            raise ConfigurationError(f"guess must hold {kept:,} classes, got {len(self.guess)}")
        for quality in (self.before, self.after):
            if quality is not None and not (0 <= quality.loss < math.inf and 0 <= quality.error <= 1):
                raise ConfigurationError(f"a loss must be a number from 0, an error lie in [0, 1]; got {quality}")
        for name in ("miss", "doubt"):
            values = getattr(self, name)
            if not ((values >= 0) & (values <= 1)).all():
                raise ConfigurationError(f"{name} must lie in [0, 1]")

    @classmethod
    def learned(
        cls, temperature: float, before: Quality, after: Quality, probabilities: np.ndarray, target: np.ndarray
    ) -> Certainty:
        """Return what held-out items tell, with their probabilities `(n, n_classes)` at that temperature."""
        n_items = len(target)
        kept = np.arange(n_items)
        if n_items > MOST_KEPT:
            kept = np.sort(np.random.default_rng(0).choice(kept, MOST_KEPT, replace=False))
        probabilities, target = probabilities[kept], target[kept].astype(int)
        best = probabilities.argmax(axis=1)
        miss, doubt = (_rounded(_remainder(probabilities, chosen)) for chosen in (target, best))
        missed_by_a_hair = (best != target) & (miss <= doubt)  # or it would count as right
        miss[missed_by_a_hair] = np.nextafter(doubt[missed_by_a_hair], 1)
        return cls(temperature, n_items, before, after, target, miss, doubt, best)

    def largest_doubt(self, accuracy: float) -> float:
        """Return the doubt up to which answers are right as often as wanted, in [0, 1].

        As many answers as possible are given, as long as the held-out items among them, with one error more than was
        seen, are right that often.

        Raises
        ------
        ConfigurationError
            If the accuracy is out of its range, there are too few held-out items for it, or the model never reaches it.
        """
        _require_share("the wanted accuracy", accuracy)
        self._require(math.ceil(1 / (1 - accuracy) - SLACK), f"an accuracy of {accuracy:g}")
        order = np.argsort(self.doubt, kind="stable")
        errors = np.cumsum(self.miss[order] > self.doubt[order])
        promised = 1 - (errors + 1) / np.arange(1, len(order) + 1)
        last_of_its_doubt = np.append(np.diff(self.doubt[order]) > 2 * SAME, True)
        enough = np.flatnonzero((promised >= accuracy - SLACK) & last_of_its_doubt)
        if not len(enough):
            best = max(float(promised[last_of_its_doubt].max()), 0.0)
            raise ConfigurationError(
                f"at no confidence is this model right in {accuracy:g} of the cases, as far as its {self.n_items:,} "
                f"held-out items tell; the most that they promise is {math.floor(1000 * best) / 1000:g}: ask for less"
            )
        return 1.0 if enough[-1] == len(order) - 1 else float(self.doubt[order][enough[-1]]) + SAME

    def threshold(self, accuracy: float) -> float:
        """Return the confidence below which an answer is not given, so that those given are right as often as wanted.

        0 if all may be given. Errors as in `largest_doubt`, which has the better resolution near a confidence of 1.
        """
        return 1 - self.largest_doubt(accuracy)

    def thresholds(self, precision: float, n_classes: int) -> list[float | None]:
        """Return the confidence of each class from which answers of that class are right as often as wanted.

        It is the lowest one from which the held-out items that get this answer, with one error more than was seen, are
        right that often; None if there is none, as where fewer than 1 / (1 - precision) of them get the answer.

        Raises
        ------
        ConfigurationError
            If the precision is out of its range, or the model has no held-out items or does not know their answers.
        """
        _require_share("the wanted precision", precision)
        self._require(1, f"a precision of {precision:g} for each class")
        if not len(self.guess):
            raise ConfigurationError("this model was saved without the answers to its held-out items: train it anew")
        found: list[float | None] = []
        for label in range(n_classes):
            own = np.flatnonzero(self.guess == label)
            own = own[np.argsort(self.doubt[own], kind="stable")]
            doubt = self.doubt[own]
            promised = 1 - (np.cumsum(self.target[own] != label) + 1) / np.arange(1, len(own) + 1)
            last_of_its_doubt = np.append(np.diff(doubt) > 2 * SAME, True)[: len(own)]
            enough = np.flatnonzero((promised >= precision - SLACK) & last_of_its_doubt)
            found.append(max(1 - float(doubt[enough[-1]]) - SAME, 0.0) if len(enough) else None)
        return found

    def largest_miss(self, coverage: float, n_classes: int, *, by_class: bool = False) -> np.ndarray:
        """Return how improbable a class may be that still belongs to a set: 1 less its probability, `(n_classes,)`.

        Parameters
        ----------
        coverage : float
            Share of the items whose set holds the true class, in (0, 1).
        n_classes : int
            Number of classes.
        by_class : bool
            Whether that share is kept among the items of each class, and not only among all.

        Raises
        ------
        ConfigurationError
            If the coverage is out of its range, or there are too few held-out items, or too few of a class.
        """
        _require_share("the coverage of sets", coverage)
        fewest = math.ceil(coverage / (1 - coverage) - SLACK)
        self._require(fewest, f"sets with a coverage of {coverage:g}")
        if not by_class:
            return np.full(n_classes, _conformal_quantile(self.miss, coverage))
        counts = np.bincount(self.target, minlength=n_classes)
        if counts.min() < fewest:
            raise ConfigurationError(
                f"sets by class with a coverage of {coverage:g} need {fewest} held-out items of each class, and of one "
                f"this model has only {counts.min()}: ask for a lower coverage, for sets over all classes, or train "
                "with a larger validation part"
            )
        return np.array([_conformal_quantile(self.miss[self.target == each], coverage) for each in range(n_classes)])

    def sets(self, probabilities: np.ndarray, coverage: float, *, by_class: bool = False) -> np.ndarray:
        """Return which classes belong to the set of each item: bool `(n, n_classes)`; errors as in `largest_miss`.

        A set is empty if no class is probable enough, which happens to the items that a model is least certain of if
        it is right more often than the coverage asks.
        """
        levels = self.largest_miss(coverage, probabilities.shape[1], by_class=by_class)
        held: np.ndarray = 1 - probabilities <= levels
        return held

    @property
    def accuracy(self) -> float:
        """Share of the kept items that were predicted right; NaN if there are none."""
        return float((self.miss <= self.doubt).mean()) if len(self.miss) else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-ready."""
        return {
            "temperature": self.temperature,
            "n_items": self.n_items,
            "before": self.before and list(self.before),
            "after": self.after and list(self.after),
            "target": self.target.tolist(),
            "miss": self.miss.tolist(),
            "doubt": self.doubt.tolist(),
            "guess": self.guess.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None, n_classes: int) -> Certainty:
        """Return what `to_dict` returned; of None, which old models have, that nothing was learned.

        LookupError, ArithmeticError, TypeError or ValueError (`ConfigurationError` is one) if that makes no sense for a
        model of so many classes.
        """
        if values is None:
            return cls()
        before, after = (
            None if values[name] is None else Quality(*map(float, values[name])) for name in ("before", "after")
        )
        target, guess = (np.array(each, dtype=int).reshape(-1) for each in (values["target"], values.get("guess", [])))
        for name, each in (("target", target), ("guess", guess)):
            if ((each < 0) | (each >= n_classes)).any():
                raise ConfigurationError(f"{name} must lie in [0, {n_classes})")
        miss, doubt = (np.array(values[name], dtype=float).reshape(-1) for name in ("miss", "doubt"))
        return cls(float(values["temperature"]), int(values["n_items"]), before, after, target, miss, doubt, guess)

    def _require(self, fewest: int, what: str) -> None:
        if not len(self.miss):
            raise ConfigurationError(
                f"{what} cannot be promised: this model was trained without a validation part, so nobody knows how "
                "often it is right at which confidence. Train it on at least 50 items, or give items with --split"
            )
        if len(self.miss) < fewest:
            raise ConfigurationError(
                f"{what} cannot be promised: that takes at least {fewest} held-out items, and this model has "
                f"{len(self.miss)}. Ask for less, or train with a larger validation part (--validation-fraction)"
            )


def _require_share(what: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigurationError(f"{what} must be a share in (0, 1), such as 0.95; got {value!r}")


def _conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """Return the score that a new item exceeds with a probability of at most 1 less the coverage."""
    rank = math.ceil((len(scores) + 1) * coverage - SLACK)
    return float(np.sort(scores)[rank - 1]) + SAME


def _remainder(probabilities: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the probability of all classes but the chosen one of each row: exact also where that is nearly 1."""
    others = probabilities.copy()
    others[np.arange(len(chosen)), chosen] = 0
    rest: np.ndarray = np.minimum(others.sum(axis=1), 1.0)
    return rest


def _rounded(scores: np.ndarray) -> np.ndarray:
    """Keep the first digits only: a bundle holds the scores as text."""
    return np.array([float(f"{score:.{DIGITS}g}") for score in scores])
