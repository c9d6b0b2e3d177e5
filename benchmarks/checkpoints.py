"""What checkpoints cost: the share of a default run that is spent on them, and their size.

    GRIDCNN_DATA=… python benchmarks/checkpoints.py [--write] [--only fsdd trec]

Every set is trained with its defaults and `checkpoint_dir`, which writes a checkpoint every 60 s and at ends of epochs.
The reference is the same run without the time spent in the code of checkpoints, which is measured in it: on a shared
machine two runs differ by more than checkpoints cost.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import results

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.datasets import load
from gridcnn.training import checkpoint as checkpoints

DATA = Path(os.environ.get("GRIDCNN_DATA", "."))


def embedded(name: str, adapter: Any) -> tuple[Any, Any, Any]:
    data = load(name)
    return adapter, data.items, data.labels


def spoken_digits() -> tuple[Any, Any, Any]:
    paths = sorted((DATA / "fsdd" / "recordings").glob("*.wav"))
    learned = [path for path in paths if int(path.stem.split("_")[2]) >= 5]
    return AudioAdapter(), learned, [path.name[0] for path in learned]


def questions() -> tuple[Any, Any, Any]:
    data = pd.read_csv(DATA / "text" / "trec_train.csv", dtype=str)
    return TextAdapter(), data["text"].tolist(), data["label"].tolist()


def medical_images() -> tuple[Any, Any, Any]:
    with np.load(DATA / "development" / "ts_MedicalImages.npz", allow_pickle=False) as data:
        return ArrayAdapter(("channels", "time")), data["X_train"], data["y_train"]


def handwriting() -> tuple[Any, Any, Any]:
    paths = sorted((DATA / "mnist" / "training").glob("*/*.png"))[::5]
    return ImageAdapter(), paths, [path.parent.name for path in paths]


SETS: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "digits": lambda: embedded("digits", ImageAdapter()),
    "MedicalImages": medical_images,
    "TREC": questions,
    "FSDD": spoken_digits,
    "MNIST, every fifth": handwriting,
}


class Stopwatch:
    """Adds up the time spent in some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started
                self.calls += 1

        return timed


@contextmanager
def watched() -> Iterator[tuple[Stopwatch, Stopwatch]]:
    """Time the writing of checkpoints, and the naming of the run that they belong to."""
    writing, naming = Stopwatch(), Stopwatch()
    write, name = checkpoints.Checkpoints._write, checkpoints._run
    checkpoints.Checkpoints._write = writing.around(write)  # type: ignore[method-assign]
    checkpoints._run = naming.around(name)
    try:
        yield writing, naming
    finally:
        checkpoints.Checkpoints._write = write  # type: ignore[method-assign]
        checkpoints._run = name


def measure(name: str) -> str:
    adapter, items, labels = SETS[name]()
    with tempfile.TemporaryDirectory() as folder, watched() as (writing, naming):
        started = time.perf_counter()
        GridClassifier(adapter=adapter, checkpoint_dir=folder).fit(items, labels)
        total = time.perf_counter() - started
        size = max(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
    spent = writing.seconds + naming.seconds
    return (
        f"| {name} | {len(items):,} | {total - spent:.1f} s | {writing.calls} | {spent:.2f} s | "
        f"{spent / (total - spent):.2%} | {size / 1e6:.1f} MB |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/sections")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS), help="these sets only")
    given = parser.parse_args()
    lines = [
        "## Checkpoints",
        "",
        "`benchmarks/checkpoints.py`: default runs with `--checkpoint-dir`, a checkpoint every 60 s and at ends of "
        "epochs. The cost is the time spent in the code of checkpoints, over the rest of the same run.",
        "",
        "| set | items | the rest of the run | checkpoints | time for them | cost | size of one |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    print("\n".join(lines))
    for each in given.only:
        lines.append(measure(each))
        print(lines[-1], flush=True)
    if given.write:
        results.save("checkpoints", "\n".join(lines))
