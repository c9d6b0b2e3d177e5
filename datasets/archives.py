"""Zip and tar files: what they list, within limits, also if they are compressed as a whole."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import math
import shutil
import tarfile
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from gridcnn.datasets.compressed import DAMAGE, require_whole
from gridcnn.datasets.limits import most
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError, GridcnnError
from gridcnn.temporary import remove_folder, temporary_folder

__all__ = [
    "DAMAGED",
    "forget",
    "is_archive",
    "is_zip",
    "listed_tar",
    "listed_zip",
    "plain_tar",
    "reading",
    "require_disk",
]

ALWAYS = 2**30
"""Bytes that an archive may unpack to, however small it is."""

MOST_MEMBERS = 2_000_000

DEEPEST = 100
"""Folders in folders."""

LONGEST_HEADER = 2**20
"""Bytes; names and attributes of a member have no more."""

NAME_IS_UTF8 = 0x800
"""A bit among the flags of a member of a zip file; without it, its name is in the encoding of old DOS."""

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")

DAMAGED = (tarfile.TarError, *DAMAGE)
"""What Python raises while it reads an archive that is damaged."""


def is_archive(path: Path) -> bool:
    """Whether a name is one of an archive that can be read here."""
    return path.name.lower().endswith(SUFFIXES)


def is_zip(path: Path) -> bool:
    """Whether a name is one of a zip file."""
    return path.name.lower().endswith(".zip")


@contextlib.contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Raise DataError, which names the archive, for what goes wrong while it is read or unpacked."""
    try:
        yield
    except DAMAGED as error:
        raise DataError(f"{archive}: the archive is damaged ({error}): download or pack it again.") from None
    except GridcnnError:
        raise
    except (RuntimeError, ValueError) as error:  # a password, an unusual compression, a name that none can have
        raise DataError(f"{archive}: {error}: unpack it yourself, and give the folder.") from None
    except OSError as error:
        if error.errno is None:  # of bz2
            raise DataError(f"{archive}: the archive is damaged ({error}): download or pack it again.") from None
        where = tempfile.gettempdir()
        raise DataError(
            f"{archive}: cannot be unpacked to {where} ({error.strerror or error}): set TMPDIR to a folder where there "
            "is room, or unpack it yourself, and give the folder."
        ) from None


# ---- what they list -------------------------------------------------------------------------------------------------


def listed_zip(archive: Path) -> zipfile.ZipFile:
    """Open a zip file whose list is whole, and whose members unpack to no more than they may.

    Raises
    ------
    DataError
        If it unpacks to many times its size; what Python raises if it is damaged (`DAMAGED`).
    """
    opened = zipfile.ZipFile(archive)
    if _are_utf8(opened):
        opened.close()
        opened = zipfile.ZipFile(archive, metadata_encoding="utf-8")
    with contextlib.ExitStack() as undoing:
        undoing.callback(opened.close)
        require_whole(opened)
        room = _Room(archive)
        for member in opened.infolist():
            room.take(member.filename, member.file_size)
        undoing.pop_all()
    return opened


def _are_utf8(opened: zipfile.ZipFile) -> bool:
    """Whether names in a zip file are UTF-8 although it does not say so, as macOS packs."""
    untold = [member.filename for member in opened.infolist() if not member.flag_bits & NAME_IS_UTF8]
    try:
        return bool([name.encode("cp437").decode("utf-8") for name in untold if not name.isascii()])
    except UnicodeError:
        return False


