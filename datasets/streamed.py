"""Files of rows that are read a part at a time, as often as one likes, in memory that does not grow with the file."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gridcnn.datasets.compressed import is_plain, opened
from gridcnn.datasets.json_rows import json_row, require_dense
from gridcnn.datasets.lines import LONGEST_LINE, read_lines, survey
from gridcnn.datasets.parquet import opened_parquet
from gridcnn.datasets.tables import (
    SEPARATOR_LINE,
    all_malformed,
    csv_table,
    delimiter_of,
    is_malformed,
    long_cells,
    no_rows,
    read_table,
    require_file,
    unclosed_quote,
)
from gridcnn.display import none_can
from gridcnn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StreamedTable"]

SEPARATED, LINES = (".csv", ".tsv"), (".jsonl", ".ndjson")

ROWS = 2048
CELLS = 500_000
CHARACTERS = 2**22
"""A part has no more of each, but one row at least."""

T = TypeVar("T")


class StreamedTable:
    """A file of rows under named columns, which `parts` reads.

    It is read once when it is made, to refuse what cannot be read before any work on it begins. Files that only make
    sense as a whole (.json, .xlsx, compressed .parquet) are held in memory.

    Parameters
    ----------
    source : Path
        As `read_table` reads.
    encoding : str, optional
        As in `read_table`.

    Attributes
    ----------
    columns : list of str
        Their names.
    n_rows : int
        How many rows it has.

    Raises
    ------
    DataError
        As `read_table`, but a line of a .jsonl file that is no object is one row without cells.
    """

    def __init__(self, source: Path, encoding: str | None = None) -> None:
        require_file(source)
        self._source, self._encoding = source, encoding
        self._whole: pd.DataFrame | None = None
        self.columns: list[str] = []
        self.n_rows = 0
        with opened(source) as (file, self._suffix):
            if self._suffix in (*SEPARATED, *LINES):
                self._encoding = survey(file, source, encoding).encoding
        if self._suffix in SEPARATED:
            self._survey_csv()
        elif self._suffix in LINES:
            self._survey_jsonl()
        elif self._suffix == ".parquet" and is_plain(source):
            self._survey_parquet()
        else:
            self._whole = read_table(source, encoding)
            self.columns, self.n_rows = list(self._whole.columns), len(self._whole)
        if not self.n_rows:
            raise no_rows(source)

    def parts(self, *columns: str) -> Iterator[pd.DataFrame]:
        """Yield the rows, some at a time, as `read_table` returns them.

        Parameters
        ----------
        *columns : str
            The only ones that are needed; a part may have the others, too. Without any, all are.
        """
        if self._whole is not None:
            step = _rows_at_once(self.columns)
            yield from (self._whole.iloc[at : at + step] for at in range(0, len(self._whole), step))
        elif self._suffix == ".parquet":
            yield from self._parquet_parts(columns)
        elif self._suffix in SEPARATED:
            yield from self._csv_parts()
        else:
            yield from self._json_tables()

    # ---- csv --------------------------------------------------------------------------------------------------------

    def _survey_csv(self) -> None:
        self._quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
        try:
            self._read_all_csv()
        except csv.Error as error:
            if self._delimiter != "\t":
                raise unclosed_quote(self._source, error) from None
            self._quoting = csv.QUOTE_NONE  # many tsv files quote nothing, and a sentence may begin with a mark
            self._read_all_csv()

    def _read_all_csv(self) -> None:
        """Count the rows, without empty ones at the end, and refuse a file in which none is of use."""
        rows = self._csv_rows()
        header = next(rows, [])
        self.columns = [column.strip() for column in header]
        number = filled = n_malformed = 0
        for number, row in enumerate(rows, start=1):
            if any(row):
                filled = number
            n_malformed += is_malformed(row, len(header))
            if n_malformed == number == 1:
                reason = csv_table(header, [row], 1, self._delimiter).attrs["malformed"][1]
        if number and not filled:
            raise DataError(f"{self._source}: every cell of its {number} rows is empty: there is nothing to read.")
        if filled and n_malformed == filled:
            raise all_malformed(self._source, self._first_row, reason)
        self.n_rows = filled

    def _csv_parts(self) -> Iterator[pd.DataFrame]:
        rows = self._csv_rows()
        header = [column.strip() for column in next(rows, [])]
        number = self._first_row
        cells = itertools.islice(rows, self.n_rows)
        for some in _in_parts(cells, _rows_at_once(header), lambda row: sum(map(len, row))):
            yield csv_table(header, some, number, self._delimiter)
            number += len(some)

    def _csv_rows(self) -> Iterator[list[str]]:
        """Yield the header and the rows, read a block at a time."""
        with opened(self._source) as (file, _):
            text = io.TextIOWrapper(file, self._encoding, newline="")
            lines = self._bounded(text)
            start = next(lines, "").removeprefix("\ufeff")
            self._first_row = 2
            self._delimiter = ""
            if said := SEPARATOR_LINE.fullmatch(start):
                self._delimiter, self._first_row, start = said[1], 3, next(lines, "")
            self._delimiter = self._delimiter or delimiter_of(start, self._source)
            reader = csv.reader(
                itertools.chain([start] if start else [], lines),
                delimiter=self._delimiter, quoting=self._quoting, strict=True,
            )  # fmt: skip
            while True:
                with long_cells(LONGEST_LINE):  # the whole program has one limit, which is lent for a block of rows
                    block = list(itertools.islice(reader, 64))
                if not block:
                    return
                yield from block

    def _bounded(self, text: io.TextIOWrapper) -> Iterator[str]:
        while line := text.readline(LONGEST_LINE):
            if len(line) >= LONGEST_LINE:
                raise DataError(
                    f"{self._source}: a line of more than {LONGEST_LINE:,} characters: it is damaged, or no table."
                )
            yield line

    # ---- jsonl ------------------------------------------------------------------------------------------------------

    def _survey_jsonl(self) -> None:
        columns: dict[str, None] = {}
        why = None
        for rows, malformed in self._json_parts():
            for number, row in rows.items():
                columns |= dict.fromkeys(row)
                why = why or malformed.get(number)
            self.n_rows += len(rows)
        self._keys = list(columns)
        self.columns = [key.strip() for key in self._keys]
        if self.n_rows and not columns:
            raise DataError(f"{self._source}: {none_can(self.n_rows, 'row')} be used: {why}.")

    def _json_tables(self) -> Iterator[pd.DataFrame]:
        import pandas as pd  # noqa: PLC0415

        for rows, malformed in self._json_parts():
            require_dense(self._source, rows.values(), len(self._keys))
            cells = [[row.get(column) for column in self._keys] for row in rows.values()]
            table = pd.DataFrame(cells, index=list(rows), columns=self.columns, dtype=object)
            table.attrs |= {"malformed": malformed}
            yield table

    def _json_parts(self) -> Iterator[tuple[dict[int, dict[str, Any]], dict[int, str]]]:
        """Yield rows by their numbers, some at a time, with the reasons why some of them are none."""
        with opened(self._source) as (file, _):
            numbered = enumerate(read_lines(file, self._source, self._encoding), start=1)
            filled = (each for each in numbered if isinstance(each[1], DataError) or each[1].strip())
            for some in _in_parts(filled, ROWS, lambda each: 0 if isinstance(each[1], DataError) else len(each[1])):
                rows, malformed = dict[int, dict[str, Any]](), dict[int, str]()
                for number, line in some:
                    try:
                        if isinstance(line, DataError):
                            raise line
                        rows[number] = json_row(line)
                    except ValueError as error:
                        rows[number], malformed[number] = {}, str(error)
                yield rows, malformed

    # ---- parquet ----------------------------------------------------------------------------------------------------

    def _survey_parquet(self) -> None:
        with self._source.open("rb") as content, opened_parquet(content, self._source) as (file, stated):
            self._shown = list(file.schema_arrow.empty_table().to_pandas().columns)  # pandas saves an index, too
            self.n_rows = stated.rows
            self._at_once = min(max(CHARACTERS * stated.rows // max(stated.unpacked, 1), 1), stated.at_once)
        self.columns = [str(name).strip() for name in self._shown]

    def _parquet_parts(self, columns: Collection[str]) -> Iterator[pd.DataFrame]:
        chosen = [str(name) for name in self._shown if not columns or str(name).strip() in columns]
        number, at_once = 1, min(self._at_once, _rows_at_once(chosen))
        with self._source.open("rb") as content, opened_parquet(content, self._source) as (file, _):
            for batch in file.iter_batches(at_once, columns=chosen if columns else None, use_threads=False):
                batch.validate(full=True)  # as in `read_parquet`
                table = batch.to_pandas()
                table.columns = [str(name).strip() for name in table.columns]
                yield table.set_axis(range(number, number + len(table)))
                number += len(table)


def _rows_at_once(columns: Sequence[str]) -> int:
    return max(min(ROWS, CELLS // max(len(columns), 1)), 1)


def _in_parts(items: Iterable[T], rows: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield so many items at a time, or fewer if they have too many characters together."""
    part, size = list[T](), 0
    for item in items:
        part.append(item)
        size += size_of(item)
        if len(part) == rows or size >= CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part
