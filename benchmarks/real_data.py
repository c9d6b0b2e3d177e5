"""Accuracy and cost of the defaults on real data, through the command line that a user types.

    GRIDCNN_DATA=… python benchmarks/real_data.py trec digits               # run these sets, add to the results
    GRIDCNN_DATA=… python benchmarks/real_data.py trec digits --seeds 0     # their baselines alone
    python benchmarks/real_data.py --write                                  # its section of docs/RESULTS.md

Each run is `gridcnn train set.csv … --split split --seed S` followed by `gridcnn evaluate`, without a flag for the set
(but `--group speaker` if the set's name says so). Each baseline is the classic model of the set's adapter, fitted on
the same training items and scored on the same test items. What is in the results files already is not repeated. Test
parts are read for the scores alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from results import headline, save
from sets import SETS, Division, divisions

HERE = Path(__file__).resolve().parent
RUNS = HERE / "real_data.jsonl"
BASELINES = HERE / "baselines.jsonl"

DEFAULTS = 3
"""Number of the defaults: runs of earlier ones are kept, and the tables show the latest of each set."""

Row = dict[str, Any]

INTRO = """## Accuracy of the defaults on real data

`benchmarks/real_data.py`: every run stands in `benchmarks/real_data.jsonl`, as `gridcnn train set.csv --split split …`
without a flag for the set, but `--group speaker` where the name says “grouped”. Every baseline is the classic model of
the modality, with its parameters as they come, which `gridcnn train --compare` fits too; here it was fitted on the same
training items and scored on the same test parts (`benchmarks/baselines.jsonl`). Published figures were not run here.

“× float32 loop” is the whole command (start-up, decoding, validation, saving) over the time of as many steps of the
same net on preloaded tensors in float32, measured right after it; the cores are shared, so single ratios wander. It
says what a run costs; how fast steps are beside a well-written loop is under “Training step”. Texts are learned from
twice a step, and once more from all; that loop does neither."""

PROTOCOL = """**Protocol for later work.** Settings are chosen on development data only: the training parts of the
sets above, and five sets that are there for nothing else (StatLog's DNA splice sites; surnames of 18 nations;
SemEval-2018's irony in tweets; UCR's MedicalImages; single hits of drum machines, with whole machines held out). The
official test parts, ESC-10's fold 1 and MR's fold 9 are part of no choice. Each set above is scored once a release,
and every score is kept, also a worse one. If test data ever serve for a choice, the table above says so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each division; 0 fits the baselines alone")
    parser.add_argument("--write", action="store_true", help="write docs/RESULTS.md")
    arguments = parser.parse_args()
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as pictures:
            for seed in range(-1, arguments.seeds):
                for division in divisions(name, Path(pictures)):
                    add_result(name, division, seed)
    print(f"{table()}\n\n{chosen_table()}")
    if arguments.write:
        headline(headline_table())
        save("accuracy", "\n\n".join([INTRO, table(), *speakers(), chosen_table(), PROTOCOL]), threads=False)


def add_result(name: str, division: Division, seed: int) -> None:
    """Train and score a network, or the baseline if `seed` is negative, unless that is done already."""
    file, key = (RUNS, {"set": name, "fold": division.fold, "seed": seed, "defaults": DEFAULTS})
    if seed < 0:
        file, key = (BASELINES, {"set": name, "fold": division.fold})
    done = any(row.items() >= key.items() for row in rows_of(file))
    if done or (seed < 0 and SETS[name].items_of):
        return
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "set.csv")
        division.manifest.to_csv(manifest, index=False)
        scored = run_baseline(manifest, division) if seed < 0 else run(manifest, division, seed, SETS[name].train_flags)
    with file.open("a") as results:
        results.write(json.dumps(key | scored) + "\n")
    print(key | scored, flush=True)


