"""Malloc settings that make training faster on Linux, for whole programs.

The C library of most Linux systems (glibc) returns large blocks to the kernel as soon as they are freed, and the kernel
clears every page again for the next request. Every training step requests memory for all its feature maps.

References
----------
mallopt(3), "M_MMAP_MAX" and "M_TRIM_THRESHOLD".
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


@contextlib.contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Keep freed memory in the process inside the block, and return it to the system at the end.

    `gridcnn train` does this. A Python program may do the same around `fit`, for steps that are some tenths faster on
    a CPU; a library should leave it to the program, since the setting affects the whole process and cannot be undone.
    With another C library than glibc nothing changes.

    Examples
    --------
    >>> with keep_freed_memory():
    ...     pass  # classifier.fit(items, labels)
    """
    try:
        libc = ctypes.CDLL(None)
        settings = libc.mallopt
    except (AttributeError, OSError, TypeError):  # no glibc; on Windows there is no library without a name
        yield
        return
    settings(M_MMAP_MAX, 0)  # take no block straight from the kernel …
    settings(M_TRIM_THRESHOLD, -1)  # … and return none
    try:
        yield
    finally:
        libc.malloc_trim(0)
