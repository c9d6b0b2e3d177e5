"""Files in archives as raw items: pictures and sounds of zip and tar files that are read where they lie.

An archive is listed once in each process. What is compressed as a whole, as .tar.gz is, is decompressed to one file
among the temporary ones first.
"""

from __future__ import annotations

import contextlib
import functools
import os
import posixpath
import tarfile
import threading
import time
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple, Self, TypeAlias

from gridcnn.datasets.archives import DAMAGED, is_archive, is_zip, listed_tar, listed_zip, plain_tar, reading, unpacked
from gridcnn.datasets.compressed import is_table_file
from gridcnn.datasets.media import kind_by_name, kind_by_start, visible, walk
from gridcnn.errors import DataError, ItemError
from gridcnn.stored import SMALL, Stored, suffix_of

__all__ = ["Archive", "Member", "Place", "files_below", "folder_of", "member_at"]

OPEN = 4
"""Archives that are kept open, with their lists."""

START = 16  # bytes that tell what a file is
BLOCK = 2**20  # bytes
SETTLED = 2 * 10**9  # nanoseconds after which a change would show in the time of change
TRIED = 100
"""Files without a known suffix that are opened to see whether an archive holds pictures or sounds."""

WITH_HOLES = -1
"""Stands for the size of a file of which a tar file has some parts only."""

NO_MEDIA = frozenset({".txt", ".text", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".xml", ".npy", ".npz"})
LISTS = "metadata."
"""How the names of tables begin that say which class a file beside them has: these sets are unpacked."""


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


