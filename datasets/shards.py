"""Cells of bytes in parquet files as raw items: pictures and sounds that are read where they lie, group by group.

Who reads the rows in their order decodes each page once. The rows that were decoded last are kept for the threads that
are a little behind.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import hashlib
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, ClassVar, Literal, Self

from gridcnn.datasets.located import located_file
from gridcnn.datasets.media import kind_by_name, kind_by_start
from gridcnn.datasets.parquet import opened_parquet, reading, stated_of
from gridcnn.datasets.remote import RemoteFile
from gridcnn.errors import DataError, ItemError, NotFetchedError
from gridcnn.stored import SMALL, Stored, as_path, suffix_of

__all__ = ["START", "Cell", "Shard", "content_of", "digest_of", "media_of", "opened", "rows_at_once"]

AT_ONCE = 16 * 2**20  # bytes of files that are decoded at a time
KEPT, MOST_KEPT = 16 * 2**20, 256 * 2**20
"""Bytes of decoded rows that are kept of a shard: beyond the first only `ROWS_KEPT` rows, up to the second."""

ROWS_KEPT = 8 * ((os.cpu_count() or 1) + 2)
"""How far apart the rows are that threads read at the same time."""

OPEN = 2
"""Shards that are kept open."""

START = 16  # bytes that tell what a file is
DIGEST = 16  # bytes


@dataclass(frozen=True)
class Shard:
    """A column of files in a parquet file.

    Parameters
    ----------
    path : Path or RemoteFile
        The parquet file.
    column : str
        Its cells are bytes, or structs of bytes and a path.
    state : tuple of int
        Size and time of change (ns) when its rows were listed; empty if they are read as they come.
    """

    path: Path | RemoteFile
    column: str
    state: tuple[int, ...] = ()

    @classmethod
    def of(cls, path: Path | RemoteFile, column: str) -> Shard:
        """Return the shard as it is now."""
        return cls(path, column, _state(path))


@dataclass(frozen=True, slots=True)
class Cell(Stored):
    """A picture or a sound in a parquet file.

    Parameters
    ----------
    shard : Shard
        Where it lies.
    row : int
        Its row, from 1.
    digest : bytes
        Of its content, if that was read when it was listed: it must still be the same.
    media : {"image", "sound"} or None
        What it is, if that is known.
    """

    of_content: ClassVar[bool] = True

    shard: Shard
    row: int
    digest: bytes = field(default=b"", repr=False)
    media: Literal["image", "sound"] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return its file and row."""
        return f"{self.shard.path}, row {self.row}"

    def identity(self) -> bytes:
        """Return its file and row, so that the rows of a file are in their order."""
        return f"{self.shard.path} {self.shard.column} {self.row:012d}".encode("utf-8", "surrogatepass")

    def whole(self) -> Self:
        """Return the same of a shard that is named from the root."""
        return replace(self, shard=_absolute(self.shard))

    def of(self, path: RemoteFile) -> Self:
        """Return the same in a file of a storage, which the shard is a copy of."""
        return replace(self, shard=_copied_from(path, self.shard.column))

    def home(self) -> Path | None:
        """Return the shard, if it lies on this machine."""
        return None if isinstance(self.shard.path, RemoteFile) else self.shard.path

    def version(self) -> bytes:
        """Return the digest of its content."""
        return self.digest

    def kind(self) -> Literal["image", "sound"] | None:
        """Return what it was when it was listed."""
        return self.media

    def save(self, place: Path, in_memory: Path) -> Path:
        """Write its content."""
        name, content = _reader(self.shard).cell(self.row)
        if self.digest and (content is None or digest_of(content) != self.digest):
            raise NotFetchedError(self, f"{self.shard.path} was changed after its rows were listed: begin again")
        if content is not None:
            return _written(content, media_suffix(content[:START], name), place, in_memory)
        if name is None:
            raise ItemError(self, f"no {self.shard.column}")
        return self._save_other(name, place, in_memory)

    def _save_other(self, name: str, place: Path, in_memory: Path) -> Path:
        """Copy the file whose path stands in place of bytes."""
        home = self.shard.path.parent
        if isinstance(home, RemoteFile):
            return (home / name).save(place, in_memory)
        file = located_file(name, home, [])
        if not file.is_file():
            raise ItemError(self, f"no such file: {file}")
        return _written(file.read_bytes(), suffix_of(file.name), place, in_memory)


def _written(content: bytes, suffix: str, place: Path, in_memory: Path) -> Path:
    place = in_memory if len(content) <= SMALL else place
    place = place.with_name(place.name + suffix)
    place.write_bytes(content)
    return place


@functools.lru_cache(maxsize=1)
def _copied_from(path: RemoteFile, column: str) -> Shard:
    return Shard.of(path, column)


@functools.lru_cache(maxsize=1)
def _absolute(shard: Shard) -> Shard:
    return replace(shard, path=shard.path.absolute() if isinstance(shard.path, Path) else shard.path)


def content_of(cell: Any) -> tuple[str | None, bytes | None]:
    """Return the name beside some bytes, or the path in place of them, and the bytes; None for what there is not."""
    name, content = (cell.get("path"), cell.get("bytes")) if isinstance(cell, dict) else (None, cell)
    return (None, None) if content is not None and not content else (name, content)


def digest_of(content: bytes) -> bytes:
    """Return 16 bytes that stand for some content; by SHA-256, which most processors compute by themselves."""
    return hashlib.sha256(content).digest()[:DIGEST]


