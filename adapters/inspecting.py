"""How an audit looks at raw items: what stays of an item stored in another way, how it is stored, what is wrong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from gridcnn.adapters.raw_items import is_path
from gridcnn.stored import as_path

__all__ = ["Inspection", "Inspector", "correlation", "digest", "file_size", "unit"]

DIGEST = 16  # bytes
SHORTEST = 8
"""Numbers that an item must have: fewer are alike by chance."""

LEAST_SPREAD = 1e-6
"""Of the largest number: less is rounding."""

EXACTNESS = 100.0
"""The share by which two rows may differ counts so many times: curves of one class are alike, copies are equal."""


@dataclass(frozen=True)
class Inspection:
    """What an audit knows of one item.

    Parameters
    ----------
    digest : bytes
        Equal for two items exactly if their decoded contents are.
    key : bytes
        Equal for two items that are the same but for the way in which they are written; empty if there is no such form.
    vector : ndarray of shape (d,), float32, of length 1, or None
        Close for two items that may be the same, stored in two ways. None if nothing can be said.
    stored : mapping of str to float or str
        How the item is stored, by names for a person: file size, format, duration, …
    flaws : tuple of str
        What is wrong with it, in words that are equal for equal flaws: "silent", "of one colour".
    """

    digest: bytes
    key: bytes = b""
    vector: np.ndarray | None = None
    stored: Mapping[str, float | str] = field(default_factory=dict)
    flaws: tuple[str, ...] = ()


class Inspector:
    """Inspects the items of one modality; this one inspects arrays of numbers, the built-in adapters have their own.

    Parameters
    ----------
    parameters : mapping
        Constructor parameters of the adapter, which need not be fitted.
    """

    near: ClassVar[float] = 0.05
    """How far apart the vectors of two items may be that deserve a close look."""

    uniform: ClassVar[tuple[str, ...]] = ()
    """What all items should be stored alike in, as `Inspection.stored` calls it."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters

    def inspect(self, item: Any) -> Inspection:
        """Decode one item and describe it; raise ItemError if it cannot be decoded."""
        numbers = np.asarray(item)
        if numbers.dtype.kind not in "fiub":
            return Inspection(digest(repr(item).encode("utf-8", "surrogatepass")))
        content = digest(numbers.tobytes(), str(numbers.shape).encode())
        missing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, bool)
        flaws = ("constant",) if numbers.size > 1 and numbers.min() == numbers.max() else ()
        vector = None if missing.any() or numbers.size < SHORTEST else unit(numbers)
        stored = {"missing numbers": float(missing.sum())} if numbers.dtype.kind == "f" else {}
        return Inspection(content, vector=vector, stored=stored, flaws=flaws)

    def turned(self, vectors: np.ndarray) -> list[np.ndarray]:
        """Return the vectors `(n, d)` of the same items, changed in ways that leave them the same: mirrored."""
        return []

    def close_up(self, item: Any) -> Any:
        """Return what `likeness` compares of one item."""
        return np.asarray(item, dtype=np.float64).ravel()

    def likeness(self, first: Any, second: Any) -> float:
        """Return how alike two items are, from their close-ups: 1 for copies, about 0 for unrelated ones.

        Here by the share of one that the other, at the best gain and offset, does not explain.
        """
        share = 1 - correlation(first, second) ** 2
        return 1 - EXACTNESS * float(np.sqrt(max(share, 0.0)))


def digest(*parts: bytes) -> bytes:
    """Return 16 bytes that stand for some content."""
    made = hashlib.blake2b(digest_size=DIGEST)
    for part in parts:
        made.update(part)
    return made.digest()


def file_size(item: Any) -> dict[str, float | str]:
    """Return the size (bytes) of an item that is a file, under its name."""
    if not is_path(item):
        return {}
    try:
        with as_path(item) as path:
            return {"file size": float(os.stat(path).st_size)}  # noqa: PTH116
    except (OSError, ValueError):
        return {}


def unit(numbers: np.ndarray) -> np.ndarray | None:
    """Return numbers less their mean as a vector of length 1, float32; None if they are all about the same."""
    centred = numbers.astype(np.float64).ravel()
    largest = float(np.abs(centred).max(initial=0.0))
    centred -= centred.mean()
    length = float(np.linalg.norm(centred))
    if not np.isfinite(length) or length <= LEAST_SPREAD * largest * np.sqrt(centred.size):
        return None
    return (centred / length).astype(np.float32)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two arrays of one shape; 0 if one of them is constant."""
    if first.shape != second.shape:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    lengths = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return float((first * second).sum()) / lengths if lengths > 0 else 0.0
