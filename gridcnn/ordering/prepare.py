"""Preparation: from any table to the rank scores of at most 2,000 rows and 1,024 columns."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from gridcnn.display import agreeing, counted
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering.columns import (
    Roles,
    is_token_table,
    name_some,
    names_files,
    no_data_limit,
    numbers_with_gaps,
    roles_of_array,
    roles_of_frame,
)
from gridcnn.ordering.similarity import Floats, Ints, similarity, varying

__all__ = ["Pairs", "Prepared", "check_alpha", "prepare", "rank_scores"]

Pairs = Callable[[Ints, Ints], Floats]

MAX_ROWS = 2000
MAX_COLUMNS = 1024


@dataclass
class Prepared:
    """A table ready for the tests."""

    scores: Floats  # (rows, columns), ranks as z-scores; constant columns are 0, missing values NaN
    values: Floats  # (rows, columns), the sampled numbers
    names: list[str]
    varies: np.ndarray[Any, np.dtype[np.bool_]]
    target: Any  # labels of the sampled rows, or None
    rows: int
    columns: int
    warnings: list[str] = field(default_factory=list)
    left_out: tuple[str, ...] = ()  # identifiers, dates and texts
    tokens: bool = False  # the columns hold codes from one vocabulary
    long_format: bool = False
    texts: tuple[str, ...] = ()  # columns of sentences
    files: tuple[str, ...] = ()  # columns of file names
    kept: tuple[int, ...] = ()  # positions in the table of the columns looked at
    beyond: Pairs | None = None  # similarity of pairs of columns, where there are more than were looked at

    def filled(self) -> Floats:
        """Return the scores with the median of its column in place of each missing value."""
        return np.nan_to_num(self.scores)


def check_alpha(alpha: float) -> None:
    """Raise ConfigurationError unless `alpha` is a level."""
    if not isinstance(alpha, numbers.Real) or not 0 < alpha < 0.5:
        raise ConfigurationError(f"alpha is {alpha!r}; a level of a test lies above 0 and below 0.5, such as 0.01")


def without_mask(X: Any) -> np.ndarray[Any, Any]:
    """Return an array in which masked cells are NaN."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        return np.asarray(np.ma.filled(X.astype(np.float64), np.nan))
    return np.asarray(X)


def rank_scores(values: Floats) -> Floats:
    """Rank each column and return z-scores clipped at ±4, so that units and outliers do not matter.

    Constant columns give 0, missing values stay NaN.
    """
    ranks = np.asarray(rankdata(values, axis=0, nan_policy="omit"), dtype=np.float64)
    ranks[np.isnan(values)] = np.nan
    present = np.maximum((~np.isnan(ranks)).sum(axis=0), 1)
    ranks -= np.nansum(ranks, axis=0) / present
    spread = np.sqrt(np.nansum(ranks**2, axis=0) / present)
    return np.clip(ranks / np.where(spread > 0, spread, np.inf), -4, 4)


