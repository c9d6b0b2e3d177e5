"""One item of the inputs of a command, and one input: what the modules that read inputs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gridcnn.errors import ItemError
from gridcnn.segments import Segment

__all__ = ["Asked", "Source", "text_name", "unreadable"]


class Asked(NamedTuple):
    """One item of the inputs.

    Parameters
    ----------
    name : str
        What the answers call it: its path, its text if that is short, or its file and row, as a spreadsheet counts.
    item : object
        The raw item, as `Adapter.check_items` returns it; an `ItemError` if it is known to be unreadable already.
    row : int or None
        Its row in the file that lists it, as a spreadsheet counts; None where there is no such file.
    place : Segment, str or None
        The part of a file or text that it is, or the file that was read for it; None if the item itself says so.
    """

    name: str
    item: Any
    row: int | None = None
    place: Segment | str | None = None


class Source(NamedTuple):
    """One input.

    Parameters
    ----------
    name : str
        As it was given.
    items : callable
        Reads its items, in their order.
    n_items : int or None
        How many it has; None if only the end of standard input will tell.
    listed_in : Path or None
        The file whose content says which items there are.
    times : tuple of str, optional
        Columns of it that seem to say where parts of the items begin and end.
    """

    name: str
    items: Callable[[], Iterator[Asked]]
    n_items: int | None = 1
    listed_in: Path | None = None
    times: tuple[str, str] | None = None


LONGEST_NAME = 500
"""Characters of a text that answers call by itself; a longer one by its file, with the line or row if it has others."""


def text_name(text: str, where: str) -> str:
    """Return what answers call a text that stands somewhere.

    Examples
    --------
    >>> text_name("Good.", "a.txt, line 2"), text_name("Good. " * 100, "a.txt, line 3")
    ('Good.', 'a.txt, line 3')
    """
    return text if len(text) <= LONGEST_NAME else where


def unreadable(name: str, why: object, row: int | None = None) -> Asked:
    """Return an item that is known to be unreadable; reasons have no full stop, since a sentence may go on."""
    return Asked(name, ItemError(name, str(why).removesuffix(".")), row)
