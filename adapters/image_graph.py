"""Pictures in an exported model: turned grey, resized as Pillow resizes them to the last bit, and standardised.

References
----------
Pillow's `src/libImaging/Resample.c` (the filter, its bounds and roundings, and the order of the two passes) and
`src/libImaging/Convert.c` (grey).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridcnn.onnx_graph import Graph

__all__ = ["add_pixels"]

RED_GREEN_BLUE = [19595.0, 38470.0, 7471.0]  # of 65536: how much of each is in grey
SUPPORT = 3.0  # of the Lanczos filter, in pixels of the smaller picture
PRECISION = 2.0**22  # coefficients are whole numbers, of this unit
N_DIGITS = 4  # of 7 bits


def add_pixels(graph: Graph, pictures: str, shape: tuple[int, int], *, colour: bool, crop: bool) -> str:
    """Add the nodes that turn pictures into grids of pixels.

    Parameters
    ----------
    graph : Graph
        Where to.
    pictures : str
        Name of the pictures, uint8 `(batch, height, width, 1 or 3)`.
    shape : (int, int)
        Height and width of the grid.
    colour : bool
        Whether the grid has three channels, rather than a grey one.
    crop : bool
        Whether proportions are kept and the longer side is cropped, rather than squeezed.

    Returns
    -------
    str
        Name of the pixels, uint8 `(batch, 1 or 3, *shape)`.
    """
    pixels = graph("Transpose", pictures, perm=[0, 3, 1, 2])
    pixels = pixels if colour else _grey(graph, pixels)
    sides = [_Side(graph, graph.size(pixels, 2 + axis), shape[axis]) for axis in (0, 1)]
    if crop:
        sides = _cropped(graph, *sides)
    vertical, horizontal = (_digits(graph, _coefficients(graph, side)) for side in sides)

    # The order of the passes depends on the size: all pictures go one of the two ways, and none the other.
    lost = [graph("Sub", side.size, graph.constant([side.cells])) for side in sides]
    tall = graph("Greater", lost[0], graph("Max", graph.constant([0]), graph("Mul", lost[1], graph.constant([2]))))
    n_tall = graph("Mul", graph.cast(tall, np.int64), graph.size(pixels, 0))
    upright = graph("Transpose", graph.slice(pixels, 0, n_tall, axis=0), perm=[0, 1, 3, 2])
    upright = graph("Transpose", _resized(graph, upright, vertical), perm=[0, 1, 3, 2])
    upright = _resized(graph, upright, horizontal)  # (n_tall, channels, *shape)
    others = graph.slice(pixels, n_tall, np.iinfo(np.int64).max, axis=0)
    others = graph("Transpose", _resized(graph, others, horizontal), perm=[0, 1, 3, 2])
    others = graph("Transpose", _resized(graph, others, vertical), perm=[0, 1, 3, 2])
    resized = graph("Concat", upright, others, axis=0)
    return graph("Expand", resized, graph.constant([1, 3, 1, 1])) if colour else resized


def _grey(graph: Graph, pixels: str) -> str:
    """Return pixels, uint8 `(batch, 1 or 3, height, width)`, as one channel; that of grey pictures stays as it is."""
    last = graph("Sub", graph.size(pixels, 1), graph.constant([1]))
    sums = graph.constant(32768.0)
    for at, share in enumerate(RED_GREEN_BLUE):  # whole numbers below 2^24 are exact in float32
        channel = graph("Gather", pixels, graph("Min", last, graph.constant([at])), axis=1)
        sums = graph("Add", sums, graph("Mul", graph.cast(channel, np.float32), graph.constant(share)))
    return graph.cast(graph("Floor", graph("Mul", sums, graph.constant(1 / 65536))), np.uint8)


@dataclass(frozen=True)
class _Side:
    """A side of pictures: its `size` in pixels, int64 `(1,)`; the `cells` it gets; where in it these begin and end."""

    graph: Graph
    size: str
    cells: int
    begin: str | None = None
    end: str | None = None

    def exact(self) -> str:
        """Return the size as float64."""
        return self.graph.cast(self.size, np.float64)


def _cropped(graph: Graph, height: _Side, width: _Side) -> list[_Side]:
    """Return the sides with the part in the middle that has the proportions of the grid; see `PIL.ImageOps.fit`."""
    ratio, half = graph.constant(width.cells / height.cells, np.float64), graph.constant(0.5, np.float64)
    given = graph("Div", width.exact(), height.exact())
    kept_width = graph("Where", graph("Greater", given, ratio), graph("Mul", ratio, height.exact()), width.exact())
    kept_height = graph("Where", graph("Less", given, ratio), graph("Div", width.exact(), ratio), height.exact())
    cut = []
    for side, kept in ((height, kept_height), (width, kept_width)):
        begin = graph("Mul", graph("Sub", side.exact(), kept), half)
        cut.append(_Side(graph, side.size, side.cells, begin, graph("Add", begin, kept)))
    return cut


def _coefficients(graph: Graph, side: _Side) -> str:
    """Return how much of each pixel of a side is in each cell: whole numbers, float64 `(pixels, cells)`."""

    def number(value: float) -> str:
        return graph.constant(value, np.float64)

    size = side.exact()
    begin = graph.cast(graph.cast(side.begin or number(0.0), np.float32), np.float64)  # as Pillow takes it
    end = graph.cast(graph.cast(side.end or size, np.float32), np.float64)
    length = graph.cast(graph.cast(graph("Sub", end, begin), np.float32), np.float64)
    scale = graph("Div", length, number(side.cells))
    filter_scale = graph("Max", scale, number(1.0))
    support = graph("Mul", filter_scale, number(SUPPORT))
    middles = graph.constant(np.arange(side.cells) + 0.5)  # (cells,)
    centre = graph("Add", begin, graph("Mul", middles, scale))

    def whole(value: str) -> str:
        return graph.cast(graph.cast(graph("Add", value, number(0.5)), np.int64), np.float64)  # towards zero

    first = whole(graph("Sub", centre, support))  # (cells,)
    after = whole(graph("Add", centre, support))
    pixel = graph("Unsqueeze", graph.cast(graph.range(side.size), np.float64), graph.constant([1]))  # (pixels, 1)
    is_in = graph("And", graph("GreaterOrEqual", pixel, first), graph("Less", pixel, after))
    x = graph("Add", graph("Sub", pixel, centre), number(0.5))
    x = graph("Mul", x, graph("Div", number(1.0), filter_scale))
    in_support = graph("And", graph("GreaterOrEqual", x, number(-SUPPORT)), graph("Less", x, number(SUPPORT)))
    weights = graph("Mul", _sinc(graph, x), _sinc(graph, graph("Div", x, number(SUPPORT))))
    weights = graph("Where", graph("And", is_in, in_support), weights, number(0.0))
    weights = graph("Div", weights, graph("ReduceSum", weights, graph.constant([0]), keepdims=1))
    scaled = graph("Mul", weights, number(PRECISION))
    size_of = graph("Floor", graph("Add", graph("Abs", scaled), number(0.5)))  # half away from zero
    return graph("Mul", graph("Sign", scaled), size_of)


def _sinc(graph: Graph, x: str) -> str:
    at_zero = graph("Equal", x, graph.constant(0.0, np.float64))
    angle = graph(
        "Where", at_zero, graph.constant(1.0, np.float64), graph("Mul", x, graph.constant(math.pi, np.float64))
    )
    return graph("Where", at_zero, graph.constant(1.0, np.float64), graph("Div", graph("Sin", angle), angle))


def _digits(graph: Graph, numbers: str) -> list[str]:
    """Return whole numbers, float64, as digits from -64 to 63 to the base of 128, lowest first, int8."""
    base = graph.constant(128.0, np.float64)
    digits = []
    for _ in range(N_DIGITS):
        higher = graph("Floor", graph("Div", graph("Add", numbers, graph.constant(64.0, np.float64)), base))
        digits.append(graph.cast(graph("Sub", numbers, graph("Mul", higher, base)), np.int8))
        numbers = higher
    return digits


def _resized(graph: Graph, pixels: str, digits: Sequence[str]) -> str:
    """Return pixels, uint8 `(…, pixels)`, as cells, uint8 `(…, cells)`: their sums, rounded half up and clipped.

    The products are of 8 bits, added up in 32: exact, at an eighth of the memory that float64 takes. Digits of 7 bits
    do not overflow on processors that add pairs of products in 16.
    """
    sums = None
    for digit in reversed(digits):
        more = graph.cast(graph("MatMulInteger", pixels, digit), np.float64)
        sums = more if sums is None else graph("Add", graph("Mul", sums, graph.constant(128.0, np.float64)), more)
    half = graph.constant(PRECISION / 2, np.float64)
    rounded = graph("Floor", graph("Div", graph("Add", sums, half), graph.constant(PRECISION, np.float64)))
    clipped = graph("Clip", rounded, graph.constant(0.0, np.float64), graph.constant(255.0, np.float64))
    return graph.cast(clipped, np.uint8)
