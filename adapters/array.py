"""Arrays whose axes the caller names: series, spectra, sensor recordings, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils import check_array
from torch import nn

from gridcnn.adapters.base import Adapter
from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.standardise import Standardise, WithOwnScale
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.grid import Axis, GridSpec
from gridcnn.parameters import Choice, Constraint, Optional

__all__ = ["ArrayAdapter"]

CHANNELS = "channels"
SMALLEST_SPREAD = 1e-6  # a standard deviation below this share of the mean is rounding, not variation

SETTINGS: dict[str, Any] = {
    "convs_per_block": 1,
    "pool": "max",
    "pool_size": 2,
    "dense": (),
    "dropout": 0.2,
    "batch_norm": True,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "weight_decay": 1e-2,
    "augment": {},
}
ONE_AXIS: dict[str, Any] = {
    "kernels": (32, 64, 128, 128, 128),
    "kernel_sizes": (7,),
    "head": "global_average",  # what a curve does may happen anywhere in it
    "label_smoothing": 0.05,
}
TWO_AXES: dict[str, Any] = {
    "kernels": (16, 32, 64),
    "kernel_sizes": (3,),
    "head": "flatten",
    "label_smoothing": 0.0,
}
WIDE_RANGE = 10  # ratio of the spreads within items, from which on each is also shown by its own scale
EPOCH_ITEMS = 10_000  # arrays seen in training, between the bounds: small sets need more passes
FEWEST_EPOCHS_ONE_AXIS, FEWEST_EPOCHS_TWO_AXES, MOST_EPOCHS = 20, 30, 200


class ArrayAdapter(Adapter):
    """Turns the rows of a numeric array into grids, by the names of the array's axes.

    `X` is a numpy array, a torch tensor or a DataFrame of shape `(n, …)` with one axis for each name.

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
        last tenth of them), as those of recordings of far and near things do, and `"channel"` otherwise.

    Attributes
    ----------
    sizes_ : list of int
        Size of each axis in `axes`.
    scaling_ : {"channel", "both", "cell"}
        `scaling` as it is used.
    mean_, std_ : nested list of float
        Over the training items, shape `(channels, 1, …)` or `(channels, *sizes)`.
    """

    modality: ClassVar[str] = "array"
    fitted_attributes: ClassVar[tuple[str, ...]] = ("sizes_", "scaling_", "mean_", "std_")

    constraints: ClassVar[Mapping[str, Constraint]] = {"scaling": Optional(Choice(("channel", "both", "cell")))}

    sizes_: list[int]
    scaling_: str
    mean_: list[Any]
    std_: list[Any]

    def __init__(
        self, axes: Sequence[str] = ("length",), units: Mapping[str, str] | None = None, scaling: str | None = None
    ) -> None:
        self.axes = axes
        self.units = units
        self.scaling = scaling

    def check_items(self, X: Any) -> Any:  # an ndarray, which no type checker takes for a Sequence
        """Return `X` as finite float32 numbers of shape `(n, …)`.

        Raises
        ------
        ValueError, TypeError
            In scikit-learn's words, if `X` is sparse or complex, or holds NaN, infinity or what is not a number.
        DataError
            If the number of axes is not that of `axes`.
        """
        if isinstance(X, torch.Tensor):
            X = X.detach().cpu().numpy()
        numbers: np.ndarray = check_array(X, dtype=np.float32, allow_nd=True, ensure_all_finite=True, input_name="X")
        if numbers.ndim != len(self.axes) + 1:
            raise DataError(
                f"axes={tuple(self.axes)} describes X of shape (n, {', '.join(self.axes)}), but X has shape "
                f"{numbers.shape}: name each axis after the first, and call one 'channels' if it has no order"
            )
        return numbers

    def fit(self, items: Sequence[Any]) -> Self:
        """Learn the sizes, means and standard deviations of training items, an array of shape `(n, …)`.

        Raises
        ------
        ConfigurationError
            If `axes`, `units` or `scaling` cannot work.
        """
        self.check_parameters()
        numbers = self.check_items(np.asarray(items))
        self.sizes_ = list(numbers.shape[1:])
        grids = self._channels_first(numbers, first_axis=1)
        self.scaling_ = self.scaling or ("both" if _spreads_differ(grids) else "channel")
        over = 0 if self.scaling_ == "cell" else (0, *range(2, grids.ndim))
        mean = grids.mean(axis=over, dtype=np.float64, keepdims=True)[0]
        std = grids.std(axis=over, dtype=np.float64, keepdims=True)[0]
        self.mean_ = mean.tolist()
        self.std_ = np.where(std > SMALLEST_SPREAD * np.abs(mean), std, 1.0).tolist()
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
            If it has another shape than the training items.
        """
        row = np.asarray(item, dtype=np.float32)
        if list(row.shape) != self.sizes_:
            raise ItemError(f"array of shape {row.shape}", f"expected shape {tuple(self.sizes_)}, as in training")
        return self._channels_first(row, first_axis=0)[None]

    def frontend(self) -> nn.Module:
        """Return the module that standardises float32 `(batch, channels, …)`: to `(batch, *spec_.shape)`."""
        standardise = Standardise(torch.tensor(self.mean_), torch.tensor(self.std_))
        return nn.Sequential(standardise, WithOwnScale()) if self.scaling_ == "both" else standardise

    @property
    def noun(self) -> str:  # type: ignore[override]
        """A series has one ordered axis, an array two."""
        return "series" if len(self.spec_.axes) == 1 else "array"

    def describe_grid(self) -> str:
        """Give sizes and channels, and how they are standardised."""
        grid, several = self.spec_, self.spec_.channels.size // (2 if self.scaling_ == "both" else 1)
        flat = len(grid.axes) == 1
        channels = f" of {several} channels" if several > 1 else ""
        drawn = " in a row" if flat else ", drawn as the mean of the channels" if several > 1 else ""
        about = f"{' × '.join(map(str, grid.sizes))} cells{channels}{drawn}, standardised."
        if self.scaling_ != "both":
            return about
        which, its = ("each channel", "its") if several > 1 else ("them", "their")
        return (
            f"{about} The network sees {which} twice: by the mean and spread of the training items, which keeps the "
            f"level, and by {its} own, which shows the shape at any level{' (dashed)' if flat else ''}."
        )

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit arrays of this size."""
        sizes = self.spec_.sizes
        shape, fewest = (ONE_AXIS, FEWEST_EPOCHS_ONE_AXIS) if len(sizes) == 1 else (TWO_AXES, FEWEST_EPOCHS_TWO_AXES)
        blocks = block_count(min(sizes), len(shape["kernels"]))
        epochs = epoch_count(EPOCH_ITEMS, n_items, fewest, MOST_EPOCHS)
        return {**SETTINGS, **shape, "kernels": shape["kernels"][:blocks], "epochs": epochs}

    def check_parameters(self) -> None:
        """Check also that the axes fit each other and their units."""
        super().check_parameters()
        ordered = [name for name in self.axes if name != CHANNELS]
        if isinstance(self.axes, str) or not 1 <= len(ordered) <= 2 or len(set(self.axes)) < len(self.axes):
            raise ConfigurationError(
                f"axes must name one or two ordered axes, and 'channels' at most once, such as ('length',) or "
                f"('channels', 'height', 'width'); got {self.axes!r}"
            )
        if unknown := sorted(set(self.units or {}) - set(ordered)):
            raise ConfigurationError(f"units names {', '.join(unknown)}, but the ordered axes are {', '.join(ordered)}")

    def _channels_first(self, numbers: np.ndarray, first_axis: int) -> np.ndarray:
        """Move the channel axis to `first_axis`, the first of the named axes, or make one of size 1."""
        if CHANNELS in self.axes:
            return np.moveaxis(numbers, first_axis + list(self.axes).index(CHANNELS), first_axis)
        return np.expand_dims(numbers, first_axis)


def _spreads_differ(grids: np.ndarray) -> bool:
    """Return whether some channel of items `(n, channels, …)` varies far more in some than in others."""
    spreads = grids.std(axis=tuple(range(2, grids.ndim)), dtype=np.float64)  # (n, channels)
    for channel in spreads.T:
        varying = channel[channel > SMALLEST_SPREAD * channel.max()]
        if len(varying) and np.quantile(varying, 0.9) >= WIDE_RANGE * np.quantile(varying, 0.1):
            return True
    return False
