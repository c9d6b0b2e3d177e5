"""How much one item may have, so that no file takes all memory or all time: the one place that holds these limits.

They apply to the whole process, threads included, and live in its environment, so that every process it starts keeps
them too, however it is started. No model holds them.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from gridcnn.errors import ConfigurationError, ItemError

__all__ = ["OPTIONS", "Limits", "current", "limited", "sound_weight", "within"]

RATE = 48_000
"""Samples a second, of all channels, up to which a sound may have all the seconds of its limit."""

OPTIONS: Mapping[str, str] = {
    "pixels": "Pixels of a picture, at most.",
    "seconds": "Seconds of a sound, at most; fewer if it has more than 48,000 samples a second of all channels.",
    "characters": "Characters of a text or of a cell of a table, at most.",
}
"""What a person can limit: by `--max-NAME` on the command line, or GRIDCNN_MAX_NAME in the environment."""


@dataclass(frozen=True)
class Limits(Mapping[str, float]):
    """How much one item may have; also a mapping of these numbers by their names.

    The defaults leave an item less than 1 GB of memory, beside what the process has anyway.

    Parameters
    ----------
    pixels : int
        Of a picture. The default is that of Pillow.
    seconds : float
        Of a sound, at up to 48,000 samples a second of all channels; of more, it may have as many samples.
    characters : int
        Of a text, or of a cell of a table.
    """

    pixels: int = 89_478_485
    seconds: float = 1_800.0
    characters: int = 1_000_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, Real) and math.isfinite(value) and float(value) > 0):
                raise ConfigurationError(f"{field.name} must be a number above 0, got {value!r}")

    def __getitem__(self, name: str) -> float:
        """Return a limit by its name."""
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        limit: float = getattr(self, name)
        return limit

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        """Return how many limits there are."""
        return len(self.__dataclass_fields__)


def current() -> Limits:
    """Return the limits of this process: the defaults, or what `limited` or the environment says.

    Raises
    ------
    ConfigurationError
        If a variable of the environment holds no number above 0.
    """
    given = {name: _of_process(name) for name in OPTIONS}
    return Limits(**given)  # type: ignore[arg-type]


def _of_process(name: str) -> float:
    """Return one limit of this process: they are asked for item by item, and texts take only microseconds."""
    text = os.environ.get(_VARIABLES[name])
    if not text:
        return _DEFAULTS[name]
    try:
        value = float(text)
        return value if name == "seconds" else math.floor(value)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{_VARIABLES[name]} must be a number, got {text!r}") from None


_VARIABLES = {name: f"GRIDCNN_MAX_{name.upper()}" for name in OPTIONS}
_DEFAULTS = Limits()


@contextlib.contextmanager
def limited(**most: float | None) -> Iterator[Limits]:
    """Set limits while a block runs, in all threads and in processes that are started meanwhile.

    Parameters
    ----------
    **most : float, optional
        `pixels`, `seconds` and `characters`; None leaves a limit as it is.

    Raises
    ------
    ConfigurationError
        If one of them is not above 0, or there is no such limit.

    Examples
    --------
    >>> with limited(pixels=1_000_000) as limits:
    ...     limits["pixels"]
    1000000
    """
    if unknown := most.keys() - OPTIONS.keys():
        raise ConfigurationError(f"there is no limit on {', '.join(sorted(unknown))}: there are {', '.join(OPTIONS)}")
    given = {name: value for name, value in most.items() if value is not None}
    Limits(**given)  # type: ignore[arg-type]
    before = {_VARIABLES[name]: os.environ.get(_VARIABLES[name]) for name in given}
    os.environ.update({_VARIABLES[name]: str(value) for name, value in given.items()})
    try:
        yield current()
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


def within(
    item: Any,
    unit: str,
    amount: float,
    most: Mapping[str, float] | None = None,
    *,
    weight: float = 1.0,
    such: str = "",
) -> None:
    """Refuse an item that has more than it may.

    Parameters
    ----------
    item : object
        The item, for the message.
    unit : str
        "pixels", "seconds" or "characters".
    amount : float
        How many it has.
    most : mapping, optional
        The limits, of a service for example; None takes those of this process.
    weight : float
        How many times as much memory or time it takes as others of its size; it may only be as much smaller.
    such : str
        What makes it weigh more, for the message.

    Raises
    ------
    ItemError
        If it has more; the message names the option.

    Examples
    --------
    >>> within("a.png", "pixels", 10**9)
    Traceback (most recent call last):
    gridcnn.errors.ItemError: a.png: it has more than 89,478,485 pixels: if you trust it, allow more by --max-pixels or
    GRIDCNN_MAX_PIXELS
    """
    limit = (_of_process(unit) if most is None else most.get(unit, math.inf)) / weight
    if amount <= limit:
        return
    advice = (
        f": if you trust it, allow more by --max-{unit} or {_VARIABLES[unit]}"
        if most is None or isinstance(most, Limits)
        else ", the most that this service takes"
    )
    of_such = f" {such}" if weight > 1 and such else ""
    shown = f"{limit:,.3f}".rstrip("0").rstrip(".") if unit == "seconds" else f"{math.floor(limit):,}"
    raise ItemError(item, f"it has more than {shown} {unit}{of_such}{advice}")


def sound_weight(rate: float, channels: int) -> float:
    """Return how many times as much memory a second of sound takes as one of 48,000 samples, and 1 if it is less."""
    return max(1.0, channels * rate / RATE)
