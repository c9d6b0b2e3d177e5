"""How rows of answers are written: csv, jsonl, parquet."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

from gridcnn.errors import ConfigurationError

__all__ = ["Column", "Format", "FormatName", "format_of"]

ROWS_OF_A_GROUP = 2**16
BYTES_OF_A_GROUP = 2**26
"""A row group of a parquet file has no more rows, and ends once it has so many bytes in memory."""


class FormatName(StrEnum):
    """The formats, by the names of their options and suffixes."""

    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


class Column(NamedTuple):
    """A named column.

    Parameters
    ----------
    name : str
        Its name.
    kind : type
        Of its values: str, int, float, bool, list for lists of str, or tuple for vectors of `size` numbers, float32.
        None among them stands for no value.
    size: int
        Of a vector.
    """

    name: str
    kind: type
    size: int = 0


class Format(ABC):
    """A way to write rows, one part after another, so that a file that ends behind any part can be gone on with.

    Parameters
    ----------
    columns : sequence of Column
        What a row has.
    about : mapping of str to str
        What the file says of itself; only parquet has a place for it.
    """

    name: ClassVar[FormatName]
    is_text: ClassVar[bool] = True
    """Whether the unfinished file is the finished one already; otherwise `convert` makes that."""

    def __init__(self, columns: Sequence[Column], about: Mapping[str, str] | None = None) -> None:
        self.columns = columns
        self.about = dict(about or {})

    @abstractmethod
    def head(self) -> bytes:
        """Return what stands before the first row."""

    @abstractmethod
    def rows(self, values: Sequence[Sequence[Any]]) -> bytes:
        """Return some rows, given as one sequence of values for each column."""

    def convert(self, unfinished: Path, file: IO[bytes]) -> None:
        """Write the finished file, in memory that does not grow with it."""
        raise NotImplementedError


class Csv(Format):
    """Comma-separated values under a header; no value is an empty cell, and a list a line with semicolons.

    A vector has a column for each of its numbers.
    """

    name = FormatName.csv

    def head(self) -> bytes:
        """Return the names of the columns."""
        names = [name for column in self.columns for name in _names(column)]
        return _encoded(f"{','.join(map(_cell, names))}\n")

    def rows(self, values: Sequence[Sequence[Any]]) -> bytes:
        """Return a line for each row."""
        cells = [_cells(each, column) for each, column in zip(values, self.columns, strict=True)]
        return _encoded("".join(f"{','.join(row)}\n" for row in zip(*cells, strict=True)))


def _names(column: Column) -> list[str]:
    return [f"{column.name}_{at}" for at in range(column.size)] if column.kind is tuple else [column.name]


def _cells(values: Sequence[Any], column: Column) -> list[str]:
    kind = column.kind
    if kind is tuple:
        nothing = "," * (column.size - 1)
        return [nothing if value is None else ",".join(_numbers(value)) for value in values]
    if kind is float:
        return ["" if value is None else f"{value:.6g}" for value in values]
    if kind is list:
        lines = (None if value is None else ";".join(_cell(each, ";") for each in value) for value in values)
        return ["" if line is None else _cell(line) for line in lines]
    return ["" if value is None else _cell(str(value)) for value in values]


def _numbers(vector: Any) -> list[str]:
    return [f"{number:.9g}" for number in vector.tolist()]  # as many digits as a 32-bit float has


_SPECIAL = re.compile('["\r\n]')  # Python's own writer leaves a lone carriage return without quotes


def _cell(text: str, separator: str = ",") -> str:
    return '"' + text.replace('"', '""') + '"' if separator in text or _SPECIAL.search(text) else text


class JsonLines(Format):
    """One JSON object on each line; no value is null."""

    name = FormatName.jsonl

    def head(self) -> bytes:
        """Return nothing: each row has the names."""
        return b""

    def rows(self, values: Sequence[Sequence[Any]]) -> bytes:
        """Return a line for each row."""
        keys = [f"{_json(column.name)}: " for column in self.columns]
        cells = [_json_cells(each, column.kind) for each, column in zip(values, self.columns, strict=True)]
        lines = (", ".join(map("".join, zip(keys, row, strict=True))) for row in zip(*cells, strict=True))
        return _encoded("".join(f"{{{line}}}\n" for line in lines))


def _json_cells(values: Sequence[Any], kind: type) -> list[str]:
    if kind is float:
        return ["null" if value is None else f"{value:.6g}" for value in values]
    if kind is tuple:
        return ["null" if value is None else f"[{', '.join(_numbers(value))}]" for value in values]
    return [_json(value) for value in values]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _encoded(text: str) -> bytes:
    r"""Return text in UTF-8; what that has no form for, such as half an emoji, as \ud83d, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace")


