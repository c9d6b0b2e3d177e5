"""Print how often the ordering check is right: `GRIDCNN_DATA=… python benchmarks/ordering.py [--seed N] [--draws N]`.

Shared tables come from $GRIDCNN_DATA/ordering, all others are generated. The statistics were chosen on shared tables,
crops and re-sorted versions of them, and on generated tables with seeds below 100,000; the default seed is fresh.
Each share is printed with its 95 % interval (Clopper and Pearson). With 500 draws it takes about half an hour.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import ordering_tables as tables
from scipy.stats import beta

from gridcnn.ordering import check_axes, check_order

# expected verdict of each axis; None if either is honest
AXES = {
    "mnist": ("ordered", "ordered"),
    "cifar_gray": ("ordered", "ordered"),
    "fsdd_logmel": ("ordered", "ordered"),
    "fsdd_mfcc": ("exchangeable", "ordered"),
    "BasicMotions": ("exchangeable", "ordered"),
    "IndoorMovement": ("ordered", "exchangeable"),
    "JapaneseVowels": ("exchangeable", None),
    "emb_Subj": ("ordered", "exchangeable"),
    "emb_TREC": ("ordered", "exchangeable"),
}
ROWS, COLUMNS = (20, 50, 100, 300, 1000), (6, 8, 12, 16, 24, 50)
VERDICTS = ("ordered", "exchangeable", "undecided")

Case = tuple[str, Any, Any, str]  # name, table, labels, kind


def interval(count: int, total: int) -> str:
    """Return the 95 % interval of a share after Clopper and Pearson, in per cent."""
    low = beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
    return f"{100 * low:.1f}–{100 * high:.1f} %"


class Counts:
    """Verdicts by group, and CPU seconds."""

    def __init__(self, verbose: bool) -> None:
        self.seconds: list[float] = []
        self._verbose = verbose

    def of(self, group: str, cases: Iterable[Case], alpha: float = 0.01, want: str = "") -> list[Any]:
        """Check the tables of a group and print its row; with `verbose`, also each that is not as wanted."""
        reports = []
        for name, X, y, kind in cases:
            start = time.process_time()
            reports.append(check_order(X, y, kind="categorical" if kind == "categorical" else "auto", alpha=alpha))
            self.seconds.append(time.process_time() - start)
            if self._verbose and want and (reports[-1].verdict == "ordered") != (want == "ordered"):
                print(f"    {name} {np.shape(X)} {reports[-1].verdict} by {reports[-1].test}: {reports[-1].reason}")
        count = collections.Counter(report.verdict for report in reports)
        total = max(len(reports), 1)
        row = "  ".join(f"{count[verdict]:6}" for verdict in VERDICTS)
        print(f"{group:48} {len(reports):6}  {row}   {interval(count['ordered'], total)}", flush=True)
        return reports


def manifest(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "manifest.json").read_text())


def load(folder: Path, entry: dict[str, Any]) -> tuple[Any, Any]:
    data = np.load(folder / entry["file"])
    return data["X"], data["y"] if len(data["y"]) == len(data["X"]) else None


def shared(counts: Counts, folder: Path) -> None:
    """The shared tables as they are, with and without labels, and the ordered ones shuffled."""
    groups: dict[str, list[Case]] = collections.defaultdict(list)
    for entry in manifest(folder):
        X, y = load(folder, entry)
        size = "n ≥ 100, d ≥ 8" if entry["n"] >= 100 and entry["d"] >= 8 else "smaller"
        for labels in (None, y) if y is not None else (None,):
            said = "with labels" if labels is not None else "no labels"
            groups[f"{entry['label']}, {size}, {said}"].append((entry["name"], X, labels, entry["kind"]))
            if entry["label"] == "ordered":
                for seed in range(3):
                    order = np.random.default_rng(seed).permutation(X.shape[1])
                    case = (f"{entry['name']} shuffled {seed}", X[:, order], labels, entry["kind"])
                    groups[f"ordered, shuffled, {said}"].append(case)
    grids = {entry["name"]: entry["grid"] for entry in manifest(folder)}
    for group in sorted(groups):
        reports = counts.of(group, groups[group], want=group.split(",")[0] if "shuffled" not in group else "not")
        for (name, *_), report in zip(groups[group], reports, strict=True):
            found = f"{report.grid[0]}x{report.grid[1]}" if report.grid else None
            if "shuffled" not in group and found != grids[name]:
                print(f"    grid of {name}: {grids[name]}, found {found}")
    print(
        f"CPU seconds per shared table: median {np.median(counts.seconds):.2f}, most {max(counts.seconds):.2f} "
        "(with labels and without)"
    )


def nulls(counts: Counts, seed: int, draws: int, alpha: float) -> None:
    """Tables without an order, of each kind."""
    seeds = range(seed, seed + draws)
    kinds: dict[str, Callable[[int], Any]] = {
        "shuffled series": _shuffled,
        "grouped": lambda at: tables.grouped(at)[1],
    }
    kinds |= {name: lambda at, name=name: tables.laid_out(at, name) for name in tables.LAYOUTS}
    kinds |= {
        f"sorted: {how}": lambda at, place=place: tables.sorted_table(at * len(tables.SORTS) + place)[1]
        for place, how in enumerate(tables.SORTS)
    }
    for name, draw in kinds.items():
        counts.of(f"{name}, alpha {alpha}", ((f"seed {at}", draw(at), None, "auto") for at in seeds), alpha, "not")


def _shuffled(seed: int) -> Any:
    table = tables.ordered(seed)[1]
    return table[:, np.random.default_rng(seed).permutation(table.shape[1])]


def sorted_shared(counts: Counts, folder: Path) -> None:
    """The unordered shared tables, their columns sorted by similarity."""
    unordered = [load(folder, entry)[0] for entry in manifest(folder) if entry["label"] == "unordered"]
    wide = [np.where(np.isnan(X), np.nanmedian(X, axis=0), X) for X in unordered if X.shape[1] >= 8 and len(X) >= 20]
    for how in tables.SORTS:
        cases = ((f"table {at}", tables.sort_by_similarity(X, how), None, "auto") for at, X in enumerate(wide))
        counts.of(f"shared, unordered, sorted: {how}", cases, want="not")


def crops(counts: Counts, folder: Path, seed: int, draws: int) -> None:
    """Random rows and neighbouring columns of shared ordered series, by size."""
    entries = [
        entry
        for entry in manifest(folder)
        if entry["label"] == "ordered" and entry["kind"] != "categorical" and not entry["name"].startswith("img")
        and entry["d"] >= 8 and entry["n"] >= 20
    ]  # fmt: skip
    held = [load(folder, entry)[0] for entry in entries]
    for rows in ROWS[:-1]:
        for columns in (5, *COLUMNS[1:]):
            fitting = [X for X in held if len(X) >= rows and X.shape[1] >= columns]
            cases = []
            for at in range(draws):
                rng = np.random.default_rng([seed, rows, columns, at])
                X = fitting[at % len(fitting)]
                first = int(rng.integers(0, X.shape[1] - columns + 1))
                crop = X[rng.choice(len(X), rows, replace=False)][:, first : first + columns]
                if (np.nanstd(crop, axis=0) > 0).sum() >= 5:
                    cases.append(("crop", crop, None, "auto"))
            counts.of(f"crops of ordered tables, {rows} × {columns}", cases)


def power(seed: int, draws: int) -> None:
    """Share of planted orders that are found, by rows and columns."""
    for kind, draw in (("autoregressive, 0.5", tables.autoregressive), ("smooth, 2 columns", tables.smooth)):
        print(f"found of {draws}: {kind}; columns {COLUMNS}")
        for rows in ROWS:
            found = [
                sum(
                    check_order(draw([seed, rows, columns, at], rows, columns)).verdict == "ordered"
                    for at in range(draws)
                )
                for columns in COLUMNS
            ]
            print(f"  {rows:5} rows  " + "  ".join(f"{one:4}" for one in found), flush=True)


def agreement(folder: Path) -> None:
    """Share of shared tables whose verdict is the same with five seeds."""
    same, tested = 0, 0
    for entry in manifest(folder):
        X, y = load(folder, entry)
        kind = "categorical" if entry["kind"] == "categorical" else "auto"
        for labels in (None, y) if y is not None else (None,):
            verdicts = {check_order(X, labels, kind=kind, random_state=seed).verdict for seed in range(5)}
            same, tested = same + (len(verdicts) == 1), tested + 1
            if len(verdicts) > 1:
                print(f"    {entry['name']}{' with labels' if labels is not None else ''}: {sorted(verdicts)}")
    print(f"the same verdict with five seeds: {same} of {tested}, {interval(same, tested)}")


def axes(folder: Path, seed: int) -> None:
    """Axes of arrays, as they are and each shuffled in turn; and cyclic ones."""
    wrong = 0
    for name, wanted in AXES.items():
        X = np.load(folder / "axes" / f"{name}.npz")["X"]
        plain = check_axes(X).verdicts
        rng = np.random.default_rng(0)
        turned = [check_axes(np.take(X, rng.permutation(X.shape[axis]), axis=axis)).verdicts for axis in (1, 2)]
        for at, want in enumerate(wanted):
            good = (want is None or plain[at] == want) and turned[at][at] != "ordered"
            good = good and turned[1 - at][at] == plain[at]
            wrong += not good
        print(f"axes {name:15} {plain}, each axis shuffled in turn {turned}")
    print(f"axes wrong: {wrong}")
    found = sum(check_axes(tables.cyclic(at)).verdicts[1] == "ordered" for at in range(seed, seed + 30))
    print(f"cyclic axes found: {found} of 30, {interval(found, 30)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=500_000)
    parser.add_argument("--draws", type=int, default=500, help="generated tables of each kind and level")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument(
        "--only", nargs="*", default=["shared", "nulls", "sorted", "crops", "found", "power", "agreement", "axes"]
    )
    options = parser.parse_args()
    folder = Path(os.environ["GRIDCNN_DATA"]) / "ordering"
    counts = Counts(options.verbose)
    print(f"{'tables':48} number  {'  '.join(VERDICTS)}   ordered, 95 % interval")
    few, seeds = max(20, options.draws // 5), range(options.seed, options.seed + options.draws // 5)
    sections: dict[str, Callable[[], Any]] = {
        "shared": lambda: shared(counts, folder),
        "nulls": lambda: [nulls(counts, options.seed, options.draws, alpha) for alpha in (0.01, 0.05)],
        "sorted": lambda: sorted_shared(counts, folder),
        "crops": lambda: crops(counts, folder, options.seed, few),
        "found": lambda: [
            counts.of("ordered, generated", (("", tables.ordered(at)[1], None, "auto") for at in seeds)),
            counts.of(
                "ordered, pairs swapped", (("", tables.ordered(at, scrambled=True)[1], None, "auto") for at in seeds)
            ),
            *(
                counts.of(
                    f"outlines of {points} points", (("", tables.outlines(at, points), None, "auto") for at in seeds)
                )
                for points in (16, 24, 40)
            ),
        ],
        "power": lambda: power(options.seed, 20),
        "agreement": lambda: agreement(folder),
        "axes": lambda: axes(folder, options.seed),
    }
    for name in options.only:
        sections[name]()
    print(f"seed {options.seed}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
