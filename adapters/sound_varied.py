"""Several windows of one event, at other places and in other backgrounds, for training.

A window that slides over a recording meets an event at any place, and the noise of the day. Few annotated events show
little of either, so each is met again: a window begins somewhere around it, and a stretch of background is mixed in,
down to the level of the window itself.

References
----------
Salamon et al. 2017, "Scaper: a library for soundscape synthesis and augmentation", for events in other backgrounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridcnn.segments import Segment, Varied

__all__ = ["varied"]

MIXED = 0.7
"""Share of the windows that a background is mixed into."""

QUIETEST, LOUDEST = -15.0, 0.0
"""Level of what is mixed in, beside that of the window (dB)."""

SILENCE = 1e-6
"""Root mean square of what is not scaled up."""


def varied(item: Varied, window: int, rate: int, length: float, read: Callable[[Segment], np.ndarray]) -> np.ndarray:
    """Return a window for each background beside an event.

    Parameters
    ----------
    item : Varied
        The event.
    window, rate : int
        Samples of a window, and samples a second.
    length : float
        Of the recording (s), at least a window.
    read : callable
        Returns the samples `(n,)` of a segment at this rate.

    Returns
    -------
    ndarray of shape (len(item.beside), window)
        float32.
    """
    random = np.random.default_rng([item.seed, round(1_000 * item.start)])
    seconds = window / rate
    inside = item.inside * min(seconds, item.end - item.start)
    earliest, latest = (
        min(max(place, 0.0), length - seconds) for place in (item.start + inside - seconds, item.end - inside)
    )
    around = read(Segment(item.path, earliest, latest + seconds))
    around = np.pad(around, (0, max(window - len(around), 0)))
    windows = np.empty((len(item.beside), window), np.float32)
    for at, background in enumerate(item.beside):
        first = int(random.integers(len(around) - window + 1))
        windows[at] = around[first : first + window]
        if random.random() < MIXED:
            other = np.resize(read(background), window)  # a shorter one is repeated
            level = float(np.sqrt(np.square(windows[at]).mean())) * 10 ** (random.uniform(QUIETEST, LOUDEST) / 20)
            windows[at] += np.float32(level / max(float(np.sqrt(np.square(other).mean())), SILENCE)) * other
    return windows
