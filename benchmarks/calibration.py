"""Calibration, prediction sets and abstaining on held-out items of the real sets.

    GRIDCNN_DATA=… python benchmarks/calibration.py trec names            # run these sets, add to the results
    GRIDCNN_DATA=… python benchmarks/calibration.py mnist --time 120s     # within a limit, as a user would
    python benchmarks/calibration.py --write                              # its section of docs/RESULTS.md

Each run is `gridcnn train train.csv … --seed S`, without a flag for the set (but `--group` where speakers or machines
are held out), and then the test part, which no choice was made on. “Before” is the same model at a temperature of 1.
What is in `benchmarks/calibration.jsonl` already is not repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from real_data import rows_of
from results import save
from sets import DATA, FILES, TEXTS, Division, divisions

RUNS = Path(__file__).resolve().parent / "calibration.jsonl"
COVERAGE, WANTED = 0.9, 0.95

Row = dict[str, Any]

SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "digits": ("", ()),
    "mnist": ("", ()),
    "cifar10": ("", ()),
    "fsdd": ("", ()),
    "fsdd-speakers-grouped": ("a speaker never heard", ("--group", "speaker")),
    "esc10": ("recordings never heard", ()),
    "trec": ("collected later", ()),
    "sst2": ("", ()),
    "mr": ("", ()),
    "splice": ("", ()),
    "names": ("", ()),
    "tweets": ("collected otherwise", ()),
    "medical": ("", ()),
    "drums": ("machines never heard", ("--group", "machine")),
}
"""Every set: in what its test items differ from those held out in training, if in anything; flags of the training."""

OF_DEVELOPMENT = {"splice": "splice_dna", "names": "names", "tweets": "tweet_irony"}

INTRO = f"""## Calibrated probabilities, prediction sets, abstaining

`benchmarks/calibration.py`: every run stands in `benchmarks/calibration.jsonl`, as `gridcnn train train.csv …`
without a flag for the set, but `--group` where speakers or machines are held out. All figures are of test parts.

**ECE**: expected calibration error of the most probable class, in ten bins of equal width, before (at a temperature of
1) and after. “By chance” is the error that so many items would show if every stated probability were exactly right:
nothing below it can be seen. **Sets**: share of the test items whose set of `--sets {COVERAGE:g}` holds the true class,
with the 95 % interval (Clopper–Pearson) of these items alone, and the mean size of a set. The share also varies with
the held-out items that the sets rest on: “± by held-out” is its standard deviation on that account, if they were drawn
again. **Abstaining**: accuracy of the answers that `--abstain {WANTED:g}` gives, and the share of items that get one;
a dash means that the model refused to promise it.
Splice is a second run: the first, on the same test part, showed a fault of the training that was then mended (“What was
tried”). TREC and names were run before that."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", type=int, default=1, help="runs of each division")
    parser.add_argument("--folds", type=int, default=100, help="divisions of a set, at most")
    parser.add_argument("--time", default="", help="limit of each training, such as 120s")
    parser.add_argument("--write", action="store_true", help="write docs/RESULTS.md")
    arguments = parser.parse_args()
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as pictures:
            for seed in range(arguments.seeds):
                for number, division in enumerate(divisions_of(name, Path(pictures))):
                    if number < arguments.folds:
                        add_result(name, division, seed, arguments.time)
    print(table())
    if arguments.write:
        save("calibration", "\n\n".join([INTRO, table(), summary()]), threads=False)


def divisions_of(name: str, folder: Path) -> Iterator[Division]:
    """Yield the divisions of a set; arrays and pictures are written to `folder`."""
    development = DATA / "development"
    if name in OF_DEVELOPMENT:
        yield Division("official", pd.read_csv(development / f"{OF_DEVELOPMENT[name]}.csv", dtype=str), TEXTS)
    elif name == "medical":
        with np.load(development / "ts_MedicalImages.npz") as stored:
            parts = {part: (stored[f"X_{part}"][:, 0], stored[f"y_{part}"]) for part in ("train", "test")}
        frames = [pd.DataFrame(series).assign(label=labels, split=part) for part, (series, labels) in parts.items()]
        yield Division("official", pd.concat(frames), ["--label", "label"])
    elif name == "drums":
        frame = pd.read_csv(development / "drums" / "items.csv", dtype=str)
        frame["file"] = [str(development / "drums" / file) for file in frame["file"]]
        yield Division("official", frame, FILES)
    else:
        yield from divisions(name, folder)


