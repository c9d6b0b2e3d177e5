"""Pictures of a search: scores in their order, what mattered, and the score at each value of a dimension."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gridcnn.render.drawing import AGAINST, FOR, GREY, new_figure, plain
from gridcnn.tuning.records import Tried, Tuned

__all__ = ["as_png", "slices", "tuning_history", "tuning_importance"]

MOST_SLICES = 8
COLUMNS = 4
LONGEST = 14  # characters of a name on an axis


def tuning_history(tuned: Tuned) -> Figure:
    """Draw the score of each trial on the items held out, and the best until then."""
    figure = new_figure(3.4)
    ax = figure.subplots()
    complete = [each for each in tuned.trials if each.complete]
    numbers, scores = [each.number for each in complete], [each.accuracy for each in complete]
    ax.plot(numbers, scores, "o", color=FOR, label="complete")
    ax.step(numbers, np.maximum.accumulate(scores), where="post", color=FOR, lw=1, label="best until then")
    for state, mark in (("pruned", "|"), ("failed", "x")):
        others = [each.number for each in tuned.trials if each.state == state]
        if others:
            ax.plot(others, [min(scores, default=0.0)] * len(others), mark, color=GREY, label=state)
    if tuned.usual is not None:
        ax.axhline(tuned.usual.accuracy, color=AGAINST, lw=0.8, ls=":", label="the defaults")
    ax.set(xlabel="trial", ylabel=f"{tuned.score} on items held out")
    _no_higher_than_one(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
    return figure


def tuning_importance(tuned: Tuned) -> Figure:
    """Draw the share of the differences between trials that each dimension explains (fANOVA)."""
    names = list(tuned.importance)[::-1]
    figure = new_figure(0.9 + 0.3 * len(names))
    ax = figure.subplots()
    ax.barh([plain(name, 40) for name in names], [tuned.importance[name] for name in names], color=FOR)
    ax.set(xlabel=f"share of the differences in {tuned.score}", xlim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def slices(tuned: Tuned) -> Figure:
    """Draw the score of the complete trials at each value of the dimensions that mattered most."""
    complete = [each for each in tuned.trials if each.complete]
    varying = [
        name for name in (complete[0].point if complete else {}) if len({each.point[name] for each in complete}) > 1
    ]
    ranked = sorted(varying, key=lambda name: -tuned.importance.get(name, 0.0))[:MOST_SLICES]
    rows = max(-(-len(ranked) // COLUMNS), 1)
    figure = new_figure(2.4 * rows)
    axes = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    for ax in axes.flat[len(ranked) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, ranked, strict=False):
        _slice(ax, name, complete)
    _no_higher_than_one(axes[0, 0])  # and so all of them, which share it
    for ax in axes[:, 0]:
        ax.set_ylabel(tuned.score)
    return figure


def _no_higher_than_one(ax: Axes) -> None:
    """End the axis of a score at the largest one there is, but for half a mark."""
    ax.set_ylim(top=min(ax.get_ylim()[1], 1.005))


def _slice(ax: Axes, name: str, complete: Sequence[Tried]) -> None:
    values: list[Any] = [each.point[name] for each in complete]
    scores = [each.accuracy for each in complete]
    if isinstance(values[0], str):
        names = sorted(set(values))
        ax.plot([names.index(each) for each in values], scores, "o", color=FOR, alpha=0.7)
        ax.set_xticks(range(len(names)), [plain(each, LONGEST) for each in names], fontsize=8)
        ax.margins(x=0.2)
    else:
        ax.plot(values, scores, "o", color=FOR, alpha=0.7)
        if min(values) > 0 and max(values) > 3 * min(values):
            ax.set_xscale("log")
        elif isinstance(values[0], int):
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(plain(name, 40))
    ax.spines[["top", "right"]].set_visible(False)


def as_png(figure: Figure) -> bytes:
    """Return a figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
