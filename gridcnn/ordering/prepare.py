"""From any table to scores: which columns take part, at most 2,000 rows and 1,024 columns of them, ranked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from gridcnn.errors import DataError
from gridcnn.ordering.trees import Floats

__all__ = ["Prepared", "prepare", "rank_scores"]

MAX_ROWS = 2000
MAX_COLUMNS = 1024


@dataclass
class Prepared:
    """A table ready for the tests."""

    scores: Floats  # (rows, columns), ranks as z-scores; constant columns are 0
    values: Floats  # (rows, columns), the sampled numbers, missing ones filled with the median
    names: list[str]
    varies: np.ndarray[Any, np.dtype[np.bool_]]
    target: Any  # labels of the sampled rows, or None
    rows: int
    columns: int
    warnings: list[str] = field(default_factory=list)
    tokens: bool = False  # the columns hold codes from one vocabulary
    long_format: bool = False


def rank_scores(values: Floats) -> Floats:
    """Ranks of each column as z-scores clipped at ±4: units and outliers do not matter; constant columns give 0."""
    ranks = np.asarray(rankdata(values, axis=0), dtype=np.float64)
    ranks -= ranks.mean(axis=0)
    spread = ranks.std(axis=0)
    return np.clip(ranks / np.where(spread > 0, spread, np.inf), -4, 4)


def prepare(X: Any, y: Any, kind: str, rng: np.random.Generator) -> Prepared:  # noqa: PLR0915 - one step after another
    """Sample, encode and rank a table; see `gridcnn.ordering.check_order` for what is accepted and raised."""
    frame = X if isinstance(X, pd.DataFrame) else None
    shape = frame.shape if frame is not None else np.shape(X)
    if len(shape) != 2:
        raise DataError(
            f"check_order takes a table of rows and columns, this array has shape {tuple(shape)}: "
            + (
                "use check_axes for arrays of three and more axes"
                if len(shape) > 2
                else "give it at least two dimensions"
            )
        )
    rows, columns = int(shape[0]), int(shape[1])
    if rows == 0 or columns == 0:
        raise DataError(f"the table has {rows} rows and {columns} columns: there is nothing to check")
    warnings: list[str] = []
    labels = _labels(y, rows, warnings)
    pool = np.flatnonzero(~pd.isna(labels)) if labels is not None else np.arange(rows)
    take = np.sort(rng.choice(pool, MAX_ROWS, replace=False)) if len(pool) > MAX_ROWS else pool
    target = labels[take] if labels is not None else None
    head = slice(0, min(rows, MAX_ROWS))
    if frame is not None:
        names = [str(name) for name in frame.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            warnings.append(f"column names come twice: {_some(twice)}; columns are told apart by position")
        values, keep, start, tokens, clock = _encode(frame.iloc[take], frame.iloc[head], kind, warnings)
        names = [names[column] for column in keep]
    else:
        array = X if isinstance(X, np.ndarray) else np.asarray(X)
        if array.dtype.kind not in "biuf":
            return prepare(pd.DataFrame(array).infer_objects(), y, kind, rng)
        names, tokens = [str(column) for column in range(columns)], kind == "categorical"
        values, start = array[take].astype(np.float64), array[head].astype(np.float64)
        clock = [column for column in range(min(columns, 64)) if _counts(start[:, column])]
        keep = np.arange(columns)
        if not tokens and clock and columns - len(clock) > 0 and len(clock) < 3:
            warnings.append(f"column {_some([names[column] for column in clock])} counts rows: left out")
            keep = np.setdiff1d(keep, clock)
            values, names = values[:, keep], [names[column] for column in keep]
    long_format = columns <= 30 and bool(clock) and _flows(start, clock)
    if long_format:
        warnings.append(
            "rows follow one another in time (one row per time step?): pivot the table so that each series is one row, "
            "or give check_axes an array (series, sensors, time)"
        )
    if len(keep) > MAX_COLUMNS:
        warnings.append(f"the first {MAX_COLUMNS} of {len(keep)} columns were looked at")
        values, names = values[:, :MAX_COLUMNS], names[:MAX_COLUMNS]
    infinite = np.isinf(values)
    if infinite.any():
        warnings.append(f"infinite values in {int(infinite.any(axis=0).sum())} columns are taken as missing")
        values[infinite] = np.nan
    missing = np.isnan(values)
    if missing.any():
        empty = missing.all(axis=0)
        if missing.mean() > 0.2:
            warnings.append(f"{missing.mean():.0%} of the values are missing; the median of the column stands for them")
        if empty.any():
            warnings.append(f"{int(empty.sum())} columns hold no value at all: {_some(np.array(names)[empty])}")
        values[:, empty] = 0.0
        middle = np.nanmedian(values, axis=0)
        values = np.where(np.isnan(values), middle, values)
    varies = values.max(axis=0) > values.min(axis=0) if len(values) else np.zeros(values.shape[1], dtype=bool)
    if not varies.all():
        warnings.append(f"{int((~varies).sum())} constant columns are left out: {_some(np.array(names)[~varies])}")
    _mixed_units(values[:, varies], warnings)
    return Prepared(rank_scores(values), values, names, varies, target, rows, columns, warnings, tokens, long_format)


def _labels(y: Any, rows: int, warnings: list[str]) -> Any:
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != rows:
        raise DataError(f"y has shape {labels.shape}, the table has {rows} rows: give one label per row")
    absent = pd.isna(labels)
    if absent.any():
        warnings.append(f"{int(absent.sum())} rows have no label and are left out")
    if absent.all() or len(pd.unique(labels[~absent])) < 2:
        warnings.append("the labels hold one value only: they cannot help, the check goes on without them")
        return None
    return labels


def _encode(
    frame: pd.DataFrame, head: pd.DataFrame, kind: str, warnings: list[str]
) -> tuple[Floats, Any, Floats, bool, list[int]]:
    """Numbers for the columns of a frame: sampled rows, which columns, first rows, tokens?, which ones count time."""
    texts = [column for column in range(frame.shape[1]) if not _numeric(frame.dtypes.iloc[column])]
    dates = [column for column in texts if pd.api.types.is_datetime64_any_dtype(frame.dtypes.iloc[column])]
    words = [column for column in texts if column not in dates]
    if words and len(words) == frame.shape[1] and len(words) >= 2 and _share_words(frame):
        codes, _ = pd.factorize(frame.to_numpy().ravel())
        return codes.reshape(frame.shape).astype(float), np.arange(frame.shape[1]), np.zeros((0, 0)), True, []
    keep: list[int] = []
    parts: list[Floats] = []
    first: list[Floats] = []
    clock: list[int] = []
    texts_out, counters = [], []
    for column in range(frame.shape[1]):
        series, top = frame.iloc[:, column], head.iloc[:, column]
        if column in dates:
            clock.append(len(first))
            first.append(np.asarray(top.astype("int64"), dtype=np.float64))
            continue
        if column in words:
            codes, levels = pd.factorize(series, sort=False)
            if kind != "categorical" and len(levels) > max(20, len(series) // 20):
                texts_out.append(str(frame.columns[column]))
                continue
            part = np.where(codes < 0, np.nan, codes.astype(np.float64)).astype(np.float64)
            keep.append(column)
            parts.append(part)
            continue
        start = pd.to_numeric(top, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        if kind != "categorical" and _counts(start):
            clock.append(len(first))
            counters.append(str(frame.columns[column]))
            first.append(start)
            continue
        first.append(start)
        keep.append(column)
        parts.append(series.to_numpy(dtype=float, na_value=np.nan))
    if counters and len(counters) >= 3:  # columns that all rise: a ramp, not identifiers
        for name in counters:
            column = [str(one) for one in frame.columns].index(name)
            keep.append(column)
            parts.append(frame.iloc[:, column].to_numpy(dtype=float, na_value=np.nan))
        order = np.argsort(keep)
        keep, parts, counters = [keep[i] for i in order], [parts[i] for i in order], []
    if counters:
        warnings.append(f"column {_some(counters)} counts rows (an identifier or a time step): left out")
    if dates:
        warnings.append(f"dates are left out: {_some([str(frame.columns[c]) for c in dates])}")
    if texts_out:
        warnings.append(f"text columns are left out: {_some(texts_out)}; check them with their own adapter")
    if not parts:
        raise DataError(
            f"none of the {frame.shape[1]} columns holds numbers or categories "
            f"({_some(texts_out or counters)} left out): "
            "give a table of numbers, or use the text adapter for a column of text"
        )
    top_values: Floats = np.column_stack(first).astype(np.float64) if first else np.zeros((0, 0))
    return np.column_stack(parts), np.asarray(keep), top_values, kind == "categorical", clock


def _numeric(dtype: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype))


def _share_words(frame: pd.DataFrame) -> bool:
    """Tell whether most columns draw from one vocabulary, as token positions do."""
    sets = [set(frame.iloc[:, column].dropna()) for column in range(frame.shape[1])]
    union = set().union(*sets)
    return len(union) > 20 and sum(len(one) for one in sets) > 2 * len(union)


def _counts(values: Floats) -> bool:
    """Tell whether a column counts rows: steps of one, all along or restarting with each series."""
    if len(values) < 20 or not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    return bool(np.mean(steps == 1) > 0.8 and np.all(values == np.round(values)))


def _flows(values: Floats, clock: list[int]) -> bool:
    """Tell whether rows resemble the row before, so that the table is a series in long format."""
    others = [column for column in range(values.shape[1]) if column not in clock]
    if len(values) < 20 or not others:
        return False
    filled = np.nan_to_num(values[:, others])
    scores = rank_scores(filled)
    return bool(np.median((scores[1:] * scores[:-1]).mean(axis=0)) > 0.5)


def _mixed_units(values: Floats, warnings: list[str]) -> None:
    spread = values.std(axis=0)
    if len(spread) >= 5 and spread.min() > 0 and math.log10(float(spread.max() / spread.min())) > 3:
        warnings.append("columns differ more than a thousandfold in spread: mixed units, unlike the cells of one grid")


def counting_names(names: list[str]) -> str:
    """Describe names that count or carry units (t0…t99, 400nm, Jan…Dec); empty where they do not."""
    months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    if len(names) >= 5 and all(name.isdigit() for name in names) and names == [str(i) for i in range(len(names))]:
        return ""  # positions, not names
    if len(names) >= 6 and [name[:3].lower() for name in names][:12] == months[: len(names)]:
        return "the names are months"
    found = [re.fullmatch(r"(\D*)(\d+(?:\.\d+)?)(\D*)", name) for name in names]
    matched = [match for match in found if match]
    if len(names) < 5 or len(matched) < len(names) or len({(m[1], m[3]) for m in matched}) > 1:
        return ""
    numbers = np.array([float(match[2]) for match in matched])
    return f"the names count, from {names[0]} to {names[-1]}" if np.all(np.diff(numbers) > 0) else ""


def _some(names: Any, most: int = 4) -> str:
    shown = [str(name) for name in list(names)[:most]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
