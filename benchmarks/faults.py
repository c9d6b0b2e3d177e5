"""Faults on a cluster, each several times, and whether the result is that of a run that was left in peace.

    python benchmarks/faults.py [--tries 10] [--only NAME …] [--write]

A cluster of two nodes runs on this machine (`ray.cluster_utils`). Prediction: 800 short texts in 50 units; after a
random part of the answers, a worker dies by SIGKILL, or a node is removed; or the object store of a node (100 MB) was
filled with 250 MB before. All rows have to be there, each once, in order, with the probabilities of one process to
1e-5. Training: a text classifier of 20 epochs by two workers, of which one dies by SIGKILL after a random epoch, or
what leads them, or a node that they run on is removed; a model of all epochs has to come, and the second attempt has
to go on from a checkpoint, not from the beginning.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from results import save

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import TextAdapter
from gridcnn.bundle import load
from gridcnn.cli.answers import columns_of
from gridcnn.cli.formats import Parquet
from gridcnn.cli.on_workers import Reading, _rows
from gridcnn.cli.sources import Columns
from gridcnn.inference import predict
from gridcnn.scale.predicting import Job, answered
from gridcnn.scale.training import fit
from gridcnn.training.callbacks import Callback

N_ITEMS, UNIT, EPOCHS = 800, 16, 20
OBJECTS, FILLING = 100 * 2**20, 250 * 2**20
ELSEWHERE = "the workers ran on the other node"
SOON_LOST = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}


def processes(word: bytes) -> list[int]:
    """Return the processes below this one whose title has a word, the newest last."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(folder.name)] = (folder / "cmdline").read_bytes()

    def ours(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return sorted(each for each, title in titles.items() if title.startswith(b"ray::") and word in title and ours(each))


class Machines:
    """A cluster of two nodes, the second of which may be removed and comes back before the next try."""

    def __init__(self) -> None:
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 2, "object_store_memory": OBJECTS, "_system_config": SOON_LOST},
        )
        self.complete()
        ray.init(self.cluster.address, log_to_driver=False, logging_level="ERROR")

    def complete(self) -> None:
        """Have two nodes."""
        if not self.cluster.worker_nodes:
            self.cluster.add_node(num_cpus=2, object_store_memory=OBJECTS)
            self.cluster.wait_for_nodes()

    def kill_a_worker(self) -> None:
        """Kill one of the processes that compute answers."""
        os.kill(random.choice(processes(b"MapWorker")), signal.SIGKILL)

    def have_workers(self) -> bool:
        """Whether workers of a training run on the second node."""
        raylet = next(iter(self.cluster.worker_nodes)).all_processes["raylet"][0].process.pid
        return any(int(Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[1]) == raylet
                   for each in processes(b"TrainWorker"))  # fmt: skip

    def remove_a_node(self) -> None:
        """Kill all processes of the second node."""
        self.cluster.remove_node(next(iter(self.cluster.worker_nodes)), allow_graceful=False)


