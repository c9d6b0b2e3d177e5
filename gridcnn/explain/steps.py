"""The steps of a network, recorded with their inputs and outputs for one grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gridcnn.errors import ConfigurationError
from gridcnn.explain.receptive_field import ReceptiveField, receptive_fields
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.layers import ParallelBranches

__all__ = ["Step", "record"]


@dataclass(frozen=True)
class Step:
    """One step of the network with its input and output for one item.

    Parameters
    ----------
    name : str
        Unique in its trace: `"block 1 convolution 2"`, `"block 1 pool"`, `"features"`, `"logits"`.
    kind : str
        `"convolution"`, `"norm"`, `"relu"`, `"pool"`, `"features"`, `"dense"` or `"logits"`.
    block : int or None
        Number of the block, from 1; None after the blocks.
    run : callable
        Maps `input` to `output`, for tensors with a batch axis, float64.
    input, output : ndarray
        float64, without a batch axis: maps `(maps, *sizes)`, or a vector `(entries,)`.
    below, field : tuple of ReceptiveField
        Receptive fields of the cells of each map of `output`, in cells of `input` and of the grid. Empty after the
        blocks.
    """

    name: str
    kind: str
    block: int | None
    run: Callable[[Tensor], Tensor]
    input: np.ndarray
    output: np.ndarray
    below: tuple[ReceptiveField, ...] = ()
    field: tuple[ReceptiveField, ...] = ()

    def again(self) -> np.ndarray:
        """Apply the step to its recorded input once more."""
        with torch.no_grad():
            return self.run(torch.from_numpy(self.input)[None])[0].numpy()

    @cached_property
    def kernels(self) -> tuple[np.ndarray, ...]:
        """The kernel behind each map of a convolution, `(input maps, *span)`, 0 in its gaps; empty for other steps."""
        return tuple(kernel for branch in self._branches for kernel in _with_gaps(branch))

    @cached_property
    def bias(self) -> np.ndarray:
        """The bias of each map of a convolution `(maps,)`, or of each entry of a dense layer; zeros without one."""
        layers = self._branches or ([self.run] if isinstance(self.run, nn.Linear) else [])
        parts = [np.zeros(len(b.weight)) if b.bias is None else b.bias.detach().numpy() for b in layers]
        return np.concatenate(parts) if parts else np.zeros(len(self.output))

    @cached_property
    def weights(self) -> np.ndarray:
        """The weights `(entries of output, entries of input)` of a dense layer or of the logits; empty otherwise."""
        return self.run.weight.detach().numpy() if isinstance(self.run, nn.Linear) else np.empty((0, 0))

    @cached_property
    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """The factor of a normalisation for each map, and the summand, two arrays `(maps,)`."""
        if self.kind != "norm":
            raise ConfigurationError(f"{self.name} is no normalisation; those are the steps of kind 'norm'")
        n_axes = self.output.ndim - 1
        both = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, *(1,) * n_axes)
        with torch.no_grad():
            low, high = self.run(both.expand(2, len(self.output), *(1,) * n_axes)).flatten(1).numpy()
        return high - low, low

    @property
    def _branches(self) -> list[Any]:
        """The parallel branches of a convolution step."""
        if self.kind != "convolution":
            return []
        return list(self.run) if isinstance(self.run, ParallelBranches) else [self.run]


def _with_gaps(branch: Any) -> np.ndarray:
    """Return the kernels of a convolution as they lie on the cells: with zeros where a dilated one leaves cells out."""
    kernels: np.ndarray = branch.weight.detach().numpy()
    if max(branch.dilation) == 1:
        return kernels
    spans = [(size - 1) * gap + 1 for size, gap in zip(kernels.shape[2:], branch.dilation, strict=True)]
    laid = np.zeros((*kernels.shape[:2], *spans), kernels.dtype)
    places: Any = (..., *(slice(None, None, gap) for gap in branch.dilation))
    laid[places] = kernels
    return laid


@torch.no_grad()
def record(backbone: ConvPoolDense, grid: np.ndarray) -> list[Step]:
    """Run the steps of a backbone one by one over a grid of its dtype, and keep inputs and outputs."""
    n_axes = len(backbone.spec.axes)
    values = torch.from_numpy(grid.copy())[None]
    field = (ReceptiveField.cell(n_axes),) * len(grid)
    steps: list[Step] = []
    for kind, block, run in backbone.steps():
        if isinstance(run, nn.Identity | nn.Dropout):
            continue
        before, values = values, run(values)
        below: tuple[ReceptiveField, ...] = ()
        if block is not None:
            below = receptive_fields(run, n_axes, values.shape[1])
            if kind == "convolution":  # a kernel spans all maps
                field = (ReceptiveField.around(field),) * len(below)
            field = tuple(own.then(step) for own, step in zip(field, below, strict=True))
        steps.append(
            Step(_step_name(kind, block, steps), kind, block, run, before[0].numpy(), values[0].numpy(), below,
                 field if block is not None else ())
        )  # fmt: skip
    return steps


def _step_name(kind: str, block: int | None, before: Sequence[Step]) -> str:
    """Name a step by its block and kind, and by a number if a block has several of the kind."""
    place = "" if block is None else f"block {block} "
    if kind in {"features", "logits", "pool"}:
        return place + kind
    number = 1 + sum(step.kind == kind and step.block == block for step in before)
    return f"{place}{kind} {number}"
