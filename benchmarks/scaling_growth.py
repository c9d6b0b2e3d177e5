"""Encoding and training by one and two workers as items grow: pictures in a column of parquet, up to a million.

    python benchmarks/scaling_growth.py [N_ITEMS …] [--write]

The items are png files of 8 × 8 cells in one parquet file with row groups of 10,000; the network is small (8 and 16
kernels), the batches have 256 items, and two epochs are trained. So what is measured is the way of the items, not the
network. Each run is a process of its own with an empty cache, and Ray on this machine; “none” is one process of one
thread without Ray. Encoding counts from the first items that are encoded to the start of training, training is the
second epoch. Memory is the most that was private to each worker, the first of which also lists, decides and validates.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from results import save
from watched import private_bytes

from gridcnn import datasets
from gridcnn.adapters import ImageAdapter
from gridcnn.training.callbacks import Callback
from gridcnn.training.fit import fit

SIZES = (10_000, 100_000, 1_000_000)
GROUP, ALONE = 10_000, 1_000_000
SETTINGS: dict[str, Any] = {
    "epochs": 2, "batch_size": 256, "kernels": (8, 16), "folds": 1, "refit": False, "device": "cpu",
    "random_state": 0, "augment": None,
}  # fmt: skip


def draw(path: Path, n_items: int) -> None:
    """Write a parquet file of pictures in two classes: a bright half on the left or on the right."""
    rng = np.random.default_rng(0)
    schema = pa.schema({"image": pa.binary(), "label": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(n_items // GROUP):
            cells = rng.integers(0, 192, (GROUP, 8, 8), dtype=np.uint8)
            cells[::2, :, :4] += 64
            cells[1::2, :, 4:] += 64
            files = [io.BytesIO() for _ in range(GROUP)]
            for file, one in zip(files, cells, strict=True):
                Image.fromarray(one).save(file, "PNG")
            labels = np.where(np.arange(GROUP) % 2, "right", "left")
            group = {"image": [file.getvalue() for file in files], "label": labels}
            writer.write_table(pa.table(group, schema), row_group_size=GROUP)


class Heard(Callback):
    """Notes when encoding and the epoch began and ended."""

    def __init__(self) -> None:
        self.encoding = self.began = 0.0
        self.epoch: Any = None

    def on_encode(self, done: int, total: int) -> None:
        """Note the first time."""
        self.encoding = self.encoding or time.monotonic()

    def on_start(self, epochs: int, steps_per_epoch: int) -> None:
        """Note the time."""
        self.began = time.monotonic()

    def on_epoch(self, record: Any, network: Any) -> None:
        """Keep the scores."""
        self.epoch = record


class Peaks:
    """The most private memory of each process of a kind, looked at every second in a thread."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self.over.wait(0.5):
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    process, title = int(folder.name), (folder / "cmdline").read_bytes()
                    if title.startswith(b"ray::RayTrainWorker") or process == os.getpid():
                        self.of[process] = max(self.of.get(process, 0), private_bytes(process))


def run(path: str, workers: int) -> None:
    """Train, and print what it took."""
    items = datasets.load_manifest(path, path_column="image", label="label")
    heard, peaks = Heard(), Peaks()
    peaks.thread.start()
    began = time.monotonic()
    if workers:
        from gridcnn.scale.training import fit as fit_far  # noqa: PLC0415

        model = fit_far(ImageAdapter(), items.items, items.labels, SETTINGS, workers=workers, callbacks=[heard])
    else:
        model = fit(ImageAdapter(), items.items, items.labels, SETTINGS, callbacks=[heard])
    whole = time.monotonic() - began
    peaks.over.set()
    own = peaks.of.pop(os.getpid(), 0)
    print(
        json.dumps(
            {
                "encoding": heard.began - heard.encoding,
                "training": heard.epoch.samples_per_second,
                "whole": whole,
                "memory": sorted((round(each / 2**20) for each in peaks.of.values()), reverse=True)[:workers]
                or [round(own / 2**20)],
                "right": model.scores["validation_accuracy"],
            }
        )
    )


def measured(path: Path, workers: int) -> dict[str, Any]:
    """Run in a process of its own."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--run", str(path), str(workers)]
        environment = os.environ | {"GRIDCNN_CACHE": cache, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=cache)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, print, and keep the section if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, metavar="N_ITEMS")
    parser.add_argument("--run", nargs=2, metavar=("FILE", "WORKERS"), help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.run:
        run(given.run[0], int(given.run[1]))
        return
    lines = [
        "| items | workers | encoding, items/s | training, items/s | fit in all, s | most memory of a worker, MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for n_items in given.sizes or SIZES:
            path = Path(folder, f"{n_items}.parquet")
            draw(path, n_items)
            for workers in (0, 1, 2) if n_items < ALONE else (1, 2):
                each = measured(path, workers)
                lines.append(
                    f"| {n_items:,} | {workers or 'none'} | {n_items / each['encoding']:,.0f} | "
                    f"{each['training']:,.0f} | {each['whole']:.0f} | {', '.join(map(str, each['memory']))} |"
                )
                print(lines[-1], each, flush=True)
    print("\n".join(lines))
    if given.write:
        about = str(__doc__).split("\n\n", 2)[2].strip()
        save("scaling_growth", "\n".join(["## Growth of encoding and training by workers", "", about, "", *lines]))


if __name__ == "__main__":
    main()
