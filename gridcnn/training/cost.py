"""What a network costs on a small device: numbers that follow from its layers alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from gridcnn.network.backbone import Layer

__all__ = ["DeviceCost", "device_cost"]

FLOAT32, INT8 = 4, 1
"""Bytes of a number."""


class DeviceCost(NamedTuple):
    """What one grid costs.

    Parameters
    ----------
    parameters : int
        Weights of the layers.
    multiply_adds : int
        Of convolutions and dense layers.
    numbers : int
        Numbers in the maps that are in memory at once, at most: what a layer reads, and what it makes.
    """

    parameters: int
    multiply_adds: int
    numbers: int

    def __str__(self) -> str:
        weights, maps = ([_size(count * each) for each in (FLOAT32, INT8)] for count in (self.parameters, self.numbers))
        return (
            f"on a small device: {self.parameters:,} parameters ({weights[0]} as float32, {weights[1]} as int8), "
            f"{self.multiply_adds:,} multiply-adds a grid, maps of {maps[0]} at most at once as float32, {maps[1]} as "
            "int8"
        )


def device_cost(layers: Sequence[Layer]) -> DeviceCost:
    """Return what one grid costs in a network with these layers, the first of which is the grid.

    Branches stand side by side: each reads what the first of them reads, and what they make is one set of maps. The
    names of their layers differ in the last number only.

    Examples
    --------
    >>> layers = [Layer("grid", (1, 10), 0, 0), Layer("convs.0.0", (4, 10), 16, 120), Layer("pool", (4, 5), 0, 0)]
    >>> device_cost(layers).numbers
    60
    """
    made: list[tuple[str, int]] = []  # by layer, branches as one
    for layer in layers:
        name, count = _without_branch(layer.name), math.prod(layer.shape)
        if made and name == made[-1][0] and name != layer.name:
            made[-1] = (name, made[-1][1] + count)
        else:
            made.append((name, count))
    sizes = [count for _, count in made]
    at_once = [before + after for before, after in itertools.pairwise(sizes)]
    return DeviceCost(
        sum(layer.parameters for layer in layers),
        sum(layer.multiply_adds for layer in layers),
        max(at_once, default=sizes[0] if sizes else 0),
    )


def _without_branch(name: str) -> str:
    before, dot, last = name.rpartition(".")
    return before if dot and last.isdecimal() else name


def _size(count: int) -> str:
    """Return bytes in words.

    >>> [_size(count) for count in (12, 3_400, 5_600_000)]
    ['12 bytes', '3.4 kB', '5.6 MB']
    """
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.1f} MB"
