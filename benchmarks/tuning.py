"""Whether a search pays: the test score of `gridcnn.tune` beside that of the defaults, on three kinds of data.

    GRIDCNN_DATA=… python benchmarks/tuning.py                     # all sets, add to the results
    GRIDCNN_DATA=… python benchmarks/tuning.py trec --trials 20    # one of them
    python benchmarks/tuning.py --write                            # its section of docs/RESULTS.md

FSDD with a speaker who was never heard (`--group speaker`), TREC, and UCR's MedicalImages: trials and verdict see the
training part alone, and the test part is scored once, by the model of the search and by that of the defaults. Each
study is kept in a file (`--studies`), so a run that was killed goes on. What is in `tuning.jsonl` already is not
repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import series
from results import save
from sets import divisions

from gridcnn import Watcher, fit, predict, tune
from gridcnn.adapters import Adapter, ArrayAdapter
from gridcnn.cli.sources import Columns, adapter_for, parts_of, read_labelled

RUNS = Path(__file__).resolve().parent / "tuning.jsonl"
SETS = ("medical_images", "fsdd-george", "fsdd-theo", "trec")
TITLES = {
    "medical_images": "MedicalImages, series",
    "fsdd-george": "FSDD, george never heard",
    "fsdd-theo": "FSDD, theo never heard",
    "trec": "TREC, questions",
}
Row = dict[str, Any]
Task = tuple[Adapter, Any, Any, Any, Any, Any]  # adapter, items, labels, groups, test items, test labels

INTRO = """## Search for hyperparameters

`benchmarks/tuning.py`: `gridcnn.tune` beside `gridcnn.fit` on the same training part; every run stands in
`benchmarks/tuning.jsonl`. The first trial is that of the defaults, the best two are judged anew, and another one than
the defaults is taken only if it is better beyond chance; otherwise the model of the search is that of the defaults, bit
for bit, and so is its test score. “Best trial” is by the items held out: the accuracy of the best of many, which
flatters. Minutes are those of the whole search on a busy machine, with one thread. MedicalImages and TREC were searched
before networks of more than three times the usual work were left out."""


class Log(Watcher):
    """Prints what a search says."""

    def on_message(self, line: str) -> None:
        """Print the line."""
        print(f"  {line}", flush=True)

    def on_trials(self, trials: Any, wanted: int | None) -> None:
        """Print the last trial."""
        if trials:
            print(f"  {trials[-1]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--studies", type=Path, default=Path(tempfile.gettempdir()), help="folder of the studies")
    parser.add_argument("--write", action="store_true", help="write the section of docs/RESULTS.md")
    arguments = parser.parse_args()
    known = [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []
    if arguments.write:
        save("tuning", section(known), threads=False)
        return
    for name in arguments.sets or SETS:
        key = {"set": name, "seed": arguments.seed, "trials": arguments.trials}
        if any(row.items() >= key.items() for row in known):
            continue
        row = key | run(task(name), arguments.trials, arguments.seed, arguments.studies / f"{name}.db")
        print(row, flush=True)
        with RUNS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def task(name: str) -> Task:
    """Return the adapter, and what is trained on and scored."""
    if name == "medical_images":
        (X, y), (X_test, y_test) = series.LOADERS["MedicalImages"]()
        return ArrayAdapter(("channels", "length")), X, y, None, X_test, y_test
    of_speakers = name.startswith("fsdd-")
    found, fold = ("fsdd-speakers", name.removeprefix("fsdd-")) if of_speakers else (name, "official")
    with tempfile.TemporaryDirectory() as folder:
        division = next(each for each in divisions(found, Path(folder)) if each.fold == fold)
        manifest = Path(folder, "set.csv")
        division.manifest.to_csv(manifest, index=False)
        flags = dict(zip(division.columns[::2], division.columns[1::2], strict=True))
        columns = Columns(**{flag.removeprefix("--"): column for flag, column in flags.items()}, split="split")
        if of_speakers:
            columns = Columns(**{**vars(columns), "group": "speaker"})
        data = read_labelled(str(manifest), columns, on_error="raise")
        train, test = (parts_of(data)[part] for part in ("train", "test"))
    return adapter_for(data, {}), train.items, train.labels, train.groups, test.items, test.labels


def run(given: Task, trials: int, seed: int, study: Path) -> Row:
    """Search, and score the test part once with each model."""
    adapter, X, y, groups, X_test, y_test = given
    parameters = {"random_state": seed}
    started = time.perf_counter()
    tuned = tune(adapter, X, y, parameters, groups=groups, trials=trials, study=study, callbacks=[Log()])
    minutes = (time.perf_counter() - started) / 60
    usual = fit(adapter, X, y, parameters, groups=groups)
    by_search, by_defaults = (
        float(np.mean(predict(model, X_test).labels == np.asarray(y_test))) for model in (tuned.model, usual)
    )
    states = [each.state for each in tuned.trials]
    best = max(each.accuracy for each in tuned.trials if each.complete)
    return {
        "test": by_search, "defaults": by_defaults, "test_items": len(y_test), "minutes": round(minutes, 1),
        "held_out_defaults": tuned.usual.accuracy if tuned.usual else None, "held_out_best": best,
        "chosen": tuned.chosen.number if tuned.chosen else None,
        "settings": dict(tuned.chosen.told) if tuned.chosen else {}, "why": tuned.why,
        "importance": {name: round(share, 3) for name, share in tuned.importance.items()},
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip


def section(rows: list[Row]) -> str:
    """Return the section of the results."""
    head = [
        "| data | seed | trials (complete, pruned, failed) | held out: defaults | best trial | taken "
        "| test, % | defaults’ test, % | test items | minutes |",
        "| --- " * 10 + "|",
    ]
    lines = [
        f"| {TITLES[row['set']]} | {row['seed']} "
        f"| {row['trials']} ({row['complete']}, {row['pruned']}, {row['failed']}) "
        f"| {100 * row['held_out_defaults']:.1f} | {100 * row['held_out_best']:.1f} "
        f"| {', '.join(f'{name} {value}' for name, value in row['settings'].items()) or 'the defaults'} "
        f"| {100 * row['test']:.2f} | {100 * row['defaults']:.2f} | {row['test_items']:,} | {row['minutes']:.0f} |"
        for row in rows
    ]
    whys = [f"- {TITLES[row['set']]}: {row['why']}." for row in rows]
    return "\n\n".join([INTRO, "\n".join([*head, *lines]), "\n".join(whys)])


if __name__ == "__main__":
    main()
