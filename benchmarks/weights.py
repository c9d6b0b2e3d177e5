"""Digests of the weights that the defaults learn with seed 0, to show that a change of structure changed no number.

    GRIDCNN_DATA=… python benchmarks/weights.py --write     # before: keep the digests
    GRIDCNN_DATA=… python benchmarks/weights.py             # after: compare, exit code 1 where one differs

Digests are over the sorted tensors, whatever they are called. They hold on one kind of processor with one version of
torch, which are kept with them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.datasets import load

KEPT = Path(__file__).with_name("weights.json")


def embedded(name: str, adapter: Any) -> GridClassifier:
    data = load(name)
    return GridClassifier(adapter=adapter).fit(data.items, data.labels)


def trec() -> GridClassifier:
    data = pd.read_csv(Path(os.environ["GRIDCNN_DATA"]) / "text" / "trec_train.csv", dtype=str)
    return GridClassifier(adapter=TextAdapter()).fit(data["text"].tolist(), data["label"].tolist())


def small(name: str, adapter: Any, **given: Any) -> GridClassifier:
    """Train on few items for two epochs."""
    data = load(name).take(range(240))
    fit = {key: given.pop(key) for key in ("groups", "sample_weight") if key in given}
    return GridClassifier(adapter=adapter, epochs=2, **given).fit(data.items, data.labels, **fit)


def series(**given: Any) -> GridClassifier:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3, 40)).cumsum(axis=2) * rng.uniform(0.01, 10, size=(200, 1, 1))
    labels = (rows[:, 0, 20] > rows[:, 1, 20]).astype(int)
    return GridClassifier(adapter=ArrayAdapter(("channels", "time")), epochs=2, **given).fit(rows, labels)


def table() -> GridClassifier:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 30)).cumsum(axis=1)
    return GridClassifier(epochs=2).fit(rows, np.where(rows[:, 15] > 0, "up", "down"))


RUNS: dict[str, Callable[[], GridClassifier]] = {
    "xo, small": lambda: small("xo", ImageAdapter()),
    "digits, small, weighted": lambda: small(
        "digits", ImageAdapter(), class_weight="balanced", sample_weight=np.arange(240) % 3
    ),
    "tones, small": lambda: small("tones", AudioAdapter(sample_rate=8000)),
    "tones, small, refit": lambda: small("tones", AudioAdapter(sample_rate=8000), refit=True),
    "word_order, small": lambda: small("word_order", TextAdapter()),
    "digits, small, in groups": lambda: small("digits", ImageAdapter(), groups=np.arange(240) % 9, refit=True),
    "series, small": series,
    "series, small, own network": lambda: series(kernels=(8, 8), kernel_sizes=(3, 5), dense=(16,), dropout=0.1),
    "table, small": table,
    "xo": lambda: embedded("xo", ImageAdapter()),
    "tones": lambda: embedded("tones", AudioAdapter(sample_rate=load("tones").sample_rate)),
    "word_order": lambda: embedded("word_order", TextAdapter()),
    "digits": lambda: embedded("digits", ImageAdapter()),
    "TREC": trec,
}


def digest(classifier: GridClassifier) -> str:
    tensors = [tensor.contiguous() for tensor in classifier.network_.state_dict().values()]
    each = sorted(hashlib.sha256(str(tuple(t.shape)).encode() + t.numpy().tobytes()).hexdigest() for t in tensors)
    return hashlib.sha256("".join(each).encode()).hexdigest()[:32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the digests instead of comparing them")
    parser.add_argument("--small", action="store_true", help="only the small runs, which take seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    conditions = {"torch": torch.__version__, "processor": torch.backends.cpu.get_cpu_capability()}
    kept = json.loads(KEPT.read_text()) if KEPT.exists() and not arguments.write else {"digests": {}, **conditions}
    if any(kept[name] != value for name, value in conditions.items()):
        sys.exit(f"the digests were made with {kept['torch']} on {kept['processor']}, this is {conditions}")
    differing = []
    for name, run in RUNS.items():
        if arguments.small and "small" not in name:
            continue
        started = time.perf_counter()
        found = digest(run())
        if arguments.write:
            kept["digests"][name] = found
        elif kept["digests"].get(name) != found:
            differing.append(name)
        print(
            f"{name:28} {found}  {time.perf_counter() - started:.1f} s  {'DIFFERS' * (name in differing)}", flush=True
        )
    if arguments.write:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    sys.exit(f"different weights: {', '.join(differing)}" if differing else 0)


if __name__ == "__main__":
    main()
