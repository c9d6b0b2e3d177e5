"""Folders of class folders: the name of a folder is the label of every picture or sound in it."""

from __future__ import annotations

import itertools
import os
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gridcnn.datasets.dataset import SPLIT_NAMES, Dataset
from gridcnn.datasets.media import sort_media, visible, walk
from gridcnn.errors import DataError, Skipped

_LAYOUT = (
    "expected one folder per class, such as {0}/cat/1.png and {0}/dog/2.png, with or without train/ and test/ above"
)


class _ClassFolder(NamedTuple):
    path: Path
    split: str | None

    @property
    def label(self) -> str:
        return unicodedata.normalize("NFC", self.path.name)  # some file systems store é as two characters


def load_folder(folder: str | os.PathLike[str], *, allow_one_class: bool = False) -> Dataset:
    """Read a folder of class folders, which hold either pictures or sounds.

    Parameters
    ----------
    folder : path
        Holds one folder per class. Their files, including those in deeper folders, are the items. If all folders are
        called train, validation or test (or val, valid, dev, training, testing), the class folders are one level below
        and `split` is set.
    allow_one_class : bool, default=False
        Whether a single class is accepted: it is enough to evaluate a model, but not to train one.

    Returns
    -------
    Dataset
        Items are paths, class by class in sorted order; labels are the names of the folders. `skipped` lists the files
        that are neither pictures nor sounds, those beside the class folders, and a few files of the other kind. Hidden
        files and files that operating systems leave behind are ignored.

    Raises
    ------
    DataError
        If the folder is missing, has no class folders, only one class, an empty class folder, or a mixture of pictures
        and sounds.
    """
    root = _existing(folder)
    classes, loose = _class_folders(root)
    files = [list(walk(each.path)) for each in classes]
    media = sort_media([path for group in files for path in group], str(root))
    kept = iter(media.kept)
    counts = [sum(itertools.islice(kept, len(group))) for group in files]
    for each, count in zip(classes, counts, strict=True):
        if not count:
            raise DataError(f"{each.path}: no {media.modality} in this class folder: remove it, or add files to it.")
    names = [each.label for each in classes]
    if len(set(names)) == 1 and not allow_one_class:
        raise DataError(f"{root}: one class only, {names[0]!r}: add a folder with examples of another class.")
    return Dataset(
        media.paths,
        np.repeat(names, counts),
        media.modality,
        name=root.resolve().name,
        split=np.repeat([each.split for each in classes], counts) if classes[0].split else None,
        skipped=(
            *(Skipped(str(path), "beside the class folders, so without a label") for path in loose),
            *media.skipped,
        ),
    )


def list_media_files(folder: str | os.PathLike[str]) -> Dataset:
    """List the pictures or sounds below a folder for prediction, without labels.

    Parameters
    ----------
    folder : path
        Searched with all folders below it.

    Returns
    -------
    Dataset
        Items are the sorted paths; labels are None.

    Raises
    ------
    DataError
        If the folder is missing, holds no picture or sound, or holds a mixture of both.
    """
    root = _existing(folder)
    media = sort_media(sorted(walk(root)), str(root))
    return Dataset(media.paths, None, media.modality, name=root.resolve().name, skipped=media.skipped)


def _existing(folder: str | os.PathLike[str]) -> Path:
    root = Path(folder)
    if root.is_file():
        raise DataError(f"{root} is a file, not a folder: read a csv, tsv, parquet or jsonl file with load_manifest.")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, seen from {Path.cwd()}: check the spelling, or give the full path.")
    return root


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the visible folders and the visible files of a folder, each sorted."""
    entries = sorted(path for path in folder.iterdir() if visible(path.name))
    return [path for path in entries if path.is_dir()], [path for path in entries if not path.is_dir()]


def _class_folders(root: Path) -> tuple[list[_ClassFolder], list[Path]]:
    """Return the class folders, and the files beside them."""
    folders, loose = _inside(root)
    if not folders:
        found = f"{len(loose)} files and no folder" if loose else "nothing"
        raise DataError(f"{root}: found {found}, but {_LAYOUT.format(root.name)}.")
    splits = [SPLIT_NAMES.get(path.name.lower()) for path in folders]
    if not all(splits):
        parts = [path for path, split in zip(folders, splits, strict=True) if split and _inside(path)[0]]
        if len(parts) > 1:
            others = ", ".join(f"{path.name}/" for path, split in zip(folders, splits, strict=True) if not split)
            raise DataError(
                f"{root}: {', '.join(f'{path.name}/' for path in parts)} hold class folders, but {others} are beside "
                f"them: move {others} elsewhere, or into one of the parts."
            )
        return [_ClassFolder(path, None) for path in folders], loose
    classes = []
    for folder, split in zip(folders, splits, strict=True):
        below, beside = _inside(folder)
        if not below:
            raise DataError(f"{folder}: no class folder in it, but {_LAYOUT.format(root.name)}.")
        classes += [_ClassFolder(path, split) for path in below]
        loose += beside
    return classes, loose
