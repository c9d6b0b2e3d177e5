"""How many pooling blocks the defaults give a grid."""

from __future__ import annotations

__all__ = ["block_count"]


def block_count(shortest_side: int, most: int) -> int:
    """Return how many blocks, each of which halves the grid, leave its shortest side about 2 cells or more.

    Examples
    --------
    >>> [block_count(side, most=3) for side in (1, 4, 8, 16, 64)]
    [1, 1, 2, 3, 3]
    """
    return min(max(shortest_side.bit_length() - 2, 1), most)
