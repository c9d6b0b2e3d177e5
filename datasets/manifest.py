"""Manifests: files with one row per item, which hold sentences or the paths of pictures or sounds."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

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
from gridcnn.datasets.media import sort_media
from gridcnn.datasets.segmented import drop_without_times, segment_of_text, with_groups
from gridcnn.datasets.tables import read_table
from gridcnn.errors import DataError
from gridcnn.segments import Segment

__all__ = ["load_manifest", "located_file"]


def load_manifest(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
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
    path : path
        A .csv (separated by comma, semicolon or tab), .tsv, .parquet, .jsonl, .json or .xlsx file with named columns,
        or one of these as .gz or in a .zip.
    label : str, optional
        Column of labels. Without it the set has no labels, which is enough for a prediction.
    path_column, text : str
        Column of files, relative to the folder of the manifest, or column of sentences; give one of the two.
        Sentences are kept verbatim, including words such as "NA" and "None".
    group : str, optional
        Column that names what must stay together: speaker, site, patient.
    split : str, optional
        Column that says train, validation or test (or training, val, valid, dev, testing).
    start, end : str, optional
        Columns that say where an item begins and ends: seconds of a recording, which then becomes a `Segment`, or
        numbers of words of a sentence. Without `group`, segments of one recording or stretch of time stay together.
    encoding : str, optional
        Encoding of a csv, tsv or jsonl file, by its Python name. Without it, a byte order mark, UTF-8 and Western
        European text are recognised.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row that has an empty cell or names a missing file is an error, or is listed in `skipped` with its
        number in `Skipped.row`.

    Returns
    -------
    Dataset
        Items are paths or sentences in the order of the rows. Labels are int64 if all of them are written as integers,
        and strings otherwise.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing (the message lists the existing ones), a split has an unknown
        name, or, with ``on_error="raise"``, a row has an empty cell or names a missing file. Rows are numbered as in a
        spreadsheet: the header of a csv is row 1.
    """
    source = Path(path)
    table = read_table(source, encoding)
    if (text is None) == (path_column is None):
        raise DataError(
            f"{source}: say which column holds the items, with either text= (sentences) or path_column= (files): "
            f"its columns are {some_names(table.columns)}."
        )
    if (start is None) != (end is None):
        raise DataError(f"{source}: start and end go together: name both columns, or none.")
    used = [name for name in (text, path_column, label, group, split, start, end) if name is not None]
    for name in used:
        require_column(table, name, source)
    rows = Rows(table, source, on_error)
    for name in used:
        rows.drop(rows.table[name].map(is_missing), f"no {name}")

    if start is not None and end is not None:
        drop_without_times(rows, start, end)
    modality: Modality = "text"
    elsewhere: list[str] = []
    if path_column is not None:
        rows.replace(path_column, lambda cell: located_file(str(cell), source.parent, elsewhere))
        rows.drop(~rows.table[path_column].map(os.path.isfile), lambda row: f"no such file: {row[path_column]}")
        media = sort_media(rows.table[path_column].tolist(), str(source))
        modality = media.modality
        rows.drop(~np.array(media.kept), lambda row: f"no {modality}: {row[path_column]}")
    table = rows.table
    labels = None if label is None else as_labels(table[label])
    items: list[Any] = table[path_column if path_column is not None else text].tolist()
    items = items if path_column is not None else [str(cell) for cell in items]
    if start is not None and end is not None:
        if modality not in {"sound", "text"}:
            raise DataError(f"{source}: start and end are for recordings and texts, and these are pictures.")
        cut = segment_of_text if path_column is None else lambda path, *times: Segment(str(path), *times)
        items = [cut(*each) for each in zip(items, table[start], table[end], strict=True)]
    found = Dataset(
        items,
        labels,
        modality,
        name=source.stem,
        groups=None if group is None else np.array([as_word(cell) for cell in table[group]]),
        split=None if split is None else as_splits(table[split], source),
        skipped=tuple(rows.skipped),
        notes=tuple(_about(elsewhere)),
    )
    return with_groups(found)


def located_file(cell: str, folder: Path, elsewhere: list[str]) -> Path:
    """Return the file that a cell names, relative to the folder of the manifest; note if it is found in another way.

    A cell may also be written with backslashes, with ~, as a URL of this machine, or without its suffix, or be relative
    to the working directory, if a file is found so, and only one.
    """
    text = cell.strip()
    literal = folder / text
    if os.path.isfile(literal):  # noqa: PTH113  (twice as fast, and the usual case)
        return literal
    plain = text
    if text.lower().startswith("file:"):
        with contextlib.suppress(ValueError):  # no valid URL, such as file://[x
            plain = unquote(urlsplit(text).path)
    spellings = dict.fromkeys([plain, plain.replace("\\", "/"), os.path.expanduser(plain)])  # noqa: PTH111
    for spelling in spellings:
        try:
            for place in (folder / spelling, Path(spelling)):
                if place.is_file():
                    elsewhere.append(text)
                    return place
            named = list((folder / spelling).parent.glob(f"{_literal(Path(spelling).name)}.*"))
        except (OSError, ValueError):  # a name too long, or with a zero byte
            continue
        if len(named) == 1 and named[0].is_file() and not Path(spelling).suffix:
            elsewhere.append(text)
            return named[0]
    return literal


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _about(elsewhere: list[str]) -> list[str]:
    if not elsewhere:
        return []
    return [
        f"{len(elsewhere):,} files, such as {elsewhere[0]}, are not named relative to the folder of the manifest, and "
        "are found all the same: by the working directory, ~, a URL, other slashes, or without their suffix"
    ]
