"""Files that appear whole under their names, or not at all: after an error, a kill and a power cut alike."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gridcnn.durable import sync, take_name

__all__ = ["LEFTOVER_AGE", "replacing"]

LEFTOVER_AGE = 24 * 3600  # seconds without a change after which a draft counts as abandoned by a run that was killed
DRAFT = ".draft"


@contextlib.contextmanager
def replacing(place: Path, mode: str = "wb", **how: Any) -> Iterator[IO[Any]]:
    """Open a file that takes its name at the end of the block; after an error, what had the name before stays.

    Parameters
    ----------
    place : Path
        The name, in an existing folder. What a link points to is replaced, and keeps its permissions.
    mode : str
        As for `open`, to write.
    **how
        As for `open`: encoding, errors, newline.

    Raises
    ------
    OSError
        If it cannot be written: no space, no permission, no such folder.
    """
    target = Path(os.path.realpath(place))
    _remove_leftovers(target)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target), suffix=DRAFT)
    draft = Path(name)
    try:
        with os.fdopen(handle, mode, **how) as file:
            yield file
            file.flush()
            with contextlib.suppress(OSError):  # some network drives know no permissions
                draft.chmod(_permissions(target))  # mkstemp makes files that only the owner can read
            sync(file.fileno())
        take_name(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _prefix(target: Path) -> str:
    return f".{target.name[:32]}."


def _remove_leftovers(target: Path) -> None:
    """Remove the drafts of killed runs; a younger one may belong to a run that is still at work."""
    of_target = re.compile(re.escape(_prefix(target)) + r"[a-z0-9_]{8}" + re.escape(DRAFT))
    with contextlib.suppress(OSError), os.scandir(target.parent) as names:
        for each in names:
            if of_target.fullmatch(each.name) and time.time() - each.stat().st_mtime > LEFTOVER_AGE:
                Path(each.path).unlink()


def _permissions(target: Path) -> int:
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
