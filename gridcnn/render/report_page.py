"""The page of a report: one file that needs no network and no script."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcnn.evaluation.label_sets_report import LabelSetReport
from gridcnn.evaluation.metrics import Evaluation
from gridcnn.evaluation.report import Answer, Report
from gridcnn.model import EpochRecord
from gridcnn.multilabel import score_name
from gridcnn.render.drawn_map import drawn_map
from gridcnn.render.html import render
from gridcnn.render.preview import Shown, draw_grid, name_of, picture_uri, show

__all__ = ["label_set_report_page", "report_page"]

MOST_CLASSES = 30
"""Up to this many classes the confusion matrix is drawn whole; beyond, the pairs that are confused most."""


def report_page(report: Report) -> str:
    """Return the page of a report as HTML."""
    return render(
        "report.html",
        report=report,
        mistakes=[(answer, _shown(report, answer)) for answer in report.mistakes],
        hits=[(answer, _shown(report, answer)) for answer in report.hits],
        confusion=_confusion(report.scores),
        curves=_curves(report.history, several=False),
        right="validation accuracy",
        item_map=drawn_map(report.item_map),
    )


def label_set_report_page(report: LabelSetReport) -> str:
    """Return the page of a report on a model with several labels an item as HTML."""
    return render(
        "label_sets.html",
        report=report,
        mistakes=[(answer, _shown(report, answer)) for answer in report.mistakes],
        curves=_curves(report.history, several=True),
        right="validation items with all labels right",
    )


def _shown(report: Report | LabelSetReport, answer: Answer) -> Shown:
    shown = show(answer.name or name_of(answer.item), answer.preview)
    if answer.grid is None:
        return shown
    return shown._replace(picture=picture_uri(draw_grid(answer.grid, upwards=report.spec.axes[0].upwards)))


def _confusion(scores: Evaluation) -> dict[str, Any]:
    """Return the whole matrix with the share of each cell in its row, and the pairs that are confused most."""
    counts = np.array(scores.confusion)
    names = [row.name for row in scores.classes]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    pairs = [
        {"truth": names[row], "prediction": names[column], "count": int(wrong[row, column])}
        for row, column in (divmod(int(at), len(counts)) for at in np.argsort(-wrong, axis=None, kind="stable")[:10])
        if wrong[row, column]
    ]
    return {"whole": len(names) <= MOST_CLASSES, "names": names, "share": share.tolist(), "pairs": pairs}


def _curves(history: list[EpochRecord], *, several: bool) -> list[dict[str, Any]]:
    """Return the lines of the learning curves, the heights of their labels and the range of each chart."""
    charts = []
    right = score_name(several=several).capitalize()
    for title, name, form in (("Loss", "loss", "%.2f"), (right, "accuracy", "%.2f")):
        series: list[dict[str, Any]] = [
            {"name": label, "colour": colour, "values": [getattr(record, field) for record in history]}
            for label, colour, field in (("training", "two", name), ("validation", "one", f"validation_{name}"))
        ]
        series = [line for line in series if np.isfinite(line["values"]).all() and line["values"]]
        if not series:
            continue
        low, high = min(min(line["values"]) for line in series), max(max(line["values"]) for line in series)
        ends = [1 - (line["values"][-1] - low) / ((high - low) or 1.0) for line in series]
        if len(ends) == 2 and abs(ends[0] - ends[1]) < 0.08:  # labels need room
            middle, up = sum(ends) / 2, np.sign(ends[0] - ends[1]) or 1.0
            ends = [middle + 0.04 * up, middle - 0.04 * up]
        series = [{**line, "label_at": float(end)} for line, end in zip(series, ends, strict=True)]
        charts.append({"title": title, "series": series, "low": low, "high": high, "format": form})
    return charts
