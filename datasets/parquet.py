"""Parquet files, opened only if they hold what they say, and as much as may be held.

What a file says of itself decides how much memory Arrow takes: the number of rows, and in the header of each page how
large it is once it is unpacked. Both are read here first.
"""

from __future__ import annotations

import contextlib
import io
import mmap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gridcnn.datasets.limits import require_cells, require_unpacked
from gridcnn.datasets.wording import listed, shortened
from gridcnn.errors import DataError, GridcnnError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["opened_parquet", "read_parquet", "rows_at_once"]

BUFFER = 2**18  # bytes read ahead for each column
BATCH = 64 * 2**20  # bytes decoded at a time, about
ROWS = 2**16  # of a batch, at most

_DICTIONARY_PAGE = 2


@contextlib.contextmanager
def opened_parquet(file: IO[bytes], source: Path) -> Iterator[Any]:
    """Open a parquet file whose pages unpack to a bounded size, and turn what Arrow raises on it into DataError.

    Parameters
    ----------
    file : binary file
        The content.
    source : Path
        Its name, for messages.

    Yields
    ------
    pyarrow.parquet.ParquetFile
        With names of columns that differ.

    Raises
    ------
    DataError
        If it is damaged, has two columns of one name, or unpacks to more than `require_unpacked` allows. What is
        raised inside the block counts, too.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True) as opened:
            _refuse_doubled(opened.schema_arrow.names, source)
            metadata = opened.metadata
            rows = sum(metadata.row_group(at).num_rows for at in range(metadata.num_row_groups))
            if rows != metadata.num_rows or rows < 0:
                raise ValueError(f"{metadata.num_rows:,} rows are announced, and its parts have {rows:,}")
            with _mapped(file) as content:
                size = sum(size for size, _ in _pages(content, metadata))
                require_unpacked(source, len(content), size)
            yield opened
    except (GridcnnError, ImportError):
        raise
    except Exception as error:  # Arrow has errors of many kinds, pandas and its JSON others
        if isinstance(error, MemoryError) and not str(error):
            raise
        raise DataError(
            f"{source}: not a readable parquet file ({shortened(error) or type(error).__name__}): write it again."
        ) from error


def read_parquet(file: IO[bytes], source: Path) -> pd.DataFrame:
    """Read a whole file; its rows are numbered from 1.

    Raises
    ------
    DataError
        As `opened_parquet`; also if it has more cells than may be held, or other rows than it says.
    """
    import pyarrow as pa  # noqa: PLC0415

    with opened_parquet(file, source) as opened:
        metadata = opened.metadata
        require_cells(source, metadata.num_rows * max(len(opened.schema_arrow.names), 1))
        packed, batches, size = _size(file), [], 0
        for batch in opened.iter_batches(rows_at_once(file, metadata), use_threads=False):
            size += batch.nbytes
            require_unpacked(source, packed, size // 8)  # numbers and words that repeat are packed eightfold and more
            batches.append(batch)
        table = pa.Table.from_batches(batches, schema=opened.schema_arrow)
        if len(table) != metadata.num_rows:
            raise ValueError(f"{metadata.num_rows:,} rows are announced, and {len(table):,} are there")
        frame: pd.DataFrame = table.to_pandas().set_axis(range(1, len(table) + 1))
        return frame


def rows_at_once(file: IO[bytes], metadata: Any) -> int:
    """Return how many rows can be decoded at a time if each holds the longest entry of a column's dictionary."""
    with _mapped(file) as content:
        longest = max((size for size, is_dictionary in _pages(content, metadata) if is_dictionary), default=0)
    return max(min(ROWS, BATCH // max(longest, 1)), 1)


def _refuse_doubled(names: list[str], source: Path) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{source}: several columns are called {listed(twice[:5])}: rename all but one.")


def _size(file: IO[bytes]) -> int:
    with _mapped(file) as content:
        return len(content)


@contextlib.contextmanager
def _mapped(file: IO[bytes]) -> Iterator[Any]:
    """Return the content of a file as bytes that are read where they are looked at."""
    if isinstance(file, io.BytesIO):
        yield file.getbuffer()
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


# ---- headers of pages, in the compact protocol of Thrift ------------------------------------------------------------


def _pages(content: Any, metadata: Any) -> Iterator[tuple[int, bool]]:
    """Yield the unpacked size of every page in bytes, and whether it is a dictionary."""
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(row_group.num_columns):
            chunk = row_group.column(column)
            at = chunk.data_page_offset
            if chunk.has_dictionary_page:
                at = min(at, chunk.dictionary_page_offset)
            end = at + chunk.total_compressed_size
            if not 4 <= at <= end <= len(content):
                raise ValueError(f"a column that lies outside of the file, at byte {at:,}")
            while at < end:
                kind, unpacked, packed, at = _page_header(content, at)
                if min(unpacked, packed) < 0:
                    raise ValueError(f"a page of a negative size before byte {at:,}")
                yield unpacked, kind == _DICTIONARY_PAGE
                at += packed


def _page_header(content: Any, at: int) -> tuple[int, int, int, int]:
    """Return the type of a page, its sizes unpacked and packed, and where its header ends."""
    fields = dict.fromkeys((1, 2, 3), -1)
    number = 0
    while True:
        kind, number, at = _field(content, at, number)
        if not kind:
            return fields[1], fields[2], fields[3], at
        if number in fields and kind in (4, 5, 6):
            fields[number], at = _integer(content, at)
        else:
            at = _after(content, at, kind, 0)


def _field(content: Any, at: int, number: int) -> tuple[int, int, int]:
    """Return the type of the next field of a structure, 0 at its end, its number, and where its value begins."""
    byte = content[at]
    if not byte & 15:
        return 0, number, at + 1
    if byte >> 4:
        return byte & 15, number + (byte >> 4), at + 1
    given, after = _integer(content, at + 1)
    return byte & 15, given, after


def _after(content: Any, at: int, kind: int, depth: int) -> int:
    """Return where a value of some type ends."""
    if depth > 16:
        raise ValueError(f"a page header that is nested too deeply, at byte {at:,}")
    if kind in (1, 2):  # true and false, which are their own types
        return at
    if kind == 3:
        return at + 1
    if kind in (4, 5, 6):
        return _varint(content, at)[1]
    if kind == 7:
        return at + 8
    if kind == 8:
        length, at = _varint(content, at)
        return at + length
    if kind == 12:
        number = 0
        while True:
            kind_inside, number, at = _field(content, at, number)
            if not kind_inside:
                return at
            at = _after(content, at, kind_inside, depth + 1)
    raise ValueError(f"a page header with an unknown field, at byte {at:,}")


def _integer(content: Any, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(content: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number that does not end, before byte {at:,}")
