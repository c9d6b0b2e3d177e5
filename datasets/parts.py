"""The parts of a set by the names of their folders, and what the levels of a tree of folders mean."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gridcnn.datasets.archives import is_archive
from gridcnn.datasets.dataset import SPLIT_NAMES
from gridcnn.datasets.media import visible
from gridcnn.datasets.members import Place, files_below
from gridcnn.datasets.wording import shortened
from gridcnn.display import counted
from gridcnn.errors import DataError
from gridcnn.temporary import is_temporary

__all__ = ["Leaf", "Tree", "inside", "part_of", "read_tree", "refuse_archives"]

P = TypeVar("P", bound=Place)

MOST_LEVELS = 64
"""Folders in folders up to which class folders are looked for."""

LAYOUT = "one folder per class, such as {0}/cat/1.png and {0}/dog/2.png, with or without train/ and test/ above"
_PARTS = {**SPLIT_NAMES, "eval": "test", "evaluation": "test", "holdout": "test", "trn": "train", "tst": "test"}
_NOISE = frozenset({"audio", "clips", "data", "dataset", "dir", "files", "folder", "image", "images", "img", "imgs"})
_MORE_NOISE = frozenset({"part", "pictures", "pics", "samples", "seg", "set", "sets", "sounds", "split", "wav", "wavs"})


def part_of(name: str) -> str | None:
    """Return which part a folder of this name holds: "train", "validation" or "test"; None for any other name.

    Letters of either case, separators and words such as set and images make no difference: `Training_Set`, `seg_test`
    and `val-images` are parts.
    """
    words = re.findall(r"[a-z]+", name.lower().replace("hold-out", "holdout").replace("hold_out", "holdout"))
    words = [re.sub(r"(?<=.)(sets?|data|images)$", "", word) for word in words]
    found = [_PARTS[word] for word in words if word in _PARTS]
    others = [word for word in words if word not in _PARTS and word not in _NOISE | _MORE_NOISE]
    return found[0] if len(found) == 1 and not others else None


_ABOUT = frozenset({".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".parquet", ".md", ".rst", ".pdf", ".html", ".xml",
                    ".yaml", ".yml", ".toml", ".py", ".ipynb", ".log", ".safetensors"})  # fmt: skip
"""Suffixes of files that tell of a set, beside its folders."""


def _is_about(file: Place) -> bool:
    """Whether a file tells of a set, and is no item of it."""
    return file.suffix.lower() in _ABOUT or file.stem.lower() in {"readme", "license", "licence", "citation"}


class Leaf(NamedTuple):
    """A folder whose files, with those below it, have one class and one part."""

    path: Place
    label: str
    part: str | None


class Tree(NamedTuple):
    """What the folders of a set mean.

    Parameters
    ----------
    leaves : list of Leaf
        The folders of classes, in order.
    loose : list of Path or Member
        Files beside them, which have no label.
    notes : list of str
        What a person should know about how they were read.
    """

    leaves: list[Leaf]
    loose: list[Place]
    notes: list[str]


def inside(folder: P) -> tuple[list[P], list[P]]:
    """Return the visible folders and the visible files of a folder, each sorted."""
    try:
        entries: list[Any] = sorted(path for path in folder.iterdir() if visible(path.name))
        folders = [path for path in entries if path.is_dir()]
    except OSError as error:
        raise DataError(
            f"{shortened(folder)}: cannot be read ({error.strerror}): change its permissions, or move it."
        ) from None
    among = set(folders)
    return folders, [path for path in entries if path not in among]


def refuse_archives(folder: Place, files: Iterable[Place]) -> None:
    """Raise DataError if the files in a folder are archives, and perhaps some that tell of them: they are not opened.

    Parameters
    ----------
    folder : Path or Member
        The folder.
    files : iterable of Path or Member
        The files in it; no more than it takes to tell.
    """
    archives: list[Place] = []
    for file in files:
        if is_archive(Path(file.name)):
            archives.append(file)
        elif not _is_about(file):
            return
    if archives:
        some = ", ".join(file.name for file in archives[:4]) + (", …" if len(archives) > 4 else "")
        held = f"{folder}: holds {counted(len(archives), 'archive')} ({some})"
        if not isinstance(folder, Path) or is_temporary(folder):
            raise DataError(f"{held} in an archive: unpack it first.")
        which = "this one," if len(archives) == 1 else "the one that holds the set, such as"
        per_class = "; if each is one class, unpack each into a folder of its own" if len(archives) > 1 else ""
        raise DataError(f"{held}, and archives are read if they are named: name {which} {archives[0]}{per_class}.")


def read_tree(root: Place, *, allow_one_class: bool) -> Tree:
    """Find the class folders of a set: right below `root`, or below folders of parts.

    Raises
    ------
    DataError
        If there are none, or if the folders may be read in more than one way.
    """
    folders, loose = inside(root)
    notes: list[str] = []
    given = root
    while len(folders) == 1 and not part_of(folders[0].name) and _is_wrapper(folders[0], allow_one_class):
        root = folders[0]
        folders, beside = inside(root)
        loose += beside
        if len(root.parts) - len(given.parts) > MOST_LEVELS:
            raise DataError(
                f"{given}: more than {MOST_LEVELS} folders, one in the other: expected {LAYOUT.format(given.name)}."
            )
    if root != given:
        notes.append(
            f"{'/'.join(root.parts[len(given.parts) :])}/ is the only folder, so the set is taken to begin in it"
        )
    if not folders:
        refuse_archives(root, loose)
        found = f"{counted(len(loose), 'file')} and no folder" if loose else "nothing"
        raise DataError(f"{root}: found {found}, but expected {LAYOUT.format(root.name)}.")
    parts = [folder for folder in folders if part_of(folder.name) and _has_folders(folder)]
    flat = [folder for folder in folders if folder not in parts]
    if not parts and all(part_of(folder.name) for folder in folders):
        raise DataError(f"{folders[0]}: no class folder in it, but expected {LAYOUT.format(root.name)}.")
    if parts and (all(part_of(folder.name) for folder in folders) or len(parts) > 1):
        return _parts_above(root, parts, flat, loose, notes)
    if parts and any(part_of(folder.name) == "train" for folder in parts):
        _refuse_mixture(root, parts, flat)
    return _classes_above(root, folders, loose, notes)


def _is_wrapper(folder: Place, allow_one_class: bool) -> bool:
    """Whether the only folder of a set is no class, but holds class folders or parts."""
    for _ in range(MOST_LEVELS):
        folders, files = inside(folder)
        parts = [part_of(each.name) for each in folders]
        if not folders or not all(map(_is_about, files)):
            return False
        if len(folders) > 1 or any(parts):
            return any(parts) or len(folders) > 1 or not allow_one_class
        folder = folders[0]
    return True


def _has_folders(folder: Place) -> bool:
    return any(next(files_below(each), None) for each in inside(folder)[0])


def _refuse_mixture(root: Place, parts: Sequence[Place], others: Sequence[Place]) -> None:
    raise DataError(
        f"{root}: {_named(parts)} hold class folders, but {_named(others)} are beside them: move {_named(others)} "
        "elsewhere, or into one of the parts."
    )


def _parts_above(
    root: Place, parts: Sequence[Place], flat: Sequence[Place], loose: list[Place], notes: list[str]
) -> Tree:
    """Read folders of parts, which hold the class folders; flat ones beside them have no labels."""
    leaves, flat = list[Leaf](), list(flat)
    for part in parts:
        below, beside = inside(part)
        while len(below) == 1 and not beside and (below[0].name == part.name or len(inside(below[0])[0]) > 1):
            below, beside = inside(below[0])  # an archive within an archive: seg_train/seg_train/forest
        if not below:
            flat.append(part)
            continue
        leaves += [Leaf(each, each.name, part_of(part.name)) for each in below]
        loose = [*loose, *beside]
    classes = {leaf.label for leaf in leaves}
    if others := [folder for folder in flat if any(each.name in classes for each in inside(folder)[0])]:
        _refuse_mixture(root, parts, others)
    if {leaf.part for leaf in leaves} == {"train"} and len(parts) == 1 and not flat:
        notes.append(f"{parts[0].name}/ is read as the part train; there is no test part")
    else:
        read = ", ".join(f"{part.name}/ as {part_of(part.name)}" for part in parts if part not in flat)
        notes.append(f"the folders are read as parts of the set: {read}")
    for folder in flat:
        n_files = sum(1 for _ in files_below(folder))
        notes.append(
            f"{folder.name}/ holds {counted(n_files, 'file')} without class folders, so it is left out: "
            f"gridcnn predict MODEL {folder} answers them"
        )
    return Tree(leaves, loose, notes)


def _classes_above(root: Place, folders: Sequence[Place], loose: list[Place], notes: list[str]) -> Tree:
    """Read class folders, whose own folders are parts of the set if they have such names, and are pooled otherwise."""
    below = {folder: [each for each in inside(folder)[0] if next(files_below(each), None)] for folder in folders}
    only_folders = [folder for folder in folders if below[folder] and not inside(folder)[1]]
    if len(only_folders) == len(folders) and all(all(part_of(each.name) for each in below[one]) for one in folders):
        names = sorted({each.name for each in itertools.chain.from_iterable(below.values())})
        notes.append(f"the folders in each class folder are read as parts of the set: {', '.join(names)}")
        leaves = [Leaf(each, folder.name, part_of(each.name)) for folder in folders for each in below[folder]]
        return Tree(leaves, loose, notes)
    if len(folders) > 1 and len(only_folders) == len(folders):
        common = set.intersection(*({each.name for each in below[folder]} for folder in folders))
        if len(common) > 1:
            inner = ", ".join(sorted(common)[:5])
            raise DataError(
                f"{root}: {_named(folders)} all hold the same folders ({inner}), so it is not clear which are the "
                f"classes. If {inner} are, and {_named(folders)} are parts of the set, call those train and test; if "
                "they are sites or speakers, list the files in a csv with the columns path, label and group. If "
                f"{_named(folders)} are the classes, put the files of each right into its folder."
            )
    pooled = sorted({each.name for each in itertools.chain.from_iterable(below.values())})
    if pooled:
        few = ", ".join(pooled[:5]) + (f" and {len(pooled) - 5} more" if len(pooled) > 5 else "")
        notes.append(f"folders within class folders make no difference: {few}")
    return Tree([Leaf(folder, folder.name, None) for folder in folders], loose, notes)


def _named(folders: Sequence[Place]) -> str:
    names = [f"{folder.name}/" for folder in folders[:4]]
    return ", ".join(names) + (f" and {len(folders) - 4} more" if len(folders) > 4 else "")
