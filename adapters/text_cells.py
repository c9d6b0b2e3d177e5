"""The cells of a text's grid, as a person sees them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from gridcnn.adapters.limits import within
from gridcnn.adapters.windows import cut_windows
from gridcnn.errors import ItemError
from gridcnn.grid import Coordinates

__all__ = ["LONGEST_PREVIEW", "cells_of", "checked"]

LONGEST_PREVIEW = 600  # characters


def cells_of(tokens: Sequence[str], known: Collection[str], length: int, window: int = 1) -> Coordinates:
    """Return the token of each cell of a window, counted from 1, and whether it is known.

    Long tokens are shortened, and the padding has `""`.
    """
    first = 0
    if len(tokens) > length:
        first = int(cut_windows(np.arange(len(tokens)), length)[window - 1][0])
        tokens = tokens[first : first + length]
    cells = (*tokens, *[""] * (length - len(tokens)))
    position = np.arange(first, first + length)
    shown = tuple(cell if len(cell) <= LONGEST_PREVIEW else f"{cell[: LONGEST_PREVIEW - 1]}…" for cell in cells)
    return Coordinates("token", "", position, position, position, shown, tuple(token in known for token in cells))


def checked(item: Any) -> str:
    """Return an item that is a text, and not longer than one may be; ItemError for any other."""
    if not isinstance(item, str):
        raise ItemError(item, f"expected a text (str), got {type(item).__name__}")
    within(f"{item[:60]}…", "characters", len(item))
    return item
