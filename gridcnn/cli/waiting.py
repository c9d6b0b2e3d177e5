"""A bar for commands that usually take no time: it appears once one has taken two seconds."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Waiting"]

DELAY = 2.0  # seconds


class Waiting:
    """Says on a terminal what a command is at, from its third second on.

    Parameters
    ----------
    console : Console
        Standard error; nothing is shown where it is no terminal.
    doing : str
        What the command is at.
    """

    def __init__(self, console: Console, doing: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(doing, total=None)
        self._timer = threading.Timer(DELAY, self._bar.start) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._bar.stop()

    def progress(self, done: int, total: int | None) -> None:
        """Move the bar; without a total it only moves to and fro."""
        self._bar.update(self._task, completed=done, total=total)

    def now(self, doing: str) -> None:
        """Go on to something whose end is not known."""
        self._bar.reset(self._task, description=doing, total=None)
