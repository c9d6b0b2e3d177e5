"""The INPUTs of `predict`, item by item: each has a name in the answers, also if it cannot be read.

Items are read when they are needed and not kept, so that there may be more of them than memory holds.
"""

from __future__ import annotations

import copy
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.asked import Asked, Source, text_name, unreadable
from gridcnn.cli.columns import Columns
from gridcnn.cli.listed import listed, tables_of
from gridcnn.cli.named_files import lists_logs, refuse_text, require_numbers, suggestion
from gridcnn.cli.named_sets import refuse_remote
from gridcnn.cli.output import note
from gridcnn.cli.segmented import as_item, has_parts, in_parts, long_item
from gridcnn.cli.sources import TABLE_FILES, holds_rows, located, lying, require_kind
from gridcnn.errors import ConfigurationError, DataError, GridcnnError, ItemError
from gridcnn.stored import Stored

if TYPE_CHECKING:
    import pandas as pd

    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset
    from gridcnn.datasets.members import Place
    from gridcnn.datasets.streamed import StreamedTable

__all__ = ["Asked", "Source", "read_inputs"]

STANDARD_INPUT = "-"

BESIDE = frozenset({".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".xml", ".log"})
"""Suffixes of files that lie beside pictures and sounds and say something about them: annotations, lists, notes."""


def read_inputs(
    inputs: Iterable[str],
    adapter: Adapter,
    columns: Columns,
    without: Callable[[Path], bool] = lambda place: False,
    *,
    surrounded: bool = False,
) -> list[Source]:
    """Return all inputs, in their order, as far as possible checked, but without their items.

    Parameters
    ----------
    inputs : iterable of str
        Files, folders, tables, "-" for standard input.
    adapter : Adapter
        Fitted.
    columns : Columns
        Of tables; `start` and `end` name those that say which part of an item is meant.
    without : callable
        Whether a file in a folder is no item: what this command itself writes.
    surrounded : bool
        Whether a short part comes with what is around it, as in `Adapter.part`.

    Raises
    ------
    DataError
        If an input holds no items for this adapter. A file that is itself an item may be unreadable: the adapter will
        say so.
    """
    refuse_text(columns, adapter)
    inputs = list(inputs)
    if inputs.count(STANDARD_INPUT) > 1:
        raise ConfigurationError("'-' is given twice, and standard input can be read only once: give it once.")
    found = list(itertools.chain.from_iterable(_sources(name, adapter, columns, without) for name in inputs))
    for source in found:
        if columns.start is None and source.times is not None and has_parts(adapter):
            first, last = source.times
            said = f"if rows are about parts of them, say --start {first} --end {last}"
            note(f"{source.name}: whole items are read; {said}")
    return in_parts(found, columns, adapter, surrounded=surrounded)


def _sources(name: str, adapter: Adapter, columns: Columns, without: Callable[[Path], bool]) -> list[Source]:
    """Return one input, or each table of a folder of them."""
    if name == STANDARD_INPUT:
        return [_source(name, Path(), adapter, columns, without)]
    refuse_remote(name)
    place = lying(name) if adapter.reads_files else located(name)
    if isinstance(place, Stored) and place.is_dir():
        return [_folder(name, place, adapter, without)]
    if isinstance(place, Stored):
        return [Source(name, lambda: iter([Asked(name, place)]))]
    if not os.path.isdir(place) or not (adapter.reads_texts or adapter.reads_files):  # noqa: PTH112
        return [_source(name, place, adapter, columns, without)]
    tables, listings = tables_of(place, adapter)
    if tables:
        return [listed(str(table), table, adapter, columns) for table in tables]
    return [_source(name, place, adapter, columns, lambda file: file in listings or without(file))]


def _source(name: str, place: Path, adapter: Adapter, columns: Columns, without: Callable[[Path], bool]) -> Source:
    if name == STANDARD_INPUT:
        if not adapter.reads_texts:
            raise DataError(f"'-' reads sentences, and this model reads {adapter.modality}: give files or a folder.")
        return _standard_input(columns.encoding)
    if adapter.reads_logs and (found := _logs(name, place, adapter, columns)) is not None:
        return found
    if not (adapter.reads_texts or adapter.reads_files):
        return _rows_of_table(name, place, adapter, columns.encoding)
    if os.path.isdir(place):  # noqa: PTH112  (a name may be too long, or a sentence)
        return (
            _documents(name, place, columns.encoding) if adapter.reads_texts else _folder(name, place, adapter, without)
        )
    if holds_rows(place):
        return listed(name, place, adapter, columns)
    if not adapter.reads_texts:
        return Source(name, lambda: iter([Asked(name, str(place))]))
    if not os.path.isfile(place):  # noqa: PTH113
        raise DataError(
            f"{name!r} is no file, and this model reads text: give a csv file with --text COLUMN, a file with one "
            'sentence a line, or - for standard input: echo "your text" | gridcnn predict MODEL -'
        )
    return _file_of_lines(name, place, columns.encoding)


# ---- lines ----------------------------------------------------------------------------------------------------------


def _standard_input(encoding: str | None) -> Source:
    from gridcnn.datasets.lines import read_lines

    place = Path("standard input")
    lines = read_lines(sys.stdin.buffer, place, encoding)
    first = list(itertools.islice(lines, 1))
    if not first:
        raise _empty(place)
    return Source(STANDARD_INPUT, lambda: _asked_lines(itertools.chain(first, lines), str(place)), n_items=None)


def _file_of_lines(name: str, place: Path, encoding: str | None) -> Source:
    from gridcnn.datasets.lines import read_lines, survey

    with place.open("rb") as file:
        found = survey(file, place, encoding)
    if not found.lines:
        raise _empty(place)
    if found.lines > 1:
        note(f"{name}: {found.lines} texts, one a line (in a folder of .txt files, each file would be one text).")

    def items() -> Iterator[Asked]:
        with place.open("rb") as file:
            yield from _asked_lines(read_lines(file, place, found.encoding), name, alone=found.lines == 1)

    return Source(name, items, found.lines, place)


def _asked_lines(lines: Iterable[str | DataError], file: str, *, alone: bool = False) -> Iterator[Asked]:
    for number, line in enumerate(lines, start=1):
        where = f"{file}, line {number}"
        if isinstance(line, str):
            yield Asked(text_name(line, file if alone else where), line)
        else:
            yield unreadable(where, line)


def _empty(place: Path) -> DataError:
    return DataError(f"{place}: empty: give one sentence a line.")


# ---- folders --------------------------------------------------------------------------------------------------------


def _documents(name: str, folder: Path, encoding: str | None) -> Source:
    """Read each .txt file below a folder as one text."""
    from gridcnn.datasets.folder import DOCUMENTS, read_document
    from gridcnn.datasets.media import walk

    def places() -> Iterator[Path]:
        return (place for place in walk(folder) if place.suffix.lower() in DOCUMENTS)

    def items() -> Iterator[Asked]:
        for place in places():
            called = _called(name, folder, place)
            try:
                yield Asked(called, read_document(place, encoding))
            except DataError as error:
                yield unreadable(called, error)

    n_items = sum(1 for _ in places())
    if not n_items:
        raise DataError(
            f"{folder} is a folder without .txt files, and this model reads text: give a folder of .txt files, one "
            "text in each, a csv file with --text COLUMN, or - for standard input."
        )
    return Source(name, items, n_items)


def _folder(name: str, folder: Place, adapter: Adapter, without: Callable[[Path], bool]) -> Source:
    """Read the files below a folder that are of the kind of most of them, and say so of the others.

    What is written about them is passed over.
    """
    from gridcnn.datasets.media import count_media, stray
    from gridcnn.datasets.members import files_below
    from gridcnn.datasets.parts import refuse_archives

    def is_item(place: Place) -> bool:
        written = isinstance(place, Path) and without(place)
        return not written and (place.suffix.lower() not in BESIDE or not place.is_file())

    def places() -> Iterator[Place]:
        return filter(is_item, files_below(folder))

    refuse_archives(folder, places())
    modality, n_files = count_media(places(), str(folder))
    require_kind(name, modality, adapter)

    def items() -> Iterator[Asked]:
        for place in places():
            why = stray(place, modality)
            called = _called(name, folder, place)
            yield Asked(called, place) if not why else unreadable(called, why)

    return Source(name, items, n_files)


def _called(name: str, folder: Any, place: Place) -> str:
    """Return what the answers call a file: its path, or its place in an archive that is unpacked for a while."""
    return str(Path(name, place.relative_to(folder)) if isinstance(place, Path) and Path(name).is_file() else place)


# ---- logs -----------------------------------------------------------------------------------------------------------


def _logs(name: str, place: Path, adapter: Adapter, columns: Columns) -> Source | None:
    """Read logs that a folder holds or a table lists, or one log; None if the rows of a table are the items."""
    whole = columns.start is None
    from gridcnn.cli.long_items import logs_below
    from gridcnn.datasets.logs import LOG_FILES
    from gridcnn.datasets.streamed import StreamedTable

    if os.path.isdir(place):  # noqa: PTH112
        files = logs_below(place)
        return Source(name, lambda: (_log(str(file), file, adapter) for file in files), len(files))
    if not os.path.isfile(place):  # noqa: PTH113
        return None
    if holds_rows(place):
        if lists_logs(place, columns):
            source = listed(name, place, adapter, columns)
            return (
                source._replace(items=lambda: (as_item(each, adapter) for each in source.items())) if whole else source
            )
        if _are_series(StreamedTable(place, columns.encoding), adapter):
            return None
    elif place.suffix.lower() not in LOG_FILES:
        return None
    found = _log(name, place, adapter)
    if isinstance(found.item, ItemError):
        if holds_rows(place) and (meant := suggestion(place, columns.encoding)):
            raise ConfigurationError(f"{meant}.")
        raise DataError(f"{name}: {found.item.reason}.")
    return Source(name, lambda: iter([found]))


def _are_series(table: StreamedTable, adapter: Adapter) -> bool:
    """Whether the rows of a table are series for this adapter; else its rows are samples, and its columns channels."""
    if len(table.columns) == 1:
        return False
    try:
        adapter.check_items(next(table.parts())[:1])
    except (GridcnnError, ValueError, TypeError):
        return False
    return True


def _log(name: str, file: Path, adapter: Adapter) -> Asked:
    try:
        return as_item(Asked(name, long_item(file, adapter), None, str(file)), adapter)
    except DataError as error:
        return unreadable(name, str(error).removeprefix(f"{file}: "))


# ---- tables of numbers ----------------------------------------------------------------------------------------------


def _rows_of_table(name: str, place: Path, adapter: Adapter, encoding: str | None) -> Source:
    from gridcnn.datasets.measurements import StreamedMeasurements
    from gridcnn.datasets.streamed import StreamedTable

    if os.path.isdir(place):  # noqa: PTH112
        raise DataError(
            f"{name} is a folder, and this model reads rows of a table: give a file that ends in {TABLE_FILES}."
        )
    if not place.suffix and not os.path.isfile(place):  # noqa: PTH113
        return _named(name, adapter)
    table = StreamedTable(place, encoding)
    measurements = StreamedMeasurements(table, place)
    first = next((part for part, _ in measurements.parts() if len(part)), None)
    if first is not None:
        require_numbers(first[:1], adapter, place, name, encoding)  # refuses other columns

    def items() -> Iterator[Asked]:
        for part, malformed in measurements.parts():
            asked = dict(_asked_rows(part, adapter, place, name))
            asked |= {number: unreadable(f"{name}, row {number}", why) for number, why in malformed.items()}
            yield from (asked[number] for number in sorted(asked))

    return Source(name, items, table.n_rows, place)


def _named(name: str, adapter: Adapter) -> Source:
    """Read the table of an embedded or public set."""
    import pandas as pd

    from gridcnn.datasets import load

    data: Dataset = load(name)
    table: Any = data.items
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{name} holds no rows of a table, which this model reads.")
    place = Path(name)
    require_numbers(table[:1], adapter, place, name)
    return Source(name, lambda: (asked for _, asked in _asked_rows(table, adapter, place, name)), len(table))


def _asked_rows(table: pd.DataFrame, adapter: Adapter, place: Path, name: str) -> Iterator[tuple[int, Asked]]:
    """Yield the rows of a table by their numbers; what cannot be read together is read row by row."""
    try:
        numbers = require_numbers(table, adapter, place, name) if len(table) else []
    except DataError as error:
        if len(table) == 1:
            yield int(table.index[0]), unreadable(f"{name}, row {table.index[0]}", error)
            return
        for at in range(len(table)):
            yield from _asked_rows(table[at : at + 1], adapter, place, name)
        return
    for row, item in zip(table.index.tolist(), numbers, strict=True):
        yield row, Asked(f"{name}, row {row}", copy.copy(item), row)  # a view would keep all of them
