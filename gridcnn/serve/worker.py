"""One thread that answers whatever items wait, those of several requests together."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gridcnn.serve.answering import FAULT, Answer

__all__ = ["Worker"]

AT_ONCE = 64
"""Items that are answered together, at most; what more a request has waits for its next turn."""

PATIENCE = 0.002
"""Seconds to wait for the items of further requests, if some are on their way."""

_log = logging.getLogger("gridcnn.serve")


@dataclass(eq=False)
class _Job:
    """A request: its items, those that are answered already, and whom to tell."""

    asked: Sequence[Any]
    done: Future[list[Answer]] | asyncio.Future[list[Answer]]
    answers: list[Answer] = field(default_factory=list)

    def tell(self) -> None:
        if not self.done.done():  # its client may have gone
            self.done.set_result(self.answers)


@dataclass(eq=False)
class _Call:
    """A function to be called in the thread, and whom to tell."""

    function: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)


class Worker:
    """Answers items in a thread of its own.

    Requests take turns of at most 64 items, so that a large one does not hold up the others.

    Parameters
    ----------
    answers : callable
        Answers up to 64 items, or only the first of them; what is left waits for the next turn.
    watch : callable
        Told the number of items of each batch, and the seconds that it took.
    """

    def __init__(
        self,
        answers: Callable[[Sequence[Any]], list[Answer]],
        watch: Callable[[int, float], None] = lambda items, seconds: None,
    ) -> None:
        self._answers = answers
        self._watch = watch
        self._waiting: deque[_Job | _Call] = deque()
        self._coming = 0
        self._idle = False
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="gridcnn-model", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive() and not self._closed

    @contextlib.contextmanager
    def expected(self) -> Iterator[None]:
        """Say that a request is on its way, for which a batch may wait a moment."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                self._wake()

    def submit(self, asked: Sequence[Any]) -> Future[list[Answer]]:
        """Answer items, in their order; RuntimeError after `close`."""
        done: Future[list[Answer]] = Future()
        self._queue(_Job(asked, done))
        return done

    def answers(self, asked: Sequence[Any]) -> asyncio.Future[list[Answer]]:
        """Return what will hold the answers, in the loop that calls; its futures are told together, batch by batch."""
        done: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._queue(_Job(asked, done))
        return done

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Call a function in this thread when its turn comes; RuntimeError after `close`."""
        call = _Call(function)
        self._queue(call)
        return call.done

    def close(self) -> None:
        """Answer what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _queue(self, job: _Job | _Call) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError("the service is ending")
            self._waiting.append(job)
            self._wake()

    def _wake(self) -> None:
        """Wake the thread if it has something to do; every time that it wakes costs the others a moment."""
        if self._waiting and (self._idle or self._coming <= 0 or self._n_waiting() >= AT_ONCE):
            self._changed.notify()

    def _n_waiting(self) -> int:
        return sum(len(job.asked) for job in self._waiting if isinstance(job, _Job))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                while not self._waiting and not self._closed:
                    self._changed.wait()
                self._idle = False
                if not self._waiting:
                    return
                self._wait_for_more()
                first = self._waiting[0]
                batch = [] if isinstance(first, _Call) else self._next()
                if isinstance(first, _Call):
                    self._waiting.popleft()
            if isinstance(first, _Call):
                _settle(first)
            elif batch:
                self._answer(batch)

    def _wait_for_more(self) -> None:
        until = time.monotonic() + PATIENCE
        while self._coming > 0 and not self._closed and (left := until - time.monotonic()) > 0:
            if self._n_waiting() >= AT_ONCE:
                return
            self._changed.wait(left)

    def _next(self) -> list[tuple[_Job, Sequence[Any]]]:
        """Take the next items of one job after another, until there are enough."""
        batch: list[tuple[_Job, Sequence[Any]]] = []
        room = AT_ONCE
        while room and self._waiting and isinstance(job := self._waiting[0], _Job):
            self._waiting.popleft()
            if job.done.cancelled():  # its client has gone
                continue
            first = len(job.answers)
            part = job.asked[first : first + room]
            batch.append((job, part))
            room -= len(part)
        return batch

    def _answer(self, batch: Sequence[tuple[_Job, Sequence[Any]]]) -> None:
        """Answer the items of a batch, and queue the jobs that have more of them."""
        asked = [each for _, part in batch for each in part]
        started = time.perf_counter()
        try:
            answers = self._answers(asked)
        except Exception as error:  # whatever it is, the thread lives on
            _log.error("a batch could not be answered", exc_info=error)
            answers = [Answer(error=FAULT)] * len(asked)
        self._watch(len(answers), time.perf_counter() - started)
        left = iter(answers)
        served: list[_Job] = []
        passed_over: list[_Job] = []
        for job, part in batch:
            some = list(itertools.islice(left, len(part)))
            job.answers.extend(some)
            (served if some else passed_over).append(job)
        _tell([job for job in served if len(job.answers) == len(job.asked)])
        with self._changed:
            self._waiting.extendleft(reversed(passed_over))
            self._waiting.extend(job for job in served if len(job.answers) < len(job.asked))


def _tell(jobs: Sequence[_Job]) -> None:
    """Tell those who wait; those of one loop together, since each call from another thread interrupts it."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        if isinstance(job.done, Future):
            job.tell()
        else:
            loops.setdefault(job.done.get_loop(), []).append(job)
    for loop, those in loops.items():
        with contextlib.suppress(RuntimeError):  # a loop that has ended waits for nothing
            loop.call_soon_threadsafe(_tell_all, those)


def _tell_all(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.tell()


def _settle(call: _Call) -> None:
    if not call.done.set_running_or_notify_cancel():
        return
    try:
        call.done.set_result(call.function())
    except Exception as error:  # told to whom it concerns
        call.done.set_exception(error)
