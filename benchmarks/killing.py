"""Work in forked processes that die by SIGKILL: after a time, or at a system call that syncs or changes names.

The parent computes nothing with torch, and imports what processes before had to import, so that the next one costs some
milliseconds.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

WATCHED = ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir")
"""The functions of `os` by which files reach the disk and names change."""


class Moment(NamedTuple):
    """When a process dies: after some seconds, or before its n-th watched call.

    With `torn`, a share of the file that is about to be synced is cut off before, as if its last write had been
    interrupted.
    """

    seconds: float | None = None
    call: int | None = None
    torn: float | None = None


NEVER = Moment()


class Ended(NamedTuple):
    """How a process ended: whether it was killed, its exit code, watched calls (unless killed) and seconds."""

    killed: bool
    code: int
    calls: int
    seconds: float


def moments(chance: random.Random, calls: int, seconds: float) -> Moment:
    """Return a random moment in work that takes so many watched calls and seconds."""
    if not calls or chance.random() < 0.5:
        return Moment(seconds=chance.uniform(0, 1.1 * seconds))
    return Moment(call=chance.randint(1, calls), torn=chance.random() if chance.random() < 0.5 else None)


@dataclass
class Tally:
    """What came of the kills of one kind of work.

    Parameters
    ----------
    kills : int
        Processes that died by SIGKILL.
    at_calls : int
        Those of them that died at a system call, not at a time.
    results : int
        Results that were compared with those of a run that was left in peace.
    damaged : int
        Checkpoints that were damaged on purpose.
    beside : int
        Processes that worked on the same files meanwhile, and were left in peace.
    faults : list of str
        Whatever should not be.
    """

    kills: int = 0
    at_calls: int = 0
    results: int = 0
    damaged: int = 0
    beside: int = 0
    faults: list[str] = field(default_factory=list)

    def died(self, ended: Ended, moment: Moment) -> bool:
        """Count a process that was to be killed at a moment; whether it was."""
        self.kills += ended.killed
        self.at_calls += ended.killed and moment.call is not None
        if ended.killed and self.kills % 50 == 0:
            print(f"{self.kills} kills, {len(self.faults)} faults", file=sys.stderr)
        return ended.killed

    def expect(self, right: bool, what: str) -> None:
        """Note what should not be."""
        if not right:
            self.faults.append(what)
            print(f"FAULT: {what}", file=sys.stderr)


class Process:
    """Work in a process of its own, which has begun.

    Parameters
    ----------
    work : callable
        What it does; an error or `SystemExit` gives its exit code.
    moment : Moment
        When it dies; at no time by default.
    log : Path
        What it prints is appended here.
    """

    def __init__(self, work: Callable[[], object], moment: Moment = NEVER, log: Path = Path(os.devnull)) -> None:
        self._moment, self._started = moment, time.perf_counter()
        self._told, tell = os.pipe()
        self._id = os.fork()
        if self._id == 0:
            _work(work, moment, log, tell)
        os.close(tell)

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return os.waitid(os.P_PID, self._id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> None:
        """Kill it now."""
        os.kill(self._id, signal.SIGKILL)

    def wait(self) -> Ended:
        """Kill the process at its moment, or wait until it ends."""
        if self._moment.seconds is not None:
            time.sleep(max(0.0, self._moment.seconds + self._started - time.perf_counter()))
            self.kill()
        with open(self._told, encoding="utf-8") as told:  # noqa: PTH123  (a descriptor)
            calls, *imported = told.read().split() or ["0"]
        _, status = os.waitpid(self._id, 0)
        for name in imported:
            if name not in sys.modules:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return Ended(killed, os.waitstatus_to_exitcode(status), int(calls), time.perf_counter() - self._started)


def run(work: Callable[[], object], moment: Moment = NEVER, log: Path = Path(os.devnull)) -> Ended:
    """Do work in a process of its own, and wait for its end."""
    return Process(work, moment, log).wait()


def _work(work: Callable[[], object], moment: Moment, log: Path, tell: int) -> None:
    """Do the work, and leave without what the parent would do at its end."""
    code = 1
    with contextlib.suppress(BaseException):
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        count = _watch(moment)
        try:
            work()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        with open(tell, "w", encoding="utf-8") as told:
            told.write(" ".join([str(count()), *sys.modules]))
    os._exit(code)


def _watch(moment: Moment) -> Callable[[], int]:
    """Count the watched calls, and die at one of them; return what tells their number."""
    seen, lock = [0], threading.Lock()

    def watched(call: Callable, *, syncs: bool) -> Callable:
        def watching(*arguments, **named):
            with lock:
                seen[0] += 1
                if seen[0] == moment.call:
                    if syncs and moment.torn is not None:
                        with contextlib.suppress(OSError):  # a folder
                            os.ftruncate(arguments[0], int(os.fstat(arguments[0]).st_size * moment.torn))
                    os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)

        return watching

    for name in WATCHED:
        setattr(os, name, watched(getattr(os, name), syncs=name == "fsync"))
    return lambda: seen[0]
