r"""Speed of training steps: gridcnn's loop beside a bare torch loop and beside other libraries.

    python benchmarks/steps.py [--turns 5] [--items 1280] [--write]

Everyone trains the same network on the same numbers, in memory, at the same batch size, with AdamW, without validation;
gridcnn moves kernels by Muon, which is its default. Each has a process of its own, so that no setting of one reaches
another, and they take turns, an epoch each; the first epoch is not counted. A share is the best loop's time over
theirs, within one turn: 1 is as fast as that loop, 0.5 takes twice its time.

The best loop is what a careful engineer would write for this network and this machine: tensors that lie ready in
channels last, bfloat16 if the processor multiplies it, fused AdamW, freed memory kept (`gridcnn.keep_freed_memory`),
and nothing else in the loop. All others keep freed memory too, unless their name says that they return it. The same
loop compiled has a row of its own if there is a C++ compiler.

skorch, Lightning and Keras come with the extra `bench`. fastai requires torchvision, which its learner does not use:

    pip install --no-deps -c constraints.txt fastai fastcore fastdownload fastprogress fasttransform plum-dispatch \
        beartype cloudpickle

Who is not installed has no row.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import logging
import multiprocessing
import os
import shutil
import statistics
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
import torch
from results import save
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, TensorDataset

from gridcnn import keep_freed_memory
from gridcnn.adapters import Adapter, AudioAdapter, ImageAdapter
from gridcnn.grid import GridSpec
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import AugmentConfig, BackboneConfig
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.device import mixed_precision
from gridcnn.training.callbacks import Callback
from gridcnn.training.config import TrainingConfig
from gridcnn.training.loop import Examples, train

N_CLASSES = 10
SMOOTHING = 0.1
LEARNING_RATE = 1e-3
REFERENCE = "best torch loop"
RETURNED = ", freed memory returned"
CPU = torch.device("cpu")
KERAS = "Keras 3 on torch"

EpochEnds = Callable[[], None]


class Case(NamedTuple):
    """Grids, and the network, augmentation and batch size that are gridcnn's defaults for them."""

    spec: GridSpec
    backbone: BackboneConfig
    augment: AugmentConfig
    batch_size: int

    def network(self) -> ConvPoolDense:
        """Return the network, the same each time."""
        torch.manual_seed(0)
        return ConvPoolDense(self.spec, self.backbone, N_CLASSES)

    def examples(self, n_items: int) -> tuple[np.ndarray, np.ndarray]:
        """Return random grids and targets, the same each time."""
        rng = np.random.default_rng(0)
        return rng.normal(size=(n_items, *self.spec.shape)).astype(np.float32), rng.integers(0, N_CLASSES, n_items)


def case_of(adapter: Adapter, item: np.ndarray) -> Case:
    """Return what `adapter` chooses for many items like this one."""
    adapter.fit([item])
    defaults = adapter.defaults(n_items=10_000)
    names = BackboneConfig.__dataclass_fields__.keys() & defaults.keys()
    backbone = BackboneConfig(**{name: defaults[name] for name in names})
    return Case(adapter.spec_, backbone, AugmentConfig.from_dict(defaults["augment"]), defaults["batch_size"])


CASES = {
    "pictures 3 × 32 × 32": case_of(ImageAdapter(colour=True), np.zeros((32, 32, 3), np.uint8)),
    "log-mel 1 × 40 × 64": case_of(AudioAdapter(sample_rate=8_000, n_mels=40), np.zeros(5_040, np.float32)),
}


# --- who trains: each calls `epoch_ends` after every epoch -----------------------------------------------------------


def best(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds, *, compiled: bool = False) -> None:
    net = case.network().train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, fused=True)
    run = torch.compile(net) if compiled else net
    x, y = to_channels_last(torch.from_numpy(grids)), torch.from_numpy(target)
    batches = list(zip(x.split(case.batch_size), y.split(case.batch_size), strict=True))
    for _ in range(epochs):
        for inputs, labels in batches:
            with mixed_precision(CPU):
                logits = run(inputs)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=SMOOTHING)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        epoch_ends()


def plain(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds) -> None:
    """A tutorial's loop: float32, torch's memory format."""
    net = case.network().train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE)
    data = DataLoader(TensorDataset(torch.from_numpy(grids), torch.from_numpy(target)), case.batch_size, shuffle=True)
    for _ in range(epochs):
        for inputs, labels in data:
            optimiser.zero_grad()
            F.cross_entropy(net(inputs), labels, label_smoothing=SMOOTHING).backward()
            optimiser.step()
        epoch_ends()


