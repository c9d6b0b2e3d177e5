"""The kernels and maps that a page of one item draws: the most important of each convolution, packed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gridcnn.explain import Step, Trace
from gridcnn.render.packing import packed, packed_field

__all__ = ["LARGEST_MAP", "MOST_MAPS", "Kernels", "choose_kernels", "convolutions", "groups"]

MOST_MAPS = 12
"""Kernels drawn of each convolution, the most important first."""

MOST_CELLS = 300_000
"""Largest number of cells of all drawn maps: if there are more, fewer kernels are drawn."""

LARGEST_MAP = 256 * 256
"""Cells of the largest map that is drawn."""


Kernels = list[int]


def convolutions(trace: Trace) -> list[tuple[int, list[Step]]]:
    """Return each convolution with the steps up to the next one, and its number within its block."""
    found: list[tuple[int, list[Step]]] = []
    for step in trace.steps:
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
    """
    sections = [steps for _, steps in convolutions(trace)]
    values = torch.from_numpy(trace.grid.copy())[None].requires_grad_()
    outputs = {}
    for step in trace.steps:
        outputs[step.name] = values = step.run(values)
    maps = [outputs[steps[-1].name] for steps in sections]
    chosen = []
    for each, gradient in zip(maps, torch.autograd.grad(values[0, target], maps), strict=True):
        importance = (gradient * each)[0].abs().flatten(1).sum(dim=1).detach().numpy()
        loudest = each[0].abs().flatten(1).amax(dim=1).detach().numpy()  # decides between kernels without importance
        order = np.lexsort((-loudest, -importance))
        chosen.append(order[:MOST_MAPS].tolist())
    cells = [
        sum(math.prod(step.output.shape[1:]) for step in steps if step.kind in {"norm", "pool"} or step is steps[0])
        for steps in sections
    ]
    most = MOST_MAPS
    while most > 1 and most * sum(cells) > MOST_CELLS:
        most -= 1
    return [kernels[:most] for kernels in chosen]


def groups(trace: Trace, drawn: list[Kernels]) -> list[dict[str, Any]]:
    """Return the values that the page needs of each convolution and the steps after it."""
    found: list[dict[str, Any]] = []
    n_channels = len(trace.grid)
    channels, visible = list(range(n_channels)), trace.grid.size <= 4 * LARGEST_MAP
    for kernels, (number, steps) in zip(drawn, convolutions(trace), strict=True):
        convolution = steps[0]
        fits = all(math.prod(step.output.shape[1:]) <= LARGEST_MAP for step in steps)
        sizes = list(convolution.kernels[0].shape[1:])
        group: dict[str, Any] = {
            "block": convolution.block,
            "number": number,
            "drawn": fits,
            "n_maps": len(convolution.output),
            "maps": [kernel + 1 for kernel in kernels],
            "n_channels": n_channels,
            "channels": [channel + 1 for channel in channels],
            "below_drawn": visible,
            "size": sizes,
            "kernel_sizes": sorted({convolution.kernels[kernel].shape[1] for kernel in kernels}),
            "names": [f"block {convolution.block}, convolution {number}, kernel {kernel + 1}" for kernel in kernels],
        }
        if fits:
            group["kernels"] = [packed(convolution.kernels[kernel][channels]) for kernel in kernels]
            group["strength"] = max(float(np.abs(convolution.kernels[kernel]).max()) for kernel in kernels)
            group["bias"] = [float(convolution.bias[kernel]) for kernel in kernels]
            group["below"] = [packed_field(convolution.below[kernel]) for kernel in kernels]
            group["stages"] = _stages(steps, kernels)
            visible, channels = True, kernels
        else:
            visible, channels = False, []
        n_channels = len(convolution.output)
        found.append(group)
    return found


def _stages(steps: Sequence[Step], kernels: Kernels) -> list[dict[str, Any]]:
    """Return the drawn maps of one convolution: before ReLU, after it, pooled, in the order of the network."""
    stages: list[dict[str, Any]] = []
    for at, step in enumerate(steps):
        following = steps[at + 1].kind if at + 1 < len(steps) else ""
        if step.kind == "convolution" and following == "norm":
            continue  # drawn together with its normalisation
        stage: dict[str, Any] = {
            "kind": step.kind,
            "title": {"convolution": "match", "norm": "match", "relu": "ReLU", "pool": "pooled"}.get(
                step.kind, step.kind
            ),
            "step": step.name,
            "sizes": list(step.output.shape[1:]),
            "field": [packed_field(step.field[kernel]) for kernel in kernels],
        }
        if step.kind == "norm":
            scale, shift = step.scale_and_shift
            stage["scale"], stage["shift"] = scale[kernels].tolist(), shift[kernels].tolist()
            stage["convolves"] = steps[at - 1].kind == "convolution"
            stage["title"] = "match" if stage["convolves"] else "scaled"
        if step.kind == "pool":
            stage["below"] = [packed_field(step.below[kernel]) for kernel in kernels]
            stage["average"] = "Avg" in type(step.run).__name__
        if step.kind != "relu" or not stages:
            stage["values"] = packed(step.output[kernels])
        stages.append(stage)
    return stages
