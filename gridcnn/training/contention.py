"""How much of the time this process was left waiting for a processor, because others kept it busy."""

from __future__ import annotations

from pathlib import Path
from typing import Self

__all__ = ["Contention"]

THREADS = Path("/proc/self/task")
"""Linux keeps a folder for each thread; its `schedstat` begins with nanoseconds of running and of waiting to run."""


class Contention:
    """Watches the threads of this process inside a block.

    Attributes
    ----------
    share : float
        Share of the time in which those that were ready to run did so, in (0, 1]; 1 where the system does not tell.
    """

    share = 1.0

    def __enter__(self) -> Self:
        self._before = _times()
        return self

    def __exit__(self, *_: object) -> None:
        after = _times()
        running, waiting = (
            sum(times[kind] - self._before.get(thread, (0, 0))[kind] for thread, times in after.items())
            for kind in (0, 1)
        )
        if running > 0:
            self.share = running / (running + max(waiting, 0))


def _times() -> dict[str, tuple[int, int]]:
    """Return the nanoseconds that each thread has run and waited."""
    times = {}
    try:
        for thread in THREADS.iterdir():
            running, waiting, *_ = (thread / "schedstat").read_text().split()
            times[thread.name] = (int(running), int(waiting))
    except (OSError, ValueError):  # another system; or a thread that ended meanwhile
        pass
    return times
