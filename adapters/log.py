"""Parts of logs that are to be found in long ones: windows of one length, several of them of a longer part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from gridcnn.adapters.array import ArrayAdapter
from gridcnn.adapters.base import Adapter
from gridcnn.adapters.lengths import ends_of, to_length
from gridcnn.adapters.long_series import CHANNELS
from gridcnn.adapters.numbers import unusable
from gridcnn.adapters.numbers_remarks import caution
from gridcnn.adapters.questions import Question
from gridcnn.constraints import Constraint
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.grid import Coordinates
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.parameters import Number

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LogAdapter"]

MOST_SAMPLES = 2**22
"""Of a window."""

OVERLAP = 0.5
"""Share of a window that the next one begins after, at most."""

WINDOWS_MET, FEWEST_EPOCHS = 3, 12
"""Windows of most parts in training; epochs at least."""


class LogAdapter(ArrayAdapter):
    """Turns parts of logs into grids of one length: a longer part becomes several windows, whose answers are averaged.

    So training meets an event as a window does that slides over a log: at several places, with what is around it.

    Parameters
    ----------
    axes, units, scaling
        As in `ArrayAdapter`; one axis is ordered.
    window : int, default 64
        Samples of a window. A part that is shorter cannot be read without what surrounds it.

    Examples
    --------
    >>> import numpy as np
    >>> adapter = LogAdapter(window=4).fit([np.arange(6.0), np.arange(4.0)])
    >>> adapter.encode(np.arange(7.0))[:, 0].tolist()
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0], [3.0, 4.0, 5.0, 6.0]]
    """

    constraints: ClassVar[Mapping[str, Constraint]] = {
        **ArrayAdapter.constraints,
        "window": Number(int, low=2, high=MOST_SAMPLES),
    }

    def __init__(
        self,
        axes: Sequence[str] = ("length",),
        units: Mapping[str, str] | None = None,
        scaling: str | None = None,
        window: int = 64,
    ) -> None:
        super().__init__(axes, units, scaling)
        self.window = window

    def located(self, lengths: Sequence[float], gaps: Sequence[float] = ()) -> tuple[Adapter, int]:
        """Return this one: its windows are as they are."""
        return self, self.window

    def check_parameters(self) -> None:
        """Check also that one axis only is ordered."""
        super().check_parameters()
        if not self._may_end:
            raise ConfigurationError(f"a log has one ordered axis and perhaps channels; got axes={tuple(self.axes)}")

    def fit(self, items: Sequence[Any], columns: Sequence[str] | None = None, ended: bool | None = None) -> Self:
        """Learn from the windows of training items; see `ArrayAdapter.fit`."""
        self.check_parameters()
        windows: list[np.ndarray] = []
        for item in self._checked(items, exact=None):
            if self._length(item) >= self.window:
                windows += self._cut(item)
        if not windows:
            raise DataError(f"none of the {len(items)} parts has {self.window} samples, those of a window")
        stacked: Any = np.stack(windows)
        return super().fit(stacked, columns, ended=False)

    def encode(self, item: Any) -> np.ndarray:
        """Return the windows of one part, float32 `(windows, channels, window)`; ItemError as in `decode`."""
        part = self.decode(item)
        return np.concatenate([super(LogAdapter, self).encode(each) for each in self._cut(part)])

    def decode(self, item: Any) -> np.ndarray:
        """Return a part up to its end, no shorter than a window, as float32, or as float64 if `centred_`.

        Raises
        ------
        ItemError
            If it is too short, has other channels than the training items, or lacks a number.
        """
        if (length := self._length(item)) < self.window:
            raise ItemError(f"array of shape {np.shape(item)}", f"{length} samples, and a window has {self.window}")
        with np.errstate(over="ignore"):  # infinite, and found below
            values = np.asarray(item, dtype=np.float64 if self.centred_ else np.float32)
        part, expected = to_length(values, length, self._end_axis), list(self.sizes_)
        expected[self._end_axis] = length
        if list(part.shape) != expected:
            raise ItemError(f"array of shape {part.shape}", f"expected shape {tuple(expected)}, as in training")
        if not (np.abs(part) <= self.limit_).all():
            raise ItemError(f"array of shape {part.shape}", unusable(part, self.limit_, self._name))
        return part

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add an input `array`, `(batch, …)`, whose series are as long as one likes, and the grids of its windows."""
        from gridcnn.adapters.numbers_graph import channels_first, cut  # noqa: PLC0415  (for exports only)

        shape: list[int | str] = list(self.sizes_)
        shape[self._end_axis] = "samples"
        arrays = graph.input("array", np.float64 if self.centred_ else np.float32, ["batch", *shape])
        windows = cut(graph, channels_first(graph, arrays, self.axes, CHANNELS), self.window)
        return replace(windows, grids=self.add_scaled(graph, windows.grids, frontend))

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return parts of one window, as a page asks for them, and longer ones."""
        parts, axis = super().trial_items(random), self._end_axis
        lengths = [self.window + max(at - len(parts) // 2, 0) * self.window // 3 for at in range(len(parts))]
        return [
            np.concatenate([part, *parts[: at + 1]], axis)[self._first(length)]
            for at, (part, length) in enumerate(zip(parts, lengths, strict=True))
        ]

    def describe_input(self) -> str:
        """Say how long parts may be."""
        kind, axes = "float64" if self.centred_ else "float32", ", ".join(self.axes)
        return f"`array`, {kind} `(batch, {axes})`, of {self.window} samples or more, all of a batch of one length"

    def cautions(self, item: Any) -> list[str]:
        """Say whether a number lies far outside the range of the training items."""
        grid = self._channels_first(np.asarray(item, dtype=np.float64), first_axis=0)
        return caution(grid[:, : ends_of(grid)], self.bounds_) if len(grid) == len(self.bounds_) else []

    def coordinates(self, item: Any, window: int = 1, n_windows: int = 1) -> tuple[Coordinates, ...]:
        """Return the samples of a window of a part, counted from its beginning."""
        (axis,) = self.spec_.axes
        places = self._starts(self._length(item))[window - 1] + np.arange(axis.size)
        return (Coordinates(axis.name, axis.unit, places, places, places),)

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of learned kernels: cells of fixed ones are too sure to tell where an event ends.

        A part is met in several windows, so that a third of the epochs is enough.
        """
        found = super().defaults(n_items)
        return {**found, "solved": False, "epochs": max(found["epochs"] // WINDOWS_MET, FEWEST_EPOCHS)}

    def questions(self, n_items: int) -> list[Question]:
        """Ask nothing."""
        return []

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check also that grids are as long as a window."""
        super().check_state(state)
        if state["sizes_"][self._end_axis] != self.window or state["ended_"]:
            raise ConfigurationError(f"sizes_ must be those of windows of {self.window} samples")

    def _length(self, item: Any) -> int:
        """Return how many samples a part has before its end, where NaN begins."""
        values = np.asarray(item, dtype=float)
        if values.ndim != len(self.axes):
            raise ItemError(f"array of shape {values.shape}", f"expected the axes {', '.join(self.axes)}")
        return int(ends_of(self._channels_first(values, first_axis=0)))

    def _first(self, samples: int) -> tuple[Any, ...]:
        """Return what indexes the first samples of a part."""
        index: list[Any] = [slice(None)] * len(self.axes)
        index[self._end_axis] = slice(samples)
        return tuple(index)

    def _starts(self, length: int) -> list[int]:
        n = math.ceil((length - self.window) / (OVERLAP * self.window)) + 1
        starts: list[int] = np.linspace(0, length - self.window, n).round().astype(int).tolist()
        return starts

    def _cut(self, item: Any) -> list[np.ndarray]:
        series = np.moveaxis(np.asarray(item), self._end_axis, -1)
        starts = self._starts(self._length(item))
        return [np.moveaxis(series[..., at : at + self.window], -1, self._end_axis) for at in starts]
