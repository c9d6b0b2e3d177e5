"""Series of any length: the windows that slide over a log, and its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gridcnn.adapters import by_name
from gridcnn.adapters.base import Adapter
from gridcnn.adapters.long_items import around, stretch, window_for
from gridcnn.adapters.windows import slid
from gridcnn.channels import Log
from gridcnn.errors import ItemError

__all__ = ["CHANNELS", "LongSeries"]

CHANNELS = "channels"
"""The axis that has no order."""


class LongSeries(Adapter):
    """The part of `ArrayAdapter` that is about logs, whose samples stand one after another."""

    axes: Sequence[str]

    sizes_: list[int]

    @property
    def reads_logs(self) -> bool:  # type: ignore[override]
        """Of one ordered axis, not of two."""
        return self._may_end

    def length_of(self, item: Any) -> float:
        """Return the number of samples of a log `(samples,)` or `(channels, samples)`."""
        return float(np.shape(item)[-1])

    def part(self, item: Any, start: float = 0, end: float | None = None, *, surrounded: bool = False) -> np.ndarray:
        """Return samples of a log `(samples,)` or `(channels, samples)`, with the axes of items."""
        first, behind = stretch(np.shape(item)[-1], start, end, "samples")
        if surrounded:
            first, behind = around(np.shape(item)[-1], first, behind, self.sizes_[self._end_axis])
        series: np.ndarray = np.atleast_2d(self._by_name(item))[:, first:behind]
        if CHANNELS not in self.axes:
            if len(series) > 1:
                raise ItemError("a log", f"it has {len(series)} channels, and the model reads one")
            return np.asarray(series[0])
        known = getattr(self, "sizes_", None)
        if known is not None and len(series) != (expected := known[list(self.axes).index(CHANNELS)]):
            raise ItemError("a log", f"it has {len(series)} channels, and the model reads {expected}")
        return series if self._end_axis == -1 else series.T

    def slide(self, item: Any, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield places (samples) and windows of one series of any length, step by step; see `Adapter.slide`."""
        item, length = np.asarray(self._by_name(item)), self.sizes_[self._end_axis]
        series = np.moveaxis(item, self._end_axis, 0)
        for starts in slid(len(series), length, step):
            cut = (np.moveaxis(series[at : at + length], 0, self._end_axis) for at in starts)
            yield starts.astype(float), np.concatenate([self.encode(each) for each in cut])

    def counted(self, item: Any, places: np.ndarray, *, ends: bool = False) -> np.ndarray:
        """Return the samples nearest to places, as whole numbers."""
        return np.asarray(np.floor(places + 0.5))

    def located(self, lengths: Sequence[float], gaps: Sequence[float] = ()) -> tuple[Adapter, int]:
        """Return a `LogAdapter` whose windows are no longer than most of the parts, and of the gaps between them."""
        window = window_for(lengths, gaps)
        kind: Any = by_name("LogAdapter")  # by its name, since it is a LongSeries itself
        return kind(**{**self.get_params(), "window": window}), window

    def _by_name(self, item: Any, axis: int = 0) -> Any:
        """Return a log with the channels in the order of training, if both have names; ItemError if it has others."""
        known = getattr(self, "columns_", None)
        if known is None or not isinstance(item, Log):
            return item
        ordered = item.ordered(known, axis)
        if ordered is None:
            here = ", ".join(item.columns or ())
            raise ItemError("a log", f"its columns are {here}, and the model reads {', '.join(known)}")
        return ordered

    @property
    def _may_end(self) -> bool:
        """Whether items are series, which may end before others do."""
        return len(self.axes) - (CHANNELS in self.axes) == 1

    @property
    def _end_axis(self) -> int:
        """The axis of an item along which a series ends, counted from the last."""
        return -1 if self.axes[-1] != CHANNELS else -2
