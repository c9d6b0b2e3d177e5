"""Speed of prediction: `predict_proba` beside torch eager, from items in memory and from files on disk.

    python benchmarks/prediction.py [--turns 7] [--seconds 1.0] [--write]

The reference decodes as many items at once as predict used to, 1,024, and then computes the same network as it was
trained, whole and in torch's own layers, in evaluation mode, in batches of 256: in the layout in which torch makes
networks, and with channels last, in which gridcnn trains them. It decodes with the same code, in as many threads, but
not while it computes. All take turns; a figure is the reference's time over gridcnn's within one turn: above 1, gridcnn
is faster.

The classifiers, with each adapter's defaults, are trained in another process, since training changes how a process
gets its memory, and one that only predicts is what is asked about. Columns of onnxruntime are empty where it is not
used.
"""

from __future__ import annotations

import argparse
import copy
import functools
import importlib.util
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import soundfile
import torch
from PIL import Image
from results import save
from torch import Tensor, nn

from gridcnn import GridClassifier
from gridcnn.adapters import Adapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.inference.predictor import predictor
from gridcnn.network.augment import flipped_copies
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.encode import encode_items
from gridcnn.training.loop import Network

N_CLASSES = 10
CHUNK, BATCH = 1024, 256  # of the reference
HZ, TOKENS = 8000, 22
CPU = torch.device("cpu")


class Case(NamedTuple):
    """Items of one kind: what makes one, what reads them, and what writes one to a file."""

    make: Callable[[np.random.Generator], Any]
    adapter: Adapter
    write: Callable[[Path, Any], None] | None = None
    ending: str = ""


