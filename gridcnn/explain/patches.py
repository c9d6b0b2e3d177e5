"""Where the network looked: the piece of the input under a cell of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.estimator import GridClassifier
from gridcnn.explain.coordinates import Coordinates, coordinates
from gridcnn.explain.tracing import Step, Trace, name_of, record
from gridcnn.pipeline.encode import EncodedItems, encode_items

__all__ = ["Patch", "class_patch", "patch_under", "strongest_patch", "top_patches"]

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
        What stands in the cell.
    region : tuple of slice
        The cells of the grid on each ordered axis, as far as they lie inside it.
    cells : ndarray of shape (channels, *patch sizes)
        The piece of the grid.
    where : str
        The same in words: `"height 3–7, width 4–8"`, `"420–880 Hz, 0.31–0.44 s"`, `"not bad at all"`.
    """

    item: str
    step: str
    kernel: int
    cell: tuple[int, ...]
    value: float
    region: tuple[slice, ...]
    cells: np.ndarray
    where: str


def patch_under(trace: Trace, step: Step, kernel: int, cell: Sequence[SupportsIndex]) -> Patch:
    """Cut out what one cell of a map was computed from.

    Parameters
    ----------
    trace : Trace
        What the network did to an item.
    step : Step
        One of its steps that make maps.
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
    return _cut(trace.name, trace.grid, trace.coordinates, step, kernel, place, value)


def strongest_patch(trace: Trace, block: int, kernel: int) -> Patch:
    """Return the piece of the input that excites a kernel most, before the block's pooling.

    Parameters
    ----------
    trace : Trace
        What the network did to an item.
    block, kernel : int
        Their numbers, from 1; the kernel is one of the block's last convolution.

    Raises
    ------
    ConfigurationError
        If there is no such block or kernel.
    """
    step = trace.activation(block)
    if not 1 <= kernel <= len(step.output):
        raise ConfigurationError(f"block {block} has no kernel {kernel}; they are counted from 1 to {len(step.output)}")
    values = step.output[kernel - 1]
    return patch_under(trace, step, kernel, np.unravel_index(values.argmax(), values.shape))


def class_patch(trace: Trace, block: int, label: Any = None) -> Patch:
    """Return the piece of the input through which a block speaks most for a class.

    That is the cell of the block's last ReLU with the largest product of value and gradient of the class's logit.

    Parameters
    ----------
    trace : Trace
        What the network did to an item.
    block : int
        Its number, from 1.
    label : object
        The class; None takes the predicted one.

    Raises
    ------
    ConfigurationError
        If there is no such block or class.
    """
    step, target = trace.activation(block), trace.class_index(label)
    values = torch.from_numpy(step.output)[None].requires_grad_()
    (gradient,) = torch.autograd.grad(trace.run_from(step, values)[0, target], values)
    spoken = (gradient * values)[0].detach().numpy()
    kernel, *cell = np.unravel_index(spoken.argmax(), spoken.shape)
    return patch_under(trace, step, int(kernel) + 1, cell)


@torch.inference_mode()
def top_patches(classifier: GridClassifier, items: Sequence[Any], block: int, count: int = 9) -> list[list[Patch]]:
    """Return the items of a data set that excite each kernel of a block most, each with the piece that does.

    Parameters
    ----------
    classifier : GridClassifier
        Fitted, or loaded from a bundle.
    items : sequence
        Raw items; those that cannot be read are passed over.
    block : int
        Its number, from 1.
    count : int
        How many items for each kernel.

    Returns
    -------
    list of list of Patch
        For each kernel its patches, strongest first, at most one from an item. Shorter than `count` where fewer items
        excite the kernel at all.

    Raises
    ------
    ConfigurationError
        If there is no such block.
    """
    check_is_fitted(classifier, "network_")
    adapter, network = classifier.adapter_, classifier.network_
    items = adapter.check_items(items)
    steps = record(network.backbone, np.zeros(adapter.spec_.shape, dtype=np.float32))
    found = [step for step in steps if step.block == block and step.kind == "relu"]
    if not found:
        raise ConfigurationError(
            f"there is no block {block}; blocks are counted from 1 to {len(network.backbone.blocks)}"
        )
    steps = steps[: steps.index(found[-1]) + 1]
    encoded = encode_items(adapter, items, on_error="skip", n_jobs=classifier.n_jobs)
    if not len(encoded.item):
        raise DataError(f"none of the {len(items)} items can be read; the first: {encoded.skipped[0].reason}")
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
            _patch_of_window(classifier, items, encoded, steps[-1], kernel, window, peak[window], cell[window])
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
    classifier: GridClassifier,
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
    axes = coordinates(classifier.adapter_, item, 1 + window - int(of_item[0]), len(of_item))
    encoded_window = torch.from_numpy(np.array(encoded.windows[window : window + 1]))
    grid = classifier.network_.frontend(encoded_window)[0].double().numpy()
    cell = np.unravel_index(flat_cell, step.output.shape[1:])
    return _cut(name_of(item), grid, axes, step, kernel, cell, float(value))


def _cut(
    name: str,
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
    )