def conditions() -> Row:
    return {
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def run(manifest: Path, division: Division, seed: int, train_flags: Iterable[str]) -> Row:
    """Train and score a network by the commands."""
    model = manifest.with_name("model.safetensors")
    gridcnn = str(Path(sys.executable).parent / "gridcnn")
    columns = [*division.columns, "--split", "split"]
    started = time.perf_counter()
    train = [gridcnn, "train", str(manifest), *columns, *train_flags, "-o", str(model), "--seed", str(seed), "--quiet"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    evaluate = [gridcnn, "evaluate", str(model), str(manifest), *columns, "--json"]
    scores = json.loads(subprocess.run(evaluate, check=True, capture_output=True, text=True).stdout)
    history = pd.read_csv(model.with_name("model.history.csv"))
    parameters, step_seconds, steps = float32_loop(model)
    return {
        "accuracy": scores["accuracy"], "macro_f1": scores["macro_f1"], "seconds": round(seconds, 1),
        "loop_seconds": round(float(history["seconds"].sum()), 1), "epochs": len(history), "parameters": parameters,
        "bare_seconds": round(step_seconds * steps * len(history), 1), **conditions(),
    }  # fmt: skip


def float32_loop(path: Path, n_steps: int = 12) -> tuple[int, float, int]:
    """Time a step of the same net on one batch of its own shape; return parameters, seconds a step, steps."""
    import torch  # noqa: PLC0415

    from gridcnn import load  # noqa: PLC0415
    from gridcnn.network.layers import to_channels_last  # noqa: PLC0415

    model = load(path)
    adapter, network = model.adapter, model.network
    n_items = model.summary["training_items"]
    steps = math.ceil(n_items / model.recipe["batch_size"])
    batch = math.ceil(n_items / steps)
    backbone = network.backbone.train()
    modules = [backbone]
    if adapter.modality == "text":  # the embedding is learned, so it belongs to the step
        modules.append(network.frontend)
        ids = adapter.encode(" ".join(adapter.vocabulary_[: adapter.length_]))[:1]
        inputs = torch.from_numpy(ids).expand(batch, *ids.shape[1:])
    else:
        inputs = to_channels_last(torch.randn(batch, *adapter.spec_.shape))
    target = torch.randint(0, len(model.classes), (batch,))
    optimiser = torch.optim.AdamW([p for module in modules for p in module.parameters()], fused=True)
    times = []
    for _ in range(n_steps):
        started = time.perf_counter()
        grids = network.frontend(inputs) if len(modules) > 1 else inputs
        loss = torch.nn.functional.cross_entropy(backbone(grids), target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - started)
    return model.n_parameters, statistics.median(times[2:]), steps


def run_baseline(manifest: Path, division: Division) -> Row:
    """Fit the classic baseline of the modality on the training items, and score it on the test items."""
    from gridcnn.cli.sources import Columns, adapter_for, parts_of, read_labelled  # noqa: PLC0415
    from gridcnn.evaluation.baselines import fit_baseline  # noqa: PLC0415

    flags = dict(zip(division.columns[::2], division.columns[1::2], strict=True))
    columns = Columns(**{flag.removeprefix("--"): column for flag, column in flags.items()}, split="split")
    started = time.perf_counter()
    data = read_labelled(str(manifest), columns, on_error="raise")
    train, test = (parts_of(data)[part] for part in ("train", "test"))
    adapter = adapter_for(data, {}).fit(train.items)
    baseline = fit_baseline(adapter, train.items, train.labels)
    right = baseline.predict(test.items) == np.asarray(test.labels)
    return {
        "baseline": baseline.name, "accuracy": float(right.mean()), "items": baseline.n_items,
        "training_items": len(train.items), "seconds": round(time.perf_counter() - started, 1), **conditions(),
    }  # fmt: skip


# --- tables ----------------------------------------------------------------------------------------------------------


def rows_of(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def runs_of(name: str) -> list[Row]:
    """Return the runs of a set with the latest defaults that it was run with."""
    rows = [row for row in rows_of(RUNS) if row["set"] == name]
    latest = max((row.get("defaults", 1) for row in rows), default=1)
    return [row for row in rows if row.get("defaults", 1) == latest]


def whole_seeds(name: str) -> list[list[Row]]:
    """Return the runs of a set, one list for each seed that has the most folds of all."""
    by_seed: dict[int, list[Row]] = defaultdict(list)
    for row in runs_of(name):
        by_seed[row["seed"]].append(row)
    most = max(map(len, by_seed.values()), default=0)
    return [rows for rows in by_seed.values() if len(rows) == most]


def per_cent(rows: Iterable[Row]) -> float:
    return 100 * statistics.mean(row["accuracy"] for row in rows)


def accuracy(seeds: list[list[Row]]) -> tuple[float, str]:
    """Return the mean over seeds in per cent, and the same with its spread in words."""
    means = [per_cent(rows) for rows in seeds]
    spread = f" ± {statistics.stdev(means):.2f}" if len(means) > 1 else ""
    return statistics.mean(means), f"{statistics.mean(means):.2f}{spread}"


def baseline(name: str) -> str:
    """Return accuracy and name of the baseline, and how many items it was fitted on if not on all."""
    known = [row for row in rows_of(BASELINES) if row["set"] == (SETS[name].items_of or name)]
    if not known:
        return "not run"
    some = ""
    if known[0]["items"] < known[0]["training_items"]:
        some = f", {known[0]['items']:,} of {known[0]['training_items']:,} items"
    folds = "" if len(known) == SETS[name].n_folds else f", {len(known)} of {SETS[name].n_folds} folds"
    return f"{per_cent(known):.2f} ({known[0]['baseline']}{some}{folds})"


def table() -> str:
    lines = [
        "| set | split | defaults | runs (seeds × folds) | accuracy, mean ± sd over seeds | macro F1 | goal "
        "| classic baseline, run here | published, not run here | parameters | threads | seconds a run "
        "| × float32 loop |",
        "| --- " * 13 + "|",
    ]
    for name, described in SETS.items():
        peers, seeds = f"{baseline(name)} | {described.published or '–'}", whole_seeds(name)
        if not seeds:
            lines.append(f"| {name} | {described.split} | | not run | | | {described.goal} | {peers} | | | | |")
            continue
        rows, folds = [row for rows in seeds for row in rows], len(seeds[0])
        mean, in_words = accuracy(seeds)
        verdict = "met" if mean >= described.goal else "**missed**"
        if folds < described.n_folds:
            verdict = f"{folds} of {described.n_folds} folds only"
        seconds = statistics.mean(row["seconds"] for row in rows)
        ratios = [row["seconds"] / row["bare_seconds"] for row in rows if "bare_seconds" in row]
        threads = " or ".join(sorted({str(row["threads"] or "all") for row in rows}))
        of_classes = [100 * row["macro_f1"] for row in rows if "macro_f1" in row]
        macro_f1 = f"{statistics.mean(of_classes):.1f}" if of_classes else "–"
        lines.append(
            f"| {name} | {described.split} | {rows[0].get('defaults', 1)} | {len(seeds)} × {folds} | {in_words} "
            f"| {macro_f1} | {described.goal} ({verdict}) "
            f"| {peers} | {rows[0]['parameters']:,} | {threads} | {seconds:.0f} "
            f"| {f'{statistics.median(ratios):.2f}' if ratios else '–'} |"
        )
    return "\n".join(lines)


def chosen_on(name: str) -> str:
    """Say what was chosen on the test data of a set, and give the fold on which nothing was."""
    described = SETS[name]
    fold = [row for row in runs_of(name) if row["fold"] == described.untouched]
    alone = f"; fold {described.untouched}, on which nothing was chosen, has {per_cent(fold):.1f}" if fold else ""
    return f"{described.chosen}{alone}"


def chosen_table() -> str:
    lines = [f"| {name} | {chosen_on(name)} | {described.record} |" for name, described in SETS.items()]
    head = ["| set | chosen on its test data | from “What was tried” |", "| --- | --- | --- |"]
    return "What was chosen by looking at data that are also test data:\n\n" + "\n".join(head + lines)


def headline_table() -> str:
    lines = ["| data | test accuracy, % | classic baseline | chosen on test data |", "| --- | --- | --- | --- |"]
    for name, described in SETS.items():
        seeds = whole_seeds(name)
        if not described.title or not seeds:
            continue
        runs = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
        if described.n_folds > 1:
            runs += f", {len(seeds[0])} of {described.n_folds} folds"
        lines.append(f"| {described.title} | {accuracy(seeds)[1]} ({runs}) | {baseline(name)} | {chosen_on(name)} |")
    return "\n".join(lines)


def speakers() -> list[str]:
    """Return the table of each speaker left out, with and without `--group speaker`, if both have been run."""
    names = [name for name in SETS if name.startswith("fsdd-speakers") and whole_seeds(name)]
    by_speaker: dict[str, dict[str, float]] = {}
    for name in names:
        by_fold = defaultdict(list)
        for row in runs_of(name):
            by_fold[row["fold"]].append(row)
        by_speaker[name] = {fold: per_cent(rows) for fold, rows in sorted(by_fold.items())}
    if not by_speaker:
        return []
    folds = list(next(iter(by_speaker.values())))
    lines = [f"| set | {' | '.join(folds)} |", "| --- " * (len(folds) + 1) + "|"]
    for name, scores in by_speaker.items():
        lines.append(
            f"| {name} | " + " | ".join(f"{scores[fold]:.1f}" if fold in scores else "–" for fold in folds) + " |"
        )
    return ["FSDD, by the speaker left out:", "\n".join(lines)]


if __name__ == "__main__":
    main()
