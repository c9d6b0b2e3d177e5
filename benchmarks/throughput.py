"""Training throughput of the loop beside a bare torch loop: same net, same batches, channels last, preloaded tensors.

    python benchmarks/throughput.py [SECONDS]

The two take turns in one run, epoch by epoch, and the ratio of their medians is printed. The bare loop does forward,
backward and step; the trainer also augments, weights and counts hits. Validation is off in both.
"""

import statistics
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from gridcnn.augment import AugmentConfig
from gridcnn.backbone import BackboneConfig, ConvPoolDense
from gridcnn.grid import GridSpec
from gridcnn.training import Examples, Network, TrainingConfig, to_channels_last, train

N, BATCH = 1280, 128
CASES = {
    "pictures 3 × 32 × 32": (
        GridSpec.of("colour", 3, height=32, width=32),
        BackboneConfig(kernels=(24, 48, 96), convolutions=2),
        AugmentConfig(shift={"height": 0.1, "width": 0.1}, scale={"height": 0.1, "width": 0.1}, flip=("width",)),
    ),
    "log-mel 1 × 40 × 64": (
        GridSpec.of("level", 1, frequency=40, time=64),
        BackboneConfig(kernels=(16, 32, 64), convolutions=2, head="global_average"),
        AugmentConfig(
            shift={"frequency": 0.12, "time": 0.12},
            scale={"frequency": 0.2, "time": 0.2},
            mask={"frequency": 0.1, "time": 0.1},
            tilt={"frequency": 0.3},
            gain=0.2,
            noise=0.1,
        ),
    ),
}


def ours(net: ConvPoolDense, grids: np.ndarray, target: np.ndarray, augment: AugmentConfig) -> float:
    examples = Examples(grids, target, np.ones(len(target), np.float32))
    config = TrainingConfig(epochs=1, batch_size=BATCH, augment=augment)
    return train(Network(torch.nn.Identity(), net), examples, config).history[0].seconds


def bare(net: ConvPoolDense, grids: np.ndarray, target: np.ndarray) -> float:
    x, y = to_channels_last(torch.from_numpy(grids)), torch.from_numpy(target)
    optimiser = torch.optim.AdamW(net.train().parameters(), fused=True)
    started = time.perf_counter()
    for at in range(0, N, BATCH):
        loss = F.cross_entropy(net(x[at : at + BATCH]), y[at : at + BATCH], label_smoothing=0.1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return time.perf_counter() - started


def main(seconds: float = 60.0) -> None:
    rng = np.random.default_rng(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {N} grids in batches of {BATCH}")
    for name, (spec, config, augment) in CASES.items():
        grids = rng.normal(size=(N, *spec.shape)).astype(np.float32)
        target = rng.integers(0, 10, N)
        net = ConvPoolDense(spec, config, 10).to(memory_format=torch.channels_last)
        times: dict[str, list[float]] = {"bare": [], "with augmentation": [], "without": []}
        ends = time.perf_counter() + seconds / len(CASES)
        while time.perf_counter() < ends or len(times["without"]) < 3:
            times["bare"].append(bare(net, grids, target))
            times["with augmentation"].append(ours(net, grids, target, augment))
            times["without"].append(ours(net, grids, target, AugmentConfig()))
        medians = {kind: statistics.median(values) for kind, values in times.items()}
        print(
            f"{name}: bare {N / medians['bare']:.0f} items/s; "
            f"trainer {medians['bare'] / medians['without']:.2f} of it, "
            f"{medians['bare'] / medians['with augmentation']:.2f} with the default augmentation "
            f"({len(times['bare'])} turns each)"
        )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
