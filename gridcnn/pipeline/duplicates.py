"""Items of equal content, whatever they are called: merged before a split, and kept off its other side after it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.errors import ItemError
from gridcnn.pipeline.cache import note, recall
from gridcnn.pipeline.encode import EncodedItems
from gridcnn.pipeline.fingerprint import look_at
from gridcnn.segments import Segment
from gridcnn.stored import FETCHED_AT_ONCE, Stored, as_path, is_far

__all__ = ["content_keys", "contradictions", "identity", "without_known"]

PEEK = 4096  # bytes at each end of a file: most files of one size differ there
BLOCK = 2**20  # bytes
DIGEST = 16  # bytes


def identity(item: Any, index: int) -> bytes:
    """Return what an item is known by: its path, text or numbers; for other objects, its place among the items."""
    if isinstance(item, str | os.PathLike):
        return os.fsencode(item) if isinstance(item, os.PathLike) else item.encode("utf-8", "surrogatepass")
    if isinstance(item, Stored):
        return item.identity()
    if isinstance(item, Segment):  # in their order in the file
        return identity(item.path, index) + f" {item.start:020.6f} {item.end:020.6f}".encode()
    if isinstance(item, np.ndarray):
        return hashlib.blake2b(item.tobytes() + str(item.shape).encode(), digest_size=DIGEST).digest()
    return b"item %012d" % index


def content_keys(
    items: Sequence[Any], identities: Sequence[bytes], *, files: bool, cache: Path | None = None
) -> list[bytes]:
    """Return a key of each item that two items share only if their contents are equal.

    Parameters
    ----------
    items : sequence of n raw items
        Paths, texts, arrays or other objects.
    identities : sequence of n bytes
        What `identity` says of them: already the content, unless the item is a file.
    files : bool
        Whether an item that is a str or a path names a file. Of these, only files of one size that begin and end alike
        are read, so that a set without copies costs no more than a look at each of its files.
    cache : Path, optional
        Folder of the cache, which remembers the copies among files that have not changed.

    Returns
    -------
    list of bytes
        Of a file with copies, a digest of its bytes; of anything else, its identity. A file that is empty or cannot be
        read has no copies.
    """
    keys = list(identities)
    if not files:
        return keys
    paths = {at: item for at, item in enumerate(items) if isinstance(item, str | os.PathLike | Stored)}
    for group in _copies(paths, cache):
        content = b"content " + identities[group[0]]
        for at in group:
            keys[at] = content
    return keys


def _copies(paths: Mapping[int, Any], cache: Path | None) -> list[list[int]]:
    """Return the groups of files, by their numbers, that have equal bytes."""
    if cache is None:
        return _compared(paths)
    state, settled = look_at(list(paths.values()))
    key = f"copies {state}"
    places = list(paths)
    if (known := recall(cache, key)) is not None:
        return [[places[at] for at in group] for group in known]
    groups = _compared(paths)
    if settled:
        numbers = {at: number for number, at in enumerate(places)}
        note(cache, key, [[numbers[at] for at in group] for group in groups])
    return groups


def _compared(paths: Mapping[int, Any]) -> list[list[int]]:
    alike = [list(paths)]
    looks: tuple[Callable[[Any], Any], ...] = (_size, _ends, _digest)
    for look in looks:
        alike = [same for group in alike for same in _equal(group, paths, look)]
    return alike


def _equal(group: Sequence[int], paths: Mapping[int, Any], look: Callable[[Any], Any]) -> list[list[int]]:
    """Divide a group into those that look the same; leave out what looks like no other, or cannot be looked at."""
    divided: dict[Any, list[int]] = defaultdict(list)

    def seen(at: int) -> Any:
        try:
            return look(paths[at])
        except (OSError, ItemError):
            return None  # reported when it is decoded

    several = any(is_far(paths[at]) for at in group)
    with ThreadPoolExecutor(FETCHED_AT_ONCE) if several else contextlib.nullcontext() as threads:
        for at, found in zip(group, threads.map(seen, group) if threads else map(seen, group), strict=True):
            if found:
                divided[found].append(at)
    return [same for same in divided.values() if len(same) > 1]


def _size(path: Any) -> Any:
    if isinstance(path, Stored):
        return path.look()
    return os.stat(path).st_size  # noqa: PTH116  (here and below: pathlib takes several times as long)


def _ends(path: Any) -> bytes:
    if isinstance(path, Stored) and path.of_content:
        return path.version()
    with as_path(path) as place, open(place, "rb", buffering=0) as file:  # noqa: PTH123
        start = file.read(PEEK)
        if len(start) < PEEK:
            return start
        file.seek(-PEEK, os.SEEK_END)
        return hashlib.blake2b(start + file.read(PEEK), digest_size=DIGEST).digest()


def _digest(path: Any) -> bytes:
    if isinstance(path, Stored) and path.of_content:
        return path.version()
    digest = hashlib.blake2b(digest_size=DIGEST)
    with as_path(path) as place, open(place, "rb", buffering=0) as file:  # noqa: PTH123
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.digest()


def without_known(encoded: EncodedItems, known: EncodedItems) -> tuple[EncodedItems, np.ndarray]:
    """Leave out the items that have the content of a known one.

    Returns
    -------
    (EncodedItems, ndarray of shape (n_left,))
        The others, whose indices count from 0 without gaps; their indices among the raw items of `encoded`.
    """
    asked, there = (np.ascontiguousarray(each.fingerprints).view("V16").ravel() for each in (encoded, known))
    new = ~np.isin(asked, there)
    items, item = np.unique(encoded.item, return_inverse=True)
    windows = new[item]
    left = replace(
        encoded,
        windows=encoded.windows[windows],
        item=(np.cumsum(new) - 1)[item[windows]],
        fingerprints=encoded.fingerprints[new],
    )
    return left, items[new]


def contradictions(fingerprints: np.ndarray, target: np.ndarray) -> list[np.ndarray]:
    """Return the groups of items that have one content and several classes.

    Parameters
    ----------
    fingerprints : ndarray of shape (n, 16), uint8
        Digests of the contents.
    target : ndarray of shape (n,)
        Classes.

    Returns
    -------
    list of ndarray
        The indices of the items of each such group.
    """
    content = np.unique(np.ascontiguousarray(fingerprints).view("V16").ravel(), return_inverse=True)[1]
    pairs = np.unique(np.stack([content, target], axis=1), axis=0)
    contents, n_classes = np.unique(pairs[:, 0], return_counts=True)
    return [np.flatnonzero(content == each) for each in contents[n_classes > 1]]
