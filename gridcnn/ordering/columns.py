"""The roles of the columns of a table: numbers, categories, identifiers, dates or texts."""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gridcnn.ordering.similarity import Floats

__all__ = [
    "BEYOND_MEASURE",
    "Roles",
    "counting_names",
    "is_token_table",
    "name_some",
    "names_files",
    "no_data_limit",
    "numbers_with_gaps",
    "roles_of_array",
    "roles_of_frame",
]

CATEGORIES = 20  # a column of strings holds text if it has more values than this, and than a twentieth of the rows
ARRAY_IDENTIFIERS = 64  # identifiers are looked for in the first columns of an array only
BEYOND_MEASURE = 1e15  # smaller numbers are never taken for marks of missing values
BEYOND_OTHERS = 1e12  # times the smaller numbers of the table
BEYOND_FLOAT32 = 1e38  # where sums of float32 overflow
FILE = re.compile(r"(?s).*\.[A-Za-z][A-Za-z0-9]{1,4}")
DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True)
class Roles:
    """Positions of the columns of each kind, ascending."""

    numbers: list[int]
    categories: list[int] = field(default_factory=list)
    identifiers: list[int] = field(default_factory=list)
    dates: list[int] = field(default_factory=list)
    texts: list[int] = field(default_factory=list)
    clock: bool = False
    """Whether a column says when: a date, or a number that grows evenly from row to row."""

    @property
    def kept(self) -> list[int]:
        """Columns that the tests look at."""
        return sorted(self.numbers + self.categories)

    @property
    def left_out(self) -> list[int]:
        """Columns that cannot be cells of a grid."""
        return sorted(self.identifiers + self.dates + self.texts)


def roles_of_array(array: Any) -> Roles:
    """Tell identifiers from numbers in an array of numbers, shape (rows, columns)."""
    columns = array.shape[1]
    counting = {column: _counts(array[:, column]) for column in range(min(columns, ARRAY_IDENTIFIERS))}
    return _without_identifiers(list(range(columns)), counting)


