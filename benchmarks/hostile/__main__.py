"""Thousands of broken and lying files, tried as `predict` tries them: none may end, stall or inflate the process.

    OMP_NUM_THREADS=1 python benchmarks/hostile [--mutants 1000] [--families pictures sounds] [--start 0] [--bombs]
        [--pool threads processes] [--commands 500] [--keep FOLDER] [--json FILE]

A mutant is a valid file that was cut, flipped, spliced, or given a header that lies; the same number is always the same
mutant. Each is tried in a worker process, and counts as a finding if

- the process ends or raises anything but a GridcnnError ("crash", "error"),
- it takes more than 5 s of the processor ("slow"), or does not end in two minutes ("hang"),
- it takes more than 1 GB of memory beyond what the process held before ("memory"),
- it gets an answer although its damage shows ("made up"): it is cut short, or its format has checksums, and the content
  that was read is not that of the valid file. Where damage does not show, as in a raw picture with another pixel, an
  answer is right.

`--bombs` tries files made by hand as well, such as a PNG of 100,000 × 100,000 pixels. `--pool` tries the mutants once
more in four threads of one process, or in four processes, and compares how they ended. `--commands` runs `train
--on-error skip`, `predict` and `check` on a folder with so many mutants, and sends these to a service. The exit code is
1 if there are findings; `--keep` writes these files into a folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import commands, service
from families import FILES, Family, load_all
from mutations import Mutant, digest, mutant
from worker import Outcome, Worker, in_pool

SLOWEST, LARGEST = 5.0, 1e9


@dataclass
class Report:
    """What happened to the mutants of a family."""

    family: str
    tried: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    mutations: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[dict[str, Any]] = field(default_factory=list)
    slowest: float = 0.0
    largest: float = 0.0
    seconds: float = 0.0

    def add(self, number: int | str, made: Mutant, outcome: Outcome, whole: str, shows: bool) -> bool:
        """Count an outcome; return whether it is a finding. `whole` is the digest of the valid file's content."""
        kind = outcome.kind
        if kind in ("answered", "refused"):
            if outcome.seconds > SLOWEST:
                kind = "slow"
            elif outcome.extra > LARGEST:
                kind = "memory"
            elif kind == "answered" and outcome.detail != whole:
                kind = "made up" if shows else "another content"
        self.tried += 1
        self.kinds[kind] += 1
        self.mutations[made.mutation][kind] += 1
        self.slowest, self.largest = max(self.slowest, outcome.seconds), max(self.largest, outcome.extra)
        found = kind not in ("answered", "refused", "another content")
        if found:
            told = {"kind": kind, "number": number, "file": made.name, "seed": made.seed, "mutation": made.mutation}
            told |= {"detail": outcome.detail, "seconds": round(outcome.seconds, 2), "MB": round(outcome.extra / 1e6)}
            self.findings.append(told)
            print(" ", json.dumps(told, ensure_ascii=False), flush=True)
        return found

    def line(self) -> str:
        """Return a row of a table."""
        return (
            f"{self.family}: {self.tried:,} tried in {self.seconds:.0f} s: "
            f"{', '.join(f'{count:,} {kind}' for kind, count in self.kinds.most_common())}; "
            f"slowest {self.slowest:.2f} s, largest {self.largest / 1e6:.0f} MB; {len(self.findings)} findings"
        )


def mutants(family: Family, n_mutants: int, start: int) -> Iterator[tuple[int | str, Mutant]]:
    """Yield mutants with their numbers."""
    seeds = family.seeds()
    for number in range(n_mutants):
        yield number, mutant(family, seeds, number, start)


def bombs(family: Family) -> Iterator[tuple[str, Mutant]]:
    """Yield the files made by hand."""
    for name, make in family.bombs.items():
        yield name, Mutant(name, make(), "", "bomb")


def run(family: Family, prepared: Any, made: Iterator[tuple[Any, Mutant]], keep: Path | None) -> Report:
    """Try files one after another in a worker."""
    report, worker, started = Report(family.name), Worker(family.name, prepared), time.perf_counter()
    whole = {name: worker(name, content) for name, content in family.seeds().items()}
    for name, outcome in whole.items():
        if outcome.kind != "answered":
            raise SystemExit(f"the valid file {name} was not answered: {outcome}")
    for number, each in made:
        outcome = worker(each.name, each.content)
        shows = bool(each.seed) and family.damage_shows(each.seed, each.mutation)
        same = whole[each.seed].detail if each.seed else outcome.detail
        if report.add(number, each, outcome, same, shows) and keep is not None:
            (keep / f"{family.name}-{number}-{digest(each.content)}-{each.name}").write_bytes(each.content)
    worker.close()
    report.seconds = time.perf_counter() - started
    return report


def compared(kind: str, family: Family, prepared: Any, n_mutants: int, start: int) -> list[str]:
    """Try mutants one by one and in a pool, and return how they differ."""
    one, said = Worker(family.name, prepared), []
    made = [each for _, each in mutants(family, n_mutants, start)]
    alone = [one(each.name, each.content) for each in made]
    one.close()
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, each in enumerate(made):
            paths.append(Path(folder) / str(number) / each.name)
            paths[-1].parent.mkdir()
            paths[-1].write_bytes(each.content)
        together = in_pool(kind, family.name, prepared, paths)
    for each, first, second in zip(made, alone, together, strict=True):
        differs = first.kind != second.kind or (first.kind == "answered" and first.detail != second.detail)
        if differs or second.kind not in ("answered", "refused"):
            said.append(f"{each.name}, {each.mutation}: alone {first}, in a pool of {kind} {second}")
    return said


def by_commands(family: Family, prepared: Any, n_mutants: int, start: int) -> list[str]:
    """Try mutants by the commands and in a service, and return what is wrong."""
    made = [each for _, each in mutants(family, n_mutants, start)]
    worker = Worker(family.name, prepared)
    expected = [worker(each.name, each.content) for each in made]
    worker.close()
    with tempfile.TemporaryDirectory() as scratch:
        return commands(family, prepared, made, Path(scratch)) + service(family, prepared, made, expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mutants", type=int, default=1000, help="of each family")
    parser.add_argument("--families", nargs="+", help=f"[default: all, from {', '.join(FILES)}]")
    parser.add_argument("--start", type=int, default=0, help="another number makes other mutants")
    parser.add_argument("--bombs", action="store_true")
    parser.add_argument("--pool", nargs="*", default=[], choices=["threads", "processes"])
    parser.add_argument("--commands", type=int, default=0, metavar="MUTANTS")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    families = load_all()
    reports, differences = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.families or families:
            family, folder = families[name], Path(scratch) / name
            folder.mkdir()
            prepared = family.prepare(folder)
            made: list[Iterator[tuple[Any, Mutant]]] = [mutants(family, arguments.mutants, arguments.start)]
            made += [bombs(family)] * arguments.bombs
            for some in made:
                reports.append(run(family, prepared, some, arguments.keep))
                print(reports[-1].line(), flush=True)
            for kind in arguments.pool:
                differs = compared(kind, family, prepared, arguments.mutants, arguments.start)
                print(f"{name} in a pool of {kind}: {len(differs)} of {arguments.mutants} differ", *differs, sep="\n  ")
                differences += differs
            if arguments.commands and family.in_folders:
                wrong = by_commands(family, prepared, arguments.commands, arguments.start)
                print(f"{name} by commands: {len(wrong)} findings", *wrong, sep="\n  ", flush=True)
                differences += wrong
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(each) for each in reports], indent=1), encoding="utf-8")
    sys.exit(bool(differences or any(each.findings for each in reports)))


if __name__ == "__main__":
    main()
