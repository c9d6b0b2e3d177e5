"""Arrays in an exported model: channels first, centred and standardised, as `ArrayAdapter` and its frontend do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.adapters.standardise import FAINTEST_SHAPE, Standardise, WithOwnScale
from gridcnn.onnx_graph import Graph

__all__ = ["add_standardised", "channels_first"]


def channels_first(graph: Graph, arrays: str, axes: Sequence[str], channels: str) -> str:
    """Return arrays `(batch, *axes)` as `(batch, channels, *other axes)`; without channels they get an axis of 1."""
    if channels not in axes:
        return graph("Unsqueeze", arrays, graph.constant([1]))
    at = 1 + list(axes).index(channels)
    others = [axis for axis in range(1, len(axes) + 1) if axis != at]
    return arrays if at == 1 else graph("Transpose", arrays, perm=[0, at, *others])


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
        else:
            assert isinstance(module, WithOwnScale)
            grids = _with_own_scale(graph, grids, module)
    return grids


def _with_own_scale(graph: Graph, grids: str, module: WithOwnScale) -> str:
    """Return grids with each channel once more by its own scale, computed in float64 as its rounding is not torch's."""
    exact = graph.cast(grids, np.float64)
    rank = graph("Size", graph("Shape", grids))
    cells = graph("Range", graph.constant(np.int64(2)), rank, graph.constant(np.int64(1)))
    centred = graph("Sub", exact, graph("ReduceMean", exact, cells, keepdims=1))
    std = graph("Sqrt", graph("ReduceMean", graph("Mul", centred, centred), cells, keepdims=1))
    own = graph("Div", centred, graph("Max", std, graph.constant(FAINTEST_SHAPE, np.float64)))
    return graph("Concat", grids, graph.cast(own, np.float32), axis=1)
