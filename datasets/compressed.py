"""Files of rows that are compressed: .csv.gz and the like, and a .zip with one such file in it."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from gridcnn.datasets.media import visible
from gridcnn.errors import DataError

__all__ = ["MOST_BYTES", "is_table_file", "read_bytes", "table_suffix"]

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


def read_bytes(path: Path) -> tuple[bytes, str]:
    """Return the content of a table file, unpacked, and the suffix that says what it is.

    Raises
    ------
    DataError
        If the archive is damaged, holds another number of files than one, or is larger than `MOST_BYTES` unpacked.
    """
    suffix = table_suffix(path) or path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = _members(archive)
                if len(members) != 1:
                    names = ", ".join(member.filename for member in members[:5])
                    raise DataError(
                        f"{path}: {len(members)} files are in this archive ({names}), but one table is expected: "
                        f"unpack it first, unzip {path}"
                    )
                with archive.open(members[0]) as member:
                    return _bounded(member, path), PurePosixPath(members[0].filename.lower()).suffix
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as file:
                return _bounded(file, path), suffix
        return path.read_bytes(), suffix
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: the archive is damaged or encrypted ({error}): write it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and all(visible(part) for part in PurePosixPath(member.filename).parts)
    ]


def _bounded(file: IO[bytes] | gzip.GzipFile, path: Path) -> bytes:
    """Read a stream to its end, or refuse it once it is too long."""
    content = bytearray()
    while block := file.read(BLOCK):
        content += block
        if len(content) > MOST_BYTES:
            raise DataError(f"{path}: more than {MOST_BYTES >> 30} GB unpacked: unpack it yourself if you trust it.")
    return bytes(content)
