"""Samples of tables that are larger than memory: rows from all over the file, without loading the whole file."""

from __future__ import annotations

import codecs
import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.encoding import decode
from gridcnn.datasets.measurements import as_measurements, load_table
from gridcnn.datasets.parquet import Stated, opened_parquet, stated_of
from gridcnn.datasets.remote import RemoteFile, is_remote, local_copy
from gridcnn.datasets.tables import csv_cells, delimiter_of
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["TableSample", "sample_table"]

SMALL = 64 * 2**20  # bytes; a smaller table is read whole
CELLS = 4_000_000  # wide rows are fewer
FEWEST_ROWS = 200
RUN = 10  # consecutive rows at each place, so that a column of row numbers still counts up

LONGEST_ROW = 16 * 2**20  # bytes
BLOCK = 2**20  # bytes read at a time to count quotes

GROUPS, FIRST_ROWS = 16, 16_384
"""Of a parquet file in a remote storage, so many row groups are read, and of each so many rows at most."""

COLUMNS_AT_ONCE, ROWS_AT_ONCE = 32, 16_384

_WIDE = ("utf-16", "utf-32", "utf_16", "utf_32", "utf16", "utf32")
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)

Progress = Callable[[int, int], None]


class TableSample(NamedTuple):
    """Rows of a table, and the size of the table.

    Parameters
    ----------
    data : Dataset
        The sampled rows, in the order of the file.
    rows : int
        Number of rows of the file; for a csv file that was sampled, an estimate from the length of the sampled rows.
    whole : bool
        Whether the sample is the whole file.
    malformed : int
        Number of drawn rows that were left out because they have more or fewer cells than the header.
    """

    data: Dataset
    rows: int
    whole: bool
    malformed: int = 0


def sample_table(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
    encoding: str | None = None,
    rows: int = 2000,
    random_state: int = 0,
    progress: Progress | None = None,
) -> TableSample:
    """Read rows from all over a table, in memory that does not grow with the file.

    The file is divided into equal stretches, and a few consecutive rows are read at a random place in each, so that a
    file sorted by class still gives all classes. A parquet file is decoded a few columns at a time, and only the row
    groups that hold sampled rows. A csv file is read only at the sampled rows, unless it has quoted cells: then it is
    streamed once to find the line ends inside quotes.

    Parameters
    ----------
    path : path
        A .csv, .tsv or .parquet file with named columns, also s3://BUCKET/FILE. A table below 64 MB and a .jsonl file
        are read whole. Of a parquet file in a remote storage at most 16 row groups are read, from their beginnings.
    label : str, optional
        Column of labels; rows without a label are listed in `data.skipped`. Their number in the file, `Skipped.row`, is
        known unless a csv file was sampled.
    encoding : str, optional
        As in `load_manifest`.
    rows : int, default=2000
        Approximate number of rows to read; tables of more than 2,000 columns give fewer.
    random_state : int, default=0
        Seed of the places: the same file and seed give the same rows.
    progress : callable, optional
        Called with the amount of work done and the total, two integers of one unit.

    Returns
    -------
    TableSample
        The rows, and the size of the table.

    Raises
    ------
    DataError
        If the file cannot be read, is not a table, or has no such label column.
    """
    source: Any = RemoteFile(str(path)) if is_remote(str(path)) else Path(path)
    reader = {".csv": _sample_csv, ".tsv": _sample_csv, ".parquet": _sample_parquet}.get(source.suffix.lower())
    drawn = None
    if reader is not None and source.is_file():
        drawn = reader(source, rows, np.random.default_rng(random_state), encoding, progress)
    if drawn is None:
        with local_copy(source) if isinstance(source, RemoteFile) else contextlib.nullcontext(source) as copy:
            data = load_table(copy, label=label, encoding=encoding, on_error="skip")
        return TableSample(data, len(data) + len(data.skipped), whole=True)
    data = as_measurements(drawn.table, source, label, "skip", numbered=drawn.numbered)
    return TableSample(data, drawn.total, whole=False, malformed=drawn.malformed)


class _Drawn(NamedTuple):
    table: pd.DataFrame
    total: int
    numbered: bool  # whether the index of the table holds the numbers of the rows in the file
    malformed: int = 0


