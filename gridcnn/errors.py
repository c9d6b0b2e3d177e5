"""The errors of gridcnn: each says what was expected, what arrived, and what to do."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "BundleError",
    "BundleVersionError",
    "ConfigurationError",
    "DataError",
    "GridcnnError",
    "ItemError",
    "NotABundleError",
    "OrderingError",
    "Skipped",
    "TamperedBundleError",
    "TruncatedBundleError",
]


class GridcnnError(Exception):
    """Every error that gridcnn raises on purpose."""


class ConfigurationError(GridcnnError, ValueError):
    """A hyperparameter that cannot work, with the nearest one that does."""


class DataError(GridcnnError, ValueError):
    """Data that cannot be used as it is: which file, row or column, why, and what to do."""


class ItemError(DataError):
    """One item (a file, a sentence, a row) that cannot be turned into a grid.

    Parameters
    ----------
    item : object
        The raw item; its string form names it in the message.
    reason : str
        What is wrong with it, in plain words.
    """

    def __init__(self, item: object, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.item = item
        self.reason = reason

    def __reduce__(self) -> tuple[type[ItemError], tuple[object, str]]:
        return type(self), (self.item, self.reason)


class OrderingError(DataError):
    """A table whose columns have no known order, so that a convolution has no business with it."""

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class BundleError(GridcnnError, ValueError):
    """A model file that cannot be loaded."""


class NotABundleError(BundleError):
    """The file is something else than a gridcnn bundle."""


class TruncatedBundleError(BundleError):
    """The file ends before its contents do."""


class BundleVersionError(BundleError):
    """The file was written by a newer gridcnn than this one, or by one that made other grids."""


class TamperedBundleError(BundleError):
    """The file's contents do not agree with its own digest, or with each other."""


class Skipped(NamedTuple):
    """An item that was left out, and why."""

    item: str
    reason: str
