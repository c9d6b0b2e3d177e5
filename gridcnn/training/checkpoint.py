"""Checkpoints: a training that was killed goes on where it was, to the same weights, bit for bit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch

from gridcnn.display import counted
from gridcnn.errors import ConfigurationError
from gridcnn.model import EpochRecord, Network
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.duplicates import identity
from gridcnn.pipeline.fingerprint import fingerprint
from gridcnn.pipeline.split import LabelledItems
from gridcnn.stored import Stored
from gridcnn.training.callbacks import Callback
from gridcnn.training.job import Job
from gridcnn.training.run_folder import Checkpoint, Planned, RunFolder
from gridcnn.training.state import TrainingState
from gridcnn.versions import versions

__all__ = ["CHECKPOINTING", "Checkpoints", "checkpoints_of", "run_of"]

CHECKPOINTING = ("checkpoint_dir", "checkpoint_every")
"""The parameters of a fit that are about checkpoints, and no part of a model."""

MACHINE = ("cache", "device", "n_jobs")
"""Parameters that do not change what is learned."""

SHARE = 100
"""An epoch ends with a checkpoint if writing the last one took less than one part in so many of the time since."""

LONGEST_VALUE = 100
"""Characters of a value that are shown where two runs differ."""


class Checkpoints(Callback):
    """Writes the state of each training of a fit to a folder, and restores the last one that is whole.

    Parameters
    ----------
    folder : RunFolder
        Where they are.
    run, machine : dict
        As in `Checkpoint`.
    every : float
        Seconds between two checkpoints; 0 writes one after each step.
    say : callable
        Is told what a person should know.

    Raises
    ------
    ConfigurationError
        If the folder holds the checkpoints of another run.
    """

    def __init__(
        self,
        folder: RunFolder,
        run: Mapping[str, Any],
        machine: Mapping[str, Any],
        every: float,
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._run, self._machine = dict(run), dict(machine)
        self._every = every
        self._say = say
        self._started = self._written = time.perf_counter()
        self._cost = 0.0  # of writing the last checkpoint, in seconds
        self._fit = self._epochs = 0
        self._failed = False
        self._state: TrainingState | None = None
        self._seconds = 0.0  # that earlier processes spent on this run
        self._plans: dict[int, Planned] = {}  # for a time limit, by the number of the training
        if (last := folder.newest()) is not None:
            self._go_on_from(last)

    def _go_on_from(self, last: Checkpoint) -> None:
        if differences := _differences(last.run, self._run):
            raise ConfigurationError(
                f"{self._folder.place} holds the checkpoints of another run ({'; '.join(differences)}): go on with the "
                "command that began it, or name another folder for a new one."
            )
        if differences := _differences(last.machine, self._machine):
            self._say(
                f"not all is as it was when the run began ({'; '.join(differences)}): the weights may differ from "
                "those of a run without a break"
            )
        self._plans, self._seconds = last.plans, last.seconds

    @property
    def earlier(self) -> float:
        """Seconds that earlier processes spent on the run."""
        return self._seconds

    def planned(self) -> Planned | None:
        """Return what an earlier process planned for the next training."""
        return self._plans.get(self._fit + 1)

    def plan(self, planned: Planned) -> None:
        """Keep what was planned for the next training, in every checkpoint."""
        self._plans[self._fit + 1] = planned

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Count the trainings of this fit."""
        self._fit, self._epochs, self._state = self._fit + 1, epochs, None

    def on_state(self, state: TrainingState) -> None:
        """Restore the last checkpoint of this training, or write the first one.

        Raises
        ------
        ConfigurationError
            If a checkpoint does not fit; before the first training also if the folder cannot be written, or the disk
            has no room.
        """
        self._state = state
        last = self._folder.last(self._fit)
        if last is None and self._fit > 1:
            self._try_to_write()
            return
        if last is None:
            self._folder.require_room(sum(tensor.nbytes for tensor in state.network.state_dict().values()))
            try:
                self._write()
            except OSError as error:
                raise ConfigurationError(
                    f"{self._folder.place}: no checkpoint can be written there ({error.strerror}); name another folder."
                ) from error
            return
        try:
            state.restore(last.state, last.tensors)
        except (IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{self._folder.place}: its checkpoints do not fit this training ({error}): name another folder."
            ) from error
        self._written = time.perf_counter()

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Say where the training goes on."""
        more = f" and {counted(steps, 'step')} of the next" if steps else ""
        self._say(
            f"going on from {self._folder.place}: {len(history)} of {counted(self._epochs, 'epoch')}{more} are done"
        )

    def on_step(self, n_samples: int) -> None:
        """Write a checkpoint if the last one is old enough."""
        if time.perf_counter() - self._written >= self._every:
            self._try_to_write()

    def on_epoch(self, record: EpochRecord, network: Network) -> None:
        """Write one, unless that would slow the training down; after the last epoch in any case."""
        since = time.perf_counter() - self._written
        if record.epoch == self._epochs or since >= min(self._every, SHARE * self._cost):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """Write a checkpoint; if that fails, say so once, and let the training go on."""
        if self._state is None:  # a training of one step is repeated
            return
        try:
            self._write()
        except OSError as error:
            self._written = time.perf_counter()
            if not self._failed:
                self._say(
                    f"warning: no checkpoint could be written to {self._folder.place} ({error.strerror}): the last "
                    "good one is kept, and the training goes on"
                )
            self._failed = True
        else:
            self._failed = False

    def _write(self) -> None:
        assert self._state is not None  # `on_state` was called
        began = time.perf_counter()
        seconds = self._seconds + began - self._started
        values, tensors = self._state.capture()
        self._folder.write(self._fit, Checkpoint(self._run, self._machine, self._plans, seconds, values, tensors))
        self._written = time.perf_counter()
        self._cost = self._written - began


@contextlib.contextmanager
def checkpoints_of(job: Job, training: LabelledItems, checking: LabelledItems | None) -> Iterator[Checkpoints | None]:
    """Open the folder of checkpoints of a fit for the block, for this process alone; None without one.

    Raises
    ------
    ConfigurationError
        If the folder cannot be used, another process is using it, or it belongs to another run.
    """
    if job.config.checkpoint_dir is None:
        yield None
        return
    if not isinstance(job.config.random_state, int | np.integer):
        raise ConfigurationError(
            f"checkpoint_dir needs a seed, so that a run can be gone on with: random_state must be a whole number, got "
            f"{job.config.random_state!r}"
        )
    folder = Path(job.config.checkpoint_dir)
    lock = filelock.FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ConfigurationError(
            f"{folder}: another process is training there; wait for it, or name another folder."
        ) from None
    except (NotImplementedError, OSError, ValueError) as error:  # no locks on this drive, or a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{folder} cannot be used for checkpoints ({why}): name another folder.") from error
    try:
        run, machine = run_of(job, training, checking), _machine(job)
        yield Checkpoints(
            RunFolder(folder, job.callback.on_message),
            run,
            machine,
            job.config.checkpoint_every,
            job.callback.on_message,
        )
    finally:
        lock.release()


def _machine(job: Job) -> dict[str, Any]:
    """Return what should be equal for the same weights bit for bit."""
    device = choose_device(job.config.device)
    return {"device": str(device), "threads": torch.get_num_threads(), **versions()}


def run_of(job: Job, training: LabelledItems, checking: LabelledItems | None) -> dict[str, Any]:
    """Return what decides the weights of a fit, by the words of a person."""
    parameters = {
        name: str(sorted(value.items(), key=str) if isinstance(value, Mapping) else value)
        for name, value in sorted(job.parameters.items())
        if value is not None and name not in MACHINE
    }
    settings = {name: str(value) for name, value in sorted(job.adapter.settings().items()) if value is not None}
    data = {
        "items to train on": _digest(job, training),
        "items to validate on": "none" if checking is None else _digest(job, checking),
        "classes": hashlib.blake2b("\n".join(map(str, job.classes)).encode("utf-8", "surrogatepass")).hexdigest()[:12],
    }
    start = {} if job.start is None else {"model gone on from": job.start.model.digest}
    return {**parameters, **start, "adapter": type(job.adapter).__name__, **settings, **_files_read(job), **data}


def _files_read(job: Job) -> dict[str, str]:
    """Return a digest of each file that a parameter of the adapter names, such as one of pretrained vectors."""
    digests = {}
    for name, value in job.adapter.get_params(deep=False).items():
        if isinstance(value, str | os.PathLike) and os.path.isfile(value):  # noqa: PTH113  (a str may be no name)
            with Path(value).open("rb") as file:
                digests[f"content of {name}"] = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    return digests


def _digest(job: Job, part: LabelledItems) -> str:
    """Return a digest of items, classes, weights and groups."""
    digest = hashlib.blake2b(digest_size=6)
    if job.adapter.reads_files and all(isinstance(item, str | Path | Stored) for item in part.items):
        digest.update(fingerprint(part.items, job.cache, job.config.n_jobs).encode())
    else:
        for index, item in enumerate(part.items):
            digest.update(identity(item, index) + b"\0")
    for each in (part.target, part.weight, part.groups):
        if each is not None:
            digest.update(np.ascontiguousarray(each).tobytes())
    return f"{len(part.target)} items, {digest.hexdigest()}"


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """List what is not equal, each by its name and both values."""
    return [
        f"{name}: {_short(there.get(name, 'not set'))} there, {_short(here.get(name, 'not set'))} here"
        for name in dict.fromkeys([*here, *there])
        if there.get(name) != here.get(name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
