"""Folders as Hugging Face lays them out: files that metadata list, or tables in shards named by their parts."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gridcnn.datasets.cells import OnError, some_names
from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.hub_parquet import Features, features_of
from gridcnn.datasets.manifest import load_manifest
from gridcnn.datasets.media import is_media_name, visible
from gridcnn.datasets.parts import part_of
from gridcnn.datasets.remote import RemoteFile
from gridcnn.datasets.wording import listed
from gridcnn.errors import DataError, Skipped

__all__ = ["FILE_NAME", "HubFile", "hub_files", "item_columns", "lists_files", "load_hub_folder"]

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FILE_NAME = "file_name"
_TABLES = frozenset({".parquet", ".csv", ".tsv", ".jsonl"})
_SHARD = re.compile(r"[-_.]?\d+(-of-\d+)?(-[0-9a-f]{8,})?$")
_DEEPEST = 3
_LABELS = ("label", "labels", "class", "category", "target")
_TEXTS = ("text", "sentence", "content", "review", "document")


class HubFile(NamedTuple):
    """A file of rows, and which part of the set it holds.

    Parameters
    ----------
    path : Path
        The file.
    part : str or None
        "train", "validation" or "test"; None if its name does not say.
    name : str
        What its name says the part is.
    lists_files : bool
        Whether it lists files beside it in the column file_name.
    """

    path: Path
    part: str | None
    name: str
    lists_files: bool = False


def hub_files(folder: Path) -> list[HubFile] | None:
    """Return the files of rows of a folder that is laid out in this way; None if it is not, as one of class folders.

    Raises
    ------
    DataError
        If there are several configurations in it, of which one has to be chosen.
    """
    places = [folder, *_folders(folder)]
    if (folder / "data").is_dir():
        places += _folders(folder / "data")
    metadata = [place / name for place in places for name in _METADATA if (place / name).is_file()]
    listing = [path for path in metadata if lists_files(path)]
    if listing:
        return [HubFile(path, part_of(path.parent.name), path.parent.name, lists_files=True) for path in listing]
    tables = _tables(folder)
    if not tables:
        return None
    by_configuration: dict[str, list[HubFile]] = {}
    for path in tables:
        by_configuration.setdefault(_configuration(folder, path), []).append(_file(path))
    if len(by_configuration) > 1:
        raise DataError(
            f"{folder}: {len(by_configuration)} sets are in it, {listed(sorted(by_configuration)[:9])}: give the "
            "folder of one of them."
        )
    return next(iter(by_configuration.values()))


def _folders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if visible(each.name) and each.is_dir())


def lists_files(path: Path | RemoteFile) -> bool:
    """Whether a file has the column that names files."""
    if path.suffix == ".parquet":
        return FILE_NAME in features_of(path).names
    with path.open("rb") as file:
        return FILE_NAME.encode() in file.readline(2**16)


def _tables(folder: Path) -> list[Path]:
    """Return tables of a folder that holds nothing but tables and files about them; parquet files, if there are any."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if visible(name))
        depth = len(Path(place).relative_to(folder).parts)
        shown = sorted(name for name in names if visible(name))
        if (depth >= _DEEPEST and folders) or any(is_media_name(name) for name in shown):
            return []
        found += [Path(place) / name for name in shown if Path(name).suffix.lower() in _TABLES]
    shards = [path for path in found if path.suffix.lower() == ".parquet"]
    named = [path for path in found if _file(path).part is not None]
    return shards or (named if len(named) == len(found) else [])


def _configuration(folder: Path, path: Path) -> str:
    return "/".join(
        name for name in path.parent.relative_to(folder).parts if name.lower() != "data" and part_of(name) is None
    )


def _file(path: Path) -> HubFile:
    stem = _SHARD.sub("", path.stem)
    name = stem or path.parent.name
    return HubFile(path, part_of(name) or part_of(path.parent.name), name)


def item_columns(features: Features, label: str | None) -> tuple[str | None, str | None, str | None]:
    """Return the columns of files, of texts and of labels that a file makes clear; None for those that it does not."""
    label = label or next(iter(features.classes), None) if len(features.classes) < 2 else label
    label = label or next((name for name in _LABELS if name in features.names), None)
    if len(features.files) == 1:
        return features.files[0], None, label
    texts = [name for name in features.texts if name != label]
    usual = [name for name in _TEXTS if name in texts]
    text = (usual or texts)[0] if usual or len(texts) == 1 else None
    return None, None if features.files else text, label


