"""The input of a traced item, as its page shows it: words, a picture with or without a player, a curve."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gridcnn.explain import Trace
from gridcnn.render.preview import clip_uri, picture_uri, tinted

__all__ = ["shown_input"]

LARGEST_CLIP = 500_000
"""Samples up to which a sound is kept exactly; longer sounds become MP3."""


def shown_input(trace: Trace) -> dict[str, Any]:
    """Return the input as words, a curve, or a picture; with a player and the round values of its axes for a sound."""
    words, known = trace.coordinates[-1].words, trace.coordinates[-1].known
    if words:
        length = max((at + 1 for at, word in enumerate(words) if word), default=0)
        return {"kind": "words", "words": list(zip(words, known, strict=True))[:length]}
    if trace.grid.ndim == 2:
        return {"kind": "curve", "measured": len(trace.measured)}
    preview = trace.adapter.preview_window(trace.encoded)
    if preview.pixels is not None:
        return {"kind": "picture", "picture": picture_uri(preview.pixels)}
    values = trace.grid[: trace.encoded.shape[0]].mean(axis=0) if preview.waveform is None else trace.grid[0]
    shown = {"kind": "picture", "picture": picture_uri(tinted(values[::-1] if trace.spec.axes[0].upwards else values))}
    if preview.waveform is None:
        return shown
    exact = len(preview.waveform) <= LARGEST_CLIP
    return {
        **shown,
        "sound": clip_uri(preview.waveform, preview.sample_rate, exact=exact),
        "step": trace.spec.axes[-1].step,
        "seconds": len(preview.waveform) / preview.sample_rate,
        **_ticks(trace),
    }


def _ticks(trace: Trace) -> dict[str, list[tuple[str, float]]]:
    """Return round frequencies and seconds with their places, as shares of the height and the width."""
    frequency, time = trace.coordinates
    start, stop = float(time.low[0]), float(time.high[-1])
    pace = next(step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300) if (stop - start) / step <= 8)
    seconds = np.arange(math.ceil(start / pace - 1e-9), math.floor(stop / pace + 1e-9) + 1) * pace
    rows, columns = len(frequency.centre), len(time.centre)
    hertz: list[tuple[str, float]] = []
    for pitch in (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100):  # from the top down
        place = 1 - float(np.interp(pitch, frequency.centre, np.arange(rows) + 0.5)) / rows
        if frequency.centre[0] <= pitch <= frequency.centre[-1] and (not hertz or place - hertz[-1][1] > 0.08):
            hertz.append((f"{pitch // 1000} kHz" if pitch >= 1000 else f"{pitch} Hz", place))
    places = np.interp(seconds, time.centre, np.arange(columns) + 0.5) / columns
    times = [(f"{second:g} s", place) for second, place in zip(seconds.round(3), places.tolist(), strict=True)]
    return {"hertz": hertz, "times": times}
