"""A SOURCE as Hugging Face has it: on the hub, laid out as there, or a parquet file that says what its columns are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.datasets.remote import RemoteFile

__all__ = ["column_of_bytes", "downloaded", "hub_folder_in", "is_on_hub", "read_hub_folder", "told_columns"]


_OF_FOLDERS = ("label", "labels", "path", "text", "group", "split", "encoding")
"""Columns that may be named of a folder of such files."""


WRAPPED = 4
"""Folders, each alone in the other, in which a set is looked for."""


def is_on_hub(source: str) -> bool:
    """Whether a SOURCE is the name of a data set on the hub."""
    return source.replace("\\", "/").startswith("hf:/")


def downloaded(source: str) -> Path:
    """Return the folder or file to which a data set is downloaded."""
    from gridcnn.export.hub_datasets import fetch_dataset, is_dataset_name

    if not is_dataset_name(source):
        raise ConfigurationError(
            f"{source} is the name of a model: data sets on the hub are called hf://datasets/USER/NAME"
        )
    return fetch_dataset(source)


def hub_folder_in(place: Path) -> Path | None:
    """Return the folder that holds tables in shards, or files that metadata.csv lists; None if it is another one.

    It is the given folder, or lies in it alone, as in an archive.
    """
    from gridcnn.datasets.hub_folder import hub_files
    from gridcnn.datasets.parts import inside

    for _ in range(WRAPPED):
        if hub_files(place) is not None:
            return place
        folders, files = inside(place)
        if len(folders) != 1 or files:
            return None
        place = folders[0]
    return None


def read_hub_folder(place: Path, source: str, columns: Mapping[str, str | None], on_error: str) -> Dataset:
    """Read such a folder, which is called as the person called it; `columns` are the fields of `Columns`."""
    from gridcnn.datasets.hub_folder import load_hub_folder

    if others := [f"--{name}" for name, given in columns.items() if given is not None and name not in _OF_FOLDERS]:
        raise ConfigurationError(f"{', '.join(others)}: for one csv or parquet file, and {source} is a folder.")
    data = load_hub_folder(
        place,
        label=columns["label"],
        labels=columns["labels"],
        path_column=columns["path"],
        text=columns["text"],
        group=columns["group"],
        split=columns["split"],
        encoding=columns["encoding"],
        on_error="raise" if on_error == "raise" else "skip",
    )
    return replace(data, name=source.rstrip("/").rpartition("/")[2]) if is_on_hub(source) else data


def column_of_bytes(place: Path | RemoteFile, named: str | None) -> str | None:
    """Return the column in which a parquet file holds pictures or sounds: the named one, or the only one; else None."""
    from gridcnn.datasets.hub_parquet import features_of

    if place.suffix.lower() != ".parquet":
        return None
    features = features_of(place)
    if named is None and len(features.files) == 1:
        return features.files[0]
    return named if named in (*features.files, *features.binary) else None


def told_columns(place: Path | RemoteFile, label: str | None) -> tuple[str | None, str | None, str | None]:
    """Return the columns of files, of texts and of labels of a parquet file that says which they are.

    Of any other file, and of a table of numbers, the first two are None, and the label stays as it is.
    """
    from gridcnn.datasets.hub_folder import item_columns
    from gridcnn.datasets.hub_parquet import features_of

    if place.suffix.lower() != ".parquet":
        return None, None, label
    features = features_of(place)
    if not features.files and not features.classes:
        return None, None, label
    path, text, said = item_columns(features, None if label not in features.names else label)
    return path, text, label if label is None or label in features.names or said is None else said
