"""How good the predictions are: computed by scikit-learn, with classes matched by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support, recall_score

from gridcnn.display import as_facts, as_table
from gridcnn.errors import DataError

__all__ = ["ClassScore", "Evaluation", "evaluate"]


class ClassScore(NamedTuple):
    """One row of the per-class table; precision, recall and F1 lie in [0, 1], `support` counts the items."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Scores of predictions against labels.

    Parameters
    ----------
    n_items : int
        Items that were scored: those whose class the model knows.
    accuracy : float
        Share of them that was predicted right, in [0, 1].
    balanced_accuracy : float
        Mean recall of the classes that occur among them.
    macro_f1 : float
        Mean F1 of the classes that occur among them or were predicted.
    classes : list of ClassScore
        One row per class of the model, in the model's order.
    confusion : list of list of int
        Row: the true class, column: the predicted one, both in the order of `classes`.
    unseen : dict of str to int
        Classes the model does not know, with the number of their items, none of which was scored.
    missing : list of str
        Classes of the model without an item.
    """

    n_items: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    classes: list[ClassScore]
    confusion: list[list[int]]
    unseen: dict[str, int]
    missing: list[str]

    def answered(self, at: int) -> int:
        """Return how many items were taken for a class, by its index in `classes`; without any it has no precision."""
        return sum(row[at] for row in self.confusion)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON-ready values."""
        return {**asdict(self), "classes": [row._asdict() for row in self.classes]}

    def _repr_html_(self) -> str:
        """Show the scores in a notebook: of all items, and of each class."""
        facts: dict[str, object] = {
            "items": f"{self.n_items:,}",
            "accuracy": f"{self.accuracy:.4f}",
            "balanced accuracy": f"{self.balanced_accuracy:.4f}",
            "macro F1": f"{self.macro_f1:.4f}",
        }
        if self.unseen:
            facts["not scored"] = ", ".join(f"{count:,} of {name}" for name, count in self.unseen.items())
        return as_facts(facts) + self.table()

    def table(self) -> str:
        """Return the scores of each class as HTML."""
        return as_table(("class", "precision", "recall", "F1", "items"), self.classes)


def evaluate(truth: Iterable[object], predictions: Iterable[object], classes: Sequence[object]) -> Evaluation:
    """Score predictions against labels.

    Parameters
    ----------
    truth, predictions : iterable of length n
        The label and the prediction of each item. Labels are compared by their string form, so 3 and "3" are one.
    classes : sequence
        The classes of the model, in its order.

    Returns
    -------
    Evaluation
        Computed on the items whose class is one of `classes`; the others are counted in `unseen`.

    Raises
    ------
    DataError
        If no item is of a class that the model knows.

    Examples
    --------
    >>> scores = evaluate(["a", "b", "z"], ["a", "a", "a"], classes=["a", "b", "c"])
    >>> scores.accuracy, scores.unseen, scores.missing
    (0.5, {'z': 1}, ['c'])
    """
    names = [str(name) for name in classes]
    true = np.array([str(label) for label in truth], dtype=object)
    predicted = np.array([str(label) for label in predictions], dtype=object)
    known = np.isin(true.astype(str), names) if true.size else np.zeros(0, dtype=bool)
    unseen = Counter(true[~known].tolist())
    if not known.any():
        raise DataError(
            f"no item is of a class that the model knows ({_listed(names)}); the labels here are "
            f"{_listed(sorted(unseen)) or 'none'}: check the label column or the names of the class folders."
        )
    return _score(true[known], predicted[known], names, dict(sorted(unseen.items())))


def _score(true: NDArray[Any], predicted: NDArray[Any], names: list[str], unseen: dict[str, int]) -> Evaluation:
    columns = precision_recall_fscore_support(true, predicted, labels=names, zero_division=0.0)
    rows = [
        ClassScore(name, float(precision), float(recall), float(f1), int(support))
        for name, precision, recall, f1, support in zip(names, *columns, strict=True)
    ]
    present = [row.name for row in rows if row.support]
    return Evaluation(
        n_items=len(true),
        accuracy=float(accuracy_score(true, predicted)),
        balanced_accuracy=float(recall_score(true, predicted, labels=present, average="macro", zero_division=0.0)),
        macro_f1=float(f1_score(true, predicted, average="macro", zero_division=0.0)),
        classes=rows,
        confusion=confusion_matrix(true, predicted, labels=names).tolist(),
        unseen=unseen,
        missing=[row.name for row in rows if not row.support],
    )


def _listed(names: Sequence[str], limit: int = 10) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
