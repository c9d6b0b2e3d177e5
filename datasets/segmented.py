"""Labelled parts of long items: rows that say where they begin and end, and what must stay together in a split."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.datasets.annotations import kind_of_file, read_annotations
from gridcnn.datasets.cells import OnError, Rows
from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.media import sort_media
from gridcnn.errors import DataError, Skipped
from gridcnn.segments import Event, Segment

__all__ = ["blocks_of_time", "drop_without_times", "load_annotations", "segment_of_text", "with_groups"]

FEWEST_FILES = 5
"""Files of segments from which a file is what stays together; of fewer, blocks of time in each."""

BLOCKS = 10
"""Blocks of time in a file."""

_ANNOTATION_FILES = {".txt", ".csv", ".tsv", ".json", ".parquet"}


def drop_without_times(rows: Rows, start: str, end: str) -> None:
    """Leave out the rows of a manifest whose columns hold no beginning and a later end, and turn these into numbers."""

    def bad(row: Any) -> bool:
        first, last = (_number(row[name]) for name in (start, end))
        return not 0 <= first < last < math.inf

    marks = [bad(row) for row in rows.table[[start, end]].to_dict("records")]
    rows.drop(
        np.array(marks, dtype=bool),
        lambda row: f"a segment begins at 0 or later and ends after that, got {start} {row[start]}, {end} {row[end]}",
    )
    for name in (start, end):
        rows.table = rows.table.assign(**{name: rows.table[name].map(_number).astype(float)})


def _number(cell: Any) -> float:
    try:
        return float(str(cell).strip().replace(",", ".") if isinstance(cell, str) else cell)
    except (TypeError, ValueError):
        return math.nan


def segment_of_text(text: str, start: float, end: float) -> str:
    """Return the words of a text from number `start`, counted from 0, to the one before `end`.

    Examples
    --------
    >>> segment_of_text("what a fine day it is", 2, 4)
    'fine day'
    """
    return " ".join(text.split()[math.ceil(start) : math.ceil(end)])


def blocks_of_time(segments: Sequence[Segment]) -> np.ndarray:
    """Return what must stay together in a split, a name for each segment `(n,)`: neighbours in time.

    That is the file, if there are at least five. Of fewer files, each is cut into at most ten blocks of time with about
    as many segments; segments that overlap are in one block.

    Examples
    --------
    >>> blocks_of_time([Segment("a.wav", at, at + 1.5) for at in (0, 1, 8, 9)]).tolist()
    ['a.wav, block 1', 'a.wav, block 1', 'a.wav, block 6', 'a.wav, block 6']
    """
    by_file: dict[str, list[int]] = defaultdict(list)
    for at, each in enumerate(segments):
        by_file[each.path].append(at)
    if len(by_file) >= FEWEST_FILES:
        return np.array([each.path for each in segments])
    names = np.empty(len(segments), dtype=object)
    for path, members in by_file.items():
        members.sort(key=lambda at: (segments[at].start, segments[at].end))
        block, busy = 0, 0.0
        for number, at in enumerate(members):
            if segments[at].start >= busy:
                block = number * BLOCKS // len(members)
            names[at] = f"{path}, block {block + 1}"
            busy = max(busy, segments[at].end)
    return names.astype(str)


def load_annotations(
    path: str | os.PathLike[str],
    kind: str | None = None,
    *,
    label: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read the annotations of long recordings: each annotated segment is an item.

    Parameters
    ----------
    path : path
        A file of annotations, or a folder of them, beside the recordings or with their names in a column.
    kind : str, optional
        Their format, one of `gridcnn.datasets.annotations.KINDS`; without it, each file says which by its content.
    label : str, optional
        Column of labels, if it is not the usual one.
    encoding : str, optional
        Of text files; None detects it.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row that is no segment of a recording with a label is an error, or is listed in `skipped`.

    Returns
    -------
    Dataset
        Items are `Segment`s. What must stay together in a split is in `groups`: recordings, or blocks of time in them.

    Raises
    ------
    DataError
        If there is nothing to read, or, with ``on_error="raise"``, a row is bad.
    """
    place = Path(path)
    files = _files_of_annotations(place, kind) if place.is_dir() else [place]
    segments: list[Segment] = []
    labels: list[str] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    for file in files:
        read = read_annotations(file, kind, label=label, encoding=encoding, on_error=on_error)
        skipped += read.skipped
        notes += read.notes
        kept = sort_media([Path(event.source) for event in read], str(file)).kept if len(read) else []
        for event, row, is_media in zip(read, read.rows, kept, strict=True):
            if why := _unusable(event, is_media=is_media):
                skipped.append(Skipped(f"{file}, row {row}", why))
                if on_error == "raise":
                    raise DataError(f"{file}, row {row}: {why}.")
                continue
            segments.append(Segment(event.source, event.start, event.end))
            labels.append(event.label)
    if not segments:
        first = f"; the first: {skipped[0].item}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"{place}: there is no annotated segment of a recording in it{first}.")
    return Dataset(
        segments,
        np.array(labels),
        "sound",
        name=place.name,
        groups=blocks_of_time(segments),
        skipped=tuple(skipped),
        notes=(*dict.fromkeys(notes), *about_groups(segments)),
    )


def _unusable(event: Event, *, is_media: bool) -> str:
    """Say why an event is no item to learn from."""
    if not Path(event.source).is_file():
        return f"no such file: {event.source}"
    if not is_media:
        return f"no recording: {event.source}"
    if not event.label:
        return "no label"
    return "it ends where it begins" if event.end <= event.start else ""


def about_groups(segments: Sequence[Segment]) -> list[str]:
    """Say what stays together in a split."""
    n_files = len({each.path for each in segments})
    what = "a recording is" if n_files >= FEWEST_FILES else "stretches of time are"
    files = "1 recording" if n_files == 1 else f"{n_files:,} recordings"
    return [f"{len(segments):,} segments of {files}: in a validation split, {what} on one side"]


def _files_of_annotations(folder: Path, kind: str | None) -> list[Path]:
    found = [each for each in sorted(folder.rglob("*")) if each.suffix.lower() in _ANNOTATION_FILES and each.is_file()]
    found = [each for each in found if not any(part.startswith(".") for part in each.relative_to(folder).parts)]
    alike = [each for each in found if kind is None or kind_of_file(each) == kind]
    if not alike:
        raise DataError(f"{folder}: there is no file of annotations{f' in the format {kind}' if kind else ''} in it.")
    return alike


def with_groups(data: Dataset) -> Dataset:
    """Return a set of segments with what must stay together, if nobody said that."""
    if data.groups is not None or not all(isinstance(item, Segment) for item in data.items):
        return data
    return replace(data, groups=blocks_of_time(data.items), notes=(*data.notes, *about_groups(data.items)))
