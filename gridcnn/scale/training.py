"""Training by several workers of a Ray cluster: the same fit, whose first worker decides and whose others follow.

Ray Train starts the workers, joins them for `torch.distributed`, and starts all of them anew if one dies. The fit is
then repeated up to its last checkpoint, as it is on one machine.
"""

from __future__ import annotations

import contextlib
import copy
import os
import secrets
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, GridcnnError
from gridcnn.model import EpochRecord, FittedModel, Network
from gridcnn.scale.sent import Sent
from gridcnn.scale.session import by_client, connected, ray_module
from gridcnn.scale.sharing import file_among, require_shared_run, whole_names
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.following import follow
from gridcnn.training.peers import Peers

__all__ = ["fit"]

MOST_FAILURES = 10
"""Workers that may die before the training is given up."""

WORKERS_END_WITHIN = 5.0  # seconds, after what led them has died

ASKED_EVERY = 0.5  # seconds, for what is new, in both directions


@dataclass(frozen=True)
class _Task:
    """A fit, as the first worker calls it."""

    adapter: Adapter
    sent: Sent
    labels: Any
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]


def fit(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    workers: int,
    address: str | None = None,
    callbacks: Iterable[Callback] = (),
    **options: Any,
) -> FittedModel:
    """Train a classifier by several workers, each of which computes a share of every batch.

    Parameters
    ----------
    adapter, X, y, parameters, callbacks
        As in `gridcnn.training.fit.fit`. Files have to be readable under the same names on all machines.
    workers : int
        Processes, of one thread each, or of one GPU each if `device` is "cuda".
    address : str, optional
        Of a Ray cluster, such as ray://HOST:10001; without it, the workers are started on this machine.
    **options
        `sample_weight`, `groups`, `validation` and `start` of `fit`.

    Returns
    -------
    FittedModel

    Raises
    ------
    ConfigurationError
        If Ray is missing or cannot be reached, or several machines do not share the folder of checkpoints or the files;
        otherwise what `fit` raises.
    """
    settings = dict(parameters or {})
    heard = CallbackList(callbacks)
    with connected(address, workers), _checkpoints(settings, address) as folder:
        settings["checkpoint_dir"] = str(folder)
        items = whole_names(X) if adapter.reads_files else X
        require_shared_run(folder, file_among(items) if adapter.reads_files else None)
        task = _Task(adapter, Sent.of(items), y, settings, options)
        return _Training(task, workers, heard).run(folder)


@contextlib.contextmanager
def _checkpoints(settings: Mapping[str, Any], address: str | None) -> Iterator[Path]:
    """Give the folder of checkpoints, which all machines have to share; one of its own if there is only this one."""
    if settings.get("checkpoint_dir") is not None:
        folder = Path(settings["checkpoint_dir"]).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    elif address or os.environ.get("RAY_ADDRESS"):
        raise ConfigurationError(
            "a training on a cluster needs a folder that all its machines share, to go on from if one of them fails: "
            "name it with --checkpoint-dir"
        )
    else:
        with tempfile.TemporaryDirectory(prefix="gridcnn-run-", ignore_cleanup_errors=True) as place:
            yield Path(place)


class _Training:
    """A run of Ray Train, heard by the callbacks of this process."""

    def __init__(self, task: _Task, workers: int, heard: CallbackList) -> None:
        self.ray = ray_module("train")
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        self.board = self.ray.remote(num_cpus=0)(_Board).options(scheduling_strategy=here).remote()
        self.task, self.workers, self.heard = task, workers, heard
        self.model: FittedModel | None = None
        self.error: Exception | None = None

    def run(self, folder: Path) -> FittedModel:
        """Train; return the model, or raise what the first worker raised."""
        failed: list[Exception] = []
        running = threading.Thread(target=self._train, args=(folder, failed), daemon=True)
        running.start()
        asked_to_stop = False
        while True:
            try:
                alive = running.is_alive()  # before what is new: nothing is missed at the end
                self._hear()
                if not alive:
                    break
                running.join(ASKED_EVERY)
            except KeyboardInterrupt:
                if asked_to_stop:
                    raise
                asked_to_stop = True
                self.ray.get(self.board.stop.remote("interrupt"))
        if self.error is not None:
            raise self.error
        if self.model is None:
            why = " ".join(str(failed[0]).split())[:500] if failed else "no worker has sent a model"
            raise GridcnnError(f"the training by {self.workers} workers failed: {why}")
        return self.model

    def _train(self, folder: Path, failed: list[Exception]) -> None:
        sent = {"task": self.ray.put(self.task), "board": self.board}
        on_gpu = self.task.parameters.get("device") == "cuda"
        for left in reversed(range(MOST_FAILURES)):
            try:
                if by_client():  # from which Ray Train cannot be led
                    lead = self.ray.remote(num_cpus=0, max_retries=0)(_lead)
                    self.ray.get(lead.remote(sent, self.workers, str(folder), on_gpu=on_gpu))
                else:
                    _lead(sent, self.workers, str(folder), on_gpu=on_gpu)
            except Exception as error:
                if left and self.model is None and self.error is None and self._is_lost(error):
                    self._give_up_places()
                    continue
                failed.append(error)
            return

    def _give_up_places(self) -> None:
        """Free what the workers held: with nobody to lead them, Ray would keep it for them until this command ends."""
        for place in self.ray.get(self.board.given_up.remote()):
            self.ray.util.remove_placement_group(place)
        time.sleep(WORKERS_END_WITHIN)

    def _is_lost(self, error: BaseException | None) -> bool:
        """Whether what leads the workers has died, which Ray Train does not replace, as it replaces workers."""
        while error is not None:
            if isinstance(error, self.ray.exceptions.ActorDiedError | self.ray.exceptions.WorkerCrashedError):
                return True
            error = getattr(error, "cause", None) or error.__cause__
        return False

    def _hear(self) -> None:
        with warnings.catch_warnings():  # arrays that Ray hands out cannot be written to, so the model is copied
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            events = self.ray.get(self.board.read.remote())
        for name, given in events:
            if name in {"model", "error"}:
                setattr(self, name, copy.deepcopy(given[0]))
            elif getattr(self.heard, name)(*given):
                self.ray.get(self.board.stop.remote("stop"))


