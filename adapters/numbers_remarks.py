"""What a person should know about numbers before trusting a model of them, and about those of one item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gridcnn.adapters.numbers import HALF_A_STEP, SMALLEST_SPREAD, loses_in_float32, varying
from gridcnn.errors import DataError
from gridcnn.grid import GridSpec

__all__ = ["caution", "described", "in_columns", "refuse_doubled", "remarks_on", "spreads_differ", "stands_at_levels"]

FEWEST_MARKS = 3  # items with the same outlying number
OUTLYING = 3  # times the range of all other numbers
FAR_OUT = 30  # the same for a number that fewer items hold: one cell of -9999 spoils the scale of all others
WIDE_RANGE = 10  # ratio of the spreads within items, from which on each is also shown by its own scale
MOST_LOOKED_AT = 2_000_000  # numbers


def in_columns(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the columns of these names in this order; raise DataError if some are missing."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise DataError(
            f"the table lacks columns that the model was trained on: {', '.join(missing[:10])}; it has "
            f"{', '.join(map(str, table.columns[:10]))}: give a table with the columns of the training table."
        )
    return table[list(names)]


def stands_at_levels(grids: np.ndarray, smallest: float) -> bool:
    """Return whether most cells of grids `(n, channels, …)` vary too little to be seen beside the others.

    A standard deviation below the `smallest` share of the level is rounding.
    """
    over = tuple(range(2, grids.ndim))
    low, high = grids.min(axis=0).astype(np.float64), grids.max(axis=0).astype(np.float64)
    mean = grids.mean(axis=(0, *over), dtype=np.float64).reshape(-1, *[1] * len(over))
    std = grids.std(axis=0, dtype=np.float64)
    moving = varying(np.maximum(np.abs(low), np.abs(high)), std, smallest)
    away = np.maximum(np.abs(low - mean), np.abs(high - mean))
    return bool(moving.any()) and bool(loses_in_float32(away, std)[moving].mean() > 0.5)


def remarks_on(grids: np.ndarray, mean: np.ndarray, std: np.ndarray, levels: bool, scaling: str) -> list[str]:
    """Say in sentences what stands out in training grids `(n, channels, …)`, standardised by `mean` and `std`.

    `levels` is what `stands_at_levels` says. Grids of float64 are those that float32 would blur.
    """
    said = _about_marks(grids)
    if grids.dtype == np.float64:
        said.append(
            "the numbers are large beside what varies in them, more than float32 can tell apart: they are centred in "
            "float64 first"
        )
        alike = len(_distinct(grids)) - len(_distinct(((grids - mean) / std).astype(np.float32)))
        if alike > 0:
            said.append(
                f"{alike:,} of {len(grids):,} different rows differ by too little to be told apart beside the range of "
                "the others: subtract a reference from their columns, or scale them"
            )
    if levels:
        apart = "the columns stand at levels, or vary by amounts, too far apart for one scale"
        said.append(
            f"{apart}, so each is standardised by itself, which hides the level"
            if scaling == "cell"
            else f"{apart}, so most of them cannot be seen beside the others: scale them, or say scaling='cell'"
        )
    return said


def _about_marks(grids: np.ndarray) -> list[str]:
    """Name a number that some items hold, far from all others, as -9999 is where it marks missing ones."""
    looked_at = grids[: max(MOST_LOOKED_AT // max(grids[0].size, 1), 1)]
    said = []
    for extreme in (float(looked_at.min()), float(looked_at.max())):
        marked = looked_at == extreme
        others = looked_at[~marked]
        if not len(others):
            continue
        rows = int(marked.reshape(len(looked_at), -1).any(axis=1).sum())
        far = OUTLYING if rows >= FEWEST_MARKS else FAR_OUT
        low, high = float(others.min()), float(others.max())
        if min(abs(extreme - low), abs(extreme - high)) > far * (high - low) > 0:
            said.append(
                f"{extreme:.6g} stands in {rows:,} of {len(looked_at):,} items, far from all other numbers ({low:.4g} "
                f"to {high:.4g}): if it marks missing values, empty those cells"
            )
    return said


def _distinct(grids: np.ndarray) -> set[bytes]:
    return {each.tobytes() for each in grids}


def caution(grid: np.ndarray, bounds: Sequence[Sequence[float]]) -> list[str]:
    """Say whether a number of a grid `(channels, …)` lies far outside `bounds` of its channel."""
    low, high = np.moveaxis(np.asarray(bounds, dtype=np.float64), -1, 0)
    flat = grid.reshape(len(grid), -1)
    room = OUTLYING * (high - low) + 8 * HALF_A_STEP * np.maximum(np.abs(low), np.abs(high))
    if ((flat < (low - room)[:, None]) | (flat > (high + room)[:, None])).any():
        return ["a number lies far outside the range of the training items"]
    return []


def refuse_doubled(X: pd.DataFrame) -> None:
    """Raise DataError if a DataFrame has two columns of the same name."""
    if not X.columns.is_unique:
        doubled = ", ".join(map(str, X.columns[X.columns.duplicated()].unique()[:10]))
        raise DataError(f"the table has several columns of the same name: {doubled}. Rename them, or keep one")


def described(grid: GridSpec, *, twice: bool) -> str:
    """Say in a sentence or two how a grid shows numbers; `twice` says whether each channel stands in it twice."""
    several = grid.channels.size // (2 if twice else 1)
    flat = len(grid.axes) == 1
    channels = f" of {several} channels" if several > 1 else ""
    drawn = " in a row" if flat else ", drawn as the mean of the channels" if several > 1 else ""
    about = f"{' × '.join(map(str, grid.sizes))} cells{channels}{drawn}, standardised."
    if not twice:
        return about
    which, its = ("each channel", "its") if several > 1 else ("them", "their")
    return (
        f"{about} The network sees {which} twice: by the mean and spread of the training items, which keeps the "
        f"level, and by {its} own, which shows the shape at any level{' (dashed)' if flat else ''}."
    )


def spreads_differ(grids: np.ndarray) -> bool:
    """Return whether some channel of items `(n, channels, …)` varies far more in some than in others."""
    spreads = grids.std(axis=tuple(range(2, grids.ndim)), dtype=np.float64)  # (n, channels)
    for channel in spreads.T:
        varying = channel[channel > SMALLEST_SPREAD * channel.max()]
        if len(varying) and np.quantile(varying, 0.9) >= WIDE_RANGE * np.quantile(varying, 0.1):
            return True
    return False
