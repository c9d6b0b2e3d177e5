"""Predictions in bfloat16 beside those in float32: labels, probabilities and time, on all held-out items.

    GRIDCNN_DATA=… python benchmarks/precision.py [--only fsdd,trec,…] [--epochs 1] [--turns 5] [--write]

Each model is trained for an epoch on at most 6,000 training items, and asked all held-out items in both precisions
in turn. A figure of time is that of float32 over that of bfloat16 in the same turn, decoding included.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from export import MOST_TRAINED_ON, sets
from results import save

from gridcnn import fit, predict
from gridcnn.inference.predictor import PRECISIONS, Predictor

HELD_OUT = ("mnist", "fsdd", "trec", "series")


def rows(only: list[str], epochs: int, turns: int) -> Iterator[str]:
    """Yield a line for each set."""
    with tempfile.TemporaryDirectory() as place:
        for name, make in sets(Path(place)).items():
            if name not in only:
                continue
            data = make()
            chosen = np.random.default_rng(0).permutation(len(data.items))[:MOST_TRAINED_ON]
            items = data.items[chosen] if isinstance(data.items, np.ndarray) else [data.items[at] for at in chosen]
            settings = {"epochs": epochs, "refit": False, "random_state": 0}
            model = fit(data.adapter, items, np.asarray(data.labels)[chosen], settings)
            answers, ratios = {}, []
            for turn in range(turns + 1):
                seconds = {}
                for precision in PRECISIONS:
                    started = time.perf_counter()
                    answers[precision] = predict(model, data.held_out, precision=precision)
                    seconds[precision] = time.perf_counter() - started
                if turn:  # the first one compiles
                    ratios.append(seconds["float32"] / seconds["bfloat16"])
            exact, rough = (answers[precision] for precision in PRECISIONS)
            truth = np.asarray(data.held_out_labels).astype(str)
            scores = [100 * float(np.mean(each.labels.astype(str) == truth)) for each in (exact, rough)]
            runtimes = [Predictor(model.network, torch.device("cpu"), precision).runtime for precision in PRECISIONS]
            cells = [
                name,
                f"{len(truth):,}",
                f"{int(np.sum(exact.labels != rough.labels)):,}",
                f"{np.abs(exact.probabilities - rough.probabilities).max():.1e}",
                *(f"{score:.2f}" for score in scores),
                " → ".join(runtimes),
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            ]
            yield f"| {' | '.join(cells)} |"


def section(found: list[str], epochs: int) -> str:
    return "\n".join([
        "## bfloat16", "",
        "`benchmarks/precision.py`: `predict(…, precision=\"bfloat16\")` beside float32 on all held-out items, on a",
        f"CPU with AMX; epochs of training: {epochs}, on at most {MOST_TRAINED_ON:,} items (so the accuracy is not",
        "that of the defaults). Time is float32's over bfloat16's in the same turn, files decoded in both: median",
        "and range. Texts are computed in float32 in both, since each distinct word is computed once.",
        "",
        "| data | held-out items | labels changed | largest change of a probability | accuracy in float32, % "
        "| in bfloat16, % | runtimes | × float32 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |", *found,
    ])  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(HELD_OUT))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    given = parser.parse_args()
    found = []
    for row in rows(given.only.split(","), given.epochs, given.turns):
        found.append(row)
        print(row, flush=True)
    if given.write:
        save("precision", section(found, given.epochs))
