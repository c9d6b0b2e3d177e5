"""Parquet files, opened only if they hold what they say, and as much as may be held.

What a file says of itself decides how much memory Arrow takes: the number of rows, and in the header of each page how
large it is once it is unpacked. Both are read here first.
"""

from __future__ import annotations

import contextlib
import io
import mmap
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from gridcnn.datasets.limits import require_cells, require_unpacked
from gridcnn.datasets.thrift import Wanted, structure
from gridcnn.datasets.wording import listed, shortened
from gridcnn.errors import DataError, GridcnnError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Stated", "opened_parquet", "read_parquet", "reading", "stated_of"]

BUFFER = 2**18  # bytes read ahead for each column
BLOCKS_KEPT = 64  # blocks of so many bytes, of a file of a storage
BATCH = 64 * 2**20  # bytes decoded at a time, about
ROWS = 2**16  # of a batch, at most
MARK = b"PAR1"


class Stated(NamedTuple):
    """What a file says of itself.

    Parameters
    ----------
    groups : tuple of int
        Number of rows of each of its parts.
    packed, unpacked : int
        Size of the file, and of all its pages when they are unpacked (bytes).
    at_once : int
        How many rows can be decoded at a time, if each holds the longest entry of a column's dictionary.
    """

    groups: tuple[int, ...]
    packed: int
    unpacked: int
    at_once: int

    @property
    def rows(self) -> int:
        """Number of its rows."""
        return sum(self.groups)


