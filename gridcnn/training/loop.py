"""The training loop: Muon and AdamW, a one-cycle schedule, label smoothing, early stopping, best weights.

Knows tensors only, no adapter and no files.

Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", for AdamW; Smith and Topin 2018,
"Super-convergence", for the one-cycle schedule; Szegedy et al. 2016, "Rethinking the Inception architecture", for
label smoothing; Miyato et al. 2017, "Adversarial training methods for semi-supervised text classification", for the
adversarial step.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from gridcnn.errors import ConfigurationError
from gridcnn.network.augment import AugmentConfig, Augmenter
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.bucketing import batches_in_order, lengths_needed, shuffled_batches, without_padding
from gridcnn.pipeline.prefetch import batches
from gridcnn.training.muon import Muon

__all__ = ["EpochRecord", "Examples", "Network", "Outcome", "Progress", "TrainingConfig", "choose_device", "train"]

SMALLEST_SLOPE = 1e-12
"""Norm of a gradient below which an adversarial step gets shorter."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training examples, at least 1.
    batch_size : int
        Examples a step, at most; an epoch is cut into steps of nearly equal size.
    learning_rate : float
        Highest learning rate of AdamW in the one-cycle schedule: dense layers, embeddings, biases, normalisation.
    kernel_learning_rate : float
        The same of Muon, which moves the kernels of the blocks.
    weight_decay : float
        Decay of kernels and dense weights; biases and normalisation are left alone.
    label_smoothing : float
        Share of each label that is spread over all classes, in [0, 1).
    adversarial : float
        At least 0. Above 0, every batch is learned from twice, in twice the time: as it is, and with each grid moved in
        the direction in which its loss grows fastest, by this share of the norm of one of its cells (a word of a text).
    patience : int or None
        Epochs without a better validation score after which training stops; None trains to the end.
    augment : AugmentConfig
        Random changes of the training grids.

    Raises
    ------
    ConfigurationError
        If a value is out of its range.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 3e-3
    kernel_learning_rate: float = 0.02
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    adversarial: float = 0.0
    patience: int | None = None
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "kernel_learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "adversarial"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigurationError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")
        if self.patience is not None and self.patience < 1:
            raise ConfigurationError(f"patience must be at least 1 epoch, or None, got {self.patience}")


class Network(nn.Module):
    """A frontend and a backbone: compact arrays in, logits out. What a bundle holds and an export ships.

    `mirrored` names the axes along which training mirrored the grids: an answer is the mean over their `views`.
    """

    def __init__(self, frontend: nn.Module, backbone: ConvPoolDense, mirrored: Sequence[str] = ()) -> None:
        super().__init__()
        self.frontend = frontend
        self.backbone = backbone
        self.flip_axes = tuple(mirrored)

    def kernels_channels_last(self) -> None:
        """Lay 2-D kernels out as `to_channels_last` lays out grids."""
        for parameter in self.backbone.parameters():
            parameter.data = to_channels_last(parameter.data)

    def forward(self, encoded: Tensor) -> Tensor:
        """(batch, *encoded_shape) → logits (batch, n_classes), of the grids as they are."""
        logits: Tensor = self.backbone(to_channels_last(self.frontend(encoded)))
        return logits


class Examples(NamedTuple):
    """What the loop learns from: `windows` (n, ...), `target` class indices (n,), `weight` (n,)."""

    windows: np.ndarray
    target: np.ndarray
    weight: np.ndarray


class EpochRecord(NamedTuple):
    """One row of the history. Validation figures are NaN where nothing was held back."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float


class Outcome(NamedTuple):
    """How a training ended; the network holds the weights of `best_epoch`."""

    history: list[EpochRecord]
    best_epoch: int
    interrupted: bool


class Progress(Protocol):
    """What a display of the training is told."""

    def note(self, line: str) -> None:
        """What is about to be done, in one line."""

    def encoding(self, done: int, total: int) -> None:
        """`done` of `total` items are encoded."""

    def start(self, epochs: int, steps_per_epoch: int) -> None:
        """Training begins."""

    def step(self, n_samples: int) -> None:
        """One step over `n_samples` examples is done."""

    def epoch(self, record: EpochRecord) -> None:
        """An epoch is done."""

    def stop(self) -> None:
        """Training has ended, however it did."""


class NullProgress:
    """A display that shows nothing."""

    def note(self, line: str) -> None:
        """Show nothing."""

    def encoding(self, done: int, total: int) -> None:
        """Show nothing."""

    def start(self, epochs: int, steps_per_epoch: int) -> None:
        """Show nothing."""

    def step(self, n_samples: int) -> None:
        """Show nothing."""

    def epoch(self, record: EpochRecord) -> None:
        """Show nothing."""

    def stop(self) -> None:
        """Show nothing."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; `"auto"` takes cuda, then mps, then cpu."""
    if name != "auto":
        try:
            return torch.device(name)
        except RuntimeError as error:
            raise ConfigurationError(f"device {name!r} is unknown; use auto, cpu, cuda or mps") from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Make torch's random numbers and kernels reproducible inside the block, and give the old state back after it."""
    devices = [device] if device.type == "cuda" else []
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.benchmark)
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before


