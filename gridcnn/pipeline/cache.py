"""Encoded items kept on disk, under a digest of everything they depend on, in a folder of bounded size.

An entry is a folder, named by its key. It holds `windows.bin` (raw numbers), `item.npy` (the item that each window
belongs to), `fingerprints.npy` (a digest of each item's content) and `meta.json` (shape, dtype, origin, the items that
failed, and the checksums of the other files). It is written and removed under another name, so that neither a second
run nor a kill half-way ever shows half an entry, and it takes its name when all of it is on the disk. A disk that lied
about that, as some do, is found out by the checksums. Small values are noted in `notes.json`, which is replaced as a
whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pooch

from gridcnn.durable import make_folder, sync_tree, take_name
from gridcnn.errors import ItemError
from gridcnn.pipeline.replacing import LEFTOVER_AGE, replacing

__all__ = [
    "CACHE_LIMIT",
    "CacheEntry",
    "Encoded",
    "Entry",
    "clear",
    "default_cache_folder",
    "entries",
    "forget",
    "note",
    "read",
    "recall",
    "store",
    "usable",
    "warn_of",
]

CACHE_LIMIT = 10 * 10**9  # bytes; the entries unused for longest are removed beyond it
MAP_ABOVE = 64 * 2**20  # bytes; larger arrays are memory-mapped rather than read
NOTES = "notes.json"
MOST_NOTES = 512  # the oldest are forgotten beyond it
DRAFT = ".draft-"
PROBE = 4096  # bytes written to see whether a folder can be
CHECKED_AT_ONCE = 2**24  # bytes

NOTHING = np.empty(0, dtype=np.float32)
FINGERPRINT = 16  # bytes
CHECKED = ("windows.bin", "item.npy", "fingerprints.npy")

_DAMAGED = (
    OSError,
    EOFError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading a damaged entry raises."""


class Encoded(NamedTuple):
    """One item: its windows `(windows, …)`, and the digest of its content, 16 bytes."""

    windows: np.ndarray
    fingerprint: bytes


Result = tuple[int, "Encoded | ItemError"]
"""The index of an item, with its encoded windows or with what is wrong with it."""


class Entry(NamedTuple):
    """All windows, the item of each, the digests of the encoded items, and the failures with their reasons."""

    windows: np.ndarray
    item: np.ndarray
    fingerprints: np.ndarray
    failures: list[tuple[int, str]]


class CacheEntry(NamedTuple):
    """An entry, as `gridcnn cache` lists it."""

    key: str
    made_by: str
    """The adapter, and whether the entry holds encoded windows or grids."""
    windows: int
    """How many arrays it holds: an item has one, or several where it is long."""
    size: int
    """In bytes."""
    last_used: float
    """In seconds since 1970."""


def default_cache_folder() -> Path:
    """Return the folder named by the environment variable GRIDCNN_CACHE, or one in the user's own cache folder."""
    if folder := os.environ.get("GRIDCNN_CACHE"):
        return Path(folder)
    return Path(pooch.os_cache("gridcnn")) / "encoded"


def usable(cache: Path) -> Path | None:
    """Return the folder of a cache if it can be written, or warn and return None: work goes on without it."""
    try:
        make_folder(cache)
        with tempfile.TemporaryFile(dir=cache) as file:
            file.write(b"\0" * PROBE)
            file.flush()
    except (OSError, ValueError) as error:
        warn_of(cache, error)
        return None
    return cache


def warn_of(cache: Path, error: Exception) -> None:
    """Warn that a cache cannot be used; the work is only slower the next time."""
    why = getattr(error, "strerror", None) or error
    warnings.warn(
        f"the cache folder {cache} cannot be used ({why}), so this run goes on without it; name another one in the "
        "environment variable GRIDCNN_CACHE",
        stacklevel=3,
    )


def entries(cache: Path) -> list[CacheEntry]:
    """List the entries of a cache, the one used last first."""
    found = []
    for meta in cache.glob("[!.]*/meta.json"):  # no drafts
        with contextlib.suppress(*_DAMAGED):  # or another run is removing it
            said, entry = json.loads(meta.read_text(encoding="utf-8")), meta.parent
            size = sum(path.stat().st_size for path in entry.iterdir())
            made_by, windows = said.get("made_by", "an earlier version"), said["shape"][0]
            found.append(CacheEntry(entry.name, made_by, windows, size, entry.stat().st_mtime))
    return sorted(found, key=lambda each: -each.last_used)


def clear(cache: Path) -> list[CacheEntry]:
    """Remove every entry, damaged ones too, and the leftovers of killed runs; return those that were whole."""
    removed = entries(cache)
    for meta in cache.glob("[!.]*/meta.json"):
        _remove(meta.parent)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (cache / NOTES).unlink()
    _remove_leftovers(cache)
    return removed


