"""Seconds and peak memory of the ordering check on large tables, each in its own process.

    python benchmarks/ordering_scale.py [--gigabytes 2] [--folder FOLDER]

A parquet and a csv file of random walks, sorted by class, are written into FOLDER, checked by `gridcnn check`, and
deleted. Peak memory is that of the whole process, torch-free imports included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS, ROWS_AT_ONCE = 200, 65_536

ARRAY = """
import json, resource, time
import numpy as np
array = np.random.default_rng(0).normal(size=(100_000, 1_000))
np.cumsum(array, axis=1, out=array)
from gridcnn.ordering import check_order
started = time.perf_counter()
verdict = check_order(array).verdict
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([verdict, seconds, peak, array.nbytes]))
"""
CHECK = """
import json, resource, sys, time
from gridcnn.cli import main
started = time.perf_counter()
try:
    main(["check", *sys.argv[1:]])
except SystemExit as ended:
    code = ended.code
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print()
print(json.dumps([code, seconds, peak]))
"""


def write_parquet(path: Path, size: int) -> int:
    """Write random walks, sorted by class, until the file has this size; return the number of rows."""
    rng = np.random.default_rng(0)
    names = [f"t{index}" for index in range(COLUMNS)]
    schema = pa.schema([*((name, pa.float64()) for name in names), ("label", pa.string())])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        while path.stat().st_size < size:
            label = f"class {10 * path.stat().st_size // size}"
            walks = rng.normal(size=(ROWS_AT_ONCE, COLUMNS)).cumsum(axis=1)
            writer.write_table(pa.table([*walks.T, pa.array([label] * ROWS_AT_ONCE)], schema=schema))
            rows += ROWS_AT_ONCE
    return rows


def write_csv(path: Path, size: int) -> int:
    """Write random walks, sorted by class, until the file has this size; return the number of rows."""
    rng = np.random.default_rng(0)
    block = 500
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*(f"t{index}" for index in range(COLUMNS)), "label"]) + "\n")
        walks = rng.normal(size=(block, COLUMNS)).cumsum(axis=1)
        lines = [",".join(f"{cell:.6f}" for cell in row) for row in walks]
        while file.tell() < size:
            label = f"class {10 * file.tell() // size}"
            file.writelines(f"{line},{label}\n" for line in lines)
            rows += block
    return rows


def aside(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process, because a process inherits the peak memory of the one that starts it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def run(code: str, *arguments: str) -> tuple[list[Any], str]:
    """Run Python code in a new process; return the JSON of its last line, and all that it printed before."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1]), "\n".join(done.stdout.splitlines()[:-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    (verdict, seconds, peak, size), _ = run(ARRAY)
    print(f"array 100,000 × 1,000: {verdict}, {seconds:.1f} s (bar 10), peak {peak / size:.2f} × the array (bar 1.5)")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name, write in (("big.parquet", write_parquet), ("big.csv", write_csv)):
            path = Path(folder) / name
            started = time.perf_counter()
            rows = aside(write, path, int(arguments.gigabytes * 1e9))
            written = time.perf_counter() - started
            (code, seconds, peak), said = run(CHECK, str(path), "--label", "label")
            print(
                f"{name} {path.stat().st_size / 1e9:.2f} GB, {rows:,} rows × {COLUMNS} (written in {written:.0f} s): "
                f"exit code {code}, {seconds:.1f} s, peak {peak / 1e6:.0f} MB (bar 600)"
            )
            print(said)
            path.unlink()


if __name__ == "__main__":
    main()
