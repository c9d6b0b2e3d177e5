"""Kill `train`, `predict`, cache building and bundle saving at random moments, and look at what is left.

    python benchmarks/crash.py --kills 50               # as in CI
    python benchmarks/crash.py --kills 1000 --write

Each command runs in a forked process that is killed by SIGKILL (`benchmarks/killing.py`): half of them at a random
time, half at a random call of fsync, rename, mkdir or unlink, where the file that was about to be synced is cut short.
After each kill the files under their final names are read; the command is repeated until it ends, and its result is
compared with that of a run that was left in peace.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet
import torch
from crash_data import pictures, sentences, sounds, table
from crash_training import crash_training
from killing import Process, Tally, moments, run
from results import save

import gridcnn.training.fit  # noqa: F401  (the processes inherit what is imported)
from gridcnn import GridClassifier, bundle
from gridcnn.adapters import AudioAdapter, ImageAdapter
from gridcnn.cli import main
from gridcnn.errors import GridcnnError
from gridcnn.model import FittedModel
from gridcnn.pipeline import cache
from gridcnn.pipeline.encode import encode_items, fit_adapter

SHARES = {"cache building": 0.25, "bundle saving": 0.2, "predict": 0.2, "train": 0.35}
"""How the kills are divided."""


# ---- cache building --------------------------------------------------------------------------------------------------


def crash_cache(kills: int, folder: Path, chance: random.Random) -> Tally:
    """Kill who builds and clears a cache that another process uses at the same time."""
    tally, place = Tally(), folder / "cache"
    work: list[Callable[[], bytes]] = []
    for adapter, files in (
        (ImageAdapter(), pictures(folder / "pictures", 120)),
        (AudioAdapter(), sounds(folder / "sounds", 60)),
    ):
        work.append(partial(_encode, adapter, files, place))
    rights = [_windows(each, folder) for each in work]
    usual = [run(each) for each in work for _ in range(2) if not shutil.rmtree(place, ignore_errors=True)]
    while tally.kills < kills:
        at = chance.randrange(2)
        task = work[at] if chance.random() < 0.8 else partial(_command, "cache", "--clear")
        if chance.random() < 0.5:
            shutil.rmtree(place, ignore_errors=True)
        moment = moments(chance, usual[2 * at].calls, usual[2 * at].seconds)
        other = Process(partial(_compare, work[at], rights[at]), log=folder / "log") if chance.random() < 0.3 else None
        process = Process(task, moment, folder / "log")
        tally.died(process.wait(), moment)
        if other is not None:
            tally.beside += 1
            tally.expect(other.wait().code == 0, f"a process beside one that was killed {moment} failed")
        for entry in place.glob("[!.]*/"):
            whole = cache.read(entry)
            tally.expect(whole is not None, f"half an entry after {moment}")
            tally.expect(whole is None or whole.windows.tobytes() in rights, f"another entry after {moment}")
        tally.results += 1
        tally.expect(run(partial(_compare, work[at], rights[at]), log=folder / "log").code == 0, "the cache is damaged")
    return tally


def _encode(adapter: ImageAdapter | AudioAdapter, files: list[Path], place: Path) -> bytes:
    fitted = fit_adapter(adapter, files, cache=place)
    return encode_items(fitted, files, frontend_on="cpu", n_jobs=1, cache=place).windows.tobytes()


def _windows(encode: Callable[[], bytes], folder: Path) -> bytes:
    """Return what a process in peace encodes."""
    place = folder / "windows"
    run(lambda: place.write_bytes(encode()))
    return place.read_bytes()


def _compare(encode: Callable[[], bytes], right: bytes) -> None:
    raise SystemExit(0 if encode() == right else "other windows")


# ---- bundle saving ---------------------------------------------------------------------------------------------------


def crash_bundle(kills: int, folder: Path, chance: random.Random) -> Tally:
    """Kill who replaces a model by another one."""
    tally, place = Tally(), folder / "model.safetensors"
    models = [bundle.load(each) for each in _models(folder)]
    rights = [_weights(model) for model in models]
    usual = [run(partial(bundle.save, model, place)) for model in models]
    while tally.kills < kills:
        at = chance.randrange(2)
        moment = moments(chance, usual[at].calls, usual[at].seconds)
        save_it = partial(bundle.save, models[at], place)
        ended = run(save_it, moment, folder / "log")
        try:
            found = _weights(bundle.load(place))
        except GridcnnError as error:
            found = b""
            tally.expect(False, f"{error}, after {moment}")
        tally.expect(found in rights, f"another model after {moment}")
        died = tally.died(ended, moment)
        if died and chance.random() < 0.2:  # and again, in peace
            died, found = run(save_it, log=folder / "log").killed, _weights(bundle.load(place))
        if not died:
            tally.results += 1
            tally.expect(found == rights[at], f"a model was not saved, {moment}")
    return tally


def _weights(model: FittedModel) -> bytes:
    return b"".join(each.numpy().tobytes() for each in model.network.state_dict().values())


def _models(folder: Path) -> list[Path]:
    """Train two small models, in processes of their own."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 16)).astype(np.float32), np.tile(["a", "b"], 20)
    places = [folder / f"{seed}.safetensors" for seed in (1, 2)]
    for seed, place in enumerate(places):
        kinds = {"ordering": "assume", "epochs": 1, "kernels": (16, 16), "random_state": seed}
        run(lambda place=place, kinds=kinds: GridClassifier(**kinds).fit(X, y).save(place), log=folder / "log")
    return places


# ---- predict ---------------------------------------------------------------------------------------------------------


