"""Receptive fields: the cells of a lower array that a cell of a feature map was computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import nn

from gridcnn.network.layers import ParallelBranches

__all__ = ["ReceptiveField", "receptive_fields"]

_SLIDING = (nn.Conv1d, nn.Conv2d, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of a cell: on each ordered axis, cell `i` covers `size` cells from `offset + i * stride` on.

    Parameters
    ----------
    offset, size, stride : tuple of int
        One number for each ordered axis, in cells of the lower array. Padding makes `offset` negative.

    Examples
    --------
    >>> kernel, pooling = ReceptiveField((-1,), (3,), (1,)), ReceptiveField((0,), (2,), (2,))
    >>> kernel.then(pooling).patch((5,))  # the pooled cell 5 was made from eleven, twelve and their neighbours
    (slice(9, 13, None),)
    """

    offset: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def cell(cls, n_axes: int) -> Self:
        """Return the receptive field of a step that works cell by cell."""
        return cls((0,) * n_axes, (1,) * n_axes, (1,) * n_axes)

    def patch(self, cell: Sequence[int], sizes: Sequence[int] | None = None) -> tuple[slice, ...]:
        """Return the patch under a cell; with `sizes`, those of the lower array, only the part that lies inside it."""
        starts = [offset + index * stride for offset, index, stride in zip(self.offset, cell, self.stride, strict=True)]
        stops = [start + size for start, size in zip(starts, self.size, strict=True)]
        if sizes is not None:
            starts = [min(max(start, 0), size - 1) for start, size in zip(starts, sizes, strict=True)]
            stops = [max(min(stop, size), start + 1) for stop, start, size in zip(stops, starts, sizes, strict=True)]
        return tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))

    def then(self, upper: ReceptiveField) -> ReceptiveField:
        """Return the receptive field of a step after this one, in cells of the array below both."""
        axes = list(zip(self.offset, self.size, self.stride, upper.offset, upper.size, upper.stride, strict=True))
        return ReceptiveField(
            tuple(offset + up * stride for offset, _, stride, up, _, _ in axes),
            tuple((up - 1) * stride + size for _, size, stride, _, up, _ in axes),
            tuple(stride * up for _, _, stride, _, _, up in axes),
        )

    @staticmethod
    def around(fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """Return the smallest field that contains several of one stride, as a kernel over several maps has it."""
        ends = [[start + size for start, size in zip(r.offset, r.size, strict=True)] for r in fields]
        first = tuple(min(starts) for starts in zip(*(r.offset for r in fields), strict=True))
        size = tuple(max(stops) - start for *stops, start in zip(*ends, first, strict=True))
        return ReceptiveField(first, size, fields[0].stride)


def receptive_fields(step: object, n_axes: int, n_maps: int) -> tuple[ReceptiveField, ...]:
    """Return the receptive field of each map of a step, in cells of its input.

    Parameters
    ----------
    step : nn.Module or callable
        A convolution, parallel branches, a pooling; anything else works cell by cell.
    n_axes : int
        Number of ordered axes.
    n_maps : int
        Number of maps of the step.
    """
    if isinstance(step, ParallelBranches):
        return tuple(field for branch in step for field in receptive_fields(branch, n_axes, branch.out_channels))  # type: ignore[arg-type]
    if not isinstance(step, _SLIDING):
        return (ReceptiveField.cell(n_axes),) * n_maps
    size = _each_axis(step.kernel_size, n_axes)
    dilation = _each_axis(getattr(step, "dilation", 1), n_axes)
    spans = tuple((cells - 1) * gap + 1 for cells, gap in zip(size, dilation, strict=True))
    if step.padding == "same":
        before = tuple((span - 1) // 2 for span in spans)  # torch puts the odd cell of an even kernel behind
    else:
        before = (0,) * n_axes if step.padding == "valid" else _each_axis(step.padding, n_axes)
    stride = _each_axis(step.stride, n_axes)
    return (ReceptiveField(tuple(-cells for cells in before), spans, stride),) * n_maps


def _each_axis(value: object, n_axes: int) -> tuple[int, ...]:
    return (value,) * n_axes if isinstance(value, int) else tuple(value)  # type: ignore[arg-type]
