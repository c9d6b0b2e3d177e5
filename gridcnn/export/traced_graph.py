"""A model as a graph that also tells how it came to its answer: the grid, the drawn maps, the column, the logits.

What a page draws of one item, `gridcnn.render.live.maps` computes in Python; here the graph does. Its network is not
folded, so that every step has the values that a trace has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gridcnn.explain.steps import Step, record
from gridcnn.export.onnx_file import add_answer, flipped_copies, share_of_classes
from gridcnn.inference.onnx_network import add_network
from gridcnn.model import FittedModel
from gridcnn.network.backbone import BackboneConfig
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.render.drawn_kernels import grid_fits
from gridcnn.render.voting import MOST_SUMMED, cells_of_largest

__all__ = ["traced_graph"]

SHOWN_TYPES: dict[str, type] = {"tokens": str, "known": np.bool_, "start": np.int64}
"""Types of what an adapter shows of its windows, see `Windows.shown`."""


def traced_graph(model: FittedModel, layers: Mapping[str, Any]) -> Graph:
    """Return the graph of a model with the values that a page draws among its outputs.

    The further outputs are those of the window that a trace shows, for one item at a time: `window`, counted from 1,
    and `n_windows`, int64 `(1,)`; `grid`; `logits`; `column`; `peaks`, int64; `sums`; `maps G S` of the drawn
    kernels of stage S of group G; `tokens` and `known` of texts; `start`, the sample at which the window of a sound
    begins. A page computes a ReLU itself that is not the first stage, and what is too large to be drawn is left out.

    Parameters
    ----------
    model : FittedModel
        A fitted one.
    layers : mapping
        What `gridcnn.render.live.layers` returned for it.

    Raises
    ------
    ConfigurationError
        If the adapter cannot be exported.
    """
    graph = Graph()
    backbone = model.network.calibrated().eval().requires_grad_(False)
    steps = record(backbone, np.zeros(model.adapter.spec_.shape, np.float32))
    windows = model.adapter.add_to(graph, model.network.frontend)
    values: dict[str, str] = {}

    def see(step: Step, value: str) -> None:
        values[step.name] = value

    def network(grids: str) -> str:
        graph.part = "network"
        return add_network(graph, backbone, grids, see, steps)

    copies = [network(each) for each in reversed(flipped_copies(graph, windows.grids, model))][::-1]  # as it is: last
    shares = [share_of_classes(graph, logits, several=model.several) for logits in copies]
    best = add_answer(graph, shares, windows, model)
    graph.part = "trace"
    best = graph.slice(best, 0, 1, axis=0)  # whoever asks for many items asks for their answers only
    window = graph("ArgMax", graph("Gather", shares[0], best, axis=1), axis=0, keepdims=0)
    graph.output("window", graph("Add", window, graph.constant([1])), np.int64, [1])
    graph.output("n_windows", graph.size(shares[0], 0), np.int64, [1])
    values |= {"grid": windows.grids, "logits": copies[0]}
    if windows.item is not None:  # there may be several: the network runs once more, over the one that is shown
        grid = graph("Gather", windows.grids, window, axis=0)
        values |= {"logits": network(grid), "grid": grid}
        graph.part = "trace"

    def shown(name: str) -> str:
        return values[name] if windows.item is not None else graph("Gather", values[name], window, axis=0)

    _add_values(graph, layers, steps, shown, backbone.config)
    _add_shown(graph, windows, window)
    return graph


def _add_values(
    graph: Graph, layers: Mapping[str, Any], steps: Sequence[Step], shown: Callable[[str], str], config: BackboneConfig
) -> None:
    """Make outputs of the values of the window that is shown, each of the shape that a page expects."""
    if grid_fits(steps[0].input):
        _add_output(graph, "grid", shown("grid"), steps[0].input.shape)
    _add_output(graph, "logits", shown("logits"), steps[-1].output.shape)
    for name, stage, maps in _drawn_stages(layers):
        drawn = graph("Gather", shown(stage), graph.constant(maps), axis=1)
        shape = next(step for step in steps if step.name == stage).output.shape[1:]
        _add_output(graph, name, drawn, (len(maps), *shape))
    if layers["column"] is not None:
        _add_output(graph, "column", shown(steps[-2].name), steps[-1].input.shape)
    last = [step for step in steps if step.block][-1]
    _add_places(graph, shown(last.name), last.output.shape, config)


def _add_places(graph: Graph, maps: str, shape: Sequence[int], config: BackboneConfig) -> None:
    """Make outputs of what `gridcnn.render.voting` tells of the last maps: `peaks`, and `sums`."""
    n_maps, sizes = shape[0] - config.summed_kernels, shape[1:]
    maps = graph("Reshape", maps, graph.constant([1, *shape]))
    peaks = []
    for cut, cells in cells_of_largest(config, sizes):
        part = graph.slice(maps, 0, n_maps, axis=1)
        for axis, each in enumerate(cut, start=2):
            part = graph.slice(part, each.start, each.stop, axis)
        at = graph("ArgMax", graph("Reshape", part, graph.constant([n_maps, -1])), axis=1, keepdims=0)
        peaks.append(graph("Gather", graph.constant(cells), at))
    if peaks:
        found = graph("Concat", *peaks, axis=0)
        graph.output("peaks", found, np.int64, [len(peaks) * n_maps])
    if 0 < config.summed_kernels * math.prod(sizes) <= MOST_SUMMED:
        summed = (config.summed_kernels, *sizes)
        _add_output(graph, "sums", graph.slice(maps, n_maps, shape[0], axis=1), summed)


def _drawn_stages(layers: Mapping[str, Any]) -> Iterator[tuple[str, str, list[int]]]:
    """Yield the stages whose maps a page is given: name of the output, name of the step, indices of the maps."""
    for group, drawn in enumerate(layers["groups"]):
        maps = [number - 1 for number in drawn["maps"]]
        for at, stage in enumerate(drawn["stages"]):
            if stage["kind"] != "relu" or at == 0:
                yield f"maps {group} {at}", stage["step"], maps


def _add_output(graph: Graph, name: str, value: str, shape: Sequence[int]) -> None:
    graph.output(name, graph("Reshape", value, graph.constant(list(shape))), np.float32, list(shape))


def _add_shown(graph: Graph, windows: Windows, window: str) -> None:
    for name, value in (windows.shown or {}).items():
        # not by Gather: of rows of strings, onnxruntime 1.30 gathers the first string only
        row = graph.slice(value, window, graph("Add", window, graph.constant([1])), axis=0)
        graph.output(name, graph("Reshape", row, graph.constant([-1])), SHOWN_TYPES[name], [None])
