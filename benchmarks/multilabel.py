"""Several labels an item, beside one-against-rest linear classifiers.

    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/multilabel.py                # print
    GRIDCNN_DATA=… OMP_NUM_THREADS=1 python benchmarks/multilabel.py --write        # its section of docs/RESULTS.md

Two sets in which the labels of an item are known because they were planted there. Sounds: two clips of ESC-10 of
different kinds, mixed so that one is up to 6 dB louder than the other; the pairs to test on are made of clips of a fold
that no pair to train on has. Texts: two questions of TREC, one behind the other; the labels are the kinds of both, and
test questions are those of the official test part. Everything is fitted with defaults. The seed decides the pairs, and
for sounds the fold.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import librosa
import numpy as np
import pandas as pd
import soundfile
from results import save
from scipy.special import expit
from sets import DATA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gridcnn import fit, predict
from gridcnn.adapters import Adapter, AudioAdapter, TextAdapter
from gridcnn.evaluation.baselines import fit_baseline
from gridcnn.multilabel import choose_thresholds

SEEDS = (0, 1)
PAIRS, TEST_PAIRS, LOUDER = 600, 200, 6.0  # dB
RATE = 22_050
TITLES = {"sounds": "ESC-10, clips in twos", "texts": "TREC, questions in twos"}

INTRO = f"""## Several labels an item

`benchmarks/multilabel.py`: labels that were planted. *Sounds*: two clips of ESC-10 of different kinds, mixed with
one up to {LOUDER:g} dB louder ({PAIRS} pairs to train on, {TEST_PAIRS} to test on, of clips of another fold; 10
labels). *Texts*: two questions of TREC, one behind the other (2,726 pairs to train on, 250 of the official test
part; 6 labels). The network is trained with defaults. The baselines have one classifier for each label: linear SVMs
on means and standard deviations of 20 MFCCs, or on TF-IDF of words and characters, with the F1 of their own
decision, and of thresholds that five folds chose by the network's rule; and the classic model that `--compare`
fits. Means over {len(SEEDS)} seeds (lowest to highest), %: the mean average precision of the labels needs no
threshold; *all right* is the share of the items whose labels are all right."""


class Part(NamedTuple):
    """Items and their labels, zeros and ones."""

    items: list[str]
    target: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*TITLES, []], metavar="SET", help=", ".join(TITLES))
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many")
    parser.add_argument("--write", action="store_true", help="write docs/RESULTS.md")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.sets or TITLES:
        for seed in SEEDS[: arguments.seeds]:
            with tempfile.TemporaryDirectory() as folder:
                for row in measured(name, seed, Path(folder)):
                    rows.append({"set": name, "seed": seed} | row)
                    print(rows[-1], flush=True)
    table = as_table(pd.DataFrame(rows))
    print(table)
    if arguments.write:
        save("multilabel", f"{INTRO}\n\n{table}")


def measured(name: str, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Return the scores of the network and of the baselines."""
    adapter: Adapter
    if name == "sounds":
        (train, test), adapter, linear = mixtures(seed, folder), AudioAdapter(), make_pipeline(StandardScaler(), svm())
        known, asked = mfccs(train.items), mfccs(test.items)
    else:
        (train, test), adapter, linear = questions(seed), TextAdapter(), make_pipeline(tf_idf(), svm())
        known, asked = train.items, test.items
    started = time.perf_counter()
    model = fit(adapter, train.items, train.target, {"random_state": seed})
    seconds = time.perf_counter() - started
    probabilities = predict(model, test.items).probabilities
    network = scores("network", probabilities, probabilities >= model.thresholds, test.target)
    classic = fit_baseline(model.adapter, train.items, train.target, classes=np.arange(train.target.shape[1]))
    ranked, given = classic.label_sets(test.items)
    votes = linear.fit(known, train.target).decision_function(asked)
    held = cross_val_predict(
        linear, known, train.target, cv=KFold(5, shuffle=True, random_state=0), method="decision_function"
    )
    thresholds = choose_thresholds(expit(held), train.target)
    return [
        network | {"seconds": seconds},
        scores(f"{classic.name} (`--compare`)", ranked, given, test.target),
        scores("linear SVMs", votes, votes > 0, test.target),
        scores("linear SVMs, thresholds by folds", votes, expit(votes) >= thresholds, test.target),
    ]


