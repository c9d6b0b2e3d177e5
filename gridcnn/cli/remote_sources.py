"""INPUTs that lie in a storage: s3:// and the like."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.asking import Asked, Source, read_inputs
from gridcnn.cli.columns import Columns
from gridcnn.cli.hub_sources import column_of_bytes
from gridcnn.cli.listed import stored_files
from gridcnn.cli.rows import count
from gridcnn.cli.segmented import in_parts
from gridcnn.cli.sources import holds_rows, require_kind
from gridcnn.errors import DataError, ItemError

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets.remote import RemoteFile

__all__ = ["read_anywhere", "source_of"]

FETCHED_AT_ONCE = 16
"""Texts of a remote storage that are fetched at the same time."""


def read_anywhere(
    inputs: Sequence[str],
    adapter: Adapter,
    columns: Columns,
    without: Callable[[Path], bool],
    *,
    surrounded: bool = False,
) -> list[Source]:
    """Return all inputs as `read_inputs`, also those in a storage."""
    from gridcnn.datasets.remote import is_remote

    if not any(map(is_remote, inputs)):
        return read_inputs(inputs, adapter, columns, without, surrounded=surrounded)

    def sources(name: str) -> list[Source]:
        if not is_remote(name):
            return read_inputs([name], adapter, columns, without, surrounded=surrounded)
        return in_parts([source_of(name, adapter, columns)], columns, adapter, surrounded=surrounded)

    return list(itertools.chain.from_iterable(map(sources, inputs)))


def source_of(name: str, adapter: Adapter, columns: Columns) -> Source:
    """Return one input, checked as far as possible, but without its items.

    Raises
    ------
    DataError
        If it holds no items for this adapter, or cannot be read.
    """
    from gridcnn.datasets.remote import RemoteFile, is_remote

    if not is_remote(name):
        some = read_inputs([name], adapter, columns)
        if len(some) == 1:
            return some[0]
        return Source(name, lambda: itertools.chain.from_iterable(each.items() for each in some), count(some))
    remote = RemoteFile(name)
    if not remote.is_dir() and not remote.is_file():
        raise DataError(f"{name}: no such file or folder: check the spelling.")
    if adapter.reads_files and remote.is_dir():
        return _folder(name, remote, adapter)
    if adapter.reads_texts and remote.is_dir():
        return _documents(name, remote, columns.encoding)
    if not adapter.reads_files:
        return _copied(name, remote, adapter, columns)
    if not holds_rows(Path(name)):
        return Source(name, lambda: iter([Asked(name, remote)]))
    stored = column_of_bytes(remote, columns.path)
    return stored_files(name, remote, stored) if stored else _manifest(name, remote, columns)


def _folder(name: str, folder: RemoteFile, adapter: Adapter) -> Source:
    """Read the files below a folder that are of the kind of most of them, told by their names."""
    from gridcnn.datasets.media import kind_by_name, most_of, why_stray
    from gridcnn.datasets.remote import listed_below

    kinds = Counter(kind_by_name(file.name) for file in listed_below(folder))
    modality = most_of(kinds, name)
    require_kind(name, modality, adapter)

    def items() -> Iterator[Asked]:
        for file in listed_below(folder):
            kind = kind_by_name(file.name)
            yield Asked(file.name, file) if kind == modality else _unreadable(file.name, why_stray(kind))

    return Source(name, items, kinds.total())


def _documents(name: str, folder: RemoteFile, encoding: str | None) -> Source:
    """Read each .txt file below a folder as one text."""
    from gridcnn.datasets.encoding import decode
    from gridcnn.datasets.folder import DOCUMENTS
    from gridcnn.datasets.remote import listed_below

    def files() -> Iterator[RemoteFile]:
        return (file for file in listed_below(folder) if file.suffix.lower() in DOCUMENTS)

    def text(file: RemoteFile) -> Asked:
        try:
            return Asked(file.name, decode(file.read(), Path(file.name), encoding))
        except DataError as error:
            return _unreadable(file.name, str(error))

    def items() -> Iterator[Asked]:
        listed = files()
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as threads:
            while some := list(itertools.islice(listed, FETCHED_AT_ONCE)):
                yield from threads.map(text, some)

    n_items = sum(1 for _ in files())
    if not n_items:
        raise DataError(f"{name} is a folder without .txt files, and this model reads text: give it such files.")
    return Source(name, items, n_items)


def _manifest(name: str, place: RemoteFile, columns: Columns) -> Source:
    """Read the names of files in one column, relative to the folder of the file that lists them, or full URLs."""
    from gridcnn.datasets.cells import is_missing, require_column
    from gridcnn.datasets.remote import local_copy
    from gridcnn.datasets.streamed import StreamedTable

    column = columns.path or "path"

    def items() -> Iterator[Asked]:
        with local_copy(place) as copy:
            for part in StreamedTable(copy, columns.encoding).parts(column):
                malformed = part.attrs.get("malformed", {})
                for number, cell in zip(part.index.tolist(), part[column].tolist(), strict=True):
                    if why := malformed.get(number) or (f"no {column}" if is_missing(cell) else ""):
                        yield _unreadable(f"{place}, row {number}", why)
                    else:
                        file = place.parent / str(cell).strip()
                        yield Asked(file.name, file, number)

    with local_copy(place) as copy:
        table = StreamedTable(copy, columns.encoding)
        require_column(next(table.parts()), column, copy)
        return Source(name, items, table.n_rows)


def _copied(name: str, place: RemoteFile, adapter: Adapter, columns: Columns) -> Source:
    """Read texts or rows of numbers from a copy of their file, under the name that it has in the storage."""
    from gridcnn.datasets.remote import local_copy

    def of(copy: Path) -> Source:
        return read_inputs([str(copy)], adapter, columns)[0]

    def items() -> Iterator[Asked]:
        with local_copy(place) as copy:
            told = _told(str(copy), name)
            for asked in of(copy).items():
                yield told(asked)

    with local_copy(place) as copy:
        return Source(name, items, of(copy).n_items)


def _told(copy: str, name: str) -> Callable[[Asked], Asked]:
    """Return what gives an item of a copy the name of the file."""

    def told(asked: Asked) -> Asked:
        item: Any = asked.item
        if isinstance(item, ItemError):
            item = ItemError(str(item.item).replace(copy, name), item.reason.replace(copy, name))
        return asked._replace(name=asked.name.replace(copy, name), item=item)

    return told


def _unreadable(name: str, why: str) -> Asked:
    return Asked(name, ItemError(name, why))
