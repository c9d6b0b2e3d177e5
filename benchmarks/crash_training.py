"""The part of `benchmarks/crash.py` that kills trainings: four modalities, and the options that change their course."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from crash_data import pictures, sentences, series, sounds, table, tones
from killing import NEVER, Process, Tally, moments, run

from gridcnn import bundle
from gridcnn.cli import main
from gridcnn.errors import BundleError
from gridcnn.model import EpochRecord
from gridcnn.pipeline.sealed import read_sealed
from gridcnn.training import fit as training
from gridcnn.training.run_folder import KIND, VERSION

TIMES = ("seconds", "samples_per_second")
"""Columns of a history that differ between any two runs."""

MOST_BREAKS = 16
"""Kills that one training has to survive, at most."""

LEAST_KILLS, LEAST_KINDS = 10, 4
"""If there are few kills, only the first kinds of training get some, in which all modalities and options occur."""


def runs(folder: Path) -> dict[str, list[object]]:
    """Return command lines, by what is special about them."""
    texts = table(folder / "texts.csv", ["text", "label", "speaker"], sentences(60))
    curves = table(folder / "curves.csv", [*(f"t{at}" for at in range(24)), "label"], series(60))
    sounds(folder / "sounds", 40)
    manifest = table(folder / "sounds.csv", ["path", "label", "speaker"], tones(folder / "sounds"))
    pictures(folder / "pictures", 60)
    small = ["--kernels", "4,8", "--batch-size", 16]
    return {
        "text, adversarial, --time, --group, refit": [
            texts, "--text", "text", "--group", "speaker", *small, "--time", "2s"
        ],
        "pictures, --refit": [folder / "pictures", *small, "--epochs", 3, "--refit"],
        "sound, --group, refit": [manifest, "--path", "path", "--group", "speaker", *small, "--epochs", 3],
        "series, --time": [curves, "--ordering", "assume", *small, "--time", "2s"],
        "pictures, --time": [folder / "pictures", *small, "--time", "2s"],
        "text, adversarial, refit": [texts, "--text", "text", *small, "--epochs", 3],
        "pictures": [folder / "pictures", *small, "--epochs", 4],
        "series": [curves, "--ordering", "assume", *small, "--epochs", 4],
    }  # fmt: skip


def crash_training(kills: int, folder: Path, chance: random.Random) -> Tally:
    """Kill trainings, some of whose checkpoints are damaged as well, until they come to their end."""
    tally, log = Tally(), folder / "log"
    tasks = {}
    for number, (kind, arguments) in enumerate(runs(folder).items()):
        if number >= max(kills // LEAST_KILLS, LEAST_KINDS):
            break
        place, start = folder / f"run-{number}", folder / f"start-{number}"
        command = partial(_train, arguments, place)
        if "--time" in arguments:
            _plan(command, place, start)
        else:
            start.mkdir()
        usual = _go(command, place, start, log)
        tally.expect(usual.code == 0, f"{kind}: cannot be trained")
        tasks[kind] = command, place, start, usual, _result(place)
    names = list(tasks)
    while tally.kills < kills:
        kind = names[tally.results % len(names)]
        command, place, start, usual, right = tasks[kind]
        _lay(place, start)
        spoilt: set[bytes] = set()
        for _ in range(chance.randint(1, MOST_BREAKS)):
            moment = moments(chance, usual.calls, usual.seconds)
            if not tally.died(run(command, moment, log), moment):
                break
            _look(tally, kind, place, spoilt)
            if chance.random() < 0.2:
                spoilt |= _damage(place, chance)
        tally.damaged += len(spoilt)
        ended = run(command, log=log)
        tally.expect(ended.code == 0, f"{kind}: a training that was killed cannot be gone on with")
        tally.expect(_result(place) == right, f"{kind}: other weights or another history")
        tally.results += 1
        with log.open("a", encoding="utf-8") as file:
            print(f"{kind}: {tally.kills} of {kills} kills", file=file)
    return tally


def _train(arguments: Sequence[object], place: Path) -> None:
    """Run the command, with a checkpoint after each step; it takes no less than one a second."""
    learn = training.fit

    def often(adapter, items, labels, parameters, **task):
        return learn(adapter, items, labels, {**parameters, "checkpoint_every": 0.0}, **task)

    training.fit = often
    output = ["-o", place / "model.safetensors", "--checkpoint-dir", place / "run"]
    main([str(each) for each in ("train", *arguments, *output, "--quiet", "--no-cache")])


def _lay(place: Path, start: Path) -> None:
    """Put back what there was at the start of a training."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(start, place)


def _go(command: Callable[[], None], place: Path, start: Path, log: Path):
    """Train in peace, twice, since the first process also imports; return how the second ended."""
    for _ in range(2):
        _lay(place, start)
        ended = run(command, log=log)
    return ended


def _plan(command: Callable[[], None], place: Path, start: Path) -> None:
    """Plan what fits into a time limit, which depends on the speed of the moment; all runs start with this plan."""
    place.mkdir()
    planning = Process(command, NEVER)
    while not list((place / "run").glob("[0-9]-*.safetensors")) and planning.runs():
        pass
    planning.kill()
    shutil.copytree(place, start)
    for later in sorted((start / "run").glob("[0-9]-*.safetensors"))[1:]:
        later.unlink()


def _result(place: Path) -> tuple[object, ...]:
    """Return the weights and the history of a finished training."""
    try:
        model = bundle.load(place / "model.safetensors")
    except BundleError as error:
        return (str(error),)
    weights = {name: tensor.numpy().tobytes() for name, tensor in model.network.state_dict().items()}
    columns = [name for name in EpochRecord._fields if name not in TIMES]
    history = repr([[getattr(record, name) for name in columns] for record in model.history])
    return weights, history, model.best_epoch, repr(model.scores), repr(model.certainty), model.fingerprints.tobytes()


def _look(tally: Tally, kind: str, place: Path, spoilt: set[bytes]) -> None:
    """Read what has its final name after a kill, but for what was damaged on purpose."""
    for file in (place / "model.safetensors", *(place / "run").glob("[0-9]-*.safetensors")):
        if file.exists() and file.read_bytes() not in spoilt:
            try:
                bundle.load(file) if file.parent == place else read_sealed(file, KIND, VERSION)
            except BundleError as error:
                tally.expect(False, f"{kind}: {error}")


def _damage(place: Path, chance: random.Random) -> set[bytes]:
    """Cut off the end of the last checkpoint, or flip a bit of it, if there is one before it; return what it is now."""
    kept = sorted((place / "run").glob("[0-9]-*.safetensors"))
    if len(kept) < 2 or kept[-2].name[0] != kept[-1].name[0]:
        return set()
    content = bytearray(kept[-1].read_bytes())
    at = chance.randrange(len(content))
    if chance.random() < 0.5:
        del content[at:]
    else:
        content[at] ^= 1 << chance.randrange(8)
    kept[-1].write_bytes(content)
    return {bytes(content)}