def listed_tar(content: IO[bytes], archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the files and folders of a tar file that is not compressed, each with the open archive.

    Links may lead anywhere, also by way of one another, and devices are no items: they are left out, with a warning.

    Parameters
    ----------
    content : binary file
        The tar file.
    archive : Path
        What it is called, and how large it was as it came.

    Raises
    ------
    DataError
        If it unpacks to many times its size; what Python raises if it is damaged (`DAMAGED`).
    """
    left_out = list[str]()
    room = _Room(archive)
    with tarfile.TarFile(fileobj=cast(IO[bytes], _Portions(content, archive))) as opened:
        for member in opened:
            if member.isdir() or member.isreg():
                room.take(member.name, member.size)
                yield opened, member
            else:
                left_out.append(member.name)
            opened.members = []  # type: ignore[attr-defined]  # or it keeps all of them
        content.seek(opened.offset)
        if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # where tarfile stops without a word
            raise tarfile.ReadError("it does not go on to its end")
    if left_out:
        warnings.warn(
            f"{archive}: {len(left_out):,} links and devices in it are left out, such as {shortened(left_out[0])}: "
            "unpack it yourself if they matter, and give the folder.",
            stacklevel=2,
        )


class _Portions:
    """A tar file of which the module tarfile reads portions: what it wants to hold at once is never large."""

    def __init__(self, content: IO[bytes], archive: Path) -> None:
        self._content, self._archive = content, archive
        self.tell, self.seek = content.tell, content.seek

    def read(self, size: int) -> bytes:
        """Read a part of a file, or a long name, in a header."""
        if not 0 <= size <= LONGEST_HEADER:
            raise DataError(f"{self._archive}: the archive is damaged (a header of {size:,} bytes): pack it again.")
        return self._content.read(size)


class _Room:
    """How much an archive may unpack to: many times its size, and no more than the disk has room for."""

    def __init__(self, archive: Path, free: float = math.inf) -> None:
        self._archive, self._free = archive, free
        self._most = max(ALWAYS, most("expansion") * archive.stat().st_size)
        self._taken = self._members = 0

    def take(self, name: str, size: int) -> None:
        """Count a member of so many bytes; DataError if it is too much, or lies too deep to be removed again."""
        self._members += 1
        if name.count("/") > DEEPEST:
            raise DataError(f"{self._archive}: more than {DEEPEST} folders, one in the other: the archive is damaged.")
        self._taken += size
        if self._members > MOST_MEMBERS:
            raise DataError(
                f"{self._archive}: more than {MOST_MEMBERS:,} files: unpack it yourself, and give the folder."
            )
        self.require(self._taken)

    def require(self, size: int) -> None:
        """Raise DataError if so many bytes are too much."""
        if size > self._free:
            raise DataError(
                f"{self._archive}: {size / 2**30:.1f} GB or more unpacked, and there is room for "
                f"{self._free / 2**30:.1f} GB among the temporary files: unpack it yourself where there is room, and "
                "give the folder."
            )
        if size > self._most:
            raise DataError(
                f"{self._archive}: it unpacks to more than {self._most / 2**30:.1f} GB, many times its size: if you "
                "trust it, unpack it yourself and give the folder, or allow more by GRIDCNN_MAX_EXPANSION."
            )


# ---- compressed tar files -------------------------------------------------------------------------------------------


def plain_tar(archive: Path) -> Path:
    """Return a tar file that is not compressed: the archive itself, or one among the temporary files, made once.

    A compressed one can only be read from its beginning, and items are read in the order of their names, classes or
    places in a split.

    Raises
    ------
    DataError
        If it is damaged, has many times its size, or more than the disk has room for.
    """
    state = archive.stat()
    with reading(archive), _decompressing:
        key = archive.resolve(), state.st_size, state.st_mtime_ns
        if key not in _plain:
            _plain[key] = _decompressed(archive)
        return _plain[key]


_decompressing = threading.Lock()
_plain: dict[tuple[Path, int, int], Path] = {}

_made: dict[Path, Path] = {}
"""The temporary folders of tar files that were made of compressed ones: these files, and nothing else, are ours."""


def _decompressed(archive: Path) -> Path:
    with archive.open("rb") as file:
        start = file.read(6)
    opener = next((how for mark, how in _OPENERS if start.startswith(mark)), None)
    if opener is None:
        return archive
    folder = temporary_folder(archive.stem)
    with contextlib.ExitStack() as undoing:
        undoing.callback(remove_folder, folder)
        room = _Room(archive, shutil.disk_usage(folder).free * 9 // 10)
        place = folder / "content.tar"
        with opener(archive) as content, place.open("wb") as written:
            while block := content.read(LONGEST_HEADER):  # the checksum comes last
                room.require(written.tell() + len(block))
                written.write(block)
        undoing.pop_all()
    _made[place] = folder
    return place


@contextlib.contextmanager
def _zstandard(archive: Path) -> Iterator[_Zstandard]:
    import pyarrow as pa  # noqa: PLC0415

    with pa.OSFile(str(archive)) as file, pa.CompressedInputStream(file, "zstd") as stream:
        yield _Zstandard(stream)


class _Zstandard:
    """The content of a file that Zstandard has compressed, from its beginning to its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Read so many bytes, or fewer at the end."""
        try:
            return bytes(self._stream.read(size))
        except OSError as error:
            raise tarfile.ReadError(" ".join(str(error).split())) from None


_OPENERS: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\0", lzma.open),
    (b"\x28\xb5\x2f\xfd", _zstandard),
)
"""How compressed files begin, whatever their names are, and what opens them."""


def forget(plain: Path) -> None:
    """Remove a tar file that was made of a compressed one; any other stays."""
    with _decompressing:
        folder = _made.pop(plain, None)
        if folder is not None:
            for key in [key for key, place in _plain.items() if place == plain]:
                del _plain[key]
            remove_folder(folder)


def require_disk(archive: Path, folder: Path, size: int) -> None:
    """Raise DataError if so many bytes are more than there is room for in a folder."""
    _Room(archive, shutil.disk_usage(folder).free * 9 // 10).require(size)
