"""Folders of class folders: the name of a folder is the label of every picture, sound or text in it."""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gridcnn.datasets.archives import is_archive
from gridcnn.datasets.compressed import is_table_file
from gridcnn.datasets.dataset import Dataset
from gridcnn.datasets.encoding import decode
from gridcnn.datasets.media import sort_media, what_else
from gridcnn.datasets.members import Member, Place, files_below, folder_of
from gridcnn.datasets.parts import Tree, read_tree, refuse_archives
from gridcnn.datasets.unpacking import unpacked
from gridcnn.errors import DataError, Skipped

DOCUMENTS = frozenset({".txt", ".text"})
"""Suffixes of files that are one text each."""

LARGEST_DOCUMENT = 64 * 2**20
"""Bytes of one text."""

_RESULTS = (".safetensors", ".history.csv", ".skipped.csv")
"""Ends of the names that `gridcnn train` gives its results, which may lie beside the class folders."""

_BESIDE = "beside the class folders, so without a label"


def load_folder(folder: str | os.PathLike[str] | Member, *, allow_one_class: bool = False) -> Dataset:
    """Read a folder of class folders, which hold pictures, sounds, or texts, one in each .txt file.

    Parameters
    ----------
    folder : path or Member
        Holds one folder per class; a zip or tar file of such folders is read where it lies (texts in it are unpacked
        for a while). Their files, including those in deeper folders, are the items. Folders called train, validation
        or test, or something similar such as `Training_Set`, may stand above the class folders or within them; then
        `split` is set. A part without class folders is left out, and `notes` says so.
    allow_one_class : bool, default=False
        Whether a single class is accepted: it is enough to evaluate a model, but not to train one.

    Returns
    -------
    Dataset
        Items are paths, class by class in sorted order, `Member`s of an archive, or the texts themselves; labels are
        the names of the folders.
        `skipped` lists the files that are of no such kind, those beside the class folders, and a few files of the other
        kind. Hidden files and files that operating systems leave behind are ignored. `notes` says how the folders were
        read.

    Raises
    ------
    DataError
        If the folder is missing, has no class folders, only one class, an empty class folder, or a mixture of pictures
        and sounds; or if the folders may be read in two ways, since all of them hold the same ones.
    """
    root = _existing(folder)
    tree = read_tree(root, allow_one_class=allow_one_class)
    files = [list(files_below(leaf.path)) for leaf in tree.leaves]
    if any(files) and all(path.suffix.lower() in DOCUMENTS for path in itertools.chain.from_iterable(files)):
        if isinstance(root, Member):  # with some picture beside the class folders
            return load_folder(unpacked(root.archive.path) / root.inside, allow_one_class=allow_one_class)
        return _documents(root, tree, files, allow_one_class)
    media = sort_media([path for group in files for path in group], str(root))
    kept = iter(media.kept)
    counts = [sum(itertools.islice(kept, len(group))) for group in files]
    return _dataset(root, tree, media.paths, counts, media.modality, media.skipped, allow_one_class)


def _dataset(
    root: Place,
    tree: Tree,
    items: Sequence[Place | str],
    counts: Sequence[int],
    modality: Literal["image", "sound", "text"],
    skipped: Sequence[Skipped],
    allow_one_class: bool,
) -> Dataset:
    """Put items, given leaf by leaf, together with their labels and parts."""
    for leaf, count in zip(tree.leaves, counts, strict=True):
        if not count:
            raise DataError(f"{leaf.path}: no {modality} in this class folder: remove it, or add files to it.")
    # Some file systems store é as two characters.
    names = [unicodedata.normalize("NFC", leaf.label) for leaf in tree.leaves]
    if len(set(names)) == 1 and not allow_one_class:
        raise DataError(
            f"{root}: one class only, {names[0]!r}: add a folder with examples of another class{_or_table(tree)}."
        )
    parts = [leaf.part for leaf in tree.leaves]
    return Dataset(
        items,
        np.repeat(names, counts),
        modality,
        name=_name(root),
        split=np.repeat(np.array(parts, dtype=str), counts) if parts[0] else None,
        skipped=(
            *(Skipped(str(path), _BESIDE) for path in tree.loose if not path.name.endswith(_RESULTS)),
            *skipped,
        ),
        notes=tuple(tree.notes),
    )


def _or_table(tree: Tree) -> str:
    """Say that a table beside the folders may know the classes, if there is one."""
    tables = [path for path in tree.loose if is_table_file(Path(str(path))) and not path.name.endswith(_RESULTS)]
    if not tables:
        return ""
    return f"; or, if {tables[0].name} says which class each file has, give {tables[0]}"


def _documents(root: Path, tree: Tree, files: Sequence[Sequence[Any]], allow_one_class: bool) -> Dataset:
    """Read each file as one text."""
    items, counts, skipped = list[str](), list[int](), list[Skipped]()
    for group in files:
        before = len(items)
        for path in group:
            try:
                text = read_document(path)
            except DataError as error:
                skipped.append(Skipped(str(path), str(error).removeprefix(f"{path}: ")))
                continue
            if text.strip():
                items.append(text)
            else:
                skipped.append(Skipped(str(path), "the file is empty"))
        counts.append(len(items) - before)
    tree.notes.append("each .txt file is one text")
    return _dataset(root, tree, items, counts, "text", skipped, allow_one_class)


def read_document(path: Path, encoding: str | None = None) -> str:
    """Read a file that is one text.

    Raises
    ------
    DataError
        If it cannot be read, is no plain file, or so large that it is no text; or as `decode`.
    """
    if not os.path.isfile(path):  # noqa: PTH113  (a name may be too long); a pipe or a device may never end
        raise DataError(f"{path}: {what_else(path)}.")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_DOCUMENT + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if len(data) > LARGEST_DOCUMENT:
        raise DataError(f"{path}: more than {LARGEST_DOCUMENT >> 20} MB, too long for one text: cut it into several.")
    return decode(data, path, encoding)


def list_media_files(folder: str | os.PathLike[str] | Member) -> Dataset:
    """List the pictures or sounds below a folder for prediction, without labels.

    Parameters
    ----------
    folder : path or Member
        Searched with all folders below it; also a zip or tar file, or a folder in one.

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
    files = list(files_below(root))
    refuse_archives(root, files)
    media = sort_media(files, str(root))
    return Dataset(media.paths, None, media.modality, name=_name(root), skipped=media.skipped)


def _name(root: Place) -> str:
    return root.name if isinstance(root, Member) else root.resolve().name


def _existing(folder: str | os.PathLike[str] | Member) -> Place:
    if isinstance(folder, Member):
        return folder
    root = Path(folder)
    if root.is_file() and is_archive(root) and not is_table_file(root):
        return folder_of(root)
    if root.is_file():
        raise DataError(f"{root} is a file, not a folder: read a csv, tsv, parquet or jsonl file with load_manifest.")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder, seen from {Path.cwd()}: check the spelling, or give the full path.")
    return root