class Filler:
    """Holds objects on a node."""

    def __init__(self) -> None:
        self.held = [ray.put(np.ones(10 * 2**20, dtype=np.uint8)) for _ in range(FILLING // (10 * 2**20))]

    def ready(self) -> int:
        """Return how many objects it holds."""
        return len(self.held)


class Predicting:
    """A job, and what one process answers."""

    def __init__(self, folder: Path, machines: Machines) -> None:
        self.machines, self.model = machines, folder / "m.safetensors"
        texts = [f"{word} film number {at}" for at in range(60) for word in ("good", "bad")]
        classifier = GridClassifier(adapter=TextAdapter(), epochs=1, kernels=(3,), cache=False, random_state=0)
        classifier.fit(texts, ["a", "b"] * 60).save(self.model)
        items = [f"{'good' if at % 3 else 'bad'} film number {at}" for at in range(N_ITEMS)]
        (folder / "t.txt").write_text("\n".join(items) + "\n")
        self.items, self.expected = items, predict(load(self.model), items).probabilities
        reading = Reading((str(folder / "t.txt"),), Columns(), str(folder))
        self.job = Job(self.model.read_bytes(), reading, 1, _rows, {}, unit=UNIT)

    def run(self, fault: Callable[[], None] | None) -> str:
        """Predict with a fault after a random part, and return what is wrong; nothing if nothing is."""
        at, parts = random.randrange(N_ITEMS // UNIT // 2), []
        for number, part in enumerate(answered(self.job, 2)):
            if number == at and fault is not None:
                fault()
            parts.append(part.rows)
        schema = Parquet([column for column, _ in columns_of(load(self.model).rule())]).schema
        batches = [pa.ipc.read_record_batch(pa.py_buffer(part), schema) for part in parts]
        rows = pa.Table.from_batches(batches).to_pandas()
        if rows["item"].tolist() != self.items:
            return f"{len(rows)} rows of {N_ITEMS}, or in another order"
        far = float(np.abs(rows[["p(a)", "p(b)"]].to_numpy() - self.expected).max())
        return f"probabilities differ by {far}" if far > 1e-5 else ""

    def with_a_full_store(self) -> str:
        """Predict while the object store of the second node is full."""
        node = next(iter(self.machines.cluster.worker_nodes)).node_id
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        filler = ray.remote(num_cpus=0)(Filler).options(scheduling_strategy=there).remote()
        n_held = ray.get(filler.ready.remote())
        wrong = self.run(None)
        still = ray.get(filler.ready.remote())
        ray.kill(filler)
        return wrong or ("" if still == n_held == FILLING // (10 * 2**20) else "the store was not full")


class Failing(Callback):
    """Lets something fail after an epoch of a training, and notes where it goes on."""

    def __init__(self, after: int, fault: Callable[[], None], if_: Callable[[], bool]) -> None:
        self.after, self.fault, self.if_, self.failed, self.resumed = after, fault, if_, False, []

    def on_epoch(self, record: Any, network: Any) -> None:
        """Fail once."""
        if record.epoch >= self.after and not self.failed and self.if_():
            self.failed = True
            self.fault()

    def on_resume(self, history: Any, steps: int) -> None:
        """Note the epochs that are not repeated."""
        self.resumed.append(len(history))


def kill(title: bytes) -> None:
    """Kill one of the processes with this title."""
    os.kill(random.choice(processes(title)), signal.SIGKILL)


def training(fault: Callable[[], None], *, if_: Callable[[], bool] = lambda: True) -> str:
    """Train while something fails, and return what is wrong; without the fault if it would change nothing."""
    data = datasets.load("word_order", n_items=600)
    heard = Failing(random.randint(3, EPOCHS // 2), fault, if_)
    with tempfile.TemporaryDirectory() as folder:
        parameters = {"epochs": EPOCHS, "folds": 1, "refit": False, "checkpoint_dir": folder, "checkpoint_every": 0.1}
        model = fit(TextAdapter(), data.items, data.labels, parameters, workers=2, callbacks=[heard])
    if [record.epoch for record in model.history] != list(range(1, EPOCHS + 1)):
        return f"the epochs were {[record.epoch for record in model.history]}"
    if not heard.failed:
        return ELSEWHERE
    return "" if heard.resumed and min(heard.resumed) > 0 else "it began anew"


def main() -> None:
    """Try, print, and keep the section if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    random.seed(0)
    lines = ["| fault | tries | complete | median of seconds |", "| --- | --- | --- | --- |"]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)  # from which workers import first
        machines = Machines()
        job = Predicting(Path(name), machines)
        faults: dict[str, tuple[str, Callable[[], str]]] = {
            "none": ("prediction: none", lambda: job.run(None)),
            "worker": ("prediction: a worker is killed", lambda: job.run(machines.kill_a_worker)),
            "store": ("prediction: the object store of a node is full", job.with_a_full_store),
            "node": ("prediction: a node is removed", lambda: job.run(machines.remove_a_node)),
            "training": ("training: a worker is killed", lambda: training(partial(kill, b"TrainWorker"))),
            "machine": (
                "training: the node of the workers is removed",
                lambda: training(machines.remove_a_node, if_=machines.have_workers),
            ),
            "leader": (
                "training: what leads the workers is killed",
                lambda: training(lambda: kill(b"TrainController")),
            ),
        }
        for short, (what, attempt) in faults.items():
            if given.only and short not in given.only:
                continue
            tries, right, seconds = (1 if short == "none" else given.tries), 0, []
            for _ in range(tries):
                machines.complete()
                began = time.perf_counter()
                try:
                    while (wrong := attempt()) == ELSEWHERE:
                        began = time.perf_counter()
                except Exception as error:
                    wrong = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                seconds.append(time.perf_counter() - began)
                right += not wrong
                print(f"{what}: {wrong or 'complete'}, {seconds[-1]:.1f} s", flush=True)
            lines.append(f"| {what} | {tries} | {right} | {statistics.median(seconds):.1f} |")
        ray.shutdown()
        machines.cluster.shutdown()
    section = "\n".join(["## Faults on a cluster", "", INTRO, "", *lines])
    print(section)
    if given.write:
        save("faults", section)


INTRO = f"""`python benchmarks/faults.py`: two nodes of a Ray cluster, both on this machine. Prediction of {N_ITEMS}
texts counts as complete if every item has its row once, in order, with the probabilities of one process to 1e-5;
training, if a model of all {EPOCHS} epochs comes, and its second attempt went on from a checkpoint. The object store
of 100 MB was filled with 250 MB. Other programs computed on the same two cores meanwhile, so that times are rough."""


if __name__ == "__main__":
    main()
