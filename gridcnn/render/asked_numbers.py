"""What a page asks for if items are arrays of numbers: their shape, where one may end, and one for a try."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter

__all__ = ["asked_numbers"]

LONGEST_EXAMPLE = 4_096
"""Numbers of the longest item that a page offers for a try."""

EXAMPLE_DIGITS = 4
"""Digits of its numbers, from that of their spread on."""


def asked_numbers(adapter: Adapter) -> dict[str, Any]:
    """Return `shape` and `ends` of an item that is an array of numbers, and an `example`; None for what there is not.

    An item that ends before others holds NaN from its end on. The example has only the numbers before, row by row, and
    `ends` tells a page where those that it lacks belong: `axis`, along which an item ends, and `step`, by how many
    numbers along it.
    """
    trials = [] if adapter.reads_files or adapter.reads_texts else adapter.trial_items(np.random.default_rng(0))
    if not trials:
        return {"shape": None, "ends": None, "example": None}
    items = [np.asarray(adapter.decode(each)) for each in trials]
    item = items[len(items) // 3]  # the first is flat, the last is far outside
    found = {"shape": list(item.shape), "ends": _ends(items), "example": None}
    there = item[~np.isnan(item)]
    if found["ends"] is None and there.size < item.size:  # a page could not tell which are missing
        there = there[:0]
    if 0 < there.size <= LONGEST_EXAMPLE:
        found["example"] = _rounded(there)
    return found


def _rounded(numbers: np.ndarray) -> list[float]:
    spread = numbers.std() or 1.0
    digits = EXAMPLE_DIGITS + max(0, math.floor(math.log10(max(abs(numbers).max(), 1e-300) / spread)))
    return [float(f"{value:.{min(digits, 17)}g}") for value in numbers]


def _ends(items: list[np.ndarray]) -> dict[str, int] | None:
    """Return the axis along which items of one shape end before others, and by how many numbers; None if none does."""
    missing = [gap for gap in map(np.isnan, items) if gap.any()]
    for axis in range(items[0].ndim) if missing else ():
        lines = [np.moveaxis(gap, axis, -1).reshape(-1, gap.shape[axis]) for gap in missing]
        ends = [int((~each[0]).sum()) for each in lines]
        behind = [np.arange(each.shape[1]) >= end for each, end in zip(lines, ends, strict=True)]
        if all((each == gap).all() for each, gap in zip(lines, behind, strict=True)):
            return {"axis": axis, "step": math.gcd(*(items[0].shape[axis] - end for end in ends))}
    return None
