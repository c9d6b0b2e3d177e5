"""What a value may be: constraints that parameters declare, and what is read from files is checked against."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Protocol

__all__ = [
    "Choice",
    "Constraint",
    "Each",
    "FileName",
    "Flag",
    "Named",
    "Number",
    "Optional",
    "Record",
    "Several",
    "Text",
]


MEANINGLESS = 2.0**31
"""An upper bound from here on protects memory and arithmetic, and says nothing to a person."""


class Constraint(Protocol):
    """What a value may be; its string form completes "must be …"."""

    def allows(self, value: Any) -> bool:
        """Whether the value is one of those."""


@dataclass(frozen=True)
class Number:
    """A number of one kind within bounds.

    Parameters
    ----------
    kind : {int, float}
        `int` allows whole numbers only; neither allows True and False, nor NaN or infinity.
    low, high : float
        Bounds; `low` is allowed unless `above`, `high` is not allowed unless `closed`.
    above : bool
        Whether the number must be above `low`.
    closed : bool
        Whether `high` itself is allowed.
    finite : bool
        Whether NaN and infinity are refused.
    """

    kind: type = float
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    closed: bool = False
    finite: bool = True

    def allows(self, value: Any) -> bool:
        """Whether the value is such a number."""
        if not isinstance(value, Integral if self.kind is int else Real) or _is_bool(value):
            return False
        number: Any = value  # not as a float, which has no room for a huge whole number
        if not isinstance(value, Integral) and not math.isfinite(number):
            return not self.finite
        high_enough = number > self.low if self.above else number >= self.low
        return bool(high_enough and (number <= self.high if self.closed else number < self.high))

    def __str__(self) -> str:
        what = "a whole number" if self.kind is int else "a number"
        low, high = (f"{bound:,.10g}" for bound in (self.low, self.high))
        if self.high < MEANINGLESS:
            return f"{what} in {'(' if self.above else '['}{low}, {high}{']' if self.closed else ')'}"
        if self.low > -math.inf:
            return f"{what} {'above' if self.above else 'of at least'} {low}"
        return what


@dataclass(frozen=True)
class Choice:
    """One of a few strings."""

    allowed: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return isinstance(value, str) and value in self.allowed

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.allowed))}"


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def allows(self, value: Any) -> bool:
        """Whether the value is one of the two."""
        return _is_bool(value)

    def __str__(self) -> str:
        return "True or False"


@dataclass(frozen=True)
class Several:
    """A sequence of numbers, or one number in place of a sequence of one."""

    each: Number
    fewest: int = 0
    most: int = 2**20

    def allows(self, value: Any) -> bool:
        """Whether the value is such a sequence."""
        if isinstance(value, str | bytes | Mapping):
            return False
        is_array = len(getattr(value, "shape", [])) > 0
        values = value if isinstance(value, Sequence) or is_array else [value]
        return self.fewest <= len(values) <= self.most and all(self.each.allows(each) for each in values)

    def __str__(self) -> str:
        return f"a number or a {'non-empty ' * bool(self.fewest)}tuple of numbers, each {self.each}"


@dataclass(frozen=True)
class Optional:
    """What another constraint allows, or None."""

    of: Constraint

    def allows(self, value: Any) -> bool:
        """Whether the value is None or allowed."""
        return value is None or self.of.allows(value)

    def __str__(self) -> str:
        return f"{self.of}, or None"


@dataclass(frozen=True)
class Text:
    """A string."""

    longest: int = 1_000_000

    def allows(self, value: Any) -> bool:
        """Whether the value is a string that is not too long."""
        return isinstance(value, str) and len(value) <= self.longest

    def __str__(self) -> str:
        return f"a text of at most {self.longest:,} characters"


@dataclass(frozen=True)
class FileName:
    """The name of a file, which nobody opens to see whether it is one."""

    def allows(self, value: Any) -> bool:
        """Whether the value is a string or a path."""
        return isinstance(value, str | os.PathLike)

    def __str__(self) -> str:
        return "the name of a file"


@dataclass(frozen=True)
class Each:
    """A list or tuple whose every entry another constraint allows."""

    of: Constraint
    fewest: int = 0
    most: float = math.inf

    def allows(self, value: Any) -> bool:
        """Whether the value is such a list."""
        if not isinstance(value, list | tuple):
            return False
        return self.fewest <= len(value) <= self.most and all(map(self.of.allows, value))

    def __str__(self) -> str:
        number = f"{self.fewest} or more" if self.most == math.inf else f"{self.fewest} to {self.most}"
        return f"a list of {number}, each {self.of}"


@dataclass(frozen=True)
class Named:
    """A mapping of any names to what another constraint allows."""

    of: Constraint

    def allows(self, value: Any) -> bool:
        """Whether the value is such a mapping."""
        if not isinstance(value, Mapping):
            return False
        return all(isinstance(name, str) and self.of.allows(each) for name, each in value.items())

    def __str__(self) -> str:
        return f"names, and for each {self.of}"


@dataclass(frozen=True)
class Record:
    """A mapping of known names, each with its own constraint; other names are let through.

    Parameters
    ----------
    fields : mapping of str to Constraint
        What has to be there.
    also : mapping of str to Constraint
        What may be missing.
    """

    fields: Mapping[str, Constraint] = field(default_factory=dict)
    also: Mapping[str, Constraint] = field(default_factory=dict)

    def allows(self, value: Any) -> bool:
        """Whether the value is such a mapping."""
        if not isinstance(value, Mapping) or not self.fields.keys() <= value.keys():
            return False
        return all(each.allows(value[name]) for name, each in {**self.fields, **self.also}.items() if name in value)

    def __str__(self) -> str:
        known = {**self.fields, **self.also}.items()
        return f"a mapping ({'; '.join(f'{name}: {each}' for name, each in known)})"


def _is_bool(value: Any) -> bool:
    return type(value).__name__ in {"bool", "bool_"}  # numpy's as well, without importing numpy
