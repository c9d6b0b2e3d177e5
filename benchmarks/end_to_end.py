"""From wav files to a saved model: gridcnn's command beside scripts written after the tutorials of skorch and Keras.

    GRIDCNN_DATA=… python benchmarks/end_to_end.py [--turns 3] [--threads 2] [--write]

The spoken digits (FSDD): takes 0 to 4 are the test part, a tenth of the rest is held out for validation, the same for
all. Each run is a process of its own, timed from its start to its saved model, imports and decoding included;
gridcnn's cache is empty. First each trains with its defaults, and nothing is searched: that is what a person waits
for. Then each trains only until the validation part is answered with `TARGET` accuracy: the scripts stop after the
epoch that first reaches it, while gridcnn, whose schedule has to end in time, is told `--epochs`, the fewest of
`EPOCHS` with which every turn reaches it. That number was searched, and the search is not in the time. Test accuracy
is read after the clock has stopped.

Both scripts make log-mel spectrograms with librosa, file by file, padded to a second, at about gridcnn's resolution.

References: skorch's notebook "MNIST" for its network, Adam at 0.002, batches of 128 and 10 epochs; TensorFlow's
tutorial "Simple audio recognition" for the network in Keras, Adam, batches of 64, at most 10 epochs and patience 2.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from results import save
from sets import divisions

TARGET = 0.97
EPOCHS = (1, 2, 3, 4, 5, 6, 8, 10, 15)
LIMIT = "15s"  # that `gridcnn train --time` is given besides
MOST_EPOCHS = 40  # of a script that does not reach the target
RATE, MELS, WINDOW, HOP = 8_000, 40, 256, 128


class Run(NamedTuple):
    """What a run cost, and how well its saved model answers."""

    seconds: float
    epochs: int
    validation: float
    test: float


# --- the scripts -----------------------------------------------------------------------------------------------------


def parts(manifest: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return log-mel spectrograms `(n, mels, frames)` and labels of each part."""
    import librosa  # noqa: PLC0415

    frame = pd.read_csv(manifest)
    grids = []
    for path in frame["file"]:
        samples, _ = librosa.load(path, sr=RATE)
        samples = librosa.util.fix_length(samples, size=RATE)
        mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=WINDOW, hop_length=HOP, n_mels=MELS)
        grids.append(librosa.power_to_db(mel, ref=np.max))
    x, y = np.stack(grids).astype(np.float32), frame["label"].to_numpy(np.int64)
    split = frame["split"].to_numpy()
    learned = x[split == "train"]
    x = (x - learned.mean()) / learned.std()
    return {part: (x[split == part], y[split == part]) for part in ("train", "validation", "test")}


def by_skorch(manifest: str, output: str, target: float | None, seed: int) -> None:
    import torch  # noqa: PLC0415
    from skorch import NeuralNetClassifier  # noqa: PLC0415
    from skorch.callbacks import Callback  # noqa: PLC0415
    from skorch.dataset import Dataset  # noqa: PLC0415
    from skorch.helper import predefined_split  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415
    from torch.nn import functional as F  # noqa: N812, PLC0415

    class Cnn(nn.Module):
        def __init__(self, dropout: float = 0.5) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, kernel_size=3)
            self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
            self.conv2_drop = nn.Dropout2d(p=dropout)
            self.fc1 = nn.LazyLinear(100)
            self.fc2 = nn.Linear(100, 10)
            self.fc1_drop = nn.Dropout(p=dropout)

        def forward(self, x):
            x = torch.relu(F.max_pool2d(self.conv1(x), 2))
            x = torch.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
            x = torch.relu(self.fc1_drop(self.fc1(x.flatten(1))))
            return torch.softmax(self.fc2(x), dim=-1)

    class StopAtTarget(Callback):
        def on_epoch_end(self, net, **kwargs) -> None:
            if target is not None and net.history[-1, "valid_acc"] >= target:
                raise KeyboardInterrupt  # as skorch's own early stopping does

    torch.manual_seed(seed)
    (x, y), (x_held, y_held), (x_test, y_test) = ((part[0][:, None], part[1]) for part in parts(manifest).values())
    net = NeuralNetClassifier(
        Cnn, max_epochs=10 if target is None else MOST_EPOCHS, lr=0.002, optimizer=torch.optim.Adam,
        train_split=predefined_split(Dataset(x_held, y_held)), callbacks=[("stop", StopAtTarget())], verbose=0,
    )  # fmt: skip
    net.fit(x, y)
    net.save_params(f_params=output)
    saved(len(net.history), net.score(x_held, y_held), lambda: net.score(x_test, y_test))


