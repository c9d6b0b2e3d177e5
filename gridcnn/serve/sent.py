"""Items as clients send them: the bytes of a file, a text, or numbers, each with a name."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Folder", "Sent"]

LONGEST_NAME = 200  # characters
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class Sent:
    """One item as it was sent.

    Parameters
    ----------
    name : str
        What answers call it: the name of the file, without folders; or its position among the items, from 0.
    value : bytes, or whatever JSON holds
        The content of a file, a text, nested lists of numbers.
    """

    name: str
    value: Any

    @classmethod
    def file(cls, name: str, content: bytes) -> Sent:
        """Return an uploaded file; of its name, no folder is kept.

        Examples
        --------
        >>> Sent.file("../../etc/x.png", b"").name
        'x.png'
        """
        last = re.split(r"[/\\]", name.replace("\0", ""))[-1][-LONGEST_NAME:]
        return cls(last or "file", content)

    def scrubbed(self, reason: str, value: Any) -> str:
        """Return a reason in which the file has the name that the client gave it."""
        if not isinstance(value, Path):
            return reason
        return reason.replace(str(value), self.name).replace(str(value.parent), "").replace(value.stem, "file")


class Folder:
    """A private folder, in which the files that are being read stand under names of our own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gridcnn-", ignore_cleanup_errors=True)
        self._path = Path(self._folder.name)

    @contextlib.contextmanager
    def files(self, sent: Sequence[Sent]) -> Iterator[list[Any]]:
        """Yield the values of items, those of files as paths, which exist until the block ends."""
        values: list[Any] = []
        try:
            for position, each in enumerate(sent):
                value = each.value
                if isinstance(value, bytes):
                    suffix = Path(each.name).suffix
                    place = self._path / f"upload-{position}{suffix if SUFFIX.fullmatch(suffix) else ''}"
                    values.append(place)
                    place.write_bytes(value)
                else:
                    values.append(value)
            yield values
        finally:
            for value in values:
                if isinstance(value, Path):
                    value.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it."""
        self._folder.cleanup()
