"""Adapters fitted and raw items encoded, in parallel, and once: what was made of files is kept in a cache on disk.

The key of an entry is a digest of the files' contents, of the adapter with all that it learned and the code that it is
written in, and of the version of this format.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gridcnn.adapters.base import Adapter
from gridcnn.errors import ConfigurationError, DataError, ItemError, Skipped
from gridcnn.pipeline.cache import NOTHING, Entry, Result, note, read, recall, store
from gridcnn.pipeline.fingerprint import fingerprint
from gridcnn.pipeline.parallel import in_threads

__all__ = ["EncodedItems", "encode_ahead", "encode_items", "fit_adapter"]

FORMAT = 2  # to be raised when an adapter encodes or lifts differently for another reason than its own file
CHUNK = 32  # items
BYTES_AT_ONCE = 2**20  # bytes of windows; spectra of more leave the processor's cache and take twice as long

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EncodedItems:
    r"""What an adapter made of many items.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, \*encoded_shape)
        All windows, in the order of the items, or their grids, of shape (n_windows, \*adapter.spec_.shape); a read-only
        memory map where they are large.
    item : ndarray of shape (n_windows,), int64
        Index of the raw item that each window belongs to, ascending.
    skipped : tuple of Skipped
        The items that could not be encoded, and why.
    skipped_index : tuple of int
        Their indices among the raw items.
    key : str or None
        Name of the cache entry; None where nothing was cached.
    """

    windows: np.ndarray
    item: np.ndarray
    skipped: tuple[Skipped, ...] = ()
    skipped_index: tuple[int, ...] = ()
    key: str | None = None


def fit_adapter(
    adapter: Adapter, items: Sequence[Any], *, n_jobs: int | None = None, cache: Path | None = None
) -> Adapter:
    """Fit an adapter to raw items, or recall what it learned of the same files before.

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
    if cache is None or not _are_files(adapter, items):
        return adapter.fit(items)
    key = _key(adapter, "learned", adapter.learned, fingerprint(items, cache, n_jobs))
    if learned := recall(cache, key):
        return adapter.restore(learned)
    adapter.fit(items)
    note(cache, key, adapter.state())
    return adapter


