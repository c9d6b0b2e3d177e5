"""`gridcnn cache`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gridcnn.cli.output import add_row, print_table, table
from gridcnn.display import counted

if TYPE_CHECKING:
    from gridcnn.pipeline.cache import CacheEntry


class Action(StrEnum):
    """What to do with the cache."""

    list = "list"
    clear = "clear"


def cache(
    action: Annotated[Action, typer.Argument(help="Show what it holds, or remove all of it.")] = Action.list,
) -> None:
    """List or clear the decoded items that are kept so that the next run on the same files starts at once."""
    from gridcnn.pipeline.cache import CACHE_LIMIT, clear, default_cache_folder, entries

    folder = default_cache_folder()
    if action is Action.clear:
        removed = clear(folder)
        print(f"removed {_counted(removed)}, from {folder}")
        return
    kept = entries(folder)
    if kept:
        shown = table("last used", "made by", "arrays", "size")
        for entry in kept:
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used))
            add_row(shown, used, entry.made_by, f"{entry.windows:,}", _size(entry.size))
        print_table(shown)
    print(f"{_counted(kept)} of at most {_size(CACHE_LIMIT)}, in {folder}")


def _counted(some: Sequence[CacheEntry]) -> str:
    return f"{counted(len(some), 'entry', 'entries')}, {_size(sum(entry.size for entry in some))}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.1f} MB"