def _lead(sent: dict[str, Any], workers: int, folder: str, *, on_gpu: bool) -> None:
    """Run the workers until the training is over; a process of the cluster does."""
    ray_module("train")
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    name = f"ray-{secrets.token_hex(4)}"  # Ray would go on with a run of the same name
    try:
        TorchTrainer(
            _work,
            train_loop_config=sent,
            torch_config=TorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpu else "gloo"),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=on_gpu),
            run_config=RunConfig(
                name=name, storage_path=folder, failure_config=FailureConfig(max_failures=MOST_FAILURES)
            ),
        ).fit()
    finally:
        shutil.rmtree(Path(folder) / name, ignore_errors=True)


class _Board:
    """Where the first worker writes what happens, and reads whether it should stop."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[Any, ...]]] = []
        self.wish = ""
        self.places: list[Any] = []

    def take(self, place: Any) -> None:
        """Note the placement group of Ray that the workers run in."""
        self.places.append(place)

    def given_up(self) -> list[Any]:
        """Return the placement groups since the last time."""
        places, self.places = self.places, []
        return places

    def write(self, events: list[tuple[str, tuple[Any, ...]]]) -> str:
        """Add events; return whether to "stop" or to "interrupt", or nothing."""
        self.events += events
        return self.wish

    def read(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the events since the last time."""
        events, self.events = self.events, []
        return events

    def stop(self, wish: str) -> None:
        """Ask the first worker to stop."""
        self.wish = wish


class _Writing(Callback):
    """Writes what happens on the board, and stops the training if that is wished there."""

    def __init__(self, board: Any) -> None:
        self.board = board
        self.events: list[tuple[str, tuple[Any, ...]]] = []
        self.written = time.monotonic()
        self.steps = 0

    def _add(self, name: str, *given: Any) -> bool:
        self.events.append((name, given))
        return self.write()

    def write(self, *, now: bool = False) -> bool:
        """Send the events every now and then; return whether to stop."""
        if not now and time.monotonic() - self.written < ASKED_EVERY:
            return False
        if self.steps:
            self.events.append(("on_step", (self.steps,)))
        wish = ray_module().get(self.board.write.remote(self.events))
        self.events, self.steps, self.written = [], 0, time.monotonic()
        if wish == "interrupt":
            raise KeyboardInterrupt
        return bool(wish)

    def on_message(self, line: str) -> None:
        """Write it."""
        self._add("on_message", line)

    def on_encode(self, done: int, total: int) -> None:
        """Write it."""
        self._add("on_encode", done, total)

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Write it."""
        self._add("on_start", epochs, steps_per_epoch)

    def on_resume(self, history: Sequence[EpochRecord], steps: int) -> None:
        """Write it."""
        self._add("on_resume", list(history), steps)

    def on_step(self, n_samples: int) -> bool:
        """Count it."""
        self.steps += n_samples
        return self.write()

    def on_epoch(self, record: EpochRecord, network: Network) -> bool:
        """Write it, with the network."""
        if self.steps:
            self.events.append(("on_step", (self.steps,)))
            self.steps = 0
        return self._add("on_epoch", record, network)

    def on_end(self) -> None:
        """Write it."""
        self._add("on_end")


def _work(config: dict[str, Any]) -> None:
    """Be one of the workers."""
    import torch
    from ray.train import get_context

    ray = ray_module("train")
    torch.set_num_threads(1)
    peers = Peers(get_context().get_world_rank(), get_context().get_world_size())
    if not peers.first:
        follow(peers)
        return
    ray.get(config["board"].take.remote(ray.util.get_current_placement_group()))
    from gridcnn.training.fit import fit as fit_here

    task: _Task = ray.get(config["task"])
    writing = _Writing(config["board"])
    try:
        model = fit_here(
            task.adapter,
            task.sent.items(),
            task.labels,
            task.parameters,
            **task.options,
            callbacks=[writing],
            peers=peers,
        )
        told: tuple[str, tuple[Any, ...]] = ("model", (model,))
    except (GridcnnError, ValueError, TypeError) as error:  # of the input: to begin anew would not help
        told = ("error", (error,))
    writing.events.append(told)
    with contextlib.suppress(KeyboardInterrupt):
        writing.write(now=True)
    peers.hand_out(None)
