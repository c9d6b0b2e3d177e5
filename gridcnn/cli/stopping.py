"""SIGTERM handled like Ctrl-C: what a command has so far is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Terminated", "exit_code", "sigterm_like_ctrl_c"]


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by a batch system, a service manager or `kill`."""


def exit_code(stopped: KeyboardInterrupt) -> int:
    """Return the code that a shell expects: 128 and the number of the signal."""
    return 128 + (signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT)


@contextmanager
def sigterm_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`, a KeyboardInterrupt, while the block runs; only the main thread can do so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
