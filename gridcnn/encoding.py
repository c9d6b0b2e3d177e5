"""Raw items to compact arrays, in parallel, and once: what was decoded from files is kept in a cache on disk.

The key of an entry is a digest of the files' contents, of the adapter with all that it learned, and of the version of
this format.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from gridcnn.adapters.base import Adapter
from gridcnn.cache import NOTHING, Entry, Result, read, store
from gridcnn.errors import ConfigurationError, DataError, ItemError, Skipped

__all__ = ["EncodedItems", "encode_items", "lift_items"]

FORMAT = 1  # to be raised when an adapter of gridcnn encodes or lifts differently
CHUNK = 32

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EncodedItems:
    r"""What an adapter's `encode` made of many items.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, \*encoded_shape)
        All windows, in the order of the items; a read-only memory map where they are large.
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


def encode_items(
    adapter: Adapter,
    items: Sequence[Any],
    *,
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
    on_error : {"raise", "skip"}
        Whether the first item that cannot be encoded ends the work, or all such items are left out and listed.
    n_jobs : int or None
        Number of threads; None takes one for each processor.
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
    results = _results(adapter, items, on_error, n_jobs, progress)  # a generator: nothing is encoded yet
    if cache is None or not adapter.reads_files or not all(isinstance(item, str | os.PathLike) for item in items):
        windows, index, failures = _gather(results)
        key = None
    else:
        key = _key(adapter, *itertools.chain.from_iterable(_in_threads(_hash_chunk, items, n_jobs)))
        entry = read(cache / key)
        if entry is not None and progress is not None:
            progress(len(items), len(items))
        windows, index, failures = entry or store(cache, key, results, f"{type(adapter).__name__}, encoded")
    skipped = tuple(Skipped(_name(items[position]), reason) for position, reason in failures)
    if skipped and on_error == "raise":
        position, reason = failures[0]
        raise ItemError(items[position], reason)
    return EncodedItems(windows, index, skipped, tuple(position for position, _ in failures), key)


def lift_items(
    adapter: Adapter,
    encoded: EncodedItems,
    *,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> np.ndarray:
    r"""Compute the grids of a frozen lift once, in batches, or read what was computed before.

    Parameters
    ----------
    adapter : Adapter
        A fitted adapter with `lift_is_frozen`.
    encoded : EncodedItems
        Windows that this adapter encoded.
    cache : Path or None
        Folder of the cache; None keeps nothing. Only windows that came from files are cached.
    device : torch.device or str
        Where to compute.
    batch_size : int
        Windows at a time.

    Returns
    -------
    ndarray of shape (n_windows, \*adapter.spec_.shape), float32
        A read-only memory map where it is large.

    Raises
    ------
    ConfigurationError
        If the adapter's lift learns.
    """
    if not adapter.lift_is_frozen:
        raise ConfigurationError(f"the lift of {type(adapter).__name__} learns, so its grids change from step to step")
    grids = _lifted(adapter, encoded.windows, torch.device(device), batch_size)
    if cache is None or encoded.key is None:
        return _gather(grids)[0]
    key = _key(adapter, encoded.key.encode(), b"grids", torch.device(device).type.encode())
    entry = read(cache / key) or store(cache, key, grids, f"{type(adapter).__name__}, grids")
    return entry[0]


# --- computing -------------------------------------------------------------------------------------------------------


def _in_threads(
    work: Callable[[Sequence[Any]], Any], items: Sequence[Any], n_jobs: int | None
) -> Generator[Any, None, None]:
    chunks = (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
    threads = joblib.Parallel(n_jobs=n_jobs or joblib.cpu_count(), prefer="threads", return_as="generator")
    yield from threads(joblib.delayed(work)(chunk) for chunk in chunks)


def _encode_chunk(adapter: Adapter, items: Sequence[Any]) -> list[np.ndarray | ItemError]:
    results: list[np.ndarray | ItemError] = []
    for item in items:
        try:
            results.append(adapter.encode(item))
        except ItemError as error:
            results.append(error)
    return results


def _results(
    adapter: Adapter, items: Sequence[Any], on_error: str, n_jobs: int | None, progress: Progress | None
) -> Iterator[Result]:
    """Yield the result of each item in order, saying how far it has come, and raise what is to be raised at once."""
    position = 0
    chunks = _in_threads(functools.partial(_encode_chunk, adapter), items, n_jobs)
    try:
        for chunk in chunks:
            for result in chunk:
                if isinstance(result, ItemError) and on_error == "raise":
                    raise result
                yield position, result
                position += 1
            if progress is not None:
                progress(position, len(items))
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib regrets the chunks that a failure makes useless
            chunks.close()


def _lifted(adapter: Adapter, windows: np.ndarray, device: torch.device, batch_size: int) -> Iterator[Result]:
    lift = adapter.lift().to(device).eval()
    for start in range(0, len(windows), batch_size):
        batch = torch.from_numpy(np.array(windows[start : start + batch_size])).to(device)
        with torch.inference_mode():
            grids = lift(batch).to("cpu", torch.float32).numpy()
        yield start, grids


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


# --- keys ---------------------------------------------------------------------------------------------------------


def _hash_chunk(paths: Sequence[str | os.PathLike[str]]) -> list[bytes]:
    return [_hash_file(path) for path in paths]


def _hash_file(path: str | os.PathLike[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  Path.open takes twice as long
            while block := file.read(2**20):
                digest.update(block)
    except OSError as error:
        return f"cannot be read: {type(error).__name__}".encode()
    return digest.digest()


def _key(adapter: Adapter, *parts: bytes) -> str:
    kind = type(adapter)
    identity = [FORMAT, kind.__module__, kind.__qualname__, adapter.get_params(deep=False), adapter.state()]
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True, default=str).encode(), digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
