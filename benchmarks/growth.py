"""How time and memory grow with the number of items: decoding and training on 1,000, 10,000 and 60,000 picture files.

    python benchmarks/growth.py [--turns 3] [--write]

The files are generated, 32 × 32 in colour, and the epochs, the batch size and the network are fixed. Each run is a
process of its own with an empty cache; the sizes take turns. Before the clock starts it imports, and trains on 200
items, since the first steps of a process compile their kernels; this start-up is stated beside. The exponent is the
slope of a line through the logarithms of items and seconds (least squares).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pictures import draw_pictures
from results import save
from watched import Watched, watch

SIZES = (1_000, 10_000, 60_000)
EPOCHS = 2
INTRO = """## Growth with the number of items

`benchmarks/growth.py`: generated pictures of 32 × 32 cells in colour, {epochs} epochs, batches of 64, a small network
(8 and 16 kernels); medians of {turns} runs, each a process of its own with an empty cache. Memory is the most that was
private to the process: encoded items beyond 64 MB lie in the cache, which the system maps and drops as it needs.

"""


def run(folder: str, n_items: int) -> None:
    """Train on the first `n_items` pictures of a folder, and print how long each part took."""
    from gridcnn import GridClassifier  # noqa: PLC0415  (the start-up is timed)
    from gridcnn.adapters import ImageAdapter  # noqa: PLC0415
    from gridcnn.training.callbacks import Callback  # noqa: PLC0415

    class Watch(Callback):
        """Notes when training begins and ends."""

        began = ended = 0.0

        def on_start(self, *_: object) -> None:
            self.began = time.monotonic()

        def on_epoch(self, *_: object) -> None:
            self.ended = time.monotonic()

    def train(n: int) -> tuple[float, float]:
        training, started = Watch(), time.monotonic()
        classifier = GridClassifier(ImageAdapter(), kernels=(8, 16), epochs=EPOCHS, batch_size=64, callbacks=[training])
        classifier.fit(paths[:n], [path.parent.name for path in paths[:n]])
        return training.began - started, training.ended - training.began

    paths = sorted(Path(folder).glob("*/*.png"), key=lambda path: path.name)
    train(200)
    start_up = time.monotonic() - float(os.environ["STARTED"])
    decoding, training = train(n_items)
    print(json.dumps({"start_up": start_up, "decoding": decoding, "training": training}))


def exponent(items: list[int], seconds: list[float]) -> float:
    """Return the slope of log(seconds) over log(items)."""
    return float(np.polyfit(np.log(items), np.log(seconds), 1)[0])


def table(runs: dict[int, list[Watched]]) -> str:
    def median(n_items: int, part: str) -> float:
        return statistics.median(run.answer[part] for run in runs[n_items])

    lines = [
        "| items | encoded, MB | decoding, s | training, s | both, s a thousand items | private memory, MB "
        "| start-up, s |",
        "| --- " * 7 + "|",
    ]
    items = sorted(runs)
    both = [median(n, "decoding") + median(n, "training") for n in items]
    for n, seconds in zip(items, both, strict=True):
        private = statistics.median(run.private for run in runs[n])
        lines.append(
            f"| {n:,} | {n * 3 * 32 * 32 / 1e6:.0f} | {median(n, 'decoding'):.2f} | {median(n, 'training'):.2f} "
            f"| {1000 * seconds / n:.3f} | {private / 1e6:.0f} | {median(n, 'start_up'):.1f} |"
        )
    slopes = [
        f"{exponent(items, [median(n, part) for n in items]):.3f} for {part}" for part in ("decoding", "training")
    ]
    each = [
        exponent(items, [run.answer["decoding"] + run.answer["training"] for run in turn])
        for turn in zip(*(runs[n] for n in items), strict=True)
    ]
    lines += [
        "",
        f"Exponent of both together {exponent(items, both):.3f} (turn by turn {min(each):.3f}–{max(each):.3f}): "
        f"{' and '.join(slopes)}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    parser.add_argument("--run", nargs=2, metavar=("FOLDER", "ITEMS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(arguments.run[0], int(arguments.run[1]))
        return
    runs: dict[int, list[Watched]] = {n_items: [] for n_items in arguments.sizes}
    with tempfile.TemporaryDirectory() as folder:
        draw_pictures(Path(folder), max(runs))
        for _ in range(arguments.turns):
            for n_items, seen in runs.items():
                with tempfile.TemporaryDirectory() as cache:
                    seen.append(watch(__file__, "--run", folder, n_items, GRIDCNN_CACHE=cache))
                print(n_items, seen[-1], file=sys.stderr, flush=True)
    text = table(runs)
    print(text)
    if arguments.write:
        save("growth", INTRO.format(epochs=EPOCHS, turns=arguments.turns) + text)


if __name__ == "__main__":
    main()