@dataclass(frozen=True, slots=True)
class Member(Stored):
    """A file or a folder in an archive, under the names that a `Path` has for what readers of folders ask.

    Parameters
    ----------
    archive : Archive
        Where it lies.
    inside : str
        Its place in it, such as "rain/1.wav"; empty if it is the archive as a folder.
    """

    archive: Archive
    inside: str = ""

    def __str__(self) -> str:
        """Return its place, behind the name of the archive."""
        return f"{self.archive.path}/{self.inside}" if self.inside else str(self.archive.path)

    def __lt__(self, other: Member) -> bool:
        """Whether its name comes before another one."""
        return self.inside < other.inside

    @property
    def name(self) -> str:
        """The last part of its place; of the archive as a folder, the name of the file."""
        return PurePosixPath(self.inside).name or self.archive.path.name

    @property
    def suffix(self) -> str:
        """What its name ends in, such as ".wav"."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """Its name without the suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders in the archive that it lies in, and its name."""
        return PurePosixPath(self.inside).parts

    def relative_to(self, folder: Place) -> PurePosixPath:
        """Return its place in a folder of the same archive."""
        return PurePosixPath(self.inside).relative_to(folder.inside if isinstance(folder, Member) else folder)

    def is_file(self) -> bool:
        """Whether there is such a file."""
        return self.inside in _open(self.archive).files

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.inside in _open(self.archive).folders

    def iterdir(self) -> Iterator[Member]:
        """Yield what lies in this folder, by names."""
        for name in _open(self.archive).folders[self.inside]:
            yield self._below(name.removesuffix("/"))

    def below(self) -> Iterator[Member]:
        """Yield every visible file below this folder, in the order of `gridcnn.datasets.media.walk`."""
        for name in filter(visible, _open(self.archive).folders[self.inside]):
            if name.endswith("/"):
                yield from self._below(name[:-1]).below()
            else:
                yield self._below(name)

    def _below(self, name: str) -> Member:
        return Member(self.archive, f"{self.inside}/{name}" if self.inside else name)

    def identity(self) -> bytes:
        """Return its place, behind that of the archive: the path that it would have in a folder of that name."""
        return os.fsencode(str(self))

    def version(self) -> bytes:
        """Return what tells the archive and what is in it at this place; nothing if it was changed just now."""
        try:
            known = os.stat(self.archive.path)  # noqa: PTH116  (half the time)
        except OSError:
            return b""
        if (known.st_size, known.st_mtime_ns) != self.archive.state:
            return b""
        if max(known.st_mtime_ns, known.st_ctime_ns) > time.time_ns() - SETTLED:
            return b""
        about = (
            known.st_dev,
            known.st_ino,
            known.st_ctime_ns,
            *self.archive.state,
            *_open(self.archive).files[self.inside],
        )
        return " ".join(map(str, about)).encode()

    def whole(self) -> Self:
        """Return the same in an archive that is named from the root."""
        return replace(self, archive=_absolute(self.archive))

    def home(self) -> Path:
        """Return the archive."""
        return self.archive.path

    def look(self) -> tuple[int, int]:
        """Return its size and, in a zip file, its checksum."""
        place = _open(self.archive).files[self.inside]
        return place.size, place.checksum

    def kind(self) -> Literal["image", "sound"] | None:
        """Return what its suffix says, or else its first bytes."""
        if (named := kind_by_name(self.inside)) is not None or self.suffix.lower() in NO_MEDIA or not self.is_file():
            return named
        with contextlib.suppress(DataError), self.open() as file:
            return kind_by_start(file.read(START))
        return None

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """Open it to be read from its beginning.

        Raises
        ------
        ItemError
            If it is damaged or encrypted.
        DataError
            If the archive was changed after it was listed.
        """
        try:
            with _open(self.archive).opened(self.inside) as file:
                yield file
        except DAMAGED as error:
            raise ItemError(self, f"damaged in the archive ({error}): download or pack it again") from None
        except (RuntimeError, NotImplementedError) as error:  # a password, an unusual compression
            raise ItemError(self, f"{error}: unpack the archive yourself, and give the folder") from None

    def save(self, place: Path, in_memory: Path) -> Path:
        """Write its content."""
        size = _open(self.archive).files[self.inside].size
        place = in_memory if size <= SMALL else place
        place = place.with_name(place.name + suffix_of(self.inside))
        with self.open() as file, place.open("wb") as written:
            while block := file.read(min(BLOCK, size + 1)):
                written.write(block)
            if written.tell() != size:
                raise zipfile.BadZipFile(f"it ends after {written.tell():,} of {size:,} bytes")
        return place


Place: TypeAlias = Path | Member
"""A file or folder, on the disk or in an archive."""


def files_below(folder: Place) -> Iterator[Place]:
    """Yield every visible file below a folder, as `gridcnn.datasets.media.walk` does."""
    return folder.below() if isinstance(folder, Member) else walk(folder)


def folder_of(archive: Path) -> Place:
    """Return the folder that an archive holds: read in place if there are pictures or sounds in it, unpacked otherwise.

    Raises
    ------
    DataError
        If it is damaged, becomes too large, or leads out of its folder.
    """
    root = Member(Archive.of(archive))
    return root if _holds_media(root) else unpacked(archive)


def member_at(place: Path) -> Member | None:
    """Return the picture or sound in an archive that a path means, or a folder in it, or all of it as a folder.

    None if the path means something else, or an archive without pictures and sounds.

    Raises
    ------
    DataError
        As `folder_of`; or if there is no such file in the archive.
    """
    for archive in (place, *place.parents):
        if is_archive(archive) and os.path.isfile(archive):  # noqa: PTH113  (a name may be too long, or a sentence)
            if archive == place and is_table_file(archive):
                return None
            root = Member(Archive.of(archive))
            if not _holds_media(root):
                return None
            if archive == place:
                return root
            found = replace(root, inside=place.relative_to(archive).as_posix())
            if not found.is_file() and not found.is_dir():
                raise DataError(f"{place}: there is no such file in {archive}.")
            return found if found.is_dir() or found.kind() else None
    return None


@functools.lru_cache(maxsize=OPEN)
def _holds_media(root: Member) -> bool:
    unknown = 0
    files = list(root.below())
    if any(file.name.startswith(LISTS) and is_table_file(Path(file.name)) for file in files):
        return False
    if any(kind_by_name(file.inside) for file in files):
        return True
    for file in files:
        if file.suffix.lower() not in NO_MEDIA:
            unknown += 1
            if unknown > TRIED:
                break
            if file.kind():
                return True
    return False


@functools.lru_cache(maxsize=OPEN)
def _absolute(archive: Archive) -> Archive:
    return replace(archive, path=archive.path.absolute())


# ---- reading --------------------------------------------------------------------------------------------------------


class _Changed(Exception):  # noqa: N818
    """An archive is no longer what it was when it was listed."""


class _File(NamedTuple):
    """What a list says of a file: where it begins, its size (bytes), and its checksum, which tar files do not have."""

    at: int
    size: int
    checksum: int = 0


class _Open:
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
                if name := self._add(
                    _in_zip(info.filename), info.is_dir(), _File(info.header_offset, info.file_size, info.CRC)
                ):
                    self._members[name] = info
            return
        self._tar = plain_tar(self.archive.path).open("rb")
        for _, member in listed_tar(self._tar, self.archive.path):
            self._add(
                _in_tar(member), member.isdir(), _File(member.offset_data, -1 if member.issparse() else member.size)
            )

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

    def __init__(self, archive: _Open, file: _File) -> None:
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


_archives: OrderedDict[tuple[int, Archive], _Open] = OrderedDict()
_archives_lock = threading.Lock()


def _open(archive: Archive) -> _Open:
    """Return an open archive; a few are kept, in each process its own."""
    key = (os.getpid(), archive)
    with _archives_lock:
        found = _archives.get(key)
        if found is None:
            found = _archives[key] = _Open(archive)
            if len(_archives) > OPEN:
                _archives.popitem(last=False)
        _archives.move_to_end(key)
        return found
