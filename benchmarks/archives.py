"""Pictures in archives, read where they lie and unpacked first: seconds, processor time, disk and memory.

    python benchmarks/archives.py FOLDER [--most 10000]

packs the first pictures below FOLDER (of class folders) as .zip, .tar and .tar.gz, and encodes all of them, three times
in each way, in turns, each in a process of its own. It prints medians; the disk is what lies among the temporary files
in the end. The table is in docs/data-formats.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gridcnn.adapters import ImageAdapter
from gridcnn.datasets import load_folder
from gridcnn.datasets.unpacking import unpacked
from gridcnn.pipeline.encode import encode_items

TURNS = 3


def measure(source: Path, how: str) -> dict[str, float]:
    """Encode all pictures of an archive or folder."""
    started, before = time.perf_counter(), time.process_time()
    items = load_folder(unpacked(source) if how == "unpacked" else source).items
    listed = time.perf_counter() - started
    encoded = encode_items(ImageAdapter(size=(28, 28)).fit(items), items)
    assert len(encoded.windows) == len(items)
    return {
        "listing, s": listed,
        "in all, s": time.perf_counter() - started,
        "processor, s": time.process_time() - before,
        "disk, MB": sum(each.stat().st_blocks for each in Path(tempfile.gettempdir()).rglob("*")) * 512 / 1e6,
        "memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def packed(folder: Path, most: int, place: Path) -> list[tuple[Path, str]]:
    """Return the archives of the first pictures in each class, and how each is read."""
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    for each in classes:
        (place / "set" / each.name).mkdir(parents=True)
        for file in itertools.islice(sorted(each.iterdir()), most // len(classes)):
            shutil.copy(file, place / "set" / each.name)
    archives = [Path(shutil.make_archive(str(place / "set"), how, place / "set")) for how in ("zip", "tar", "gztar")]
    return [(place / "set", "folder"), *itertools.product(archives, ("in place", "unpacked"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--measure", nargs=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.folder, given.measure[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        ways = packed(given.folder, given.most, Path(folder))
        found: dict[tuple[Path, str], list[dict[str, float]]] = {way: [] for way in ways}
        for turn, (source, how) in itertools.product(range(TURNS), ways):
            rooms = Path(folder, f"{turn}-{source.name}-{how}")
            rooms.mkdir()
            command = [sys.executable, __file__, str(source), "--measure", how]
            done = subprocess.run(
                command, env={**os.environ, "TMPDIR": str(rooms)}, capture_output=True, text=True, check=True
            )
            found[source, how].append(json.loads(done.stdout))
    names = list(next(iter(found.values()))[0])
    print(f"| source | {' | '.join(names)} |\n|{' --- |' * (len(names) + 1)}")
    for (source, how), turns in found.items():
        cells = (f"{statistics.median(turn[name] for turn in turns):.1f}" for name in names)
        print(f"| {source.suffix or source.name}, {how} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
