"""What casts the votes, as a page tells it: of which map an entry of the column is, what of the map, and where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gridcnn.explain import Step
from gridcnn.network.backbone import BackboneConfig
from gridcnn.network.heads import parts_of
from gridcnn.render.packing import packed, packed_field

__all__ = ["bag_of", "cells_of_largest", "features", "places_of_largest", "sums"]

MOST_SUMMED = 256 * 256
"""Cells of all maps that are summed, up to which they are sent."""


def features(steps: Sequence[Step], config: BackboneConfig) -> dict[str, Any]:
    """Return what the entries of the column are: parts of the feature vector, sizes and fields of view of its maps."""
    last = _last_maps(steps)
    regions = [part.region and [list(each) for each in part.region] for part in parts_of(config.head, _sizes(last))]
    kinds = [part.kind for part in parts_of(config.head, _sizes(last))]
    parts = [{"kind": kind, "region": region} for kind, region in zip(kinds, regions, strict=True)]
    runs = [(len(list(same)), field) for field, same in itertools.groupby(last.field)]
    return {
        "maps": len(last.output) - config.summed_kernels,
        "summed": config.summed_kernels,
        "sizes": list(_sizes(last)),
        "parts": [] if config.dense else parts,
        "fields": [[count, packed_field(field)] for count, field in runs],
    }


def cells_of_largest(config: BackboneConfig, sizes: Sequence[int]) -> Iterator[tuple[list[slice], np.ndarray]]:
    """Yield each part of the maps whose largest cell is a feature, as slices, and the indices of its cells in a map."""
    cells = np.arange(np.prod(sizes)).reshape(sizes)
    for part in parts_of(config.head, sizes) if not config.dense else ():
        if part.kind == "largest":
            cut = [slice(*each) for each in part.region or [(0, size) for size in sizes]]
            yield cut, cells[tuple(cut)].ravel()


def places_of_largest(steps: Sequence[Step], config: BackboneConfig) -> list[int] | None:
    """Return the cell that each feature is that is the largest of a map or a part of it; None if no feature is."""
    maps = _last_maps(steps).output
    maps = maps[: len(maps) - config.summed_kernels]
    found = [
        cells[maps[:, *cut].reshape(len(maps), -1).argmax(axis=1)]
        for cut, cells in cells_of_largest(config, maps.shape[1:])
    ]
    return np.concatenate(found).tolist() if found else None


def sums(steps: Sequence[Step], config: BackboneConfig) -> dict[str, Any] | None:
    """Return the maps that are summed, packed; None if there are none, or too many cells."""
    maps = _last_maps(steps).output
    few = 0 < config.summed_kernels * maps[0].size <= MOST_SUMMED
    return packed(maps[-config.summed_kernels :]) if few else None


def bag_of(steps: Sequence[Step], summed: int, weights: np.ndarray) -> dict[str, Any] | None:
    """Return which kernels hold a bag, the last ones, and what each counts for; None if there is none.

    Parameters
    ----------
    steps : sequence of Step
        Of the network, recorded for any grid.
    summed : int
        Number of kernels whose maps are summed.
    weights : ndarray of shape (kernels,)
        How much each kernel of the convolution counts.

    Returns
    -------
    dict
        `first` and `last` kernel, from 1; `alone`, if no other kernel counts; `says`, for each of them the index of the
        class that its sum counts most for or against, and whether it counts for it.
    """
    if not summed:
        return None
    votes = steps[-1].weights[:, -summed:]
    classes = np.abs(votes).argmax(axis=0)
    found = [[int(at), bool(votes[at, kernel] > 0)] for kernel, at in enumerate(classes)]
    others = len(weights) - summed
    return {"first": others + 1, "last": len(weights), "alone": not bool((weights[:others] > 0).any()), "says": found}


def _last_maps(steps: Sequence[Step]) -> Step:
    return [step for step in steps if step.block][-1]


def _sizes(step: Step) -> tuple[int, ...]:
    return step.output.shape[1:]
