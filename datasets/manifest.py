"""Manifests: files with one row per item, which hold sentences or the paths of pictures or sounds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gridcnn.datasets.blocks import about_groups, blocks_of_time
from gridcnn.datasets.cells import (
    OnError,
    Rows,
    as_labels,
    as_splits,
    as_word,
    is_missing,
    require_column,
    some_names,
)
from gridcnn.datasets.dataset import Dataset, Modality
from gridcnn.datasets.event_files.plain import time_columns
from gridcnn.datasets.hub_parquet import read_with_files
from gridcnn.datasets.label_sets import read_label_sets
from gridcnn.datasets.located import located_file
from gridcnn.datasets.manifest_segments import (
    Cut,
    cut_logs,
    cut_texts,
    document_names,
    names_documents,
    names_logs,
    read_documents,
    read_times,
)
from gridcnn.datasets.media import sort_media
from gridcnn.datasets.members import listed_file
from gridcnn.datasets.remote import RemoteFile, found, is_remote, local_copy
from gridcnn.datasets.sheets import table_path
from gridcnn.datasets.tables import read_table, require_file
from gridcnn.display import counted
from gridcnn.errors import DataError
from gridcnn.segments import Segment, file_of
from gridcnn.stored import Stored

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_manifest"]


def load_manifest(
    path: str | os.PathLike[str] | RemoteFile,
    *,
    label: str | None = None,
    labels: str | None = None,
    path_column: str | None = None,
    text: str | None = None,
    group: str | None = None,
    split: str | None = None,
    start: str | None = None,
    end: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read a manifest: a file whose rows hold sentences, or the paths of pictures or sounds.

    Parameters
    ----------
    path : path or RemoteFile
        A .csv (separated by comma, semicolon or tab), .tsv, .parquet, .jsonl, .json or .xlsx file with named columns,
        or one of these as .gz, .bz2, .xz or .zst, or in a .zip; of several sheets, book.xlsx#cats is one.
    label : str, optional
        Column of labels. Without it the set has no labels, which is enough for a prediction.
    labels : str, optional
        Column of several labels an item, in place of `label`: cells such as "a|b", or lists; an empty cell is no label.
        `Dataset.labels` then holds a tuple for each item.
    path_column, text : str
        Column of files, relative to the folder of the manifest, or column of sentences; give one of the two. A file may
        also be a URL, such as s3://bucket/a.wav, or lie in an archive, such as clips.zip/rain/1.wav. Files are
        pictures, recordings, texts (.txt) or logs (.csv, .tsv, .parquet, .npy or .npz, see `read_log`); a parquet file
        may also hold their bytes in that column, alone or as Hugging Face does, and names of classes beside their
        numbers. Sentences are kept verbatim, including words such as "NA" and "None".
    group : str, optional
        Column that names what must stay together: speaker, site, patient.
    split : str, optional
        Column that says train, validation or test (or training, val, valid, dev, testing).
    start, end : str, optional
        Columns that say where an item begins and ends: seconds of a recording, of which it is a `Segment`; samples of
        a log; words of a text, which white space separates. Samples and words count from 0, and the end is not part of
        the item. Without `group`, what one recording, log or text holds stays together in a split, or stretches of
        time in them if they are fewer than five.
    encoding : str, optional
        Encoding of a csv, tsv or jsonl file, and of texts, by its Python name. Without it, a byte order mark, UTF-8 and
        Western European text are recognised.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row that has an empty cell or names a missing file is an error, or is listed in `skipped` with its
        number in `Skipped.row`.

    Returns
    -------
    Dataset
        Items are paths, `Segment`s or sentences in the order of the rows; bytes in a column are `Cell`s, files in an
        archive `Member`s, and files of a storage `RemoteFile`s, which are read when they are needed; of logs an array
        `(n, channels, samples)`, or `(n, samples)` of one channel, NaN behind the ends of shorter ones. Labels are
        int64 if all of them are written as integers, and strings otherwise.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing (the message lists the existing ones), a split has an unknown
        name, or, with ``on_error="raise"``, a row has an empty cell or names a missing file. Rows are numbered as in a
        spreadsheet: the header of a csv is row 1.
    """
    source = path if isinstance(path, RemoteFile) else table_path(path)
    table = _read(source, path_column, encoding)
    if (text is None) == (path_column is None):
        raise DataError(
            f"{source}: say which column holds the items, with either text= (sentences) or path_column= (files): "
            f"its columns are {some_names(table.columns)}."
        )
    if label is not None and labels is not None:
        raise DataError(f"{source}: give label= (one label an item) or labels= (several), not both.")
    if (start is None) != (end is None):
        raise DataError(f"{source}: start and end go together: name both columns, or none.")
    used = [name for name in (text, path_column, label, group, split, start, end) if name is not None]
    for name in [*used, *([] if labels is None else [labels])]:
        require_column(table, name, source)
    rows = Rows(table, source, on_error)
    for name in used:
        rows.drop(rows.table[name].map(is_missing), f"no {name}")

    read = _items_of(rows, path_column, text, (start, end), encoding)
    table = rows.table
    groups, notes = None if group is None else np.array([as_word(cell) for cell in table[group]]), read.notes
    if group is None and start is not None and end is not None:
        groups = blocks_of_time(read.sources, table[start].tolist(), table[end].tolist())
    cut_apart = group is None and start is not None
    if start is None and read.modality not in {"image"} and (times := time_columns(table.columns)) is not None:
        notes = (
            *notes,
            f"whole items are read; if rows are about parts of them, say --start {times[0]} --end {times[1]}",
        )
    sets = None if labels is None else read_label_sets(table[labels], source)
    return Dataset(
        read.cut.items,
        sets.labels if sets is not None else None if label is None else as_labels(table[label]),
        read.modality,
        name=source.stem,
        groups=groups,
        split=None if split is None else as_splits(table[split], source),
        axes=read.axes,
        skipped=tuple(rows.skipped),
        notes=notes if sets is None else (*notes, sets.note),
        split_notes=about_groups(read.sources) if cut_apart else (),
        places=read.cut.places,
        whole=read.cut.whole,
    )


