"""Speed of prediction: gridcnn's `predict` beside torch, onnxruntime and OpenVINO, from memory and from files on disk.

    python benchmarks/prediction.py [--turns 7] [--seconds 1.0] [--write]

The references decode 1,024 items at once, with the same code and in as many threads as gridcnn, and then compute the
network whole, in float32, the first two in torch's own layers, in evaluation and inference mode:

- plain torch: the network as it was trained, in torch's memory format, in batches of 256;
- best torch: what a careful engineer would take for this network, this machine and these threads. Batch normalisation
  is folded into the convolutions, tensors have channels last, and the fastest is chosen of eager, frozen TorchScript
  (`torch.jit.optimize_for_inference`) and `torch.compile` (where there is a C++ compiler), in batches of 16, 64 or 256;
- onnxruntime and OpenVINO: the folded network in each, with as many threads, in the fastest of the same batches.

All take turns; a figure is the reference's time over gridcnn's within one turn: above 1, gridcnn is faster. gridcnn's
answers in bfloat16 are beside its own in float32.

The models, with each adapter's defaults, are trained in another process, since training changes how a process gets its
memory, and one that only predicts is what is asked about.
"""

from __future__ import annotations

import argparse
import copy
import functools
import multiprocessing
import os
import shutil
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
import onnx  # noqa: F401  (or it would be imported twice, which it does not bear)
import onnxruntime
import soundfile
import torch
from PIL import Image
from results import save
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from gridcnn import FittedModel, fit, load, predict
from gridcnn import save as save_model
from gridcnn.adapters import Adapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.inference import openvino_runtime
from gridcnn.inference.folding import Logits, fold_batch_norm
from gridcnn.inference.onnx_runtime import onnx_model
from gridcnn.inference.predictor import predictor
from gridcnn.model import Network
from gridcnn.network.augment import flipped_copies
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.device import multiplies_bfloat16
from gridcnn.pipeline.encode import encode_items

N_CLASSES = 10
CHUNK, BATCH = 1024, 256  # of the references
BATCHES = (16, 64, BATCH)  # that the best torch may take
COMPILED = list(BATCHES)  # in which it may be compiled
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
    save_model(fit(case.adapter, items, labels, {"epochs": 1, "validation_fraction": 0, "cache": False}), path)


# --- the references --------------------------------------------------------------------------------------------------


class Answers(nn.Module):
    """From encoded windows to probabilities `(n, n_classes)`, the mean over the flipped copies if there are any."""

    def __init__(self, network: Network, layout: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.layout = network, layout

    def forward(self, windows: Tensor) -> Tensor:
        """(batch, *encoded_shape) → (batch, n_classes)."""
        grids, backbone = self.network.frontend(windows), self.network.backbone
        copies = flipped_copies(grids, backbone.spec, self.network.flip_axes)
        return torch.stack([backbone(self.layout(each)).softmax(dim=1) for each in copies]).mean(dim=0)


class OneByOne(nn.ModuleList):
    """Parallel convolutions in torch's own layers, each for itself."""

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, *sizes) → (batch, maps, *sizes)."""
        return torch.cat([branch(maps) for branch in self], dim=1)


def in_torchs_layers(network: Network) -> Network:
    """Return a copy that computes sentences as a script in torch would, and whose kernels lie as torch makes them."""
    network = copy.deepcopy(network)
    for block in network.backbone.blocks:
        block.convs = nn.ModuleList(map(OneByOne, block.convs))
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    return network.eval()


def folded(network: Network) -> Network:
    """Return a copy in channels last with torch's own folding of batch normalisation."""
    network = in_torchs_layers(network)
    for block in network.backbone.blocks:
        for index, (branches, norm) in enumerate(zip(block.convs, block.norms, strict=True)):
            if len(branches) == 1 and isinstance(norm, nn.BatchNorm2d):
                branches[0] = fuse_conv_bn_eval(branches[0], norm)
                block.norms[index] = nn.Identity()
    network.kernels_channels_last()
    return network


@torch.inference_mode()
def by_torch(answers: Callable[[Tensor], Tensor], batch: int, adapter: Adapter, items: Sequence[Any]) -> np.ndarray:
    """Return probabilities; every item here has one window."""
    parts = []
    for start in range(0, len(items), CHUNK):
        windows = torch.from_numpy(encode_items(adapter, items[start : start + CHUNK]).windows)
        parts += [answers(each) for each in windows.split(batch)]
    return torch.cat(parts).numpy()