def media_of(start: bytes, name: str | None) -> Literal["image", "sound"] | None:
    """Return what a file is that begins in this way, and has this name."""
    return kind_by_name(media_suffix(start, name)) or kind_by_start(start)


def media_suffix(start: bytes, name: Any) -> str:
    """Return the suffix of a file that begins in this way, as its name has it if that agrees, or else none."""
    told = kind_by_start(start)
    named = kind_by_name(name) if isinstance(name, str) else None
    fits = named is not None and told in (None, named)  # or the content says what it is
    return suffix_of(str(name)) if fits else ""


def rows_at_once(file: IO[bytes], source: object, group: int, n_rows: int) -> int:
    """Return how many rows of a row group should be decoded at a time.

    Raises
    ------
    DataError
        If the group unpacks to more than it may.
    """
    pages = stated_of(file, source, (group,))
    return max(min(pages.at_once, AT_ONCE * n_rows // max(pages.unpacked, 1)), 1)


# ---- reading --------------------------------------------------------------------------------------------------------


def _state(path: Path | RemoteFile) -> tuple[int, ...]:
    """Return size and time of change; nothing if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def opened(path: Path | RemoteFile) -> Iterator[IO[bytes]]:
    """Open a shard, of a storage a copy that all share."""
    with as_path(path) as place, Path(place).open("rb") as file:
        yield file


class _Reader:
    """The rows of one shard, best in their order."""

    def __init__(self, shard: Shard) -> None:
        self.lock = threading.Lock()
        self._shard = shard
        self._closing = contextlib.ExitStack()
        self._file: IO[bytes] | None = None
        self._parquet: Any = None
        self._starts: list[int] = []  # the first row of each row group, from 0, and behind the last one
        self._batches: Iterator[Any] = iter(())
        self._group, self._next = -1, 0  # the row group that batches are of, and the row of the next one
        self._kept: deque[tuple[int, Any]] = deque()
        self._bytes = 0  # of those that are kept

    def cell(self, row: int) -> tuple[str | None, bytes | None]:
        """Return the name and the content of a row, which is counted from 1.

        Raises
        ------
        DataError
            If the shard cannot be read, or is no longer what it was.
        """
        with self.lock, reading(self._shard.path):
            if self._file is None:
                self._open()
            at = row - 1
            for first, batch in self._kept:
                if 0 <= at - first < len(batch):
                    return _cell(batch, at - first)
            return self._advance(at)

    def close(self) -> None:
        """Close it; it opens again if it is asked."""
        with self.lock:
            self._file = None
            self._forget()
            self._rest()
            self._closing.close()

    def _open(self) -> None:
        path, state = self._shard.path, self._shard.state
        now = _state(path)
        if not now:
            raise DataError(f"{path}: no such file: it was there when its rows were listed.")
        if state and now != state:
            raise DataError(f"{path} was changed after its rows were listed: begin again.")
        with contextlib.ExitStack() as opening:
            file = opening.enter_context(opened(path))
            self._parquet, stated = opening.enter_context(opened_parquet(file, path, ()))
            self._file, self._closing = file, opening.pop_all()
        self._starts = [0]
        for n_rows in stated.groups:
            self._starts.append(self._starts[-1] + n_rows)

    def _advance(self, at: int) -> tuple[str | None, bytes | None]:
        """Decode batches up to the one that holds a row, from the beginning of its row group if it is behind."""
        group = bisect.bisect_right(self._starts, at) - 1
        if group == len(self._starts) - 1:
            raise DataError(f"{self._shard.path} has {self._starts[-1]:,} rows, and row {at + 1:,} is asked for.")
        if group != self._group or at < self._next:
            assert self._file is not None  # for the type checker
            n_rows = self._starts[group + 1] - self._starts[group]
            if at < self._next:
                self._forget()
            self._rest()
            self._batches = self._parquet.iter_batches(
                rows_at_once(self._file, self._shard.path, group, n_rows),
                row_groups=[group],
                columns=[self._shard.column],
                use_threads=False,
            )
            self._group, self._next = group, self._starts[group]
        while at >= self._next:
            batch = next(self._batches, None)
            if batch is None:
                self._rest()
                raise ValueError(f"row group {group + 1} has fewer rows than it says")
            batch.validate(full=True)
            self._kept.append((self._next, batch))
            self._next += len(batch)
            self._bytes += batch.nbytes
            while len(self._kept) > 1 and (
                self._bytes > MOST_KEPT or (self._bytes > KEPT and self._next - self._kept[1][0] >= ROWS_KEPT)
            ):
                self._bytes -= self._kept.popleft()[1].nbytes
        if self._next == self._starts[group + 1]:
            self._rest()
        first, batch = self._kept[-1]
        return _cell(batch, at - first)

    def _forget(self) -> None:
        self._kept.clear()
        self._bytes = 0

    def _rest(self) -> None:
        """Let go of the row group, whose pages may be large."""
        self._group, self._batches = -1, iter(())


def _cell(batch: Any, at: int) -> tuple[str | None, bytes | None]:
    return content_of(batch.column(0)[at].as_py())


_readers: OrderedDict[tuple[int, Shard], _Reader] = OrderedDict()
_readers_lock = threading.Lock()


def _reader(shard: Shard) -> _Reader:
    """Return the reader of a shard; those of a few are kept open, in each process its own."""
    key = (os.getpid(), shard)
    with _readers_lock:
        reader = _readers.setdefault(key, _Reader(shard))
        _readers.move_to_end(key)
        old = [_readers.popitem(last=False)[1] for _ in range(len(_readers) - OPEN)]
    for each in old:
        each.close()
    return reader
