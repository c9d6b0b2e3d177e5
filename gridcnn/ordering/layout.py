"""Layouts: where each column of a table belongs in the grid of one row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcnn.ordering.similarity import Ints

__all__ = ["ABSENT", "Layout"]

ABSENT = -1  # a cell whose column is not in the table


@dataclass(frozen=True, eq=False)
class Layout:
    """The grid in each row of a table.

    Attributes
    ----------
    axes : tuple of str
        Names of the axes of the grid: `("column",)`, `("column", "channels")`, `("height", "width")` or
        `("height", "width", "channels")`.
    cells : array of int, shape as the grid
        Position of the column that each cell takes its value from; -1 for a cell that the table does not hold, such as
        a pixel that never varies and was dropped.
    left_out : tuple of int
        Positions of columns that are no cells, such as a label beside the pixels.
    """

    axes: tuple[str, ...]
    cells: Ints
    left_out: tuple[int, ...] = ()

    @property
    def channels(self) -> int:
        """Number of channels, 1 if there is no such axis."""
        return int(self.cells.shape[-1]) if self.axes[-1] == "channels" else 1

    @property
    def is_plain(self) -> bool:
        """Whether the columns are read one after another, none left out, as a flattened grid."""
        return bool(np.array_equal(self.cells.ravel(), np.arange(self.cells.size))) and not self.left_out

    def __str__(self) -> str:
        size = " × ".join(map(str, self.cells.shape[: len(self.axes) - (self.axes[-1] == "channels")]))
        channels = f", {self.channels} channels" if self.channels > 1 else ""
        absent = int((self.cells == ABSENT).sum())
        return f"{size}{channels}" + (f", {absent} cells not in the table" if absent else "")
