"""Files that lie in something else, a cell of a table or a bucket: they get a path while they are read.

What has been read stays for a while, as libraries that decode sounds and pictures open a file several times.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from gridcnn.errors import DataError, ItemError, NotFetchedError
from gridcnn.temporary import temporary_folder

__all__ = ["FETCHED_AT_ONCE", "Stored", "as_path", "fetch", "is_far", "keep"]

FETCHED_AT_ONCE = 16
"""Files of a remote storage that are fetched at the same time: each takes long to come, and little else."""

SMALL = 2**20
"""Bytes of a file that may stand in memory for a while: to make one on the disk takes several times as long."""

MEMORY = Path("/dev/shm")
"""Where Linux has files in memory."""

KEPT_NEAR = 64
"""Files that are made of what lies on this machine and stay when they have been read."""

KEPT = 4 * 2**30
"""Bytes of files that stay when they have been read, at most; no more than a fourth of what is free on the disk."""

LONGEST_SUFFIX = 9  # characters, with the dot


class Stored(ABC):
    """A file without a path: a raw item of an adapter that reads files. It can be pickled, hashed and printed."""

    __slots__ = ()

    far: ClassVar[bool] = False
    """Whether it lies on another machine, so that it takes long to come."""

    of_content: ClassVar[bool] = False
    """Whether `version` depends on the content alone, so that files which share it are equal."""

    @abstractmethod
    def __str__(self) -> str:
        """Return what a person calls it."""

    @abstractmethod
    def identity(self) -> bytes:
        """Return what no other item has, and what items are sorted by: one after another, they are read in order."""

    @abstractmethod
    def version(self) -> bytes:
        """Return what changes whenever its content does; nothing if that is not known."""

    def whole(self) -> Self:
        """Return the same item under a name that holds in any working directory."""
        return self

    def home(self) -> Path | None:
        """Return the file of this machine that it lies in."""
        return None

    def look(self) -> Any:
        """Return what most files differ in, such as the size, as far as it is known without reading; or nothing."""
        return self.version()

    @abstractmethod
    def kind(self) -> Literal["image", "sound"] | None:
        """Return "image" or "sound", or None if it is neither, as far as that is known."""

    @abstractmethod
    def save(self, place: Path, in_memory: Path) -> Path:
        """Write it to a new file of one of these names, to which a suffix is added, and return its path.

        The second one takes memory in place of the disk, and is for what has at most `SMALL` bytes.

        Raises
        ------
        DataError
            If it cannot be read: a `NotFetchedError` if that may be another time.
        OSError
            If the file cannot be written.
        """


def is_far(item: Any) -> bool:
    """Whether an item, or what it is a part of, lies on another machine."""
    whole = getattr(item, "path", item)
    return isinstance(whole, Stored) and whole.far


def suffix_of(name: str) -> str:
    """Return what a name ends in, if that may be the suffix of a file on this machine."""
    suffix = os.path.splitext(name)[1]  # noqa: PTH122  (of a URL, or of text that is no path)
    return suffix if len(suffix) <= LONGEST_SUFFIX and suffix[1:].isascii() and suffix[1:].isalnum() else ""


@contextlib.contextmanager
def as_path(item: Any) -> Iterator[Any]:
    """Give a stored item a path while the block runs; anything else is what it is.

    Raises
    ------
    ItemError
        If it cannot be read; also in place of one that the block raises about the path, which then names the item.
    DataError
        If there is no room for it on the disk.
    """
    if not isinstance(item, Stored):
        yield item
        return
    with _shelf_for(item).lent(item) as place:
        try:
            yield place
        except ItemError as error:
            if str(error.item) != str(place):
                raise
            raise ItemError(item, error.reason.replace(str(place), str(item))) from error


def fetch(items: Sequence[Any]) -> None:
    """Fetch those items that lie on other machines, several at a time, so that they are there when they are read."""
    wholes = (getattr(item, "path", item) for item in items)
    far = list(dict.fromkeys(each for each in wholes if is_far(each)))

    def one(item: Stored) -> None:
        with contextlib.suppress(ItemError), as_path(item):  # who reads it will say what is wrong
            pass

    with ThreadPoolExecutor(FETCHED_AT_ONCE) as threads:
        for _ in threads.map(one, far):
            pass


def keep(item: Stored, place: Path) -> None:
    """Take a file, which stays until the program ends, for a stored one: it is not fetched again."""
    _shelf_for(item).keep(item, place)


class _Copy:
    """A file made of a stored one."""

    def __init__(self) -> None:
        self.making = threading.Lock()
        self.place: Path | None = None
        self.size = 0
        self.readers = 0


class _Shelf:
    """Files made of stored ones, each once for all threads; when it is full, the oldest go that nobody reads."""

    def __init__(self, most: int | None) -> None:
        self._folder = self._in_memory = temporary_folder("items")
        if most is not None and _has_room(MEMORY, 2 * most * SMALL):
            self._in_memory = temporary_folder("items", MEMORY)
        self._copies: OrderedDict[Stored, _Copy] = OrderedDict()
        self._lock = threading.Lock()
        self._most, self._most_bytes = most, KEPT
        self._made = self._bytes = 0

    @contextlib.contextmanager
    def lent(self, item: Stored) -> Iterator[Path]:
        """Give the path of an item, which stays while the block runs."""
        with self._lock:
            copy = self._copies.setdefault(item, _Copy())
            self._copies.move_to_end(item)
            copy.readers += 1
        try:
            with copy.making:
                place = copy.place or self._make(item, copy)
            yield place
        finally:
            with self._lock:
                copy.readers -= 1
                self._tidy()

    def keep(self, item: Stored, place: Path) -> None:
        """Take a file for an item, for good."""
        with self._lock:
            copy = self._copies[item] = _Copy()
            copy.place, copy.readers = place, 1

    def _make(self, item: Stored, copy: _Copy) -> Path:
        with self._lock:
            self._made += 1
            places = [folder / f"{self._made}" for folder in (self._folder, self._in_memory)]
        try:
            made = item.save(*places)
            size = made.stat().st_size
        except ItemError:
            raise
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise DataError(
                    f"{item}: there is no room for it among the temporary files in {self._folder} "
                    f"({error.strerror}): set TMPDIR to a folder where there is more."
                ) from None
            raise NotFetchedError(item, f"cannot be read ({error.strerror or error})") from None
        except DataError as error:
            raise NotFetchedError(item, str(error).removeprefix(f"{item}: ")) from None
        with self._lock:
            copy.place, copy.size = made, size
            self._bytes += size
            self._most_bytes = min(KEPT, (shutil.disk_usage(self._folder).free + self._bytes) // 4)
        return made

    def _tidy(self) -> None:
        idle = (item for item, copy in self._copies.items() if not copy.readers)
        while self._bytes > self._most_bytes or (self._most is not None and len(self._copies) > self._most):
            oldest = next(idle, None)
            if oldest is None:
                return
            copy = self._copies.pop(oldest)
            self._bytes -= copy.size
            if copy.place is not None:
                copy.place.unlink(missing_ok=True)
            idle = (item for item, copy in self._copies.items() if not copy.readers)


def _has_room(folder: Path, size: int) -> bool:
    try:
        return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > size
    except OSError:
        return False


_making = threading.Lock()


def _shelf_for(item: Stored) -> _Shelf:
    with _making:  # or threads that come at the same time would each have one
        return _shelf(os.getpid(), item.far)


@functools.cache
def _shelf(_process: int, far: bool) -> _Shelf:
    return _Shelf(None if far else KEPT_NEAR)
