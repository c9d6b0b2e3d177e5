"""What must stay together in a split of segments: neighbours in time are alike, whatever their classes are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCKS", "FEWEST_ITEMS", "about_groups", "blocks_of_time"]

FEWEST_ITEMS = 5
"""Long items (recordings, logs, texts) from which each is what stays together; of fewer, blocks of time in them."""

BLOCKS = 10
"""Blocks of time in a long item."""


def blocks_of_time(sources: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> NDArray[np.str_]:
    """Return what must stay together in a split: a name for each of n segments.

    That is the item that it is cut out of, if there are at least five of them. Each of fewer is cut into at most ten
    blocks of time with about as many segments, where the gap between two segments is widest; segments that overlap are
    in one block.

    Parameters
    ----------
    sources : sequence of str, length n
        The item that a segment is part of.
    starts, ends : sequence of float, length n
        Where it begins and ends in it.

    Examples
    --------
    >>> blocks_of_time(["a.wav"] * 4, [0, 1, 8, 9.5], [1.5, 2.5, 9, 10]).tolist()
    ['a.wav, block 1', 'a.wav, block 1', 'a.wav, block 2', 'a.wav, block 3']
    """
    by_source: dict[str, list[int]] = defaultdict(list)
    for at, source in enumerate(sources):
        by_source[source].append(at)
    if len(by_source) >= FEWEST_ITEMS:
        return np.array(sources, dtype=np.str_)
    names = np.empty(len(sources), dtype=object)
    for source, members in by_source.items():
        order = np.array(sorted(members, key=lambda at: (starts[at], ends[at])))
        cuts = _cuts(np.array([starts[at] for at in order], float), np.array([ends[at] for at in order], float))
        for at, block in zip(order, np.searchsorted(cuts, np.arange(len(order)), side="right"), strict=True):
            names[at] = f"{source}, block {block + 1}"
    return names.astype(np.str_)


def _cuts(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> list[int]:
    """Return before which segments, in order of their starts, a block begins: each time the widest gap that is near."""
    gaps = starts[1:] - np.maximum.accumulate(ends)[:-1]  # before segments 1, 2, …; below 0 if some overlap
    share = len(starts) / BLOCKS
    cuts: list[int] = []
    for number in range(1, BLOCKS):
        low, high = np.ceil((number - 0.5) * share), np.ceil((number + 0.5) * share)
        near = [at for at in range(int(max(low, 1)), int(high)) if at < len(starts) and gaps[at - 1] >= 0]
        if near:
            cuts.append(max(near, key=lambda at: (gaps[at - 1], -abs(at - number * share))))
    return cuts


def about_groups(sources: Sequence[str]) -> tuple[str, ...]:
    """Say what stays together in a split of segments."""
    n_items = len(set(sources))
    what = "what one of them holds is" if n_items >= FEWEST_ITEMS else "stretches of time are"
    long_items = "1 long item" if n_items == 1 else f"{n_items:,} long items"
    segments = "1 segment" if len(sources) == 1 else f"{len(sources):,} segments"
    return (f"{segments} of {long_items}: in a validation split, {what} on one side",)