def gridcnn(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds, *, augment: bool = False) -> None:
    class Pause(Callback):
        def on_epoch(self, record, network) -> None:
            epoch_ends()

    config = TrainingConfig(
        epochs=epochs, batch_size=case.batch_size, label_smoothing=SMOOTHING,
        augment=case.augment if augment else AugmentConfig(),
    )  # fmt: skip
    examples = Examples(grids, target, np.ones(len(target), np.float32))
    train(Network(torch.nn.Identity(), case.network()), examples, config, callback=Pause())


def skorch(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds) -> None:
    from skorch import NeuralNetClassifier  # noqa: PLC0415
    from skorch.callbacks import Callback  # noqa: PLC0415

    class Pause(Callback):
        def on_epoch_end(self, net, **kwargs) -> None:
            epoch_ends()

    NeuralNetClassifier(
        case.network(), criterion=torch.nn.CrossEntropyLoss, criterion__label_smoothing=SMOOTHING,
        optimizer=torch.optim.AdamW, optimizer__fused=True, lr=LEARNING_RATE, batch_size=case.batch_size,
        max_epochs=epochs, train_split=None, iterator_train__shuffle=True, verbose=0, callbacks=[Pause()],
    ).fit(grids, target)  # fmt: skip


def lightning(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds) -> None:
    import lightning as L  # noqa: N812, PLC0415

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = case.network()

        def training_step(self, batch, index):
            x, y = batch
            return F.cross_entropy(self.net(x), y, label_smoothing=SMOOTHING)

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=LEARNING_RATE, fused=True)

        def on_train_epoch_end(self) -> None:
            epoch_ends()

    trainer = L.Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    data = TensorDataset(torch.from_numpy(grids), torch.from_numpy(target))
    trainer.fit(Module(), DataLoader(data, batch_size=case.batch_size, shuffle=True))


def fastai(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds) -> None:
    from fastai.callback.core import Callback, CancelValidException  # noqa: PLC0415
    from fastai.data.core import DataLoaders  # noqa: PLC0415
    from fastai.learner import Learner  # noqa: PLC0415
    from fastai.optimizer import OptimWrapper  # noqa: PLC0415

    class Pause(Callback):
        def before_validate(self) -> None:
            raise CancelValidException

        def after_epoch(self) -> None:
            epoch_ends()

    data = DataLoader(
        TensorDataset(torch.from_numpy(grids), torch.from_numpy(target)), batch_size=case.batch_size, shuffle=True
    )
    learner = Learner(
        DataLoaders(data, data), case.network(), cbs=Pause(), lr=LEARNING_RATE,
        loss_func=functools.partial(F.cross_entropy, label_smoothing=SMOOTHING),
        opt_func=functools.partial(OptimWrapper, opt=functools.partial(torch.optim.AdamW, fused=True)),
    )  # fmt: skip
    with learner.no_logging():
        learner.fit(epochs)


def keras(case: Case, grids, target, epochs: int, epoch_ends: EpochEnds, *, layout: str) -> None:
    import keras  # noqa: PLC0415

    keras.config.set_image_data_format(layout)
    if layout == "channels_last":
        grids = np.ascontiguousarray(grids.transpose(0, 2, 3, 1))
    config = case.backbone
    layers = [keras.layers.Input(grids.shape[1:])]
    for kernels in config.kernels:
        for number in range(1, config.convs_per_block + 1):
            layers += [
                keras.layers.Conv2D(kernels, config.kernel_sizes[0], padding="same", use_bias=False),
                keras.layers.BatchNormalization(axis=-1 if layout == "channels_last" else 1),
                keras.layers.ReLU(),
            ]
            if number == (config.pool_after or config.convs_per_block):
                layers.append(keras.layers.MaxPooling2D(config.pool_size))
    layers += [
        keras.layers.Flatten() if config.head == "flatten" else keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(config.dropout),
        keras.layers.Dense(N_CLASSES),
    ]
    model = keras.Sequential(layers)
    wanted, learned = (
        sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
        for net in (case.network(), model)
    )
    assert learned == wanted, f"the network in Keras has {learned} weights, gridcnn's has {wanted}"
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(LEARNING_RATE), loss=loss)
    pause = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epoch_ends())
    model.fit(grids, target, batch_size=case.batch_size, epochs=epochs, verbose=0, callbacks=[pause])


