"""Arrays in an exported model: channels first, centred and standardised, as `ArrayAdapter` and its frontend do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.adapters.standardise import FAINTEST_SHAPE, MeanBehindEnd, Standardise, WithOwnScale
from gridcnn.onnx_graph import Graph, Windows

__all__ = ["add_standardised", "channels_first", "cut"]


def channels_first(graph: Graph, arrays: str, axes: Sequence[str], channels: str) -> str:
    """Return arrays `(batch, *axes)` as `(batch, channels, *other axes)`; without channels they get an axis of 1."""
    if channels not in axes:
        return graph("Unsqueeze", arrays, graph.constant([1]))
    at = 1 + list(axes).index(channels)
    others = [axis for axis in range(1, len(axes) + 1) if axis != at]
    return arrays if at == 1 else graph("Transpose", arrays, perm=[0, at, *others])


def cut(graph: Graph, series: str, window: int) -> Windows:
    """Return series `(batch, channels, samples)`, no shorter than a window, as windows; see `LogAdapter`.

    They begin at most half of a window apart, as evenly as samples allow, the last one ends with the series, and
    `Windows.grids` is `(windows, channels, window)`.
    """
    n_items, one = graph.size(series, 0), graph.constant([1])
    excess = graph("Sub", graph.size(series, 2), graph.constant([window]))
    doubled = graph("Add", graph("Mul", excess, graph.constant([2])), graph.constant([window - 1]))
    last = graph("Div", doubled, graph.constant([window]))
    count, exact = graph("Add", last, one), graph.cast(excess, np.float64)
    step = graph("Div", exact, graph.cast(graph("Max", last, one), np.float64))  # as numpy.linspace computes it
    place = graph.range(count)
    starts = graph.cast(graph("Round", graph("Mul", graph.cast(place, np.float64), step)), np.int64)  # half to even
    starts = graph("Where", graph("Equal", place, last), excess, starts)  # (count,)
    within = graph("Add", graph("Unsqueeze", starts, one), graph.range(graph.constant([window])))  # (count, window)
    found = graph("Gather", series, within, axis=2)  # (batch, channels, count, window)
    found = graph("Transpose", found, perm=[0, 2, 1, 3])
    flat = graph.shape(-1, graph.size(series, 1), window)
    item = graph("Expand", graph("Unsqueeze", graph.range(n_items), one), graph.shape(1, count))
    return Windows(graph("Reshape", found, flat), graph("Reshape", item, graph.constant([-1])), n_items)


def add_standardised(graph: Graph, grids: str, frontend: Any) -> str:
    """Return grids `(batch, channels, …)` of any numbers as a trained frontend of `Standardise` makes them.

    Parameters
    ----------
    graph : Graph
        Where to.
    grids : str
        Name of the grids.
    frontend : Standardise, or a sequence of it and WithOwnScale
        The trained module.
    """
    for module in [frontend] if isinstance(frontend, Standardise) else frontend:
        if isinstance(module, Standardise):
            mean, std = (graph.constant(each.detach().numpy()) for each in (module.mean, module.std))
            grids = graph("Div", graph("Sub", graph.cast(grids, np.float32), mean), std)
        elif isinstance(module, MeanBehindEnd):
            grids = _without_nan(graph, grids, np.float32)
        else:
            assert isinstance(module, WithOwnScale)
            grids = _with_own_scale(graph, grids, module)
    return grids


def _with_own_scale(graph: Graph, grids: str, module: WithOwnScale) -> str:
    """Return grids with each channel once more by its own scale, computed in float64 as its rounding is not torch's."""
    exact = graph.cast(grids, np.float64)
    rank = graph("Size", graph("Shape", grids))
    cells = graph("Range", graph.constant(np.int64(2)), rank, graph.constant(np.int64(1)))
    there = graph.cast(graph("Not", graph("IsNaN", exact)), np.float64)
    n_cells = graph("ReduceSum", there, cells, keepdims=1)

    def mean(values: str) -> str:
        return graph("Div", graph("ReduceSum", _without_nan(graph, values, np.float64), cells, keepdims=1), n_cells)

    centred = graph("Sub", exact, mean(exact))
    std = graph("Sqrt", mean(graph("Mul", centred, centred)))
    own = graph("Div", centred, graph("Max", std, graph.constant(FAINTEST_SHAPE, np.float64)))
    return graph("Concat", grids, graph.cast(own, np.float32), axis=1)


def _without_nan(graph: Graph, values: str, kind: Any) -> str:
    """Return values with 0 in place of NaN."""
    return graph("Where", graph("IsNaN", values), graph.constant(0.0, kind), values)
