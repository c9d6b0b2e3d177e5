"""The errors of gridcnn. Each message says what was expected, what arrived, and what to do.

    GridcnnError
    ├── ConfigurationError          (also a ValueError)
    ├── DataError                   (also a ValueError)
    │   ├── ItemError
    │   │   └── NotFetchedError
    │   └── OrderingError
    ├── DivergedError               (also an ArithmeticError)
    ├── ExportError                 (also a RuntimeError)
    ├── SignatureError              (also a ValueError)
    └── BundleError                 (also a ValueError)
        ├── NotABundleError
        ├── TruncatedBundleError
        ├── BundleVersionError
        ├── MissingAdapterError
        └── TamperedBundleError

Catch `GridcnnError` to catch them all. Messages are for people: code that has to decide something reads the type and
the attributes of an error.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

__all__ = [
    "BundleError",
    "BundleVersionError",
    "ConfigurationError",
    "DataError",
    "DivergedError",
    "ExportError",
    "GridcnnError",
    "ItemError",
    "MissingAdapterError",
    "NotABundleError",
    "NotFetchedError",
    "OrderingError",
    "SignatureError",
    "Skipped",
    "TamperedBundleError",
    "TruncatedBundleError",
]


class GridcnnError(Exception):
    """Base class of every error that gridcnn raises on purpose."""


class ConfigurationError(GridcnnError, ValueError):
    """A hyperparameter has a value that cannot work; the message names one that does."""


class DataError(GridcnnError, ValueError):
    """Data cannot be used as it is; the message names the file, row or column and what to do."""


class ItemError(DataError):
    """One item (a file, a sentence, a row) cannot be turned into a grid.

    Parameters
    ----------
    item : object
        The raw item; its string form names it in the message.
    reason : str
        What is wrong with it.
    """

    def __init__(self, item: object, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.item = item
        self.reason = reason

    def __reduce__(self) -> tuple[type[ItemError], tuple[object, str]]:
        return type(self), (self.item, self.reason)


class NotFetchedError(ItemError):
    """The bytes of an item did not come from where they are stored; another time they may."""


class OrderingError(DataError):
    """The columns of a table have no known order, so a convolution does not suit it.

    Parameters
    ----------
    message : str
        The verdict, and what to use instead.
    report : OrderReport or AxesReport, optional
        The evidence.
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[type[OrderingError], tuple[str, Any]]:
        return type(self), (str(self), self.report)


class DivergedError(GridcnnError, ArithmeticError):
    """The training has run into numbers that are not finite, so there is no model; the message says what to change."""


class ExportError(GridcnnError, RuntimeError):
    """A model cannot be exported or run as it was asked for: a package is missing, or the answers would differ."""


class SignatureError(GridcnnError, ValueError):
    """A model is not the one that the owner of a key has signed."""


class BundleError(GridcnnError, ValueError):
    """A file that gridcnn saves, a model or a checkpoint of its training, cannot be written or loaded."""


class NotABundleError(BundleError):
    """There is no such file, or gridcnn did not write it."""


class TruncatedBundleError(BundleError):
    """The file ends before its content does."""


class BundleVersionError(BundleError):
    """Another version of gridcnn wrote the file, in a format that this one does not read.

    A newer gridcnn reads a newer format. A model in an older format has to be trained again.
    """


class MissingAdapterError(BundleError):
    """The bundle names an adapter that is not installed.

    Parameters
    ----------
    path : str or path
        The bundle.
    adapter : str
        Name of the adapter.
    package : str
        Distribution that provided the adapter when the bundle was saved, as the bundle says; empty if it does not.
    """

    def __init__(self, path: str | os.PathLike[str], adapter: str, package: str = "") -> None:
        advice = (
            f"install the package {package!r} if you trust it" if package else "install the package that provides it"
        )
        super().__init__(f"{path} needs the adapter {adapter!r}, which is not installed: {advice}, then load it again")
        self.path = path
        self.adapter = adapter
        self.package = package

    def __reduce__(self) -> tuple[type[MissingAdapterError], tuple[str | os.PathLike[str], str, str]]:
        return type(self), (self.path, self.adapter, self.package)


class TamperedBundleError(BundleError):
    """The content of the file does not agree with its digest, or its parts do not agree with each other."""


class Skipped(NamedTuple):
    """An item that was left out.

    Parameters
    ----------
    item : str
        Name of the item: its path, its text, or its file and row.
    reason : str
        Why it was left out.
    row : int or None
        Number of its row in the file that lists it, as a spreadsheet counts: the header of a csv is row 1. None if no
        file lists it, or if the number is not known.
    """

    item: str
    reason: str
    row: int | None = None
