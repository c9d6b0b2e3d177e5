"""What the fitted state of an adapter for pictures may be, if it comes from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridcnn.adapters.pixel_range import FLOATS, WHOLE
from gridcnn.constraints import Constraint, Each, Flag, Number, Record
from gridcnn.errors import ConfigurationError

__all__ = ["MOST_CELLS", "STATE", "check_together"]

MOST_CELLS = 4096**2
"""Cells of the largest grid."""

_COUNT = Number(int, low=0, high=2**63)
_SIDE = Number(low=1, high=2**31)
_PIXEL = Number(low=-1e300, high=1e300)
_SIZE = Each(_SIDE, fewest=2, most=2)
_RANGE = Record(
    {
        "low": _PIXEL,
        "high": _PIXEL,
        "levels": Number(low=0, high=256, closed=True),
        "clipped": Number(low=0, high=1, closed=True),
    }
)

STATE: Mapping[str, Constraint] = {
    "height_": Number(int, low=1, high=MOST_CELLS, closed=True),
    "width_": Number(int, low=1, high=MOST_CELLS, closed=True),
    "colour_": Flag(),
    "mean_": Each(Number(low=0, high=255, closed=True), fewest=1, most=3),
    "std_": Each(Number(low=0, high=255, above=True, closed=True), fewest=1, most=3),
    "pixel_ranges_": Record(also={WHOLE: _RANGE, FLOATS: _RANGE}),
    "survey_": Record(
        {
            "height": _SIDE,
            "width": _SIDE,
            "smallest": _SIZE,
            "largest": _SIZE,
            **dict.fromkeys(("pictures", "eight_bit", "pages", "coloured", "transparent"), _COUNT),
        }
    ),
}


def check_together(state: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if the grid is too large, or the channels are not those of its colours."""
    height, width, channels = state["height_"], state["width_"], 3 if state["colour_"] else 1
    if height * width > MOST_CELLS:
        raise ConfigurationError(f"a grid of {height} × {width} pixels is larger than 4096 × 4096")
    if not len(state["mean_"]) == len(state["std_"]) == channels:
        raise ConfigurationError(f"pictures of {channels} channels need as many entries of mean_ and std_")
    if unknown := state["pixel_ranges_"].keys() - {WHOLE, FLOATS}:
        raise ConfigurationError(f"pixel_ranges_ has ranges of {WHOLE} and {FLOATS}, not of {min(unknown)!r}")
