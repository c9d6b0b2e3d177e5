"""Columns that hold names of files, in tables that were to hold numbers or sentences: what a person meant to say."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.hub_sources import told_columns
from gridcnn.cli.output import note
from gridcnn.errors import ConfigurationError, DataError, GridcnnError

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.cli.columns import Columns
    from gridcnn.datasets.remote import RemoteFile

__all__ = [
    "annotated_logs",
    "item_columns",
    "lists_logs",
    "refuse_text",
    "require_named",
    "require_numbers",
    "suggest_path",
    "suggestion",
    "usual_column",
]

USUAL = ("path", "file_name")
"""Columns that list files, if nobody says which."""

LOOKED_AT = 50
"""Rows of a table, the first ones, whose cells are looked at."""


def refuse_text(columns: Columns, adapter: type[Adapter] | Adapter) -> None:
    """Raise ConfigurationError if a column of sentences is named for a model that reads none."""
    if columns.text is not None and not adapter.reads_texts:
        noun = (adapter() if isinstance(adapter, type) else adapter).noun
        raise ConfigurationError(
            f"--text {columns.text}: the model reads {noun.removesuffix('s')}s, so leave --text out."
        )


def item_columns(
    place: Path | RemoteFile, columns: Columns, adapter: type[Adapter] | Adapter | None
) -> tuple[str | None, str | None, str | None]:
    """Return the columns of sentences, of files and of labels of a table; it is one of numbers without the first two.

    What was said counts, then what the file says of itself, then what is usual for the adapter of a trained model.

    Raises
    ------
    ConfigurationError
        If sentences are named for a model that reads files, or files are listed in a column that nobody named.
    """
    text, path, label = columns.text, columns.path, columns.label
    if text is not None and isinstance(place, Path):
        suggest_path(place, text, columns.encoding)
    if text is None and path is None:
        path, text, label = told_columns(place, label or columns.labels)
        path = path or _listing_column(place)
        label = None if columns.labels is not None else label
    if adapter is None:
        return text, path, label
    refuse_text(columns, adapter)
    if adapter.reads_files:
        return None, path or _column_of_files(place, columns.encoding), label
    if adapter.reads_texts and columns.path is None:  # or texts are files
        return text or "text", None, label
    if path is None and not isinstance(adapter, type) and adapter.reads_logs and isinstance(place, Path):
        path = usual_column(place, columns.encoding)
    return text, path, label


def _listing_column(place: Path | RemoteFile) -> str | None:
    """Return the column that lists files in a metadata.csv of Hugging Face's layout; None of any other file."""
    from gridcnn.datasets.hub_folder import FILE_NAME, lists_files

    return FILE_NAME if place.stem == "metadata" and lists_files(place) else None


def _column_of_files(place: Path | RemoteFile, encoding: str | None) -> str:
    """Return the column that lists files where nobody said which."""
    column = _listing_column(place)
    if column is None and isinstance(place, Path):
        column = usual_column(place, encoding)
        require_named(place, column, encoding)
    return column or USUAL[0]


def require_named(place: Path, column: str | None, encoding: str | None) -> None:
    """Raise ConfigurationError if no column usually lists files, and another one does."""
    if column is None and (meant := suggestion(place, encoding)):
        raise ConfigurationError(f"{meant}.")


def usual_column(place: Path, encoding: str | None = None) -> str | None:
    """Return the column of a table that usually lists files; None if it has none."""
    from gridcnn.datasets.streamed import StreamedTable

    there = StreamedTable(place, encoding).columns
    return next((name for name in USUAL if name in there), None)


def lists_logs(place: Path, columns: Columns) -> bool:
    """Whether a table lists logs, and is none itself."""
    from gridcnn.datasets.compressed import is_table_file

    if columns.path is not None or columns.start is not None:
        return True
    return is_table_file(place) and usual_column(place, columns.encoding) is not None


def suggestion(place: Path, encoding: str | None = None) -> str:
    """Say which options read a table that lists files; empty if none of its columns names any."""
    from gridcnn.datasets.located import how_to_read, mostly_files

    first = _first_rows(place, encoding)
    named = () if first is None else (name for name in first.columns if mostly_files(first[name].tolist()))
    column = next(iter(named), None)
    return "" if first is None or column is None else f"{place} lists files: {how_to_read(column, first.columns)}"


def suggest_path(place: Path, column: str, encoding: str | None = None) -> None:
    """Say if what is named as a column of texts holds names of files that exist."""
    from gridcnn.datasets.located import located_file, mostly_files

    first = _first_rows(place, encoding)
    cells = [] if first is None or column not in first.columns else list(map(str, first[column].tolist()))
    if not mostly_files(cells) or not any(os.path.isfile(located_file(each, place.parent, [])) for each in cells):  # noqa: PTH113
        return
    note(
        f"the cells of {column!r} in {place} name files, and these names are read as texts: if the files hold the "
        f"texts, say --path {column} in place of --text {column}"
    )


def annotated_logs(place: Path, columns: Columns) -> Columns | None:
    """Return the columns of a table of annotations in logs or texts, as it stands; None if it is about recordings."""
    from gridcnn.datasets.compressed import is_table_file
    from gridcnn.datasets.event_files.plain import time_columns
    from gridcnn.datasets.located import mostly_files
    from gridcnn.datasets.media import is_media_name

    if columns.annotations not in {"csv", "parquet", "auto"} or not place.is_file() or not is_table_file(place):
        return None
    first = _first_rows(place, columns.encoding)
    times = None if first is None else time_columns(first.columns)
    if first is None or times is None:
        return None
    for name in first.columns:
        cells = first[name].tolist()
        if mostly_files(cells) and not any(is_media_name(str(cell)) for cell in cells):
            labels = None if columns.labels is None else "label" if columns.labels == "auto" else columns.labels
            label = None if labels is not None else columns.label or "label"
            named = {"path": str(name), "start": times[0], "end": times[1], "label": label, "labels": labels}
            return replace(columns, annotations=None, **named)
    return None


def _first_rows(place: Path, encoding: str | None) -> Any:
    """Return the beginning of a table, None if it cannot be read."""
    from gridcnn.datasets.streamed import StreamedTable

    try:
        return next(StreamedTable(place, encoding).parts())[:LOOKED_AT]
    except DataError:
        return None


def require_numbers(table: Any, adapter: Adapter, place: Path, name: str, encoding: str | None = None) -> Any:
    """Return the rows of a table as an adapter of numbers reads them.

    Parameters
    ----------
    table : DataFrame
        Some rows.
    adapter : Adapter
        Fitted.
    place : Path
        The file that they come from, which may list files instead of numbers.
    name : str
        What messages call them.
    encoding : str, optional
        Of the file.

    Raises
    ------
    ConfigurationError
        If the file lists files, and nobody said which column names them.
    DataError
        If the rows hold no numbers, or other columns than those of the training.
    """
    try:
        return adapter.check_items(table)
    except (GridcnnError, ValueError, TypeError) as error:
        if place.is_file() and (meant := suggestion(place, encoding)):
            raise ConfigurationError(f"{meant}.") from None
        if isinstance(error, GridcnnError):
            raise
        raise DataError(f"{name}: {error}") from error  # in scikit-learn's words
