"""Parquet files as Hugging Face writes them: pictures and sounds as bytes in a column, classes as numbers with names.

The metadata of such a file holds JSON that says what its columns are. A file of others may hold bytes, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gridcnn.datasets.limits import require_cells
from gridcnn.datasets.media import kind_by_name, kind_by_start
from gridcnn.datasets.parquet import BATCH, opened_parquet, stated_of
from gridcnn.datasets.remote import RemoteFile
from gridcnn.datasets.temporary import temporary_folder
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Features", "features_of", "read_with_files", "rows_of", "stored_files"]

LONGEST_SUFFIX = 8  # characters
AT_ONCE = 16 * 2**20  # bytes of files that are read at a time if none is kept
LOOKED_AT = 64 * 2**20
"""Bytes written between two looks at the room on the disk."""


class Features(NamedTuple):
    """What the columns of a parquet file are.

    Parameters
    ----------
    names : tuple of str
        All columns.
    files : tuple of str
        Columns whose cells are pictures or sounds.
    binary : tuple of str
        Columns whose cells are bytes, of which nothing says what they are.
    texts : tuple of str
        Columns of texts.
    classes : dict of str to tuple of str
        The names of the classes that the numbers in a column mean.
    lists : dict of str to tuple of str
        The same for columns whose cells are lists of numbers.
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    binary: tuple[str, ...]
    texts: tuple[str, ...]
    classes: dict[str, tuple[str, ...]]
    lists: dict[str, tuple[str, ...]] = {}  # noqa: RUF012  (a NamedTuple, and never changed)


def features_of(path: Path | RemoteFile) -> Features:
    """Read what the columns of a file are, not its rows.

    Raises
    ------
    DataError
        If it is damaged.
    """
    with path.open("rb") as file, opened_parquet(file, path, None if isinstance(path, Path) else ()) as (opened, _):
        return _features(opened.schema_arrow)


def rows_of(path: Path) -> int:
    """Return how many rows a file says that it has.

    Raises
    ------
    DataError
        If it is damaged.
    """
    with path.open("rb") as file, opened_parquet(file, path) as (_, stated):
        return stated.rows


def _features(schema: Any) -> Features:
    import pyarrow as pa  # noqa: PLC0415

    said = _said(schema.metadata)
    files = [field.name for field in schema if _holds_files(field.type)]
    binary = [field.name for field in schema if _is_binary(field.type)]
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    classes, lists = {}, {}
    for field in schema:
        feature = said.get(field.name)
        if (names := _class_names(feature)) is not None:
            classes[field.name] = names
        elif (names := _class_names(_inner(feature))) is not None:
            lists[field.name] = names
    return Features(tuple(schema.names), tuple(files), tuple(binary), tuple(texts), classes, lists)


def _class_names(feature: Any) -> tuple[str, ...] | None:
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return tuple(names) if isinstance(names, list) and all(isinstance(each, str) for each in names) else None


