"""Numbers as a person gives them: NaN where one is missing, as float32 unless that would blur what varies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gridcnn.adapters.tensors import is_tensor, to_array
from gridcnn.errors import DataError
from gridcnn.ordering.columns import BEYOND_MEASURE, numbers_with_gaps

__all__ = ["EXACT_SPREAD", "SMALLEST_SPREAD", "as_numbers", "loses_in_float32", "unusable", "varying"]

HALF_A_STEP = 2.0**-24  # of float32, as a share of a number
BLUR = 1e-3  # rounding above this share of the standard deviation would be seen in the results
EXACT_SPREAD = 1e-14  # in float64, a standard deviation below this share of the level is rounding, not variation
SMALLEST_SPREAD = 1e-6  # in float32, a standard deviation below this share of the mean is rounding, not variation
COLUMNS_AT_ONCE = 256

NAMED = 3


def as_numbers(X: Any, *, exact: bool | None = None, known: bool = False, **checks: Any) -> np.ndarray:
    """Return an array of numbers, with NaN for what is missing or, among numbers, a word.

    Parameters
    ----------
    X : array, masked array, tensor, DataFrame or nested sequence
        Masked cells are missing ones.
    exact : bool, optional
        Whether float64 is kept. None keeps it if float32 would blur a column or make different rows equal.
    known : bool, default False
        Whether every column is known to hold numbers, so that any word in it is a missing number.
    **checks
        Of scikit-learn's `check_array`.

    Returns
    -------
    ndarray
        float32 or float64.

    Raises
    ------
    ValueError, TypeError
        In scikit-learn's words, if `X` is sparse or complex, has too few axes, or holds words.
    DataError
        If `X` holds dates or durations, or its rows have different lengths.
    """
    numbers = _readable(X, known)
    small = getattr(numbers, "dtype", np.dtype(np.float64)).kind in "bui" and numbers.dtype.itemsize <= 2
    checked: np.ndarray
    if known and _is_plain(numbers):
        checked = numbers.to_numpy(np.float64)
    else:
        from sklearn.utils import check_array  # noqa: PLC0415  (takes as long to import as torch)

        kinds = np.float32 if small else [np.float64, np.float32]
        checked = check_array(numbers, dtype=kinds, ensure_all_finite=False, input_name="X", **checks)
    if checked.dtype == np.float32:
        return checked
    with np.errstate(over="ignore"):  # infinite, which `unusable` finds
        rounded = checked.astype(np.float32)
    if exact is None:
        exact = _loses(checked, rounded)
    return checked if exact else rounded


def _is_plain(table: Any) -> bool:
    """Whether a table has rows, and nothing but ordinary numbers in its columns."""
    return isinstance(table, pd.DataFrame) and len(table) > 0 and all(kind == np.float64 for kind in table.dtypes)


def _readable(X: Any, known: bool) -> Any:
    """Return what scikit-learn's check understands."""
    if is_tensor(X):
        X = to_array(X)
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    if isinstance(X, Sequence) and not isinstance(X, str | bytes):
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise DataError(
                f"X is no array of numbers: its rows differ in length or kind ({error}). Series of unequal length are "
                "read by ArrayAdapter, from gridcnn.adapters"
            ) from error
    if isinstance(X, np.ndarray) and X.dtype.kind in "OU" and X.ndim == 2 and X.size:
        X = pd.DataFrame(X.astype(object))
    if isinstance(X, pd.DataFrame) and not X.shape[1]:
        raise DataError("the table has no columns of numbers: there is nothing to learn from")
    kinds = X.dtypes if isinstance(X, pd.DataFrame) else [getattr(X, "dtype", None)]
    if any(getattr(kind, "kind", "") in ("m", "M") for kind in kinds):
        raise DataError("X holds dates or durations: give numbers, such as the seconds since the first of them")
    return numbers_with_gaps(X, known=known) if isinstance(X, pd.DataFrame) else X


def _loses(numbers: np.ndarray, rounded: np.ndarray) -> bool:
    """Return whether float32 blurs a column of float64 rows, or makes different rows equal."""
    with np.errstate(invalid="ignore"):
        if np.array_equal(numbers, rounded, equal_nan=True):
            return False
    flat = numbers.reshape(len(numbers), int(np.prod(numbers.shape[1:])))
    for at in range(0, flat.shape[1], COLUMNS_AT_ONCE):
        columns = flat[:, at : at + COLUMNS_AT_ONCE]
        usable = np.where(np.abs(columns) <= BEYOND_MEASURE, columns, np.nan)
        mean = np.nansum(usable, axis=0) / np.maximum(np.isfinite(usable).sum(axis=0), 1)
        usable = np.where(np.isnan(usable), mean, usable)
        if loses_in_float32(np.abs(usable).max(axis=0), usable.std(axis=0)).any():
            return True
    return len({row.tobytes() for row in rounded}) < len({row.tobytes() for row in numbers})


def loses_in_float32(largest: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return where float32 rounds numbers of this size so coarsely that their spread is blurred."""
    blurred: np.ndarray = varying(largest, std) & (largest * HALF_A_STEP > BLUR * std)
    return blurred


def varying(level: np.ndarray, std: np.ndarray, smallest: float = EXACT_SPREAD) -> np.ndarray:
    """Return where a standard deviation is more than rounding, a `smallest` share of the level."""
    moving: np.ndarray = std > smallest * np.abs(level)
    return moving


def unusable(item: np.ndarray, limit: float, name: Callable[[tuple[int, ...]], str]) -> str:
    """Return why an item cannot be used, naming the cells that are to blame; empty if it can."""
    for bad, what in (
        (np.isnan(item), "missing (empty, NaN or no number)"),
        (np.isinf(item), "infinite (inf) or beyond the range of float32"),
        (np.abs(item) > limit, "far outside the training range, and looks like a no-data value"),
    ):
        cells = [tuple(map(int, cell)) for cell in np.argwhere(bad)]
        if cells:
            more = f" and {len(cells) - NAMED:,} more" if len(cells) > NAMED else ""
            value = f"{item[cells[0]]:.6g} is " if "no-data" in what else ""
            return f"{', '.join(name(cell) for cell in cells[:NAMED])}{more}: {value}{what}"
    return ""
