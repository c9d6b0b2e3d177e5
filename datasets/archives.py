"""Archives of class folders, unpacked into a folder that lives as long as the program."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import IO, cast

from gridcnn.datasets.compressed import DAMAGE, require_whole
from gridcnn.datasets.limits import most
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError, GridcnnError
from gridcnn.temporary import call, remove_folder, temporary_folder

__all__ = ["file_in_archive", "is_archive", "unpacked"]

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


def is_archive(path: Path) -> bool:
    """Whether a name is one of an archive that can be unpacked here."""
    return path.name.lower().endswith(SUFFIXES)


def file_in_archive(place: Path) -> Path | None:
    """Return the unpacked file that a name means which begins with that of an archive; None for any other name.

    Raises
    ------
    DataError
        If the archive cannot be unpacked, or holds no such file.
    """
    for archive in place.parents:
        if is_archive(archive) and os.path.isfile(archive):  # noqa: PTH113  (a name may be too long, or a sentence)
            inside = unpacked(archive) / place.relative_to(archive)
            if not inside.exists():
                raise DataError(f"{place}: there is no such file in {archive}.")
            return inside
    return None


def unpacked(archive: Path) -> Path:
    """Unpack an archive, once, into a temporary folder that is removed when the program ends.

    No member leaves the folder, whatever its name says. Links and devices in a tar file are left out, with a warning.

    Parameters
    ----------
    archive : path
        A .zip or .tar file, the latter also with .gz, .bz2, .xz or .zst.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the archive is damaged or encrypted, unpacks to many times its size (see `gridcnn.datasets.limits`), or to
        more than the disk has room for.
    """
    state = archive.stat()
    folder = _unpack(archive.resolve(), state.st_size, state.st_mtime_ns)
    call(folder, str(archive))
    return folder


@cache
def _unpack(archive: Path, size: int, _changed: int) -> Path:
    try:
        folder = temporary_folder(archive.stem)
    except OSError as error:
        raise _cannot(archive, error) from None
    room = _Room(archive, size, shutil.disk_usage(folder).free * 9 // 10)
    unpack = _unpack_zip if archive.name.lower().endswith(".zip") else _unpack_tar
    try:
        with contextlib.ExitStack() as undoing:
            undoing.callback(remove_folder, folder)
            unpack(archive, folder, room)
            undoing.pop_all()
    except (tarfile.TarError, *DAMAGE) as error:
        raise DataError(f"{archive}: the archive is damaged ({error}): download or pack it again.") from None
    except GridcnnError:
        raise
    except (RuntimeError, ValueError) as error:  # a password, an unusual compression, a name that none can have
        raise DataError(f"{archive}: {error}: unpack it yourself, and give the folder.") from None
    except OSError as error:
        raise _cannot(archive, error) from None
    return folder


def _cannot(archive: Path, error: OSError) -> DataError:
    where = tempfile.gettempdir()
    return DataError(
        f"{archive}: cannot be unpacked to {where} ({error.strerror or error}): set TMPDIR to a folder where there is "
        "room, or unpack it yourself, and give the folder."
    )


def _unpack_zip(archive: Path, folder: Path, room: _Room) -> None:
    with zipfile.ZipFile(archive, metadata_encoding=_encoding_of_names(archive)) as opened:
        require_whole(opened)
        for member in opened.infolist():
            room.take(member.filename, member.file_size)
        opened.extractall(folder)  # drops drives, leading slashes and ".."; reads no more than the stated sizes


def _encoding_of_names(archive: Path) -> str | None:
    """Return "utf-8" if names are in it although the file does not say so, as macOS packs; None for what it says."""
    with zipfile.ZipFile(archive) as opened:
        untold = [member.filename for member in opened.infolist() if not member.flag_bits & NAME_IS_UTF8]
    try:
        told = [name.encode("cp437").decode("utf-8") for name in untold if not name.isascii()]
    except UnicodeError:
        return None
    return "utf-8" if told else None


def _unpack_tar(archive: Path, folder: Path, room: _Room) -> None:
    """Unpack files and folders: links may lead anywhere, also by way of one another, and devices are no items."""
    left_out = list[str]()
    with contextlib.ExitStack() as closing:
        content = closing.enter_context(_decompressed(archive))
        opened = closing.enter_context(tarfile.TarFile(fileobj=cast(IO[bytes], _Portions(content, archive, room))))
        for member in opened:
            if member.isdir() or member.isreg():
                room.take(member.name, member.size)
                opened.extract(member, folder, filter="data")
            else:
                left_out.append(member.name)
            opened.members = []  # type: ignore[attr-defined]  # or it keeps all of them
        content.seek(opened.offset)
        if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # where tarfile stops without a word
            raise tarfile.ReadError("it does not go on to its end")
        while content.read(LONGEST_HEADER):  # the checksum of what is compressed comes last
            room.require(content.tell())
    if left_out:
        warnings.warn(
            f"{archive}: {len(left_out):,} links and devices in it are left out, such as {shortened(left_out[0])}: "
            "unpack it yourself if they matter, and give the folder.",
            stacklevel=2,
        )


def _decompressed(archive: Path) -> IO[bytes]:
    """Open a tar file, whatever it is compressed by: its first bytes say so, not its name."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return cast(IO[bytes], _Zstandard(archive))
    for mark, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open)):
        if start.startswith(mark):
            return cast(IO[bytes], opener(archive))
    return archive.open("rb")


class _Zstandard(contextlib.AbstractContextManager["_Zstandard"]):
    """The content of a file that Zstandard has compressed, which is read from its beginning to its end."""

    def __init__(self, archive: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415

        self._file = pa.OSFile(str(archive))
        self._stream = pa.CompressedInputStream(self._file, "zstd")
        self._at = 0

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._file.close()

    def tell(self) -> int:
        """Return how much was read."""
        return self._at

    def read(self, size: int) -> bytes:
        """Read so many bytes, or fewer at the end."""
        try:
            content = bytes(self._stream.read(size))
        except OSError as error:
            raise tarfile.ReadError(" ".join(str(error).split())) from None
        self._at += len(content)
        return content

    def seek(self, at: int) -> int:
        """Read on up to a place."""
        while self._at < at and self.read(min(at - self._at, LONGEST_HEADER)):
            pass
        return self._at


class _Portions:
    """A tar file of which the module tarfile reads portions: what it wants to hold at once is never large."""

    def __init__(self, content: IO[bytes], archive: Path, room: _Room) -> None:
        self._content, self._archive, self._room = content, archive, room
        self.tell = content.tell

    def read(self, size: int) -> bytes:
        """Read a part of a file, or a long name, in a header."""
        if not 0 <= size <= LONGEST_HEADER:
            raise DataError(f"{self._archive}: the archive is damaged (a header of {size:,} bytes): pack it again.")
        return self._content.read(size)

    def seek(self, at: int) -> int:
        """Pass over something, which unpacks it all the same."""
        self._room.require(at)
        return self._content.seek(at)


class _Room:
    """How much an archive may unpack to: many times its size, and no more than the disk has room for."""

    def __init__(self, archive: Path, packed: int, free: int) -> None:
        self._archive, self._free = archive, free
        self._most = max(ALWAYS, most("expansion") * packed)
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
