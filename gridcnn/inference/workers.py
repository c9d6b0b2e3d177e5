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

import numpy as np
import torch

from gridcnn.pipeline.bucketing import batches_in_order

__all__ = ["batch_by_batch", "side_by_side"]

T = TypeVar("T")


def batch_by_batch(
    work: Callable[[np.ndarray], None], n_windows: int, batch_size: int, sizes: np.ndarray | None, n_threads: int
) -> None:
    """Call `work(batch)` for the indices of each batch of windows, in so many threads if there are enough windows.

    Parameters
    ----------
    batch_size : int
        Windows that all threads may compute together.
    sizes : ndarray of shape (n_windows,) or None
        Cells that each window needs, as `lengths_needed` returns them.
    """
    if n_threads == 1 or n_windows < n_threads:  # too few to share
        for batch in batches_in_order(n_windows, batch_size, sizes):
            work(batch)
    else:
        share = min(batch_size, n_windows) // n_threads
        side_by_side(work, batches_in_order(n_windows, share, sizes), n_threads)


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
