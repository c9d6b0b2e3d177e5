"""Events that overlap in time: a model of several labels an item beside a model of one.

    GRIDCNN_DATA=DATA python benchmarks/overlapping.py [SET …] [--write]

Two half hours of noise (see `benchmarks/detection.py`) hold 450 events each of four kinds, at 0 to 20 dB, at random
times: events of one kind never touch, those of others may overlap. The first is made of clips of ESC-10 of folds 1 to
3, the second of folds 4 and 5. Both models are trained with defaults on the selection table of the first, with
`--annotations raven --background`, one of them with `--labels auto`; `evaluate --events` scores them on the second at
a collar of 0.5 s. The rule for events beneath longer ones was chosen on set a, which is development data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from detection import DATA, KINDS, RATE, events_of, noise
from results import save

from gridcnn.datasets.annotations import write_annotations
from gridcnn.segments import Event

SECONDS, EVENTS = 1_800, 450
SEEDS = {"a": (1, 2), "b": (11, 12)}
LOWEST, HIGHEST = 0.0, 20.0  # dB


def plant(folder: Path, name: str, clips: dict[str, list[np.ndarray]], seed: int) -> int:
    """Write half an hour with its events; return how many of them overlap another one."""
    random = np.random.default_rng(seed)
    sound = noise(SECONDS, "pink", random)
    level, taken, events = (sound**2).mean(), list[tuple[str, int, int]](), []
    for at in range(EVENTS):
        kind = sorted(clips)[at % len(clips)]
        clip = clips[kind][int(random.integers(len(clips[kind])))]
        for _ in range(100):
            start = int(RATE * random.uniform(0.5, SECONDS - 4))
            end = start + len(clip)
            if not any(k == kind and start - RATE < e and s < end + RATE for k, s, e in taken):
                break
        taken.append((kind, start, end))
        wanted = random.uniform(LOWEST, HIGHEST)
        sound[start:end] += np.sqrt(level / max((clip**2).mean(), 1e-12)) * 10 ** (wanted / 20) * clip
        events.append(Event(f"{name}.wav", start / RATE, end / RATE, kind.split(" - ")[1]))
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", np.clip(sound, -1, 1), RATE)
    write_annotations(folder / f"{name}.selections.txt", events, "raven")
    return sum(any(a is not b and a.start < b.end and b.start < a.end for b in events) for a in events)


def gridcnn(*arguments: str | Path) -> str:
    """Run a command; return what it prints."""
    command = [sys.executable, "-c", "from gridcnn.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def tried(folder: Path, name: str) -> list[dict[str, Any]]:
    """Train both models and score them."""
    overlapping = 0
    for part, folds, seed in zip(("first", "second"), ("123", "45"), SEEDS[name], strict=True):
        overlapping = plant(folder / part, part, {kind: events_of(kind, folds) for kind in KINDS[name]}, seed)
    rows = []
    for labels, options in (("one label", []), ("several labels", ["--labels", "auto"])):
        model = folder / "model.safetensors"
        gridcnn("train", folder / "first", "--annotations", "raven", *options, "--background", "-q", "-o", model)
        scored = gridcnn("evaluate", model, folder / "second", "--annotations", "raven", "--events", "--json")
        found = json.loads(scored)["classes"]
        row = {"set": name, "overlapping": overlapping, "model": labels}
        row |= {key: round(found["all"][key], 3) for key in ("detected", "precision", "recall", "f1")}
        rows.append(row | {"kinds": {kind: round(each["f1"], 2) for kind, each in found.items() if kind != "all"}})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def section(rows: list[dict[str, Any]]) -> str:
    """Return the table of what was measured."""
    columns = ("set", "overlapping", "model", "detected", "precision", "recall", "f1", "kinds")
    lines = ["## Events that overlap", "", str(__doc__).split("\n\n", 2)[2].strip(), ""]
    lines += [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]) for name in columns)} |" for row in rows)])


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[[], *SEEDS], default=[])
    parser.add_argument("--folder", type=Path, default=DATA / "overlapping")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = [row for name in given.sets or list(SEEDS) for row in tried(given.folder / name, name)]
    if given.write:
        save("overlapping", section(rows))


if __name__ == "__main__":
    main()