def prepare(X: Any, y: Any, kind: str, rng: np.random.Generator) -> Prepared:
    """Sample, encode and rank a table; as `gridcnn.ordering.check_order` describes."""
    rows, columns = _shape(X)
    table: Any = X if isinstance(X, pd.DataFrame) else without_mask(X)
    if isinstance(table, np.ndarray) and table.dtype.kind == "c":
        raise DataError("the table holds complex numbers: take their real parts, imaginary parts or sizes")
    if isinstance(table, np.ndarray) and table.dtype.kind not in "biuf":
        table = pd.DataFrame(table).infer_objects()
    if isinstance(table, pd.DataFrame):
        table = numbers_with_gaps(table)
    warnings: list[str] = []
    labels = _labels(y, rows, warnings)
    pool = np.flatnonzero(~pd.isna(labels)) if labels is not None else np.arange(rows)
    take = np.sort(rng.choice(pool, MAX_ROWS, replace=False)) if len(pool) > MAX_ROWS else pool
    tokens = kind == "categorical"
    if isinstance(table, np.ndarray):
        names = [str(column) for column in range(columns)]
        roles = Roles(list(range(columns))) if tokens else roles_of_array(table)
        kept = roles.kept[:MAX_COLUMNS]
        everything = len(kept) == kept[-1] + 1  # a slice spares a copy
        values = (table[take, : len(kept)] if everything else table[take][:, kept]).astype(np.float64)
    else:
        names = [str(name) for name in table.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            warnings.append(f"column names come twice: {name_some(twice)}; columns are told apart by position")
        if tokens or (kind == "auto" and is_token_table(table)):
            tokens, roles = True, Roles(list(range(columns)))
            codes = pd.factorize(table.iloc[take].to_numpy().ravel())[0]
            values = codes.reshape(len(take), columns)[:, :MAX_COLUMNS].astype(np.float64)
        else:
            roles = roles_of_frame(table)
            values = _numbers(table.iloc[take], roles, names, warnings)
    _name_left_out(roles, names, warnings)
    left_out = tuple(names[column] for column in roles.left_out)
    files = [column for column in roles.texts if names_files(table.iloc[:, column])]
    own = tuple(tuple(names[at] for at in roles.texts if (at in files) == wanted) for wanted in (False, True))
    beyond = _pairs(table, roles.kept, take) if isinstance(table, np.ndarray) else None
    names = [names[column] for column in roles.kept]
    empty = _missing(values, names, warnings)
    left_out += tuple(np.array(names[: len(empty)])[empty].tolist())
    scores = rank_scores(values)
    varies = varying(scores)
    if (constant := ~varies & ~empty).any():
        named = name_some(np.array(names[: len(empty)])[constant])
        warnings.append(f"{int(constant.sum())} constant columns say nothing: {named}")
    _mixed_units(values[:, varies], warnings)
    return Prepared(
        scores, values, names, varies, labels[take] if labels is not None else None, rows, columns,
        warnings, left_out, tokens, roles.clock and _flows(table, roles), own[0], own[1], tuple(roles.kept), beyond,
    )  # fmt: skip


def _shape(X: Any) -> tuple[int, int]:
    """Return rows and columns, or raise DataError for what is no table."""
    shape = np.shape(X)
    if len(shape) != 2:
        remedy = (
            "use check_axes for arrays of three and more axes" if len(shape) > 2 else "give it at least two dimensions"
        )
        raise DataError(f"check_order takes a table of rows and columns, this array has shape {tuple(shape)}: {remedy}")
    rows, columns = int(shape[0]), int(shape[1])
    if rows == 0 or columns == 0:
        raise DataError(f"the table has {rows} rows and {columns} columns: there is nothing to check")
    return rows, columns


def _pairs(table: Any, kept: list[int], take: Any) -> Pairs | None:
    """Return the similarity of any pairs of columns as a function, if there are more columns than are looked at."""
    if len(kept) <= MAX_COLUMNS:
        return None

    def similar(first: Ints, second: Ints) -> Floats:
        one, two = (rank_scores(table[np.ix_(take, np.array(kept)[at])].astype(np.float64)) for at in (first, second))
        return similarity(np.nanmean(one * two, axis=0))

    return similar


def _labels(y: Any, rows: int, warnings: list[str]) -> Any:
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != rows:
        raise DataError(f"y has shape {labels.shape}, the table has {rows} rows: give one label per row, not a name")
    absent = pd.isna(labels)
    if absent.any():
        warnings.append(
            f"{counted(int(absent.sum()), 'row has no label and is', 'rows have no label and are')} left out"
        )
    if absent.all() or len(pd.unique(labels[~absent])) < 2:
        warnings.append("the labels hold one value only: they cannot help, the check goes on without them")
        return None
    return labels


def _numbers(frame: pd.DataFrame, roles: Roles, names: list[str], warnings: list[str]) -> Floats:
    """Return the sampled rows of a frame as numbers, categories as codes, (rows, kept columns)."""
    if not roles.kept:
        files = [column for column in roles.texts if names_files(frame.iloc[:, column])]
        word = next((names[column] for column in roles.texts if column not in files), "COLUMN")
        file = names[files[0]] if files else "COLUMN"
        raise DataError(
            f"none of the {frame.shape[1]} columns holds numbers or categories "
            f"({name_some(names[column] for column in roles.left_out)} left out): "
            f"give a table of numbers, or use the text adapter for a column of text (on the command line: --text "
            f"{word}), or that of pictures or sounds for a column of files (--path {file})"
        )
    if roles.categories:
        named = name_some(names[column] for column in roles.categories)
        warnings.append(f"categories have no values of their own and are taken as codes: {named}")
    parts = []
    for column in roles.kept[:MAX_COLUMNS]:
        series = frame.iloc[:, column]
        if column in roles.categories:
            codes = pd.factorize(series)[0].astype(np.float64)
            parts.append(np.where(codes < 0, np.nan, codes))
        else:
            parts.append(series.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.column_stack(parts)


def _name_left_out(roles: Roles, names: list[str], warnings: list[str]) -> None:
    if len(roles.kept) > MAX_COLUMNS:
        warnings.append(f"the first {MAX_COLUMNS} of {len(roles.kept)} columns were looked at")
    for columns, said in (
        (roles.identifiers, "column {} counts rows (an identifier or a time step): left out"),
        (roles.dates, "dates are left out: {}"),
        (roles.texts, "text columns are left out: {}; check them with their own adapter"),
    ):
        if columns:
            warnings.append(said.format(name_some(names[column] for column in columns)))


def _missing(values: Floats, names: list[str], warnings: list[str]) -> Any:
    """Put NaN for each infinite and no-data value, say where values are missing, and return columns without any."""
    with np.errstate(invalid="ignore"):
        beyond = np.abs(values) > no_data_limit(values)
    looked_at = np.array(names[: values.shape[1]])
    if beyond.any():
        warnings.append(
            f"infinite and no-data values in {counted(int(beyond.any(axis=0).sum()), 'column')} are taken as missing: "
            f"{name_some(looked_at[beyond.any(axis=0)])}"
        )
        values[beyond] = np.nan
    missing = np.isnan(values)
    empty = missing.all(axis=0) & bool(len(values))
    if empty.any():
        warnings.append(f"columns hold no value at all: {name_some(looked_at[empty])}")
    ended = np.logical_and.accumulate((missing | empty)[:, ::-1], axis=1)[:, ::-1] & ~empty
    gaps = missing & ~empty & ~ended
    if rows := int((ended.any(axis=1) & ~gaps.any(axis=1)).sum()):
        warnings.append(
            f"{rows} of {len(values)} rows {agreeing(rows, 'has', 'have')} empty cells at the end, as series that end "
            "earlier than others: each two columns are compared on the rows that have both"
        )
    if rows := int(gaps.any(axis=1).sum()):
        warnings.append(
            f"{rows} of {len(values)} rows {agreeing(rows, 'has', 'have')} an empty cell or no number in "
            f"{name_some(looked_at[gaps.any(axis=0)])}: here each two columns are compared on the rows that have both; "
            "training stops at such rows, or skips them (--on-error skip)"
        )
    return empty


def _flows(table: Any, roles: Roles) -> bool:
    """Tell whether rows resemble the row before, so that the table is a series in long format."""
    head = table[:MAX_ROWS] if isinstance(table, np.ndarray) else table.iloc[:MAX_ROWS]
    if len(head) < 20 or not roles.numbers:
        return False
    columns = roles.numbers[:MAX_COLUMNS]
    values = head[:, columns] if isinstance(head, np.ndarray) else head.iloc[:, columns].to_numpy(float, na_value=0.0)
    scores = rank_scores(np.nan_to_num(np.asarray(values, dtype=np.float64)))
    return bool(np.median((scores[1:] * scores[:-1]).mean(axis=0)) > 0.5)


def _mixed_units(values: Floats, warnings: list[str]) -> None:
    spread = np.nanstd(values, axis=0)
    if len(spread) >= 5 and spread.min() > 0 and math.log10(float(spread.max() / spread.min())) > 3:
        warnings.append("columns differ more than a thousandfold in spread: mixed units, unlike the cells of one grid")
