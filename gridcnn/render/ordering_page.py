"""The page of an ordering report: verdict, pictures, and the whole report as text."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from gridcnn.evaluation.axes import GridReport
from gridcnn.ordering import AxesReport, OrderReport
from gridcnn.render.html import render
from gridcnn.render.ordering_plots import draw

__all__ = ["ordering_page"]


def ordering_page(report: OrderReport | AxesReport | GridReport) -> str:
    """Return the page of a report as HTML that needs no network and no script.

    Parameters
    ----------
    report : OrderReport, AxesReport or GridReport
        The report on a table, on the axes of an array, or on the grids of an adapter.
    """
    if isinstance(report, OrderReport):
        pictures, reason = [("", draw(report))], report.reason
    elif isinstance(report, AxesReport):
        pictures = [(f"Axis {at}", draw(axis)) for at, axis in enumerate(report.axes, 1) if axis.figure_data]
        reason = report.advice
    else:
        parts = zip(report.axes, report.reports, strict=True)
        pictures = [(f"{axis.name}, {axis.size} cells", draw(each)) for axis, each in parts if each.figure_data]
        reason = report.reason
    sections = [(heading, _svg(figure)) for heading, figure in pictures]
    return render("ordering.html", verdict=report.verdict, reason=reason, sections=sections, text=str(report))


def _svg(figure: Figure) -> str:
    """Return a figure as an svg element, which the template inserts as it is; matplotlib escapes the text in it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    picture = buffer.getvalue()
    return picture[picture.index("<svg") :]
