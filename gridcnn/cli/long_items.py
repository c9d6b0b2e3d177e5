"""Long items, such as recordings, logs and texts, by the names of files, folders and tables."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gridcnn.cli.columns import Columns
from gridcnn.cli.output import note
from gridcnn.cli.segmented import long_item
from gridcnn.errors import DataError, ItemError
from gridcnn.stored import Stored

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter

__all__ = ["LongItem", "logs_below", "long_items", "read_long"]

TEXT_FILES = frozenset({".txt", ".md", ".text"})
"""Suffixes of files in a folder that are read as texts."""

MOST_NAMED = 4
"""Files that a note names."""


class LongItem(NamedTuple):
    """An item in which something may be detected.

    Parameters
    ----------
    name : str
        What the results call it.
    file : Path
        The file that holds it.
    item : object
        What the adapter reads, or an ItemError that says why it cannot; None if it is read from the file later.
    """

    name: str
    file: Path
    item: Any = None

    @property
    def state(self) -> list[int]:
        """Size and time of the last change: what changes when a file does; empty if there is none."""
        try:
            status = self.file.stat()
        except OSError:
            return []
        return [status.st_size, status.st_mtime_ns]


def long_items(inputs: Sequence[str], adapter: Adapter, columns: Columns | None = None) -> list[LongItem]:
    """Return the long items that files and folders hold, each once, in their order; of tables, those that they list.

    Files are not read yet.

    Raises
    ------
    DataError
        If there is none, or an input does not exist.
    """
    from gridcnn.cli.named_files import refuse_text
    from gridcnn.cli.named_sets import refuse_remote
    from gridcnn.cli.sources import located, lying
    from gridcnn.datasets import list_media_files

    refuse_text(columns or Columns(), adapter)
    found: dict[str, LongItem] = {}
    for each in inputs:
        refuse_remote(each)
        place = lying(each) if adapter.reads_files else located(each)
        if isinstance(place, Stored):
            members = list_media_files(place).items if place.is_dir() else [place]
            for member in sorted(members):
                found.setdefault(str(member), LongItem(str(member), place.home(), member))
            continue
        if not place.exists():
            raise DataError(f"{each}: no such file or folder, seen from {Path.cwd()}: check the spelling.")
        if tables := _tables(place, adapter, columns):
            for one in itertools.chain.from_iterable(_listed(table, adapter, columns) for table in tables):
                found.setdefault(one.name, one)
            continue
        for file in _files_in(place, adapter) if place.is_dir() else [place]:
            found.setdefault(os.path.realpath(file), LongItem(str(file), Path(file)))
    if not found:
        raise DataError(f"there is nothing in {', '.join(inputs)} to look through.")
    return list(found.values())


def _tables(place: Path, adapter: Adapter, columns: Columns | None) -> list[Path]:
    """Return the tables that hold or list the items; none if these are files themselves."""
    from gridcnn.cli.listed import tables_of
    from gridcnn.cli.named_files import lists_logs, require_named
    from gridcnn.cli.sources import holds_rows

    if adapter.reads_files or adapter.reads_texts:
        return tables_of(place, adapter)[0] if place.is_dir() else [place] if holds_rows(place) else []
    if not place.is_file() or not holds_rows(place):
        return []
    if lists_logs(place, columns := columns or Columns()):
        return [place]
    require_named(place, None, columns.encoding)
    return []


def _listed(table: Path, adapter: Adapter, columns: Columns | None) -> Iterator[LongItem]:
    """Yield the items of a table: files under their names, what stands in it under the numbers of its rows."""
    from gridcnn.cli.listed import listed

    for number, asked in enumerate(listed(str(table), table, adapter, columns or Columns()).items(), start=1):
        file = asked.place if asked.place is not None else asked.item if adapter.reads_files else None
        if isinstance(file, str | Path) and asked.name == str(file):
            yield LongItem(str(file), Path(file))
            continue
        if isinstance(asked.item, Stored) and asked.name == str(asked.item):
            yield LongItem(asked.name, asked.item.home() or table, asked.item)
            continue
        item = str(asked.item) if isinstance(asked.item, Path) else asked.item
        yield LongItem(f"{table}, row {number}", table, item)


def _files_in(folder: Path, adapter: Adapter) -> list[Path]:
    """Return the files below a folder that may hold what the adapter reads, sorted."""
    from gridcnn.datasets import list_media_files

    if adapter.reads_files:
        return sorted(map(Path, list_media_files(folder).items))
    if not adapter.reads_texts:
        return sorted(logs_below(folder))
    return sorted(_ending_in(TEXT_FILES, folder))


def _ending_in(suffixes: Collection[str], folder: Path) -> list[Path]:
    """Return the files below a folder that end in one of these, in the order of the paths."""
    from gridcnn.datasets.media import walk

    files = [each for each in walk(folder) if each.suffix.lower() in suffixes and each.is_file()]
    if not files:
        raise DataError(f"{folder}: there is no file in it that ends in {', '.join(sorted(suffixes))}.")
    return files


def logs_below(folder: Path) -> list[Path]:
    """Return the files below a folder that may hold a log, in their order; say which are tables of events.

    Raises
    ------
    DataError
        If there is none.
    """
    from gridcnn.datasets.event_files.plain import holds_events
    from gridcnn.datasets.logs import LOG_FILES

    files = _ending_in(LOG_FILES, folder)
    events = [each for each in files if each.suffix.lower() not in {".npy", ".npz"} and holds_events(each)]
    if not events or len(events) == len(files):
        return files
    some = ", ".join(map(str, events[:MOST_NAMED])) + (", …" if len(events) > MOST_NAMED else "")
    note(f"left out, since the columns say where events begin and end, so that it is no log: {some}")
    tables = set(events)
    return [each for each in files if each not in tables]


def read_long(one: LongItem, adapter: Adapter) -> Any:
    """Return what the adapter reads: the path of a recording, the text of a file, the numbers of a series.

    What cannot be read is returned as an `ItemError` that says why.
    """
    if one.item is not None:
        return one.item
    try:
        item = long_item(one.file, adapter)
        return str(item) if adapter.reads_files else adapter.part(item)
    except ItemError as error:
        return ItemError(one.name, error.reason)
    except DataError as error:
        return ItemError(one.name, str(error).removeprefix(f"{one.file}: ").removesuffix("."))