def compilers() -> dict[str, Callable[[Answers, Tensor], Callable[[Tensor], Tensor]]]:
    """Return the ways to run a network, by name."""
    ways: dict[str, Callable[[Answers, Tensor], Callable[[Tensor], Tensor]]] = {
        "eager": lambda answers, windows: answers,
        "TorchScript": lambda answers, windows: torch.jit.optimize_for_inference(
            torch.jit.freeze(torch.jit.trace(answers, windows, check_trace=False))
        ),
    }
    if any(map(shutil.which, ("g++", "clang++"))):
        ways["compiled"] = lambda answers, windows: torch.compile(answers, dynamic=False)
    return ways


@torch.inference_mode()
def best_torch(model: FittedModel, items: Sequence[Any]) -> tuple[str, Callable[[Sequence[Any]], np.ndarray]]:
    """Return the name of the fastest way to compute in torch alone, and that way."""
    answers = Answers(folded(model.network), to_channels_last).eval()
    torch.compiler.reset()
    return fastest(model, items, {name: functools.partial(make, answers) for name, make in compilers().items()})


@torch.inference_mode()
def fastest(
    model: FittedModel, items: Sequence[Any], ways: dict[str, Callable[[Tensor], Callable[[Tensor], Tensor]]]
) -> tuple[str, Callable[[Sequence[Any]], np.ndarray]]:
    """Return the name of the fastest of several ways and batches, and that way."""
    windows = torch.from_numpy(encode_items(model.adapter, items[:BATCH]).windows)
    expected = Answers(folded(model.network), to_channels_last).eval()(windows)
    times: dict[tuple[str, int], tuple[float, Callable[[Tensor], Tensor]]] = {}
    for name, make in ways.items():
        for batch in BATCHES if name != "compiled" else COMPILED:
            try:
                run = make(windows[:batch])
                torch.testing.assert_close(torch.cat([run(each) for each in windows.split(batch)]), expected)
            except Exception as error:
                print(f"{name}, batches of {batch}: {type(error).__name__}", file=sys.stderr)
                continue
            seconds = []
            for _ in range(5):
                started = time.perf_counter()
                for each in windows.split(batch):
                    run(each)
                seconds.append(time.perf_counter() - started)
            times[name, batch] = min(seconds), run
    (name, batch), (_, run) = min(times.items(), key=lambda each: each[1][0])
    return f"{name}, {batch}", functools.partial(by_torch, run, batch, model.adapter)


def in_runtime(model: FittedModel, items: Sequence[Any], logits: Logits) -> Callable[[Sequence[Any]], np.ndarray]:
    """Return what computes items with the backbone in another runtime, in its best batches."""
    network = model.network

    def answers(windows: Tensor) -> Tensor:
        copies = flipped_copies(network.frontend(windows), network.backbone.spec, network.flip_axes)
        return torch.stack([logits(each.contiguous()).softmax(dim=1) for each in copies]).mean(dim=0)

    return fastest(model, items, {"": lambda windows: answers})[1]


def onnxruntime_session(network: Network) -> Logits:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    model = onnx_model(fold_batch_norm(network.calibrated()))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda grids: torch.from_numpy(session.run(None, {"grids": grids.numpy()})[0])


def openvino_request(network: Network) -> Logits:
    core = openvino_runtime.imported().Core()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
    model = core.read_model(onnx_model(fold_batch_norm(network.calibrated())))
    request = core.compile_model(model, "CPU", options).create_infer_request()
    return lambda grids: torch.from_numpy(request.infer([grids.numpy()], share_inputs=True)[0].copy())


# --- turns -----------------------------------------------------------------------------------------------------------