class Parquet(Format):
    """Apache Parquet in row groups; probabilities are exact.

    A parquet file ends with a table of its row groups, so that an unfinished one cannot be read. The unfinished file is
    an Arrow IPC stream instead, which consists of parts that are complete one by one.
    """

    name = FormatName.parquet
    is_text = False

    def __init__(self, columns: Sequence[Column], about: Mapping[str, str] | None = None) -> None:
        import pyarrow as pa

        super().__init__(columns, about)
        types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), list: pa.list_(pa.string())}
        kinds = [
            pa.list_(pa.float32(), column.size) if column.kind is tuple else types[column.kind] for column in columns
        ]
        names = [column.name for column in columns]
        self.schema = pa.schema(zip(names, kinds, strict=True), metadata=self.about or None)

    def head(self) -> bytes:
        """Return the schema as Arrow writes it."""
        head: bytes = self.schema.serialize().to_pybytes()
        return head

    def rows(self, values: Sequence[Sequence[Any]]) -> bytes:
        """Return a record batch as Arrow writes it."""
        import pyarrow as pa

        kinds = zip(values, self.columns, strict=True)
        exact = [[_exact(value) for value in each] if column.kind in (str, list) else each for each, column in kinds]
        arrays = [
            _vectors(each, column.size) if column.kind is tuple else pa.array(each, field.type)
            for each, column, field in zip(exact, self.columns, self.schema, strict=True)
        ]
        rows: bytes = pa.record_batch(arrays, schema=self.schema).serialize().to_pybytes()
        return rows

    def convert(self, unfinished: Path, file: IO[bytes]) -> None:
        """Write the parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with unfinished.open("rb") as opened, pq.ParquetWriter(file, self.schema) as writer:
            group, rows, size = [], 0, 0
            for batch in pa.ipc.open_stream(opened):
                group.append(batch)
                rows, size = rows + batch.num_rows, size + batch.nbytes
                if rows >= ROWS_OF_A_GROUP or size >= BYTES_OF_A_GROUP:
                    writer.write_table(pa.Table.from_batches(group, self.schema), row_group_size=rows)
                    group, rows, size = [], 0, 0
            if group:
                writer.write_table(pa.Table.from_batches(group, self.schema), row_group_size=rows)


def _vectors(values: Sequence[Any], size: int) -> Any:
    """Return vectors as a column of lists of one size; None is null."""
    import numpy as np
    import pyarrow as pa

    missing = np.array([value is None for value in values], dtype=bool)
    numbers = np.zeros((len(values), size), dtype=np.float32)
    for row, value in zip(numbers, values, strict=True):
        if value is not None:
            row[:] = value
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), size, mask=pa.array(missing))


def _exact(text: Any) -> Any:
    """Return a string, None, or each string of a list with what UTF-8 has a form for."""
    if isinstance(text, list):
        return [_exact(each) for each in text]
    return text if text is None or text.isascii() else _encoded(text).decode()


_FORMATS: dict[str, type[Format]] = {each.name: each for each in (Csv, JsonLines, Parquet)}
_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def format_of(output: Path | None, name: FormatName | None) -> type[Format]:
    """Return the format of a file: the named one, or else that of its suffix, which is csv for a name without one.

    Raises
    ------
    ConfigurationError
        If the suffix is none of those known, or parquet is to be written to a stream.
    """
    suffix = output.suffix.lower() if output is not None else ""
    is_stream = output is None or (output.exists() and not output.is_file())
    if name is None and suffix and suffix not in _BY_SUFFIX and not is_stream:
        raise ConfigurationError(
            f"{output}: rows are written as csv, jsonl or parquet: let the name end in {', '.join(_BY_SUFFIX)}, or say "
            "which with --format."
        )
    chosen = _FORMATS[name or _BY_SUFFIX.get(suffix, "csv")]
    if not chosen.is_text and is_stream:
        raise ConfigurationError("parquet needs a plain file: name one with -o FILE.")
    return chosen
