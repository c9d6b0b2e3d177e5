"""Orders of columns that a table may have although its columns know no order: what the given order must beat.

*Shuffles* are random orders. *Flips* keep groups: a tree of similar columns leaves open which branch of a fork comes
first, and a flip draws that at random. *Layouts* keep items: the columns come in blocks of one length, one block per
item (or per statistic), and blocks change places whole, columns change places alike in all blocks. *Sorted* orders put
like beside like, by the methods that heat maps use.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from gridcnn.ordering.similarity import Floats, Ints

__all__ = [
    "Blocks",
    "block_layouts",
    "block_lengths",
    "cophenetic",
    "flips",
    "layouts",
    "shuffles",
    "sorted_orders",
    "tree_of",
]

MOST_PER_ITEM = 12
FEW_FOR_THREE = 30  # fewer columns have too few orders of three ways
WAYS = ("leaf order", "leaf order (Ward)", "leaf order (signed)", "greedy chain", "angles", "angles, cut behind")


def shuffles(columns: int, count: int, rng: np.random.Generator) -> Ints:
    """Draw random orders, (count, columns)."""
    return np.asarray(np.argsort(rng.random((count, columns)), axis=1))


def tree_of(similar: Floats) -> Floats:
    """Build the average-linkage tree, in scipy's form, of the distance 1 - |r| from atanh |r|, (columns, columns)."""
    distance = 1.0 - np.tanh(similar)
    np.fill_diagonal(distance, 0.0)
    return np.asarray(hierarchy.average(squareform(distance, checks=False)))


def cophenetic(tree: Floats) -> Floats:
    """Return |r| of each two columns as the tree has it, that of the fork where they part, (columns, columns)."""
    r = 1.0 - squareform(hierarchy.cophenet(tree))
    np.fill_diagonal(r, 1.0)
    return np.asarray(np.clip(r, 0.0, 1.0))


def flips(tree: Floats, count: int, rng: np.random.Generator) -> Ints:
    """Draw leaf orders of a tree in scipy's form, (count, columns): each fork has its branches swapped or not."""
    leaves = len(tree) + 1
    size = np.concatenate([np.ones(leaves), tree[:, 3]]).astype(np.intp)
    children = tree[:, :2].astype(np.intp)
    swapped = rng.random((leaves - 1, count)) < 0.5
    start = np.zeros((2 * leaves - 1, count), dtype=np.intp)  # where the leaves of a node begin, per order
    for fork in range(leaves - 2, -1, -1):
        left, right = children[fork]
        here = start[leaves + fork]
        start[left] = here + swapped[fork] * size[right]
        start[right] = here + ~swapped[fork] * size[left]
    return np.asarray(np.argsort(start[:leaves], axis=0).T)


