"""Arrays whose axes the caller names: series, spectra, sensor recordings, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from gridcnn.adapters import numbers_state
from gridcnn.adapters.array_settings import learning_questions, settings_of
from gridcnn.adapters.lengths import at_mean_behind, behind_ends, ends_of, filled_up, to_length
from gridcnn.adapters.long_series import CHANNELS, LongSeries
from gridcnn.adapters.numbers import EXACT_SPREAD, SMALLEST_SPREAD, as_numbers, unusable
from gridcnn.adapters.numbers_remarks import (
    caution,
    described,
    in_columns,
    remarks_on,
    spreads_differ,
    stands_at_levels,
)
from gridcnn.adapters.numbers_trials import arrays_within, shorter_and_shorter
from gridcnn.adapters.questions import Question
from gridcnn.channels import Log
from gridcnn.display import none_can
from gridcnn.errors import DataError, ItemError
from gridcnn.grid import Axis, GridSpec
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.ordering.columns import no_data_limit
from gridcnn.parameters import Constraint, Optional, check

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ArrayAdapter"]


class ArrayAdapter(LongSeries):
    """Turns the rows of a numeric array into grids, by the names of the array's axes.

    `X` is a numpy array, a torch tensor or a DataFrame of shape `(n, …)` with one axis for each name. Series may differ
    in length: give a list of them, or NaN behind their ends, in all channels. Behind the end, a grid shows the mean.

    Parameters
    ----------
    axes : sequence of str, default ("length",)
        Names of the axes after the first, in their order. `"channels"` is the exchangeable one and may be missing; all
        others are ordered: `("length",)`, `("channels", "time")`, `("height", "width")`,
        `("channels", "height", "width")`.
    units : mapping of str to str or None, default None
        Unit of one step along an ordered axis, such as `{"time": "s"}`.
    scaling : {"channel", "both", "cell"} or None, default None
        Whether each channel or each cell is standardised by its own mean and standard deviation over the training
        items; the former keeps the shape of a curve. `"both"` has every channel twice: like `"channel"`, which keeps
        the level of an item, and standardised within the item, which shows its shape at any level. None takes `"both"`
        if the standard deviations of a channel within the training items differ tenfold (between the first and the
        last tenth of them), as those of recordings of far and near things do, `"cell"` if the cells stand at levels so
        far apart that float32 could show nothing else, and `"channel"` otherwise.

    Attributes
    ----------
    columns_ : list of str or None
        Names of the columns of a DataFrame, by which they are taken from another one in any order.
    ended_ : bool
        Whether some training series end before others do.
    centred_ : bool
        Whether `encode` subtracts `mean_`, in float64, because float32 would blur numbers so large (UTM metres, Unix
        seconds).
    limit_ : float
        Size above which a number is taken for the mark of a missing one.
    bounds_ : list of [float, float]
        Smallest and largest number of each channel in the training items.
    remarks_ : list of str
        What `remarks` says.
    sizes_ : list of int
        Size of each axis in `axes`.
    scaling_ : {"channel", "both", "cell"}
        `scaling` as it is used.
    mean_, std_ : nested list of float
        Over the training items, shape `(channels, 1, …)` or `(channels, *sizes)`.
    """

    modality: ClassVar[str] = "array"
    task: ClassVar[str] = "tabular-classification"
    fitted_attributes: ClassVar[tuple[str, ...]] = tuple(numbers_state.ARRAY_STATE)
    state_constraints: ClassVar[Mapping[str, Constraint]] = numbers_state.ARRAY_STATE
    constraints: ClassVar[Mapping[str, Constraint]] = {"scaling": Optional(numbers_state.OF_GRIDS["scaling_"])}

    sizes_: list[int]
    scaling_: str
    mean_: list[Any]
    std_: list[Any]
    columns_: list[str] | None
    centred_: bool
    limit_: float
    bounds_: list[list[float]]
    remarks_: list[str]
    ended_: bool

    def __init__(
        self, axes: Sequence[str] = ("length",), units: Mapping[str, str] | None = None, scaling: str | None = None
    ) -> None:
        self.axes = axes
        self.units = units
        self.scaling = scaling

    def check_items(self, X: Any) -> Any:  # an ndarray, which no type checker takes for a Sequence
        """Return `X` as numbers of shape `(n, …)`: float32, or float64 if float32 would blur what varies in them.

        Missing numbers (NaN, masked, or a word among numbers) stay in it as NaN, for `encode` to report. The columns of
        a DataFrame are taken by the names that the adapter was fitted to.

        Raises
        ------
        ValueError, TypeError
            In scikit-learn's words, if `X` is sparse or complex, or holds what is not a number.
        DataError
            If the number of axes is not that of `axes`, or a DataFrame has other columns than the training items.
        """
        return self._checked(X, exact=getattr(self, "centred_", None))

    def _checked(self, X: Any, exact: bool | None) -> np.ndarray:
        names = getattr(self, "columns_", None)
        if names is not None and isinstance(X, pd.DataFrame):
            if extra := sorted(str(name) for name in set(X.columns) - set(names)):
                raise DataError(f"the model was not trained on the columns {', '.join(extra[:10])}: leave them out")
            X = in_columns(X, names)
        X = self._by_name(X, axis=1)
        if self._may_end:
            X = filled_up(X, self._end_axis)
        numbers = as_numbers(X, exact=exact, known=names is not None, allow_nd=True)
        if numbers.ndim != len(self.axes) + 1:
            raise DataError(
                f"axes={tuple(self.axes)} describes X of shape (n, {', '.join(self.axes)}), but X has shape "
                f"{numbers.shape}: name each axis after the first, and call one 'channels' if it has no order"
            )
        return numbers

    def column_names(self, X: Any) -> list[str] | None:
        """Return the names of the columns of a DataFrame, if all of them are strings, or of the channels of logs."""
        one = X[0] if isinstance(X, list) and len(X) else X
        named = isinstance(X, pd.DataFrame) or (isinstance(one, Log) and self.axes[0] == CHANNELS)
        names = list(one.columns) if named and one.columns is not None else []
        return names if names and all(isinstance(name, str) for name in names) else None

    def fit(self, items: Sequence[Any], columns: Sequence[str] | None = None, ended: bool | None = None) -> Self:
        """Learn the sizes, means and standard deviations of training items, an array of shape `(n, …)`.

        Parameters
        ----------
        items : array or DataFrame of shape (n, …)
            Training items. One with a missing number is passed over.
        columns : sequence of str, optional
            Names of the columns; those of `items`, if it is a DataFrame.
        ended : bool, optional
            Whether missing numbers at the end of a series are its end; else it depends on how many there are.

        Raises
        ------
        ConfigurationError
            If `axes`, `units` or `scaling` cannot work.
        DataError
            If no item is left.
        """
        self.check_parameters()
        self.columns_ = self.column_names(items) if columns is None else list(columns)
        numbers = self._checked(items, exact=None)
        self.sizes_ = list(numbers.shape[1:])
        self.limit_ = no_data_limit(numbers)
        given = self._channels_first(numbers, first_axis=1)
        behind = behind_ends(given, ended) if self._may_end else np.zeros(given.shape, bool)
        flat = ((np.abs(given) <= self.limit_) | behind).reshape(len(given), -1)  # NaN compares false
        good = flat.all(axis=1) & ~behind.reshape(len(given), -1).all(axis=1)
        if not good.any():
            reason = unusable(numbers[0], self.limit_, self._name)
            raise DataError(f"{none_can(len(numbers), 'item')} be used; the first: {reason}")
        grids, behind = (given, behind) if good.all() else (given[good], behind[good])
        self.ended_ = bool(behind.any() if ended is None else ended)
        whole, grids = grids, at_mean_behind(grids) if self.ended_ else grids
        self.centred_ = grids.dtype == np.float64
        self.scaling_ = self.scaling or ("both" if spreads_differ(grids) else "channel")
        smallest = EXACT_SPREAD if self.centred_ else SMALLEST_SPREAD
        levels = not self.ended_ and stands_at_levels(grids, smallest)
        if self.scaling is None and levels:
            self.scaling_ = "cell"
        over = 0 if self.scaling_ == "cell" else (0, *range(2, grids.ndim))
        averaged: Any = np.nanmean if self.ended_ else np.mean
        spread: Any = np.nanstd if self.ended_ else np.std
        mean = averaged(whole, axis=over, dtype=np.float64, keepdims=True)[0]
        std = spread(whole, axis=over, dtype=np.float64, keepdims=True)[0]
        self.mean_ = mean.tolist()
        self.std_ = np.where(std > smallest * np.abs(mean), std, 1.0).tolist()
        flat = np.moveaxis(grids, 1, 0).reshape(grids.shape[1], -1)
        self.bounds_ = np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1).astype(np.float64).tolist()
        self.remarks_ = remarks_on(grids, mean, np.asarray(self.std_), levels, self.scaling_)
        return self

    @property
    def spec_(self) -> GridSpec:
        """The channels, one if no axis has that name, twice if `scaling_` is `"both"`; then the ordered axes."""
        sizes, units = dict(zip(self.axes, self.sizes_, strict=True)), self.units or {}
        channels = sizes.pop(CHANNELS, 1) * (2 if self.scaling_ == "both" else 1)
        ordered = tuple(Axis(name, size, unit=units.get(name, "")) for name, size in sizes.items())
        return GridSpec(Axis(CHANNELS, channels, ordered=False), ordered)

    def encode(self, item: Any) -> np.ndarray:
        """Return one item, shape `(…)`, as float32 of shape `(1, channels, …)`.

        Raises
        ------
        ItemError
            As `decode`.
        """
        grid = self._channels_first(self.decode(item), first_axis=0)[None]
        return (grid - np.asarray(self.mean_)).astype(np.float32) if self.centred_ else grid

    def decode(self, item: Any) -> np.ndarray:
        """Return one item, shape `(…)`, as float32, or as float64 if `centred_`.

        Raises
        ------
        ItemError
            If it has another shape than the training items, or a number is missing or stands for a missing one.
        """
        with np.errstate(over="ignore"):  # infinite, and found below
            row = np.asarray(item, dtype=np.float64 if self.centred_ else np.float32)
        if self.ended_ and row.ndim == len(self.sizes_):
            return self._as_long_as_others(row)
        if list(row.shape) != self.sizes_:
            raise ItemError(f"array of shape {row.shape}", f"expected shape {tuple(self.sizes_)}, as in training")
        if not (np.abs(row) <= self.limit_).all():
            raise ItemError(f"array of shape {row.shape}", unusable(row, self.limit_, self._name))
        return row

    def _as_long_as_others(self, series: np.ndarray) -> np.ndarray:
        """Return a series with NaN behind its end, up to the longest of training; or the first part of a longer one."""
        axis = self._end_axis
        part = to_length(series, int(ends_of(self._channels_first(series, first_axis=0))), axis)
        others = [size for at, size in enumerate(self.sizes_) if at != len(self.sizes_) + axis]
        if [size for at, size in enumerate(part.shape) if at != part.ndim + axis] != others or not part.size:
            raise ItemError(f"array of shape {series.shape}", f"expected one like {tuple(self.sizes_)}, or shorter")
        if not (np.abs(part) <= self.limit_).all():
            why = f"{unusable(part, self.limit_, self._name)}; a series may end early, but has no gap"
            raise ItemError(f"array of shape {series.shape}", why)
        return to_length(part, self.sizes_[axis], axis)

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add an input `array`, `(batch, …)` as `decode` returns items, and its standardised grids."""
        arrays = graph.input("array", np.float64 if self.centred_ else np.float32, ["batch", *self.sizes_])
        return Windows(self.add_grids(graph, arrays, frontend))

    def add_grids(self, graph: Graph, arrays: str, frontend: nn.Module) -> str:
        """Return the name of the standardised grids of arrays `(batch, …)` in a graph."""
        from gridcnn.adapters.numbers_graph import channels_first  # noqa: PLC0415  (for exports only)

        return self.add_scaled(graph, channels_first(graph, arrays, self.axes, CHANNELS), frontend)

    def add_scaled(self, graph: Graph, grids: str, frontend: nn.Module) -> str:
        """Return the name of the standardised grids of arrays with the channels first `(batch, channels, …)`."""
        from gridcnn.adapters.numbers_graph import add_standardised  # noqa: PLC0415  (for exports only)

        if self.centred_:
            grids = graph("Sub", grids, graph.constant(np.asarray(self.mean_, dtype=np.float64)))
        return add_standardised(graph, grids, frontend)

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return arrays of the training range, and one far outside."""
        channels_at = list(self.axes).index(CHANNELS) if CHANNELS in self.axes else None
        arrays = np.clip(arrays_within(self.bounds_, self.spec_.sizes, channels_at, random), -self.limit_, self.limit_)
        return list(shorter_and_shorter(arrays, self._end_axis) if self.ended_ else arrays)

    def frontend(self) -> nn.Module:
        """Return the module that standardises float32 `(batch, channels, …)`: to `(batch, *spec_.shape)`."""
        import torch  # noqa: PLC0415  (what only decodes needs none)
        from torch import nn  # noqa: PLC0415

        from gridcnn.adapters.standardise import MeanBehindEnd, Standardise, WithOwnScale  # noqa: PLC0415

        mean = torch.tensor(self.mean_)
        standardise = Standardise(torch.zeros_like(mean) if self.centred_ else mean, torch.tensor(self.std_))
        more: list[nn.Module] = [WithOwnScale()] if self.scaling_ == "both" else []
        more += [MeanBehindEnd()] if self.ended_ else []
        return nn.Sequential(standardise, *more) if more else standardise

    @property
    def noun(self) -> str:  # type: ignore[override]
        """A series has one ordered axis, an array two."""
        return "series" if len(self.spec_.axes) == 1 else "array"

    def remarks(self) -> list[str]:
        """Name numbers that look like marks of missing ones, and say what the scaling may hide."""
        return list(self.remarks_)

    def cautions(self, item: Any) -> list[str]:
        """Say whether a number lies far outside the range of the training items."""
        row = np.asarray(item, dtype=np.float64)
        if list(row.shape) == self.sizes_:
            return caution(self._channels_first(row, first_axis=0), self.bounds_)
        if not self.ended_ or row.ndim != len(self.sizes_):
            return []
        longest, more = self.sizes_[self._end_axis], row.shape[self._end_axis] > self.sizes_[self._end_axis]
        longer = f"longer than all training items: only the first {longest:,} cells are read"
        return [*caution(self._channels_first(row, first_axis=0), self.bounds_), *[longer] * more]

    def describe_grid(self) -> str:
        """Give sizes and channels, and how they are standardised."""
        return described(self.spec_, twice=self.scaling_ == "both")

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit arrays of this size."""
        return settings_of(self.spec_, n_items)

    def questions(self, n_items: int) -> list[Question]:
        """Ask whether the kernels should be learned, if there are few series: the usual answer is no."""
        return learning_questions(self.spec_, n_items)

    def check_parameters(self) -> None:
        """Check also that the axes fit each other and their units."""
        super().check_parameters()
        numbers_state.check_axes(self.axes, self.units, CHANNELS)

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check also that sizes, scales and bounds are those of the axes."""
        check(vars(self), {"axes": numbers_state.AXES, "units": numbers_state.UNITS})
        super().check_state(state)
        numbers_state.check_grids(state, self.axes, CHANNELS)

    def _name(self, cell: tuple[int, ...]) -> str:
        """Name a cell for a message."""
        if self.columns_ is not None:
            return f"column {self.columns_[cell[0]]!r}"
        return ", ".join(f"{axis} {at}" for axis, at in zip(self.axes, cell, strict=True))

    def _channels_first(self, numbers: np.ndarray, first_axis: int) -> np.ndarray:
        """Move the channel axis to `first_axis`, the first of the named axes, or make one of size 1."""
        if CHANNELS in self.axes:
            return np.moveaxis(numbers, first_axis + list(self.axes).index(CHANNELS), first_axis)
        return np.expand_dims(numbers, first_axis)
