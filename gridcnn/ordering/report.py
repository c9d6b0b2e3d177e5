"""Reports of the ordering check: verdicts with their evidence, as text and JSON."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gridcnn.ordering.alternatives import Alternatives

__all__ = ["AxesReport", "OrderReport", "Verdict"]

Verdict = Literal["ordered", "exchangeable", "undecided"]

ADVICE = {
    "ordered": "A convolution along the columns suits this table.",
    "exchangeable": "Use a model that ignores column order: gradient boosting, logistic regression or an RBF SVM.",
    "undecided": "Use a model that ignores column order, or declare the order yourself if you know that there is one.",
}


@dataclass(frozen=True)
class OrderReport:
    """Verdict on the order of a table's columns.

    Attributes
    ----------
    verdict : {"ordered", "exchangeable", "undecided"}
        Undecided counts as a refusal unless the user declares the columns ordered.
    reason : str
        One sentence in plain words.
    test : str
        The test that decided.
    rows, columns : int
        Size of the table, or number of items and size of one axis of an array.
    rows_used, columns_used : int
        Rows and varying columns that the tests looked at.
    evidence : dict
        Effect scores and null means by test. A score z is (value - null mean) / null sd; it is no p-value.
    grid : tuple of int or None
        Height and width if the columns are a flattened picture.
    channels : int
        Colours of a pixel if the picture is channel-last; the width of `grid` counts them.
    warnings : tuple of str
        Remarks on the table.
    left_out : tuple of str
        Columns that cannot be cells of a grid: identifiers, dates and texts.
    advice : str
        The next step.
    alternatives : Alternatives or None
        Scores of models that know no order, if they were asked for and the table was not called ordered.
    figure_data : dict
        Arrays for the figure by name, such as `"similar"`, atanh |r| of shape (columns, columns); empty if nothing was
        measured.
    """

    verdict: Verdict
    reason: str
    test: str
    rows: int
    columns: int
    rows_used: int
    columns_used: int
    evidence: dict[str, Any] = field(default_factory=dict)
    grid: tuple[int, int] | None = None
    channels: int = 1
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    advice: str = ""
    alternatives: Alternatives | None = None
    figure_data: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values, without `figure_data`."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "test": self.test,
            "rows": self.rows,
            "columns": self.columns,
            "rows_used": self.rows_used,
            "columns_used": self.columns_used,
            "grid": list(self.grid) if self.grid else None,
            "channels": self.channels,
            "evidence": _plain(self.evidence),
            "warnings": list(self.warnings),
            "left_out": list(self.left_out),
            "advice": self.advice,
            "alternatives": self.alternatives.to_dict() if self.alternatives else None,
        }

    def __str__(self) -> str:
        lines = [f"{self.verdict.upper()}: {self.reason}", ""]
        lines.append(f"looked at   {self.rows_used} of {self.rows} rows, {self.columns_used} of {self.columns} columns")
        lines.append(f"decided by  {self.test}")
        if self.grid:
            colours = (
                f" ({self.grid[0]} × {self.grid[1] // self.channels}, {self.channels} colours)"
                if self.channels > 1
                else ""
            )
            lines.append(f"grid        {self.grid[0]} × {self.grid[1]}{colours}")
        for name, values in self.evidence.items():
            if isinstance(values, dict):
                shown = ", ".join(
                    f"{key} {value:.3g}" for key, value in values.items() if isinstance(value, int | float)
                )
                lines.append(f"{name:11} {shown}")
            else:
                lines.append(f"{name:11} {values}")
        lines += [f"warning     {warning}" for warning in self.warnings]
        lines.append(f"advice      {self.advice}")
        filled = [textwrap.fill(line, 88, subsequent_indent=" " * 12) if line else "" for line in lines]
        return "\n".join(filled + (["", str(self.alternatives)] if self.alternatives else []))


@dataclass(frozen=True)
class AxesReport:
    """A verdict for each axis of an array whose first axis is items.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array.
    axes : tuple of OrderReport
        One report for each axis after the first.
    verdict : {"ordered", "exchangeable", "undecided"}
        Ordered if every axis is, exchangeable if one is, else undecided.
    verdicts : tuple of str
        Verdict of each axis.
    advice : str
        The next step for each axis.
    """

    shape: tuple[int, ...]
    axes: tuple[OrderReport, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Verdict of each axis after the first."""
        return tuple(axis.verdict for axis in self.axes)

    @property
    def verdict(self) -> Verdict:
        """Ordered if every axis is, exchangeable if one is, else undecided."""
        return next((verdict for verdict in ("exchangeable", "undecided") if verdict in self.verdicts), "ordered")

    @property
    def advice(self) -> str:
        """The next step for each axis."""
        kernels = [str(at) for at, axis in enumerate(self.axes, 1) if axis.verdict == "ordered"]
        channels = [str(at) for at, axis in enumerate(self.axes, 1) if axis.verdict == "exchangeable"]
        parts = []
        if kernels:
            parts.append(f"slide kernels along axis {' and '.join(kernels)}")
        if channels:
            parts.append(f"make axis {' and '.join(channels)} channels")
        if len(kernels) + len(channels) < len(self.axes):
            parts.append("declare the undecided axes ordered if you know that they are, else make them channels")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "verdict": self.verdict,
            "shape": list(self.shape),
            "advice": self.advice,
            "axes": [axis.to_dict() for axis in self.axes],
        }

    def __str__(self) -> str:
        lines = [f"array {' × '.join(map(str, self.shape))}: {self.advice}"]
        lines += [
            textwrap.fill(f"axis {at} ({axis.columns}): {axis.verdict}: {axis.reason}", 88, subsequent_indent=" " * 4)
            for at, axis in enumerate(self.axes, 1)
        ]
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
