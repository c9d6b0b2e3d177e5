"""From files on disk to the first training step: decoding, log-mel, a warm start, a set larger than memory.

    GRIDCNN_DATA=… python benchmarks/input.py [decoding log-mel start memory] [--turns 5] [--write]

Decoding and log-mel take turns with what a tutorial would do, a Python loop over Pillow or librosa. Without
GRIDCNN_DATA they run on generated files. The start is that of `gridcnn train` on 50,000 generated pictures of 32 × 32;
the set that is larger than memory has 31,000 of 256 × 256, 6 GB as 8-bit pixels, and needs 8 GB of disk. To limit
memory takes Linux and a user who may make control groups (root in most containers); without it the limit is left out,
and the table says so.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import joblib
import librosa
import numpy as np
import soundfile
import torch
from pictures import draw_pictures
from PIL import Image
from results import save
from watched import Watched, watch

from gridcnn.adapters import AudioAdapter, ImageAdapter
from gridcnn.pipeline.encode import encode_items

STARTED_ON = 50_000
LARGER, LIMIT = 31_000, 2 * 2**30
"""Pictures of 256 × 256, and the bytes of memory that training on them is allowed."""


def turns(contestants: dict[str, Callable[[], Any]], n: int) -> dict[str, list[float]]:
    """Return the seconds of each contestant in `n` turns, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(n + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - started)
    return times


