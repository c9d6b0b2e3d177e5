"""Accuracy and cost of the defaults on real data, through the command line that a user types.

    GRIDCNN_DATA=… python benchmarks/real_data.py trec digits     # run these sets, add to the results
    python benchmarks/real_data.py --write                        # its section of docs/RESULTS.md

Each run is `gridcnn train set.csv … --seed S` followed by `gridcnn evaluate`, without a flag for the set. A run that
is in the results file already is not repeated. Test parts are read by `evaluate` alone.
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
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from results import headline, save

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "real_data.jsonl"
DATA = Path(os.environ.get("GRIDCNN_DATA", "."))

SETS = {  # name: (split, goal, classic baseline, a peer's CNN)
    "mnist": ("official", 99.5, "PCA + SVC 98.69", "small BN net 99.09"),
    "fsdd": ("official", 99.3, "MFCC statistics + SVM 99.67", "98.7"),
    "fsdd-speakers": ("leave one speaker out, 6 folds", 91.0, "MFCC statistics + SVM 73.5", "trial 88.5"),
    "esc10": ("5 folds", 91.0, "MFCC statistics + SVM 83.3", "89.5"),
    "trec": ("official", 92.0, "TF-IDF + LinearSVC 90.8", "CNN-rand 91.2"),
    "mr": ("10 folds", 78.5, "TF-IDF + LinearSVC 77.97", "CNN-rand 76.1, NBSVM 79.4"),
    "sst2": ("official, sentences only", 82.0, "TF-IDF + LinearSVC 81.27", "–"),
    "cifar10": ("official", 90.0, "logistic regression 41 (10k)", "–"),
    "digits": ("5 folds", 99.2, "SVC 98.9", "–"),
}

HEADLINE = {
    "mnist": ("MNIST, handwritten digits", "98.69 (PCA + SVC)"),
    "cifar10": ("CIFAR-10, photographs of 32 × 32", "41 (logistic regression)"),
    "fsdd-speakers": ("FSDD, spoken digits of a speaker never heard", "73.5 (MFCC + SVM)"),
    "esc10": ("ESC-10, sounds of the surroundings", "83.3 (MFCC + SVM)"),
    "trec": ("TREC, kinds of questions", "90.8 (TF-IDF + LinearSVC)"),
    "sst2": ("SST-2, film reviews, sentences only", "81.27 (TF-IDF + LinearSVC)"),
    "mr": ("MR, film reviews", "77.97 (TF-IDF + LinearSVC)"),
}

FOLDS = {"fsdd-speakers": 6, "esc10": 5, "mr": 10, "digits": 5}


def manifests(name: str, folder: Path) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    """Yield (fold, manifest with a split column, column flags) for each fold of a set."""
    files = ["--path", "file", "--label", "label"]
    text = ["--text", "text", "--label", "label"]
    if name in {"mnist", "cifar10"}:
        parts = {"mnist": ("training", "testing"), "cifar10": ("train", "test")}[name]
        rows = [
            (str(path), path.parent.name, split)
            for part, split in zip(parts, ("train", "test"), strict=True)
            for path in sorted((DATA / name / part).rglob("[!.]*.*"))
        ]
        yield "official", pd.DataFrame(rows, columns=["file", "label", "split"]), files
    elif name.startswith("fsdd"):
        paths = sorted((DATA / "fsdd").rglob("*.wav"))
        frame = pd.DataFrame([path.stem.split("_") for path in paths], columns=["label", "speaker", "take"])
        frame["file"] = [str(path) for path in paths]
        if name == "fsdd":
            yield "official", frame.assign(split=np.where(frame["take"].astype(int) < 5, "test", "train")), files
            return
        for speaker in sorted(frame["speaker"].unique()):
            yield speaker, frame.assign(split=np.where(frame["speaker"] == speaker, "test", "train")), files
    elif name == "esc10":
        paths = sorted((DATA / "esc10").rglob("*.ogg"))
        frame = pd.DataFrame({"file": [str(path) for path in paths], "label": [path.parent.name for path in paths]})
        folds = np.array([path.name.split("-")[0] for path in paths])
        for fold in sorted(set(folds.tolist())):
            yield fold, frame.assign(split=np.where(folds == fold, "test", "train")), files
    elif name == "trec":
        parts = {split: pd.read_csv(DATA / "text" / f"trec_{split}.csv", dtype=str) for split in ("train", "test")}
        yield "official", pd.concat([part.assign(split=split) for split, part in parts.items()]), text
    elif name == "sst2":
        splits = {"train": "train", "dev": "validation", "test": "test"}
        parts = [
            pd.read_csv(DATA / "text" / f"sst2_{part}.csv", dtype=str).assign(split=split)
            for part, split in splits.items()
        ]
        yield "official", pd.concat(parts), text
    elif name == "mr":
        yield from stratified(pd.read_csv(DATA / "text" / "mr.csv", dtype=str), 10, text)
    elif name == "digits":
        from PIL import Image  # noqa: PLC0415

        from gridcnn.datasets import load  # noqa: PLC0415

        digits = load("digits")
        rows = []
        for index, (picture, label) in enumerate(zip(digits.items, digits.labels, strict=True)):
            path = folder / f"{index}.png"
            Image.fromarray(picture).save(path)
            rows.append((str(path), str(label)))
        yield from stratified(pd.DataFrame(rows, columns=["file", "label"]), 5, files)


def stratified(frame: pd.DataFrame, n_folds: int, flags: list[str]) -> Iterator[tuple[str, pd.DataFrame, list[str]]]:
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(frame, frame["label"])
    for fold, (_, test) in enumerate(folds):
        split = np.full(len(frame), "train")
        split[test] = "test"
        yield str(fold), frame.assign(split=split), flags


def run(name: str, fold: str, frame: pd.DataFrame, flags: list[str], seed: int, folder: Path) -> dict[str, object]:
    manifest, model = folder / "set.csv", folder / "model.safetensors"
    frame.to_csv(manifest, index=False)
    gridcnn = [str(Path(sys.executable).parent / "gridcnn")]
    columns = [*flags, "--split", "split"]
    started = time.perf_counter()
    train = [*gridcnn, "train", str(manifest), *columns, "-o", str(model), "--seed", str(seed), "--quiet"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    evaluate = subprocess.run(
        [*gridcnn, "evaluate", str(model), str(manifest), *columns, "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    scores = json.loads(evaluate.stdout)
    history = pd.read_csv(folder / "model.history.csv")
    parameters, step_seconds, steps = bare_loop(model)
    return {
        "set": name, "fold": fold, "seed": seed, "accuracy": scores["accuracy"], "seconds": round(seconds, 1),
        "loop_seconds": round(float(history["seconds"].sum()), 1), "epochs": len(history), "parameters": parameters,
        "bare_seconds": round(step_seconds * steps * len(history), 1),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip


def bare_loop(model: Path, n_steps: int = 12) -> tuple[int, float, int]:
    """Time a step of the same net on one batch of its own shape; return parameters, seconds a step, steps."""
    import torch  # noqa: PLC0415

    from gridcnn import GridClassifier  # noqa: PLC0415
    from gridcnn.network.layers import to_channels_last  # noqa: PLC0415

    classifier = GridClassifier.load(model)
    network, adapter = classifier.network_, classifier.adapter_
    n_items = classifier.summary_["training_items"]
    steps = math.ceil(n_items / adapter.defaults(n_items)["batch_size"])
    batch = math.ceil(n_items / steps)
    backbone = network.backbone.train()
    modules = [backbone]
    if adapter.modality == "text":  # the embedding is learned, so it belongs to the step
        modules.append(network.frontend)
        ids = adapter.encode(" ".join(adapter.vocabulary_[: adapter.length_]))[:1]
        inputs = torch.from_numpy(ids).expand(batch, *ids.shape[1:])
    else:
        inputs = to_channels_last(torch.randn(batch, *adapter.spec_.shape))
    target = torch.randint(0, len(classifier.classes_), (batch,))
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
    return classifier.n_parameters_, statistics.median(times[2:]), steps


def results() -> list[dict[str, object]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def whole_seeds(name: str) -> list[list[dict[str, object]]]:
    """Return the runs of a set, one list for each seed that has the most folds of all."""
    by_seed: dict[int, list[dict[str, object]]] = defaultdict(list)
    for row in results():
        if row["set"] == name:
            by_seed[row["seed"]].append(row)
    most = max(map(len, by_seed.values()), default=0)
    return [rows for rows in by_seed.values() if len(rows) == most]


def accuracy(seeds: list[list[dict[str, object]]]) -> tuple[float, str]:
    """Return the mean over seeds in per cent, and the same with its spread in words."""
    means = [100 * statistics.mean(row["accuracy"] for row in rows) for rows in seeds]
    spread = f" ± {statistics.stdev(means):.2f}" if len(means) > 1 else ""
    return statistics.mean(means), f"{statistics.mean(means):.2f}{spread}"


def table() -> str:
    lines = [
        "| set | split | runs (seeds × folds) | accuracy, mean ± sd over seeds | goal | classic baseline "
        "| a peer's CNN | parameters | threads | seconds a run | × bare loop |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, (split, goal, classic, peer) in SETS.items():
        seeds = whole_seeds(name)
        if not seeds:
            lines.append(f"| {name} | {split} | not run | | {goal} | {classic} | {peer} | | | | |")
            continue
        rows, folds = [row for rows in seeds for row in rows], len(seeds[0])
        mean, in_words = accuracy(seeds)
        verdict = "met" if mean >= goal else "**missed**"
        if folds < FOLDS.get(name, 1):
            verdict = f"{folds} of {FOLDS[name]} folds only"
        seconds = statistics.mean(row["seconds"] for row in rows)
        ratio = statistics.median(row["seconds"] / row["bare_seconds"] for row in rows)
        threads = " or ".join(sorted({str(row["threads"] or "all") for row in rows}))
        lines.append(
            f"| {name} | {split} | {len(seeds)} × {folds} | {in_words} | {goal} ({verdict}) "
            f"| {classic} | {peer} | {rows[0]['parameters']:,} | {threads} | {seconds:.0f} | {ratio:.2f} |"
        )
    return "\n".join(lines)


def headline_table() -> str:
    lines = ["| data | test accuracy, % | classic baseline |", "| --- | --- | --- |"]
    for name, (title, classic) in HEADLINE.items():
        if seeds := whole_seeds(name):
            runs = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}"
            if FOLDS.get(name):
                runs += f", {len(seeds[0])} of {FOLDS[name]} folds"
            lines.append(f"| {title} | {accuracy(seeds)[1]} ({runs}) | {classic} |")
    return "\n".join(lines)


def folds_table() -> str:
    speakers = defaultdict(list)
    for row in results():
        if row["set"] == "fsdd-speakers":
            speakers[row["fold"]].append(100 * row["accuracy"])
    if not speakers:
        return ""
    header = " | ".join(speakers)
    values = " | ".join(f"{statistics.mean(scores):.1f}" for scores in speakers.values())
    return f"FSDD, by the speaker left out:\n\n| {header} |\n|{' --- |' * len(speakers)}\n| {values} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write docs/RESULTS.md")
    arguments = parser.parse_args()
    for name in arguments.sets:
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as pictures:
                for fold, frame, flags in manifests(name, Path(pictures)):
                    if any((row["set"], row["fold"], row["seed"]) == (name, fold, seed) for row in results()):
                        continue
                    with tempfile.TemporaryDirectory() as folder:
                        row = run(name, fold, frame, flags, seed, Path(folder))
                    with RESULTS.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(row, flush=True)
    print(table())
    if arguments.write:
        intro = (
            "## Accuracy of the defaults on real data\n\n`benchmarks/real_data.py`: every run stands in "
            "`benchmarks/real_data.jsonl`, as `gridcnn train set.csv --split split …` without a flag for the set. "
            "“× bare loop” is the whole command (start-up, decoding, validation, saving) over the "
            "forward-backward-step time of the same net on preloaded tensors in float32, measured right after it in "
            "the same run (the cores are shared, so single ratios wander). Texts are learned from twice a step, and "
            "once more from all; the bare loop does neither."
        )
        headline(headline_table())
        save("accuracy", "\n\n".join([intro, table(), folds_table()]), threads=False)


if __name__ == "__main__":
    main()