def read(entry: Path, *, verify: bool = True) -> Entry | None:
    """Read an entry and mark it as used; remove it if it is damaged. Who just wrote it need not verify all of it."""
    if not entry.is_dir():
        return None
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        for name in CHECKED if verify else ():
            if _checksum(entry / name) != meta["checksums"][name]:
                raise ValueError(f"{name} is not what was written")
        shape, dtype = tuple(meta["shape"]), np.dtype(meta["dtype"])
        size = (entry / "windows.bin").stat().st_size
        if size != int(np.prod(shape)) * dtype.itemsize:
            raise ValueError("windows.bin has another size than meta.json says")
        index = np.load(entry / "item.npy", allow_pickle=False)
        if index.shape != shape[:1]:
            raise ValueError("item.npy has another length than meta.json says")
        fingerprints = np.load(entry / "fingerprints.npy", allow_pickle=False)
        if fingerprints.shape != (len(np.unique(index)), FINGERPRINT):
            raise ValueError("fingerprints.npy has another length than item.npy says")
        failures = [(int(position), str(reason)) for position, reason in meta["skipped"]]
        windows: np.ndarray
        if size > MAP_ABOVE:
            windows = np.memmap(entry / "windows.bin", dtype=dtype, mode="r", shape=shape)
        else:
            windows = np.fromfile(entry / "windows.bin", dtype=dtype).reshape(shape)
        os.utime(entry)
    except _DAMAGED:
        _remove(entry)
        return None
    return Entry(windows, index, fingerprints, failures)


def store(cache: Path, key: str, results: Iterator[Result], made_by: str) -> Entry:
    """Write results to a new entry as they come, so that they need not fit in memory, and read it back.

    OSError is raised if the disk is full, or the folder cannot be used.
    """
    make_folder(cache)
    _remove_leftovers(cache)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=cache))
    try:
        with (draft / "windows.bin").open("wb") as file:
            meta, index, fingerprints = _write_windows(file, results)
        np.save(draft / "item.npy", index, allow_pickle=False)
        np.save(draft / "fingerprints.npy", fingerprints, allow_pickle=False)
        checksums = {name: _checksum(draft / name) for name in CHECKED}
        meta |= {"made_by": made_by, "checksums": checksums}
        (draft / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        sync_tree(draft)
        with contextlib.suppress(OSError):  # another run was faster: its entry holds the same
            take_name(draft, cache / key)
        entry = read(cache / key, verify=False) or read(draft, verify=False)
        if entry is None:
            raise OSError("what was written cannot be read back")
        return entry
    finally:
        _remove(draft)
        _remove_least_recently_used(cache, keep=key)


def forget(cache: Path, key: str) -> None:
    """Remove an entry, whose arrays stay readable."""
    _remove(cache / key)


def recall(cache: Path, key: str) -> Any:
    """Return the value noted under a key; None if there is none, or it is forgotten."""
    return _notes(cache).get(key)


def note(cache: Path, key: str, value: Any) -> None:
    """Note a small value, JSON-ready; of two runs that do so at once, the note of one may be lost."""
    notes = list({**_notes(cache), key: value}.items())
    with contextlib.suppress(OSError):  # without the note it only takes longer the next time
        make_folder(cache)
        with replacing(cache / NOTES, "w", encoding="utf-8") as file:
            json.dump(dict(notes[-MOST_NOTES:]), file)


def _notes(cache: Path) -> dict[str, Any]:
    """Return all notes, the oldest first; none if they are damaged."""
    try:
        return dict(json.loads((cache / NOTES).read_text(encoding="utf-8")))
    except (OSError, RecursionError, TypeError, ValueError):
        return {}


def _write_windows(file: BinaryIO, results: Iterator[Result]) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    index, failures, window, fingerprints = [], [], None, []
    for position, result in results:
        if isinstance(result, ItemError):
            failures.append((position, result.reason))
            continue
        window = result.windows[:0]
        file.write(np.ascontiguousarray(result.windows).data)
        index.append(np.full(len(result.windows), position, dtype=np.int64))
        fingerprints.append(result.fingerprint)
    if window is None:
        window, index = NOTHING, [NOTHING.astype(np.int64)]
    item = np.concatenate(index)
    meta = {"shape": [len(item), *window.shape[1:]], "dtype": window.dtype.str, "skipped": failures}
    return meta, item, as_rows(fingerprints)


def as_rows(fingerprints: list[bytes]) -> np.ndarray:
    """Return digests as uint8 of shape `(n, 16)`."""
    return np.frombuffer(b"".join(fingerprints), dtype=np.uint8).reshape(-1, FINGERPRINT)


def _checksum(file: Path) -> int:
    """Return the CRC-32 of a file: it finds what a power cut left out, and costs less than reading from most disks."""
    found = 0
    with file.open("rb") as opened:
        while block := opened.read(CHECKED_AT_ONCE):
            found = zlib.crc32(block, found)
    return found


def _remove(folder: Path) -> None:
    """Remove an entry or a draft, which loses its name first: a kill half-way shows no half of it."""
    with contextlib.suppress(OSError):  # it is gone already, or in use on Windows
        folder = folder.rename(folder.with_name(f"{DRAFT}{secrets.token_hex(8)}"))
    shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(cache: Path) -> None:
    """Remove the leftovers of killed runs; a younger draft may belong to a run that is still at work."""
    for draft in cache.glob(f"{DRAFT}*"):
        with contextlib.suppress(OSError):
            newest = max(path.stat().st_mtime for path in (draft, *draft.iterdir()))
            if time.time() - newest > LEFTOVER_AGE:
                _remove(draft)


def _remove_least_recently_used(cache: Path, keep: str) -> None:
    kept = entries(cache)
    total = sum(entry.size for entry in kept)
    for entry in reversed(kept):
        if total <= CACHE_LIMIT:
            break
        if entry.key != keep:
            _remove(cache / entry.key)
            total -= entry.size