TRAINERS = {  # name: (module that it needs, what trains)
    REFERENCE: ("torch", best),
    "the same, compiled": ("torch", functools.partial(best, compiled=True)),
    f"the same{RETURNED}": ("torch", best),
    f"plain torch loop{RETURNED}": ("torch", plain),
    "**gridcnn**": ("torch", gridcnn),
    f"**gridcnn**{RETURNED}": ("torch", gridcnn),
    "**gridcnn**, its augmentation": ("torch", functools.partial(gridcnn, augment=True)),
    "skorch": ("skorch", skorch),
    "Lightning": ("lightning", lightning),
    "fastai": ("fastai", fastai),
    KERAS: ("keras", functools.partial(keras, layout="channels_last")),
    f"{KERAS}, channels first": ("keras", functools.partial(keras, layout="channels_first")),
}


def can_run(name: str) -> bool:
    if "compiled" in name:
        return any(map(shutil.which, ("g++", "clang++")))
    return importlib.util.find_spec(TRAINERS[name][0]) is not None


# --- turns -----------------------------------------------------------------------------------------------------------


def work(name: str, case_name: str, n_items: int, epochs: int, threads: int, parent: Connection) -> None:
    """Train; after each epoch tell the parent how long it took, and wait for the next turn."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    started = time.perf_counter()

    def epoch_ends() -> None:
        nonlocal started
        parent.send(time.perf_counter() - started)
        with contextlib.suppress(EOFError):
            parent.recv()
        started = time.perf_counter()

    case = CASES[case_name]
    with contextlib.nullcontext() if RETURNED in name else keep_freed_memory():
        TRAINERS[name][1](case, *case.examples(n_items), epochs, epoch_ends)


def measure(case: str, n_items: int, turns: int, threads: int) -> dict[str, list[float]]:
    """Return the seconds of each turn of each trainer."""
    os.environ |= {"OMP_NUM_THREADS": str(threads), "KERAS_BACKEND": "torch"}
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name in filter(can_run, TRAINERS):
        pipes[name], child = context.Pipe()
        context.Process(target=work, args=(name, case, n_items, turns + 1, threads, child), daemon=True).start()
        child.close()
        pipes[name].recv()  # the first epoch, which is slower
    seconds: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(turns):
        for name, pipe in pipes.items():
            pipe.send(None)
            seconds[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.close()
    return seconds


def shares(seconds: dict[str, list[float]], of: str) -> dict[str, list[float]]:
    """Return, for each trainer and turn, the time of the trainer `of` over its own."""
    return {
        name: [reference / own for reference, own in zip(seconds[of], values, strict=True)]
        for name, values in seconds.items()
    }


def in_bfloat16() -> bool:
    return isinstance(mixed_precision(CPU), torch.autocast)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--items", type=int, default=1280, help="items in an epoch")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, torch.get_num_threads()}))
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    args = parser.parse_args()
    columns = {
        f"{name}, {threads} thread{'s' * (threads > 1)}": measure(name, args.items, args.turns, threads)
        for name in CASES
        for threads in args.threads
    }
    rows = next(iter(columns.values()))
    table = ["| share of the best loop's speed | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    by_column = [shares(seconds, of=REFERENCE) for seconds in columns.values()]
    table += [f"| {name} | " + " | ".join(spread(column[name]) for column in by_column) + " |" for name in rows]
    text = [
        "## Training step",
        f"`benchmarks/steps.py`: {args.items} grids an epoch, {args.turns} turns, median (range). The same network, "
        "numbers and batch size, AdamW (gridcnn: Muon for kernels), no validation; a process each. The best loop is "
        "what a careful engineer would write: tensors that lie ready in channels last, fused AdamW, freed memory kept "
        f"in the process, {'bfloat16, which this CPU multiplies' if in_bfloat16() else 'float32'}, as in gridcnn. All "
        "keep freed memory, unless the row says that they return it, as a Python program does that does not ask "
        "otherwise. The plain loop is a tutorial's: DataLoader, float32, torch's memory format; the other libraries "
        "compute in float32 too, as they do unless told otherwise.",
        "\n".join(table),
    ]
    text += [
        f"gridcnn's speed over that of {other}, column by column: "
        f"{', '.join(spread(shares(seconds, of=other)['**gridcnn**']) for seconds in columns.values())}."
        for other in (f"plain torch loop{RETURNED}", KERAS)
        if other in rows
    ]
    if missing := [name for name in TRAINERS if not can_run(name)]:
        text.append(f"Not measured, since it, or a C++ compiler, is not installed here: {', '.join(missing)}.")
    print("\n\n".join(text))
    if args.write:
        save("steps", "\n\n".join(text))


if __name__ == "__main__":
    main()