def speed(times: dict[str, list[float]], name: str, reference: str) -> str:
    """Say how many times as fast as the reference, with the range over the turns."""
    ratios = [slow / fast for slow, fast in zip(times[reference], times[name], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


# --- decoding --------------------------------------------------------------------------------------------------------


def files(folder: Path, pattern: str, n: int) -> list[Path]:
    """Return `n` files of a set, always the same ones."""
    found = sorted(folder.glob(pattern))
    return random.Random(0).sample(found, min(n, len(found)))


def sets_of_files(folder: Path) -> dict[str, tuple[Any, list[Path]]]:
    """Return an adapter and files by the name of the set."""
    if data := os.environ.get("GRIDCNN_DATA"):
        root = Path(data)
        found = {
            "png, 28 × 28 (MNIST)": (ImageAdapter(), files(root, "mnist/training/*/*.png", 4_000)),
            "jpg, 32 × 32 (CIFAR-10)": (ImageAdapter(), files(root, "cifar10/train/*/*.jpg", 4_000)),
            "wav, 0.4 s (FSDD)": (AudioAdapter(), files(root, "fsdd/recordings/*.wav", 2_000)),
            "ogg, 5 s (ESC-10)": (AudioAdapter(), files(root, "esc10/*/*.ogg", 60)),
        }
        return {name: (adapter.fit(paths), paths) for name, (adapter, paths) in found.items() if paths}
    pictures, _ = draw_pictures(folder / "pictures", 4_000)
    photos, _ = draw_pictures(folder / "photos", 200, side=640, suffix=".jpg")
    sounds = []
    for number in range(500):
        sounds.append(folder / f"{number}.wav")
        soundfile.write(sounds[-1], np.random.default_rng(number).uniform(-0.5, 0.5, 4_000), 8_000)
    return {
        "png, 32 × 32": (ImageAdapter().fit(pictures), pictures),
        "jpg, 640 × 640": (ImageAdapter().fit(photos), photos),
        "wav, 0.5 s": (AudioAdapter().fit(sounds), sounds),
    }


def by_hand(adapter: Any, paths: Iterable[Path]) -> None:
    """Decode as tutorials do."""
    if isinstance(adapter, ImageAdapter):
        for path in paths:
            with Image.open(path) as picture:
                np.asarray(picture.convert("RGB" if adapter.colour_ else "L").resize((adapter.width_, adapter.height_)))
    else:
        for path in paths:
            librosa.load(path, sr=adapter.sample_rate_)


def decoding(n_turns: int, folder: Path) -> str:
    cores = joblib.cpu_count()
    lines = [
        "| files | by hand, items/s | gridcnn, 1 thread | gridcnn, "
        f"{cores} threads | {cores} threads over 1 |\n| --- | --- | --- | --- | --- |"
    ]
    for name, (adapter, paths) in sets_of_files(folder).items():
        contestants = {"by hand": functools.partial(by_hand, adapter, paths)}
        for n_jobs in (1, cores):
            contestants[f"{n_jobs} threads"] = functools.partial(encode_items, adapter, paths, n_jobs=n_jobs)
        times = turns(contestants, n_turns)
        by = functools.partial(speed, times)
        rate = len(paths) / statistics.median(times["by hand"])
        lines.append(
            f"| {name} | {rate:,.0f} | {by('1 threads', 'by hand')} | {by(f'{cores} threads', 'by hand')} "
            f"| {by(f'{cores} threads', '1 threads')} |"
        )
    return (
        "### Decoding\n\nAs many times as fast as a loop over `Image.open(…).convert().resize()` or `librosa.load()`, "
        f"medians of {n_turns} turns and their range; the files are in the system's memory.\n\n" + "\n".join(lines)
    )


# --- log-mel ---------------------------------------------------------------------------------------------------------


def levels(n_sounds: int, rate: int, seconds: float) -> dict[str, Callable[[], Any]]:
    """Return who computes the log-mel levels (dB) of as many sounds, of equal parameters."""
    noise = np.random.default_rng(0).normal(0, 0.1, (n_sounds, round(rate * seconds))).astype(np.float32)
    adapter = AudioAdapter(sample_rate=rate).fit(list(noise))
    frontend, sounds = adapter.frontend(), np.concatenate([adapter.encode(sound) for sound in noise])
    settings: dict[str, Any] = {"n_fft": adapter.n_fft_, "hop_length": adapter.hop_length_}
    bands: dict[str, Any] = {"n_mels": adapter.n_mels_, "fmin": adapter.f_min_, "fmax": adapter.f_max_}
    bands |= {"htk": True, "norm": None}
    filters = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=adapter.n_fft_, **bands))
    window, batch = torch.hann_window(adapter.n_fft_), torch.from_numpy(sounds)

    def by_librosa() -> np.ndarray:
        powers = (librosa.feature.melspectrogram(y=sound, sr=rate, **settings, **bands) for sound in sounds)
        return np.stack([librosa.power_to_db(power, top_db=adapter.top_db) for power in powers])

    @torch.inference_mode()
    def by_stft() -> np.ndarray:
        spectrum = torch.stft(batch, **settings, window=window, pad_mode="constant", return_complex=True)
        decibels = 10 * (filters @ spectrum.abs().square()).clamp(min=1e-10).log10()
        return decibels.maximum(decibels.amax(dim=(1, 2), keepdim=True) - adapter.top_db).numpy()

    @torch.inference_mode()
    def by_gridcnn() -> np.ndarray:
        return frontend.decibels(frontend.power(batch)[:, None])[:, 0].numpy()

    return {"librosa": by_librosa, "torch.stft": by_stft, "gridcnn": by_gridcnn}


def log_mel(n_turns: int, _folder: Path) -> str:
    lines = ["| sounds | librosa, items/s | torch.stft | gridcnn | gridcnn beside torch.stft |", "| --- " * 5 + "|"]
    for n_sounds, rate, seconds in ((512, 8_000, 0.5), (64, 22_050, 5.0)):
        contestants = levels(n_sounds, rate, seconds)
        inner = [run()[:, :, 4:-4] for run in contestants.values()]  # they differ in what lies beyond the ends
        for other in inner[:2]:
            np.testing.assert_allclose(other, inner[2], atol=0.01)
        times = turns(contestants, n_turns)
        by = functools.partial(speed, times)
        lines.append(
            f"| {n_sounds} of {seconds:g} s, {rate:,} Hz | {n_sounds / statistics.median(times['librosa']):,.0f} "
            f"| {by('torch.stft', 'librosa')} | {by('gridcnn', 'librosa')} | {by('gridcnn', 'torch.stft')} |"
        )
    return (
        "### Log-mel\n\nAs many times as fast as `librosa.feature.melspectrogram` and `power_to_db`, sound by sound; "
        f"all of one batch in torch. Levels agree within 0.01 dB; medians of {n_turns} turns and their range.\n\n"
        + "\n".join(lines)
    )


