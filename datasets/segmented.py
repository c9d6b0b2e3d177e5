"""Annotated recordings as a data set: each annotated segment is an item."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gridcnn.datasets.annotations import Annotations, kind_of_file, read_annotations
from gridcnn.datasets.blocks import about_groups, blocks_of_time
from gridcnn.datasets.cells import OnError, as_splits, as_word, is_missing
from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.media import is_media_name, kind_of, walk
from gridcnn.datasets.sounds_of_tables import SoundsOf
from gridcnn.errors import DataError, Skipped
from gridcnn.segments import Event, Segment

__all__ = ["load_annotations"]

_ANNOTATION_FILES = frozenset({".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx"})
_NAMED = 5


def load_annotations(
    path: str | os.PathLike[str],
    kind: str | None = None,
    *,
    label: str | None = None,
    group: str | None = None,
    split: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read the annotations of long recordings: each annotated segment is an item.

    Parameters
    ----------
    path : path
        A file of annotations, or a folder of them, beside the recordings or with their names in a column. Recordings
        that are not where a file says are looked for by their names below the folder.
    kind : str, optional
        Their format, one of `gridcnn.datasets.annotations.KINDS`; without it, each file says which by its content.
    label : str, optional
        Column of labels, if it is not the usual one.
    group, split : str, optional
        Columns as in `load_manifest`, in formats that have further columns.
    encoding : str, optional
        Of text files; None detects it.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row that is no segment of a recording with a label, or a file of a folder that cannot be read, is an
        error or is listed in `skipped`.

    Returns
    -------
    Dataset
        Items are `Segment`s. Without `group`, what must stay together in a split are recordings, or blocks of time in
        them if they are fewer than five.

    Raises
    ------
    DataError
        If there is nothing to read, or, with ``on_error="raise"``, a row is bad.
    """
    place = Path(path)
    skipped: list[Skipped] = []
    notes: list[str] = []
    events: list[Event] = []
    quiet: list[str] = []
    files = _files_of_annotations(place, kind, skipped) if place.is_dir() else [place]
    for file in files:
        try:
            read = read_annotations(
                file,
                kind,
                label=label,
                encoding=encoding,
                on_error=on_error,
                root=place if place.is_dir() else None,
            )
        except DataError as error:
            if on_error == "raise" or not place.is_dir():
                raise
            skipped.append(Skipped(str(file), str(error).removeprefix(f"{file}: ")))
            continue
        skipped += read.skipped
        notes += read.notes
        if not read.events and not read.skipped and (recording := SoundsOf(file).beside()) is not None:
            quiet.append(recording)
        events += _usable(read, file, [each for each in (group, split) if each is not None], skipped, on_error)
    if not events and not skipped and not quiet:
        raise DataError(f"{place}: there are no rows in it: expected one for each annotated segment of a recording.")
    if not events:
        these = "; ".join(f"{each.item}: {each.reason}" for each in skipped[:_NAMED])
        raise DataError(
            f"{place}: there is no annotated segment of a recording in it{f': {these}' if these else ''}. The "
            "recordings lie beside the annotations under the same names, or a column names them."
        )
    sources = [event.source for event in events]
    if group is None:
        groups = blocks_of_time(sources, [event.start for event in events], [event.end for event in events])
    else:
        groups = np.array([as_word(event.more[group]) for event in events])
    return Dataset(
        [Segment(event.source, event.start, event.end) for event in events],
        np.array([event.label.strip() for event in events]),
        "sound",
        name=place.name,
        groups=groups,
        split=None if split is None else _splits(events, split, place),
        skipped=tuple(skipped),
        notes=tuple(dict.fromkeys(notes)),
        split_notes=about_groups(sources) if group is None else (),
        quiet=tuple(dict.fromkeys(quiet)),
    )


def _files_of_annotations(folder: Path, kind: str | None, skipped: list[Skipped]) -> list[Path]:
    """Return the files of a folder that hold annotations, and list those that could and do not."""
    found = []
    for each in walk(folder):
        if each.suffix.lower() not in _ANNOTATION_FILES or is_media_name(each.name) or not each.is_file():
            continue
        known = kind_of_file(each)
        if known is None if kind is None else not _may_be(kind, known):
            skipped.append(Skipped(str(each), f"no annotations{f' in the format {kind}' if kind else ''}"))
        else:
            found.append(each)
    if not found:
        raise DataError(
            f"{folder}: there is no file of annotations{f' in the format {kind}' if kind else ''} in it: expected such "
            f"files as {'rec.selections.txt, rec.txt, annotations.csv' if kind is None else _example(kind)}."
        )
    return found


def _may_be(kind: str, known: str | None) -> bool:
    """Whether a file may be of a format: an empty text is an empty label track, and every csv is a csv."""
    return known == kind or (kind == "csv" and known == "kaleidoscope")


def _example(kind: str) -> str:
    return {"raven": "rec.Table.1.selections.txt", "audacity": "rec.txt", "labelstudio": "export.json"}.get(
        kind, f"annotations.{'parquet' if kind == 'parquet' else 'csv'}"
    )


def _usable(
    read: Annotations, file: Path, needed: Sequence[str], skipped: list[Skipped], on_error: OnError
) -> list[Event]:
    """Return the events of a file that are items to learn from; list the others, or raise DataError."""
    problems = {event.source: _about_recording(event.source, read.several) for event in read}
    kept = []
    for event, row in zip(read, read.rows, strict=True):
        missing = next((name for name in needed if is_missing(event.more.get(name))), None)
        why = problems[event.source] or ("" if event.label.strip() else "no label")
        why = why or ("it ends where it begins" if event.end <= event.start else "")
        why = why or ("" if missing is None else f"no {missing}")
        if not why:
            kept.append(event)
            continue
        skipped.append(Skipped(f"{file}, row {row}", why, row))
        if on_error == "raise":
            raise DataError(
                f"{file}, row {row}: {why}. Correct or delete such rows, or skip them with --on-error skip "
                "(on_error='skip')."
            )
    return kept


def _about_recording(source: str, several: Mapping[str, Sequence[Path]]) -> str:
    """Say why segments of a file cannot be read; empty if nothing is known against it."""
    if fitting := several.get(source):
        return f"{len(fitting)} recordings fit {source}, such as {fitting[0]} and {fitting[1]}: name one by its folder"
    kind = kind_of(Path(source))
    if kind is None:
        return f"no recording: {source}" if Path(source).is_file() else f"no such recording: {source}"
    return f"a picture, no recording: {source}" if kind in {"image"} else ""


def _splits(events: Sequence[Event], split: str, place: Path) -> np.ndarray:
    import pandas as pd  # noqa: PLC0415

    return as_splits(pd.Series([event.more[split] for event in events], name=split), place)
