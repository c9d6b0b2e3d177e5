"""How a message repeats what a file says: in quotes, and not all of it if it is long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["listed", "shortened"]

LONGEST = 300
"""Characters of what a file says that a message repeats."""


def listed(names: Iterable[Any]) -> str:
    """Return names in quotes, separated by commas.

    Examples
    --------
    >>> listed(["a", 1])
    "'a', '1'"
    """
    return ", ".join(repr(str(name)) for name in names)


def shortened(text: object, longest: int = LONGEST) -> str:
    """Return a text, or its beginning if it is long.

    Examples
    --------
    >>> shortened("a" * 1000, 3)
    'aaa… (1,000 characters)'
    """
    said = str(text)
    return said if len(said) <= longest else f"{said[:longest]}… ({len(said):,} characters)"
