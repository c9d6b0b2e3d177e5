"""Files that appear whole under their names, or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

__all__ = ["replacing"]


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
    """
    target = Path(os.path.realpath(place))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:32]}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # some network drives know no permissions
            draft.chmod(_permissions(target))  # mkstemp makes files that only the owner can read
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _permissions(target: Path) -> int:
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
