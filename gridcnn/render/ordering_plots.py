"""The picture of an ordering report: correlations in two orders, and the statistic beside its null distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from scipy.cluster import hierarchy

from gridcnn.ordering import OrderReport
from gridcnn.ordering.trees import tree_of

__all__ = ["draw"]

GIVEN, NULL = "#c2410c", "#94a3b8"


def draw(report: OrderReport) -> Figure:
    """Draw a report; without a statistic the figure holds the reason in words."""
    data = report.figure_data
    figure = Figure(figsize=(14, 4), layout=ConstrainedLayoutEngine(wspace=0.06))
    figure.suptitle(f"{report.verdict}: {report.reason}", fontsize=11, x=0.01, ha="left")
    if "similar" not in data:
        figure.text(0.5, 0.5, "no statistic was measured", ha="center")
        return figure
    axes = figure.subplots(1, 4)
    strength = np.array(data["similar"])
    off = strength[~np.eye(len(strength), dtype=bool)]
    low, high = min(0.0, off.min()) if off.max() < 1.5 else off.min(), off.max()  # spectra: all of it is high
    np.fill_diagonal(strength, high)
    order = hierarchy.leaves_list(tree_of(data["similar"]))
    for panel, shown, title in (
        (axes[0], strength, "similarity in the given order"),
        (axes[1], strength[np.ix_(order, order)], "similarity in the order of the tree"),
    ):
        image = panel.imshow(shown, vmin=low, vmax=high, cmap="magma", interpolation="nearest")
        panel.set(title=title, xlabel="column", ylabel="column" if panel is axes[0] else "")
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.colorbar(image, ax=axes[:2].tolist(), shrink=0.8, pad=0.01, label="atanh |r|")
    axes[2].hist(data["null"], bins=25, color=NULL, label="orders that keep groups")
    axes[2].axvline(data["given"], color=GIVEN, lw=2.5, label="given order")
    cells = f"{data['axis']}s of the picture" if "axis" in data else "columns"
    axes[2].set(title=f"neighbouring {cells}", xlabel="similarity, mean atanh |r|", ylabel="null orders")
    axes[2].yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[2].legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, frameon=False)
    _profile(axes[3], report, data)
    return figure


def _profile(panel: Any, report: OrderReport, data: dict[str, Any]) -> None:
    profile = data.get("picture_profile") if report.grid else data.get("profile")
    if profile is None:
        panel.set_axis_off()
        return
    panel.plot(np.arange(1, len(profile) + 1), profile, color=GIVEN)
    panel.axhline(0, color=NULL, lw=0.8)
    panel.set(
        title="by distance",
        xlabel="distance between columns",
        ylabel="mean atanh |r|" if report.grid else "mean atanh r",
    )
    if report.grid:
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
