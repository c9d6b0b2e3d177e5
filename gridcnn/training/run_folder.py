"""The files of a run: checkpoints in a folder, written whole, read back if they are.

`TRAINING-NUMBER.safetensors` is the state of one of the trainings of a fit (trials, folds, all items), counted from 1,
between two steps, with a digest over all of it. The last two of a training are kept, so that one that was torn by a
power cut leaves the one before it, and the last one of each training that has ended. Each names the run that it belongs
to: its settings, its data, and what was planned for a time limit.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gridcnn.errors import (
    BundleError,
    ConfigurationError,
    NotABundleError,
    TamperedBundleError,
    TruncatedBundleError,
)
from gridcnn.pipeline.sealed import read_sealed, write_sealed

__all__ = ["Checkpoint", "Planned", "RunFolder"]

KIND, VERSION = "gridcnn_checkpoint", 4

KEPT = 2
"""Checkpoints of each training that are kept."""

LARGEST = 4
"""A checkpoint takes at most so many times the memory of the weights: these, the best ones, and two moments of each."""

NAME = re.compile(r"(\d{1,4})-(\d{6,12})\.safetensors")
DRAFT = re.compile(rf"\.{NAME.pattern}\.[a-z0-9_]{{8}}")  # see `replacing`


class Planned(NamedTuple):
    """What was planned for a time limit.

    Parameters
    ----------
    share : float
        Of the cells or the kernels, see `gridcnn.training.plan.Fitting`.
    epochs : int
        Passes over the items.
    seconds : float
        Expected duration of the fit.
    refit : bool
        Whether a training on all items follows.
    """

    share: float
    epochs: int
    seconds: float
    refit: bool


class Checkpoint(NamedTuple):
    """What one file holds.

    Parameters
    ----------
    run : dict
        What has to be equal for a training to go on: names and values, JSON-ready.
    machine : dict
        What should be equal for the same weights bit for bit: versions, threads.
    plans : dict of int to Planned
        What was planned for a time limit, by the number of the training.
    seconds : float
        Time spent on the run so far.
    state : dict
        JSON-ready part of a `TrainingState`.
    tensors : dict of str to Tensor
        The rest of it.
    """

    run: dict[str, Any]
    machine: dict[str, Any]
    plans: dict[int, Planned]
    seconds: float
    state: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class RunFolder:
    """The folder of a run.

    Parameters
    ----------
    place : Path
        An existing folder, used by this process alone; what killed ones left half-written is removed. Files of other
        names are left alone.
    say : callable
        Is told of files that are damaged.
    """

    def __init__(self, place: Path, say: Callable[[str], None]) -> None:
        self.place = place
        self._say = say
        self._damaged: set[Path] = set()
        for path in place.iterdir():
            if DRAFT.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """Read the last whole checkpoint of the last training that has one."""
        fits = sorted({_training(path) for path in self._found()}, reverse=True)
        return next((last for fit in fits if (last := self.last(fit)) is not None), None)

    def last(self, fit: int) -> Checkpoint | None:
        """Read the last checkpoint of a training, counted from 1, that is whole; None if there is none."""
        found = self._found(fit)
        for at, path in reversed(list(enumerate(found))):
            try:
                return _read(path)
            except (NotABundleError, TamperedBundleError, TruncatedBundleError) as error:
                if path not in self._damaged:
                    instead = "the one before it used" if at else "there is none before it"
                    self._say(f"a checkpoint is left out, and {instead}: {error}")
                self._damaged.add(path)
            except BundleError as error:  # which is no damage: it may be worth hours, and would be removed in time
                raise ConfigurationError(f"{error}; or name another folder") from error
        return None

    def write(self, fit: int, checkpoint: Checkpoint) -> None:
        """Write the next checkpoint of a training, and remove those that are not needed any more.

        OSError is raised if it cannot be written; then the others stay.
        """
        before = self._found(fit)
        number = _number(before[-1]) + 1 if before else 1
        description = {**checkpoint._asdict(), "plans": {str(at): plan for at, plan in checkpoint.plans.items()}}
        tensors = description.pop("tensors")
        write_sealed(self.place / f"{fit}-{number:06d}.safetensors", KIND, VERSION, description, tensors)
        whole = [path for path in before if path not in self._damaged]
        ended = [] if before else self._found(fit - 1)[:-1]
        for path in [*ended, *({*before} - {*whole[1 - KEPT :]})]:
            path.unlink(missing_ok=True)

    def require_room(self, weights: int) -> None:
        """Raise ConfigurationError if the disk has no room for the checkpoints of `weights` bytes of weights."""
        needed = LARGEST * (2 * KEPT + 1) * weights + 2**20  # of two trainings, and the one that is being written
        free = shutil.disk_usage(self.place).free
        if free < needed:
            raise ConfigurationError(
                f"{self.place}: the disk has {_megabytes(free)} free, and the checkpoints of this network take up to "
                f"{_megabytes(needed)}: make room, or name another folder."
            )

    def _found(self, fit: int | None = None) -> list[Path]:
        """Return the checkpoints in the folder, or those of one training, in their order."""
        names = [(path, NAME.fullmatch(path.name)) for path in self.place.iterdir()]
        return sorted((path for path, name in names if name and fit in (None, int(name[1]))), key=_number)


def _training(path: Path) -> int:
    return int(path.stem.partition("-")[0])


def _number(path: Path) -> int:
    return int(path.stem.partition("-")[2])


def _read(path: Path) -> Checkpoint:
    """Read a checkpoint; BundleError if it is damaged or none."""
    values, tensors = read_sealed(path, KIND, VERSION)
    try:
        seconds = float(values["seconds"])
        plans = {
            int(at): Planned(float(share), int(epochs), float(expected), bool(refit))
            for at, (share, epochs, expected, refit) in values["plans"].items()
        }
        if any(not (0 < plan.share <= 1 and plan.epochs >= 1 and plan.seconds >= 0) for plan in plans.values()):
            raise ValueError("nobody plans so")
        if not 0 <= seconds < math.inf:
            raise ValueError("no time takes so long")
        return Checkpoint(dict(values["run"]), dict(values["machine"]), plans, seconds, dict(values["state"]), tensors)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise TamperedBundleError(f"{path}: its parts do not agree with each other ({error!r})") from error


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"
