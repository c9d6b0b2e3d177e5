"""Arrangements: which column of a table each cell of a grid takes its value from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gridcnn.errors import DataError
from gridcnn.onnx_graph import Graph
from gridcnn.ordering.columns import name_some, no_data_limit
from gridcnn.ordering.layout import ABSENT

if TYPE_CHECKING:
    from gridcnn.ordering import OrderReport

__all__ = ["Arrangement", "arrangement_of", "refuse_labels"]

CHANNELS = "channels"
USUAL_AXES = {1: ("column",), 2: ("height", "width"), 3: ("height", "width", CHANNELS)}
"""Names of the axes of one row whose columns are read one after another, by their number."""

PLACES = "position"
"""Name of a single axis whose cells are not the columns one after another."""

MOST_CHANNELS, MOST_COLUMNS = 4, 3  # that are named


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Puts the numbers of a row into the cells of a grid.

    Attributes
    ----------
    axes : tuple of str
        Names of the axes; the last one may be `"channels"`.
    cells : array of int, shape as the grid
        Position of the column that each cell takes its value from; -1 for a cell whose column was dropped.
    n_columns : int
        Columns of a row. A label among them is in no cell.
    filling : float or None
        The number in cells whose column was dropped; None if there are none.
    """

    axes: tuple[str, ...]
    cells: np.ndarray
    n_columns: int
    filling: float | None = None

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the arrangement in the fitted state of a table, which has a shape or a layout."""
        layout = state.get("layout_")
        return cls.usual(state["shape_"]) if layout is None else cls.from_dict(layout)

    @classmethod
    def usual(cls, shape: Sequence[int]) -> Self:
        """Return the arrangement that reads the columns one after another: `reshape`."""
        n_columns = int(np.prod(shape))
        return cls(USUAL_AXES[len(shape)], np.arange(n_columns).reshape(shape), n_columns)

    @cached_property
    def is_usual(self) -> bool:
        """Whether the shape alone tells this arrangement."""
        in_turn = np.arange(self.n_columns)
        return self.axes == USUAL_AXES.get(len(self.axes)) and np.array_equal(self.cells.ravel(), in_turn)

    @property
    def shape(self) -> list[int]:
        """Size of each axis."""
        return list(self.cells.shape)

    def arrange(self, rows: np.ndarray) -> np.ndarray:
        """Return rows `(…, n_columns)` as `(…, *shape)`, in the same precision."""
        if self.is_usual:
            return rows.reshape(*rows.shape[:-1], *self.shape)
        grids: np.ndarray = np.take(rows, self.cells, axis=-1)
        if self.filling is not None:
            grids[..., self.cells == ABSENT] = self.filling
        return grids

    def row_of(self, grid: np.ndarray) -> np.ndarray:
        """Return a row `(n_columns,)` that `arrange` makes a grid of; columns in no cell are 0."""
        row = np.zeros(self.n_columns, dtype=grid.dtype)
        held = self.cells != ABSENT
        row[self.cells[held]] = grid[held]
        return row

    def add_to(self, graph: Graph, rows: str) -> str:
        """Return the name of what `arrange` makes of rows `(batch, n_columns)` in a graph."""
        shape = graph.constant([-1, *self.shape])
        if self.is_usual:
            return graph("Reshape", rows, shape)
        places = np.where(self.cells == ABSENT, 0, self.cells)
        grids = graph("Reshape", graph("Gather", rows, graph.constant(places.ravel()), axis=1), shape)
        if self.filling is None:
            return grids
        filling = graph("CastLike", graph.constant(self.filling, np.float64), rows)
        return graph("Where", graph.constant(self.cells == ABSENT), filling, grids)

    def about(self, name: Callable[[tuple[int, ...]], str]) -> list[str]:
        """Say which columns make which channel, if they are not in turn, and which cells no column has.

        Parameters
        ----------
        name : callable
            Returns what a person calls the column at a position, given as a tuple of one int.
        """
        if self.is_usual:
            return []
        held = self.cells[self.cells != ABSENT]
        in_turn = self.axes[-1] != CHANNELS and np.array_equal(held, np.sort(held))
        channels = np.moveaxis(self.cells, -1, 0) if self.axes[-1] == CHANNELS else self.cells[None]
        said = []
        for number, channel in enumerate([] if in_turn else channels[:MOST_CHANNELS], 1):
            first = [name((at,)) for at in channel[channel != ABSENT].tolist()[:MOST_COLUMNS]]
            which = f"channel {number} of the grid" if len(channels) > 1 else "the grid"
            said.append(f"{which} is made of {', '.join(first)}, …")
        if absent := int((self.cells == ABSENT).sum()):
            said.append(
                f"{absent:,} of the {self.cells.size:,} cells of the grid have no column, as if those that never vary "
                f"were dropped: they hold {self.filling:.6g} in every row"
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return the arrangement as JSON-ready values; `from_dict` reads them back."""
        return {
            "axes": list(self.axes),
            "cells": self.cells.tolist(),
            "n_columns": self.n_columns,
            "filling": self.filling,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild an arrangement from what `to_dict` returned.

        Raises
        ------
        ValueError
            If the cells are no grid, or name a column that a row does not have.
        """
        cells, n_columns = np.array(values["cells"], dtype=np.int64), int(values["n_columns"])
        if not cells.size or cells.min() < ABSENT or cells.max() >= n_columns:
            raise ValueError(f"cells of a grid that are none of {n_columns} columns")
        return cls(tuple(values["axes"]), cells, n_columns, values["filling"])


def arrangement_of(report: OrderReport | None, rows: np.ndarray) -> Arrangement:
    """Return the arrangement that the ordering check found, or a series if it does not say where every column belongs.

    Parameters
    ----------
    report : OrderReport or None
        None if the order was not checked.
    rows : ndarray of shape (n, columns)
        Training rows. The smallest of their numbers goes into cells whose column was dropped.
    """
    n_columns = rows.shape[1]
    layout = None if report is None else report.layout
    if layout is None:
        return Arrangement.usual((n_columns,))
    held = np.concatenate([layout.cells[layout.cells != ABSENT], np.array(layout.left_out, dtype=int)])
    if not np.array_equal(np.sort(held), np.arange(n_columns)):
        return Arrangement.usual((n_columns,))
    found = Arrangement(layout.axes, layout.cells, n_columns)
    if found.is_usual:
        return found
    axes = tuple(PLACES if axis == "column" else axis for axis in layout.axes)
    filling = None
    if (layout.cells == ABSENT).any():
        filling = float(np.min(rows, where=np.abs(rows) <= no_data_limit(rows), initial=np.inf))
    return Arrangement(axes, layout.cells, n_columns, filling if filling is None or np.isfinite(filling) else 0.0)


def refuse_labels(report: OrderReport, names: Sequence[str] | None) -> None:
    """Raise DataError if columns beside the grid look like labels: a model would read the answer from them.

    Parameters
    ----------
    report : OrderReport
        Of the ordering check.
    names : sequence of str or None
        Names of all columns; None if they are only numbered.
    """
    layout = report.layout
    if layout is None or not layout.left_out:
        return
    at = list(layout.left_out)
    found = at if names is None else [names[each] for each in at]
    drop = f"np.delete(X, {at}, axis=1)" if names is None else f"X.drop(columns={found})"
    what = "looks like a label" if len(at) == 1 else "look like labels"
    listed = name_some(f"column {name!r}" for name in found)
    raise DataError(
        f"the columns are a grid of {layout}, but for {listed}, which {what}: a model would read the answer there. "
        f"Say --label {found[0]} on the command line, or drop it in Python, {drop}. "
        "If it is none, ordering='assume' (--ordering assume) reads all columns as one series"
    )
