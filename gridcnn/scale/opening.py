"""Items on a worker: contents and files of a remote storage get a path for as long as they are read."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.datasets.remote import RemoteFile
from gridcnn.errors import DataError, ItemError

__all__ = ["Content", "Opening"]

AT_ONCE = 8
"""Files of a remote storage that a task fetches at the same time: each takes long to come, and little else."""

SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class Content:
    """The bytes of a file that has no path on other machines.

    Parameters
    ----------
    name : str
        Of the file, whose suffix may say what it is.
    content : bytes
        What it holds.
    """

    name: str
    content: bytes = field(repr=False)


class Opening:
    """An adapter that also encodes contents and files of a remote storage; else it is the one that it is made from.

    Parameters
    ----------
    adapter : Adapter
        Fitted.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self.reads_files = adapter.reads_files

    @staticmethod
    def threads(items: Sequence[Any]) -> int:
        """Return how many threads should encode these items: several where they wait for a storage, or else one."""
        return AT_ONCE if any(isinstance(item, RemoteFile) for item in items) else 1

    def encode(self, item: Any) -> np.ndarray:
        """Encode one item; ItemError if it cannot be read, whose reason names no file but the item's own."""
        if not isinstance(item, Content | RemoteFile):
            return self._adapter.encode(item)
        with _as_file(item) as place:
            try:
                return self._adapter.encode(place)
            except ItemError as error:
                raise ItemError(item.name, error.reason.replace(str(place), item.name)) from None

    def content(self, item: Any, windows: np.ndarray) -> bytes:
        """Return what makes two items the same."""
        return self._adapter.content(item, windows)


@contextlib.contextmanager
def _as_file(item: Content | RemoteFile) -> Iterator[Path]:
    try:
        content = item.content if isinstance(item, Content) else item.read()
    except DataError as error:
        raise ItemError(item.name, str(error)) from None
    suffix = Path(item.name).suffix
    with tempfile.TemporaryDirectory(prefix="gridcnn-") as folder:
        place = Path(folder) / f"item{suffix if SUFFIX.fullmatch(suffix) else ''}"
        place.write_bytes(content)
        yield place
