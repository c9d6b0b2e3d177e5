"""Rows of a file, one for each item of the inputs: what the commands that write such files share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from gridcnn.cli.asked import Asked, Source
from gridcnn.cli.output import prepare_output
from gridcnn.cli.partial import Partial
from gridcnn.errors import ConfigurationError, ItemError

if TYPE_CHECKING:
    from gridcnn.cli.cautions import Cautions

__all__ = ["count", "each_item", "kept", "named", "nothing", "unfinished"]


class _Named(Protocol):
    def __len__(self) -> int: ...

    def called(self, items: list[str]) -> Self: ...


T = TypeVar("T", bound=_Named)


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
    """Yield what is computed for some hundred items at a time, in their order and under their names.

    Parameters
    ----------
    in_parts : callable
        From items to parts, whose `items` are replaced by the names.
    """
    names = deque[str]()  # of the items that are read and not answered yet

    def items() -> Iterator[Any]:
        for each in asked:
            names.append(each.name)
            yield each.item

    for part in in_parts(items()):
        yield part.called([names.popleft() for _ in range(len(part))])
