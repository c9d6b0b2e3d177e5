"""Write constraints-hashes.txt: the pins of constraints.txt that tests and lint need, with the hashes of their files.

    pip install uv
    python .ci/lock.py                # after each change of constraints.txt
    pip install --require-hashes --no-deps -r constraints-hashes.txt

uv asks the package index for the hashes. Those of wheels in a local folder (`--wheels`, such as a CPU build of torch)
are computed, and no other file of theirs is allowed. What only comes with the CUDA build of torch has no pin, and is
left out: whoever installs from this file takes the CPU build.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {"build", "packaging", "pyproject-hooks", "setuptools"}  # what builds the wheel
HEAD = """# Written by .ci/lock.py from constraints.txt: the files that CI accepts, by their hashes.
#     pip install --require-hashes --no-deps -r constraints-hashes.txt
"""


def name_of(line: str) -> str:
    """Return the normalised name in a line such as "Jinja2==3.1.6"."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0]).lower()


def pins(text: str) -> dict[str, str]:
    """Return the lines of a file of pins by the names in them."""
    return {name_of(line): line.split(" ")[0].strip() for line in text.splitlines() if re.match(r"[A-Za-z]", line)}


def compiled(*arguments: str) -> str:
    """Let uv resolve or look up, and return what it says."""
    quiet = ["--quiet", "--no-header", "--no-annotate", "--python-version", "3.11"]
    command = ["uv", "pip", "compile", *quiet, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def needed() -> dict[str, str]:
    """Return the pins that the tests, lint and the wheel need."""
    pinned = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    used = pins(compiled("pyproject.toml", "--extra", "test", "--extra", "lint", "--constraints", "constraints.txt"))
    if free := sorted(used.keys() - pinned.keys()):
        print(f"without a pin, and so left out: {', '.join(free)}", file=sys.stderr)
    return {name: pinned[name] for name in sorted((used.keys() | TOOLS) & pinned.keys())}


def with_hashes(wanted: dict[str, str], wheels: list[Path]) -> str:
    """Return pins with the hashes of all their files, on the index and in local folders."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted.values()))
        file.flush()
        lines = compiled(file.name, "--no-deps", "--generate-hashes").splitlines()
    local = {}
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        pin = f"{name_of(name)}=={version}"
        local[pin.partition("+")[0]] = [pin, f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"]
    written, skipping = [], False
    for line in lines:
        if not line.startswith(" "):  # the pin; its hashes follow
            skipping = (found := local.get(line.removesuffix(" \\"))) is not None
            written += [" \\\n    ".join(found)] if found else []
        if not skipping:  # or pip would take the index's file, whose hash it knows beforehand
            written.append(line)
    return "\n".join(written) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="a folder with wheels that are installed instead of the index's")
    folder = parser.parse_args().wheels
    found = with_hashes(needed(), sorted(folder.glob("*.whl")) if folder else [])
    (ROOT / "constraints-hashes.txt").write_text(HEAD + found, encoding="utf-8")
