"""Rows of a file, one for each item of the inputs: what the commands that write such files share."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from gridcnn.cli.asked import Asked, Source
from gridcnn.cli.output import note, prepare_output
from gridcnn.cli.partial import Partial
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.segments import Segment
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.cli.cautions import Cautions

__all__ = ["count", "each_item", "kept", "named", "nothing", "unfinished"]


class _Named(Protocol):
    def __len__(self) -> int: ...

    def called(self, items: list[str]) -> Self: ...

    def take(self, places: Sequence[int]) -> Self: ...


T = TypeVar("T", bound=_Named)

KEPT = 256
"""Distinct items whose answers are kept for further rows that name them."""


def unfinished(output: Path | None, read: Sequence[str | Path], *, resume: bool) -> Partial | None:
    """Return the unfinished form of a file, None if there is none; refuse to lose what is there."""
    if output is not None:
        prepare_output(output, read)
    if output is None or (output.exists() and not output.is_file()):
        if resume:
            raise ConfigurationError("--resume goes on with a file: name it with -o FILE, as before.")
        return None
    partial = Partial(output)
    if not resume:
        partial.refuse_to_lose()
    elif not partial.is_there:
        note(f"--resume: there is no {partial} to go on with, so this begins anew.")
    return partial


def kept(partial: Partial | None) -> str:
    """Say how to go on after a command was stopped."""
    return f", in {partial}; the same command with --resume goes on" if partial is not None and partial.has_rows else ""


def nothing(place: Path) -> bool:
    """Return False: no file is one that this command writes."""
    return False


def count(sources: Iterable[Source]) -> int | None:
    """Return the number of all items; None if only the end of standard input will tell."""
    counts = [source.n_items for source in sources]
    return None if None in counts else sum(count for count in counts if count is not None)


def each_item(sources: Iterable[Source], output: Path | None, cautions: Cautions) -> Iterator[Asked]:
    """Read item after item, and refuse an output that is one of the files in a folder or of those that a csv lists."""
    for source in sources:
        for each in source.items():
            if output is not None and each.name.endswith(output.name) and _are_same(output, each.name):
                raise ConfigurationError(f"{output} is one of the items to predict: give the result another name.")
            if not isinstance(each.item, ItemError):
                cautions.see(each.item)
            yield each


def _are_same(output: Path, name: str) -> bool:
    try:
        return output.samefile(name)
    except (OSError, ValueError):  # one of them is no file; a name may also be a text
        return False


def named(in_parts: Callable[[Iterator[Any]], Iterator[T]], asked: Iterator[Asked]) -> Iterator[T]:
    """Yield what is computed for some items at a time, in their order and under their names.

    A file or segment that was among the last `KEPT` distinct ones is not decoded and computed again. A run that goes on
    in the middle of such rows computes some of them once more, with the same answers up to rounding.

    Parameters
    ----------
    in_parts : callable
        From items to parts, whose `items` are replaced by the names.
    """
    waiting = deque[tuple[str, int]]()  # rows without an answer yet: their names, and the numbers of their items
    numbers: dict[Any, int] = {}  # of distinct items, in the order in which they were met
    found: dict[int, tuple[T, int]] = {}  # where the answer to an item stands
    counter = itertools.count()

    def items() -> Iterator[Any]:
        for each in asked:
            key = each.item if isinstance(each.item, os.PathLike | Stored | Segment) else None
            known = None if key is None else numbers.get(key)
            number = next(counter) if known is None else known
            waiting.append((each.name, number))
            if known is not None:
                continue
            if key is not None:
                numbers[key] = number
                if len(numbers) > KEPT:
                    del numbers[next(iter(numbers))]
            yield each.item

    def answered() -> Iterator[T]:
        while waiting and waiting[0][1] in found:
            part, _ = found[waiting[0][1]]
            names, places = [], []
            while waiting and waiting[0][1] in found and found[waiting[0][1]][0] is part:
                name, number = waiting.popleft()
                names.append(name)
                places.append(found[number][1])
            yield (part if places == list(range(len(part))) else part.take(places)).called(names)

    n_computed = 0
    for part in in_parts(items()):
        found |= {n_computed + at: (part, at) for at in range(len(part))}
        n_computed += len(part)
        yield from answered()
        needed = {*numbers.values(), *(number for _, number in waiting)}
        found = {number: found[number] for number in needed & found.keys()}
    yield from answered()