def block_lengths(columns: int) -> list[int]:
    """Return the lengths that blocks may have: 2 to 12 columns an item, or 2 to 12 statistics of all items."""
    few = range(2, MOST_PER_ITEM + 1)
    return sorted({m for m in (*few, *(columns // blocks for blocks in few)) if 2 <= m <= columns // 2})


class Blocks(NamedTuple):
    """Columns as items × statistics, or as a three-way design: `sizes` of each way, after `first` columns that stay."""

    sizes: tuple[int, ...]
    first: int = 0

    @property
    def number(self) -> float:
        """Number of orders, reversed ones included."""
        return float(math.prod(math.factorial(size) for size in self.sizes))

    def share(self, signed: Floats) -> float:
        """Return the share of the variance of atanh r that tells which ways two columns have in common."""
        ways = np.array(np.unravel_index(np.arange(math.prod(self.sizes)), self.sizes))
        inside = slice(self.first, self.first + ways.shape[1])
        first, second = np.triu_indices(ways.shape[1], 1)
        kind = (ways[:, first] == ways[:, second]).T @ (1 << np.arange(len(ways)))
        values = signed[inside, inside][first, second]
        number = np.maximum(np.bincount(kind), 1)
        means = np.bincount(kind, values) / number
        return float(
            (number * (means - values.mean()) ** 2)[np.bincount(kind) > 0].sum()
            / max(values.var() * len(values), 1e-12)
        )

    def __str__(self) -> str:
        inner = " × ".join(map(str, self.sizes[1:]))
        return f"blocks of {inner} columns" + (f" after the first {self.first}" if self.first else "")


def block_layouts(columns: int, before: int = 0) -> list[Blocks]:
    """Return the layouts that columns may have, if they follow `before` others of the same table.

    Blocks of each length, with a rest at either end or cut as the columns before are, and designs of three ways.
    """
    two = [
        Blocks(((columns - first) // length, length), first)
        for length in block_lengths(columns)
        for first in sorted({0, columns % length, -before % length})
        if columns - first >= 2 * length
    ]
    few = range(2, MOST_PER_ITEM + 1) if columns >= FEW_FOR_THREE else ()
    three = [
        Blocks((columns // (one * other), one, other))
        for one in few
        for other in few
        if columns % (one * other) == 0 and 2 <= columns // (one * other) <= MOST_PER_ITEM
    ]
    return two + three


def layouts(columns: int, blocks: Blocks, count: int, rng: np.random.Generator) -> Ints:
    """Draw orders in which each way of the layout is permuted by itself, and the columns beside the blocks stay."""
    places = np.zeros((count, 1), dtype=np.intp)
    for size in blocks.sizes:
        places = (places[:, :, None] * size + shuffles(size, count, rng)[:, None, :]).reshape(count, -1)
    order = np.tile(np.arange(columns), (count, 1))
    order[:, blocks.first : blocks.first + places.shape[1]] = places + blocks.first
    return order


def sorted_orders(r: Floats) -> list[Ints]:
    """Sort columns by similarity in each of the `WAYS`, r of shape (tables, columns, columns) → (tables, columns)."""
    size = np.abs(r)
    by_leaves: list[list[Ints]] = [[], [], []]
    for at in range(len(r)):
        for orders, link, similar in zip(
            by_leaves, (hierarchy.average, hierarchy.ward, hierarchy.complete), (size[at], size[at], r[at]), strict=True
        ):
            distance = squareform(np.clip(1.0 - similar, 0, None) * ~np.eye(r.shape[1], dtype=bool), checks=False)
            tree = hierarchy.optimal_leaf_ordering(link(distance), distance)
            orders.append(hierarchy.leaves_list(tree).astype(np.intp))
    return [*(np.stack(orders) for orders in by_leaves), _chains(size), *_angles(r)]


def _chains(size: Floats) -> Ints:
    """Start at the most similar pair, and always go on to the most similar column that is left."""
    tables, columns = np.arange(len(size)), size.shape[1]
    left = np.where(np.eye(columns, dtype=bool), -np.inf, size)
    here = left.reshape(len(size), -1).argmax(axis=1) // columns
    order = [here]
    for _ in range(columns - 1):
        left[tables, :, here] = -np.inf
        here = left[tables, here].argmax(axis=1)
        order.append(here)
    return np.stack(order, axis=1)


def _angles(r: Floats) -> tuple[Ints, Ints]:
    """Go round the plane of the two leading eigenvectors, starting after the widest gap, or behind the first one."""
    vectors = np.linalg.eigh(r)[1]
    angle = np.arctan2(vectors[:, :, -2], vectors[:, :, -1])
    order = np.argsort(angle, axis=1)
    angle = np.take_along_axis(angle, order, axis=1)
    gap = np.diff(np.concatenate([angle, angle[:, :1] + 2 * np.pi], axis=1), axis=1)
    first = (gap.argmax(axis=1)[:, None] + 1 + np.arange(r.shape[1])) % r.shape[1]
    return np.take_along_axis(order, first, axis=1), order
