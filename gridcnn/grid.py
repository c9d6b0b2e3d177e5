"""What a grid is: the names, sizes and units of its axes, and which of them are ordered.

A **grid** is an array with one or two *ordered* axes, along which neighbours are related (height, width, time,
frequency, token position), and one *channel* axis, whose entries may be shuffled without losing anything (colours,
sensors, embedding dimensions). Its shape is `(channels, length)` or `(channels, height, width)`.

A kernel slides along ordered axes and spans all channels. That is the whole reason for the distinction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.errors import ConfigurationError

__all__ = ["Axis", "Coordinates", "GridSpec"]

COUNTABLE = {"channel", "column", "position", "sensor", "token"}
"""Names of axes that name their cells; those of others name what is measured along them."""


@dataclass(frozen=True)
class Axis:
    """One axis of a grid.

    Parameters
    ----------
    name : str
        What the axis measures: `"height"`, `"time"`, `"token"`, `"colour"`.
    size : int
        Number of cells along it, at least 1.
    unit : str, default ""
        Unit of one step: `"pixel"`, `"s"`, `"Hz"`; empty where there is none.
    step : float, default 1.0
        How much of `unit` lies between two cells.
    ordered : bool, default True
        Whether neighbouring cells are related.
    upwards : bool, default False
        Whether a picture of the grid shows the first cell at the bottom, as it does the lowest frequency.

    Raises
    ------
    ConfigurationError
        If `name` is empty, `size` is below 1 or `step` is not positive.
    """

    name: str
    size: int
    unit: str = ""
    step: float = 1.0
    ordered: bool = True
    upwards: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigurationError("an axis needs a name, such as 'time' or 'height'")
        if self.size < 1:
            raise ConfigurationError(f"axis {self.name!r} has size {self.size}; an axis needs at least 1 cell")
        if not self.step > 0:
            raise ConfigurationError(f"axis {self.name!r} has step {self.step}; a step must be above 0")


@dataclass(frozen=True)
class GridSpec:
    """The shape of a grid in words: a channel axis, then one or two ordered axes.

    Parameters
    ----------
    channels : Axis
        The exchangeable axis.
    axes : tuple of Axis
        One or two ordered axes, in the order of the array.

    Raises
    ------
    ConfigurationError
        If `channels` is ordered, an axis is not, there are none or more than two, or two share a name.

    Examples
    --------
    >>> spec = GridSpec.of("colour", 3, height=32, width=32)
    >>> spec.shape
    (3, 32, 32)
    >>> print(spec)
    3 colour × 32 height × 32 width
    """

    channels: Axis
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if self.channels.ordered:
            raise ConfigurationError(
                f"axis {self.channels.name!r} is ordered, so it cannot be the channel axis: give it as one of the axes"
            )
        if not 1 <= len(self.axes) <= 2:
            raise ConfigurationError(f"a grid has one or two ordered axes, this one has {len(self.axes)}")
        for axis in self.axes:
            if not axis.ordered:
                raise ConfigurationError(
                    f"axis {axis.name!r} is exchangeable: make it channels, a kernel cannot slide along it"
                )
        names = [self.channels.name, *(axis.name for axis in self.axes)]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"the axes of a grid need different names, got {', '.join(names)}")

    @classmethod
    def of(cls, channel_name: str, channel_count: int, **sizes: int) -> GridSpec:
        """Build a spec without units: `GridSpec.of("colour", 3, height=32, width=32)`."""
        channels = Axis(channel_name, channel_count, ordered=False)
        return cls(channels, tuple(Axis(name, size) for name, size in sizes.items()))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one grid, `(channels, length)` or `(channels, height, width)`."""
        return (self.channels.size, *self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of the ordered axes."""
        return tuple(axis.size for axis in self.axes)

    def axis_index(self, name: str) -> int:
        """Position of an ordered axis among the ordered axes; ConfigurationError if there is none of that name."""
        names = [axis.name for axis in self.axes]
        if name not in names:
            raise ConfigurationError(f"this grid has no ordered axis {name!r}; it has {', '.join(names)}")
        return names.index(name)

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON-ready values; `from_dict` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GridSpec:
        """Rebuild a spec from what `to_dict` returned."""
        return cls(Axis(**values["channels"]), tuple(Axis(**axis) for axis in values["axes"]))

    def __str__(self) -> str:
        return " × ".join(_counted(axis.size, axis.name) for axis in (self.channels, *self.axes))


def _counted(size: int, name: str) -> str:
    """Return a size with the name of its axis; what can be counted is in the plural, or in the singular for one.

    >>> _counted(1, "channels"), _counted(99, "column"), _counted(20, "height")
    ('1 channel', '99 columns', '20 height')
    """
    one = name.removesuffix("s")
    if one not in COUNTABLE:
        return f"{size} {name}"
    return f"{size} {one if size == 1 else f'{one}s'}"


@dataclass(frozen=True)
class Coordinates:
    """What the cells of one ordered axis mean: hertz, seconds, pixels, words.

    Parameters
    ----------
    name : str
        Name of the axis: `"height"`, `"frequency"`, `"time"`, `"token"`.
    unit : str
        `"pixel"`, `"Hz"`, `"s"`, or what the caller of an ArrayAdapter named; empty for tokens.
    low, centre, high : ndarray of shape (size,)
        Where each cell begins, has its middle and ends, in `unit`. Seconds count from the beginning of the recording.
    words : tuple of str
        The symbol of each cell where cells have one (tokens of a text), `""` where the grid is padded; otherwise empty.
    known : tuple of bool
        Whether the model knows the symbol of each cell; empty where `words` is.
    """

    name: str
    unit: str
    low: np.ndarray
    centre: np.ndarray
    high: np.ndarray
    words: tuple[str, ...] = ()
    known: tuple[bool, ...] = ()

    @classmethod
    def of(cls, axis: Axis) -> Coordinates:
        """Return the coordinates of an axis by its step alone; a cell counted in pixels has a width."""
        low = np.arange(axis.size) * axis.step
        if axis.unit == "pixel":
            return cls(axis.name, axis.unit, low, low + 0.5, low + 1)
        return cls(axis.name, axis.unit, low, low, low)  # a sampled axis: a cell is a point

    def between(self, cells: slice) -> str:
        """Say where a stretch of cells lies: `"420–880 Hz"`, `"height 3–7"`, `"not bad at all"`."""
        if self.words:
            return " ".join(word or "·" for word in self.words[cells])
        low, high = float(self.low[cells][0]), float(self.high[cells][-1])
        if self.unit == "pixel":  # whole cells, the last one included
            return f"{self.name} {low:.0f}–{high - 1:.0f}"
        if self.unit == "Hz":
            return f"{low:.0f}–{high:.0f} Hz"
        if self.unit == "s":
            return f"{low:.2f}–{high:.2f} s"
        return f"{self.name} {low:g}–{high:g} {self.unit}".rstrip()
