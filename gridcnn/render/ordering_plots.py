"""The picture of an ordering report: correlations in two orders, and the statistic beside its null distribution."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from scipy.cluster import hierarchy

from gridcnn.ordering import OrderReport
from gridcnn.ordering.orders import tree_of
from gridcnn.ordering.report import MEANING

__all__ = ["draw"]

GIVEN, NULL = "#c2410c", "#94a3b8"
MOST_NAMES = 24  # on an axis
EXPLAINED = {
    "lags": "how far distance explains similarity",
    "fading": "how similarity fades with distance",
    "ranks": "how near similar columns stand",
    "cycle": "how far distance on a circle explains it",
    "bigrams": "which code follows which",
    "row width": "a row width stands out",
}


def draw(report: OrderReport) -> Figure:
    """Draw a report; without a statistic the figure holds the reason in words."""
    data = report.figure_data
    figure = Figure(figsize=(14, 4), layout=ConstrainedLayoutEngine(wspace=0.06))
    said = [f"{report.verdict}: {report.reason}", *([f"second opinion: {report.opinion}"] if report.opinion else [])]
    figure.suptitle("\n".join(textwrap.fill(line, 190) for line in said), fontsize=10, x=0.01, ha="left")
    if "similar" not in data:
        figure.text(0.5, 0.5, "no statistic was measured", ha="center")
        return figure
    axes = figure.subplots(1, 4)
    strength = np.array(data["similar"])
    off = strength[~np.eye(len(strength), dtype=bool)]
    low, high = min(0.0, off.min()) if off.max() < 1.5 else off.min(), off.max()  # spectra: all of it is high
    np.fill_diagonal(strength, high)
    names = [name.replace("$", r"\$") for name in data.get("names", [])]  # no formulas
    noun = data.get("noun", "column")
    order = hierarchy.leaves_list(tree_of(data["similar"]))
    for panel, placed, title in (
        (axes[0], np.arange(len(strength)), "similarity, given order"),
        (axes[1], order, "similarity, tree order"),
    ):
        shown = strength[np.ix_(placed, placed)]
        image = panel.imshow(shown, vmin=low, vmax=high, cmap="magma", interpolation="nearest")
        panel.set(title=title, xlabel=noun, ylabel=noun if panel is axes[0] else "")
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if len(names) == len(strength) and any(not name.isdigit() for name in names):
            step = max(1, math.ceil(len(names) / MOST_NAMES))
            shortened = [textwrap.shorten(names[at], 18, placeholder="…") or names[at][:17] + "…" for at in placed]
            panel.set_yticks(range(0, len(names), step), shortened[::step], fontsize=7)
            panel.set_xticks(range(0, len(names), step), shortened[::step], fontsize=7, rotation=90)
            panel.set(xlabel="", ylabel="")
    figure.colorbar(image, ax=axes[:2].tolist(), shrink=0.8, pad=0.01, label="atanh |r|")
    family = f"columns {MEANING[data['family']]}" + (f"\n({data['kind']})" if data["kind"] else "")
    axes[2].hist(data["null"], bins=25, color=NULL, label=family)
    axes[2].axvline(data["given"], color=GIVEN, lw=2.5, label="given order")
    axes[2].set(
        title=f"{EXPLAINED.get(data['statistic'], data['statistic'])}",
        xlabel=f"statistic: {data['statistic']}" + ("" if report.grid else ", in standard deviations"),
        ylabel="null orders",
    )
    axes[2].yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[2].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1, frameon=False)
    _profile(axes[3], report, data)
    return figure


def _profile(panel: Any, report: OrderReport, data: dict[str, Any]) -> None:
    profile = data.get("picture_profile") if report.grid else data.get("profile")
    if profile is None:
        panel.set_axis_off()
        return
    profile = profile[: max(4, 3 * len(profile) // 4)]  # few pairs are farther apart
    panel.plot(np.arange(1, len(profile) + 1), profile, color=GIVEN)
    panel.axhline(0, color=NULL, lw=0.8)
    panel.set(
        title="by distance",
        xlabel=f"distance between {data.get('noun', 'column')}s",
        ylabel="mean atanh |r|",
    )
    if report.grid and report.layout and report.layout.is_plain:
        width = report.grid[1]
        panel.axvline(width, color=NULL, ls="--")
        panel.annotate(
            f"row width {width}",
            (width, max(profile)),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
