"""Labels of items that may have several, or none: recognised, checked, and written as a matrix of zeros and ones."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.pipeline.labels import check_labels, hardly_repeat

__all__ = [
    "Labelled",
    "as_given",
    "check_label_sets",
    "going_on_from",
    "has_several",
    "refuse_what_needs_one_label",
    "warn_of_constant",
    "with_classes",
    "with_columns",
]

_SETS = (list, tuple, set, frozenset, np.ndarray)


class Labelled(NamedTuple):
    """Label sets: `matrix` uint8 `(n, n_classes)` of zeros and ones, and the labels of its columns `(n_classes,)`."""

    matrix: np.ndarray
    classes: np.ndarray


def has_several(y: Any) -> bool:
    """Whether labels are given as a matrix `(n, 2 or more columns)`, or as a list, tuple or set of labels an item."""
    shape = getattr(y, "shape", None)
    if shape is not None and len(shape) != 1:
        return len(shape) == 2 and shape[1] > 1
    if getattr(getattr(y, "dtype", None), "kind", "O") != "O":
        return False
    return isinstance(y, Iterable) and not isinstance(y, str) and any(isinstance(each, _SETS) for each in y)


def check_label_sets(y: Any, n_items: int, *, fewest: int = 2) -> Labelled:
    """Return the labels of items that may have several.

    Parameters
    ----------
    y : array-like
        A matrix `(n_items, n_classes)` of zeros and ones (also sparse, or a DataFrame, whose columns name the classes),
        or for each item a list, tuple or set of labels.
    n_items : int
        Number of items.
    fewest : int
        Labels that have to be used.

    Raises
    ------
    ValueError
        If there are more or fewer label sets than items.
    DataError
        If the matrix holds something else, a label is missing or of another kind than the others, or too few labels
        are used.
    """
    labelled = _matrix_of_sets(y) if _are_sets(y) else _checked_matrix(y)
    matrix, classes = labelled
    if len(matrix) != n_items:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n_items}, {len(matrix)}]")
    used = int(np.count_nonzero(matrix.any(axis=0)))
    if used < fewest:
        found = f"one label ({classes[matrix.any(axis=0)].tolist()[0]!r})" if used else "no label"
        raise DataError(
            f"several labels an item need at least two labels, but y has {found}: if an item has it or not, give one "
            "class an item, such as yes and no"
        )
    if hardly_repeat(len(classes), n_items) and matrix.sum() <= 2 * len(classes):
        raise DataError(
            f"y has {len(classes)} different labels for {n_items} items, such as {', '.join(map(str, classes[:3]))}: "
            "hardly any occurs twice, so there is nothing to learn. If several labels stand in one cell, say what "
            "separates them, or give lists"
        )
    return labelled


def warn_of_constant(labelled: Labelled) -> None:
    """Warn of labels that no item has, or all have: nothing can be learned about them."""
    counts = labelled.matrix.sum(axis=0)
    for at, what, then in (
        (counts == 0, "no item has", "never"),
        (counts == len(labelled.matrix), "all items have", "always"),
    ):
        if at.any():
            names = ", ".join(map(str, labelled.classes[at][:10]))
            warnings.warn(f"{what} the label {names}: nothing tells when, and it is {then} given", stacklevel=4)


def as_given(matrix: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return label sets as tuples of labels, object `(n,)`."""
    labels = classes.tolist()
    return np.fromiter((tuple(labels[at] for at in np.flatnonzero(row)) for row in matrix), object, len(matrix))


