"""What a stranger sends to a service as one item: a file, a text, or numbers out of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.errors import ItemError

__all__ = ["as_received", "within"]


def as_received(value: Any, most: Mapping[str, float], *, files: bool, texts: bool) -> Any:
    """Return a raw item for an adapter that reads files, texts, or neither of them, but numbers.

    A file becomes a text if that is what the adapter reads.

    Examples
    --------
    >>> as_received([[1, None]], {}, files=False, texts=False)
    array([[ 1., nan]])
    >>> as_received("a", {"characters": 9}, files=True, texts=False)
    Traceback (most recent call last):
    gridcnn.errors.ItemError: text: this model reads no texts: send a file (multipart/form-data), or numbers
    """
    if texts:
        text = _content(value) if isinstance(value, Path) else value
        if not isinstance(text, str):
            raise ItemError("item", "this model reads texts: send a string, or a text file in UTF-8")
        return within(text, "characters", len(text), most)
    if isinstance(value, Path):
        if files:
            return value
        raise ItemError("file", 'this model reads numbers: send them as JSON, {"inputs": [[1.5, 2.0, …], …]}')
    if isinstance(value, str):
        instead = "a file (multipart/form-data), or numbers" if files else "numbers"
        raise ItemError("text", f"this model reads no texts: send {instead}")
    return _numbers(value)


def within(item: Any, unit: str, amount: float, most: Mapping[str, float]) -> Any:
    """Return the item, unless it has more than it may."""
    limit = most.get(unit, np.inf)
    if amount > limit:
        raise ItemError(item, f"it has more than {limit:,.9g} {unit}, the most that this service takes")
    return item


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ItemError(path, f"it is no text in UTF-8 (byte {error.start})") from error


def _numbers(value: Any) -> np.ndarray:
    """Return nested lists of JSON as an array, integers as such; null is NaN."""
    if not isinstance(value, list):
        kind = {dict: "an object", bool: "true or false", type(None): "null"}.get(type(value), "one number")
        raise ItemError("item", f"expected a list of numbers, or lists of such lists; got {kind}")
    try:
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "if":
            numbers = np.asarray(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ItemError(
            "item", "expected numbers in lists of equal lengths; got a list of another length, a text, or a huge number"
        ) from None
    return numbers
