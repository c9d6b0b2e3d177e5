"""The input of a traced item, as its page shows it: words, a picture with or without a player, a curve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gridcnn.explain import Trace
from gridcnn.grid import Coordinates
from gridcnn.render.preview import clip_uri, draw_grid, picture_uri

__all__ = ["shown_input"]

LARGEST_CLIP = 500_000
"""Samples up to which a sound is kept exactly; longer sounds become MP3."""

PACES = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
"""Seconds between two marks of the time axis."""


def shown_input(trace: Trace) -> dict[str, Any]:
    """Return the input as words, a curve, or a picture, with a player and marks on its axes if it can be heard."""
    words, known = trace.coordinates[-1].words, trace.coordinates[-1].known
    if words:
        length = max((at + 1 for at, word in enumerate(words) if word), default=0)
        return {"kind": "words", "words": list(zip(words, known, strict=True))[:length]}
    if trace.grid.ndim == 2:
        return {"kind": "curve", "measured": len(trace.measured)}
    preview = trace.adapter.preview_window(trace.encoded)
    if preview.pixels is not None:
        return {"kind": "picture", "picture": picture_uri(preview.pixels)}
    pixels = draw_grid(trace.measured, upwards=trace.spec.axes[0].upwards)
    shown = {"kind": "picture", "picture": picture_uri(pixels)}
    if preview.waveform is None:
        return shown
    exact = len(preview.waveform) <= LARGEST_CLIP
    return {
        **shown,
        "sound": clip_uri(preview.waveform, preview.sample_rate, exact=exact),
        "step": trace.spec.axes[-1].step,
        "hertz": _frequencies(trace.coordinates[0]),
        "times": _times(trace.coordinates[-1]),
    }


def _frequencies(axis: Coordinates) -> list[tuple[str, float]]:
    """Return round frequencies with their places, as shares of the height from the top; none without hertz."""
    found: list[tuple[str, float]] = []
    if axis.unit != "Hz":
        return found
    rows = len(axis.centre)
    for pitch in (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100):  # from the top down
        place = 1 - float(np.interp(pitch, axis.centre, np.arange(rows) + 0.5)) / rows
        if axis.centre[0] <= pitch <= axis.centre[-1] and (not found or place - found[-1][1] > 0.08):
            found.append((f"{pitch // 1000} kHz" if pitch >= 1000 else f"{pitch} Hz", place))
    return found


def _times(axis: Coordinates) -> list[tuple[str, float]]:
    """Return round seconds with their places, as shares of the width; none without seconds."""
    if axis.unit != "s":
        return []
    start, stop = float(axis.low[0]), float(axis.high[-1])
    pace = next((step for step in PACES if (stop - start) / step <= 8), PACES[-1])
    seconds = np.arange(math.ceil(start / pace - 1e-9), math.floor(stop / pace + 1e-9) + 1) * pace
    columns = len(axis.centre)
    places = np.interp(seconds, axis.centre, np.arange(columns) + 0.5) / columns
    return [(f"{second:g} s", place) for second, place in zip(seconds.round(3), places.tolist(), strict=True)]
