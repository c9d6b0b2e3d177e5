"""Patches: the piece of the input under a cell of a map, and the items of a data set that excite each kernel most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch

from gridcnn.display import none_can
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.explain.steps import Step, record
from gridcnn.explain.tracing import Trace, name_of
from gridcnn.grid import Coordinates, GridSpec
from gridcnn.model import FittedModel, fitted_model
from gridcnn.pipeline.encode import EncodedItems, encode_items

__all__ = ["Patch", "patch_under", "top_patches"]

BATCH = 128


@dataclass(frozen=True)
class Patch:
    """A piece of the input: the receptive field of one cell of one map.

    Parameters
    ----------
    item : str
        Name of the item it was cut from.
    step : str
        Name of the step that made the map.
    kernel : int
        Number of the map's kernel, from 1.
    cell : tuple of int
        The cell, indexed from 0 on each ordered axis.
    value : float
        The value of the cell.
    region : tuple of slice
        The cells of the grid on each ordered axis, as far as they lie inside it.
    cells : ndarray of shape (channels, *patch sizes)
        The piece of the grid.
    where : str
        The same in words: `"height 3–7, width 4–8"`, `"420–880 Hz, 0.31–0.44 s"`, `"not bad at all"`.
    words : tuple of str
        The symbols (tokens) under the patch; empty if cells are numbers.
    spec : GridSpec
        The grid that it was cut from.
    """

    item: str
    step: str
    kernel: int
    cell: tuple[int, ...]
    value: float
    region: tuple[slice, ...]
    cells: np.ndarray
    where: str
    words: tuple[str, ...]
    spec: GridSpec


def patch_under(trace: Trace, step: Step, kernel: int, cell: Sequence[SupportsIndex]) -> Patch:
    """Return the receptive field of one cell of a map.

    Parameters
    ----------
    trace : Trace
        The record of one item.
    step : Step
        One of its steps whose output is maps.
    kernel : int
        Number of the map, from 1.
    cell : sequence of int
        The cell, indexed from 0 on each ordered axis.

    Raises
    ------
    ConfigurationError
        If there is no such map or cell.
    """
    if not step.field:
        raise ConfigurationError(f"{step.name} makes no maps; those are the steps of a block")
    if not 1 <= kernel <= len(step.output):
        raise ConfigurationError(f"{step.name} has no kernel {kernel}; they are counted from 1 to {len(step.output)}")
    sizes = step.output.shape[1:]
    place = tuple(int(index) for index in cell)
    if len(place) != len(sizes) or not all(0 <= index < size for index, size in zip(place, sizes, strict=True)):
        raise ConfigurationError(f"{step.name} has no cell {place}; its maps have {' × '.join(map(str, sizes))}")
    value = float(step.output[(kernel - 1, *place)])
    return _cut(trace.name, trace.spec, trace.grid, trace.coordinates, step, kernel, place, value)


@torch.inference_mode()
def top_patches(model: Any, items: Sequence[Any], block: int, count: int = 9) -> list[list[Patch]]:
    """Return the items of a data set that excite each kernel of a block most, each with the exciting piece.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    items : sequence
        Raw items; items that cannot be read are passed over.
    block : int
        Its number, from 1.
    count : int
        How many items for each kernel.

    Returns
    -------
    list of list of Patch
        For each kernel its patches, strongest first, at most one from an item. Shorter than `count` if fewer items
        excite the kernel at all.

    Raises
    ------
    ConfigurationError
        If there is no such block.
    """
    model = fitted_model(model)
    adapter, network = model.adapter, model.network
    items = adapter.check_items(items)
    steps = record(network.backbone, np.zeros(adapter.spec_.shape, dtype=np.float32))
    found = [step for step in steps if step.block == block and step.kind == "relu"]
    if not found:
        raise ConfigurationError(
            f"there is no block {block}; blocks are counted from 1 to {len(network.backbone.blocks)}"
        )
    steps = steps[: steps.index(found[-1]) + 1]
    encoded = encode_items(adapter, items, on_error="skip")
    if not len(encoded.item):
        raise DataError(f"{none_can(len(items), 'item')} be read; the first: {encoded.skipped[0].reason}")
    peaks, cells = [], []
    for at in range(0, len(encoded.item), BATCH):
        maps = network.frontend(torch.from_numpy(np.array(encoded.windows[at : at + BATCH])))
        for step in steps:
            maps = step.run(maps)
        peak, cell = maps.flatten(2).max(dim=2)  # (windows, kernels)
        peaks.append(peak.numpy())
        cells.append(cell.numpy())
    peak_of, cell_of = np.concatenate(peaks).T, np.concatenate(cells).T  # (kernels, windows)
    return [
        [
            _patch_of_window(model, items, encoded, steps[-1], kernel, window, peak[window], cell[window])
            for window in _best_windows(peak, encoded.item, count)
        ]
        for kernel, (peak, cell) in enumerate(zip(peak_of, cell_of, strict=True), start=1)
    ]


def _best_windows(peak: np.ndarray, item: np.ndarray, count: int) -> list[int]:
    """Return the windows with the highest peaks above 0, the best first, one an item."""
    best: dict[int, int] = {}
    for window in np.argsort(-peak, kind="stable"):
        if peak[window] <= 0 or len(best) == count:
            break
        best.setdefault(int(item[window]), int(window))
    return list(best.values())


def _patch_of_window(
    model: FittedModel,
    items: Sequence[Any],
    encoded: EncodedItems,
    step: Step,
    kernel: int,
    window: int,
    value: float,
    flat_cell: int,
) -> Patch:
    """Cut the patch under a cell out of one of many encoded windows."""
    item = items[encoded.item[window]]
    of_item = np.flatnonzero(encoded.item == encoded.item[window])
    axes = model.adapter.coordinates(item, 1 + window - int(of_item[0]), len(of_item))
    encoded_window = torch.from_numpy(np.array(encoded.windows[window : window + 1]))
    grid = model.network.frontend(encoded_window)[0].double().numpy()
    cell = np.unravel_index(flat_cell, step.output.shape[1:])
    return _cut(name_of(item), model.adapter.spec_, grid, axes, step, kernel, cell, float(value))


def _cut(
    name: str,
    spec: GridSpec,
    grid: np.ndarray,
    axes: Sequence[Coordinates],
    step: Step,
    kernel: int,
    cell: Sequence[SupportsIndex],
    value: float,
) -> Patch:
    place = tuple(int(index) for index in cell)
    region = step.field[kernel - 1].patch(place, grid.shape[1:])
    return Patch(
        item=name,
        step=step.name,
        kernel=kernel,
        cell=place,
        value=value,
        region=region,
        cells=grid[:, *region],
        where=", ".join(axis.between(cells) for axis, cells in zip(axes, region, strict=True)),
        words=axes[-1].words[region[-1]],
        spec=spec,
    )