@contextlib.contextmanager
def opened_parquet(
    file: IO[bytes], source: object, groups: Collection[int] | None = None
) -> Iterator[tuple[Any, Stated]]:
    """Open a parquet file whose pages unpack to a bounded size, and turn what Arrow raises on it into DataError.

    Parameters
    ----------
    file : binary file
        The content.
    source : Path or RemoteFile
        Its name, for messages.
    groups : collection of int, optional
        The row groups whose pages are looked at; the default is all of them. Who reads others asks `stated_of` first.

    Yields
    ------
    (pyarrow.parquet.ParquetFile, Stated)
        The file, the names of whose columns differ; how large it is.

    Raises
    ------
    DataError
        If it is damaged, has two columns of one name, or unpacks to more than `require_unpacked` allows. What is
        raised inside the block counts, too.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    with reading(source):
        stated = stated_of(file, source, groups)
        with pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True) as opened:
            _refuse_doubled(opened.schema_arrow.names, source)
            yield opened, stated


@contextlib.contextmanager
def reading(source: object) -> Iterator[None]:
    """Turn what Arrow raises on a damaged file into DataError."""
    try:
        yield
    except (GridcnnError, ImportError):
        raise
    except Exception as error:  # Arrow has errors of many kinds, pandas and its JSON others
        if isinstance(error, MemoryError) and not str(error):
            raise
        said = shortened(" ".join(str(error).split())) or type(error).__name__
        raise DataError(f"{source}: not a readable parquet file ({said}): write it again.") from error


def stated_of(file: IO[bytes], source: object, groups: Collection[int] | None = None) -> Stated:
    """Return what a file says of itself, and look at the pages of some row groups, or of all.

    Raises
    ------
    DataError
        If they unpack to more than `require_unpacked` allows.
    ValueError
        If it is damaged.
    """
    with _mapped(file) as content:
        return _stated(content, source, groups)


def read_parquet(file: IO[bytes], source: Path) -> pd.DataFrame:
    """Read a whole file; its rows are numbered from 1.

    Raises
    ------
    DataError
        As `opened_parquet`; also if it has more cells than may be held, or other rows than it says.
    """
    import pyarrow as pa  # noqa: PLC0415

    with opened_parquet(file, source) as (opened, stated):
        require_cells(source, stated.rows * max(len(opened.schema_arrow.names), 1))
        batches, size = [], 0
        for batch in opened.iter_batches(stated.at_once, use_threads=False):
            batch.validate(full=True)  # or a text that is no UTF-8 fails wherever it is looked at
            size += batch.nbytes
            require_unpacked(source, stated.packed, size // 8)  # what repeats is packed eightfold and more
            batches.append(batch)
        table = pa.Table.from_batches(batches, schema=opened.schema_arrow)
        if len(table) != stated.rows:
            raise ValueError(f"{stated.rows:,} rows are announced, and {len(table):,} are there")
        frame: pd.DataFrame = table.to_pandas().set_axis(range(1, len(table) + 1))
        return frame


def _refuse_doubled(names: list[str], source: object) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise DataError(f"{source}: several columns are called {listed(twice[:5])}: rename all but one.")


@contextlib.contextmanager
def _mapped(file: IO[bytes]) -> Iterator[Any]:
    """Return the content of a file as bytes that are read where they are looked at."""
    if isinstance(file, io.BytesIO):
        yield file.getbuffer()
        return
    try:
        number = file.fileno()
    except OSError:  # no file of this machine
        yield _Ranges(file)
        return
    with mmap.mmap(number, 0, access=mmap.ACCESS_READ) as content:
        yield content


class _Ranges:
    """The content of a file of a storage, of which only the blocks that are looked at are fetched."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        self._blocks: dict[int, bytes] = {}

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: int | slice) -> Any:
        if isinstance(where, int):
            if not -self._size <= where < self._size:
                raise IndexError("behind the end of the file")
            at = where % self._size
            return self._block(at // BUFFER)[at % BUFFER]
        start, stop, _ = where.indices(self._size)
        first = start // BUFFER
        blocks = b"".join(self._block(number) for number in range(first, -(-stop // BUFFER)))
        return blocks[start - first * BUFFER : max(stop, start) - first * BUFFER]

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= BLOCKS_KEPT:
                self._blocks.pop(next(iter(self._blocks)))
            self._file.seek(number * BUFFER)
            self._blocks[number] = self._file.read(BUFFER)
        return self._blocks[number]


# The numbers of the fields in the structures of parquet.thrift.
_FILE: Wanted = {3: None, 4: {3: None, 1: {3: {7: None, 9: None, 11: None}}}}
_FILE_ROWS, _GROUPS, _GROUP_ROWS, _CHUNKS, _CHUNK = 3, 4, 3, 1, 3
_PACKED, _DATA_AT, _DICTIONARY_AT = 7, 9, 11
_COUNT: Wanted = {1: None}
_PAGE: Wanted = {1: None, 2: None, 3: None, 5: _COUNT, 7: _COUNT, 8: _COUNT}
OLD_HEADER = 100  # bytes that old programs did not count (PARQUET-816)
MOST_VALUES = 2**20  # of a page, which may have more only if its part of the file has as many rows
_DICTIONARY = 2  # the type of a page


def _stated(content: Any, source: object, looked_at: Collection[int] | None) -> Stated:
    """Read how many rows a file has, and how large its pages are: Arrow is not asked, since it may not survive it."""
    size = len(content)
    if size < 12 or bytes(content[-4:]) != MARK:
        raise ValueError("it does not end as such a file does")
    footer = size - 8 - int.from_bytes(content[size - 8 : size - 4], "little")
    if footer < 4:
        raise ValueError("it is shorter than it says")
    try:
        said, _ = structure(content, footer, _FILE)
        groups = said.get(_GROUPS, [])
        sizes = tuple(max(group[_GROUP_ROWS], 0) for group in groups)
        if sum(sizes) != said[_FILE_ROWS]:
            raise ValueError(f"{said[_FILE_ROWS]:,} rows are announced, and its parts have {sum(sizes):,}")
        unpacked = longest = 0
        for group in groups if looked_at is None else [groups[number] for number in looked_at]:
            for chunk in group[_CHUNKS]:
                for kind, page in _pages(content, chunk[_CHUNK], footer, group[_GROUP_ROWS]):
                    unpacked += page
                    longest = max(longest, page if kind == _DICTIONARY else 0)
                    require_unpacked(source, size, unpacked)
    except (IndexError, KeyError, AttributeError):
        raise ValueError("its description of itself is damaged") from None
    return Stated(sizes, size, unpacked, max(min(ROWS, BATCH // max(longest, 1)), 1))


def _pages(content: Any, chunk: dict[int, int], footer: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the type and the unpacked size of every page of a column of so many rows."""
    at = min(chunk[_DATA_AT], chunk.get(_DICTIONARY_AT) or chunk[_DATA_AT])
    end = at + chunk[_PACKED]
    if not 4 <= at <= end <= footer:
        raise ValueError(f"a column outside of the file, at byte {at:,}")
    while at < end:
        header, at = structure(content, at, _PAGE)
        kind, unpacked, packed = header[1], header[2], header[3]
        count = max((each[1] for number, each in header.items() if number > 3), default=0)
        if not 0 <= kind <= 3 or min(unpacked, packed, count) < 0 or count > max(MOST_VALUES, rows):
            raise ValueError(f"a page of an impossible kind or size, before byte {at:,}")
        yield kind, unpacked
        at += packed
        if at > end + OLD_HEADER:
            raise ValueError(f"a page that is longer than its column, before byte {at:,}")