def _read(source: Path | RemoteFile, path_column: str | None, encoding: str | None) -> pd.DataFrame:
    """Read the rows of a manifest, of a storage from a copy."""
    if isinstance(source, Path):
        require_file(source)
    if source.suffix.lower() == ".parquet":
        table = read_with_files(source, path_column)
        return table.set_axis([str(column).strip() for column in table.columns], axis=1)
    if isinstance(source, Path):
        return read_table(source, encoding)
    with local_copy(source) as copy:
        return read_table(copy, encoding)


class _Items(NamedTuple):
    """The items of the rows that are left, and what each is part of."""

    cut: Cut
    modality: Modality
    sources: list[str]
    notes: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()


def _items_of(
    rows: Rows, path_column: str | None, text: str | None, times: tuple[str | None, str | None], encoding: str | None
) -> _Items:
    """Read the items of a manifest, and leave out the rows that have none."""
    start, end = times
    logs = path_column is not None and names_logs(rows.table[path_column])
    documents = path_column is not None and names_documents(rows.table[path_column])
    if start is not None and end is not None:
        read_times(rows, start, end, whole=logs or documents or path_column is None)
    if path_column is None:
        return _texts(rows, str(text), times)
    elsewhere: list[str] = []
    _locate(rows, path_column, elsewhere)
    if documents:
        texts = read_documents(rows, path_column, encoding)
        if start is None or end is None:
            return _Items(Cut([texts[each] for each in rows.table[path_column]]), "text", [], tuple(_about(elsewhere)))
        cut = cut_texts(rows, path_column, start, end, texts)
        return _Items(cut, "text", rows.table[path_column].tolist(), tuple(_about(elsewhere)))
    if logs:
        cut = cut_logs(rows, path_column, start, end)
        sources = list(map(str, rows.table[path_column]))
        axes = ("channels", "length")[-cut.items.ndim + 1 :]
        return _Items(cut, "array", sources, tuple(_about(elsewhere)), axes)
    media = sort_media(rows.table[path_column].tolist(), str(rows.source))
    reasons = {each.item: each.reason for each in media.skipped}
    expected = {"image": "a picture", "sound": "a recording"}[media.modality]
    rows.drop(
        ~np.array(media.kept),
        lambda row: f"expected {expected}, got {row[path_column]} ({reasons[str(row[path_column])]})",
    )
    paths, notes = rows.table[path_column].tolist(), tuple(_about(elsewhere))
    if start is None or end is None:
        return _Items(Cut(paths), media.modality, [], notes)
    if media.modality in {"image"}:
        raise DataError(f"{rows.source}: start and end are for recordings, logs and texts, and these are pictures.")
    columns = (rows.table[name] for name in (path_column, start, end))
    segments = [Segment(file_of(path), float(first), float(last)) for path, first, last in zip(*columns, strict=True)]
    return _Items(Cut(segments), media.modality, list(map(str, paths)), notes)


def _texts(rows: Rows, text: str, times: tuple[str | None, str | None]) -> _Items:
    start, end = times
    if start is None or end is None:
        return _Items(Cut([str(cell) for cell in rows.table[text]]), "text", [])
    names = document_names(rows.table[text].tolist(), rows.source.name)
    documents = dict(zip(names, map(str, rows.table[text]), strict=True))
    rows.table = rows.table.assign(**{text: names})
    cut = cut_texts(rows, text, start, end, documents)
    return _Items(cut, "text", rows.table[text].tolist())


def _locate(rows: Rows, column: str, elsewhere: list[str]) -> None:
    """Turn names of files into files, and leave out the rows of those that do not exist."""
    folder = rows.source.parent

    def file(cell: Any) -> Any:
        if isinstance(cell, Stored):
            return cell
        name = str(cell).strip()
        if isinstance(folder, RemoteFile):
            return folder / name
        return RemoteFile(name) if is_remote(name) else listed_file(located_file(name, folder, elsewhere))

    rows.replace(column, file)
    known = found([each for each in rows.table[column] if isinstance(each, RemoteFile)])
    rows.replace(column, lambda file: known.get(file, file) if isinstance(file, RemoteFile) else file)
    there = [
        each in known if isinstance(each, RemoteFile) else isinstance(each, Stored) or os.path.isfile(each)  # noqa: PTH113
        for each in rows.table[column]
    ]
    rows.drop(~np.array(there, dtype=bool), lambda row: f"no such file: {row[column]}")


def _about(elsewhere: list[str]) -> list[str]:
    if not elsewhere:
        return []
    return [
        f"{counted(len(elsewhere), 'file')}, such as {elsewhere[0]}, not named relative to the folder of the manifest, "
        "found all the same: by the working directory, ~, a URL, other slashes, or without their suffix"
    ]