def train(  # noqa: PLR0915  one loop, read from top to bottom
    network: Network,
    examples: Examples,
    config: TrainingConfig,
    *,
    validation: Examples | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train `network` in place; leave it with its best weights, on `device`.

    Best is the latest epoch whose accuracy on `validation` is within one standard error of the highest: the schedule
    ends in the best weights, and on few validation examples an earlier epoch leads by luck. Without `validation` it is
    the last epoch.

    Ctrl-C ends the training as early stopping would: the best weights so far stay, and the outcome says so.

    Random numbers come from torch's global generator: run inside `seeded` for two identical runs.
    """
    device = device or torch.device("cpu")
    progress = progress or NullProgress()
    network.to(device)
    network.kernels_channels_last()
    n_steps = math.ceil(len(examples.target) / config.batch_size)
    optimisers = _optimisers(network, config, device)
    total_steps = max(config.epochs * n_steps + 1, 8)  # fewer leave the schedule's first quarter without a step
    schedules = [
        torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            max_lr=[group["lr"] for group in optimiser.param_groups],
            total_steps=total_steps,
            pct_start=0.25,
            cycle_momentum=False,
        )
        for optimiser in optimisers
    ]
    sizes = None
    if config.augment == AugmentConfig():  # a moved or masked grid has no padding at its end
        sizes = lengths_needed(examples.windows, network.frontend, network.backbone)
    target = torch.from_numpy(examples.target).to(device)
    weight = torch.from_numpy(examples.weight / examples.weight.mean()).float().to(device)
    history: list[EpochRecord] = []
    highest, highest_epoch, tolerance = -1.0, 0, 0.0
    best_epoch, best_weights = 0, None
    interrupted = False
    progress.start(config.epochs, n_steps)
    try:
        for epoch in range(1, config.epochs + 1):
            started = time.perf_counter()
            network.train()
            augment = Augmenter(config.augment.in_epoch(epoch, config.epochs), network.backbone.spec)
            totals = torch.zeros(2, device=device)  # loss and hits, kept on the device so that no step waits
            learning_rate = float(schedules[-1].get_last_lr()[0])
            order = shuffled_batches(len(target), n_steps, sizes)
            for batch, rows in zip(order, batches(examples.windows, order), strict=True):
                windows = torch.from_numpy(without_padding(rows, sizes, batch)).to(device)
                with mixed_precision(device):
                    grids = to_channels_last(augment(network.frontend(windows)))
                network.zero_grad(set_to_none=True)
                logits, losses = _backpropagate(network, grids, target[batch], weight[batch], config)
                for optimiser, schedule in zip(optimisers, schedules, strict=True):
                    optimiser.step()
                    schedule.step()
                with torch.no_grad():
                    hits = (logits.argmax(dim=1) == target[batch]).float() * weight[batch]
                    totals += torch.stack([(losses * weight[batch]).sum(), hits.sum()])
                progress.step(len(batch))
            mean_loss, accuracy = (totals / len(target)).tolist()
            seconds = time.perf_counter() - started
            scores = (math.nan, math.nan)
            if validation is not None:
                scores = evaluate(network, validation, device, config.batch_size)  # no more memory than a step takes
            record = EpochRecord(epoch, mean_loss, accuracy, *scores, learning_rate, seconds, len(target) / seconds)
            history.append(record)
            progress.epoch(record)
            if validation is None:
                best_epoch = epoch
                continue
            if record.validation_accuracy > highest:
                highest, highest_epoch = record.validation_accuracy, epoch
                tolerance = _standard_error(highest, validation.weight)
            if record.validation_accuracy >= highest - tolerance:
                best_epoch, best_weights = epoch, copy.deepcopy(network.state_dict())
            if config.patience is not None and epoch - highest_epoch >= config.patience:
                break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.stop()
    if best_weights is not None:
        network.load_state_dict(best_weights)
    network.eval()
    return Outcome(history, best_epoch, interrupted)


def _backpropagate(
    network: Network, grids: Tensor, target: Tensor, weight: Tensor, config: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of all weights; return the logits and the losses of the grids as they are."""

    def learn_from(grids: Tensor) -> tuple[Tensor, Tensor]:
        with mixed_precision(grids.device):
            logits = network.backbone(grids)
            losses = F.cross_entropy(logits.float(), target, label_smoothing=config.label_smoothing, reduction="none")
        (losses * weight).mean().backward()  # type: ignore[no-untyped-call]
        return logits.detach(), losses.detach()

    if not config.adversarial:
        return learn_from(grids)
    here = grids.detach().requires_grad_()
    answers = learn_from(here)
    assert here.grad is not None  # for the type checker, as below
    there = _uphill(here.detach(), here.grad, config.adversarial).requires_grad_()
    learn_from(there)
    if grids.requires_grad:  # the frontend learns too, once from both
        assert there.grad is not None
        grids.backward(here.grad + there.grad)  # type: ignore[no-untyped-call]
    return answers


def _uphill(grids: Tensor, gradient: Tensor, share: float) -> Tensor:
    """Move each grid along its gradient, by a share of the norm of a cell: the root mean square of those not empty."""
    all_but_first = tuple(range(1, grids.ndim))
    squares = grids.square().sum(dim=1, keepdim=True)  # (batch, 1, *sizes)
    counts = (squares > 0).sum(dim=all_but_first, keepdim=True).clamp(min=1)
    cell = (squares.sum(dim=all_but_first, keepdim=True) / counts).sqrt()
    slope = torch.linalg.vector_norm(gradient, dim=all_but_first, keepdim=True).clamp(min=SMALLEST_SLOPE)
    moved: Tensor = grids + share * cell / slope * gradient
    return moved


def _standard_error(accuracy: float, weight: np.ndarray) -> float:
    """Return the standard error of an accuracy measured on examples of these weights, above 0 also where all are right.

    Source: Agresti and Coull 1998, "Approximate is better than 'exact' for interval estimation of binomial
    proportions".
    """
    effective = weight.sum() ** 2 / np.square(weight).sum() + 4
    share = (accuracy * (effective - 4) + 2) / effective
    return float(np.sqrt(share * (1 - share) / effective))


def _optimisers(network: Network, config: TrainingConfig, device: torch.device) -> list[torch.optim.Optimizer]:
    """Return Muon for the kernels of the blocks, and AdamW for the rest, without decay for biases and normalisation."""
    kernels = [parameter for parameter in network.backbone.blocks.parameters() if parameter.ndim > 2]
    among_kernels = set(map(id, kernels))
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in among_kernels]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [
        Muon(kernels, lr=config.kernel_learning_rate, weight_decay=config.weight_decay),
        torch.optim.AdamW(groups, lr=config.learning_rate, fused=device.type in {"cpu", "cuda"}),
    ]


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Compute in bfloat16 where the hardware multiplies it; CPUs that do not are several times slower with it."""
    if device.type == "cpu":
        fast = any(torch.cpu.get_capabilities().get(unit, False) for unit in ("avx512_bf16", "amx_bf16"))
    else:
        fast = device.type == "cuda"
    return torch.autocast(device.type, dtype=torch.bfloat16) if fast else contextlib.nullcontext()


@torch.no_grad()
def evaluate(network: Network, examples: Examples, device: torch.device, batch_size: int) -> tuple[float, float]:
    """Return weighted mean cross-entropy and accuracy, without smoothing or augmentation."""
    network.eval()
    totals = torch.zeros(2)
    sizes = lengths_needed(examples.windows, network.frontend, network.backbone)
    order = batches_in_order(len(examples.target), batch_size, sizes)
    for batch, rows in zip(order, batches(examples.windows, order), strict=True):
        logits = network(torch.from_numpy(without_padding(rows, sizes, batch)).to(device)).float().cpu()
        target, weight = torch.from_numpy(examples.target[batch]), torch.from_numpy(examples.weight[batch]).float()
        losses = F.cross_entropy(logits, target, reduction="none")
        totals += torch.stack([(losses * weight).sum(), ((logits.argmax(dim=1) == target) * weight).sum()])
    loss, accuracy = (totals / float(examples.weight.sum())).tolist()
    return loss, accuracy
