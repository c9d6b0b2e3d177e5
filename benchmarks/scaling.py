"""Prediction by many processes: throughput with one and two workers, and the memory of a worker with more items.

    python benchmarks/scaling.py [N_ITEMS …] [--write]

The items are short texts in a csv file, of 1,000 and more distinct sentences, and the model is small, so that what is
measured is the way of the items. Each run is a process of its own that starts Ray on this machine. Its items per second
count from the first answers, so that starting is left out; the seconds of the whole command stand beside them. The peak
of a worker is the largest resident set (`VmHWM`) of the processes that compute, and of those that read and encode. The
reference is `gridcnn predict` without workers, in one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import save

SIZES = (10_000, 100_000)

_PREPARE = """
import sys
from gridcnn import GridClassifier
from gridcnn.adapters import TextAdapter

texts = [f"{word} film number {at}" for at in range(200) for word in ("good", "bad")]
classifier = GridClassifier(adapter=TextAdapter(), epochs=2, kernels=(8,), cache=False)
classifier.fit(texts, ["a", "b"] * 200).save(sys.argv[1])
"""

_RUN = """
import json, os, re, sys, time
from pathlib import Path
import gridcnn.scale.predicting as predicting
from gridcnn.cli import main

began, first, peaks = time.perf_counter(), [], {}

def looked(parts):
    n = 0
    for part in parts:
        first or first.extend((time.perf_counter(), part.n_rows))
        n += 1
        if n % 16 == 1:
            look()
        yield part
    look()

def look():
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[folder.name] = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            titles[folder.name] = (folder / "cmdline").read_bytes()
        except OSError:
            pass
    for process, title in titles.items():
        kind = "worker" if b"MapWorker" in title else "encoder" if title.startswith(b"ray::") else None
        above = process
        while above in parents and above != str(os.getpid()):
            above = parents[above]
        if kind and above == str(os.getpid()):
            try:
                peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024
            except OSError:
                continue
            peaks[kind] = max(peaks.get(kind, 0), peak)

answered = predicting.answered
predicting.answered = lambda job, workers: looked(answered(job, workers))
try:
    main(["predict", *sys.argv[1:]])
except SystemExit:
    pass
end = time.perf_counter()
print(json.dumps({"whole": end - began, "from_first": end - first[0], "first": first[1], **peaks}))
"""


def measured(model: Path, items: Path, n_items: int, workers: int, folder: Path) -> dict[str, float]:
    """Predict with so many workers, and return seconds and peaks (MB)."""
    output = folder / f"out-{n_items}-{workers}"
    command = [sys.executable, "-c", _RUN, str(model), str(items), "-o", str(output), "--workers", str(workers)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert json.loads((output / "manifest.json").read_text())["rows"] == n_items
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def alone(model: Path, items: Path, folder: Path) -> float:
    """Predict in one process, and return the seconds of the command."""
    code = "from gridcnn.cli import main; import sys; main(sys.argv[1:])"
    began = time.perf_counter()
    output = folder / f"{items.stem}.parquet"
    command = [sys.executable, "-c", code, "predict", str(model), str(items), "-o", str(output), "--threads", "1"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def run(sizes: list[int]) -> str:
    """Measure, and return the section."""
    lines = [
        "## Prediction by many processes",
        "",
        "`python benchmarks/scaling.py`: short texts of a csv, a small model; workers of Ray on this machine, and one "
        "process without Ray in one thread as the reference. Starting Ray and its processes is in the whole command "
        "only. Other programs computed on the same two cores meanwhile, so that times are rough.",
        "",
        "| items | workers | items/s from the first answers | whole command (s) | peak of a worker (MB) | "
        "peak of a process that encodes (MB) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "m.safetensors"
        subprocess.run([sys.executable, "-c", _PREPARE, str(model)], check=True, capture_output=True)
        for n_items in sizes:
            items = folder / f"{n_items}.csv"
            rows = (f"{'good' if at % 3 else 'bad'} film number {at % 1000}\n" for at in range(n_items))
            items.write_text("text\n" + "".join(rows))
            whole = alone(model, items, folder)
            lines.append(f"| {n_items:,} | none | | {whole:.1f} | | |")
            for workers in (1, 2):
                each = measured(model, items, n_items, workers, folder)
                speed = (n_items - each["first"]) / each["from_first"]
                lines.append(
                    f"| {n_items:,} | {workers} | {speed:,.0f} | {each['whole']:.1f} | {each['worker']:.0f} | "
                    f"{each['encoder']:.0f} |"
                )
                print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, metavar="N_ITEMS")
    parser.add_argument("--write", action="store_true", help="keep the result in docs/RESULTS.md")
    options = parser.parse_args()
    section = run(options.sizes or list(SIZES))
    print(section)
    if options.write:
        save("scale", section)
