"""What the fitted state of an adapter for arrays or tables may be, if it comes from a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.constraints import Choice, Constraint, Each, Flag, Named, Number, Optional, Record, Text
from gridcnn.errors import ConfigurationError
from gridcnn.ordering.layout import ABSENT
from gridcnn.parameters import check

__all__ = ["ARRAY_STATE", "AXES", "OF_GRIDS", "UNITS", "check_grids", "check_table"]

MOST_CELLS = 2**31
MOST_COLUMNS = 2**22


@dataclass(frozen=True)
class _Numbers:
    """Numbers in nested lists of one shape."""

    low: float = -1e38

    def allows(self, value: Any) -> bool:
        """Whether the value is such lists."""
        if not isinstance(value, list):
            return False
        try:
            numbers = np.asarray(value)
        except ValueError:  # lists of several lengths
            return False
        return numbers.dtype.kind in "iuf" and bool(((numbers > self.low) & (numbers < 1e39)).all())

    def __str__(self) -> str:
        return f"nested lists of numbers above {self.low:g}"


_SIZE = Number(int, low=1, high=MOST_CELLS)
_AXIS = Text(1_000)

AXES: Constraint = Each(_AXIS, fewest=1, most=3)
UNITS: Constraint = Optional(Named(_AXIS))
OF_GRIDS: Mapping[str, Constraint] = {
    "scaling_": Choice(("channel", "both", "cell")),
    "mean_": _Numbers(),
    "std_": _Numbers(low=0),
    "centred_": Flag(),
    "ended_": Flag(),
    "limit_": Number(low=0, high=1e39, above=True),
    "bounds_": _Numbers(low=-1e39),
    "remarks_": Each(Text()),
}
"""The part that both adapters have: how each channel is standardised, and what stood out."""

ARRAY_STATE: Mapping[str, Constraint] = {
    "sizes_": Each(_SIZE, fewest=1, most=3),
    **OF_GRIDS,
    "columns_": Optional(Each(Text())),
}
_TABLE: Mapping[str, Constraint] = {
    "columns_": Optional(Each(Text())),
    "ordering_": Text(),
    "shape_": Each(_SIZE, fewest=1, most=3),
    "layout_": Optional(
        Record(
            {
                "axes": AXES,
                "cells": _Numbers(low=-2),
                "n_columns": Number(int, low=1, high=MOST_COLUMNS, closed=True),
                "filling": Optional(Number(low=-1e39, high=1e39)),
            }
        )
    ),
    **OF_GRIDS,
}


def check_grids(state: Mapping[str, Any], axes: Sequence[str], channel_axis: str) -> None:
    """Raise ConfigurationError unless sizes, scales and bounds are those of arrays with these axes."""
    sizes = dict(zip(axes, state["sizes_"], strict=False))
    if len(sizes) != len(state["sizes_"]) or math.prod(sizes.values()) > MOST_CELLS:
        raise ConfigurationError(f"sizes_ must be those of the axes {', '.join(axes)}, and no more than 2**31 cells")
    channels = sizes.pop(channel_axis, 1)
    cells = sizes.values() if state["scaling_"] == "cell" else [1] * len(sizes)
    expected = {"mean_": (channels, *cells), "std_": (channels, *cells), "bounds_": (channels, 2)}
    for name, shape in expected.items():
        if np.shape(state[name]) != shape:
            raise ConfigurationError(f"{name} must have the shape {shape}, got {np.shape(state[name])}")
    columns = state["columns_"]
    if columns is not None and len(columns) != state["sizes_"][0]:
        raise ConfigurationError(f"columns_ must name {state['sizes_'][0]} columns, got {len(columns)}")


def check_table(state: Mapping[str, Any]) -> None:
    """Raise ConfigurationError unless each attribute of a table is what it may be, and the layout is one.

    Only one of `shape_` and `layout_` has to be there.
    """
    layout = state.get("layout_")
    missing = "layout_" if layout is None else "shape_"
    check({missing: None, **state}, {name: each for name, each in _TABLE.items() if name != missing})
    if layout is None:
        n_columns = math.prod(state["shape_"])
    else:
        n_columns, cells = layout["n_columns"], np.asarray(layout["cells"])
        if cells.dtype.kind != "i" or cells.ndim != len(layout["axes"]) or not cells.size:
            raise ConfigurationError("cells of a layout must be numbers of columns, in lists by the axes")
        if (cells == ABSENT).any() and layout["filling"] is None:
            raise ConfigurationError("cells without a column need a filling")
    if n_columns > MOST_COLUMNS:
        raise ConfigurationError(f"a row has at most {MOST_COLUMNS:,} columns, got {n_columns:,}")
    columns = state["columns_"]
    if columns is not None and len(columns) != n_columns:
        raise ConfigurationError(f"columns_ must name {n_columns} columns, got {len(columns)}")


def check_axes(axes: Sequence[str], units: Mapping[str, str] | None, channels: str) -> None:
    """Raise ConfigurationError if axes do not fit each other and their units; `channels` is the unordered one."""
    ordered = [name for name in axes if name != channels]
    if isinstance(axes, str) or not 1 <= len(ordered) <= 2 or len(set(axes)) < len(axes):
        raise ConfigurationError(
            f"axes must name one or two ordered axes, and 'channels' at most once, such as ('length',) or "
            f"('channels', 'height', 'width'); got {axes!r}"
        )
    if unknown := sorted(set(units or {}) - set(ordered)):
        raise ConfigurationError(f"units names {', '.join(unknown)}, but the ordered axes are {', '.join(ordered)}")