def by_keras(manifest: str, output: str, target: float | None, seed: int) -> None:
    import keras  # noqa: PLC0415
    from keras import layers  # noqa: PLC0415

    class StopAtTarget(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None) -> None:
            self.model.stop_training = logs["val_accuracy"] >= target

    keras.utils.set_random_seed(seed)
    (x, y), held_out, test = ((part[0][..., None], part[1]) for part in parts(manifest).values())
    normalise = layers.Normalization()
    normalise.adapt(layers.Resizing(32, 32)(x))
    model = keras.Sequential([
        layers.Input(x.shape[1:]),
        layers.Resizing(32, 32),
        normalise,
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(), loss=loss, metrics=["accuracy"])
    history = model.fit(
        x, y, batch_size=64, validation_data=held_out, epochs=10 if target is None else MOST_EPOCHS, verbose=0,
        callbacks=[keras.callbacks.EarlyStopping(patience=2) if target is None else StopAtTarget()],
    ).history  # fmt: skip
    model.save(output)
    saved(len(history["loss"]), history["val_accuracy"][-1], lambda: model.evaluate(*test, verbose=0)[1])


def saved(epochs: int, validation: float, test) -> None:
    """Stop the clock, then score the test part, and tell the parent."""
    seconds = time.time() - float(os.environ["STARTED"])
    print(json.dumps(Run(seconds, epochs, float(validation), float(test()))))


SCRIPTS = {"skorch": (by_skorch, ".pt"), "Keras": (by_keras, ".keras")}


# --- runs ------------------------------------------------------------------------------------------------------------


def environment(folder: str, threads: int) -> dict[str, str]:
    said = {"OMP_NUM_THREADS": threads, "KERAS_BACKEND": "torch", "GRIDCNN_CACHE": folder, "STARTED": time.time()}
    return {**os.environ, **{name: str(value) for name, value in said.items()}}


def run_script(name: str, manifest: str, target: float | None, seed: int, threads: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "model").with_suffix(SCRIPTS[name][1])
        command = [sys.executable, __file__, "--script", name, str(manifest), str(output), str(seed)]
        command += [] if target is None else [str(target)]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment(folder, threads))
    return Run(*json.loads(ran.stdout.splitlines()[-1]))


def run_gridcnn(manifest: str, flags: list[str], seed: int, threads: int) -> Run:
    gridcnn = str(Path(sys.executable).with_name("gridcnn"))
    columns = ["--path", "file", "--label", "label", "--split", "split"]
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder, "model.safetensors"))
        command = [gridcnn, "train", manifest, *columns, "-o", output, "--seed", str(seed), "--quiet", *flags]
        env = environment(folder, threads)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
        seconds = time.time() - float(env["STARTED"])
        history = pd.read_csv(Path(folder, "model.history.csv"))
        scores = {
            part: json.loads(
                subprocess.run(
                    [gridcnn, "evaluate", output, part_of(manifest, part, folder), *columns[:4], "--json"],
                    check=True, stdout=subprocess.PIPE, text=True, env=env,
                ).stdout
            )["accuracy"]
            for part in ("validation", "test")
        }  # fmt: skip
    return Run(seconds, len(history), scores["validation"], scores["test"])


def part_of(manifest: str, part: str, folder: str) -> str:
    path = str(Path(folder, f"{part}.csv"))
    frame = pd.read_csv(manifest)
    frame[frame["split"] == part].drop(columns="split").to_csv(path, index=False)
    return path


