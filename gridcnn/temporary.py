"""Folders of temporary files, which are removed when the program ends; after a kill, when the next one begins."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["as_called", "call", "is_temporary", "remove_folder", "temporary_folder"]

PREFIX = "gridcnn-"
LOCK = ".in-use"
"""A file that the program holds locked as long as it runs: the kernel gives it free, however the program ends."""


def temporary_folder(name: str, place: Path | None = None) -> Path:
    """Return a new, empty folder of this name among the temporary files, where only this user can look.

    Folders that programs of this user have left there, because they were killed, are removed. `TMPDIR` says where,
    unless a place is given.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    _remove_abandoned(place)
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    _homes.add(home)
    _hold(home)
    folder = home / name
    folder.mkdir()
    atexit.register(_remove_at_end, home, os.getpid())
    return folder


def is_temporary(path: str | os.PathLike[str]) -> bool:
    """Whether a path lies in a folder of `temporary_folder`: it will be gone when the program has ended."""
    inside = Path(os.path.relpath(path, tempfile.gettempdir())).parts
    return inside[0].startswith(PREFIX) and len(inside) > 1


_called: dict[str, str] = {}


def call(folder: Path, name: str) -> None:
    """Remember what a person calls a temporary folder: the archive that was unpacked into it."""
    _called[str(folder)] = name


def as_called(text: str) -> str:
    """Return a text for a person, in which temporary folders have the names of what they hold.

    >>> call(Path("/tmp/gridcnn-1/clips"), "clips.zip")
    >>> as_called("/tmp/gridcnn-1/clips/rain/1.wav: truncated")
    'clips.zip/rain/1.wav: truncated'
    """
    for folder, name in _called.items():
        text = text.replace(folder, name)
    return text


_homes: set[Path] = set()
"""What this program made: nothing else is removed."""


def remove_folder(folder: Path) -> None:
    """Remove a folder that `temporary_folder` made, before the program ends.

    Raises
    ------
    ValueError
        If it is any other folder: it stays.
    """
    if folder.parent not in _homes:
        raise ValueError(f"{folder} is no temporary folder of this program, and stays")
    shutil.rmtree(folder.parent, ignore_errors=True)


def _remove_at_end(home: Path, made_by: int) -> None:
    if os.getpid() == made_by:  # a process that was forked from it may end earlier
        shutil.rmtree(home, ignore_errors=True)


def _hold(home: Path) -> None:
    """Lock a folder until this process ends; it stays without a lock where there is none, as on Windows.

    The file gets its name when it is locked: whoever finds it unlocked knows that its program has ended.
    """
    try:
        import fcntl  # noqa: PLC0415
    except ImportError:
        return
    draft = home / f"{LOCK}.draft"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # the file system knows no locks
        os.close(descriptor)
        draft.unlink()
        return
    draft.rename(home / LOCK)


def _taken_over(home: Path) -> int | None:
    """Lock a folder whose program has ended, as long as a file is open, and return its number; else None."""
    import fcntl  # noqa: PLC0415

    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its program runs, or another one is removing it
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(place: Path) -> None:
    """Remove the folders of this user whose programs have ended."""
    with contextlib.suppress(OSError, AttributeError):  # Windows has no numbers of users
        user = os.getuid()
        for entry in os.scandir(place):
            with contextlib.suppress(OSError):
                if not entry.name.startswith(PREFIX) or not entry.is_dir(follow_symlinks=False):
                    continue
                lock = (Path(entry.path) / LOCK).lstat()
                if not entry.stat(follow_symlinks=False).st_uid == lock.st_uid == user:
                    continue
                if (locked := _taken_over(Path(entry.path))) is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(locked)
