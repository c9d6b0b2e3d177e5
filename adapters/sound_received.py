"""Recordings that a stranger sends to a service, judged by their headers before they are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile

from gridcnn.adapters.limits import sound_weight
from gridcnn.adapters.received import as_received, within
from gridcnn.adapters.sound_files import OTHER_FORMATS, read_header, read_sound
from gridcnn.errors import ItemError

__all__ = ["sound"]

LENGTH_UNKNOWN = 2**40
"""Samples from which on libsndfile means that the header does not say how many there are."""


def sound(value: Any, most: Mapping[str, float], rate: int) -> Any:
    """Return a recording of at most `most["seconds"]`; numbers have `rate` samples a second (Hz)."""
    item = as_received(value, most, files=True, texts=False)
    if isinstance(item, np.ndarray):
        return within(item.astype(np.float32), "seconds", max(item.shape, default=0) / rate, most)
    if item.suffix.lower() in OTHER_FORMATS:
        raise ItemError(item, "a service decodes wav, flac, ogg, opus, mp3, aiff, au and caf only: convert it first")
    limit = most.get("seconds", np.inf)
    try:
        with soundfile.SoundFile(item) as file:
            frames, per_second, channels = file.frames, max(file.samplerate, 1), file.channels
    except soundfile.SoundFileError:
        read_header(item)  # which says what is wrong
        return item
    if frames >= LENGTH_UNKNOWN and np.isfinite(limit):
        frames = len(read_sound(item, int(limit * per_second) + 1)[0])
    return within(item, "seconds", frames / per_second, most, sound_weight(per_second, channels))
