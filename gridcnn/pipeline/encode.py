"""Adapters fitted and raw items encoded, in parallel, and only once: encoded files are kept in a cache on disk.

The key of an entry is a digest of the contents of the files, of the adapter with its fitted state, of all code that the
adapter is made of, and of the version of this format.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gridcnn.adapters.base import Adapter, sample_of
from gridcnn.errors import ConfigurationError, DataError, ItemError, NotFetchedError, Skipped
from gridcnn.pipeline.cache import (
    FINGERPRINT,
    NOTHING,
    Encoded,
    Entry,
    Result,
    as_rows,
    forget,
    note,
    read,
    recall,
    store,
    warn_of,
)
from gridcnn.pipeline.cache_key import cache_key
from gridcnn.pipeline.fingerprint import fingerprint
from gridcnn.pipeline.frozen import through_frontend
from gridcnn.pipeline.parallel import in_threads
from gridcnn.segments import NAMED
from gridcnn.stored import FETCHED_AT_ONCE, fetch, is_far

__all__ = ["Chunks", "EncodedItems", "encode_ahead", "encode_items", "encoded_chunks", "fit_adapter", "threads_for"]

CHUNK = 32  # items
LOOKED_AT = 2_000  # items, at most, that an adapter looks at while it is fitted
BYTES_OF_PART = 2**26  # bytes of windows at which a part ends
BYTES_AHEAD = 2**27  # bytes of windows that may wait for who consumes them

Progress = Callable[[int, int], None]
Chunks = Generator[list[Encoded | ItemError], None, None]
Spread = Callable[[Adapter, Sequence[Any], int | None], Chunks]


@dataclass(frozen=True)
class EncodedItems:
    r"""Many items, encoded by an adapter.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, \*encoded_shape)
        All windows, in the order of the items, or their grids, of shape (n_windows, \*adapter.spec_.shape); a read-only
        memory map if they are large.
    item : ndarray of shape (n_windows,), int64
        Index of the raw item that each window belongs to, ascending.
    fingerprints : ndarray of shape (n_encoded_items, 16), uint8
        Digest of the content of each item that could be encoded, in the order of the items.
    skipped : tuple of Skipped
        The items that could not be encoded, and why.
    skipped_index : tuple of int
        Their indices among the raw items.
    key : str or None
        Name of the cache entry; None if nothing was cached.
    """

    windows: np.ndarray
    item: np.ndarray
    fingerprints: np.ndarray
    skipped: tuple[Skipped, ...] = ()
    skipped_index: tuple[int, ...] = ()
    key: str | None = None


def fit_adapter(
    adapter: Adapter, items: Sequence[Any], *, n_jobs: int | None = None, cache: Path | None = None
) -> Adapter:
    """Fit an adapter to raw items, or recall its fitted state from an earlier run on the same files.

    Parameters
    ----------
    adapter : Adapter
        Is changed.
    items : sequence
        Raw items.
    n_jobs, cache
        As in `encode_items`.

    Returns
    -------
    Adapter
        The same one.
    """

    def fitted() -> Adapter:
        if adapter.reads_files:
            fetch(sample_of(items, LOOKED_AT))
        return adapter.fit(items)

    if cache is None or not _are_files(adapter, items):
        return fitted()
    key = cache_key(adapter, "fitted", adapter.fitted_attributes, fingerprint(items, cache, n_jobs))
    if state := recall(cache, key):
        return adapter.restore(state)
    fitted()
    note(cache, key, adapter.state())
    return adapter


def encode_items(
    adapter: Adapter,
    items: Sequence[Any],
    *,
    names: Sequence[Any] | None = None,
    frontend_on: torch.device | str | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    spread: Spread | None = None,
) -> EncodedItems:
    """Encode items in parallel threads, or read them from the cache.

    Parameters
    ----------
    adapter : Adapter
        A fitted adapter.
    items : sequence
        Raw items.
    names : sequence, optional
        What a person calls each item, for messages; without them, its path or text, or the shape of an array.
    frontend_on : torch.device, str or None
        Where the grids of a frozen frontend are computed, which then replace the windows; None computes none. A
        frontend that learns is left to the training.
    on_error : {"raise", "skip"}
        Whether the first item that cannot be encoded ends the work, or all such items are left out and listed.
    n_jobs : int or None
        Number of threads; None takes the cores that this process may use.
    cache : Path or None
        Folder of the cache; None keeps nothing. Only items that are files are cached.
    progress : callable or None
        Called with the number of items done and the number of all items.
    spread : callable, optional
        Encodes them elsewhere: takes adapter, items and `n_jobs`, and yields the results in their order, in parts.

    Returns
    -------
    EncodedItems
        Without a single window if every item was skipped.

    Raises
    ------
    ItemError
        With `on_error="raise"`, for the first item, in their order, that cannot be encoded.
    DataError
        If there are no items.
    ConfigurationError
        If `on_error` is neither of the two.
    """
    if on_error not in ("raise", "skip"):
        raise ConfigurationError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
    if not len(items):
        raise DataError("there are no items to encode")
    device = torch.device(frontend_on) if frontend_on is not None and adapter.frontend_is_frozen else None

    lost: list[int] = []

    def results() -> Iterator[Result]:
        made = _encoded((spread or encoded_chunks)(adapter, items, n_jobs), names, on_error, lost)
        if device is not None:
            made = through_frontend(adapter, made, device)
        return made if progress is None else _followed(made, len(items), progress)

    if cache is None or not _are_files(adapter, items):
        entry = _gather(results())
        key = None
    else:
        kind = "encoded" if device is None else f"grids, {device.type}"
        key = cache_key(adapter, kind, adapter.state(), fingerprint(items, cache, n_jobs))
        found = read(cache / key)
        if found is not None and progress is not None:
            progress(len(items), len(items))
        try:
            entry = found or store(cache, key, results(), f"{type(adapter).__name__}, {kind}")
        except OSError as error:  # of the cache: items that cannot be read are ItemErrors
            warn_of(cache, error)
            entry, key = _gather(results()), None
        if lost and key is not None:  # they may be there the next time
            forget(cache, key)
            key = None
    names = items if names is None else names
    skipped = tuple(Skipped(_name(names[position]), reason) for position, reason in entry.failures)
    if skipped and on_error == "raise":
        position, reason = entry.failures[0]
        raise ItemError(names[position], reason)
    skipped_index = tuple(position for position, _ in entry.failures)
    return EncodedItems(entry.windows, entry.item, entry.fingerprints, skipped, skipped_index, key)


def encode_ahead(
    adapter: Adapter, items: Iterable[Any], *, n_jobs: int | None = None, part: int
) -> Iterator[tuple[list[Any], EncodedItems]]:
    """Encode part after part in threads of their own, a little ahead of who consumes them.

    Parts depend on the items only, not on threads or time, so that who begins anew behind a part gets the same ones.

    Parameters
    ----------
    adapter, n_jobs
        As in `encode_items`.
    items : iterable
        Raw items, taken as they are needed. An `ItemError` among them stands for an item known to be unreadable.
    part : int
        Items in a part, at most; fewer if their windows are large.

    Yields
    ------
    (list, EncodedItems)
        The items of the part; the same encoded, whose indices count from the first of them.
    """

    def encode(some: list[Any]) -> list[tuple[Any, Encoded | ItemError]]:
        return list(zip(some, _encode_chunk(adapter, some), strict=True))

    def ahead() -> int:  # items that may be encoded or wait, by the mean size of those before
        return 2 * part if not all_bytes else min(2 * part, max(BYTES_AHEAD * n_encoded // all_bytes, 1))

    items = iter(items)
    first = list(itertools.islice(items, 1))
    threads = threads_for(adapter, n_jobs, first)
    n_encoded = all_bytes = size = 0
    some: list[tuple[Any, Encoded | ItemError]] = []
    chunks = in_threads(encode, itertools.chain(first, items), threads, min(part, CHUNK), ahead)
    with contextlib.closing(chunks):
        for each in itertools.chain.from_iterable(chunks):
            some.append(each)
            n_encoded += 1
            size += 0 if isinstance(each[1], ItemError) else each[1].windows.nbytes
            if len(some) == part or size >= BYTES_OF_PART:
                all_bytes += size
                yield _part_of(some)
                some, size = [], 0
        if some:
            yield _part_of(some)


def _part_of(some: Sequence[tuple[Any, Encoded | ItemError]]) -> tuple[list[Any], EncodedItems]:
    entry = _gather(enumerate(result for _, result in some))
    items = [item for item, _ in some]
    skipped = tuple(Skipped(_name(items[position]), reason) for position, reason in entry.failures)
    at = tuple(position for position, _ in entry.failures)
    return items, EncodedItems(entry.windows, entry.item, entry.fingerprints, skipped, at)


def threads_for(adapter: Adapter, n_jobs: int | None, items: Iterable[Any]) -> int | None:
    """Return the number of threads that encode items; None means one a core.

    Decoders of files release Python's lock. Tokenisers are Python code, of which one thread runs at a time: more
    threads would only delay the thread that computes with the results. Files of a storage are waited for.
    """
    if any(map(is_far, items)):
        return max(FETCHED_AT_ONCE, n_jobs or 1)
    return n_jobs if adapter.reads_files else 1


def encoded_chunks(adapter: Adapter, items: Sequence[Any], n_jobs: int | None) -> Chunks:
    """Encode items in threads; yield the results in their order, in parts."""
    return in_threads(functools.partial(_encode_chunk, adapter), items, threads_for(adapter, n_jobs, items), CHUNK)


def _encoded(chunks: Chunks, names: Sequence[Any] | None, on_error: str, lost: list[int]) -> Iterator[Result]:
    """Yield the windows of each item in order, and raise what is to be raised at once; note what may come later."""
    with contextlib.closing(chunks):
        for position, result in enumerate(itertools.chain.from_iterable(chunks)):
            if isinstance(result, ItemError) and on_error == "raise":
                raise result if names is None else ItemError(names[position], result.reason)
            if isinstance(result, NotFetchedError):
                lost.append(position)
            yield position, result


def _encode_chunk(adapter: Adapter, items: Sequence[Any]) -> list[Encoded | ItemError]:
    results: list[Encoded | ItemError] = []
    for item in items:
        if isinstance(item, ItemError):
            results.append(item)
            continue
        try:
            windows = adapter.encode(item)
        except ItemError as error:
            results.append(error)
        except OSError as error:  # a name that is too long, a disk that went away
            results.append(ItemError(item, f"cannot be read ({error.strerror or error})"))
        else:
            content = adapter.content(item, windows)
            results.append(Encoded(windows, hashlib.blake2b(content, digest_size=FINGERPRINT).digest()))
    return results


def _followed(results: Iterable[Result], n_items: int, progress: Progress) -> Iterator[Result]:
    """Say after every few items how far it has come."""
    for done, result in enumerate(results, start=1):
        yield result
        if done % CHUNK == 0 or done == n_items:
            progress(done, n_items)


def _gather(results: Iterable[Result]) -> Entry:
    """Collect results in memory."""
    encoded, failures = [], []
    for position, result in results:
        if isinstance(result, ItemError):
            failures.append((position, result.reason))
        else:
            encoded.append((position, result))
    fingerprints = as_rows([each.fingerprint for _, each in encoded])
    if not encoded:
        return Entry(NOTHING, NOTHING.astype(np.int64), fingerprints, failures)
    index = [np.full(len(each.windows), position, dtype=np.int64) for position, each in encoded]
    return Entry(np.concatenate([each.windows for _, each in encoded]), np.concatenate(index), fingerprints, failures)


def _name(item: Any) -> str:
    return f"array of shape {item.shape}" if isinstance(item, np.ndarray) else str(item)


def _are_files(adapter: Adapter, items: Sequence[Any]) -> bool:
    return adapter.reads_files and all(isinstance(item, NAMED) for item in items)
