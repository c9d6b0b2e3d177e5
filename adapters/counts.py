"""How many pooling blocks and epochs the defaults give."""

from __future__ import annotations

__all__ = ["block_count", "epoch_count"]


def block_count(shortest_side: int, most: int) -> int:
    """Return how many blocks, each of which halves the grid, leave its shortest side about 2 cells or more.

    Examples
    --------
    >>> [block_count(side, most=3) for side in (1, 4, 8, 16, 64)]
    [1, 1, 2, 3, 3]
    """
    return min(max(shortest_side.bit_length() - 2, 1), most)


def epoch_count(seen: int, n_items: int, fewest: int, most: int) -> int:
    """Return how many passes over the items show the network as many of them as `seen`, between the bounds.

    Examples
    --------
    >>> [epoch_count(10_000, n_items, fewest=20, most=200) for n_items in (10, 100, 3000)]
    [200, 100, 20]
    """
    return min(max(seen // n_items, fewest), most)
