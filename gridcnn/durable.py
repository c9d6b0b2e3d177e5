"""The order in which a file or folder gets its name, so that a power cut shows it whole or not at all.

First its content is on the disk, then it takes its name, then the name is on the disk. A rename alone is atomic for
processes, but a disk may keep it and lose the content: the file is there, and empty.

References
----------
T. S. Pillai et al., "All File Systems Are Not Created Equal: On the Complexity of Crafting Crash-Consistent
Applications", OSDI 2014.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["make_folder", "sync", "sync_folder", "sync_tree", "take_name"]

_CANNOT = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES, errno.EPERM, errno.EISDIR,
           errno.EBADF}  # fmt: skip
"""What a file system says that cannot do this: some network drives, and folders on Windows."""


def sync(descriptor: int) -> None:
    """Wait until the content of an open file is on the disk, if its file system can tell.

    Raises
    ------
    OSError
        If the content cannot be written: the disk is full or damaged.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, if its file system can tell.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until all that lies in a folder is on the disk.

    Raises
    ------
    OSError
        If something cannot be read or written.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            with (Path(place) / name).open("r+b") as file:  # Windows syncs nothing that is open for reading only
                sync(file.fileno())
        sync_folder(Path(place))


def take_name(draft: Path, target: Path) -> None:
    """Rename a file or folder whose content is on the disk, and wait until the new name is too.

    Parameters
    ----------
    draft : Path
        In the folder of the target.
    target : Path
        A file is replaced. A folder must not be there, or be empty.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    draft.replace(target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder that may be there already, and its parents, and wait until their names are on the disk.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in made:
        sync_folder(each.parent)
