"""How much a file may become in memory, so that a small one does not take all of it.

The limits live in the environment, so that every process that is started keeps them, too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from gridcnn.errors import ConfigurationError, DataError

__all__ = ["FREE", "HELP", "most", "require_cells", "require_unpacked"]

HELP: Mapping[str, str] = {
    "cells": "Cells of a table that is held in memory, rows × columns, at most.",
    "expansion": "Times its size that a compressed file may have unpacked, at most; 64 MB are always allowed.",
}
"""What a person can limit, by GRIDCNN_MAX_NAME in the environment."""

_DEFAULTS = {"cells": 200_000_000.0, "expansion": 50.0}

FREE = 64 * 2**20
"""Bytes that a file may have unpacked, however small it is."""


def most(name: str) -> float:
    """Return a limit: what the environment says, or the default.

    Raises
    ------
    ConfigurationError
        If the variable of the environment holds no number above 0.

    Examples
    --------
    >>> most("cells")
    200000000.0
    """
    variable = f"GRIDCNN_MAX_{name.upper()}"
    text = os.environ.get(variable)
    if not text:
        return _DEFAULTS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise ConfigurationError(f"{variable} must be a number above 0, got {text!r}")
    return value


def require_cells(source: object, cells: float) -> None:
    """Raise DataError if a table has more cells than may be held in memory."""
    if cells > most("cells"):
        raise DataError(
            f"{source}: the table has more than {most('cells'):,.0f} cells (rows × columns): if it is meant to and "
            "memory is enough, some 100 bytes a cell, allow more by GRIDCNN_MAX_CELLS; or give fewer columns or rows."
        )


def require_unpacked(source: object, packed: int, unpacked: int) -> None:
    """Raise DataError if a file of so many bytes has far more of them unpacked, as made-up ones have."""
    if unpacked > max(FREE, most("expansion") * packed):
        raise DataError(
            f"{source}: it unpacks to more than {most('expansion'):g} times its size of {packed:,} bytes, as no honest "
            "table does: if you trust it, allow more by GRIDCNN_MAX_EXPANSION, or unpack it yourself."
        )
