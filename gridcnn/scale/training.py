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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, GridcnnError
from gridcnn.model import FittedModel
from gridcnn.scale.board import ASKED_EVERY, Board, Writing
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
        self.board = self.ray.remote(num_cpus=0)(Board).options(scheduling_strategy=here).remote()
        self.task, self.workers, self.heard = task, workers, heard
        self.n_heard = 0
        self.model: FittedModel | None = None
        self.error: Exception | None = None

    def run(self, folder: Path) -> FittedModel:
        """Train; return the model, or raise what the first worker raised."""
        failed: list[Exception] = []
        ended = threading.Event()  # in Python 3.11 Ctrl-C in `Thread.join` makes a thread look as if it had ended
        threading.Thread(target=self._train, args=(folder, failed, ended), daemon=True).start()
        asked_to_stop = False
        while True:
            try:
                over = ended.is_set()  # before what is new: nothing is missed at the end
                self._hear()
                if over:
                    break
                ended.wait(ASKED_EVERY)
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

    def _train(self, folder: Path, failed: list[Exception], ended: threading.Event) -> None:
        try:
            self._lead_again_and_again(folder)
        except Exception as error:
            failed.append(error)
        finally:
            ended.set()

    def _lead_again_and_again(self, folder: Path) -> None:
        """Lead the workers, anew if what leads them is lost."""
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
                if not left or self.model is not None or self.error is not None or not self._is_lost(error):
                    raise
                self._give_up_places()
            else:
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
            events = self.ray.get(self.board.read.remote(self.n_heard))
        for name, given in events:
            if name in {"model", "error"}:
                setattr(self, name, copy.deepcopy(given[0]))
            self.n_heard += 1  # what is interrupted is not heard again, but for these
            if name not in {"model", "error"} and getattr(self.heard, name)(*given):
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
    writing = Writing(config["board"])
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
