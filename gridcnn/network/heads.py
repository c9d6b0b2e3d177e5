"""Heads: how the last maps become the feature vector. Needs no torch until it computes.

A maximum says whether a kernel's pattern occurs anywhere, a mean how much of it there is, and the share of the cells
above 0 how often it occurs. Maxima over the parts of a grid say roughly where it occurs (a pyramid of regions), and all
cells say exactly where.

References
----------
Lazebnik et al. 2006, "Beyond bags of features", and He et al. 2014, "Spatial pyramid pooling in deep convolutional
networks", for the pyramid; Dempster et al. 2020, "ROCKET", for the share of positive cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = ["HEADS", "Part", "features_of", "maps_of_features", "n_features", "parts_of", "pyramid_regions"]

HEADS = ("flatten", "global_max", "global_average", "max_average", "share_average", "pyramid_max")

PARTS = (1, 2, 4)
"""Parts of each axis at the levels of the pyramid: the whole, its halves, its quarters."""

Region = tuple[tuple[int, int], ...]
"""First cell along each axis, and the one behind the last."""


def n_features(head: str, maps: int, sizes: Sequence[int]) -> int:
    """Return the length of the feature vector of `maps` maps of these sizes.

    >>> [n_features(head, 10, (8,)) for head in HEADS]
    [80, 10, 10, 20, 20, 70]
    """
    of_map = {
        "flatten": math.prod(sizes),
        "max_average": 2,
        "share_average": 2,
        "pyramid_max": len(pyramid_regions(sizes)),
    }
    return maps * of_map.get(head, 1)


def pyramid_regions(sizes: Sequence[int]) -> list[Region]:
    """Return the regions of the pyramid: the whole grid, then its halves along each axis, then its quarters.

    An axis of fewer cells than parts has a part for each cell. Parts of unequal size overlap by a cell.

    >>> pyramid_regions((5,))
    [((0, 5),), ((0, 3),), ((2, 5),), ((0, 2),), ((1, 3),), ((2, 4),), ((3, 5),)]
    """
    regions: list[Region] = []
    for parts in PARTS:
        along = [_parts(size, min(parts, size)) for size in sizes]
        regions += [region for region in itertools.product(*along) if parts == 1 or region not in regions]
    return regions


class Part(NamedTuple):
    """A stretch of the feature vector, with one number of each map: `"largest"`, `"mean"`, `"share"` (above 0).

    `region` is the part of the grid that they are of; None is all of it. Of `"cells"` a map has a number for each.
    """

    kind: str
    region: Region | None = None


def parts_of(head: str, sizes: Sequence[int]) -> list[Part]:
    """Return the stretches of a feature vector, in order.

    >>> [part.kind for part in parts_of("share_average", (8,))]
    ['share', 'mean']
    """
    if head == "pyramid_max":
        _, *parts = pyramid_regions(sizes)
        return [Part("largest"), *(Part("largest", region) for region in parts)]
    kinds = {
        "flatten": ("cells",),
        "global_average": ("mean",),
        "max_average": ("largest", "mean"),
        "share_average": ("share", "mean"),
    }
    return [Part(kind) for kind in kinds.get(head, ("largest",))]


def maps_of_features(head: str, maps: int, sizes: Sequence[int], summed: int = 0) -> np.ndarray:
    """Return the map that each entry of a feature vector is of; `summed` maps follow the others, each with its sum.

    >>> maps_of_features("share_average", 3, (8,), summed=2)
    array([0, 1, 2, 0, 1, 2, 3, 4])
    """
    import numpy as np  # noqa: PLC0415  (settings are checked without it)

    of_parts = [
        np.repeat(np.arange(maps), math.prod(sizes)) if part.kind == "cells" else np.arange(maps)
        for part in parts_of(head, sizes)
    ]
    return np.concatenate([*of_parts, np.arange(maps, maps + summed)])


def _parts(size: int, count: int) -> list[tuple[int, int]]:
    return [(part * size // count, -(-(part + 1) * size // count)) for part in range(count)]


def _part(maps: Tensor, region: Region) -> Tensor:
    for axis, (start, stop) in enumerate(region, start=2):
        maps = maps.narrow(axis, start, stop - start)
    return maps


def _share(cells: Tensor) -> Tensor:
    """Return the share of the cells above 0 of maps that have no negative ones.

    To its gradient, each cell above 0 is itself divided by what it is. So a cell's part in the share is its gradient
    times its value, as for the other heads.
    """
    if not cells.requires_grad:
        return cells.sign().mean(dim=2)  # in a third of the time of a comparison
    above = cells > 0
    ones = cells / cells.detach().where(above, 1)
    return ones.where(above, 0).mean(dim=2)


def features_of(head: str, maps: Tensor) -> Tensor:
    """Return the feature vector of each grid: (batch, maps, *sizes) → (batch, features).

    The features of a map are neighbours in `"flatten"` only; elsewhere all maps of one region or kind are.
    """
    import torch  # noqa: PLC0415  (sizes are needed before torch is)
    from torch.nn import functional as F  # noqa: N812, PLC0415

    if head == "flatten":
        return maps.flatten(1)
    if head == "global_average":
        return maps.flatten(2).mean(dim=2)
    if head == "pyramid_max":
        cut = (_part(maps, region) for region in pyramid_regions(maps.shape[2:]))
        return torch.cat([features_of("global_max", part) for part in cut], dim=1)
    if head == "share_average":
        return torch.cat([_share(maps.flatten(2)), features_of("global_average", maps)], dim=1)
    if head == "max_average":
        return torch.cat([features_of("global_max", maps), features_of("global_average", maps)], dim=1)
    if maps.ndim == 3:  # on sequences this trains faster than `amax`; on 2-D maps it is slower
        largest: Tensor = F.adaptive_max_pool1d(maps, 1).squeeze(2)
        return largest
    return maps.flatten(2).amax(dim=2)
