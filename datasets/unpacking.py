"""Archives unpacked into a folder for a while: those that hold texts, tables or logs, or more than class folders."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

from gridcnn.datasets.archives import (
    forget,
    is_archive,
    is_zip,
    listed_tar,
    listed_zip,
    plain_tar,
    reading,
    require_disk,
)
from gridcnn.datasets.open_archives import let_go
from gridcnn.errors import DataError
from gridcnn.temporary import call, remove_folder, temporary_folder

__all__ = ["file_in_archive", "unpacked"]


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
def _unpack(archive: Path, _size: int, _changed: int) -> Path:
    with reading(archive), contextlib.ExitStack() as undoing:
        folder = temporary_folder(archive.stem)
        undoing.callback(remove_folder, folder)
        if is_zip(archive):
            with listed_zip(archive) as opened:
                require_disk(archive, folder, sum(member.file_size for member in opened.infolist()))
                opened.extractall(folder)  # drops drives, leading slashes and ".."; reads no more than stated
        else:
            plain = plain_tar(archive)
            require_disk(archive, folder, plain.stat().st_size)
            with plain.open("rb") as content:
                for tar, member in listed_tar(content, archive):
                    tar.extract(member, folder, filter="data")
            let_go(archive)
            forget(plain)
        undoing.pop_all()
    return folder


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