def crash_predict(kills: int, folder: Path, chance: random.Random) -> Tally:
    """Kill who predicts, again and again with `--resume`, with an earlier result in place or none."""
    tally, log = Tally(), folder / "log"
    learned = table(folder / "texts.csv", ["text", "label", "speaker"], sentences(120))
    asked = table(folder / "asked.csv", ["text", "label", "speaker"], sentences(3000))
    model = folder / "texts.safetensors"
    done = run(partial(_command, "train", learned, "--text", "text", "-o", model, "--epochs", 1, "--quiet"), log=log)
    tally.expect(done.code == 0, "no model to predict with")
    outputs = [folder / f"answers.{kind}" for kind in ("csv", "jsonl", "parquet")]
    commands = [partial(_command, "predict", model, asked, "--text", "text", "-o", each) for each in outputs]
    usual = [run(each, log=log) for each in commands for _ in range(2)][1::2]
    rights = [_answers(each) for each in outputs]
    while tally.kills < kills:
        at = chance.randrange(len(outputs))
        for left in folder.glob(f"*{outputs[at].name}*"):
            left.unlink()
        if earlier := chance.random() < 0.5:
            outputs[at].write_bytes(b"earlier")
        died = True
        while died and tally.kills < kills:
            moment = moments(chance, usual[at].calls, usual[at].seconds)
            died = tally.died(run(partial(_resumed, commands[at]), moment, log), moment)
            before = b"earlier" if earlier else None
            found = outputs[at].read_bytes() if outputs[at].exists() else None
            whole = found not in (None, b"earlier") and _answers(outputs[at]) == rights[at]
            tally.expect(whole or (died and found == before), f"half an answer in {outputs[at].name} after {moment}")
            died = died and not whole
        tally.expect(run(partial(_resumed, commands[at]), log=log).code == 0, "predict failed after a kill")
        tally.expect(_answers(outputs[at]) == rights[at], f"other answers in {outputs[at].name}")
        tally.results += 1
    return tally


def _answers(place: Path) -> object:
    """Return the bytes of a text file, the rows of a parquet file."""
    if place.suffix != ".parquet":
        return place.read_bytes()
    try:
        return pyarrow.parquet.read_table(place).to_pylist()
    except pyarrow.ArrowException:
        return None


def _resumed(command: partial) -> None:
    command("--resume")


def _command(*arguments: object) -> None:
    main([str(each) for each in arguments])


# ---- all of it -------------------------------------------------------------------------------------------------------

TEXT = """## Killed at random moments

`benchmarks/crash.py --kills 1000`: each command runs in a forked process that dies by SIGKILL, half of them at a
random time within the usual duration, half at a random call of fsync, rename, mkdir or unlink, where half of the
files that were about to be synced are cut short first. After each kill, what has its final name is read: a bundle, a
cache entry or a file of predictions (csv, jsonl, parquet) must be whole, or what was there before. Then the command
is repeated, in peace or to be killed again, and its result compared with that of a run without a kill: weights,
history (but for its two columns of times), scores and calibration of a training bit for bit, predictions byte for
byte (parquet: row for row), windows of the cache byte for byte. “Beside” counts processes that used the same cache
meanwhile, all with the right result. Trainings write a checkpoint after each step; they are images (also with
`--refit`, `--time`), sound (`--group`, trained on all items once more), text (adversarial steps, trained on all items
once more, also with `--group --time`) and series (also `--time`). After one kill in five the newest checkpoint is cut
short, or one of its bits flipped. With `--time` the plan depends on the speed of the moment, so all runs continue
from a copy of the folder with the plan in it.
"""

WORK = {"cache building": crash_cache, "bundle saving": crash_bundle, "predict": crash_predict, "train": crash_training}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(SHARES))
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def crash(kills: int, seed: int, only: str | None = None) -> dict[str, tuple[Tally, float]]:
    """Do all kinds of work, and return what came of each and how many seconds it took."""
    torch.set_num_threads(1)
    found = {}
    for number, (kind, work) in enumerate(WORK.items()):
        if only not in (None, kind):
            continue
        with tempfile.TemporaryDirectory() as name:
            folder, started = Path(name), time.perf_counter()
            os.environ["GRIDCNN_CACHE"] = str(folder / "cache")
            tally = work(round(kills * (1 if only else SHARES[kind])), folder, random.Random(seed + number))
            found[kind] = tally, time.perf_counter() - started
            if tally.faults and (folder / "log").exists():
                print((folder / "log").read_text(errors="replace")[-4000:], file=sys.stderr)
    return found


def section(found: dict[str, tuple[Tally, float]]) -> str:
    """Return the section of docs/RESULTS.md."""
    head = "| work | SIGKILLs | of these at a system call | results compared | beside | checkpoints damaged | faults |"
    rows = [head, "| --- | --: | --: | --: | --: | --: | --: |"]
    total = Tally()
    for kind, (tally, _) in found.items():
        rows.append(_row(kind, tally))
        for name in ("kills", "at_calls", "results", "beside", "damaged", "faults"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    return "\n".join([TEXT, *rows, _row("all", total)])


def _row(kind: str, tally: Tally) -> str:
    counts = (tally.kills, tally.at_calls, tally.results, tally.beside, tally.damaged, len(tally.faults))
    return f"| {kind} | {' | '.join(f'{count:,}' for count in counts)} |"


if __name__ == "__main__":
    options = parse()
    found = crash(options.kills, options.seed, options.only)
    faults = [fault for tally, _ in found.values() for fault in tally.faults]
    print(section(found))
    print(f"{sum(seconds for _, seconds in found.values()):.0f} s, {len(faults)} faults")
    if options.write:
        save("crash", section(found))
    sys.exit(bool(faults))
