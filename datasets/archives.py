"""Archives of class folders, unpacked into a folder that lives as long as the program."""

from __future__ import annotations

import atexit
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path

from gridcnn.errors import DataError

__all__ = ["MOST_BYTES", "is_archive", "unpacked"]

MOST_BYTES = 16 * 2**30
"""An archive that grows beyond this is refused: a person who trusts it can unpack it."""

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def is_archive(path: Path) -> bool:
    """Whether a name is one of an archive that can be unpacked here."""
    return path.name.lower().endswith(SUFFIXES)


def unpacked(archive: Path) -> Path:
    """Unpack an archive, once, into a temporary folder that is removed when the program ends.

    No member leaves the folder, whatever its name says, and none is a link that leads outside.

    Parameters
    ----------
    archive : path
        A .zip or .tar file, the latter also with .gz, .bz2 or .xz.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If the archive is damaged or encrypted, or larger than `MOST_BYTES` or than the disk has room for.
    """
    state = archive.stat()
    return _unpack(archive.resolve(), state.st_size, state.st_mtime_ns)


@cache
def _unpack(archive: Path, _size: int, _changed: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gridcnn-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    room = min(MOST_BYTES, shutil.disk_usage(folder).free * 9 // 10)
    try:
        if archive.name.lower().endswith(".zip"):
            _unpack_zip(archive, folder, room)
        else:
            _unpack_tar(archive, folder, room)
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise DataError(f"{archive}: the archive is damaged ({error}): download or pack it again.") from None
    except (RuntimeError, NotImplementedError) as error:  # zipfile's words for a password and an unusual compression
        raise DataError(f"{archive}: {error}: unpack it yourself, and give the folder.") from None
    except OSError as error:
        raise DataError(f"{archive}: cannot be unpacked ({error.strerror or error}): unpack it yourself.") from None
    return folder


def _unpack_zip(archive: Path, folder: Path, room: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        _require_room(archive, sum(member.file_size for member in opened.infolist()), room)
        opened.extractall(folder)  # drops drives, leading slashes and ".."; reads no more than the stated sizes


def _unpack_tar(archive: Path, folder: Path, room: int) -> None:
    total = 0
    with tarfile.open(archive) as opened:
        for member in opened:
            total += member.size
            _require_room(archive, total, room)
            opened.extract(member, folder, filter="data")


def _require_room(archive: Path, size: int, room: int) -> None:
    if size > room:
        raise DataError(
            f"{archive}: {size / 2**30:.1f} GB or more unpacked, and there is room for {room / 2**30:.1f} GB among the "
            "temporary files: unpack it yourself where there is room, and give the folder."
        )