def contestants(path: Path, items: Sequence[Any]) -> tuple[list[str], dict[str, Callable[[Sequence[Any]], np.ndarray]]]:
    """Return gridcnn's runtimes and the name of the best torch, and who computes probabilities, each made ready."""
    without, with_them, rough = load(path), load(path), load(path)
    with mock.patch.dict(sys.modules, {"onnxruntime": None, "openvino": None}):  # as where they are not installed
        assert predictor(without.network, CPU).runtime == "torch"
    name, best = best_torch(without, items)
    plain = Answers(in_torchs_layers(without.network), Tensor.contiguous).eval()
    everyone = {
        "plain": functools.partial(by_torch, plain, BATCH, without.adapter),
        "best": best,
        "onnxruntime": in_runtime(without, items, onnxruntime_session(without.network)),
        "openvino": in_runtime(without, items, openvino_request(without.network)),
        "torch": lambda items: predict(without, items).probabilities,
        "gridcnn": lambda items: predict(with_them, items).probabilities,
    }
    if multiplies_bfloat16(CPU):
        everyone["bfloat16"] = lambda items: predict(rough, items, precision="bfloat16").probabilities
    return [predictor(with_them.network, CPU).runtime, name], everyone


def measure(
    everyone: dict[str, Callable[[Sequence[Any]], np.ndarray]], items: Sequence[Any], turns: int, seconds: float
) -> dict[str, list[float]]:
    """Return everyone's times over as many items as plain torch computes in so many seconds."""
    few = items[:BATCH]
    expected = everyone["plain"](few)
    for who, compute in everyone.items():
        tolerance = 0.05 if who == "bfloat16" else 1e-5
        np.testing.assert_allclose(compute(few), expected, atol=tolerance, rtol=0, err_msg=who)
    started = time.perf_counter()
    everyone["plain"](few)
    batches = int(seconds / (time.perf_counter() - started)) + 1  # whole ones: what is compiled is so for a size
    enough = min(len(items) // BATCH, batches) * BATCH
    times: dict[str, list[float]] = {who: [] for who in everyone}
    for _ in range(turns):
        for who, compute in everyone.items():
            started = time.perf_counter()
            compute(items[:enough])
            times[who].append(time.perf_counter() - started)
    return times


def ratio(times: dict[str, list[float]], reference: str, name: str) -> str:
    if name not in times:
        return "–"
    ratios = [theirs / ours for theirs, ours in zip(times[reference], times[name], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="that plain torch may compute in each turn")
    parser.add_argument("--items", type=int, default=8192, help="made of each kind, at most so many are computed")
    parser.add_argument("--write", action="store_true", help="keep the table for docs/RESULTS.md")
    parser.add_argument("--compiled", type=int, nargs="*", default=BATCHES, help="batches for which torch compiles")
    options = parser.parse_args()
    COMPILED[:] = options.compiled
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
                ways, everyone = contestants(path, sources["memory"][:BATCH])
                for source, items in sources.items():
                    times = measure(everyone, items, options.turns, options.seconds)
                    pairs = [(a, "gridcnn") for a in ("best", "onnxruntime", "openvino", "plain")]
                    pairs += [("best", "torch"), ("gridcnn", "bfloat16")]
                    cells = [name, source, str(threads), *ways, *(ratio(times, *pair) for pair in pairs)]
                    rows.append(" | ".join(cells))
                    print(rows[-1], flush=True)
    table = "\n".join([
        "## Prediction", "",
        "`benchmarks/prediction.py`: the whole way from items to probabilities. Figures are the time of a reference",
        "over gridcnn's in the same turn, so that above 1 gridcnn is faster: median and range of the turns of one run.",
        "The default network of each kind; equal probabilities, to 1e-5 (bfloat16: to 0.05). Threads are those that",
        "compute; decoding has its own. “Best torch” is the fastest of eager, frozen TorchScript and `torch.compile`",
        "(whose compiling is not counted) in batches of 16, 64 or 256, as named, with batch normalisation folded and",
        "channels last. onnxruntime and OpenVINO compute the folded network, in the fastest of these batches. “Plain",
        "torch” is the network as it was trained, in torch's memory format, in batches of 256. The references decode",
        "as gridcnn does before they compute. “Torch only” is gridcnn where neither onnxruntime nor OpenVINO is",
        "installed. The last column is bfloat16 beside gridcnn's own float32; texts are computed in float32 in both.",
        "",
        "| items | from | threads | gridcnn computes in | best torch | × best torch | × onnxruntime | × OpenVINO "
        "| × plain torch | torch only: × best torch | bfloat16: × float32 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(f"| {row} |" for row in rows),
    ])  # fmt: skip
    print(f"\n{table}")
    if options.write:
        save("prediction", table)


if __name__ == "__main__":
    main()
