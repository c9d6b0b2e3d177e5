"""The commands and the service on folders of mutants: `train --on-error skip`, `predict`, `check` and `serve`."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from families import Family
from mutations import Mutant

GRIDCNN = [str(Path(sys.executable).with_name("gridcnn"))]
ALLOWED = {"train": {0, 1}, "predict": {0, 1}, "check": {0, 2, 3, 4}}
"""Exit codes that are no finding: 1 says that many items were skipped, 3 and 4 are verdicts."""

MOST_MEMORY = 3e9
"""Bytes of a whole command: what torch, pandas and the rest take, and 1 GB for items beside one another."""

AT_ONCE = 20  # files in a request
BOUNDARY = "----gridcnn"


def write(family: Family, mutants: Sequence[Mutant], folder: Path) -> None:
    """Write mutants into two folders of classes, and valid files beside them."""
    for label in "ab":
        (folder / label).mkdir(parents=True)
        for copy in range(3):
            for name, content in family.seeds().items():
                (folder / label / f"good-{copy}-{name}").write_bytes(content)
    for number, each in enumerate(mutants):
        (folder / "ab"[number % 2] / f"{number:05d}-{each.name}").write_bytes(each.content)


def commands(family: Family, prepared: Path, mutants: Sequence[Mutant], scratch: Path) -> list[str]:
    """Run the commands on a folder of mutants, and return what is wrong with how they end."""
    folder, answers = scratch / "items", scratch / "answers.csv"
    write(family, mutants, folder)
    found = []
    for arguments in (
        ["train", folder, "-o", scratch / "m.safetensors", "--on-error", "skip", "--epochs", "1", "--kernels", "4",
         "--no-cache", "-q"],
        ["predict", prepared, folder, "-o", answers],
        ["check", folder],
    ):  # fmt: skip
        said = _run([str(each) for each in arguments])
        found += [f"{arguments[0]}: {each}" for each in said]
    if answers.exists():
        with answers.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        n_files = sum(1 for each in folder.rglob("*") if each.is_file())
        if len(rows) != n_files:
            found.append(f"predict: {len(rows)} rows for {n_files} files")
        both = [row for row in rows if bool(row["prediction"]) == bool(row["error"])]
        found += [f"predict: neither or both of prediction and error: {row}" for row in both[:3]]
    return found


def _run(arguments: list[str]) -> list[str]:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*GRIDCNN, *arguments], capture_output=True, text=True, env=environment, timeout=3600, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    largest, seconds = 1024 * after.ru_maxrss, time.perf_counter() - started
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"  gridcnn {arguments[0]}: exit code {done.returncode}, {seconds:.0f} s, {processor:.0f} s of the processor, "
        f"largest command so far {largest / 1e6:.0f} MB",
        flush=True,
    )
    found = []
    if done.returncode not in ALLOWED[arguments[0]]:
        found.append(f"exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    if "Traceback" in done.stderr or "fault of gridcnn" in done.stderr:
        found.append(done.stderr[-500:])
    if largest > MOST_MEMORY:
        found.append(f"{largest / 1e6:.0f} MB")
    return found


def service(family: Family, prepared: Path, mutants: Sequence[Mutant], expected: Sequence[Any]) -> list[str]:
    """Send mutants to a service, and return what is wrong with its answers; `expected` are the outcomes in a worker."""
    found: list[str] = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*GRIDCNN, "serve", f"model={prepared}", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            address = re.findall(r"http://\S+:\d+", server.stdout.readline())[0]
            kinds: Counter[str] = Counter()
            slowest = 0.0
            for start in range(0, len(mutants), AT_ONCE):
                part = mutants[start : start + AT_ONCE]
                started = time.perf_counter()
                results = _post(f"{address}/v1/models/model/predict", part)
                slowest = max(slowest, time.perf_counter() - started)
                for each, result, outcome in zip(part, results, expected[start : start + AT_ONCE], strict=True):
                    kind = "refused" if result.get("error") else "answered"
                    kinds[kind] += 1
                    if ("prediction" in result) == ("error" in result):
                        found.append(f"{each.name}: {result}")
                    elif kind != outcome.kind:
                        found.append(f"{each.name}, {each.mutation}: {kind} by the service, {outcome}, {result}")
            status = Path(f"/proc/{server.pid}/status").read_text(encoding="ascii")
            peak = status.partition("VmHWM:")[2].split()[0]
            print(
                f"  service: {dict(kinds)}, slowest request {slowest:.1f} s, peak {int(peak) / 1000:.0f} MB", flush=True
            )
        finally:
            server.terminate()
    return found


def _post(address: str, mutants: Sequence[Mutant]) -> list[dict[str, Any]]:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{each.name}"\r\n\r\n'.encode()
        + each.content + b"\r\n"
        for each in mutants
    ]  # fmt: skip
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    request = Request(address, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    try:
        with urlopen(request, timeout=300) as response:
            answer = json.load(response)
    except HTTPError as error:
        answer = json.load(error)
    results: list[dict[str, Any]] = answer["results"]
    return results
