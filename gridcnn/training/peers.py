"""Processes that train one network together: each computes a share of every batch, and all take the same step.

The first one decides: it draws the order of the examples, calls the callbacks and keeps the best weights. The others
follow. Each exchange begins with the question whether the first one leaves, so that it may at any time: by an error,
early stopping, or a person who has seen enough.

Gradients are summed over all processes, as `DistributedDataParallel` does; batch normalisation sees the share of a
batch. `torch.distributed` carries all of it, by gloo between processors and by NCCL between GPUs.

References
----------
Li et al. 2020, "PyTorch Distributed: Experiences on accelerating data parallel training".
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

__all__ = ["ALONE", "Peers"]

AT_ONCE = 2**26  # bytes of an array


class Peers:
    """The processes of a training, seen by one of them.

    Parameters
    ----------
    rank : int
        The number of this process, from 0: the first one.
    size : int
        How many there are. Of several, the default group of `torch.distributed` is ready.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def alone(self) -> bool:
        """Whether there is only this process."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this process decides."""
        return self.rank == 0

    # ---- what each computes -----------------------------------------------------------------------------------------

    def share(self, batch: np.ndarray) -> np.ndarray:
        """Return the part of a batch that this process computes."""
        return batch if self.alone else np.array_split(batch, self.size)[self.rank]

    def deal(self, batches: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Return the batches that this process computes, of those that need no common step."""
        return batches[self.rank :: self.size]

    # ---- who leaves -------------------------------------------------------------------------------------------------

    def leave(self, *, now: bool = False) -> bool:
        """Return whether the first process leaves; all have to ask at the same place."""
        if self.alone:
            return now
        flag = torch.tensor([float(now)])
        distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag.item())

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Let the others know if the first process leaves the block by an exception; they wait in `leave`."""
        try:
            yield
        except BaseException:
            if self.first and not self.alone:
                self.leave(now=True)
            raise

    # ---- exchanges --------------------------------------------------------------------------------------------------

    def add_up(self, network: nn.Module, more: Tensor) -> Tensor:
        """Sum the gradients of all processes, in place, and `more` numbers, which are returned."""
        if self.alone:
            return more
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        slopes = [torch.zeros_like(each) if each.grad is None else each.grad for each in learning]
        every = torch.cat([*(slope.reshape(-1) for slope in slopes), more.to(slopes[0])])
        distributed.all_reduce(every)
        *sums, more = torch.split(every, [*(slope.numel() for slope in slopes), len(more)])
        for parameter, slope, total in zip(learning, slopes, sums, strict=True):
            parameter.grad = slope.copy_(total.view_as(slope))
        return more

    def summed(self, numbers: Tensor) -> Tensor:
        """Return numbers summed over all processes."""
        if not self.alone:
            distributed.all_reduce(numbers)
        return numbers

    def level(self, network: nn.Module) -> None:
        """Give all processes the weights of the first one, and the mean of what their normalisation has seen."""
        if self.alone:
            return
        for parameter in network.parameters():
            distributed.broadcast(parameter.detach(), 0)
        for each in network.buffers():
            if each.is_floating_point():
                distributed.all_reduce(each)
                each.div_(self.size)

    def hand_out(self, value: Any = None) -> Any:
        """Return the value that the first process gives; the others give none."""
        if self.alone:
            return value
        box = [value]
        distributed.broadcast_object_list(box, 0)
        return box[0]

    def dealt(self, values: list[Any] | None = None) -> Any:
        """Return the one of the first process's values that is for this process; the others give none."""
        mine: list[Any] = [None]
        distributed.scatter_object_list(mine, values, 0)
        return mine[0]

    def hand_out_array(self, array: np.ndarray | None = None) -> np.ndarray:
        """Return the array that the first process gives: a memory map of the same file if all can read it."""
        if self.alone:
            assert array is not None  # the first one gives it
            return array
        about = self.hand_out(None if array is None else _about(array))
        if about["file"] is not None and (mapped := self._mapped(about)) is not None:
            return mapped if array is None else array
        whole = np.empty(about["shape"], about["dtype"]) if array is None else np.ascontiguousarray(array)
        flat = whole.reshape(-1).view(np.uint8)
        for at in range(0, len(flat), AT_ONCE):
            piece = torch.from_numpy(flat[at : at + AT_ONCE].copy())
            distributed.broadcast(piece, 0)
            if array is None:
                flat[at : at + AT_ONCE] = piece.numpy()
        return whole if array is None else array

    def _mapped(self, about: dict[str, Any]) -> np.ndarray | None:
        """Return a memory map, or None if any process cannot read the file."""
        found = None
        with contextlib.suppress(OSError, ValueError):
            found = np.memmap(about["file"], about["dtype"], "r", about["offset"], about["shape"])
        can = torch.tensor([float(found is not None)])
        distributed.all_reduce(can, distributed.ReduceOp.MIN)
        return found if can.item() else None

    def gathered(self, value: Any) -> list[Any]:
        """Return the values of all processes to the first one, in their order, and none to the others."""
        if self.alone:
            return [value]
        values: list[Any] | None = [None] * self.size if self.first else None
        distributed.gather_object(value, values, 0)
        return values or []


def _about(array: np.ndarray) -> dict[str, Any]:
    """Say what another process needs to know of an array, and the file that it is a map of, if it is the whole map."""
    about = {"shape": array.shape, "dtype": array.dtype, "file": None, "offset": 0}
    if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and array.filename is not None:
        about |= {"file": os.path.realpath(array.filename), "offset": array.offset}
    return about


ALONE = Peers()
