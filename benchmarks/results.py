"""docs/RESULTS.md, put together from what the benchmarks kept.

    python benchmarks/results.py

Each benchmark, run with `--write`, keeps its section in `benchmarks/sections`, which `save` writes with the date, the
machine and the versions it was measured with.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

HERE = Path(__file__).resolve().parent
SECTIONS = (
    "accuracy", "series", "tuning", "tried", "steps", "prediction", "precision", "export", "service", "input",
    "end_to_end", "growth", "time", "explain", "attribution", "checkpoints", "crash", "streaming", "audit",
    "calibration", "multilabel", "going_on", "detection", "overlapping", "scaling_training", "scaling_growth", "scale",
    "faults", "hostile",
)  # fmt: skip
HEAD = """# Results

Written by the commands in `benchmarks/`, one a section. A time never stands alone: a named reference in the same run is
beside it.
"""


def save(name: str, text: str, *, threads: bool = True) -> None:
    """Keep a section, which starts with its `## ` title, and write docs/RESULTS.md anew.

    A section of runs that were kept is saved without `threads`: theirs were not those of this process.
    """
    conditions = f"*{datetime.date.today()}, {machine(threads=threads)}.*"
    (HERE / "sections" / f"{name}.md").write_text(f"{text.strip()}\n\n{conditions}\n", encoding="utf-8")
    compose()


def compose() -> None:
    """Write docs/RESULTS.md from the sections that there are."""
    paths = [HERE / "sections" / f"{name}.md" for name in SECTIONS]
    sections = [path.read_text(encoding="utf-8") for path in paths if path.exists()]
    (HERE.parent / "docs" / "RESULTS.md").write_text("\n".join([HEAD, *sections]), encoding="utf-8")


def headline(table: str) -> None:
    """Put a table between the two marks of the README."""
    path = HERE.parent / "README.md"
    before, rest = path.read_text(encoding="utf-8").split("<!-- headline -->\n")
    after = rest.split("<!-- end of headline -->\n")[1]
    marked = f"<!-- headline -->\n{table.strip()}\n<!-- end of headline -->\n"
    path.write_text(before + marked + after, encoding="utf-8")


def machine(*, threads: bool) -> str:
    """Say what this runs on, and with how many `threads` where asked."""
    computing = f", OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'all')}" if threads else ""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = platform.python_version()
    return f"{platform.machine()}, {cores} cores{computing}, Python {python}, {versions}"


if __name__ == "__main__":
    compose()
