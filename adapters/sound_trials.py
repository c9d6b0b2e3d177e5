"""Recordings made up to try an exported model."""

from __future__ import annotations

import numpy as np

from gridcnn.adapters.recordings import Recording

__all__ = ["hisses"]

SHARES = (1.0, 0.3, 1.04, 1.5, 3.7)  # of a window


def hisses(length: int, rate: int, random: np.random.Generator) -> list[Recording]:
    """Return hisses that rise and fade, as long as a window, shorter, a little longer and much longer; and silence."""
    items = [Recording(np.zeros(length, np.float32), rate)]
    for share in SHARES:
        samples = max(round(share * length), 1)
        loudness = np.interp(np.arange(samples), np.linspace(0, samples, 9), random.uniform(-5, -1, 9))
        items.append(Recording((random.normal(size=samples) * 10**loudness).astype(np.float32), rate))
    return items
