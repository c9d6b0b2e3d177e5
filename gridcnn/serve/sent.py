"""Items as clients send them: the bytes of a file, a text, or numbers, each with a name."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
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
    error : str
        Why it is no item, if it is none.
    """

    name: str
    value: Any
    error: str = ""

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
    def files(self) -> Iterator[Callable[[Sent], Any]]:
        """Yield a function that returns the value of an item, that of a file as a path, until the block ends."""
        places: list[Path] = []

        def value_of(sent: Sent) -> Any:
            if not isinstance(sent.value, bytes):
                return sent.value
            suffix = Path(sent.name).suffix
            places.append(self._path / f"upload-{len(places)}{suffix if SUFFIX.fullmatch(suffix) else ''}")
            places[-1].write_bytes(sent.value)
            return places[-1]

        try:
            yield value_of
        finally:
            for place in places:
                place.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it."""
        self._folder.cleanup()