def encode_items(
    adapter: Adapter,
    items: Sequence[Any],
    *,
    frontend_on: torch.device | str | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> EncodedItems:
    """Encode items in parallel threads, or read what was encoded before.

    Parameters
    ----------
    adapter : Adapter
        A fitted adapter.
    items : sequence
        Raw items.
    frontend_on : torch.device, str or None
        Where the grids of a frozen frontend are computed, which then stand in for the windows; None computes none. A frontend
        that learns is left to the training.
    on_error : {"raise", "skip"}
        Whether the first item that cannot be encoded ends the work, or all such items are left out and listed.
    n_jobs : int or None
        Number of threads; None takes the cores that this process may use.
    cache : Path or None
        Folder of the cache; None keeps nothing. Only items that are files are cached.
    progress : callable or None
        Called with the number of items done and the number of all items.

    Returns
    -------
    EncodedItems
        Without a single window where every item was skipped.

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
    results = _encoded(adapter, items, on_error, n_jobs)  # a generator: nothing is encoded yet
    if device is not None:
        results = _through_frontend(adapter, results, device)
    if progress is not None:
        results = _followed(results, len(items), progress)
    if cache is None or not _are_files(adapter, items):
        windows, index, failures = _gather(results)
        key = None
    else:
        kind = "encoded" if device is None else f"grids, {device.type}"
        key = _key(adapter, kind, adapter.state(), fingerprint(items, cache, n_jobs))
        entry = read(cache / key)
        if entry is not None and progress is not None:
            progress(len(items), len(items))
        windows, index, failures = entry or store(cache, key, results, f"{type(adapter).__name__}, {kind}")
    skipped = tuple(Skipped(_name(items[position]), reason) for position, reason in failures)
    if skipped and on_error == "raise":
        position, reason = failures[0]
        raise ItemError(items[position], reason)
    return EncodedItems(windows, index, skipped, tuple(position for position, _ in failures), key)


def encode_ahead(
    adapter: Adapter, items: Sequence[Any], *, on_error: str = "raise", n_jobs: int | None = None, part: int
) -> Iterator[tuple[int, EncodedItems]]:
    """Encode part after part in threads of their own, a little ahead of who consumes them.

    Parameters
    ----------
    adapter, items, on_error, n_jobs
        As in `encode_items`.
    part : int
        Items in a part, at most; the first ones may be smaller.

    Yields
    ------
    (int, EncodedItems)
        How many items came before the part; the part, whose indices count from its own first item.
    """

    def encode(some: Sequence[Any]) -> tuple[int, EncodedItems]:
        return len(some), encode_items(adapter, some, on_error=on_error, n_jobs=1)

    before = 0
    for n_items, encoded in in_threads(encode, items, _threads(adapter, n_jobs), part):
        yield before, encoded
        before += n_items


def _threads(adapter: Adapter, n_jobs: int | None) -> int | None:
    """Return in how many threads items are encoded; None means one a core.

    Decoders of files compute beside Python. What cuts a text into words is Python, of which one thread runs at a time:
    more threads only make whoever computes with the results wait for their turn.
    """
    return n_jobs if adapter.reads_files else 1


def _encoded(adapter: Adapter, items: Sequence[Any], on_error: str, n_jobs: int | None) -> Iterator[Result]:
    """Yield the windows of each item in order, and raise what is to be raised at once."""
    chunks = in_threads(functools.partial(_encode_chunk, adapter), items, _threads(adapter, n_jobs), CHUNK)
    try:
        for position, result in enumerate(itertools.chain.from_iterable(chunks)):
            if isinstance(result, ItemError) and on_error == "raise":
                raise result
            yield position, result
    finally:
        chunks.close()


def _encode_chunk(adapter: Adapter, items: Sequence[Any]) -> list[np.ndarray | ItemError]:
    results: list[np.ndarray | ItemError] = []
    for item in items:
        try:
            results.append(adapter.encode(item))
        except ItemError as error:
            results.append(error)
    return results


def _through_frontend(adapter: Adapter, results: Iterable[Result], device: torch.device) -> Iterator[Result]:
    """Turn the windows of each item into grids, those of several short items at once."""
    frontend = adapter.frontend().to(device).eval()
    waiting: list[Result] = []
    size = 0
    for result in results:
        waiting.append(result)
        size += 0 if isinstance(result[1], ItemError) else result[1].nbytes
        if size >= BYTES_AT_ONCE:
            yield from _apply_frontend(frontend, waiting, device)
            waiting, size = [], 0
    yield from _apply_frontend(frontend, waiting, device)


@torch.inference_mode()
def _apply_frontend(frontend: nn.Module, results: list[Result], device: torch.device) -> list[Result]:
    encoded = [result for _, result in results if not isinstance(result, ItemError)]
    if not encoded:
        return results
    windows = np.concatenate(encoded)
    at_once = max(BYTES_AT_ONCE // windows[0].nbytes, 1)
    batches = (torch.from_numpy(windows[at : at + at_once]).to(device) for at in range(0, len(windows), at_once))
    grids = np.concatenate([frontend(batch).to("cpu", torch.float32).numpy() for batch in batches])
    parts = iter(np.split(grids, np.cumsum([len(each) for each in encoded])))
    return [(position, result if isinstance(result, ItemError) else next(parts)) for position, result in results]


def _followed(results: Iterable[Result], n_items: int, progress: Progress) -> Iterator[Result]:
    """Say after every few items how far it has come."""
    for done, result in enumerate(results, start=1):
        yield result
        if done % CHUNK == 0 or done == n_items:
            progress(done, n_items)


def _gather(results: Iterable[Result]) -> Entry:
    """Collect results in memory."""
    arrays, failures = [], []
    for position, result in results:
        if isinstance(result, ItemError):
            failures.append((position, result.reason))
        else:
            arrays.append((position, result))
    if not arrays:
        return NOTHING, NOTHING.astype(np.int64), failures
    index = [np.full(len(array), position, dtype=np.int64) for position, array in arrays]
    return np.concatenate([array for _, array in arrays]), np.concatenate(index), failures


def _name(item: Any) -> str:
    return f"array of shape {item.shape}" if isinstance(item, np.ndarray) else str(item)


def _are_files(adapter: Adapter, items: Sequence[Any]) -> bool:
    return adapter.reads_files and all(isinstance(item, str | os.PathLike) for item in items)


def _key(adapter: Adapter, *parts: Any) -> str:
    kind = type(adapter)
    code = hashlib.blake2b(_source(kind.__module__)).hexdigest()
    identity = [FORMAT, kind.__module__, kind.__qualname__, code, adapter.get_params(deep=False), parts]
    return hashlib.blake2b(json.dumps(identity, sort_keys=True, default=str).encode(), digest_size=20).hexdigest()


def _source(module: str) -> bytes:
    """Return the code of a module; nothing where it has no file, as what is typed into a console."""
    try:
        return Path(str(sys.modules[module].__file__)).read_bytes()
    except (AttributeError, KeyError, OSError):
        return b""
