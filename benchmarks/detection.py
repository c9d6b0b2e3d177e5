"""Detection in made hours: events of four kinds planted in noise, a model trained on one hour and tried on another.

    GRIDCNN_DATA=DATA python benchmarks/detection.py [SET …] [--seeds N] [--noise white] [--day] [--write]

Two hours of noise whose level wanders by ±6 dB hold 200 events each, at -5 to 20 dB, cut from clips of ESC-10: the
first hour from folds 1 to 3, the second from folds 4 and 5, so that no clip is in both. They are written as wav at
16 kHz with a selection table of Raven beside each. `gridcnn train … --annotations raven` learns from the first,
`gridcnn detect` finds events in the second, and in a third hour of noise alone; events are scored with a collar of
0.5 s (Mesaros et al. 2016). `--day` also measures 24 hours in one file, which takes 3 GB of disk. Choices are made on
the set `a`; `b` has other kinds. Seconds are those of the processor, start-up included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
from results import save

from gridcnn.datasets.annotations import read_annotations, write_annotations
from gridcnn.evaluation.events import score_events
from gridcnn.segments import Event

DATA = Path(os.environ.get("GRIDCNN_DATA", "data"))
RATE, HOUR, EVENTS = 16_000, 3_600, 200
KINDS = {
    "a": ("101 - Dog", "102 - Rooster", "301 - Crying baby", "302 - Sneezing"),
    "b": ("102 - Rooster", "409 - Clock tick", "501 - Helicopter", "502 - Chainsaw"),
}
LOWEST, HIGHEST = -5.0, 20.0
LONGEST, QUIET = 3.0, 25.0  # seconds; dB below the loudest moment, where an event ends
COLLAR = 0.5
COMMAND = """
import atexit
from pathlib import Path
from gridcnn.cli import main
atexit.register(lambda: print(Path("/proc/self/status").read_text()))
main()
"""


def noise(seconds: int, colour: str, random: np.random.Generator) -> np.ndarray:
    """Return noise at an RMS of about 0.02 that rises and falls by ±6 dB within minutes."""
    parts = []
    for _ in range(0, seconds, 60):
        white = random.normal(size=60 * RATE)
        if colour == "pink":
            spectrum = np.fft.rfft(white)
            spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
            white = np.fft.irfft(spectrum, len(white))
        parts.append(white / white.std())
    level = np.interp(
        np.arange(seconds * RATE), np.arange(0, seconds * RATE + 1, 30 * RATE), random.uniform(-6, 6, seconds // 30 + 1)
    )
    return (0.02 * 10 ** (level / 20) * np.concatenate(parts)).astype(np.float32)


def events_of(kind: str, folds: str) -> list[np.ndarray]:
    """Return the loudest stretch of each clip of a kind, at most 3 s of it."""
    found = []
    for clip in sorted((DATA / "esc10" / kind).glob("*")):
        if clip.name[0] not in folds:
            continue
        samples = librosa.load(clip, sr=RATE)[0]
        hop = RATE // 50
        frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
        level = 10 * np.log10(np.maximum(np.convolve((frames**2).mean(axis=1), np.ones(9) / 9, "same"), 1e-12))
        first = last = int(level.argmax())
        most = int(LONGEST * 50)
        while first > 0 and level[first - 1] > level.max() - QUIET and last - first < most:
            first -= 1
        while last < len(level) - 1 and level[last + 1] > level.max() - QUIET and last - first < most:
            last += 1
        if last - first >= 15:
            found.append(samples[first * hop : (last + 1) * hop])
    return found


def plant(folder: Path, name: str, clips: dict[str, list[np.ndarray]], colour: str, seed: int) -> list[Event]:
    """Write an hour with its events."""
    random = np.random.default_rng(seed)
    sound = noise(HOUR, colour, random)
    events = []
    slot = HOUR / EVENTS if clips else 0
    for at in range(EVENTS if clips else 0):
        kind = sorted(clips)[at % len(clips)]
        clip = clips[kind][int(random.integers(len(clips[kind])))]
        start = int(RATE * (at * slot + random.uniform(0.5, slot - LONGEST - 1)))
        there = slice(start, start + len(clip))
        wanted = random.uniform(LOWEST, HIGHEST)
        gain = np.sqrt((sound[there] ** 2).mean() / max((clip**2).mean(), 1e-12)) * 10 ** (wanted / 20)
        sound[there] += gain * clip
        events.append(
            Event(
                f"{name}.wav",
                start / RATE,
                (start + len(clip)) / RATE,
                kind.split(" - ")[1],
                more={"snr": f"{wanted:.1f}"},
            )
        )
    soundfile.write(folder / f"{name}.wav", np.clip(sound, -1, 1), RATE)
    if events:
        write_annotations(folder / f"{name}.selections.txt", events, "raven")
    return events


def gridcnn(*arguments: str | Path) -> tuple[float, float]:
    """Run a command; return the seconds of the processor that it took, and the peak of its memory (MB)."""
    began = _spent()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    peak = next(line for line in done.stdout.splitlines()[::-1] if line.startswith("VmHWM:"))
    return _spent() - began, int(peak.split()[1]) / 1024


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def day(folder: Path) -> dict[str, float]:
    """Measure 24 hours in one file, the second hour again and again, beside that hour."""
    model, long = folder / "model.safetensors", folder / "day.wav"
    hour = folder / "second" / "second.wav"
    short = gridcnn("detect", model, hour, "-o", folder / "hour.csv")
    samples = soundfile.read(hour, dtype="int16")[0]
    try:
        with soundfile.SoundFile(long, "w", RATE, 1) as file:
            for _ in range(24):
                file.write(samples)
        whole = gridcnn("detect", model, long, "-o", folder / "day.csv")
    finally:
        long.unlink(missing_ok=True)
    measured = {"hour, s": short[0], "hour, MB": short[1], "day, s": whole[0], "day, MB": whole[1]}
    return {name: round(value, 1) for name, value in measured.items()}


def wrong(truth: list[Event], found: list[Event]) -> dict[str, int]:
    """Count what became of the annotated events and where detections without a partner lie."""
    counts: Counter[str] = Counter()

    def agrees(a: Event, b: Event) -> bool:
        return abs(a.start - b.start) <= COLLAR and abs(a.end - b.end) <= max(COLLAR, (a.end - a.start) / 2)

    for event in truth:
        over = [each for each in found if each.start < event.end and event.start < each.end]
        right = [each for each in over if each.label == event.label]
        snr = "low" if float(event.more["snr"]) < 3 else "high"
        if any(agrees(event, each) for each in right):
            counts["right" if len(over) == 1 else "right, and more"] += 1
        elif not over:
            counts[f"missed, {snr}"] += 1
        elif right:
            counts[f"boundaries, {snr}"] += 1
        else:
            counts[f"another kind, {snr}"] += 1
    counts["where nothing is"] = sum(not any(e.start < t.end and t.start < e.end for t in truth) for e in found)
    return dict(sorted(counts.items()))


def hours(folder: Path, name: str, colour: str, seed: int) -> tuple[list[Event], list[Event]]:
    """Write the three hours of a set, unless they are there."""
    random = 1_000 * seed
    truth = []
    for part, folds in (("first", "123"), ("second", "45")):
        (folder / part).mkdir(parents=True, exist_ok=True)
        clips = {kind: events_of(kind, folds) for kind in KINDS[name]}
        truth.append(plant(folder / part, part, clips, colour, random := random + 1))
    (folder / "third").mkdir(exist_ok=True)
    plant(folder / "third", "third", {}, colour, random + 1)
    return truth[0], truth[1]


def tried(folder: Path, name: str, colour: str, seed: int, options: list[str], *, quiet: bool) -> dict[str, Any]:
    """Train, detect, score."""
    truth = hours(folder, name, colour, seed)[1]
    model = folder / "model.safetensors"
    trained = gridcnn(
        "train", folder / "first", "--annotations", "raven", "-o", model, "--quiet", "--seed", str(seed), *options
    )
    row: dict[str, Any] = {"set": name, "noise": colour, "seed": seed, "training": round(trained[0])}
    row["seconds"], row["memory"] = map(
        round, gridcnn("detect", model, folder / "second" / "second.wav", "-o", folder / "found.csv")
    )
    found = [event_at(event) for event in read_annotations(folder / "found.csv", kind="csv").events]
    scores, onsets = score_events(truth, found, collar=COLLAR), score_events(truth, found, collar=COLLAR, offsets=False)
    row |= {key: round(getattr(scores[""], key), 3) for key in ("f1", "precision", "recall")}
    row |= {
        "onsets": round(onsets[""].f1, 3),
        "kinds": {k: round(v.f1, 2) for k, v in scores.items() if k},
        "errors": wrong(truth, found),
    }
    if quiet:
        gridcnn("detect", model, folder / "third" / "third.wav", "-o", folder / "none.csv")
        row["in noise"] = sum(1 for _ in (folder / "none.csv").open()) - 1
    return row


def event_at(event: Event) -> Event:
    """Return an event with the bare name of its file."""
    return Event(Path(event.source).name, event.start, event.end, event.label, event.confidence)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", choices=[[], *KINDS], default=[])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--noise", choices=["pink", "white"], default="pink")
    parser.add_argument("--train", default="", help="Further options of the training.")
    parser.add_argument("--no-quiet", action="store_true", help="Leave out the hour of noise alone.")
    parser.add_argument("--folder", type=Path, default=DATA / "detection")
    parser.add_argument("--day", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    for name in given.sets or list(KINDS):
        for seed in range(given.seeds):
            folder = given.folder / f"{name}-{given.noise}-{seed}"
            rows.append(tried(folder, name, given.noise, seed, given.train.split(), quiet=not given.no_quiet))
            print(json.dumps(rows[-1]), flush=True)
    measured = day(folder) if given.day else {}
    print(json.dumps(measured))
    if given.write:
        save("detection", section(rows, measured))


def section(rows: list[dict[str, Any]], measured: dict[str, float]) -> str:
    """Return the tables of what was measured."""
    columns = (
        "set",
        "noise",
        "seed",
        "f1",
        "precision",
        "recall",
        "onsets",
        "in noise",
        "training",
        "seconds",
        "memory",
    )
    lines = ["## Detection in long recordings", "", __doc__.split("\n\n", 2)[2].strip(), ""]
    lines += [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(str(row.get(name, '')) for name in columns)} |" for row in rows]
    lines += ["", "What became of the annotated events:", ""]
    lines += [f"- {row['set']}, {row['noise']}, {row['seed']}: {row['errors']}" for row in rows]
    return "\n".join([*lines, *(["", f"An hour and a day: {measured}"] if measured else [])])


if __name__ == "__main__":
    main()