# --- the start of training -------------------------------------------------------------------------------------------


def run_start(folder: str) -> None:
    """Run `gridcnn train` until its first step, and print how long that took without and with imports."""
    import torch._dynamo  # noqa: F401, PLC0415  (torch imports it when it makes the first optimiser)

    import gridcnn.cli  # noqa: PLC0415
    from gridcnn.training.progress import PlainProgress  # noqa: PLC0415

    def ready(*_: Any) -> None:
        now = time.monotonic()
        print(json.dumps({"start": now - imported, "with imports": now - float(os.environ["STARTED"])}), flush=True)
        os._exit(0)

    PlainProgress.on_start = ready  # type: ignore[method-assign]
    imported = time.monotonic()
    gridcnn.cli.main(["train", folder, "-o", f"{folder}.safetensors"])


def start(n_turns: int, folder: Path) -> str:
    draw_pictures(folder / "pictures", STARTED_ON)
    seen: dict[str, list[Watched]] = {"empty": [], "warm": []}
    for _ in range(n_turns):
        with tempfile.TemporaryDirectory() as cache:
            for runs in seen.values():
                runs.append(watch(__file__, "--run-start", folder / "pictures", GRIDCNN_CACHE=cache))
    lines = ["| cache | to the first step, s | with all imports, s |", "| --- | --- | --- |"]
    for name, runs in seen.items():
        cells = []
        for part in ("start", "with imports"):
            times = [run.answer[part] for run in runs]
            cells.append(f"{statistics.median(times):.2f} ({min(times):.2f}–{max(times):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return (
        f"### Start of training\n\n`gridcnn train` on {STARTED_ON:,} files, a process of its own, up to the first "
        f"step: medians of {n_turns} runs and their range.\n\n" + "\n".join(lines)
    )


# --- a set larger than memory ----------------------------------------------------------------------------------------


def run_memory(folder: str) -> None:
    """Train one epoch on a folder of pictures, and print its speed."""
    from gridcnn import GridClassifier  # noqa: PLC0415

    paths = sorted(Path(folder).glob("*/*.jpg"), key=lambda path: path.name)
    classifier = GridClassifier(
        ImageAdapter(size=256), kernels=(4, 8), convs_per_block=1, pool_size=4, epochs=1, batch_size=32, augment=None
    )
    classifier.fit(paths, [path.parent.name for path in paths])
    print(json.dumps(classifier.history_[0]._asdict()))


def memory(_n_turns: int, folder: Path) -> str:
    draw_pictures(folder / "pictures", LARGER, side=256, suffix=".jpg")
    size = LARGER * 3 * 256 * 256
    lines = ["| run | memory allowed, GB | most private memory, GB | items/s in training |", "| --- " * 4 + "|"]
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        for name, limit in (("decoding and training", LIMIT), ("training again", LIMIT), ("training again", None)):
            run = watch(__file__, "--run-memory", folder / "pictures", limit=limit, GRIDCNN_CACHE=cache)
            allowed = "as it is" if run.limit is None else f"{run.limit / 1e9:.1f}"
            rate = run.answer["samples_per_second"]
            lines.append(f"| {name} | {allowed} | {run.private / 1e9:.2f} | {rate:,.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return (
        f"### A set larger than memory\n\nOne epoch of a small network on {LARGER:,} pictures of 256 × 256 cells in "
        f"colour, {size / 1e9:.1f} GB as 8-bit pixels. The limit is a control group's, so that it counts what the "
        "system keeps of files as well.\n\n" + "\n".join(lines)
    )


PARTS = {"decoding": decoding, "log-mel": log_mel, "start": start, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the tables for docs/RESULTS.md")
    parser.add_argument("--run-start", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--run-memory", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run_start or arguments.run_memory:
        run_start(arguments.run_start) if arguments.run_start else run_memory(arguments.run_memory)
        return
    written = ["## Input"]
    for part in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            written.append(PARTS[part](arguments.turns, Path(folder)))
        print(written[-1], end="\n\n", flush=True)
    if arguments.write:
        save("input", "\n\n".join(written))


if __name__ == "__main__":
    main()