def with_classes(y: Any, classes: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Return the labels of items as a matrix with the columns of a model, and how often others occur.

    Labels are compared by their string form. A matrix without names has the columns of the model already.

    Raises
    ------
    DataError
        If a matrix has another number of columns than there are classes.
    """
    names = [str(each) for each in classes]
    if not _are_sets(y):
        matrix, own = _checked_matrix(y)
        if not isinstance(y, pd.DataFrame):
            if matrix.shape[1] != len(names):
                raise DataError(
                    f"y has {matrix.shape[1]} columns, and the model {len(names)} classes: {', '.join(names)}"
                )
            return matrix, {}
        sets: Iterable[Collection[Any]] = as_given(matrix, own)
    else:
        sets = y
    place = {name: at for at, name in enumerate(names)}
    rows = list(sets)
    found = np.zeros((len(rows), len(names)), dtype=np.uint8)
    unseen: dict[str, int] = {}
    for row, labels in zip(found, rows, strict=True):
        for label in map(str, labels):
            if label in place:
                row[place[label]] = 1
            else:
                unseen[label] = unseen.get(label, 0) + 1
    return found, dict(sorted(unseen.items()))


def going_on_from(y: Any, labelled: Labelled, known: np.ndarray) -> Labelled:
    """Return label sets without labels that no item has; a matrix without names has the columns of the model.

    Parameters
    ----------
    y : array-like
        As it was given.
    labelled : Labelled
        What it holds.
    known : ndarray of shape (n_classes,)
        The labels of the model to go on from.

    Raises
    ------
    DataError
        If a matrix without names has another number of columns than the model has labels.
    """
    matrix, classes = labelled
    if not _are_sets(y) and not isinstance(y, pd.DataFrame):
        if matrix.shape[1] != len(known):
            raise DataError(
                f"y has {matrix.shape[1]} columns without names, and the model to go on from has {len(known)} labels: "
                "name the columns by a DataFrame, or give each item a list of labels, if there are new ones"
            )
        classes = known
    used = matrix.any(axis=0)
    return Labelled(matrix[:, used], classes[used])


def with_columns(labelled: Labelled, classes: np.ndarray) -> np.ndarray:
    """Return label sets with a column for each of `classes`, in their order; the labels of the sets are among them."""
    matrix = np.zeros((len(labelled.matrix), len(classes)), dtype=np.uint8)
    order = np.argsort(classes, kind="stable")
    matrix[:, order[np.searchsorted(classes, labelled.classes, sorter=order)]] = labelled.matrix
    return matrix


def refuse_what_needs_one_label(config: Any) -> None:
    """Raise ConfigurationError for settings that have no meaning with several labels an item."""
    if config.background is not None:
        raise ConfigurationError(
            f"background {config.background!r} is one class among others; with several labels an item may have none: "
            "give background an empty set of labels, and leave out background (`gridcnn train --background` does so)"
        )
    if config.class_weight is not None:
        raise ConfigurationError(
            "class_weight is for one class an item; with several labels each has a threshold of its own, chosen on "
            "held-out items, which makes up for how rare it is: leave it out"
        )


def _are_sets(y: Any) -> bool:
    if isinstance(y, np.ndarray | pd.DataFrame) or hasattr(y, "toarray"):
        kind = getattr(getattr(y, "dtype", None), "kind", "f")
        return y.ndim == 1 or (kind in "UO" and not _is_zeros_and_ones(y.tolist() if hasattr(y, "tolist") else []))
    rows = list(y)
    return not _is_zeros_and_ones(rows)


def _is_zeros_and_ones(rows: Sequence[Any]) -> bool:
    """Whether rows are those of a matrix: lists of one length, of zeros and ones (numbers, or True and False)."""
    if not rows or any(not isinstance(row, list | tuple | np.ndarray) for row in rows):
        return False
    lengths, numbers = {len(row) for row in rows}, (bool, int, float, np.number, np.bool_)
    cells = itertools.chain.from_iterable(rows)
    return (
        len(lengths) == 1 and min(lengths) > 1 and all(isinstance(each, numbers) and each in (0, 1) for each in cells)
    )


def _checked_matrix(y: Any) -> Labelled:
    classes = None
    if isinstance(y, pd.DataFrame):
        classes, y = np.array([str(name) for name in y.columns]), y.to_numpy()
        if len(set(classes.tolist())) < len(classes):
            raise DataError("two columns of y have one name: rename one of them")
    elif hasattr(y, "toarray"):
        y = y.toarray()
    try:
        matrix = np.asarray(y, dtype=float)
    except (TypeError, ValueError):
        matrix = np.full((1, 1), np.nan)
    if matrix.ndim != 2 or not np.isin(matrix, (0, 1)).all():
        raise DataError(
            "a matrix of labels holds 1 where an item has the label of the column, and 0 elsewhere; y holds something "
            "else. Several targets an item, or numbers that measure something, are no labels"
        )
    return Labelled(matrix.astype(np.uint8), np.arange(matrix.shape[1]) if classes is None else classes)


def _matrix_of_sets(y: Any) -> Labelled:
    rows = list(y)
    if at := [index for index, row in enumerate(rows) if not isinstance(row, _SETS)]:
        raise DataError(
            f"y has a list of labels for some items and something else for item {at[0]}: give every item a list, an "
            "empty one if it has no label"
        )
    rows = [row.tolist() if isinstance(row, np.ndarray) else list(row) for row in rows]
    every = list(itertools.chain.from_iterable(rows))
    if not every:
        raise DataError("several labels an item need at least two labels, but y has no label")
    labels = check_labels(np.fromiter(every, object, len(every)), len(every))
    classes, column = np.unique(labels, return_inverse=True)
    matrix = np.zeros((len(rows), len(classes)), dtype=np.uint8)
    matrix[np.repeat(np.arange(len(rows)), [len(row) for row in rows]), column] = 1
    return Labelled(matrix, classes)
