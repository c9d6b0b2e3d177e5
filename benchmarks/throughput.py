"""Training throughput of the loop beside a bare torch loop: same net, same batches, channels last, preloaded tensors.

    python benchmarks/throughput.py [SECONDS]

They take turns in one run, epoch by epoch, and the ratios of their medians are printed. The bare loop does forward,
backward and a step of AdamW, once in float32 and once in the precision that the trainer chooses on this machine; the
trainer also augments, weights, counts hits and takes its kernels' steps with Muon. Validation is off in all.
"""

import contextlib
import statistics
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from gridcnn.adapters import audio, image
from gridcnn.augment import AugmentConfig
from gridcnn.backbone import BackboneConfig, ConvPoolDense
from gridcnn.grid import GridSpec
from gridcnn.training import Examples, Network, TrainingConfig, mixed_precision, to_channels_last, train

N = 1280
CPU = torch.device("cpu")


def backbone(module, kernels: tuple[int, ...]) -> BackboneConfig:
    names = BackboneConfig.__dataclass_fields__.keys() & module.SETTINGS.keys()
    return BackboneConfig(kernels=kernels, **{name: module.SETTINGS[name] for name in names})


CASES = {  # grids, network, augmentation and batch of the defaults
    "pictures 3 × 32 × 32": (
        GridSpec.of("colour", 3, height=32, width=32),
        backbone(image, image.KERNELS_COLOUR),
        AugmentConfig.from_dict(image.AUGMENT_COLOUR),
        image.SETTINGS["batch_size"],
    ),
    "log-mel 1 × 40 × 64": (
        GridSpec.of("level", 1, frequency=40, time=64),
        backbone(audio, audio.KERNELS),
        AugmentConfig.from_dict(audio.AUGMENT),
        audio.SETTINGS["batch_size"],
    ),
}


def ours(net: ConvPoolDense, grids: np.ndarray, target: np.ndarray, batch: int, augment: AugmentConfig) -> float:
    examples = Examples(grids, target, np.ones(len(target), np.float32))
    config = TrainingConfig(epochs=1, batch_size=batch, augment=augment)
    return train(Network(torch.nn.Identity(), net), examples, config).history[0].seconds


def bare(net: ConvPoolDense, grids: np.ndarray, target: np.ndarray, batch: int, *, mixed: bool) -> float:
    x, y = to_channels_last(torch.from_numpy(grids)), torch.from_numpy(target)
    optimiser = torch.optim.AdamW(net.train().parameters(), fused=True)
    started = time.perf_counter()
    for at in range(0, N, batch):
        with mixed_precision(CPU) if mixed else contextlib.nullcontext():
            logits = net(x[at : at + batch])
        loss = F.cross_entropy(logits.float(), y[at : at + batch], label_smoothing=0.1)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return time.perf_counter() - started


def main(seconds: float = 60.0) -> None:
    rng = np.random.default_rng(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {N} grids")
    for name, (spec, config, augment, batch) in CASES.items():
        grids = rng.normal(size=(N, *spec.shape)).astype(np.float32)
        target = rng.integers(0, 10, N)
        net = ConvPoolDense(spec, config, 10).to(memory_format=torch.channels_last)
        times: dict[str, list[float]] = {"float32": [], "mixed": [], "plain": [], "augmented": []}
        ends = time.perf_counter() + seconds / len(CASES)
        while time.perf_counter() < ends or len(times["plain"]) < 3:
            times["float32"].append(bare(net, grids, target, batch, mixed=False))
            times["mixed"].append(bare(net, grids, target, batch, mixed=True))
            times["plain"].append(ours(net, grids, target, batch, AugmentConfig()))
            times["augmented"].append(ours(net, grids, target, batch, augment))
        medians = {kind: statistics.median(values) for kind, values in times.items()}
        print(f"{name}: bare loop {N / medians['float32']:.0f} items/s in float32 ({len(times['plain'])} turns each)")
        for kind, title in {"plain": "trainer", "augmented": "trainer with the default augmentation"}.items():
            shares = [medians[reference] / medians[kind] for reference in ("float32", "mixed")]
            print(f"  {title}: {shares[0]:.2f} of it; {shares[1]:.2f} of a bare loop in the same precision")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