def picture(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.integers(0, 256, shape, dtype=np.uint8)


def sound(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(scale=0.1, size=rng.integers(2000, 5000)).astype(np.float32)


def sentence(rng: np.random.Generator) -> str:
    words = np.minimum(rng.zipf(1.3, np.clip(rng.poisson(11), 3, TOKENS)), 8000)  # as frequent as in a language
    return " ".join(np.base_repr(word * 7919, 36).lower() for word in words)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


def write_sound(path: Path, wave: np.ndarray) -> None:
    soundfile.write(path, wave, HZ)


CASES = {
    "grey pictures, 28 × 28": Case(picture(28, 28), ImageAdapter(), write_picture, ".png"),
    "colour pictures, 32 × 32": Case(picture(32, 32, 3), ImageAdapter(), write_picture, ".png"),
    "sound, 0.4 s at 8 kHz": Case(sound, AudioAdapter(sample_rate=HZ), write_sound, ".wav"),
    "sentences of 11 words": Case(sentence, TextAdapter(length=TOKENS)),
}


def train(name: str, path: Path) -> None:
    """Train on a few items, which makes the network as large as many do, and save it."""
    case, rng = CASES[name], np.random.default_rng(0)
    items = [case.make(rng) for _ in range(1000 if case.write is None else 100)]  # a vocabulary needs more
    labels = np.arange(len(items)) % N_CLASSES
    GridClassifier(adapter=case.adapter, epochs=1, validation_fraction=0, cache=False).fit(items, labels).save(path)


@torch.inference_mode()
def eager(network: Network, layout: Callable[[Tensor], Tensor], adapter: Adapter, items: Sequence[Any]) -> np.ndarray:
    """Return probabilities as torch's own layers compute them; every item here has one window."""
    answers = []
    for start in range(0, len(items), CHUNK):
        windows = encode_items(adapter, items[start : start + CHUNK]).windows
        for at in range(0, len(windows), BATCH):
            grids = network.frontend(torch.from_numpy(windows[at : at + BATCH]))
            by_view = [
                network.backbone(layout(view)) for view in flipped_copies(grids, adapter.spec_, network.flip_axes)
            ]
            answers.append(torch.stack(by_view).double().softmax(dim=2).mean(dim=0))
    return torch.cat(answers).numpy()


class OneByOne(nn.ModuleList):
    """Convolutions side by side in torch's own layers, each for itself."""

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, *sizes) → (batch, maps, *sizes)."""
        return torch.cat([branch(maps) for branch in self], dim=1)


def in_torchs_layers(network: Network) -> Network:
    """Return a copy that computes sentences as a script in torch would."""
    network = copy.deepcopy(network)
    for block in network.backbone.blocks:
        block.convolutions = nn.ModuleList(map(OneByOne, block.convolutions))
    return network


def in_usual_layout(network: Network) -> Network:
    """Return a copy whose kernels lie as torch makes them: channels before rows and columns."""
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    return network


def contestants(path: Path) -> dict[str, Callable[[Sequence[Any]], np.ndarray]]:
    """Return who computes probabilities, each made ready."""
    without, with_it = GridClassifier.load(path), GridClassifier.load(path)
    network, adapter = in_torchs_layers(without.network_), without.adapter_
    with mock.patch.dict(sys.modules, {"onnxruntime": None}):  # as where it is not installed
        assert predictor(without.network_, CPU).runtime == "torch"
    all_of_them = {
        "eager": functools.partial(eager, in_usual_layout(network), Tensor.contiguous, adapter),
        "channels last": functools.partial(eager, network, to_channels_last, adapter),
        "torch": without.predict_proba,
    }
    if importlib.util.find_spec("onnxruntime") and predictor(with_it.network_, CPU).runtime == "onnxruntime":
        all_of_them["onnxruntime"] = with_it.predict_proba
    return all_of_them


def measure(path: Path, items: Sequence[Any], turns: int, seconds: float) -> dict[str, list[float]]:
    """Return everyone's times over as many of the items as the reference computes in so many seconds."""
    everyone = contestants(path)
    few = items[:BATCH]
    expected = everyone["eager"](few)
    for name, compute in everyone.items():
        np.testing.assert_allclose(compute(few), expected, atol=1e-5, rtol=0, err_msg=name)
    started = time.perf_counter()
    everyone["eager"](few)
    enough = min(len(items), int(len(few) * seconds / (time.perf_counter() - started)) + 1)
    times: dict[str, list[float]] = {name: [] for name in everyone}
    for _ in range(turns):
        for name, compute in everyone.items():
            started = time.perf_counter()
            compute(items[:enough])
            times[name].append(time.perf_counter() - started)
    return times


def ratio(times: dict[str, list[float]], reference: str, name: str) -> str:
    if name not in times:
        return "–"
    ratios = [theirs / ours for theirs, ours in zip(times[reference], times[name], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="that the reference may compute in each turn")
    parser.add_argument("--items", type=int, default=8192, help="made of each kind, at most so many are computed")
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, case) in enumerate(CASES.items()):
            path = Path(folder, f"{number}.gridcnn")
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                process.submit(train, name, path).result()
            rng = np.random.default_rng(1)
            sources = {"memory": [case.make(rng) for _ in range(options.items)]}
            if case.write is not None:
                files = [Path(folder, f"{number}-{index}{case.ending}") for index in range(options.items)]
                for file, item in zip(files, sources["memory"], strict=True):
                    case.write(file, item)
                sources["files"] = files
            for threads in sorted({1, len(os.sched_getaffinity(0))}):
                torch.set_num_threads(threads)
                for source, items in sources.items():
                    times = measure(path, items, options.turns, options.seconds)
                    pairs = [(a, b) for b in ("torch", "onnxruntime") for a in ("eager", "channels last")]
                    rows.append(" | ".join([name, source, str(threads), *(ratio(times, *pair) for pair in pairs)]))
                    print(rows[-1], flush=True)
    table = "\n".join([
        "## Prediction", "",
        "`predict_proba`, the whole way from items to probabilities, beside torch eager: its time over gridcnn's, so",
        "that above 1 gridcnn is faster. Median and range of the turns of one run; the default network of each kind;",
        "equal probabilities, to 1e-5. Threads are those that compute; decoding has its own.", "",
        "| items | from | threads | without onnxruntime: × torch eager | × eager, channels last "
        "| with onnxruntime: × torch eager | × eager, channels last |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(f"| {row} |" for row in rows),
    ])  # fmt: skip
    print(f"\n{table}")
    if options.write:
        save("prediction", table)


if __name__ == "__main__":
    main()
