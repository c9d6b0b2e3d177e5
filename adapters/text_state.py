"""What the fitted state of an adapter for texts may be, if it comes from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridcnn.constraints import Choice, Constraint, Each, Flag, Number, Text

__all__ = ["EARLIER", "LONGEST", "STATE", "WIDEST"]

LONGEST = 65_536  # tokens of a grid
WIDEST = 65_536  # numbers of a vector

STATE: Mapping[str, Constraint] = {
    "tokens_": Choice(("word", "character")),
    "length_": Number(int, low=1, high=LONGEST, closed=True),
    "embedding_dim_": Number(int, low=1, high=WIDEST, closed=True),
    "vocabulary_": Each(Text()),
    "pieces_": Each(Text()),
    "runs_": Each(Text()),
    "evidence_": Number(int, low=0, high=WIDEST, closed=True),
    "marked_": Flag(),
}

EARLIER: Mapping[str, Any] = {"runs_": [], "evidence_": 0, "marked_": False}
"""What a file says that was written before there were these."""