def roles_of_frame(frame: pd.DataFrame) -> Roles:
    """Tell the columns of a frame apart, by their types and values; at most its first 2,000 rows are read as text."""
    numbers, categories, dates, texts = [], [], [], []
    for column, dtype in enumerate(frame.dtypes):
        series = frame.iloc[:, column]
        if pd.api.types.is_datetime64_any_dtype(dtype):
            dates.append(column)
        elif pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            numbers.append(column)
        else:
            words = series.iloc[:2000].dropna()
            if len(words) and words.map(lambda word: bool(DATE.match(str(word)))).mean() > 0.9:
                dates.append(column)
            elif words.nunique() > max(CATEGORIES, len(words) // 20):
                texts.append(column)
            else:
                categories.append(column)
    counting = {
        column: _counts(frame.iloc[:, column].to_numpy(dtype=float, na_value=np.nan))
        for column in numbers
        if not pd.api.types.is_bool_dtype(frame.dtypes.iloc[column])
    }
    found = _without_identifiers(numbers, counting)
    return Roles(found.numbers, categories, found.identifiers, dates, texts, found.clock or bool(dates))


def _without_identifiers(numbers: list[int], counting: dict[int, str]) -> Roles:
    identifiers = [column for column, how in counting.items() if how]
    if len(identifiers) > 2 or len(identifiers) == len(numbers):  # columns that all rise: a ramp, not identifiers
        return Roles(numbers)
    return Roles(
        [column for column in numbers if column not in identifiers],
        identifiers=identifiers,
        clock=any(counting[column] == "evenly" for column in identifiers),
    )


def _counts(values: Any) -> str:
    """Return how a column counts rows: `"evenly"` (it may restart), `"numbers"` (in any order), or not: `""`."""
    if len(values) < 20 or not np.isfinite(values[:2000]).all():
        return ""
    head = np.asarray(values[:2000], dtype=np.float64)
    steps = np.diff(head)
    step = float(np.median(steps))
    if step > 0 and np.mean(np.abs(steps - step) <= 1e-6 * step) > 0.8:
        return "evenly"
    if np.any(head != np.round(head)) or len(np.unique(head)) < len(head) or not np.isfinite(values).all():
        return ""
    return "numbers" if len(np.unique(values)) == len(values) == np.max(values) - np.min(values) + 1 else ""


def names_files(column: pd.Series[Any]) -> bool:
    """Tell whether a column of words names files: most of its first cells end in a suffix, and hold no space."""
    words = column.iloc[:200].dropna().astype(str)
    return bool(len(words)) and words.map(lambda word: " " not in word and bool(FILE.fullmatch(word))).mean() > 0.9


def is_token_table(frame: pd.DataFrame) -> bool:
    """Tell whether all columns are words, most of them from one vocabulary, as token positions are."""
    held = frame.loc[:, frame.notna().any(axis=0).to_numpy()]  # an empty column is read as numbers
    kinds = [
        pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_datetime64_any_dtype(dtype) for dtype in held.dtypes
    ]
    if len(kinds) < 2 or any(kinds):
        return False
    sets = [set(held.iloc[:, column].dropna()) for column in range(held.shape[1])]
    union = set().union(*sets)
    return len(union) > CATEGORIES and sum(len(one) for one in sets) > 2 * len(union)


def numbers_with_gaps(frame: pd.DataFrame, *, known: bool = False) -> pd.DataFrame:
    """Return a table in which columns of numbers with some words among them (`n/a`, `?`) hold NaN instead of the words.

    A column counts as one if at least half of its cells are numbers, or if all columns are `known` to hold numbers.
    """
    changed = {}
    for at, dtype in enumerate(frame.dtypes):
        if not (pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)):
            continue
        column = frame.iloc[:, at]
        if not column.map(_is_cell).all():
            continue
        numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
        if known or (len(column) and numbers.notna().sum() >= max(1, column.notna().sum() / 2)):
            changed[at] = numbers
    if not changed:
        return frame
    columns = [changed.get(at, frame.iloc[:, at]) for at in range(frame.shape[1])]
    return pd.concat(columns, axis=1).set_axis(frame.columns, axis=1)


def _is_cell(value: Any) -> bool:
    """Whether a value is a real number, a word or missing: no complex number, list or dict."""
    if isinstance(value, str | bool | np.bool_ | int | float | np.number | decimal.Decimal):
        return not isinstance(value, np.complexfloating)
    return value is None or value is pd.NA or value is pd.NaT


def no_data_limit(numbers: np.ndarray) -> float:
    """Return the size above which a number cannot be a measurement like the others, and marks a missing one."""
    sizes = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    usual = float(np.quantile(sizes, 0.25)) if len(sizes) else 1.0
    return min(max(BEYOND_MEASURE, BEYOND_OTHERS * usual), BEYOND_FLOAT32)


def counting_names(names: list[str]) -> str:
    """Describe names that count or carry units (t0…t99, 400nm, Jan…Dec); empty for other names."""
    if len(names) >= 5 and names == [str(i) for i in range(len(names))]:
        return ""  # positions, not names
    if len(names) >= 6 and [name[:3].lower() for name in names][:12] == MONTHS[: len(names)]:
        return "the names are months"
    found = [re.fullmatch(r"(\D*)(\d+(?:\.\d+)?)(\D*)", name) for name in names]
    matched = [match for match in found if match]
    if len(names) < 5 or len(matched) < len(names) or len({(m[1], m[3]) for m in matched}) > 1:
        return ""
    numbers: Floats = np.array([float(match[2]) for match in matched])
    return f"the names count, from {names[0]} to {names[-1]}" if np.all(np.diff(numbers) > 0) else ""


def name_some(names: Iterable[Any], most: int = 4) -> str:
    """Name the first few, and count the rest."""
    named = [str(name) for name in names]
    shown, rest = named[:most], len(named) - most
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