def write_manifest(folder: str) -> str:
    """Write FSDD's files, labels and parts, with a tenth of the training part held out."""
    _, frame, _ = next(divisions("fsdd", Path(folder)))
    learning = frame.index[frame["split"] == "train"]
    held_out = np.random.default_rng(0).permutation(learning)[: len(learning) // 10]
    frame.loc[held_out, "split"] = "validation"
    for path in frame["file"]:
        Path(path).read_bytes()  # from now on, every run finds the files in the system's memory
    path = str(Path(folder, "fsdd.csv"))
    shuffled = frame.sample(frac=1, random_state=0)  # the notebook's data are, and skorch keeps the order it is given
    shuffled[["file", "label", "split"]].to_csv(path, index=False)
    return path


def measure(manifest: str, turns: int, threads: int) -> tuple[dict[str, list[Run]], dict[str, list[Run]]]:
    """Return the runs of each trainer: with its defaults, and until the target."""
    default: dict[str, list[Run]] = {name: [] for name in ("gridcnn", f"gridcnn, `--time {LIMIT}`", *SCRIPTS)}
    until: dict[str, list[Run]] = {name: [] for name in ("gridcnn", *SCRIPTS)}
    for seed in range(turns):
        default["gridcnn"].append(run_gridcnn(manifest, [], seed, threads))
        default[f"gridcnn, `--time {LIMIT}`"].append(run_gridcnn(manifest, ["--time", LIMIT], seed, threads))
        for name in SCRIPTS:
            default[name].append(run_script(name, manifest, None, seed, threads))
            until[name].append(run_script(name, manifest, TARGET, seed, threads))
    for epochs in EPOCHS:
        runs = []
        for seed in range(turns):
            runs.append(run_gridcnn(manifest, ["--epochs", str(epochs)], seed, threads))
            if runs[-1].validation < TARGET:
                break
        else:
            until["gridcnn"] = runs
            break
    return default, until


def row(name: str, runs: list[Run], reference: list[Run]) -> str:
    seconds = [run.seconds for run in runs]
    ratio = statistics.median(seconds) / statistics.median(run.seconds for run in reference)
    epochs = sorted({run.epochs for run in runs})
    accuracy = [100 * statistics.mean(getattr(run, part) for run in runs) for part in ("validation", "test")]
    return (
        f"| {name} | {statistics.median(seconds):.1f} ({min(seconds):.1f}–{max(seconds):.1f}) | {ratio:.2f} "
        f"| {epochs[0]}{f'–{epochs[-1]}' if len(epochs) > 1 else ''} | {accuracy[0]:.1f} | {accuracy[1]:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    parser.add_argument("--script", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.script:
        name, manifest, output, seed, *target = args.script
        SCRIPTS[name][0](manifest, output, float(target[0]) if target else None, int(seed))
        return
    with tempfile.TemporaryDirectory() as folder:
        default, until = measure(write_manifest(folder), args.turns, args.threads)
    head = ["| run | seconds, median (range) | × gridcnn | epochs | validation | test |", "| --- " * 6 + "|"]
    tables = [
        "\n".join(head + [row(name, own, runs["gridcnn"]) for name, own in runs.items() if own])
        for runs in (default, until)
        if runs["gridcnn"]
    ]
    text = "\n\n".join([
        "## Files to saved model",
        f"`benchmarks/end_to_end.py`: spoken digits (FSDD), 2,430 wav files to learn from, {args.threads} threads, "
        f"{args.turns} seeds, mean accuracy. A process each, from its start to its saved model. The scripts use the "
        "networks and settings of skorch's notebook “MNIST” and of TensorFlow's tutorial “Simple audio recognition”, "
        "in Keras on torch, both on librosa's log-mel spectrograms.",
        "With the defaults of each, and nothing searched:",
        tables[0],
        f"The fewest epochs until validation accuracy is {TARGET:.0%}. The scripts stop after the first epoch that "
        "reaches it. gridcnn is told `--epochs`, the fewest tried with which every seed reaches it. The time of that "
        "search is not counted: whoever does not know the number beforehand waits longer.",
        *tables[1:],
    ])  # fmt: skip
    print(text)
    if args.write:
        save("end_to_end", text)


if __name__ == "__main__":
    main()
