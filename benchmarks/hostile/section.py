"""The section of docs/RESULTS.md on hostile files, from what `benchmarks/hostile --json` kept of several runs.

python benchmarks/hostile/section.py first.json second.json
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from results import save

INTRO = """## Hostile files

`benchmarks/hostile`: mutants of valid files (cut, flipped, spliced, with headers that lie) and files made by hand
(bombs), each tried in a worker process as `predict` tries it. A finding is a file that ends the process, raises
anything but an error of gridcnn's own, takes more than 5 s of the processor or 1 GB of memory beyond the process's
own, or gets an answer although its damage shows. “Answered” had the content of the valid file; of “other content” no
reader can tell that it was changed.

| family | mutants and bombs | refused | answered | other content | slowest | largest | findings |
| --- | --: | --: | --: | --: | --: | --: | --: |"""


def rows(reports: list[dict[str, Any]]) -> list[str]:
    """Return a row for each family, and one for all of them."""
    families = dict.fromkeys(report["family"] for report in reports)
    parts = {name: [each for each in reports if each["family"] == name] for name in families}
    return [_row(name, some) for name, some in parts.items()] + [_row("all", reports)]


def _row(name: str, reports: list[dict[str, Any]]) -> str:
    kinds = sum((Counter(each["kinds"]) for each in reports), Counter[str]())
    return (
        f"| {name} | {sum(each['tried'] for each in reports):,} | {kinds['refused']:,} | {kinds['answered']:,} | "
        f"{kinds['another content']:,} | {max(each['slowest'] for each in reports):.2f} s | "
        f"{max(each['largest'] for each in reports) / 1e6:.0f} MB | {sum(len(each['findings']) for each in reports)} |"
    )


if __name__ == "__main__":
    kept = [report for path in sys.argv[1:] for report in json.loads(Path(path).read_text(encoding="utf-8"))]
    findings = [each for report in kept for each in report["findings"]]
    told = [f"- {each['file']}: {each['kind']}, {each['seconds']} s, {each['MB']} MB" for each in findings]
    save("hostile", "\n".join([INTRO, *rows(kept), "", *told]))