def _runs(start: int, stop: int, rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one random place in each of the stretches into which a file is divided."""
    edges = np.linspace(start, stop, max(1, math.ceil(rows / RUN)) + 1)
    places = edges[:-1] + rng.random(len(edges) - 1) * np.diff(edges)
    return places.astype(np.int64)


def _fitting(rows: int, columns: int) -> int:
    return min(rows, max(FEWEST_ROWS, CELLS // max(columns, 1)))


# --- parquet ---------------------------------------------------------------------------------------------------------


def _sample_parquet(
    source: Path, rows: int, rng: np.random.Generator, _encoding: str | None, progress: Progress | None
) -> _Drawn | None:
    """Return sampled rows, or None if the file is small."""
    import pyarrow as pa  # noqa: PLC0415

    is_near = isinstance(source, Path)
    with source.open("rb") as content, opened_parquet(content, source, None if is_near else ()) as (file, known):
        stated = known
        total, names = stated.rows, file.schema_arrow.names
        rows = _fitting(rows, len(names))
        large = max(source.stat().st_size, total * len(names) * 8) > SMALL
        if total <= rows or not large:
            return None  # `load_table` reads it
        places = _runs(0, total, rows, rng)
        if not is_near:
            places, groups = _in_few_groups(places, stated)
            stated = stated_of(content, source, groups)
        wanted = np.unique(np.minimum(places[:, None] + np.arange(RUN), total - 1))
        table = _take_rows(file, stated, wanted, progress)
        frame = pa.Table.from_arrays(list(table), schema=file.schema_arrow).to_pandas()
    frame.columns = [str(column).strip() for column in frame.columns]
    return _Drawn(frame.set_axis(wanted + 1), total, numbered=True)


def _in_few_groups(places: NDArray[np.int64], stated: Stated) -> tuple[NDArray[np.int64], list[int]]:
    """Move places to the beginnings of a few row groups from all over the file, and return these, too."""
    starts = np.concatenate([[0], np.cumsum(stated.groups)[:-1]])
    held = [group for group, size in enumerate(stated.groups) if size]
    groups = [held[at] for at in np.unique(np.linspace(0, len(held) - 1, GROUPS).round().astype(int))]
    of_places = np.array(groups)[np.arange(len(places)) * len(groups) // len(places)]
    sizes = np.minimum(np.array(stated.groups)[of_places], FIRST_ROWS)
    return starts[of_places] + places % sizes, groups


def _take_rows(
    file: pq.ParquetFile, stated: Stated, wanted: NDArray[np.int64], progress: Progress | None
) -> Iterator[pa.Array]:
    """Yield each column at the wanted rows, decoding a few columns at a time."""
    import pyarrow as pa  # noqa: PLC0415

    names, at_once = file.schema_arrow.names, min(ROWS_AT_ONCE, stated.at_once)
    bounds = np.concatenate([[0], np.cumsum(stated.groups)])
    for first in range(0, len(names), COLUMNS_AT_ONCE):
        block = names[first : first + COLUMNS_AT_ONCE]
        parts: list[pa.RecordBatch] = []
        for group, start in enumerate(bounds[:-1]):
            inside = wanted[(wanted >= start) & (wanted < bounds[group + 1])] - start
            if len(inside):
                parts += _take_from_group(file, group, block, inside, at_once)
        columns = pa.Table.from_batches(parts)
        yield from (columns.column(name).combine_chunks() for name in block)
        if progress is not None:
            progress(first + len(block), len(names))


def _take_from_group(
    file: pq.ParquetFile, group: int, block: list[str], inside: NDArray[np.int64], at_once: int
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa  # noqa: PLC0415

    at = 0
    for batch in file.iter_batches(at_once, row_groups=[group], columns=block):
        here = inside[(inside >= at) & (inside < at + len(batch))] - at
        if len(here):
            batch.validate(full=True)
            yield batch.take(pa.array(here))
        at += len(batch)
        if at > inside[-1]:
            break


# --- csv -------------------------------------------------------------------------------------------------------------


def _sample_csv(
    source: Path, rows: int, rng: np.random.Generator, encoding: str | None, progress: Progress | None
) -> _Drawn | None:
    """Return sampled rows, or None if the file is small."""
    import pandas as pd  # noqa: PLC0415

    size = source.stat().st_size
    if size <= SMALL:
        return None
    with source.open("rb") as file:
        header = _header(file, source, encoding)
        start = file.tell()
        delimiter = delimiter_of(decode(header, source, encoding), source)
        names = csv_cells(decode(header, source, encoding), delimiter, source)[0]
        rows = _fitting(rows, len(names))
        places = _runs(start, size, rows, rng)
        records = _records_at(file, source, places, None)
        if delimiter != "\t" and any(b'"' in record for record in (header, *records.values())):
            records = _records_at(file, source, places, _inside_quotes(file, places, size, progress))
    drawn = [records[at] for at in sorted(records)]
    text = decode(header.rstrip(b"\r\n") + b"\n" + b"".join(drawn), source, encoding)
    cells = [row for row in csv_cells(text, delimiter, source)[1:] if row]
    good = [row for row in cells if len(row) == len(names)]
    if len(good) <= len(cells) / 2:
        raise DataError(
            f"{source}: {len(cells) - len(good)} of {len(cells)} rows drawn from all over it have another number of "
            f"cells than its header, which has {len(names)}: expected one line with the names of the columns, and as "
            "many cells in every row."
        )
    total = round((size - start) / np.mean([len(line) for line in drawn]))
    table = pd.DataFrame(good, columns=[name.strip() for name in names], index=range(1, len(good) + 1), dtype=object)
    return _Drawn(table, total, numbered=False, malformed=len(cells) - len(good))


def _header(file: BinaryIO, source: Path, encoding: str | None) -> bytes:
    """Read the line of names, which may hold line ends inside quotes."""
    header = _line(file, source)
    if header.startswith(_WIDE_MARKS) or b"\0" in header or (encoding or "").lower().startswith(_WIDE):
        raise DataError(
            f"{source}: a file in UTF-16 or UTF-32, or with zero bytes, cannot be sampled: save it as UTF-8 or parquet."
        )
    quotes, read = header.count(b'"'), header
    while quotes % 2 and len(read) < BLOCK:
        line = _line(file, source)
        if not line:
            break
        read += line
        quotes += line.count(b'"')
    if quotes % 2:  # the lone quote is a character of a name
        file.seek(len(header))
        return header
    return read


def _line(file: BinaryIO, source: Path) -> bytes:
    line = file.readline(LONGEST_ROW)
    if len(line) == LONGEST_ROW:
        raise DataError(f"{source}: a line of more than {LONGEST_ROW:,} bytes: this is no csv file of rows.")
    return line


def _records_at(file: BinaryIO, source: Path, places: NDArray[np.int64], quoted: list[bool] | None) -> dict[int, bytes]:
    """Return the rows that follow each place, by their offsets; without `quoted`, every line is a row."""
    records: dict[int, bytes] = {}
    for number, place in enumerate(places.tolist()):
        file.seek(place)
        _record(file, source, None if quoted is None else quoted[number])  # the row that the place lies in
        for _ in range(RUN):
            at = file.tell()
            record = _record(file, source, None if quoted is None else False)
            if not record:
                break
            records[at] = record if record.endswith(b"\n") else record + b"\n"
    return records


def _record(file: BinaryIO, source: Path, inside: bool | None) -> bytes:
    """Read to the end of a row, the next line end outside quotes; if `inside` is None, to the next line end."""
    record = _line(file, source)
    if inside is None:
        return record
    inside ^= record.count(b'"') % 2 == 1
    while inside:
        line = _line(file, source)
        if not line or len(record) > LONGEST_ROW:
            raise DataError(
                f"{source}: a double quote opens a cell and none closes it; write a quote inside a quoted cell twice "
                '(""), or save the table as parquet.'
            )
        record += line
        inside ^= line.count(b'"') % 2 == 1
    return record


def _inside_quotes(file: BinaryIO, places: NDArray[np.int64], size: int, progress: Progress | None) -> list[bool]:
    """Return for each place whether it lies inside a quoted cell, that is, after an odd number of quotes."""
    inside: list[bool] = []
    at = quotes = 0
    file.seek(0)
    while len(inside) < len(places) and (block := file.read(BLOCK)):
        while len(inside) < len(places) and places[len(inside)] < at + len(block):
            before = block.count(b'"', 0, int(places[len(inside)]) - at)
            inside.append((quotes + before) % 2 == 1)
        at += len(block)
        quotes += block.count(b'"')
        if progress is not None:
            progress(at, size)
    return inside