def add_result(name: str, division: Division, seed: int, time: str) -> None:
    """Train and score a network, unless that is done already."""
    key = {"set": name, "fold": division.fold, "seed": seed, "time": time}
    if any(row.items() >= key.items() for row in rows_of(RUNS)):
        return
    with tempfile.TemporaryDirectory() as folder:
        learned, held, model = (Path(folder, each) for each in ("train.csv", "test.csv", "model.safetensors"))
        is_test = division.manifest["split"] == "test"
        divided = "validation" in set(division.manifest["split"])
        for file, frame in ((learned, division.manifest[~is_test]), (held, division.manifest[is_test])):
            (frame if divided else frame.drop(columns="split")).to_csv(file, index=False)
        flags = [*division.columns, *(["--split", "split"] if divided else [])]
        gridcnn = str(Path(sys.executable).parent / "gridcnn")
        more = [*SETS[name][1], *(["--time", time] if time else [])]
        train = [gridcnn, "train", str(learned), *flags, *more, "-o", str(model), "--seed", str(seed), "--quiet"]
        subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
        row = key | scored(model, held, flags)
    with RUNS.open("a") as results:
        results.write(json.dumps(row) + "\n")
    print(row, flush=True)


def scored(place: Path, held: Path, flags: list[str]) -> Row:
    """Score the test part, with the temperature and without."""
    import gridcnn  # noqa: PLC0415
    from gridcnn.answer_rule import UNSURE  # noqa: PLC0415
    from gridcnn.calibration import calibrate, mean_loss  # noqa: PLC0415
    from gridcnn.certainty import Certainty  # noqa: PLC0415
    from gridcnn.cli.sources import Columns, read_labelled  # noqa: PLC0415
    from gridcnn.errors import ConfigurationError  # noqa: PLC0415

    model = gridcnn.load(place)
    names = {flag.removeprefix("--"): column for flag, column in zip(flags[::2], flags[1::2], strict=True)}
    data = read_labelled(str(held), Columns(**names), on_error="skip", adapter=model.adapter)
    test = data.part("test") if "split" in names else data
    truth = np.asarray(test.labels).astype(str)
    row: Row = {
        "temperature": model.certainty.temperature, "held_out": model.certainty.n_items,
        "refit": model.summary["refit"], "threads": int(os.environ.get("OMP_NUM_THREADS", "0")),
    }  # fmt: skip
    for when, each in (("before", dataclasses.replace(model, certainty=Certainty())), ("after", model)):
        answers = gridcnn.predict(each, test.items)
        known = answers.good & np.isin(truth, model.class_names)
        target = np.array([model.class_names.index(label) for label in truth[known]])  # numbers are sorted as such
        probabilities = answers.probabilities[known]
        hit = probabilities.argmax(axis=1) == target
        found = calibrate(hit, probabilities.max(axis=1))
        row |= {
            f"error_{when}": found.error, f"by_chance_{when}": found.by_chance,
            f"loss_{when}": mean_loss(probabilities, target), f"accuracy_{when}": float(hit.mean()),
            f"confidence_{when}": float(probabilities.max(axis=1).mean()),
        }  # fmt: skip
    row["items"] = int(known.sum())
    try:
        sets = model.certainty.sets(probabilities, COVERAGE)
        row |= {
            "covered": int(sets[np.arange(len(target)), target].sum()), "set_size": float(sets.sum(axis=1).mean()),
            "empty": float((~sets.any(axis=1)).mean()),
        }  # fmt: skip
    except ConfigurationError as refusal:
        row["sets_refused"] = str(refusal)
    try:
        given = model.rule(abstain=WANTED).labels(probabilities) != UNSURE
        row |= {"answered": int(given.sum()), "right": int(hit[given].sum())}
    except ConfigurationError as refusal:
        row["abstain_refused"] = str(refusal)
    return row