def _inner(feature: Any) -> Any:
    """Return what the entries of a list are: of Sequence and List, or of a list of one feature."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    return feature.get("feature") if isinstance(feature, dict) else None


def _said(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    """Return what the metadata say of each column; nothing if they are none of Hugging Face, or damaged."""
    with contextlib.suppress(ValueError, RecursionError, AttributeError, KeyError, TypeError):
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return dict(features.items())
    return {}


def _holds_files(kind: Any) -> bool:
    """Whether a column holds structs of bytes and a path."""
    import pyarrow as pa  # noqa: PLC0415

    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0) and _is_binary(
        kind.field("bytes").type
    )


def _is_binary(kind: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(is_one(kind) for is_one in kinds)


def read_with_files(source: Path, column: str | None = None) -> pd.DataFrame:
    """Read a parquet file; classes are given by their names, and bytes as files, once.

    Parameters
    ----------
    source : Path
        The file.
    column : str, optional
        The column of pictures or sounds. Its bytes become files in a temporary folder that is removed when the program
        ends; other columns of bytes in structs are left out.

    Returns
    -------
    DataFrame
        Rows are numbered from 1. The number of a class that has no name makes its row malformed (`attrs`), and -1,
        which stands for no label, is None.

    Raises
    ------
    DataError
        As `gridcnn.datasets.parquet.read_parquet`; also if the bytes find no room among the temporary files.
    """
    if column is None:
        return _read(source, None)
    state = source.stat()
    return _read_once(source.absolute(), source, column, state.st_size, state.st_mtime_ns).copy()


@cache
def _read_once(_absolute: Path, source: Path, column: str, _size: int, _changed: int) -> pd.DataFrame:
    """Read a file whose bytes become files: if it is read again, they are still there."""
    return _read(source, column)


def _read(source: Path, column: str | None) -> pd.DataFrame:
    import pyarrow as pa  # noqa: PLC0415

    with source.open("rb") as file, opened_parquet(file, source) as (opened, stated):
        features = _features(opened.schema_arrow)
        names = [name for name in features.names if name == column or name not in features.files]
        require_cells(source, stated.rows * max(len(names), 1))
        at_once = max(min(stated.at_once, BATCH * stated.rows // max(stated.unpacked, 1)), 1)
        folder: _Folder | None = None
        parts, n_rows = [], 0
        for batch in opened.iter_batches(at_once, columns=names, use_threads=False):
            batch.validate(full=True)
            part = batch
            if column in names and (_holds_files(batch.column(column).type) or _is_binary(batch.column(column).type)):
                folder = folder or _Folder(source)
                paths = pa.array(folder.written(batch.column(column), n_rows + 1), pa.string())
                part = batch.set_column(names.index(column), column, paths)
            n_rows += len(batch)
            parts.append(part)
        if n_rows != stated.rows:
            raise ValueError(f"{stated.rows:,} rows are announced, and {n_rows:,} are there")
        if not n_rows:
            raise DataError(f"{source}: no rows: expected one row per item.")
        table: pd.DataFrame = pa.Table.from_batches(parts).to_pandas().set_axis(range(1, n_rows + 1))
    table.attrs["malformed"] = {}
    for name in features.classes.keys() & set(names):
        _name_classes(table, name, features.classes[name])
    for name in features.lists.keys() & set(names):
        known = dict(enumerate(features.lists[name]))
        cells: Any = [None if cell is None else [known.get(int(each), each) for each in cell] for cell in table[name]]
        table[name] = cells
    return table


def _name_classes(table: pd.DataFrame, column: str, names: tuple[str, ...]) -> None:
    cells = table[column].astype(object).tolist()
    named: list[str | None] = []
    for row, cell in zip(table.index.tolist(), cells, strict=True):
        number = int(cell) if isinstance(cell, int | float) and cell == cell and cell != -1 else None  # noqa: PLR0124
        if number is not None and not 0 <= number < len(names):
            table.attrs["malformed"][row] = f"{column} is class number {number}, and there are {len(names)} names"
            number = None
        named.append(None if number is None else names[number])
    table[column] = named


def stored_files(source: Path | RemoteFile, column: str) -> Iterator[tuple[int, str | None, bytes | None]]:
    """Yield what a parquet file holds in a column of pictures or sounds, row by row, without keeping it.

    Parameters
    ----------
    source : Path or RemoteFile
        The file.
    column : str
        One of `features_of(source).files`, or a column of bytes.

    Yields
    ------
    (int, str or None, bytes or None)
        The number of the row, from 1; a name whose suffix says what the bytes are, or the path that stands there in
        place of bytes; the bytes.

    Raises
    ------
    DataError
        If it is damaged.
    """
    row = 0
    with source.open("rb") as file, opened_parquet(file, source, ()) as (opened, stated):
        for group, n_rows in enumerate(stated.groups):
            pages = stated_of(file, source, (group,))
            at_once = max(min(pages.at_once, AT_ONCE * n_rows // max(pages.unpacked, 1)), 1)
            for batch in opened.iter_batches(at_once, row_groups=[group], columns=[column], use_threads=False):
                batch.validate(full=True)
                for cell in batch.column(0).to_pylist():
                    row += 1
                    name, content = (cell.get("path"), cell.get("bytes")) if isinstance(cell, dict) else (None, cell)
                    if content is None:
                        yield row, name, None
                    else:
                        yield (
                            (row, f"row {row}{_suffix(content[:16], name)}", content) if content else (row, None, None)
                        )
        if row != stated.rows:
            raise ValueError(f"{stated.rows:,} rows are announced, and {row:,} are there")


def _suffix(start: bytes, name: Any) -> str:
    """Return the suffix of a file that begins in this way, as its name has it if that agrees, or else none."""
    told = kind_by_start(start)
    named = kind_by_name(name) if isinstance(name, str) else None
    fits = named is not None and told in (None, named)  # or the content says what it is
    suffix = os.path.splitext(str(name))[1] if fits else ""  # noqa: PTH122
    return suffix if suffix[1:].isalnum() and len(suffix) <= LONGEST_SUFFIX else ""


class _Folder:
    """Files made of the bytes of one parquet file, in a folder that lives as long as the program."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._folder = temporary_folder(source.stem)
        self._unlooked = LOOKED_AT

    def written(self, cells: Any, first: int) -> list[str | None]:
        """Write the bytes of some rows, whose numbers begin at `first`, and return the paths; None for no bytes."""
        if _is_binary(cells.type):
            return [self._write(cell, "", row) for row, cell in enumerate(cells, start=first)]
        contents = cells.field("bytes")
        has_names = cells.type.get_field_index("path") >= 0
        names = cells.field("path").to_pylist() if has_names else [None] * len(cells)
        return [
            self._write(content, name, row) if content.is_valid and whole.is_valid else name
            for row, (whole, content, name) in enumerate(zip(cells, contents, names, strict=True), start=first)
        ]

    def _write(self, content: Any, name: str | None, row: int) -> str | None:
        if not content.is_valid:
            return None
        buffer = content.as_buffer()
        if not buffer.size:
            return None
        self._require_room(buffer.size)
        path = self._folder / f"row {row}{_suffix(buffer.slice(0, min(buffer.size, 16)).to_pybytes(), name)}"
        try:
            path.write_bytes(buffer)
        except OSError as error:
            raise DataError(f"{self._source}: cannot be unpacked to {self._folder} ({error.strerror}).") from None
        return str(path)

    def _require_room(self, size: int) -> None:
        self._unlooked += size
        if self._unlooked < LOOKED_AT:
            return
        self._unlooked = size
        if size + LOOKED_AT > (free := shutil.disk_usage(self._folder).free * 9 // 10):
            raise DataError(
                f"{self._source}: its pictures or sounds need more room among the temporary files than there is "
                f"({free / 2**30:.1f} GB): set TMPDIR to a folder where there is more."
            )
