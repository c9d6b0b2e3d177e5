"""Going on from a model, beside a training from scratch on everything.

    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/going_on.py                # measure what is missing, print
    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/going_on.py trec ABBR 2    # one class and seed
    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/going_on.py --test         # the same, scored on test parts
    python benchmarks/going_on.py --write --no-measure                            # its section of docs/RESULTS.md

A model is trained on all classes but one, with defaults. Then ten items of that class arrive. Both trainings get all
items and these ten: one goes on from the model, the other begins from scratch, with defaults. Both are scored on the
same items: of the training part of the set, held out from all of this, or of its test part. Results are kept in
`going_on.jsonl`, a line for each class and seed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from results import save
from sets import DATA
from sklearn.metrics import f1_score

from gridcnn import FittedModel, datasets, fit, predict
from gridcnn.adapters import Adapter, ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter

NEW_ITEMS = 10
TITLES = {
    "trec": "TREC, questions",
    "names": "names of people, eight languages",
    "fsdd": "FSDD, spoken digits 0 to 5",
    "esc10": "ESC-10, sounds",
    "digits": "digits, pictures of 8 × 8",
    "medical": "MedicalImages, series",
}
SETTINGS = [
    ("trec", "ABBR", 0), ("trec", "LOC", 1), ("names", "Italian", 0), ("fsdd", "3", 0), ("fsdd", "5", 1),
    ("fsdd", "1", 2), ("digits", "8", 0), ("digits", "3", 1), ("medical", "9", 0), ("medical", "3", 1),
]  # fmt: skip
"""Sets, new classes and seeds."""

MOST_IN_ONE = 200
"""Recordings below which one validation split has to do, for the time of the benchmark."""

KEPT = Path(__file__).with_suffix(".jsonl")
ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "trec": TextAdapter,
    "names": TextAdapter,
    "fsdd": AudioAdapter,
    "esc10": AudioAdapter,
    "digits": ImageAdapter,
    "medical": lambda: ArrayAdapter(("channels", "time")),
}

INTRO = f"""## Going on from a model

