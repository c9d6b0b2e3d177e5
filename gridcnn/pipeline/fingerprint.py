"""Fingerprint of many files: one digest of their contents, without reading files again that have not changed.

The digest is noted in the cache under the status of each file: its number, size and times of change. It is not noted if
a file changed while it was read or just before, since a file system may give two changes within one tick of its clock
the same time (the "racy" entries of git's index).
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridcnn.pipeline.cache import note, recall
from gridcnn.pipeline.parallel import in_threads
from gridcnn.segments import Segment, Varied
from gridcnn.stored import Stored

__all__ = ["fingerprint", "look_at"]

TICK = 2 * 10**9  # nanoseconds; the coarsest clock of a file system in use (FAT)
CHUNK = 512
DIGEST = 16  # bytes

FilePath = str | os.PathLike[str] | Stored


def fingerprint(items: Sequence[FilePath | Segment], cache: Path | None, n_jobs: int | None = None) -> str:
    """Return a digest of the contents of files, or of segments of files, in their order.

    Parameters
    ----------
    items : sequence of path, Stored or Segment
        A file that cannot be read is represented by the kind of error, and a stored one by its version: it is not read.
    cache : Path or None
        Folder of the cache; None reads all files each time.
    n_jobs : int or None
        Number of threads; None takes the cores that this process may use.

    Returns
    -------
    str
        Hexadecimal. It does not depend on the names and places of the files.
    """
    paths = [each.path if isinstance(each, Segment) else each for each in items]
    if any(isinstance(each, Segment) for each in items):
        files = {path: at for at, path in enumerate(dict.fromkeys(_file(path) for path in paths))}
        where = (f"{files[_file(path)]} {_part(each, files)}".encode() for path, each in zip(paths, items, strict=True))
        return _digest([fingerprint(list(files), cache, n_jobs).encode(), *where])
    state, settled = look_at(paths, n_jobs)  # before they are read: a later change will be seen
    if cache is not None and (known := recall(cache, state)):
        return str(known)
    reads = list(in_threads(_read, paths, n_jobs, CHUNK))
    contents = _digest(read for read, _ in reads)
    if cache is not None and settled and all(complete for _, complete in reads):
        note(cache, state, contents)
    return contents


def _file(path: FilePath) -> str | Stored:
    return path if isinstance(path, Stored) else os.fspath(path)


def _part(item: FilePath | Segment, files: Mapping[str | Stored, int]) -> Any:
    """Return what is read of a file besides its content; nothing of a whole file."""
    if not isinstance(item, Segment):
        return ""
    if not isinstance(item, Varied):
        return item.start, item.end
    beside = [(files.get(each.path, str(each.path)), each.start, each.end) for each in item.beside]
    return item.start, item.end, beside, item.inside, item.seed


def look_at(paths: Sequence[FilePath], n_jobs: int | None = None) -> tuple[str, bool]:
    """Return a digest of the status of files, and whether it may stand for their contents.

    It may not if a file is missing, or changed just now: it could change again within one tick of the clock.
    """
    started = time.time_ns()
    looks = list(in_threads(_look_at, paths, n_jobs, CHUNK))
    return _digest(look for look, _ in looks), max((newest for _, newest in looks), default=0) < started - TICK


def _look_at(paths: Sequence[FilePath]) -> tuple[bytes, float]:
    """Return the status of files, and the latest change of any of them, in nanoseconds since 1970."""
    states, newest = [], 0.0
    for path in paths:
        if isinstance(path, Stored):
            states.append(path.version().hex())
            newest = newest if path.version() else math.inf
            continue
        try:
            file = os.stat(path)  # noqa: PTH116  Path.stat takes twice as long
        except OSError:
            states.append("missing")
            newest = math.inf
            continue
        # A file's owner can set its time of modification back, but not that of its change.
        states.append(f"{file.st_dev} {file.st_ino} {file.st_size} {file.st_mtime_ns} {file.st_ctime_ns}")
        newest = max(newest, file.st_mtime_ns, file.st_ctime_ns)
    return "\n".join(states).encode(), newest


def _read(paths: Sequence[FilePath]) -> tuple[bytes, bool]:
    """Return the digest of the contents of files, and whether all of them could be read."""
    contents, complete = [], True
    for path in paths:
        digest = hashlib.blake2b(digest_size=DIGEST)
        if isinstance(path, Stored):
            contents.append(path.version() or secrets.token_bytes(DIGEST))  # which is never met again
            complete = complete and bool(path.version())
            continue
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123  Path.open takes twice as long
                while block := file.read(2**20):
                    digest.update(block)
        except OSError as error:
            digest = hashlib.blake2b(type(error).__name__.encode(), digest_size=DIGEST, person=b"cannot be read")
            complete = False
        contents.append(digest.digest())
    return b"".join(contents), complete


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.blake2b(b"\n".join(parts), digest_size=DIGEST).hexdigest()
