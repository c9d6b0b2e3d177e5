"""`gridcnn train --time`: what was expected at the start, beside what it took, and the accuracy that the time bought.

    python benchmarks/time_budget.py                                    # embedded sets
    GRIDCNN_DATA=… python benchmarks/time_budget.py --turns 3 --write   # and real ones; their test parts are not read

Each run is a process of its own with an empty cache, so that starting and decoding count. The sets take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from results import save
from sets import divisions

from gridcnn import load

GRIDCNN = str(Path(sys.executable).with_name("gridcnn"))
EMBEDDED = ("digits", "xo", "tones")
REAL = ("trec", "fsdd", "mnist")
INTRO = """## Training within a time limit

`benchmarks/time_budget.py`: `gridcnn train SET --time LIMIT` in a process of its own, with an empty cache. “Expected”
is what it says before the first epoch, “taken” the wall clock from the start of decoding to the end of training:
medians of {turns}, with the range of their ratio. Accuracy is on the validation part, which also chose the epoch.

"""


def sources(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each set and the arguments that train on it."""
    yield from ((name, [name]) for name in EMBEDDED)
    if "GRIDCNN_DATA" not in os.environ:
        return
    for name in REAL:
        _, manifest, flags = next(divisions(name, folder))
        learning = folder / f"{name}.csv"
        manifest[manifest["split"] == "train"].to_csv(learning, index=False)
        yield name, [str(learning), *flags]


def train(arguments: list[str], limit: str, folder: Path) -> dict[str, Any]:
    """Train once; return the times, the accuracy and the grid."""
    output = folder / "model.safetensors"
    command = [GRIDCNN, "train", *arguments, "--time", limit, "-o", str(output), "--quiet"]
    subprocess.run([*command, "--no-cache"], check=True, stdout=subprocess.DEVNULL)
    model = load(output)
    return {
        **model.summary["time"],
        "accuracy": model.scores["validation_accuracy"],
        "grid": " × ".join(map(str, model.adapter.spec_.sizes)),
    }


def row(name: str, limit: str, runs: list[dict[str, Any]]) -> str:
    """Return the line of the table for one set and limit."""

    def median(values: Iterator[float]) -> float:
        return statistics.median(list(values))

    ratios = [run["taken"] / run["expected"] for run in runs]
    epochs = sorted({run["chosen"]["epochs"] for run in runs})
    kernels = {" ".join(map(str, run["chosen"]["kernels"])) for run in runs if "kernels" in run["chosen"]}
    grids = ", ".join(sorted({run["grid"] for run in runs}) + [f"{count} kernels" for count in sorted(kernels)])
    spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(runs) > 1 else ""
    return (
        f"| {name} | {limit} | {grids} | {epochs[0]}{f'–{epochs[-1]}' if len(epochs) > 1 else ''} "
        f"| {median(run['expected'] for run in runs):.1f} | {median(run['taken'] for run in runs):.1f} "
        f"| {statistics.median(ratios):.2f}{spread} | {100 * median(run['accuracy'] for run in runs):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", help="which sets; all that there are by default")
    parser.add_argument("--limits", default="20s,60s")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    arguments = parser.parse_args()
    runs: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        chosen = [each for each in sources(Path(temporary)) if not arguments.sets or each[0] in arguments.sets]
        for _ in range(arguments.turns):
            for name, flags in chosen:
                for limit in arguments.limits.split(","):
                    runs[name, limit].append(train(flags, limit, Path(temporary)))
                    print(name, limit, runs[name, limit][-1], flush=True)
    head = "| set | limit | grid | epochs | expected, s | taken, s | taken / expected | accuracy |"
    lines = [row(name, limit, found) for (name, limit), found in sorted(runs.items())]
    table = "\n".join([head, "| --- " * 8 + "|", *lines])
    print(table)
    if arguments.write:
        save("time", INTRO.format(turns=f"{arguments.turns} run{'s' * (arguments.turns > 1)}") + table)


if __name__ == "__main__":
    main()
