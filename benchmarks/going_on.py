"""Going on from a model, beside a training from scratch on everything.

    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/going_on.py                # print
    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/going_on.py --write        # its section of docs/RESULTS.md
    GRIDCNN_DATA=… python benchmarks/going_on.py --development                    # what settings were chosen on

A model is trained on all classes but one, with defaults. Then ten items of that class arrive. Both trainings get all
items and these ten: one goes on from the model, the other begins from scratch, with defaults. Each class is left out in
turn. Both are scored on the same test part.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from results import save
from sets import DATA

from gridcnn import FittedModel, fit, predict
from gridcnn.adapters import Adapter, AudioAdapter, TextAdapter

NEW_ITEMS = 10
TITLES = {"esc10": "ESC-10, sounds", "trec": "TREC, questions"}
ADAPTERS = {"esc10": AudioAdapter, "trec": TextAdapter}

INTRO = f"""## Going on from a model

`benchmarks/going_on.py`: a model is trained on all classes but one, with defaults; then {NEW_ITEMS} items of that class
arrive. Both trainings get all items and these {NEW_ITEMS}: one goes on from the model (`--from`), the other begins from
scratch; both with defaults. Each class of ESC-10 (test part: fold 1) and of TREC (official test part) is left out in
turn; means ± standard deviations over the classes. Time is that of the whole fit, decoding included, from an empty
cache for ESC-10."""


class Part(NamedTuple):
    """Items and labels."""

    items: np.ndarray
    labels: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*TITLES, []], metavar="SET", help=", ".join(TITLES))
    parser.add_argument("--development", action="store_true", help="divide the training parts only")
    parser.add_argument("--classes", type=int, default=100, help="classes that are left out, at most")
    parser.add_argument("--write", action="store_true", help="write docs/RESULTS.md")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.sets or TITLES:
        train, test = parts(name, development=arguments.development)
        for label in np.unique(train.labels)[: arguments.classes].tolist():
            rows.append({"set": name, "class": label} | measured(ADAPTERS[name](), train, test, label))
            print(rows[-1], flush=True)
    table = as_table(pd.DataFrame(rows))
    print(table)
    if arguments.write:
        save("going_on", f"{INTRO}\n\n{table}")


def parts(name: str, *, development: bool) -> tuple[Part, Part]:
    """Return the training and the test part of a set."""
    if name == "esc10":
        paths = sorted((DATA / "esc10").rglob("*.ogg"))
        fold = np.array([path.name.split("-")[0] for path in paths])
        every = Part(np.array([str(path) for path in paths]), np.array([path.parent.name for path in paths]))
        chosen = (np.isin(fold, ["3", "4", "5"]), fold == "2") if development else (fold != "1", fold == "1")
        return some(every, chosen[0]), some(every, chosen[1])
    frames = [pd.read_csv(DATA / "text" / f"{name}_{part}.csv", dtype=str) for part in ("train", "test")]
    train, test = (Part(frame["text"].to_numpy(), frame["label"].to_numpy()) for frame in frames)
    if development:
        held = np.random.default_rng(0).permutation(len(train.labels)) < 500
        return some(train, ~held), some(train, held)
    return train, test


def some(part: Part, chosen: np.ndarray) -> Part:
    return Part(part.items[chosen], part.labels[chosen])


def measured(adapter: Adapter, train: Part, test: Part, label: str) -> dict[str, Any]:
    """Return how both trainings do with ten items of a class."""
    rows = np.flatnonzero(train.labels == label)
    arriving = np.random.default_rng(0).choice(rows, NEW_ITEMS, replace=False)
    before = some(train, np.setdiff1d(np.arange(len(train.labels)), rows))
    after = some(train, np.union1d(np.setdiff1d(np.arange(len(train.labels)), rows), arriving))
    model, _ = timed(adapter, before)
    going_on, seconds = timed(adapter, after, model)
    scratch, longer = timed(adapter, after)
    found = {}
    for name, each in (("going on", going_on), ("scratch", scratch)):
        right = predict(each, test.items).labels == test.labels
        of_class = [right[test.labels == known].mean() for known in np.unique(test.labels)]
        found |= {
            f"{name}: accuracy": float(right.mean()),
            f"{name}: balanced": float(np.mean(of_class)),
            f"{name}: new class": float(right[test.labels == label].mean()),
        }
    return found | {"going on: seconds": seconds, "scratch: seconds": longer}


def timed(adapter: Adapter, part: Part, start: FittedModel | None = None) -> tuple[FittedModel, float]:
    started = time.perf_counter()
    model = fit(adapter, part.items, part.labels, {"cache": False, "n_jobs": 1}, start=start)
    return model, time.perf_counter() - started


def as_table(rows: pd.DataFrame) -> str:
    lines = [
        "| set | training | accuracy, % | balanced, % | new class, % | time, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, group in rows.groupby("set", sort=False):
        for kind in ("scratch", "going on"):
            cells = [spread(100 * group[f"{kind}: {each}"]) for each in ("accuracy", "balanced", "new class")]
            training = "from scratch" if kind == "scratch" else "going on"
            seconds = spread(group[f"{kind}: seconds"])
            lines.append(f"| {TITLES[str(name)]} | {training} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines)


def spread(values: pd.Series) -> str:
    return f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
