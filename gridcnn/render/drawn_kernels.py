"""The kernels and maps that a page draws: the most important of each convolution, packed.

`groups` is the same for every item: kernels, sizes, fields of view. `map_values` are those of one item.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gridcnn.explain import Step, Trace
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.heads import maps_of_features
from gridcnn.render.packing import packed, packed_field

__all__ = [
    "LARGEST_MAP",
    "MOST_MAPS",
    "Kernels",
    "choose_kernels",
    "convolutions",
    "grid_fits",
    "groups",
    "heaviest_kernels",
    "kernel_weights",
    "map_values",
]

MOST_MAPS = 12
"""Kernels drawn of each convolution, the most important first."""

MOST_CELLS = 300_000
"""Largest number of cells of all drawn maps: if there are more, fewer kernels are drawn."""

LARGEST_MAP = 256 * 256
"""Cells of the largest map that is drawn."""

TITLES = {"convolution": "match", "norm": "match", "relu": "ReLU", "pool": "pooled"}
"""What the maps of each kind of step are called."""

Kernels = list[int]


def convolutions(steps: Sequence[Step]) -> list[tuple[int, list[Step]]]:
    """Return each convolution with the steps up to the next one, and its number within its block."""
    found: list[tuple[int, list[Step]]] = []
    for step in steps:
        if step.kind == "convolution":
            before = found[-1] if found else None
            number = before[0] + 1 if before and before[1][0].block == step.block else 1
            found.append((number, [step]))
        elif step.block is not None:
            found[-1][1].append(step)
    return found


def choose_kernels(trace: Trace, target: int) -> list[Kernels]:
    """Return the indices of the kernels to draw of each convolution: those whose maps matter most for the class.

    Importance is the sum of |value × gradient of the logit| over a kernel's map, as the next convolution reads it.
    A kernel that counts nothing whatever the item is not drawn.
    """
    sections = [steps for _, steps in convolutions(trace.steps)]
    values = torch.from_numpy(trace.grid.copy())[None].requires_grad_()
    outputs = {}
    for step in trace.steps:
        outputs[step.name] = values = step.run(values)
    maps = [outputs[steps[-1].name] for steps in sections]
    chosen = []
    gradients = torch.autograd.grad(values[0, target], maps)
    for each, gradient, weight in zip(maps, gradients, kernel_weights(trace.steps, trace.backbone), strict=True):
        importance = (gradient * each)[0].abs().flatten(1).sum(dim=1).detach().numpy()
        loudest = each[0].abs().flatten(1).amax(dim=1).detach().numpy()  # decides between kernels without importance
        chosen.append(_counting(np.lexsort((-loudest, -importance)), weight))
    return _fewer(trace.steps, chosen)


def heaviest_kernels(steps: Sequence[Step], backbone: ConvPoolDense) -> list[Kernels]:
    """Return the indices of the kernels to draw of each convolution, the same for every item: those of most weight."""
    weights = kernel_weights(steps, backbone)
    return _fewer(steps, [_counting(np.argsort(-weight, kind="stable"), weight) for weight in weights])


def kernel_weights(steps: Sequence[Step], backbone: ConvPoolDense) -> list[np.ndarray]:
    """Return how much each kernel of each convolution counts: its norm, with its normalisation, × that of its readers.

    The readers of a map are the weights of the next convolution, or of what reads its entries in the feature vector.
    """
    found = []
    for _, section in convolutions(steps):
        norm = np.array([np.linalg.norm(kernel) for kernel in section[0].kernels])
        for step in section:
            if step.kind == "norm":
                norm = norm * np.abs(step.scale_and_shift[0])
        later = steps[steps.index(section[-1]) + 1 :]
        reader = next(step for step in later if step.kind in {"convolution", "dense", "logits"})
        if reader.kind == "convolution":
            heard = sum(np.square(kernel).reshape(len(norm), -1).sum(axis=1) for kernel in reader.kernels)
        else:
            config, sizes = backbone.config, section[-1].output.shape[1:]
            maps = maps_of_features(config.head, len(norm) - config.summed_kernels, sizes, config.summed_kernels)
            heard = np.bincount(maps, np.square(reader.weights).sum(axis=0), minlength=len(norm))
        found.append(norm * np.sqrt(heard))
    return found


def _counting(ranked: np.ndarray, weight: np.ndarray) -> Kernels:
    """Return the kernels, in their order, without those that count nothing; all of them if none counts."""
    counting: Kernels = ranked[weight[ranked] > 0].tolist()
    return counting or ranked.tolist()


def _fewer(steps: Sequence[Step], ranked: Sequence[Kernels]) -> list[Kernels]:
    """Return the first of each ranking, as many as are drawn."""
    cells = [
        sum(math.prod(step.output.shape[1:]) for step in section if step.kind in {"norm", "pool"} or step is section[0])
        for _, section in convolutions(steps)
    ]
    most = MOST_MAPS
    while most > 1 and most * sum(cells) > MOST_CELLS:
        most -= 1
    return [kernels[:most] for kernels in ranked]


def grid_fits(grid: np.ndarray) -> bool:
    """Whether a grid is small enough to be on a page, number by number."""
    return grid.size <= 4 * LARGEST_MAP


def groups(steps: Sequence[Step], drawn: Sequence[Kernels], weights: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    """Return what a page needs of each convolution and the steps after it, but for the values of an item.

    `weights` are those of `kernel_weights`.
    """
    found: list[dict[str, Any]] = []
    grid = steps[0].input
    n_channels = len(grid)
    channels, visible = list(range(n_channels)), grid_fits(grid)
    for kernels, weight, (number, section) in zip(drawn, weights, convolutions(steps), strict=True):
        convolution = section[0]
        fits = _fits(section)
        group: dict[str, Any] = {
            "block": convolution.block,
            "number": number,
            "drawn": fits,
            "n_maps": len(convolution.output),
            "n_counting": int((weight > 0).sum()),
            "maps": [kernel + 1 for kernel in kernels],
            "n_channels": n_channels,
            "channels": [channel + 1 for channel in channels],
            "below_drawn": visible,
            "size": list(convolution.kernels[0].shape[1:]),
            "kernel_sizes": sorted({convolution.kernels[kernel].shape[1] for kernel in kernels}),
            "names": [f"block {convolution.block}, convolution {number}, kernel {kernel + 1}" for kernel in kernels],
        }
        if fits:
            group["kernels"] = [packed(convolution.kernels[kernel][channels]) for kernel in kernels]
            group["strength"] = max(float(np.abs(convolution.kernels[kernel]).max()) for kernel in kernels)
            group["bias"] = [float(convolution.bias[kernel]) for kernel in kernels]
            group["below"] = [packed_field(convolution.below[kernel]) for kernel in kernels]
            group["stages"] = [_stage(section, at, kernels) for at in _drawn_steps(section)]
            visible, channels = True, kernels
        else:
            visible, channels = False, []
        n_channels = len(convolution.output)
        found.append(group)
    return found


def map_values(steps: Sequence[Step], drawn: Sequence[Kernels]) -> list[list[dict[str, Any] | None]]:
    """Return the drawn maps of one item for each group that is drawn, stage by stage.

    None for a ReLU that is not the first stage, since it follows from the stage before it.
    """
    return [
        [
            packed(section[at].output[kernels]) if section[at].kind != "relu" or first else None
            for first, at in zip([True, *[False] * len(section)], _drawn_steps(section), strict=False)
        ]
        for kernels, (_, section) in zip(drawn, convolutions(steps), strict=True)
        if _fits(section)
    ]


def _fits(section: Sequence[Step]) -> bool:
    return all(math.prod(step.output.shape[1:]) <= LARGEST_MAP for step in section)


def _drawn_steps(section: Sequence[Step]) -> list[int]:
    """Return which steps are drawn: a convolution is drawn together with its normalisation."""
    kinds = [step.kind for step in section]
    return [at for at, kind in enumerate(kinds) if not (kind == "convolution" and kinds[at + 1 : at + 2] == ["norm"])]


def _stage(section: Sequence[Step], at: int, kernels: Kernels) -> dict[str, Any]:
    """Return what is drawn of a step: before ReLU, after it, pooled."""
    step = section[at]
    stage: dict[str, Any] = {
        "kind": step.kind,
        "title": TITLES.get(step.kind, step.kind),
        "step": step.name,
        "sizes": list(step.output.shape[1:]),
        "field": [packed_field(step.field[kernel]) for kernel in kernels],
    }
    if step.kind == "norm":
        scale, shift = step.scale_and_shift
        stage["scale"], stage["shift"] = scale[kernels].tolist(), shift[kernels].tolist()
        stage["convolves"] = section[at - 1].kind == "convolution"
        stage["title"] = "match" if stage["convolves"] else "scaled"
    if step.kind == "pool":
        stage["below"] = [packed_field(step.below[kernel]) for kernel in kernels]
        stage["average"] = "Avg" in type(step.run).__name__
    return stage
