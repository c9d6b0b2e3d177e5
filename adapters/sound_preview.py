"""What a person hears and sees of a segment: all of it, and what surrounds it, by which events are judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridcnn.adapters.records import Preview
from gridcnn.segments import Segment

__all__ = ["heard"]

MARGIN = 1.0
"""Seconds before and after a segment, at least."""

LONGEST = 30.0
"""Seconds of a preview."""


def heard(
    segment: Segment, decode: Callable[[Segment], np.ndarray], length: float, window: float, rate: int
) -> Preview:
    """Return a segment as a clip.

    Parameters
    ----------
    segment : Segment
        Of a recording of `length` seconds.
    decode : callable
        Returns the samples of a segment, float32 `(samples,)`.
    length, window : float
        Seconds of the recording, and of a window, as much of which is shown at least.
    rate : int
        Samples a second (Hz).
    """
    stop = min(segment.end, length)
    margin = max(MARGIN, (window - (stop - segment.start)) / 2)
    start = max(segment.start - margin, 0.0)
    end = min(max(stop + margin, start + window), length)
    start = max(min(start, end - window), 0.0)
    cut = end - start > LONGEST
    end = start + LONGEST if cut else end
    waveform = decode(Segment(segment.path, start, end))
    padded = np.pad(waveform, (0, max(round(window * rate) - len(waveform), 0)))
    what = "its beginning and what is before it" if cut else "all of it and what surrounds it"
    note = f"{start:.5g} to {end:.5g} s of the recording: {what}"
    return Preview(waveform=waveform, sample_rate=rate, note=note, window=padded[None])
