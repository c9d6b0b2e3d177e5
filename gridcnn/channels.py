"""Logs of several channels that have names, so that they are told apart by these and not by their places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Log"]


class Log(np.ndarray):
    """Numbers of several channels, whose names are `columns`: `(channels, samples)` or `(n, channels, samples)`."""

    columns: tuple[str, ...] | None = None

    @classmethod
    def of(cls, values: Any, columns: Sequence[str] | None) -> Log:
        """Return an array with the names of its channels."""
        log = np.asarray(values).view(cls)
        log.columns = None if columns is None else tuple(columns)
        return log

    def __array_finalize__(self, made_of: Any) -> None:
        """Keep the names in parts of a log."""
        self.columns = getattr(made_of, "columns", None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the names in copies in other processes."""
        return Log.of, (np.asarray(self), self.columns)

    def ordered(self, columns: Sequence[str], axis: int = 0) -> Log | None:
        """Return the channels, which lie along an axis, in the order of these names; None if they have others."""
        if self.columns is None or self.columns == tuple(columns):
            return self
        if sorted(self.columns) != sorted(columns):
            return None
        return Log.of(np.take(self, [self.columns.index(name) for name in columns], axis), columns)
