"""Files of rows that are compressed: .csv.gz, .csv.zst and the like, and a .zip with one such file in it."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from gridcnn.datasets.limits import require_unpacked
from gridcnn.datasets.media import visible
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError

__all__ = [
    "DAMAGE",
    "BoundedReader",
    "is_plain",
    "is_table_file",
    "opened",
    "read_bytes",
    "require_whole",
    "table_suffix",
]

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".xlsx")
"""Files that hold one row per item."""

DAMAGE = (EOFError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
"""What Python raises while it unpacks a file that is damaged."""

BLOCK = 2**18  # bytes

END, LONGEST_END = b"PK\5\6", 22 + 2**16
"""Of a zip file: how its last record begins, which counts the files, and the most bytes that it has."""


class BoundedReader(io.RawIOBase):
    """A stream that unpacks a file as it is read, and refuses to become far larger than that file.

    Parameters
    ----------
    stream : binary file
        The unpacked content.
    source : Path
        The packed file, for messages.
    packed : int
        Its size in bytes.
    """

    def __init__(self, stream: IO[bytes], source: Path, packed: int) -> None:
        self._stream, self._source, self._packed, self._read = stream, source, packed, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes into a buffer and return their number."""
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        self._read += len(block)
        require_unpacked(self._source, self._packed, self._read)
        return len(block)


@contextlib.contextmanager
def _opened_zstd(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that Zstandard has compressed, by Arrow, which has it built in."""
    import pyarrow as pa  # noqa: PLC0415

    with path.open("rb") as packed:
        if not packed.read(1):
            raise EOFError("the file is empty")
    with pa.OSFile(str(path)) as packed, pa.CompressedInputStream(packed, "zstd") as stream:
        yield cast(IO[bytes], stream)


_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": _opened_zstd,
}
"""How a compressed file is opened, by the end of its name."""


def table_suffix(path: Path) -> str | None:
    """Return which kind of table a file is by its name, without .gz or alike; ".zip" if only its content can say."""
    name = path.name.lower()
    name = name.removesuffix(next((end for end in _OPENERS if name.endswith(end)), ""))
    suffix = PurePosixPath(name).suffix
    return suffix if suffix in SUFFIXES or suffix == ".zip" else None


def is_table_file(path: Path) -> bool:
    """Whether a file holds one row per item, by its name; an archive, if it holds one such file and nothing else."""
    suffix = table_suffix(path)
    if suffix != ".zip":
        return suffix is not None
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
    except (OSError, ValueError, NotImplementedError, *DAMAGE):
        return False
    return len(members) == 1 and PurePosixPath(members[0].filename.lower()).suffix in SUFFIXES


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Open the content of a table file, unpacked as it is read, with the suffix that says what it is.

    Raises
    ------
    DataError
        If the file cannot be read, or the archive is damaged, holds another number of files than one, or unpacks to
        more than `require_unpacked` allows.
    """
    suffix = table_suffix(path) or path.suffix.lower()
    try:
        with contextlib.ExitStack() as closing:
            if suffix == ".zip":
                archive = closing.enter_context(_archive(path))
                require_whole(archive)
                members = _members(archive)
                if len(members) != 1:
                    names = ", ".join(shortened(member.filename, 60) for member in members[:5])
                    raise DataError(
                        f"{path}: {len(members)} files are in this archive ({names}), but one table is expected: "
                        f"unpack it first, unzip {path}"
                    )
                suffix = PurePosixPath(members[0].filename.lower()).suffix
                content = closing.enter_context(_member(archive, members[0]))
            elif is_plain(path):
                yield closing.enter_context(path.open("rb")), suffix
                return
            else:
                content = cast(IO[bytes], closing.enter_context(_OPENERS[path.suffix.lower()](path)))
            bounded = BoundedReader(content, path, path.stat().st_size)
            yield cast(IO[bytes], io.BufferedReader(bounded, BLOCK)), suffix
    except (NotImplementedError, RuntimeError, *DAMAGE) as error:
        raise DataError(f"{path}: the archive is damaged or encrypted ({error}): write it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Return the content of a table file, unpacked, and the suffix that says what it is; DataError as `opened`."""
    with opened(path) as (file, suffix):
        return file.read(), suffix


def is_plain(path: Path) -> bool:
    """Whether a table file is not compressed."""
    return not path.name.lower().endswith((*_OPENERS, ".zip"))


@contextlib.contextmanager
def _names() -> Iterator[None]:
    """Raise BadZipFile if a name in an archive is said to be UTF-8 and is none."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise zipfile.BadZipFile(f"a name in it is damaged: {error}") from error


def _archive(path: Path) -> zipfile.ZipFile:
    with _names():
        return zipfile.ZipFile(path)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    with _names():
        return archive.open(member)


def require_whole(archive: zipfile.ZipFile) -> None:
    """Raise BadZipFile if a member, or what it is said to hold, is not there, of which zipfile says nothing."""
    members = archive.infolist()
    file = cast(IO[bytes], archive.fp)
    file.seek(max(file.seek(0, io.SEEK_END) - LONGEST_END, 0))
    end = file.read()
    record = end[end.rfind(END) :]
    if len(members) % 2**16 != int.from_bytes(record[10:12], "little") and record[10:12] != b"\xff\xff":
        raise zipfile.BadZipFile(f"its list ends after {len(members):,} files")
    for member in members:
        stored = member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1
        if not member.filename or (member.file_size != member.compress_size if stored else not member.compress_size):
            raise zipfile.BadZipFile(f"{shortened(member.filename, 60)!r} is incomplete")


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        member
        for member in archive.infolist()
        if member.filename
        and not member.is_dir()
        and all(visible(part) for part in PurePosixPath(member.filename).parts)
    ]