`benchmarks/going_on.py`: a model is trained on all classes but one, with defaults; then {NEW_ITEMS} items of that class
arrive. Both trainings get all items and these {NEW_ITEMS}: one goes on from the model (`--from`), the other begins from
scratch; both with defaults. The seed draws the {NEW_ITEMS} items, and is that of all trainings. “Held out” are items of
the training part: 1,500 of TREC's; every third of at most 500 names of each of the eight most frequent languages with
all others to learn from; every third of scikit-learn's digits and of MedicalImages; of FSDD two speakers, while five
takes of the four others are learned from, in one validation split instead of five folds (which makes it harder to be
quick). “Test” is the test part: the official one of TREC and MedicalImages, fold 1 of ESC-10. Time is that of the whole
fit, decoding included: CPU seconds on one thread of a machine that others used too."""


class Part(NamedTuple):
    """Items and labels."""

    items: np.ndarray
    labels: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", nargs="*", metavar="SET CLASS SEED", help=f"of {', '.join(TITLES)}")
    parser.add_argument("--test", action="store_true", help="score the test parts of trec, esc10 and medical")
    parser.add_argument("--no-measure", action="store_true", help="show what was measured")
    parser.add_argument("--write", action="store_true", help="write docs/RESULTS.md")
    arguments = parser.parse_args()
    kept = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    wanted = [(arguments.one[0], arguments.one[1], int(arguments.one[2]))] if arguments.one else SETTINGS
    for name, label, seed in wanted if not arguments.no_measure else ():
        about = {"set": name, "class": label, "seed": seed, "test": arguments.test}
        if any(about.items() <= row.items() for row in kept):
            continue
        train, test = parts(name, test_part=arguments.test)
        kept.append(about | measured(ADAPTERS[name](), train, test, label, seed))
        with KEPT.open("a") as file:
            file.write(json.dumps(kept[-1]) + "\n")
    rows = pd.DataFrame(kept)
    table = as_table(rows)
    print(table)
    if arguments.write:
        save("going_on", f"{INTRO}\n\n{table}\n\n{in_words(rows)}")


def parts(name: str, *, test_part: bool) -> tuple[Part, Part]:
    """Return what is learned from and what is scored; without `test_part` both are of the training part."""
    if name == "names":
        frame = pd.read_csv(DATA / "development" / "names.csv", dtype=str, keep_default_na=False)
        frame = frame[frame["split"] == "train"]
        frequent = frame["label"].value_counts()
        frame = frame[frame["label"].isin(frequent[frequent >= 120].index[:8])].sample(frac=1, random_state=0)
        frame = frame.groupby("label").head(500).reset_index(drop=True).sample(frac=1, random_state=1)
        every, held = Part(frame["text"].to_numpy(), frame["label"].to_numpy()), np.arange(len(frame)) % 3 == 0
        return some(every, ~held), some(every, held)
    if name == "fsdd":
        paths = np.array(sorted(map(str, (DATA / "fsdd").rglob("*.wav"))))
        about = pd.DataFrame([Path(path).stem.split("_") for path in paths], columns=["label", "speaker", "take"])
        take, held = about["take"].astype(int), about["speaker"].isin(sorted(about["speaker"].unique())[2:4])
        used = (about["label"].astype(int) < 6) & (take >= 5) & (take < np.where(held, 40, 10))
        every = Part(paths, about["label"].to_numpy())
        return some(every, (used & ~held).to_numpy()), some(every, (used & held).to_numpy())
    if name == "digits":
        data = datasets.load("digits")
        every, held = (
            Part(np.asarray(data.items), np.asarray(data.labels).astype(str)),
            np.arange(len(data.items)) % 3 == 0,
        )
        return some(every, ~held), some(every, held)
    if name == "medical":
        with np.load(DATA / "development" / "ts_MedicalImages.npz", allow_pickle=False) as data:
            every = Part(data["X_train"], data["y_train"].astype(str))
            if test_part:
                return every, Part(data["X_test"], data["y_test"].astype(str))
        held = np.arange(len(every.labels)) % 3 == 0
        return some(every, ~held), some(every, held)
    if name == "esc10":
        paths = sorted((DATA / "esc10").rglob("*.ogg"))
        fold = np.array([path.name.split("-")[0] for path in paths])
        every = Part(np.array([str(path) for path in paths]), np.array([path.parent.name for path in paths]))
        chosen = (fold != "1", fold == "1") if test_part else (np.isin(fold, ["3", "4", "5"]), fold == "2")
        return some(every, chosen[0]), some(every, chosen[1])
    frames = [pd.read_csv(DATA / "text" / f"{name}_{part}.csv", dtype=str) for part in ("train", "test")]
    train, test = (Part(frame["text"].to_numpy(), frame["label"].to_numpy()) for frame in frames)
    if not test_part:
        held = np.random.default_rng(0).permutation(len(train.labels)) < 1_500
        return some(train, ~held), some(train, held)
    return train, test


def some(part: Part, chosen: np.ndarray) -> Part:
    return Part(part.items[chosen], part.labels[chosen])


def measured(adapter: Adapter, train: Part, test: Part, label: str, seed: int) -> dict[str, Any]:
    """Return how both trainings do with ten items of a class."""
    rows = np.flatnonzero(train.labels == label)
    others = np.setdiff1d(np.arange(len(train.labels)), rows)
    arriving = np.random.default_rng(seed).choice(rows, NEW_ITEMS, replace=False)
    after = some(train, np.union1d(others, arriving))
    model, _ = timed(adapter, some(train, others), seed)
    found: dict[str, Any] = {}
    for name, start in (("going on", model), ("scratch", None)):
        trained, cpu = timed(adapter, after, seed, start)
        answers = predict(trained, test.items).labels.astype(str)
        found |= {
            f"{name}: accuracy": float((answers == test.labels).mean()),
            f"{name}: F1": float(f1_score(test.labels, answers, average="macro")),
            f"{name}: new class": float((answers == label)[test.labels == label].mean()),
            f"{name}: CPU": cpu,
        }
    return found


def timed(adapter: Adapter, part: Part, seed: int, start: FittedModel | None = None) -> tuple[FittedModel, float]:
    """Return a model, and the CPU seconds that its training took."""
    before = time.process_time()
    folds = {"folds": 1} if isinstance(adapter, AudioAdapter) and len(part.items) < MOST_IN_ONE else {}
    settings = {"cache": False, "n_jobs": 1, "random_state": seed, **folds}
    model = fit(adapter, part.items, part.labels, settings, start=start)
    return model, time.process_time() - before


def as_table(rows: pd.DataFrame) -> str:
    lines = [
        "| set | scored on | new class | seed | training | accuracy, % | macro F1, % | new class right, % | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows.to_dict("records"):
        for kind, called in (("scratch", "from scratch"), ("going on", "going on")):
            shares = [f"{100 * row[f'{kind}: {each}']:.1f}" for each in ("accuracy", "F1", "new class")]
            scored = "test" if row["test"] else "held out"
            about = (TITLES[row["set"]], scored, row["class"], row["seed"], called)
            lines.append(f"| {' | '.join(map(str, [*about, *shares]))} | {row[f'{kind}: CPU']:.1f} |")
    return "\n".join(lines)


def in_words(rows: pd.DataFrame) -> str:
    """Return means over all rows, and what going on takes of the time from scratch."""
    told = []
    for each, called in (("accuracy", "accuracy"), ("F1", "macro F1"), ("new class", "of the new class")):
        more = 100 * (rows[f"going on: {each}"] - rows[f"scratch: {each}"])
        error = f" ± {more.std() / len(more) ** 0.5:.1f}" if len(more) > 1 else ""
        told.append(f"{called} {100 * rows[f'going on: {each}'].mean():.1f} % ({more.mean():+.1f}{error})")
    share = (rows["going on: CPU"] / rows["scratch: CPU"]).max()
    return (
        f"Means of going on over these {len(rows)}, with the mean difference from scratch and its standard error: "
        f"{', '.join(told)}. It took at most {share:.0%} of the CPU time from scratch."
    )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
