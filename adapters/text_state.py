"""What the fitted state of an adapter for texts may be, if it comes from a file."""

from __future__ import annotations

from collections.abc import Mapping

from gridcnn.constraints import Choice, Constraint, Each, Number, Text

__all__ = ["LONGEST", "STATE", "WIDEST"]

LONGEST = 65_536  # tokens of a grid
WIDEST = 65_536  # numbers of a vector

STATE: Mapping[str, Constraint] = {
    "tokens_": Choice(("word", "character")),
    "length_": Number(int, low=1, high=LONGEST, closed=True),
    "embedding_dim_": Number(int, low=1, high=WIDEST, closed=True),
    "vocabulary_": Each(Text()),
    "pieces_": Each(Text()),
}
