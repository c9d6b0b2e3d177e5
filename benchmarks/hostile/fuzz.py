"""Fuzz the decoders of pictures and sounds with atheris, guided by the coverage of gridcnn's own code.

    OMP_NUM_THREADS=1 python benchmarks/hostile/fuzz.py pictures --seconds 60 [--corpus FOLDER]

One execution is one file through `encode` and `cautions`, written to memory under the suffix of the seed that it was
made of. Only an ItemError may come out; libFuzzer ends the run with the file if it takes more than 10 seconds, of a
machine that does nothing else, or 2 GB. Half of the mutations are those of the corpus, half are libFuzzer's own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path, PurePath
from typing import Any

import atheris

with atheris.instrument_imports(include=["gridcnn.adapters"]):
    from families import load_all

    from gridcnn.adapters import AudioAdapter, ImageAdapter
    from gridcnn.errors import ItemError

from mutations import mutant
from pictures import HEIGHT, WIDTH, scene
from sounds import RATE, SAMPLES, tone

LARGEST = 32_768
MOST_SECONDS, MOST_MEGABYTES = 10, 2_048


def adapter_of(family: str) -> Any:
    """Return a fitted adapter; no network is needed to decode."""
    if family == "pictures":
        return ImageAdapter(size=(HEIGHT, WIDTH), colour=True).fit([scene(seed) for seed in range(4)])
    return AudioAdapter(sample_rate=RATE, duration=SAMPLES / RATE).fit([tone(seed)[:, 0] for seed in range(4)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("family", choices=["pictures", "sounds"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what was worth keeping")
    arguments = parser.parse_args()
    family, adapter = load_all()[arguments.family], adapter_of(arguments.family)
    seeds, places = family.seeds(), tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    suffixes = sorted({PurePath(name).suffix for name in seeds})

    def once(data: bytes) -> None:
        path = Path(places) / f"a{suffixes[data[0] % len(suffixes)] if data else ''}"
        path.write_bytes(data[1:])
        try:
            adapter.encode(path)
            adapter.cautions(path)
        except ItemError:
            pass
        finally:
            path.unlink()

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        if seed % 2:
            return bytes(atheris.Mutate(data, most))
        made = mutant(family, seeds, seed)
        suffix = suffixes.index(PurePath(made.name).suffix)
        return (bytes((suffix,)) + made.content)[:most]

    corpus = arguments.corpus or Path(tempfile.mkdtemp())
    corpus.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        if len(content) < LARGEST:
            (corpus / name).write_bytes(bytes((suffixes.index(PurePath(name).suffix),)) + content)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libFuzzer's own lines go to standard error
    options = [f"-max_total_time={arguments.seconds}", f"-timeout={MOST_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}"]
    options += [f"-max_len={LARGEST}", "-print_final_stats=1", f"-artifact_prefix={corpus}/finding-"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], once, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
