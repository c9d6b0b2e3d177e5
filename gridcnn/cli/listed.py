"""INPUTs of `predict` that are files of rows: a column holds texts, names of files, or the bytes of these."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.asked import Asked, Source, text_name, unreadable
from gridcnn.cli.columns import Columns
from gridcnn.cli.hub_sources import column_of_bytes, hub_folder_in, told_columns
from gridcnn.cli.named_files import USUAL, require_named, suggest_path
from gridcnn.cli.segmented import long_item
from gridcnn.errors import DataError
from gridcnn.stored import Stored
from gridcnn.temporary import as_called

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets.remote import RemoteFile
    from gridcnn.datasets.streamed import StreamedTable

__all__ = ["listed", "stored_files", "tables_of"]


def tables_of(place: Path, adapter: Adapter) -> tuple[list[Path], list[Path]]:
    """Return the tables in a folder that hold items of this adapter, and those that only list the files beside them.

    Raises
    ------
    DataError
        If there are several sets in it, of which one has to be chosen.
    """
    from gridcnn.datasets.hub_folder import hub_files

    home = hub_folder_in(place)
    files = [] if home is None else hub_files(home) or []
    tables = [each.path for each in files if not each.lists_files]
    if not adapter.reads_texts:
        tables = [each for each in tables if each.suffix.lower() == ".parquet"]
    return tables, [each.path for each in files if each.lists_files]


def listed(name: str, place: Path, adapter: Adapter, columns: Columns) -> Source:
    """Read the cells of one column: sentences, or names of pictures, recordings, texts or logs."""
    from gridcnn.datasets.cells import is_missing
    from gridcnn.datasets.event_files.plain import time_columns
    from gridcnn.datasets.located import located_file
    from gridcnn.datasets.members import listed_file
    from gridcnn.datasets.streamed import StreamedTable

    if not adapter.reads_texts and (stored := column_of_bytes(place, columns.path)) is not None:
        return stored_files(name, place, stored)
    table = StreamedTable(place, columns.encoding)
    column = _column(place, table, adapter, columns)
    of_files = not adapter.reads_texts or columns.path is not None

    def asked(number: Any, cell: Any, malformed: str | None) -> Asked:
        row = as_called(f"{place}, row {number}")
        if malformed or is_missing(cell):
            return unreadable(row, malformed or f"no {column}", number)
        if not of_files:
            return Asked(text_name(str(cell), row), str(cell), number)
        try:
            file = listed_file(located_file(str(cell), place.parent, []))
            if not isinstance(file, Stored) and not os.path.isfile(file):  # noqa: PTH113
                return unreadable(row, as_called(f"no such file: {file}"), number)
            item = long_item(file, adapter, columns.encoding)
        except DataError as error:
            return unreadable(row, as_called(str(error)), number)
        return Asked(as_called(str(file)), item, number, None if adapter.reads_files else str(file))

    def items() -> Iterator[Asked]:
        for part in table.parts(column):
            malformed = part.attrs.get("malformed", {})
            for number, cell in zip(part.index.tolist(), part[column].tolist(), strict=True):
                yield asked(number, cell, malformed.get(number))

    return Source(name, items, table.n_rows, place, time_columns(table.columns))


def _column(place: Path, table: StreamedTable, adapter: Adapter, columns: Columns) -> str:
    """Return the column of items: the named one, the usual one, or the one that the file says it is.

    Raises
    ------
    ConfigurationError
        If another column lists files.
    DataError
        If the file has no such column.
    """
    from gridcnn.datasets.cells import require_column

    of_texts = adapter.reads_texts and columns.path is None
    named, usual = (columns.text, ("text",)) if of_texts else (columns.path, USUAL)
    path, text, _ = told_columns(place, None)
    told = text if of_texts else path
    if named is not None and of_texts:
        suggest_path(place, named, columns.encoding)
    column = named or next((each for each in (*usual, told) if each in table.columns), None)
    if not of_texts:
        require_named(place, column, columns.encoding)
    column = column or usual[0]
    require_column(next(table.parts()), column, place)
    return column


def stored_files(name: str, place: Path | RemoteFile, column: str) -> Source:
    """Read the pictures or sounds that a parquet file holds in a column, each when it is needed."""
    from gridcnn.datasets.hub_parquet import rows_of
    from gridcnn.datasets.shards import Cell, Shard

    shard, n_rows = Shard.of(place, column), rows_of(place)

    def items() -> Iterator[Asked]:
        for row in range(1, n_rows + 1):
            cell = Cell(shard, row)
            yield Asked(str(cell), cell, row)

    return Source(name, items, n_rows, place if isinstance(place, Path) else None)
