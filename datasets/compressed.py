"""Files of rows that are compressed: .csv.gz and the like, and a .zip with one such file in it."""

from __future__ import annotations

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from gridcnn.datasets.media import visible
from gridcnn.errors import DataError

__all__ = ["MOST_BYTES", "is_plain", "is_table_file", "opened", "read_bytes", "table_suffix"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".xlsx")
"""Files that hold one row per item."""

MOST_BYTES = 4 * 2**30
"""A compressed file that grows beyond this is refused rather than unpacked into memory."""

BLOCK = 2**24  # bytes


def table_suffix(path: Path) -> str | None:
    """Return which kind of table a file is by its name, without .gz; ".zip" if only its content can say; else None."""
    name = path.name.lower().removesuffix(".gz")
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
    except (OSError, zipfile.BadZipFile):
        return False
    return len(members) == 1 and PurePosixPath(members[0].filename.lower()).suffix in SUFFIXES


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], str]]:
    """Open the content of a table file, unpacked as it is read, with the suffix that says what it is.

    Raises
    ------
    DataError
        If the file cannot be read, or the archive is damaged or holds another number of files than one.
    """
    suffix = table_suffix(path) or path.suffix.lower()
    try:
        with contextlib.ExitStack() as closing:
            if suffix == ".zip":
                archive = closing.enter_context(zipfile.ZipFile(path))
                members = _members(archive)
                if len(members) != 1:
                    names = ", ".join(member.filename for member in members[:5])
                    raise DataError(
                        f"{path}: {len(members)} files are in this archive ({names}), but one table is expected: "
                        f"unpack it first, unzip {path}"
                    )
                member = closing.enter_context(archive.open(members[0]))
                yield member, PurePosixPath(members[0].filename.lower()).suffix
            elif path.name.lower().endswith(".gz"):
                yield cast(IO[bytes], closing.enter_context(gzip.GzipFile(path))), suffix
            else:
                yield closing.enter_context(path.open("rb")), suffix
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: the archive is damaged or encrypted ({error}): write it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Return the content of a table file, unpacked, and the suffix that says what it is.

    Raises
    ------
    DataError
        As `opened`; also if the file is larger than `MOST_BYTES` unpacked.
    """
    with opened(path) as (file, suffix):
        return (file.read() if is_plain(path) else _bounded(file, path)), suffix


def is_plain(path: Path) -> bool:
    """Whether a table file is not compressed."""
    return not path.name.lower().endswith((".gz", ".zip"))


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and all(visible(part) for part in PurePosixPath(member.filename).parts)
    ]


def _bounded(file: IO[bytes], path: Path) -> bytes:
    """Read a stream to its end, or refuse it once it is too long."""
    content = bytearray()
    while block := file.read(BLOCK):
        content += block
        if len(content) > MOST_BYTES:
            raise DataError(f"{path}: more than {MOST_BYTES >> 30} GB unpacked: unpack it yourself if you trust it.")
    return bytes(content)
