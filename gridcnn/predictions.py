"""Predictions: the answers of a model for many items, as a typed record of arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gridcnn.answer_rule import AnswerRule
from gridcnn.display import percentage
from gridcnn.segments import NAMED

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABEL_KINDS", "NOT_FINITE", "Predictions", "name_of", "stored_labels"]

NOT_FINITE = "the network's answer is not finite: the item holds numbers far outside those of the training"
"""Why an item that could be decoded has no answer all the same."""

LABEL_KINDS = {"U": str, "i": int, "u": int, "f": float, "b": bool}
"""Python's type of the labels of each kind of array that a saved model may hold."""

MOST_SHOWN = 20
"""Rows that a notebook shows."""

MOST_OF_LABELS = 2**28
"""Bytes of the labels of a model, which stand in an array as wide as the longest of them."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers for n items, in the order of the items.

    Parameters
    ----------
    items : list of str
        Name of each item: its path or text, or its position.
    probabilities : ndarray of shape (n, n_classes), float64
        Columns in the order of `classes`; rows sum to 1 unless items have several labels; NaN for one with an error.
    errors : list of str
        Why an item has no answer: it could not be decoded, or the network's answer is not finite. Empty for the others.
    classes : ndarray of shape (n_classes,)
        The labels.
    fingerprints : ndarray of shape (n, 16), uint8, or None
        Digest of the content of each item, zeros for one that could not be decoded; None if they were not asked for.
    rule : AnswerRule or None
        How probabilities become labels; None takes the most probable class.
    """

    items: list[str]
    probabilities: np.ndarray
    errors: list[str]
    classes: np.ndarray
    fingerprints: np.ndarray | None = None
    rule: AnswerRule | None = None

    def __len__(self) -> int:
        return len(self.items)

    def called(self, items: list[str]) -> Self:
        """Return the same answers for items of other names."""
        return dataclasses.replace(self, items=items)

    def take(self, places: Sequence[int]) -> Self:
        """Return the answers for some items, in this order."""
        rows = list(places)
        return dataclasses.replace(
            self,
            items=[self.items[at] for at in rows],
            probabilities=self.probabilities[rows],
            errors=[self.errors[at] for at in rows],
            fingerprints=None if self.fingerprints is None else self.fingerprints[rows],
        )

    @property
    def good(self) -> np.ndarray:
        """Whether each item has an answer, bool `(n,)`."""
        return np.array([not error for error in self.errors], dtype=bool)

    @property
    def labels(self) -> np.ndarray:
        """The answer for each item, object `(n,)`: its most probable label, unless the rule has it otherwise.

        None for an item that has an error, or that is most like the background; `UNSURE` for one that is too uncertain.
        If an item may have several labels, each answer is a tuple of those that reach their thresholds.
        """
        return self._of_good((self.rule or AnswerRule(self.classes)).labels(self.probabilities[self.good]))

    @property
    def most_probable(self) -> np.ndarray:
        """The most probable class of each item, the background too, object `(n,)`; None for one that has an error."""
        return self._of_good(AnswerRule(self.classes).labels(self.probabilities[self.good]))

    @property
    def sets(self) -> np.ndarray | None:
        """The labels in the set of each item, lists in an object `(n,)`; None if the rule makes no sets.

        The place of an item that has an error holds None.
        """
        sets = None if self.rule is None else self.rule.sets(self.probabilities[self.good])
        return None if sets is None else self._of_good(sets)

    def _of_good(self, values: Any) -> np.ndarray:
        """Put the values of the items without an error in their places; None stands in the others."""
        every = np.full(len(self), None, dtype=object)
        for at, value in zip(np.flatnonzero(self.good), values, strict=True):
            every[at] = value
        return every

    def _repr_html_(self) -> str:
        """Show the first and the last answers in a notebook."""
        frame = self.to_frame()
        shares: Any = {f"p({label})": percentage for label in self.classes}
        shown: str = frame.to_html(max_rows=MOST_SHOWN, notebook=True, escape=True, formatters=shares)
        return shown

    def to_frame(self) -> pd.DataFrame:
        """Return a table: `item`, `prediction`, `set` if there are sets, a column `p(LABEL)` for each class, `error`.

        Any string may be a label, also `error`; `p(…)` keeps its column apart from the others.
        """
        import pandas as pd  # noqa: PLC0415  (at the edge only)

        # As objects: the strings of pandas hold no half of an emoji.
        frame = pd.DataFrame(self.probabilities)
        frame.columns = pd.Index([f"p({label})" for label in self.classes], dtype=object)
        frame.insert(0, "item", pd.Series(self.items, dtype=object))
        frame.insert(1, "prediction", pd.Series(self.labels, dtype=object))
        if (sets := self.sets) is not None:
            frame.insert(2, "set", pd.Series(sets, dtype=object))
        frame["error"] = pd.Series(self.errors, dtype=object)
        return frame


def stored_labels(kind: str, labels: Sequence[Any]) -> np.ndarray:
    """Return the labels that a saved model holds, as an array of a kind; what is stored may be anything.

    Raises
    ------
    ValueError
        If the kind is none of `LABEL_KINDS`, a label is of another type or stands there twice, or they are too long.
    """
    expected = LABEL_KINDS.get(kind)
    if expected is None or not isinstance(labels, list) or not labels:
        raise ValueError("there are no labels, or they are of no known type")
    if any(type(each) is not expected for each in labels) or len(set(labels)) < len(labels):
        raise ValueError(f"labels must be different ones of type {expected.__name__}")
    if expected is str and 4 * len(labels) * max(map(len, labels)) > MOST_OF_LABELS:
        raise ValueError(f"labels must be shorter, so that all of them take at most {MOST_OF_LABELS:,} bytes")
    classes = np.array(labels)
    if classes.ndim != 1 or classes.dtype.kind not in {kind, "i"} or not (classes == classes).all():  # noqa: PLR0124
        raise ValueError(f"labels must be of type {expected.__name__}, and numbers must be finite")
    return classes


def name_of(item: Any, position: int) -> str:
    """Return what answers call an item: its path or text, or else its position."""
    return str(item) if isinstance(item, NAMED) else str(position)
