"""What of the inputs an earlier run has answered, and whether the inputs still begin with it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gridcnn.errors import ConfigurationError

__all__ = ["Beginning", "Passed"]

AT_ONCE = 2048
"""Items that are passed over between two looks at their names."""


class Beginning(NamedTuple):
    """The items of an input that are answered already.

    Parameters
    ----------
    name : str
        Of the input.
    n_items : int
        How many, from the first one on.
    digest : str
        Of their names.
    """

    name: str
    n_items: int
    digest: str

    def pass_over(self, items: Iterator[tuple[str, Any]]) -> None:
        """Take these items from an input.

        Raises
        ------
        ConfigurationError
            If they are others: the input was changed.
        """
        names, left = _Names(), self.n_items
        while some := [name for name, _ in itertools.islice(items, min(left, AT_ONCE))]:
            names.add(some)
            left -= len(some)
        if self.n_items and names.digest != self.digest:
            raise ConfigurationError(
                f"{self.name} has changed: its first {self.n_items:,} items are not those that the earlier run has "
                "answered. Remove what that has written to begin anew."
            )


class Passed:
    """Names of items that are answered, told apart by inputs.

    Parameters
    ----------
    inputs : sequence of (str, int)
        The name of each input, and how many items it has.
    """

    def __init__(self, inputs: Sequence[tuple[str, int]]) -> None:
        self._inputs = list(inputs)
        self._names = [_Names() for _ in inputs]
        self._input = 0

    def see(self, names: list[str]) -> None:
        """Add the names of the next items; those that no input has left count for the last one."""
        at = 0
        while at < len(names):
            here = self._names[self._input]
            left = self._inputs[self._input][1] - here.n_names
            if left <= 0 and self._input < len(self._names) - 1:
                self._input += 1
                continue
            some = names[at : at + left] if left > 0 else names[at:]
            here.add(some)
            at += len(some)

    @property
    def beginnings(self) -> tuple[Beginning, ...]:
        """What is answered of each input."""
        pairs = zip(self._inputs, self._names, strict=True)
        return tuple(Beginning(name, names.n_names, names.digest) for (name, _), names in pairs)


class _Names:
    """A digest of names, as UTF-8 and so rows of a table have them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.n_names = 0

    def add(self, names: Sequence[str]) -> None:
        """Add names."""
        self._hash.update("".join(f"{name}\0" for name in names).encode("utf-8", "backslashreplace"))
        self.n_names += len(names)

    @property
    def digest(self) -> str:
        """Of all names so far."""
        return self._hash.hexdigest()
