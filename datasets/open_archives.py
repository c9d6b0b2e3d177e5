"""Archives that are open: what they list, and their files, for many threads at a time.

An archive is listed once in each process. What is compressed as a whole, as .tar.gz is, is decompressed to one file
among the temporary ones first.
"""

from __future__ import annotations

import os
import posixpath
import tarfile
import threading
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from gridcnn.datasets.archives import is_zip, listed_tar, listed_zip, plain_tar, reading
from gridcnn.errors import DataError

__all__ = ["OPEN", "Archive", "let_go", "open_archive"]

OPEN = 4
"""Archives that are kept open, with their lists."""

ENCRYPTED = 0x1
"""A bit among the flags of a member of a zip file."""

WITH_HOLES = -1
"""Stands for the size of a file of which a tar file has some parts only."""


@dataclass(frozen=True)
class Archive:
    """A zip or tar file, as it was when it was listed.

    Parameters
    ----------
    path : Path
        Where it lies.
    state : tuple of int
        Its size, and the time when its content was changed (ns).
    """

    path: Path
    state: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> Archive:
        """Return it as it is now."""
        status = path.stat()
        return cls(path, (status.st_size, status.st_mtime_ns))


class _File(NamedTuple):
    """What a list says of a file: where it begins, its size (bytes), and its checksum, which tar files do not have."""

    at: int
    size: int
    checksum: int = 0


class OpenArchive:
    """An archive that is open, and what it lists: files, and the names in each folder, those of folders with "/"."""

    def __init__(self, archive: Archive) -> None:
        self.files: dict[str, _File] = {}
        self.folders: dict[str, list[str]] = {"": []}
        self.archive = archive
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        self._tar: IO[bytes] | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        with reading(archive.path):
            self._list()
        if both := self.files.keys() & self.folders.keys():
            raise DataError(
                f"{archive.path}: the archive is damaged ({min(both)} is a file and a folder): pack it again."
            )
        for names in self.folders.values():
            names.sort()

    def _list(self) -> None:
        """List the archive, which stays open."""
        self._require_same()
        if is_zip(self.archive.path):
            self._zip = listed_zip(self.archive.path)
            for info in self._zip.infolist():
                file = _File(info.header_offset, info.file_size, info.CRC)
                self._members[self._add(_in_zip(info.filename), info.is_dir(), file)] = info
            return
        self._tar = plain_tar(self.archive.path).open("rb")
        for _, member in listed_tar(self._tar, self.archive.path):
            file = _File(member.offset_data, WITH_HOLES if member.issparse() else member.size)
            self._add(_in_tar(member), member.isdir(), file)

    def _add(self, name: str, is_folder: bool, file: _File) -> str:
        if not is_folder and name:
            if name not in self.files:
                self._name(name, "")
            self.files[name] = file  # of several, the last one counts
        elif name not in self.folders:
            self._name(name, "/")
        return name

    def _name(self, name: str, mark: str) -> None:
        """Enter a name into the folder that it lies in, and that one into its own."""
        if mark:
            self.folders[name] = []
        parent, _, last = name.rpartition("/")
        if parent not in self.folders:
            self._name(parent, "/")
        self.folders[parent].append(f"{last}{mark}")

    def _require_same(self) -> None:
        try:
            same = Archive.of(self.archive.path) == self.archive
        except OSError:
            same = False
        if not same:
            raise DataError(f"{self.archive.path} was changed after it was listed: begin again")

    def opened(self, name: str) -> Any:
        """Open a file in it, to be read in portions."""
        file = self.files.get(name)
        if file is None:
            raise zipfile.BadZipFile("there is no such file in it")
        self._require_same()
        if self._zip is not None:
            if self._members[name].flag_bits & ENCRYPTED:
                raise RuntimeError("it is encrypted")
            return self._zip.open(self._members[name])
        if file.size == WITH_HOLES:
            raise NotImplementedError("it is stored with holes")
        return _Part(self, file)

    def read(self, at: int, size: int) -> bytes:
        """Read some bytes of a tar file."""
        assert self._tar is not None  # for the type checker
        with self._lock:
            self._tar.seek(at)
            return self._tar.read(size)

    def __del__(self) -> None:
        """Close the files, when no thread has any of them open."""
        if self._zip is not None:
            self._zip.close()
        if self._tar is not None:
            self._tar.close()


class _Part:
    """A file in a tar file."""

    def __init__(self, archive: OpenArchive, file: _File) -> None:
        self._archive, self._at, self._end = archive, file.at, file.at + file.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        """Read so many bytes, or fewer at the end."""
        content = self._archive.read(self._at, min(size, self._end - self._at))
        self._at += len(content)
        return content


def _in_zip(name: str) -> str:
    """Return where a file is unpacked by `zipfile`: leading slashes and ".." are dropped."""
    return "/".join(part for part in name.split("/") if part not in {"", ".", ".."})


def _in_tar(member: tarfile.TarInfo) -> str:
    name = posixpath.normpath(member.name.lstrip("/"))
    if name.split("/")[0] == "..":
        raise tarfile.ReadError(f"{member.name} leads outside of it")
    return "" if name == "." else name


_archives: OrderedDict[tuple[int, Archive], OpenArchive] = OrderedDict()
_archives_lock = threading.Lock()


def open_archive(archive: Archive) -> OpenArchive:
    """Return an open archive; a few are kept, in each process its own."""
    key = (os.getpid(), archive)
    with _archives_lock:
        found = _archives.get(key)
        if found is None:
            found = _archives[key] = OpenArchive(archive)
            if len(_archives) > OPEN:
                _archives.popitem(last=False)
        _archives.move_to_end(key)
        return found


def let_go(path: Path) -> None:
    """Close an archive, as soon as no thread reads it."""
    with _archives_lock:
        for key in [key for key in _archives if key[1].path.resolve() == path]:
            del _archives[key]
