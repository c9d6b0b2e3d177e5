"""What a stranger sends to a service as one item: a file, a text, or numbers out of JSON."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.adapters import limits
from gridcnn.errors import ItemError

__all__ = ["Allowance", "as_received", "within"]

MOST_AXES = 8
"""How deep lists of numbers may be nested."""

HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which JSON can write."""

EXPECTED = "expected numbers in lists of equal lengths"

KINDS: Mapping[type, str] = {str: "a text", dict: "an object", bool: "true or false", type(None): "null"}
"""What JSON holds besides numbers and lists."""


class Allowance(Mapping[str, float]):
    """What an item of a request may have, by unit; `within` also limits what all its items have together.

    Parameters
    ----------
    most : mapping
        How much one item may have of each unit.
    together : mapping
        How many times as much all items may have together, for the units that take long to decode.

    Attributes
    ----------
    spent : float
        What the items so far had, in items of the largest size.
    """

    def __init__(self, most: Mapping[str, float], together: Mapping[str, float]) -> None:
        self._most, self._together = most, together
        self.spent = 0.0

    def __getitem__(self, unit: str) -> float:
        """Return how much one item may have."""
        return self._most[unit]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the units."""
        return iter(self._most)

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self._most)

    def take(self, item: Any, unit: str, amount: float) -> None:
        """Note what an item has; ItemError if all have too much with it, which is not noted then."""
        if unit not in self._together:
            return
        spent = self.spent + amount / self._most[unit]
        if spent > self._together[unit]:
            limit = self._together[unit] * self._most[unit]
            raise ItemError(
                item,
                f"with it, the items of this request have more than {limit:,.9g} {unit} together, the most that this "
                "service takes: send it in another request",
            )
        self.spent = spent


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
        if not text.isascii() and HALF.search(text):
            raise ItemError("text", "expected Unicode text, got half of a surrogate pair")
        return within(text, "characters", len(text), most)
    if isinstance(value, Path):
        if files:
            return value
        raise ItemError("file", 'this model reads numbers: send them as JSON, {"inputs": [[1.5, 2.0, …], …]}')
    if isinstance(value, str):
        instead = "a file (multipart/form-data), or numbers" if files else "numbers"
        raise ItemError("text", f"this model reads no texts: send {instead}")
    return _numbers(value)


def within(item: Any, unit: str, amount: float, most: Mapping[str, float], weight: float = 1.0) -> Any:
    """Return the item, unless it has more than it may; `weight` is how many times as long as others it takes."""
    limits.within(item, unit, amount, most, weight=weight)
    if isinstance(most, Allowance):
        most.take(item, unit, amount * weight)
    return item


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ItemError(path, f"it is no text in UTF-8 (byte {error.start})") from error


def _numbers(value: Any) -> np.ndarray:
    """Return nested lists of JSON as an array, integers as such; null is NaN."""
    if not isinstance(value, list):
        raise ItemError("item", f"expected a list of numbers, or lists of such lists; got {_kind(value)}")
    kinds: set[type] = set()
    _walk(value, MOST_AXES, kinds)
    if other := kinds - {int, float, type(None)}:
        raise ItemError("item", f"{EXPECTED}; got {' and '.join(sorted(KINDS.get(each, 'another') for each in other))}")
    try:
        if kinds == {int}:
            with contextlib.suppress(OverflowError):
                return np.array(value, dtype=np.int64)
        return np.array(value, dtype=np.float64)
    except OverflowError:
        raise ItemError("item", f"{EXPECTED}; got a huge one, which no float holds") from None


def _walk(value: list[Any], axes: int, kinds: set[type]) -> tuple[int, ...]:
    """Return the shape of nested lists, and add the kinds of what they hold; no array is made of anything else."""
    inside = set(map(type, value))
    if list not in inside:
        kinds |= inside
        return (len(value),)
    if len(inside) > 1:
        raise ItemError("item", f"{EXPECTED}; got lists beside something else in one list")
    if axes == 1:
        raise ItemError("item", f"{EXPECTED}, at most {MOST_AXES} deep; got deeper ones")
    shapes = {_walk(each, axes - 1, kinds) for each in value}
    if len(shapes) > 1:
        raise ItemError("item", f"{EXPECTED}; got lists of different lengths")
    return (len(value), *shapes.pop())


def _kind(value: Any) -> str:
    return KINDS.get(type(value), "one number")
