"""Reports of the ordering check: verdicts with their evidence, as text and JSON."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gridcnn.display import as_text
from gridcnn.ordering.alternatives import Alternatives
from gridcnn.ordering.layout import Layout

__all__ = ["AxesReport", "OrderReport", "Verdict"]

Verdict = Literal["ordered", "exchangeable", "undecided"]

FAMILIES = ("shuffled", "grouped", "laid out", "sorted")
MEANING = {
    "shuffled": "in any order",
    "grouped": "in groups without an order",
    "laid out": "in blocks that could change places",
    "sorted": "that were sorted by similarity",
}
ADVICE = {
    "ordered": "Train on the table as it is: kernels slide along the columns.",
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
        By null family: the score of each statistic, as the quantile of a standard normal, and the p-value of the best;
        numbers of the other tests by their names.
    grid : tuple of int or None
        Height and width if the columns are a flattened picture; the width counts the colours of each pixel.
    layout : Layout or None
        Where each column belongs in the grid of one row, if that is more than a sequence.
    alpha : float
        Level of the tests.
    opinion : str
        A second opinion in one sentence: how far the order suits a locally connected network. It decides nothing.
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
    layout: Layout | None = field(default=None, compare=False)
    alpha: float = 0.01
    opinion: str = ""
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    advice: str = ""
    alternatives: Alternatives | None = None
    figure_data: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def channels(self) -> int:
        """Channels of the grid: colours of a pixel, or values of an item."""
        return self.layout.channels if self.layout else 1

    @property
    def p(self) -> float | None:
        """The largest p-value of the null families, None if they were not tested."""
        found = [self.evidence[family]["p"] for family in FAMILIES if family in self.evidence]
        return max(found) if found else None

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
            "layout": {"axes": list(self.layout.axes), "cells": self.layout.cells.tolist()} if self.layout else None,
            "alpha": self.alpha,
            "p": self.p,
            "opinion": self.opinion,
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
        if self.layout:
            lines.append(f"grid        {self.layout}")
        for family in (*FAMILIES, "picture", "labels", "names"):
            values = self.evidence.get(family)
            if family in FAMILIES and values is not None:
                closest = f" ({values['closest']})" if values.get("closest") else ""
                lines.append(f"{family:11} p {_p(values['p'])} against columns {MEANING[family]}{closest}")
            elif family == "labels" and values is not None:
                lines.append(
                    f"labels      R² {values['value']:.2f} in this order, {values['shuffled']:.2f} in shuffled ones, "
                    f"{values['order_free']:.2f} without order"
                )
            elif values is not None:
                lines.append(f"{family:11} {_shown(values)}")
        lines += [f"opinion     {self.opinion}"] if self.opinion else []
        lines += [f"warning     {warning}" for warning in self.warnings]
        lines.append(f"advice      {self.advice}")
        filled = [textwrap.fill(line, 88, subsequent_indent=" " * 12) if line else "" for line in lines]
        return "\n".join(filled + (["", str(self.alternatives)] if self.alternatives else []))

    def _repr_html_(self) -> str:
        """Show the report in a notebook."""
        return _as_html(self)


_COLOURS = {"ordered": "#1a7f37", "exchangeable": "#b42318", "undecided": "#9a6700"}


def _as_html(report: OrderReport | AxesReport) -> str:
    return (
        f"<div style='border-left:4px solid {_COLOURS[report.verdict]};padding-left:8px'>{as_text(str(report))}</div>"
    )


def _p(value: float) -> str:
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"


def _shown(values: Any) -> str:
    if not isinstance(values, dict):
        return str(values)
    return ", ".join(f"{key} {value:.3g}" for key, value in values.items() if isinstance(value, int | float))


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
        Ordered if at least one axis is and the others are decided, since exchangeable axes become channels; undecided
        if an axis is undecided; exchangeable if no axis is ordered.
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
        """Ordered if an axis is and the others are ordered or can be channels; see the class."""
        ordered, undecided = (self.verdicts.count(verdict) for verdict in ("ordered", "undecided"))
        if undecided:
            return "undecided"
        return "ordered" if ordered else "exchangeable"

    @property
    def advice(self) -> str:
        """The next step for each axis."""
        kernels = [str(at) for at, axis in enumerate(self.axes, 1) if axis.verdict == "ordered"]
        channels = [str(at) for at, axis in enumerate(self.axes, 1) if axis.verdict == "exchangeable"]
        parts = []
        if kernels:
            parts.append(f"slide kernels along {_axes(kernels)}")
        if channels:
            parts.append(f"make {_axes(channels)} channels")
        if len(kernels) + len(channels) < len(self.axes):
            parts.append("an undecided axis is ordered if you know that it is, else make it channels")
        if 0 < len(kernels) <= 2 and len(channels) <= 1 and len(kernels) + len(channels) == len(self.axes):
            names = ["channels" if str(at) in channels else f"axis{at}" for at in range(1, len(self.axes) + 1)]
            parts.append(f"in Python: GridClassifier(ArrayAdapter(axes={tuple(names)!r}))")
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

    def _repr_html_(self) -> str:
        """Show the report in a notebook."""
        return _as_html(self)


def _axes(numbers: list[str]) -> str:
    return f"axis {numbers[0]}" if len(numbers) == 1 else f"axes {', '.join(numbers[:-1])} and {numbers[-1]}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
