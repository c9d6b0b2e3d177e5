"""Training by two workers of one thread beside one process of two threads: speed, and accuracy over seeds.

    python benchmarks/scaling_training.py [--turns 3] [--seeds 3] [--write]

Speed: 10,000 generated pictures of 32 × 32 in colour, batches of 64, a fixed network; examples a second in the best of
the epochs after the first, with whoever is not training idle; the two take turns. Accuracy: the embedded digits (1,797
pictures of 8 × 8, a fourth held out from everything), the same batches, by one process and by two workers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pictures import draw_pictures
from results import save
from sklearn.model_selection import train_test_split

from gridcnn import datasets
from gridcnn.adapters import ImageAdapter
from gridcnn.inference import predict
from gridcnn.scale.session import connected
from gridcnn.scale.training import fit as fit_far
from gridcnn.training.callbacks import Callback
from gridcnn.training.fit import fit

WORKERS, EPOCHS, ITEMS = 2, 4, 10_000
FIXED = {"epochs": EPOCHS, "batch_size": 64, "kernels": (16, 32), "folds": 1, "refit": False, "device": "cpu"}
INTRO = """## Training by several workers

`benchmarks/scaling_training.py`: {workers} workers of one thread each (`--workers {workers}`, on one machine) beside
one process of as many threads. They compute the same batches, and each worker a half of every one.

"""


class Speeds(Callback):
    """Notes the examples a second of each epoch."""

    def __init__(self) -> None:
        self.speeds: list[float] = []

    def on_epoch(self, record: Any, network: Any) -> None:
        """Note the speed."""
        self.speeds.append(record.samples_per_second)


def speed(items: Any, labels: Any, *, workers: bool) -> float:
    """Return the examples a second of the best epoch after the first."""
    heard = Speeds()
    if workers:
        fit_far(ImageAdapter(), items, labels, FIXED, workers=WORKERS, callbacks=[heard])
    else:
        fit(ImageAdapter(), items, labels, FIXED, callbacks=[heard])
    return max(heard.speeds[1:])


def accuracy(seed: int, *, workers: bool) -> float:
    """Return the accuracy on a fourth of the digits."""
    data = datasets.load("digits")
    split = train_test_split(data.items, data.labels, test_size=0.25, random_state=seed, stratify=data.labels)
    learned, asked, labels, truth = split
    parameters = {"random_state": seed, "folds": 1, "refit": False, "epochs": 12}
    if workers:
        model = fit_far(ImageAdapter(), learned, labels, parameters, workers=WORKERS)
    else:
        model = fit(ImageAdapter(), learned, labels, parameters)
    return float(np.mean(predict(model, asked).labels == truth))


def main() -> None:
    """Measure, print, and keep the section if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(WORKERS)
    shares, here, there = [], [], []
    with tempfile.TemporaryDirectory() as folder, connected(None, WORKERS):
        files, labels = draw_pictures(Path(folder), ITEMS)
        for _ in range(given.turns):
            here.append(speed(files, labels, workers=False))
            there.append(speed(files, labels, workers=True))
            shares.append(there[-1] / here[-1])
            print(
                f"one process {here[-1]:,.0f}, workers {there[-1]:,.0f} pictures a second: {shares[-1]:.2f}", flush=True
            )
        scores = {
            workers: [accuracy(seed, workers=workers) for seed in range(given.seeds)] for workers in (False, True)
        }
    lines = [
        "| | pictures a second | accuracy on digits |",
        "| --- | --- | --- |",
    ]
    for name, speeds, found in (("one process", here, scores[False]), ("two workers", there, scores[True])):
        spread = f"{100 * statistics.mean(found):.1f} ± {100 * statistics.stdev(found):.1f}"
        lines.append(f"| {name} | {statistics.median(speeds):,.0f} | {spread} |")
    turns = ", ".join(f"{share:.2f}" for share in shares)
    lines.append(f"\nThe workers' share of the speed: {statistics.median(shares):.2f} (turn by turn {turns}).")
    print("\n".join(lines))
    if given.write:
        save("scaling_training", INTRO.format(workers=WORKERS) + "\n".join(lines))


if __name__ == "__main__":
    main()
