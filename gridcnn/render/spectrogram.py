"""A spectrogram with the axes of librosa: round frequencies and seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gridcnn.explain import Trace
from gridcnn.render.drawing import MOST_CELLS, colours_of

__all__ = ["draw_spectrogram", "is_spectrogram"]


def is_spectrogram(trace: Trace) -> bool:
    """Return whether the grid has a frequency that runs upwards and a time, and is small enough to draw each cell."""
    units = [axis.unit for axis in trace.coordinates]
    return units == ["Hz", "s"] and trace.spec.axes[0].upwards and max(trace.spec.sizes) <= MOST_CELLS


def draw_spectrogram(ax: Axes, trace: Trace) -> None:
    """Draw the first channel of the grid; all bands have the same height, as a kernel sees them."""
    from librosa.display import specshow  # noqa: PLC0415  (slow to import)

    frequency, time = trace.coordinates
    middles = (frequency.centre[1:] + frequency.centre[:-1]) / 2  # bands overlap: each is drawn up to the middle
    edges = np.concatenate([frequency.low[:1], middles, frequency.high[-1:]])
    rows = np.arange(len(edges), dtype=float)
    specshow(
        trace.grid[0],
        x_coords=np.append(time.low, time.high[-1]),
        y_coords=edges,
        x_axis="s",
        y_axis="hz",
        cmap=colours_of(trace.spec),
        ax=ax,
    )

    def row_of(hertz: np.ndarray) -> Any:
        return np.interp(hertz, edges, rows, left=-1, right=len(rows))

    def hertz_of(row: np.ndarray) -> Any:
        return np.interp(row, rows, edges)

    ax.set_yscale("function", functions=(row_of, hertz_of))
    ax.set(ylim=(edges[0], edges[-1]), xlabel=f"{time.name} ({time.unit})", ylabel=f"{frequency.name} (Hz)")
