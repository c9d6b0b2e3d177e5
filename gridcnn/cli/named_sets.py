"""A SOURCE that is neither a file nor a folder: the name of a set, or a path that a person misspelt."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from gridcnn.errors import DataError

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset

__all__ = ["hint", "named_set", "refuse_remote"]


def named_set(name: str) -> Dataset:
    """Load a set by its name; what looks like a path is the name of none."""
    from gridcnn.datasets import load

    refuse_remote(name)
    place = Path(name)
    if place.exists():
        raise DataError(f"{name} is neither a file nor a folder, but a pipe or a device: save what it gives as a file.")
    if place.suffix or len(place.parts) != 1 or "\\" in name or "*" in name:
        raise DataError(f"{name}: no such file or folder, seen from {Path.cwd()}: {hint(name)}")
    try:
        return load(name)
    except DataError as error:
        raise DataError(f"{name}: no such file or folder, seen from {Path.cwd()}{_similar(place)}. {error}") from error


def refuse_remote(name: str) -> None:
    """Refuse what lies in a storage, for a command that reads files of this machine."""
    from gridcnn.datasets.remote import is_remote

    if is_remote(name):
        raise DataError(f"{name}: this command reads files of this machine, and that is none: copy it first.")


def hint(name: str) -> str:
    """Say what a person may have meant by a path that does not exist."""
    if name.lower().startswith(("http:", "https:", "ftp:")):
        return "download it first; gridcnn reads files and folders"
    if any(mark in name for mark in "*?["):
        return "give one folder or file, not a pattern"
    return f"check the spelling{_similar(Path(name.replace(chr(92), '/')))}"


def _similar(place: Path) -> str:
    """Offer the names that stand beside a missing path and are like it, such as one with a suffix."""
    known, missing = place.parent, place.name
    while not known.is_dir() and known != known.parent:  # the first part that is missing
        known, missing = known.parent, known.name
    try:
        beside = sorted(path.name for path in known.iterdir())
    except OSError:
        return ""
    alike = [name for name in beside if Path(name).stem == missing] or difflib.get_close_matches(missing, beside, 3)
    return f"; did you mean {' or '.join(str(known / name) for name in alike[:3])}?" if alike else ""
