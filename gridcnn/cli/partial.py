"""A file of rows that is not finished, and that a later run can go on with.

Beside FILE, the name that it will take, are two files while it grows:

- FILE.partial has the rows so far;
- FILE.partial.journal says on its first line what makes them (model, inputs, options), and on each line after it where
  a part of the rows ends, with a checksum of all bytes up to there.

Whatever a run was killed by, the last line of the journal that agrees with the rows says where to go on. What stands
behind it is cut off. Both files reach the disk every few seconds, the rows first.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from gridcnn.display import counted
from gridcnn.durable import make_folder, sync, sync_folder, take_name
from gridcnn.errors import ConfigurationError
from gridcnn.pipeline.replacing import replacing

__all__ = ["Mark", "Partial"]

SYNC_EVERY = 5.0  # seconds
BLOCK = 2**20  # bytes
LONGEST_LINE = 2**24  # bytes of the journal


class Mark(NamedTuple):
    """Where a part of the rows ends.

    Parameters
    ----------
    rows, failed : int
        Number of rows up to there, and of those with an error.
    names : str
        Digest of the names of their items.
    size, crc : int
        Number of bytes up to there, and their CRC-32.
    """

    rows: int
    failed: int
    names: str
    size: int
    crc: int


class Partial:
    """The unfinished form of a file.

    Parameters
    ----------
    output : Path
        The file; what a link points to is written.

    Attributes
    ----------
    has_rows : bool
        Whether there are rows that a later run can go on with.
    """

    def __init__(self, output: Path) -> None:
        self._target = Path(os.path.realpath(output))
        self._place = self._target.with_name(f"{self._target.name}.partial")
        self._journal_place = self._target.with_name(f"{self._place.name}.journal")
        self._shown = self._place if output.is_symlink() else output.with_name(self._place.name)
        self._rows: IO[bytes]
        self._journal: IO[bytes]
        self._size = self._crc = 0
        self._synced = time.monotonic()
        self.has_rows = False

    def __str__(self) -> str:
        return str(self._shown)

    @property
    def is_there(self) -> bool:
        """Whether an earlier run has left it."""
        return self._place.exists()

    def is_one_of(self, place: Path) -> bool:
        """Whether a path is that of one of the two files."""
        names = {self._place.name, self._journal_place.name}
        return place.name in names and Path(os.path.realpath(place.parent)) == self._target.parent

    def refuse_to_lose(self) -> None:
        """Refuse to begin anew if there are rows of an earlier run.

        Raises
        ------
        ConfigurationError
            If there are, or if no file can have these names.
        """
        try:
            if not self._journal_place.exists():
                self._refuse_unknown()
                return
            rows = max((mark.rows for mark, _ in _marks_in(self._journal_place)), default=0)
        except OSError as error:  # it is a folder, or its name is longer than the disk allows
            raise ConfigurationError(
                f"{self._journal_place} cannot be used ({error.strerror}): give the result another name."
            ) from None
        if rows and self._place.exists():
            raise ConfigurationError(
                f"{self} has {counted(rows, 'row')} of an unfinished run: go on with it by --resume, or remove it to "
                "begin anew."
            )

    def begin(self, run: Mapping[str, Any], differences: Callable[[Any], list[str]]) -> Mark | None:
        """Go on behind the rows of an earlier run, or begin anew if there are none.

        Parameters
        ----------
        run : mapping
            What makes the rows, JSON-ready.
        differences : callable
            Says how the `run` of the earlier rows differs from this one.

        Returns
        -------
        Mark or None
            Where the earlier rows end.

        Raises
        ------
        ConfigurationError
            If the run differs, if another process is writing the rows, or if the file was not made by this command.
        """
        make_folder(self._target.parent)
        if not self._journal_place.exists():
            self._refuse_unknown()
        self._journal = _opened(self._journal_place)
        try:
            _lock(self._journal, self)
            self._rows = _opened(self._place)
            last, end = self._last()
            if last is not None and (found := differences(_run_in(self._journal_place))):
                raise ConfigurationError(
                    f"{self} belongs to another run: {'; '.join(found)}. Repeat the command as it was, or remove "
                    f"{self} to begin anew."
                )
        except BaseException:
            self._close()
            raise
        if last is None:
            self._journal.truncate(0)
            self._journal.seek(0)
            _write(self._journal, _line(run))
        else:
            self._size, self._crc = last.size, last.crc
            self._journal.truncate(end)
            self._journal.seek(end)
        self._rows.truncate(self._size)
        self._rows.seek(self._size)
        self._sync()
        sync_folder(self._target.parent)
        self.has_rows = last is not None
        return last

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the rows if the block ends early, and remove both files if there are none."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError):  # the disk is full or gone: what is on it stays
                self._sync()
            self._close()
            if not self.has_rows:
                self._remove()
            raise

    def write(self, data: bytes) -> None:
        """Append bytes."""
        _write(self._rows, data)
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)

    def mark(self, rows: int, failed: int, names: str) -> None:
        """Note that a later run can go on here; see `Mark`."""
        _write(self._journal, _line([rows, failed, names, self._size, self._crc]))
        self.has_rows = True
        if time.monotonic() - self._synced > SYNC_EVERY:
            self._sync()

    def finish(self, convert: Callable[[Path, IO[bytes]], None] | None = None) -> None:
        """Give the file its name: the rows as they are, or what `convert` writes of them."""
        self._sync()
        if convert is None:
            with contextlib.suppress(OSError):  # there was no such file, or the drive knows no permissions
                shutil.copymode(self._target, self._place)
            self._close(unlock=False)
            take_name(self._place, self._target)
        else:
            with replacing(self._target) as file:
                convert(self._place, file)
            self._close(unlock=False)
        self._remove()
        self._journal.close()

    def _refuse_unknown(self) -> None:
        if self._place.exists():
            raise ConfigurationError(
                f"{self} exists, and no journal beside it says what it holds: remove it, or name the result otherwise."
            )

    def _last(self) -> tuple[Mark | None, int]:
        """Return the last mark that agrees with the rows, and where its line ends."""
        last, end, at, crc = None, 0, 0, 0
        for mark, behind in _marks_in(self._journal_place):
            while at < mark.size and (block := self._rows.read(min(BLOCK, mark.size - at))):
                at, crc = at + len(block), zlib.crc32(block, crc)
            if (at, crc) != (mark.size, mark.crc):
                break
            last, end = mark, behind
        return last, end

    def _sync(self) -> None:
        sync(self._rows.fileno())
        sync(self._journal.fileno())
        self._synced = time.monotonic()

    def _close(self, *, unlock: bool = True) -> None:
        if hasattr(self, "_rows"):
            self._rows.close()
        if unlock:
            self._journal.close()

    def _remove(self) -> None:
        for place in (self._place, self._journal_place):
            place.unlink(missing_ok=True)
        sync_folder(self._target.parent)


def _opened(place: Path) -> IO[bytes]:
    """Open a file to read and write, which is made if it is missing; nothing waits in a buffer."""
    return open(os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b", buffering=0)  # noqa: PTH123


def _lock(journal: IO[bytes], partial: Partial) -> None:
    """Refuse to write what another process writes; its end, however it comes, ends the lock."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to rename or remove what another process has open
        return
    try:
        fcntl.flock(journal.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(
            f"{partial} is being written by another run: wait for its end, or give the result another name."
        ) from None
    except OSError:  # some network drives know no locks
        return


def _write(file: IO[bytes], data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _run_in(journal: Path) -> Any:
    """Return what makes the rows, None if the journal does not say."""
    with journal.open("rb") as lines:
        return _parsed(lines.readline(LONGEST_LINE))


def _marks_in(journal: Path) -> Iterator[tuple[Mark, int]]:
    """Yield the marks in a journal up to a line that is torn, each with where its line ends."""
    with journal.open("rb") as lines:
        known = _parsed(lines.readline(LONGEST_LINE)) is not None
        while known and (mark := _mark_on(lines.readline(LONGEST_LINE))) is not None:
            yield mark, lines.tell()


def _mark_on(line: bytes) -> Mark | None:
    """Return the mark on a line; None if the line is torn, or was not written by `Partial.mark`."""
    found = _parsed(line)
    if not isinstance(found, list) or [type(each) for each in found] != [int, int, str, int, int]:
        return None
    mark = Mark(*found)
    return mark if min(mark.rows, mark.failed, mark.size) >= 0 else None


def _line(value: Any) -> bytes:
    return f"{json.dumps(value)}\n".encode()


def _parsed(line: bytes) -> Any:
    """Return the value on a line; None if the line is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        return json.loads(line)
    except (RecursionError, ValueError):
        return None
