"""What the fitted state of an adapter for sounds may be, if it comes from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridcnn.adapters.sound_frames import HIGHEST_RATE, MOST_SAMPLES, Frames, check_frames
from gridcnn.constraints import Constraint, Each, Number, Record

__all__ = ["STATE", "check_together"]

LOWEST_RATE = 100  # Hz
FEWEST_SAMPLES = 10  # of a learned window: a tenth of a second at the lowest rate

_COUNT = Number(int, low=0, high=2**63)
_RATE = Number(int, low=1, high=2**31)
_SHARE = Number(low=0, high=1, closed=True)
_HERTZ = Number(low=0, high=HIGHEST_RATE)

STATE: Mapping[str, Constraint] = {
    "sample_rate_": Number(int, low=LOWEST_RATE, high=HIGHEST_RATE, closed=True),
    "samples_": Number(int, low=FEWEST_SAMPLES, high=MOST_SAMPLES, closed=True),
    "n_fft_": Number(int, low=2, high=65_536, closed=True),
    "hop_length_": Number(int, low=1, high=MOST_SAMPLES, closed=True),
    "n_mels_": Number(int, low=1, high=1_024, closed=True),
    "f_min_": _HERTZ,
    "f_max_": _HERTZ,
    "survey_": Record(
        {
            "rates": Each(Each(_RATE, fewest=2, most=2), fewest=1),  # a rate and how many recordings have it
            "durations": Each(Number(low=0, high=1e12), fewest=1),
            "above": Number(low=0, high=1.001),
            **dict.fromkeys(("recordings", "heard", "silent", "clipped", "cancelling", "cut"), _COUNT),
        },
        also={"segments": _COUNT, "views": _COUNT},
    ),
}


def check_together(state: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if frames and bands do not suit the window, or would take too much memory."""
    frames = Frames(*(state[f"{name}_"] for name in Frames.__dataclass_fields__))
    check_frames(state["sample_rate_"], state["samples_"], frames)