def scores(method: str, ranked: np.ndarray, named: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """Return what a method reaches, %."""
    f1 = {kind: 100 * f1_score(target, named, average=kind, zero_division=0) for kind in ("micro", "macro")}
    precision = 100 * average_precision_score(target, ranked, average="macro")
    return {"method": method, "map": precision, **f1, "all": 100 * float((named == target).all(axis=1).mean())}


def mixtures(seed: int, folder: Path) -> tuple[Part, Part]:
    """Return mixed clips, written to a folder; the test clips are of a fold of their own."""
    random = np.random.default_rng(seed)
    files = sorted((DATA / "esc10").glob("*/*.*"))
    kinds, kind = np.unique([file.parent.name for file in files], return_inverse=True)
    clips = [librosa.util.fix_length(librosa.load(file, sr=RATE)[0], size=5 * RATE) for file in files]
    test = np.array([int(file.name[0]) for file in files]) == 1 + seed
    parts = []
    for part, (chosen, n_pairs) in enumerate(((~test, PAIRS), (test, TEST_PAIRS))):
        items, target = [], np.zeros((n_pairs, len(kinds)), dtype=int)
        for number in range(n_pairs):
            first, second = random.choice(np.flatnonzero(chosen), 2, replace=False)
            while kind[first] == kind[second]:
                first, second = random.choice(np.flatnonzero(chosen), 2, replace=False)
            target[number, kind[[first, second]]] = 1
            one, other = (clips[at] / (np.sqrt(np.mean(clips[at] ** 2)) + 1e-9) for at in (first, second))
            mixed = one + other * 10 ** (random.uniform(-LOUDER, LOUDER) / 20)
            items.append(str(folder / f"{part}-{number}.wav"))
            soundfile.write(items[-1], 0.9 * mixed / np.abs(mixed).max(), RATE)
        parts.append(Part(items, target))
    return parts[0], parts[1]


def questions(seed: int) -> tuple[Part, Part]:
    """Return questions in twos, each in one pair."""
    random = np.random.default_rng(seed)
    tables = [pd.read_csv(DATA / "text" / f"trec_{part}.csv") for part in ("train", "test")]
    kinds = np.unique(tables[0]["label"])
    parts = []
    for table in tables:
        pairs = random.permutation(len(table))[: len(table) // 2 * 2].reshape(-1, 2)
        text, kind = table["text"].to_numpy(), np.searchsorted(kinds, table["label"])
        target = np.zeros((len(pairs), len(kinds)), dtype=int)
        target[np.arange(len(pairs))[:, None], kind[pairs]] = 1
        parts.append(Part([f"{text[first]} {text[second]}" for first, second in pairs], target))
    return parts[0], parts[1]


def svm() -> OneVsRestClassifier:
    """Return a linear SVM for each label."""
    return OneVsRestClassifier(LinearSVC(random_state=0))


def tf_idf() -> Any:
    """Return TF-IDF of words and pairs of words, and of runs of two to five characters."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))


def mfccs(items: list[str]) -> np.ndarray:
    """Return means and standard deviations of 20 coefficients, `(n, 40)`."""
    found = [librosa.feature.mfcc(y=soundfile.read(item)[0], sr=RATE, n_mfcc=20) for item in items]
    return np.array([[*each.mean(axis=1), *each.std(axis=1)] for each in found])


def as_table(rows: pd.DataFrame) -> str:
    """Return the table of the section."""
    lines = [
        "| set | | mean average precision | micro F1 | macro F1 | all right |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (name, method), found in rows.groupby(["set", "method"], sort=False):
        cells = [
            f"{found[each].mean():.1f} ({found[each].min():.1f}–{found[each].max():.1f})"
            for each in ("map", "micro", "macro", "all")
        ]
        lines.append(f"| {TITLES[name]} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
