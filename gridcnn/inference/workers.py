"""Threads that compute batches side by side, each batch in one thread.

The threads of one convolution wait for each other many times in each batch, and for long if a core is busy with
something else, such as decoding. Those that compute different batches never wait.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

__all__ = ["side_by_side"]

T = TypeVar("T")


def side_by_side(work: Callable[[T], None], batches: Iterable[T], n_threads: int) -> None:
    """Call `work(batch)` for each batch, in so many threads, in each of which torch computes with one."""
    for _ in _pool(n_threads, os.getpid()).map(torch.inference_mode()(work), batches):
        pass


@functools.cache
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:
    """Return the threads of a process, which stay: what they allocate is used again. A fork does not have them."""
    started = threading.Barrier(n_threads)

    def start() -> None:
        torch.get_num_threads()  # the first call in a thread sets the number that all new threads have
        torch.set_num_threads(1)  # of this thread, and of those that are started from now on
        started.wait()

    usual = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_threads, "gridcnn", initializer=start)
    for done in [pool.submit(int) for _ in range(n_threads)]:
        done.result()
    torch.set_num_threads(usual)
    return pool
