"""The real data sets of the benchmarks: how each is divided, and what was chosen on it.

`DEVELOPMENT` are there to choose defaults on: on their training parts, by folds or repeated validation inside them. The
others are reserved: their test parts are scored once a release, after everything is chosen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

DATA = Path(os.environ.get("GRIDCNN_DATA", "."))


class RealSet(NamedTuple):
    """A set with its official or usual division.

    Parameters
    ----------
    split : str
        How it is divided.
    n_folds : int
        Number of divisions.
    goal : float
        The accuracy that was aimed at, %.
    chosen : str
        What was chosen by looking at data that are also test data here, in few words.
    record : str
        The same as the record of trials (`sections/tried.md`) has it.
    untouched : str
        The fold whose test part no choice has seen, where others have; empty if that is all of them, or none.
    title : str
        Its name in the README's table; empty if it is not there.
    published : str
        Accuracies from papers, %, with their source; nobody ran these here.
    items_of : str
        The set with the same items and divisions, whose baseline this one shares.
    train_flags : tuple of str
        Further flags of `gridcnn train`.
    """

    split: str
    n_folds: int
    goal: float
    chosen: str
    record: str
    untouched: str = ""
    title: str = ""
    published: str = ""
    items_of: str = ""
    train_flags: tuple[str, ...] = ()


_SPEAKERS = (
    "sound settings, in part",
    "settings were compared on three and on five of these speakers, each left out in turn",
)

SETS = {
    "mnist": RealSet(
        "official", 1, 99.5, "nothing", "settings were tried on parts of the training part",
        title="MNIST, handwritten digits",
    ),
    "cifar10": RealSet(
        "official", 1, 90.0, "nothing",
        "settings were tried on parts of the training part; the test part was scored after each of five versions",
        title="CIFAR-10, photographs of 32 × 32",
    ),
    "fsdd": RealSet(
        "official", 1, 99.3, "perhaps sound settings",
        "settings were compared on speakers left out, and the record does not say whether takes 0 to 4 were among them",
    ),
    "fsdd-speakers-grouped": RealSet(
        "leave one speaker out", 6, 92.0, *_SPEAKERS,
        title="FSDD, spoken digits of a speaker never heard, with `--group speaker`",
        items_of="fsdd-speakers", train_flags=("--group", "speaker"),
    ),
    "fsdd-speakers": RealSet(
        "leave one speaker out", 6, 91.0, *_SPEAKERS, title="the same without `--group`"
    ),
    "esc10": RealSet(
        "5 folds", 5, 91.0, "sound settings, on folds 2 to 5", "each of folds 2 to 5 was held out in turn",
        untouched="1", title="ESC-10, sounds of the surroundings",
    ),
    "trec": RealSet(
        "official", 1, 92.0, "nothing", "settings were tried on folds of the training part",
        title="TREC, kinds of questions", published="CNN-rand 91.2 (Kim 2014)",
    ),
    "sst2": RealSet(
        "official, sentences only", 1, 82.0, "nothing",
        "settings were tried on the development part, which also chooses the epoch here",
        title="SST-2, film reviews, sentences only",
    ),
    "mr": RealSet(
        "10 folds", 10, 78.5, "text settings, in part",
        "settings were compared on three fifths of the training part of fold 9, which holds test items of the others",
        untouched="9", title="MR, film reviews",
        published="CNN-rand 76.1 (Kim 2014), NBSVM-bi 79.4 (Wang and Manning 2012)",
    ),
    "digits": RealSet(
        "5 folds", 5, 99.2, "perhaps image settings",
        "it was among the sets of the trials of arrays; the first image settings were tried on “digits”, without "
        "saying which",
    ),
    "splice_dna": RealSet(
        "official", 1, 96.0, "nothing", "settings were tried on folds of the training part",
        published="one-hot + SVM 96.2",
    ),
    "names": RealSet("by name", 1, 84.0, "nothing", "settings were tried on folds of the training part"),
    "tweet_irony": RealSet(
        "official", 1, 69.0, "perhaps text settings",
        "settings were tried on parts of the training part; the test part was scored once before the last of them",
        published="words and character n-grams + SVM 69.4",
    ),
    "drums": RealSet(
        "unseen machines", 1, 74.0, "nothing", "settings were tried on machines left out of the training part",
        published="spectral statistics + SVM 72.3",
    ),
}  # fmt: skip

DEVELOPMENT = ("splice_dna", "names", "tweet_irony", "drums", "MedicalImages")
"""The last one is a set of series, which `benchmarks/series.py` runs."""


class Division(NamedTuple):
    """One division of a set.

    Parameters
    ----------
    fold : str
        Its name.
    manifest : DataFrame
        A row for each item, with a column `split`.
    columns : list of str
        The flags that name the columns of the items and the labels.
    """

    fold: str
    manifest: pd.DataFrame
    columns: list[str]


FILES = ["--path", "file", "--label", "label"]
TEXTS = ["--text", "text", "--label", "label"]


def divisions(name: str, folder: Path) -> Iterator[Division]:
    """Yield the divisions of a set; pictures that come without files are written to `folder`."""
    if name in {"mnist", "cifar10"}:
        parts = {"mnist": ("training", "testing"), "cifar10": ("train", "test")}[name]
        rows = [
            (str(path), path.parent.name, split)
            for part, split in zip(parts, ("train", "test"), strict=True)
            for path in sorted((DATA / name / part).rglob("[!.]*.*"))
        ]
        yield Division("official", pd.DataFrame(rows, columns=["file", "label", "split"]), FILES)
    elif name.startswith("fsdd"):
        paths = sorted((DATA / "fsdd").rglob("*.wav"))
        frame = pd.DataFrame([path.stem.split("_") for path in paths], columns=["label", "speaker", "take"])
        frame["file"] = [str(path) for path in paths]
        if name == "fsdd":
            yield _with_test_part("official", frame, frame["take"].astype(int) < 5, FILES)
            return
        for speaker in sorted(frame["speaker"].unique()):
            yield _with_test_part(speaker, frame, frame["speaker"] == speaker, FILES)
    elif name == "esc10":
        paths = sorted((DATA / "esc10").rglob("*.ogg"))
        frame = pd.DataFrame({"file": [str(path) for path in paths], "label": [path.parent.name for path in paths]})
        folds = np.array([path.name.split("-")[0] for path in paths])
        for fold in sorted(set(folds.tolist())):
            yield _with_test_part(fold, frame, folds == fold, FILES)
    elif name in {"trec", "sst2"}:
        splits = {"train": "train", "dev": "validation", "test": "test"}
        files = {part: DATA / "text" / f"{name}_{part}.csv" for part in splits}
        parts = [
            pd.read_csv(file, dtype=str).assign(split=splits[part]) for part, file in files.items() if file.exists()
        ]
        yield Division("official", pd.concat(parts), TEXTS)
    elif name == "drums":
        frame = pd.read_csv(DATA / "development" / "drums" / "items.csv", dtype=str)
        frame["file"] = [str(DATA / "development" / "drums" / file) for file in frame["file"]]
        yield Division("official", frame, FILES)
    elif name in DEVELOPMENT:
        texts = pd.read_csv(DATA / "development" / f"{name}.csv", dtype=str, keep_default_na=False)
        yield Division("official", texts, TEXTS)
    elif name == "mr":
        yield from _stratified(pd.read_csv(DATA / "text" / "mr.csv", dtype=str), 10, TEXTS)
    elif name == "digits":
        from PIL import Image  # noqa: PLC0415

        from gridcnn.datasets import load  # noqa: PLC0415

        digits = load("digits")
        rows = []
        for index, (picture, label) in enumerate(zip(digits.items, digits.labels, strict=True)):
            path = folder / f"{index}.png"
            Image.fromarray(picture).save(path)
            rows.append((str(path), str(label)))
        yield from _stratified(pd.DataFrame(rows, columns=["file", "label"]), 5, FILES)


def _with_test_part(fold: str, frame: pd.DataFrame, is_test: object, columns: list[str]) -> Division:
    return Division(fold, frame.assign(split=np.where(is_test, "test", "train")), columns)


def _stratified(frame: pd.DataFrame, n_folds: int, columns: list[str]) -> Iterator[Division]:
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(frame, frame["label"])
    for fold, (_, test) in enumerate(folds):
        yield _with_test_part(str(fold), frame, np.isin(np.arange(len(frame)), test), columns)
