"""The rule by which probabilities become answers: a label, “unsure”, none of the classes, and a set of classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.certainty import Certainty
from gridcnn.errors import ConfigurationError
from gridcnn.multilabel import given_labels

__all__ = ["UNSURE", "AnswerRule", "background_index"]

UNSURE = "unsure"
"""The answer for an item about which a model had better not guess."""


@dataclass(frozen=True, eq=False)
class AnswerRule:
    """How probabilities are answered.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels.
    background : int or None
        Index of the class that is never given as an answer: an item that is most like it belongs to none of the others.
    largest_doubt : float
        The answer is `UNSURE` if 1 less the highest probability is above this; 1 always answers.
    largest_miss : ndarray of shape (n_classes,) or None
        A class belongs to the set of an item if 1 less its probability is at most this; None makes no sets.
    notes : tuple of str
        What a person should know about the answers.
    thresholds : ndarray of shape (n_classes,) or None
        The probability from which an item has each label; None if every item has one.
    """

    classes: np.ndarray
    background: int | None = None
    largest_doubt: float = 1.0
    largest_miss: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    thresholds: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        classes: np.ndarray,
        background: int | None,
        certainty: Certainty,
        *,
        abstain: float | None = None,
        sets: float | None = None,
        by_class: bool = False,
        thresholds: np.ndarray | None = None,
    ) -> AnswerRule:
        """Return the rule that keeps what is promised, as far as the held-out items of a model tell.

        Parameters
        ----------
        classes, background
            As above.
        certainty : Certainty
            What held-out items told.
        abstain : float, optional
            Share of the given answers that are to be right, in (0, 1); less certain items get `UNSURE`.
        sets : float, optional
            Share of the sets that are to hold the true class, in (0, 1).
        by_class : bool
            Whether the sets keep that share among the items of each class.
        thresholds : ndarray of shape (n_classes,), optional
            As above.

        Raises
        ------
        ConfigurationError
            If the held-out items are too few for that, or too few of them were answered right, or items have several
            labels, about which nothing of the kind can be promised.
        """
        if thresholds is not None:
            if abstain is not None or sets is not None or by_class:
                raise ConfigurationError(
                    "abstaining and sets are promises about one label an item, and this model gives several: each "
                    "label has a threshold of its own. Leave out --abstain, --sets and --by-class"
                )
            return cls(classes, thresholds=thresholds)
        notes = []
        largest_doubt, largest_miss = 1.0, None
        if abstain is not None:
            if UNSURE in classes.astype(str):
                raise ConfigurationError(
                    f"a class of this model is called {UNSURE!r}, which would look like no answer: leave out abstaining"
                )
            largest_doubt = certainty.largest_doubt(abstain)
            if largest_doubt == 1:
                notes.append(
                    f"the model was right about {certainty.accuracy:.1%} of its held-out items, more often than the "
                    f"{abstain:.1%} of the answers that were asked for: so it answers every item, however unsure it "
                    "is; ask for a higher share"
                )
        if by_class and sets is None:
            raise ConfigurationError("by class is a promise about sets: give their share too, such as 0.9 (--sets 0.9)")
        if sets is not None:
            largest_miss = certainty.largest_miss(sets, len(classes), by_class=by_class)
            if certainty.accuracy > sets:
                notes.append(
                    f"the model was right about {certainty.accuracy:.1%} of its held-out items, more often than the "
                    f"{sets:.1%} that sets should hold the true class: those of the items that it is least certain of "
                    "are empty; ask for a higher share"
                )
        return cls(classes, background, largest_doubt, largest_miss, tuple(notes))

    @property
    def several(self) -> bool:
        """Whether an item may have several labels, or none."""
        return self.thresholds is not None

    @property
    def abstains(self) -> bool:
        """Whether an answer may be `UNSURE`."""
        return self.largest_doubt < 1

    def labels(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the answers for probabilities `(n, n_classes)`: labels, `UNSURE`, or None for the background.

        With several labels, each answer is a tuple of those that reach their thresholds.
        """
        if self.thresholds is not None:
            given = given_labels(probabilities, self.thresholds, self.classes)
            return np.fromiter(given, dtype=object, count=len(given))
        best = probabilities.argmax(axis=1)
        labels: np.ndarray = self.classes.astype(object)[best]
        labels[best == self.background] = None
        labels[1 - probabilities.max(axis=1) > self.largest_doubt] = UNSURE
        return labels

    def sets(self, probabilities: np.ndarray) -> list[list[Any]] | None:
        """Return the labels in the set of each item, the most probable first; None if there are to be no sets.

        The background may be among them: that an item is none of the other classes is then not excluded.
        """
        if self.largest_miss is None:
            return None
        held = 1 - probabilities <= self.largest_miss
        order = np.argsort(-probabilities, axis=1, kind="stable")
        labels = self.classes.tolist()
        return [[labels[at] for at in row if row_held[at]] for row, row_held in zip(order.tolist(), held, strict=True)]


def background_index(classes: Iterable[Any], name: Any) -> int | None:
    """Return which class is the background, by its name; None if there is none.

    Raises
    ------
    ConfigurationError
        If there is no class of that name.
    """
    if name is None:
        return None
    names = [str(each) for each in classes]
    if str(name) not in names:
        raise ConfigurationError(f"background: there is no class {str(name)!r}; there are {', '.join(names)}")
    return names.index(str(name))
