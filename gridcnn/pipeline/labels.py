"""Labels: checked when they come in, and the weight of each class."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from gridcnn.errors import ConfigurationError, DataError

__all__ = ["check_class_weight", "check_classes", "check_labels", "class_weights", "hardly_repeat"]

MANY = 50
"""From this number of items on, labels that hardly ever repeat are no classes."""

HARDLY_ANY_REPEAT = 0.9
"""Share of different labels among all labels, above which they are taken for identifiers."""

_KINDS: dict[type, tuple[type, ...]] = {
    str: (str,),
    bool: (bool, np.bool_),
    np.int64: (int, np.integer),
    np.float64: (int, np.integer, float, np.floating),
}
"""What a model file can hold, and the objects that become it."""


def check_labels(y: Any, n_items: int) -> np.ndarray:
    """Return the labels `(n_items,)`: strings, whole numbers, floating-point numbers or True and False.

    Raises
    ------
    ValueError
        What scikit-learn raises if `y` is None, or has another length or more than one column.
    DataError
        If labels are missing, are dates or other objects, are of several kinds, or are no classes but quantities.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if isinstance(y, np.ma.MaskedArray) and (masked := np.flatnonzero(np.ma.getmaskarray(y)).tolist()):
        raise DataError(f"y has missing labels at {masked[:5]}: leave those items out, or label them")
    whole = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if isinstance(whole, np.dtype) and whole.kind in "iub" and not pd.isna(y).any():
        y = np.asarray(y, dtype=whole)  # pandas' Int64 and boolean, which scikit-learn would make floating-point
    labels: np.ndarray = column_or_1d(y, warn=True)
    if len(labels) != n_items:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n_items}, {len(labels)}]")
    if missing := np.flatnonzero(pd.isna(labels)).tolist():
        raise DataError(f"y has missing labels at {missing[:5]}: leave those items out, or label them")
    labels = _of_one_kind(labels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of many classes: `check_classes` has its own words
            check_classification_targets(labels)
    except ValueError as error:
        raise DataError(f"{error} Numbers that measure something are a regression target, not classes.") from None
    return labels


def _of_one_kind(labels: np.ndarray) -> np.ndarray:
    if labels.dtype == np.longdouble:
        return labels.astype(np.float64)
    if labels.dtype.kind in "Uiufb":
        return labels
    what = {"M": "dates", "m": "durations", "S": "bytes", "c": "complex numbers"}.get(labels.dtype.kind)
    if labels.dtype.kind == "O":
        found = {type(label) for label in labels.tolist()}
        for kind, members in _KINDS.items():
            # Python counts True as a number.
            if all(issubclass(each, members) and (kind is bool or each is not bool) for each in found):
                try:
                    return labels.astype(kind)
                except OverflowError:
                    raise DataError("labels are whole numbers of more than 64 bits: turn them into strings") from None
        what = ", ".join(sorted(each.__name__ for each in found))
    raise DataError(
        f"labels of this kind ({what or labels.dtype}) cannot be kept in a model: turn all of them into strings, or "
        "into whole numbers"
    )


def check_classes(classes: np.ndarray, n_items: int, what: str = "y") -> None:
    """Raise DataError if there are fewer than two classes, or about as many as items; `what` holds the labels."""
    if len(classes) < 2:
        found = f"one class ({str(classes[0])!r})" if len(classes) else "no label"
        raise DataError(f"a classifier needs at least two classes, but {what} has {found}")
    if hardly_repeat(len(classes), n_items):
        raise DataError(
            f"{what} has {len(classes)} different labels for {n_items} items, such as "
            f"{', '.join(map(str, classes[:3]))}: this "
            "looks like an identifier or a regression target, not like classes. Choose another label, or sort the "
            "values into a few classes."
        )


def hardly_repeat(n_classes: int, n_items: int) -> bool:
    """Whether nearly every item has a label of its own, as identifiers and measurements are."""
    return n_items >= MANY and n_classes > HARDLY_ANY_REPEAT * n_items


def check_class_weight(class_weight: str | Mapping[Any, float] | None, classes: np.ndarray) -> None:
    """Raise ConfigurationError for a weight that is not above 0, or that belongs to no class."""
    if not isinstance(class_weight, Mapping):
        return  # `FitConfig` has checked it
    known = classes.tolist()
    if unknown := [label for label in class_weight if label not in known]:
        raise ConfigurationError(
            f"class_weight names {', '.join(map(repr, unknown))}, but the classes are {', '.join(map(repr, known))}"
        )
    for label, weight in class_weight.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number) or not 0 < weight < np.inf:
            raise ConfigurationError(f"class_weight of {label!r} must be a number above 0, got {weight!r}")


def class_weights(
    class_weight: str | Mapping[Any, float] | None, classes: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return the weight of each class `(n_classes,)` for `"balanced"`, a mapping from labels to weights, or None."""
    totals = np.bincount(target, weights=weight, minlength=len(classes))
    if np.count_nonzero(totals) < 2:
        raise DataError("fewer than two classes are left after skipping items that cannot be read")
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, Mapping):
        return np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
    shares: np.ndarray = totals.sum() / (len(classes) * np.maximum(totals, 1e-12))
    return shares
