"""What a search may try in place of a default: declared beside the default, and drawn by whatever searches.

A declaration splits a value into dimensions, each a number in a range or one of a few names, and puts drawn ones
together again. The default is a point of its own dimensions, so that a search can start from it exactly.

Examples
--------
>>> depth = Blocks(factor=2)
>>> list(depth.dimensions("kernels", (16, 32, 64)))
['kernels.blocks', 'kernels.first']
>>> depth.value("kernels", {"kernels.blocks": 4, "kernels.first": 24}, (16, 32, 64))
(24, 48, 96, 192)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Among", "Around", "Between", "Blocks", "Dimension", "Layers", "Search"]

MOST_BLOCKS = 6


@dataclass(frozen=True)
class Dimension:
    """One number or name that a search draws.

    Parameters
    ----------
    default : int, float or str
        What it is if nothing is changed.
    low, high : float
        Bounds of a number, both allowed.
    whole : bool
        Whether the number is a whole one.
    log : bool
        Whether equal factors, rather than equal differences, are equally likely.
    names : tuple of str
        The names to choose from; empty for a number.
    """

    default: Any
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    log: bool = False
    names: tuple[str, ...] = ()


class Search(Protocol):
    """What may be tried in place of a default."""

    def dimensions(self, name: str, default: Any) -> dict[str, Dimension]:
        """Return the dimensions of a parameter by their names, which begin with its own."""

    def value(self, name: str, drawn: Mapping[str, Any], default: Any) -> Any:
        """Return the value that drawn dimensions stand for; the default's are the default itself."""


@dataclass(frozen=True)
class Around:
    """Numbers from the default divided by a factor up to the default times it."""

    factor: float

    def dimensions(self, name: str, default: Any) -> dict[str, Dimension]:
        """Return a dimension by factors."""
        return {name: Dimension(float(default), default / self.factor, default * self.factor, log=True)}

    def value(self, name: str, drawn: Mapping[str, Any], default: Any) -> Any:
        """Return the number drawn."""
        return drawn[name]


@dataclass(frozen=True)
class Between:
    """Numbers between two bounds, and up to the default if that lies beyond."""

    low: float
    high: float
    whole: bool = False

    def dimensions(self, name: str, default: Any) -> dict[str, Dimension]:
        """Return a dimension by differences."""
        return {name: Dimension(default, min(self.low, default), max(self.high, default), whole=self.whole)}

    def value(self, name: str, drawn: Mapping[str, Any], default: Any) -> Any:
        """Return the number drawn."""
        return drawn[name]


@dataclass(frozen=True)
class Among:
    """A few values, and the default."""

    values: tuple[Any, ...]

    def dimensions(self, name: str, default: Any) -> dict[str, Dimension]:
        """Return a dimension of names."""
        return {name: Dimension(_named(default), names=tuple(self._by_name(default)))}

    def value(self, name: str, drawn: Mapping[str, Any], default: Any) -> Any:
        """Return the value of a name."""
        return self._by_name(default)[drawn[name]]

    def _by_name(self, default: Any) -> dict[str, Any]:
        return {_named(value): value for value in (*self.values, default)}


@dataclass(frozen=True)
class Blocks:
    """Fewer or more blocks, and narrower or wider ones, in the proportions of the default.

    Parameters
    ----------
    factor : float
        By which the first block may be narrower or wider.
    deeper : int
        How many blocks there may be more; each is twice as wide as the one before.
    """

    factor: float
    deeper: int = 1

    def dimensions(self, name: str, default: Any) -> dict[str, Dimension]:
        """Return the number of blocks, and the width of the first."""
        first, most = default[0], max(min(len(default) + self.deeper, MOST_BLOCKS), len(default))
        narrowest, widest = max(round(first / self.factor), 1), max(round(first * self.factor), first + 1)
        return {
            f"{name}.blocks": Dimension(len(default), 1, most, whole=True),
            f"{name}.first": Dimension(first, narrowest, widest, whole=True, log=True),
        }

    def value(self, name: str, drawn: Mapping[str, Any], default: Any) -> Any:
        """Return the width of each block."""
        share = drawn[f"{name}.first"] / default[0]
        widths = [*default, *(default[-1] * 2**more for more in range(1, self.deeper + 1))]
        return tuple(max(round(share * width), 1) for width in widths[: drawn[f"{name}.blocks"]])


@dataclass(frozen=True)
class Layers:
    """No layer or up to `most`, the first of a width between two bounds, each next half as wide."""

    most: int
    narrowest: int
    widest: int

    def dimensions(self, name: str, default: Any) -> dict[str, Dimension]:
        """Return the number of layers, and the width of the first."""
        first = default[0] if default else round((self.narrowest * self.widest) ** 0.5)
        bounds = min(self.narrowest, first), max(self.widest, first)
        return {
            f"{name}.layers": Dimension(len(default), 0, max(self.most, len(default)), whole=True),
            f"{name}.first": Dimension(first, *bounds, whole=True, log=True),
        }

    def value(self, name: str, drawn: Mapping[str, Any], default: Any) -> Any:
        """Return the width of each layer."""
        layers, first = drawn[f"{name}.layers"], drawn[f"{name}.first"]
        if default and (layers, first) == (len(default), default[0]):
            return tuple(default)
        return tuple(max(first // 2**at, 1) for at in range(layers))


def _named(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