# --- tables ----------------------------------------------------------------------------------------------------------


def pooled() -> dict[str, Row]:
    """Return for each set the means of its runs, weighted by their items, and the counts of all of them."""
    by_set: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows_of(RUNS):
        by_set[row["set"], row["time"]].append(row)
    merged: dict[str, Row] = {}
    for name in SETS:
        for (of, time), rows in by_set.items():
            if of == name:
                merged[f"{name}, --time {time}" if time else name] = _merged(rows) | {"set": name}
    return merged


def _merged(rows: list[Row]) -> Row:
    merged: Row = {"runs": len(rows)}
    for key in ("error_before", "error_after", "by_chance_after", "accuracy_after", "temperature", "held_out"):
        merged[key] = float(np.average([row[key] for row in rows], weights=[row["items"] for row in rows]))
    merged["items"] = sum(row["items"] for row in rows)
    kept = [row for row in rows if "covered" in row]
    if kept:
        n_items = sum(row["items"] for row in kept)
        covered = sum(row["covered"] for row in kept)
        interval = scipy.stats.binomtest(covered, n_items).proportion_ci(method="exact")
        size = float(np.average([row["set_size"] for row in kept], weights=[row["items"] for row in kept]))
        spread = math.sqrt(sum(COVERAGE * (1 - COVERAGE) / (row["held_out"] + 2) for row in kept)) / len(kept)
        merged |= {
            "coverage": covered / n_items, "low": interval.low, "high": interval.high, "size": size, "spread": spread
        }  # fmt: skip
    given = [row for row in rows if "answered" in row]
    if given and sum(row["answered"] for row in given):
        answered = sum(row["answered"] for row in given)
        merged |= {
            "answered": answered / sum(row["items"] for row in given),
            "right": sum(row["right"] for row in given) / answered,
        }
    return merged


def table() -> str:
    head = (
        "| set | test items differ | runs | test items | held-out items | temperature | accuracy | ECE before | "
        "ECE after | by chance | 90 % sets hold | interval | ± by held-out | size | accuracy if sure | answered |"
    )
    lines = [head, "| --- " * head.count(" | ") + "| --- |"]
    for name, row in pooled().items():
        cells = [
            name, SETS[row["set"]][0] or "no", row["runs"], f"{row['items']:,}", f"{row['held_out']:,.0f}",
            f"{row['temperature']:.2f}", f"{100 * row['accuracy_after']:.1f}", f"{row['error_before']:.3f}",
            f"{row['error_after']:.3f}", f"{row['by_chance_after']:.3f}",
        ]  # fmt: skip
        if "coverage" in row:
            cells += [
                f"{100 * row['coverage']:.1f}", f"{100 * row['low']:.1f}–{100 * row['high']:.1f}",
                f"{100 * row['spread']:.1f}", f"{row['size']:.2f}",
            ]  # fmt: skip
        else:
            cells += ["–"] * 4
        cells += [f"{100 * row[key]:.1f}" if key in row else "–" for key in ("right", "answered")]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def summary() -> str:
    rows = list(pooled().values())
    alike = [row for row in rows if not SETS[row["set"]][0]]
    before, after, chance = (
        np.mean([row[key] for row in alike]) for key in ("error_before", "error_after", "by_chance_after")
    )
    met = sum(row["error_after"] <= 0.03 for row in alike)
    held = [row for row in alike if "coverage" in row]
    inside = sum(0.88 <= row["coverage"] <= 0.92 for row in held)
    missing = [name for name in SETS if name not in {row["set"] for row in rows}]
    left = f" Not run yet: {', '.join(missing)}." if missing else ""
    return (
        f"Over the {len(alike)} sets whose test items do not differ: ECE {before:.3f} before, {after:.3f} after (by "
        f"chance {chance:.3f}), at most .030 on {met} of them; 90 % sets hold 88 to 92 % on {inside} of "
        f"{len(held)}.{left}"
    )


if __name__ == "__main__":
    main()
