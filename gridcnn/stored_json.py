"""JSON that is stored: what is written, and what a stranger may have written, read with limits.

Reading takes a small multiple of the size of the text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["LARGEST", "is_small_enough", "parsed", "plain"]

LARGEST = 2**26
"""Bytes of a text: some five million words of a vocabulary."""

MOST_CONTAINERS = 2**18
"""Objects and lists in a text, each of which takes up to a hundred times the memory that it takes in the file."""

DEEPEST = 20
"""Levels of objects and lists."""


def is_small_enough(text: bytes) -> bool:
    """Whether `parsed` would read a text, as far as its size goes."""
    return len(text) <= LARGEST and text.count(b"{") + text.count(b"[") <= MOST_CONTAINERS


def parsed(text: bytes) -> dict[str, Any]:
    """Return a JSON object; NaN and infinity may stand in it.

    Raises
    ------
    ValueError
        If it is none, too large, nested too deeply, or has a key twice.
    """
    if not is_small_enough(text):
        raise ValueError("more JSON than any model needs")
    try:
        values = json.loads(text.decode(), object_pairs_hook=_without_repetitions)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("JSON that is no object")
    if _depth(values) > DEEPEST:
        raise ValueError("JSON that is nested too deeply")
    return values


def plain(value: Any) -> Any:
    """Turn values that JSON does not know (numpy numbers, paths) into values that it does."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def _depth(values: Any) -> int:
    """Return how many levels of objects and lists there are; one more than `DEEPEST` if there are more."""
    depth, level = 0, [values]
    while level and depth <= DEEPEST:
        inside = [each.values() if type(each) is dict else each for each in level]
        level = [part for parts in inside for part in parts if type(part) is dict or type(part) is list]
        depth += 1
    return depth


def _without_repetitions(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError("JSON with a key that stands there twice")
        values[key] = value
    return values