def load_hub_folder(
    folder: str | os.PathLike[str],
    *,
    label: str | None = None,
    labels: str | None = None,
    path_column: str | None = None,
    text: str | None = None,
    group: str | None = None,
    split: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read a folder of files that `metadata.csv` lists in the column `file_name`, or of parquet files in shards.

    Parameters
    ----------
    folder : path
        metadata.csv, .jsonl or .parquet lie in it or in its folders train, validation and test; or there are files such
        as data/train-00000-of-00002.parquet, test.csv or train/0000.parquet.
    label, labels, path_column, text, group, split, encoding, on_error
        As in `load_manifest`. Without them, a parquet file itself says which column holds pictures, sounds or texts,
        and which one classes; otherwise these are called text and label.

    Returns
    -------
    Dataset
        Its parts are told from the names of the files, unless `split` names a column.

    Raises
    ------
    DataError
        As `load_manifest`; also if the folder is laid out in another way, or what is meant is not clear.
    """
    root = Path(folder)
    files = hub_files(root)
    if files is None:
        raise DataError(f"{root}: no metadata.csv that has a column file_name, and no tables named by their parts.")
    known = [each for each in files if each.part is not None]
    notes = []
    if known and len(known) < len(files):
        others = sorted({each.name for each in files if each.part is None})
        notes.append(f"{listed(others)} are no parts called train, validation or test, and are left out")
        files = known
    parts: list[tuple[HubFile, Dataset]] = []
    for each in files:
        columns = _columns(each, label or labels, path_column, text)
        if labels is not None:
            columns = columns | {"label": None, "labels": labels}
        rows = {"group": group, "split": split, "encoding": encoding}
        if each.part in {"test", "validation"} and _is_unlabelled(each.path, labels or columns["label"]):
            notes.append(f"{each.path.name} has no labels, and is left out")
            continue
        parts.append((each, load_manifest(each.path, **columns, **rows, on_error=on_error)))
    if not parts:
        raise DataError(f"{root}: none of its files has labels.")
    return _joined(root, parts, notes, by_column=split is not None)


def _columns(file: HubFile, label: str | None, path_column: str | None, text: str | None) -> dict[str, str | None]:
    """Return which columns hold the items and the labels."""
    if file.lists_files:
        return {"path_column": path_column or FILE_NAME, "text": None, "label": label or "label"}
    if file.path.suffix.lower() != ".parquet":
        return {"path_column": path_column, "text": None if path_column else text or "text", "label": label or "label"}
    features = features_of(file.path)
    found_path, found_text, found_label = item_columns(features, label)
    if path_column is None and text is None:
        path_column, text = found_path, found_text
    if path_column is None and text is None:
        raise DataError(
            f"{file.path}: say which column holds the items, with --path (pictures or sounds) or --text: its columns "
            f"are {some_names(features.names)}."
        )
    if found_label is None:
        raise DataError(
            f"{file.path}: say which column holds the classes, with --label: its columns are "
            f"{some_names(features.names)}."
        )
    return {"path_column": path_column, "text": text, "label": found_label}


def _is_unlabelled(path: Path, label: str | None) -> bool:
    """Whether a parquet file has no labels, as test parts of competitions: no such column, or -1 in each row."""
    if path.suffix.lower() != ".parquet" or label is None:
        return False
    features = features_of(path)
    if label not in features.names:
        return True
    if label not in features.classes:
        return False
    import pyarrow.compute as pc  # noqa: PLC0415

    from gridcnn.datasets.parquet import opened_parquet  # noqa: PLC0415

    with path.open("rb") as file, opened_parquet(file, path) as (opened, stated):
        batches = opened.iter_batches(stated.at_once, columns=[label], use_threads=False)
        return all(pc.max(batch.column(label)).as_py() in (None, -1) for batch in batches)


def _joined(root: Path, parts: Sequence[tuple[HubFile, Dataset]], notes: list[str], *, by_column: bool) -> Dataset:
    """Put the files of a set together."""
    sets = [data for _, data in parts]
    if len(kinds := sorted({data.modality for data in sets})) > 1:
        raise DataError(f"{root}: its files hold {' and '.join(kinds)} items: one model reads one kind.")
    named = all(file.part is not None for file, _ in parts)
    split = np.concatenate([np.full(len(data), file.part or "") for file, data in parts]) if named else None
    if by_column:
        split = np.concatenate([data.split for data in sets if data.split is not None])
    lists = (data.items for data in sets)
    items = np.concatenate(list(lists)) if _are_arrays(sets) else list(itertools.chain.from_iterable(lists))
    labels = [np.asarray(data.labels) for data in sets]
    if len({each.dtype.kind for each in labels}) > 1:
        labels = [each.astype(str) for each in labels]
    groups = [data.groups for data in sets if data.groups is not None]
    skipped: list[Skipped] = [each for data in sets for each in data.skipped]
    if named and not by_column:
        read = dict.fromkeys(f"{file.name} as {file.part}" for file, _ in parts)
        notes = [f"the files are read as parts of the set: {', '.join(read)}", *notes]
    return replace(
        sets[0],
        items=items,
        labels=np.concatenate(labels),
        name=root.resolve().name,
        groups=np.concatenate(groups) if len(groups) == len(sets) else None,
        split=split,
        skipped=tuple(skipped),
        notes=(*notes, *dict.fromkeys(note for data in sets for note in data.notes)),
    )


def _are_arrays(sets: Sequence[Dataset]) -> bool:
    return all(isinstance(data.items, np.ndarray) for data in sets)
