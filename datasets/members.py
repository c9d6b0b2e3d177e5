"""Files in archives as raw items: pictures and sounds of zip and tar files that are read where they lie."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self, TypeAlias

from gridcnn.datasets.archives import DAMAGED, is_archive
from gridcnn.datasets.compressed import is_table_file
from gridcnn.datasets.media import kind_by_name, kind_by_start, visible, walk
from gridcnn.datasets.open_archives import OPEN, Archive, open_archive
from gridcnn.datasets.unpacking import unpacked
from gridcnn.errors import DataError, ItemError
from gridcnn.stored import SMALL, Stored, suffix_of

__all__ = ["Member", "Place", "files_below", "folder_of", "listed_file", "member_at"]

START = 16  # bytes that tell what a file is
BLOCK = 2**20  # bytes
SETTLED = 2 * 10**9  # nanoseconds after which a change would show in the time of change
TRIED = 100
"""Files without a known suffix that are opened to see whether an archive holds pictures or sounds."""

NO_MEDIA = frozenset({".txt", ".text", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".xml", ".npy", ".npz"})
LISTS = "metadata."
"""How the names of tables begin that say which class a file beside them has: these sets are unpacked."""


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
        return self.inside.rpartition("/")[2] or self.archive.path.name

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
        return self.inside in open_archive(self.archive).files

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.inside in open_archive(self.archive).folders

    def iterdir(self) -> Iterator[Member]:
        """Yield what lies in this folder, by names."""
        for name in open_archive(self.archive).folders[self.inside]:
            yield self._below(name.removesuffix("/"))

    def below(self) -> Iterator[Member]:
        """Yield every visible file below this folder, in the order of `gridcnn.datasets.media.walk`."""
        for name in filter(visible, open_archive(self.archive).folders[self.inside]):
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
            *open_archive(self.archive).files[self.inside],
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
        place = open_archive(self.archive).files[self.inside]
        return place.size, place.checksum

    def kind(self) -> Literal["image", "sound"] | None:
        """Return what its suffix says, or else its first bytes."""
        if (named := kind_by_name(self.inside)) is not None or self.suffix.lower() in NO_MEDIA or not self.is_file():
            return named
        with contextlib.suppress(DataError, OSError), self.open() as file:
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
            with open_archive(self.archive).opened(self.inside) as file:
                yield file
        except (*DAMAGED, UnicodeError, OverflowError) as error:
            raise ItemError(self, f"damaged in the archive ({error}): download or pack it again") from None
        except RuntimeError as error:  # a password, an unusual compression
            raise ItemError(self, f"{error}: unpack the archive yourself, and give the folder") from None
        except OSError as error:
            if error.errno is not None:
                raise
            raise ItemError(self, f"damaged in the archive ({error}): download or pack it again") from None

    def save(self, place: Path, in_memory: Path) -> Path:
        """Write its content."""
        size = open_archive(self.archive).files[self.inside].size
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


def listed_file(file: Path) -> Place:
    """Return a file that a table lists: if its name leads into an archive, the picture or sound there.

    Raises
    ------
    DataError
        If the archive is damaged, or becomes too large.
    """
    for archive in file.parents:
        if is_archive(archive) and archive.is_file():
            member = Member(Archive.of(archive), file.relative_to(archive).as_posix())
            if not member.is_file():
                return file
            return member if member.kind() else unpacked(archive) / member.inside
    return file


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
