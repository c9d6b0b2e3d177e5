"""Write docs/licences.md: the licences of the packages in constraints-hashes.txt, from what they say themselves.

.venv/bin/python .ci/licences.py
"""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator

from lock import ROOT, TOOLS, name_of, pins

PLACE = ROOT / "docs" / "licences.md"
OTHERS = {"test", "lint", "bench"}  # extras of those who work on gridcnn
BUNDLED = {
    "soundfile": "its wheels hold libsndfile, LGPL-2.1",
    "soxr": "its wheels hold libsoxr, LGPL-2.1",
    "psycopg-binary": "its wheels hold libpq, PostgreSQL's licence, and OpenSSL, Apache-2.0",
    "numpy": "its wheels hold OpenBLAS, BSD-3-Clause, and libgfortran, GPL-3.0 with the runtime exception",
    "scipy": "its wheels hold OpenBLAS, BSD-3-Clause, and libgfortran, GPL-3.0 with the runtime exception",
    "scikit-learn": "its wheels hold libgomp, GPL-3.0 with the runtime exception",
}
"""What wheels hold beside their own code under a licence that asks for more than its notice."""

SAID_IN_FILE = {"atheris": "Apache-2.0"}
"""The licences of packages that name theirs in a file only."""

ONLY_BUILDS = TOOLS - {"packaging"}

WORDS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD-like": "BSD",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""The words of classifiers and old fields, as SPDX writes them."""

HEAD = """# Licences of the dependencies

Written by `.ci/licences.py` from the packages' own metadata, for the versions in `constraints.txt`. gridcnn itself is
under the MIT licence and holds no code of theirs. A package that gridcnn needs to run, with all extras, is marked
**runtime**; the others test, check or build it.

| package | version | licence | | beside it |
| --- | --- | --- | --- | --- |
"""


def licence_of(package: importlib.metadata.Distribution) -> str:
    """Return the licence that a package names: its expression, else its classifiers, else the start of its field."""
    said = package.metadata
    if expression := said.get("License-Expression"):
        return expression
    classifiers = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License")]
    found = [WORDS.get(each, each) for each in classifiers if each != "OSI Approved"]
    field = (said.get("License") or SAID_IN_FILE.get(said["Name"]) or "unknown").strip().splitlines()[0]
    return " and ".join(found) or WORDS.get(field, field)


def runtime() -> set[str]:
    """Return the names of all packages that gridcnn and its extras need, but for tests, lint and benchmarks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: each for name, each in project["optional-dependencies"].items() if name not in OTHERS}
    waiting = [*project["dependencies"], *(each for extra in extras.values() for each in extra)]
    met: set[str] = set()
    while waiting:
        line = waiting.pop().partition(";")[0]
        if line not in met and name_of(line) != "gridcnn":
            met.add(line)
            extras_of = re.search(r"\[(.*?)\]", line)
            waiting += _required(name_of(line), re.split(r"\s*,\s*", extras_of[1]) if extras_of else [])
    return {name_of(line) for line in met}


def _required(name: str, extras: list[str]) -> Iterator[str]:
    """Yield what a package needs with some of its extras; a package for another platform is not installed."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for line in lines:
        extra = re.search(r"\bextra\s*==\s*[\"']([^\"']+)", line.partition(";")[2])
        if extra is None or extra[1] in extras:
            yield line


def page() -> str:
    """Return docs/licences.md."""
    names = pins((ROOT / "constraints-hashes.txt").read_text(encoding="utf-8"))
    needed = runtime()
    rows = []
    for name in sorted(names.keys() - ONLY_BUILDS):
        package = importlib.metadata.distribution(name)
        kind = "**runtime**" if name in needed else ""
        version = package.version.partition("+")[0]
        rows.append(f"| {name} | {version} | {licence_of(package)} | {kind} | {BUNDLED.get(name, '')} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PLACE.write_text(page(), encoding="utf-8")
