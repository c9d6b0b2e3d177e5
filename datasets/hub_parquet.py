"""Parquet files as Hugging Face writes them: pictures and sounds as bytes in a column, classes as numbers with names.

The metadata of such a file holds JSON that says what its columns are. A file of others may hold bytes, too.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from gridcnn.datasets.limits import require_cells
from gridcnn.datasets.parquet import Stated, opened_parquet
from gridcnn.datasets.remote import RemoteFile
from gridcnn.datasets.shards import START, Cell, Shard, content_of, digest_of, media_of, opened, rows_at_once
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Features", "features_of", "read_with_files", "rows_of"]


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


def rows_of(path: Path | RemoteFile) -> int:
    """Return how many rows a file says that it has.

    Raises
    ------
    DataError
        If it is damaged.
    """
    with path.open("rb") as file, opened_parquet(file, path, ()) as (_, stated):
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


def read_with_files(source: Path | RemoteFile, column: str | None = None) -> pd.DataFrame:
    """Read a parquet file; classes are given by their names, and bytes as cells that are read when they are needed.

    Parameters
    ----------
    source : Path or RemoteFile
        The file.
    column : str, optional
        The column of pictures or sounds. Its bytes are looked at, once, and become `Cell`s; other columns of bytes in
        structs are left out.

    Returns
    -------
    DataFrame
        Rows are numbered from 1. The number of a class that has no name makes its row malformed (`attrs`), and -1,
        which stands for no label, is None.

    Raises
    ------
    DataError
        As `gridcnn.datasets.parquet.read_parquet`.
    """
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    with opened(source) as file, opened_parquet(file, source) as (parquet, stated):
        features = _features(parquet.schema_arrow)
        names = [name for name in features.names if name == column or name not in features.files]
        require_cells(source, stated.rows * max(len(names), 1))
        if not stated.rows:
            raise DataError(f"{source}: no rows: expected one row per item.")
        lies = column in (*features.files, *features.binary)
        shard = Shard.of(source, column) if column is not None and lies else None
        parts, cells = [], list[Cell | str | None]()
        for batch in _batches(parquet, file, source, stated, names):
            batch.validate(full=True)
            if shard is None:
                parts.append(batch)
                continue
            cells += _cells(shard, batch.column(shard.column), len(cells) + 1)
            parts.append(batch.drop_columns([shard.column]))
        n_rows = sum(map(len, parts))
        if n_rows != stated.rows:
            raise ValueError(f"{stated.rows:,} rows are announced, and {n_rows:,} are there")
        table: pd.DataFrame = pa.Table.from_batches(parts).to_pandas()
        if shard is not None:
            table = table.reindex(range(n_rows))
            table.insert(names.index(shard.column), shard.column, pd.Series(cells, dtype=object))
        table = table.set_axis(range(1, n_rows + 1))
    table.attrs["malformed"] = {}
    for name in features.classes.keys() & set(names):
        _name_classes(table, name, features.classes[name])
    for name in features.lists.keys() & set(names):
        known = dict(enumerate(features.lists[name]))
        lists: Any = [None if cell is None else [known.get(int(each), each) for each in cell] for cell in table[name]]
        table[name] = lists
    return table


def _batches(parquet: Any, file: IO[bytes], source: object, stated: Stated, names: list[str]) -> Iterator[Any]:
    """Yield the rows of some columns, a bounded size at a time."""
    for group, n_rows in enumerate(stated.groups):
        at_once = rows_at_once(file, source, group, n_rows)
        yield from parquet.iter_batches(at_once, row_groups=[group], columns=names, use_threads=False)


def _cells(shard: Shard, column: Any, first: int) -> Iterator[Cell | str | None]:
    """Yield what stands in a column of bytes, from a row on: cells, paths in place of bytes, or None for neither."""
    for row, cell in enumerate(column.to_pylist(), start=first):
        name, content = content_of(cell)
        yield name if content is None else Cell(shard, row, digest_of(content), media_of(content[:START], name))


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
