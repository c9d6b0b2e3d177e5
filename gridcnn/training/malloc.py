"""Memory that a training step frees stays with the process, for the next step.

The C library of most Linux systems (glibc) hands large blocks back to the kernel as soon as they are freed, and the
kernel clears every page anew when the next step asks for it, and each step asks for room for all its feature maps.

Source: mallopt(3), "M_MMAP_MAX" and "M_TRIM_THRESHOLD".
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Keep what is freed inside the block for what is asked for next, and hand it back at the end.

    For programs, as `gridcnn train` is one: the setting is of the whole process, and cannot be undone. Where the C
    library is another one, nothing changes.
    """
    try:
        libc = ctypes.CDLL(None)
        settings = libc.mallopt
    except (AttributeError, OSError, TypeError):  # no glibc; Windows has no library of no name
        yield
        return
    settings(M_MMAP_MAX, 0)  # take no block straight from the kernel …
    settings(M_TRIM_THRESHOLD, -1)  # … and give none back
    try:
        yield
    finally:
        libc.malloc_trim(0)
