"""The training loop: Muon and AdamW, a one-cycle schedule, label smoothing, best weights.

It knows tensors only, no adapter and no files.

References
----------
Loshchilov and Hutter 2019, "Decoupled weight decay regularization", for AdamW; Smith and Topin 2018,
"Super-convergence", for the one-cycle schedule; Szegedy et al. 2016, "Rethinking the Inception architecture", for label
smoothing; Miyato et al. 2017, "Adversarial training methods for semi-supervised text classification", for the
adversarial step.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gridcnn.errors import DivergedError
from gridcnn.model import EpochRecord, Network
from gridcnn.network.augment import Augmenter
from gridcnn.network.config import AugmentConfig
from gridcnn.network.layers import to_channels_last
from gridcnn.pipeline.bucketing import batches_in_order, lengths_needed, without_padding
from gridcnn.pipeline.device import mixed_precision
from gridcnn.pipeline.prefetch import batches
from gridcnn.training.callbacks import Callback, CallbackList, EarlyStopping
from gridcnn.training.config import TrainingConfig
from gridcnn.training.muon import Muon
from gridcnn.training.objective import hits, losses
from gridcnn.training.peers import ALONE, Peers
from gridcnn.training.state import TrainingState

__all__ = ["Examples", "Outcome", "best_epoch", "diverged", "evaluate", "seeded", "standard_error", "train"]

SMALLEST_SLOPE = 1e-12
"""Norm of a gradient below which an adversarial step gets shorter."""


class Examples(NamedTuple):
    """Training or validation examples: `windows` (n, ...), `target` (n,) or (n, n_classes), `weight` (n,).

    Targets are class indices, or with several labels an item zeros and ones.
    """

    windows: np.ndarray
    target: np.ndarray
    weight: np.ndarray


class Outcome(NamedTuple):
    """The end of a training; the network holds the weights of `best_epoch`."""

    history: list[EpochRecord]
    best_epoch: int
    interrupted: bool


class _Stop(Exception):  # noqa: N818  no error: a callback ends the training
    """A callback has seen enough."""


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Make torch's random numbers and kernels reproducible inside the block; restore the old state after it."""
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


def train(  # noqa: PLR0915  (one loop, read from top to bottom)
    network: Network,
    examples: Examples,
    config: TrainingConfig,
    *,
    validation: Examples | None = None,
    device: torch.device | None = None,
    callback: Callback | None = None,
    peers: Peers = ALONE,
) -> Outcome:
    """Train `network` in place; leave it with its best weights, on `device`.

    Several `peers` call it with the same network, examples and settings, and each computes a share of every batch.

    The best epoch is the latest one whose accuracy on `validation` lies within one standard error of the highest until
    then, or whose loss is the lowest until then: the schedule ends in its best weights, and an earlier epoch that leads
    on few examples leads by luck. Without `validation` it is the last epoch.

    DivergedError is raised at the first loss that is not finite.

    Ctrl-C ends the training like early stopping, with the best weights so far, and sets `Outcome.interrupted`.

    Random numbers come from torch's global generator: run inside `seeded` for two identical runs.
    """
    device = device or torch.device("cpu")
    callbacks = CallbackList([] if callback is None else [callback])
    if config.patience is not None:
        callbacks.callbacks.append(EarlyStopping(config.patience))
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
    if config.augment == AugmentConfig():  # a shifted or masked grid has no padding at its end
        sizes = lengths_needed(examples.windows, network.frontend, network.backbone)
    target = torch.from_numpy(examples.target).to(device)
    weight = torch.from_numpy(examples.weight / examples.weight.mean()).float().to(device)
    state = TrainingState(network, optimisers, schedules, device, config.epochs, n_steps)
    interrupted = False
    callbacks.on_start(config.epochs, n_steps)
    try:
        with peers.together():
            callbacks.on_state(state)
            _go_on_with(peers)
            state.share(peers)
            if state.resumed and callbacks.on_resume(state.history, state.position):
                raise _Stop
            for epoch in range(len(state.history) + 1, config.epochs + 1):
                _go_on_with(peers)
                network.train()
                augment = Augmenter(config.augment.in_epoch(epoch, config.epochs), network.backbone.spec)
                order = peers.hand_out(state.begin_epoch(len(target), sizes))
                shares = [peers.share(batch) for batch in order]
                for whole, batch, rows in zip(order, shares, batches(examples.windows, shares), strict=True):
                    windows = torch.from_numpy(without_padding(rows, sizes, batch)).to(device)
                    with mixed_precision(device):
                        grids = to_channels_last(augment(network.frontend(windows)))
                    network.zero_grad(set_to_none=True)
                    weights = weight[batch] * (len(batch) / len(whole))  # of a mean over the whole batch
                    logits, lost = _backpropagate(network, grids, target[batch], weights, config)
                    with torch.no_grad():
                        right = hits(logits, target[batch]) * weight[batch]
                        sums = torch.stack([(lost * weight[batch]).sum(), right.sum()])
                        _go_on_with(peers)
                        state.totals += peers.add_up(network, sums)  # no step waits for them
                    state.step()
                    waits = device.type != "cpu"  # a step would wait for the number
                    if peers.first and not waits and not math.isfinite(state.totals[0]):
                        raise diverged(f"the loss of epoch {epoch}", config)
                    if callbacks.on_step(len(whole)):
                        raise _Stop
                mean_loss, accuracy = (state.totals / len(target)).tolist()
                if peers.first and not math.isfinite(mean_loss):
                    raise diverged(f"the loss of epoch {epoch}", config)
                seconds = state.seconds
                _go_on_with(peers)
                peers.level(network)
                scores = (math.nan, math.nan)
                if validation is not None:  # in batches that take no more memory than a step does
                    scores = evaluate(network, validation, device, config.batch_size, peers)
                speed = len(target) / seconds
                record = EpochRecord(epoch, mean_loss, accuracy, *scores, state.learning_rate, seconds, speed)
                best = validation is not None and _is_best(record, state.history, validation.weight)
                state.end_epoch(record, best=best)
                if callbacks.on_epoch(record, network):
                    raise _Stop
            _go_on_with(peers)
    except _Stop:
        pass
    except KeyboardInterrupt:
        interrupted = True
    finally:
        callbacks.on_end()
    if state.best_weights is not None:
        network.load_state_dict(state.best_weights)
    network.eval()
    return Outcome(state.history, len(state.history) if validation is None else state.best_epoch, interrupted)


def _go_on_with(peers: Peers) -> None:
    """Stop if the first of several processes does."""
    if peers.leave():
        raise _Stop


def best_epoch(history: Sequence[EpochRecord], weight: np.ndarray) -> int:
    """Return the epoch whose weights are worth keeping, from 1: see `train`. `weight` is that of the items held out."""
    return max(record.epoch for at, record in enumerate(history) if _is_best(record, history[:at], weight))


def _is_best(record: EpochRecord, before: Sequence[EpochRecord], weight: np.ndarray) -> bool:
    """Whether an epoch lies within one standard error of the best one, itself included, or has the lowest loss."""
    highest = max([-1.0, *(each.validation_accuracy for each in before), record.validation_accuracy])
    close = record.validation_accuracy >= highest - standard_error(highest, weight)
    return close or all(record.validation_loss < each.validation_loss for each in before)


def diverged(what: str, config: TrainingConfig) -> DivergedError:
    """Return the error of a training that has run into numbers that are not finite."""
    return DivergedError(
        f"the training diverged: {what} became infinite or NaN. Train with a smaller learning rate (it was "
        f"{config.learning_rate:g}, for kernels {config.kernel_learning_rate:g}, with a weight decay of "
        f"{config.weight_decay:g}), or leave these to their defaults."
    )


def _backpropagate(
    network: Network, grids: Tensor, target: Tensor, weight: Tensor, config: TrainingConfig
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of all weights; return the logits and the losses of the grids as they are."""

    def learn_from(grids: Tensor) -> tuple[Tensor, Tensor]:
        with mixed_precision(grids.device):
            logits = network.backbone(grids)
            lost = losses(logits.float(), target, config.label_smoothing)
        (lost * weight).mean().backward()  # type: ignore[no-untyped-call]
        return logits.detach(), lost.detach()

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


def standard_error(accuracy: float, weight: np.ndarray) -> float:
    """Return the standard error of an accuracy on examples of these weights; above 0 even if all are right.

    References
    ----------
    Agresti and Coull 1998, "Approximate is better than 'exact' for interval estimation of binomial proportions".
    """
    effective = weight.sum() ** 2 / np.square(weight).sum() + 4
    share = (accuracy * (effective - 4) + 2) / effective
    return float(np.sqrt(share * (1 - share) / effective))


def _optimisers(network: Network, config: TrainingConfig, device: torch.device) -> list[torch.optim.Optimizer]:
    """Return Muon for the kernels of the blocks, and AdamW for the rest; biases and normalisation have no decay."""
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


@torch.no_grad()
def evaluate(
    network: Network, examples: Examples, device: torch.device, batch_size: int, peers: Peers = ALONE
) -> tuple[float, float]:
    """Return weighted mean loss and accuracy, without smoothing or augmentation, see `gridcnn.training.objective`."""
    network.eval()
    totals = torch.zeros(2)
    sizes = lengths_needed(examples.windows, network.frontend, network.backbone)
    order = peers.deal(batches_in_order(len(examples.target), batch_size, sizes))
    for batch, rows in zip(order, batches(examples.windows, order), strict=True):
        logits = network(torch.from_numpy(without_padding(rows, sizes, batch)).to(device)).float().cpu()
        target, weight = torch.from_numpy(examples.target[batch]), torch.from_numpy(examples.weight[batch]).float()
        totals += torch.stack([(losses(logits, target) * weight).sum(), (hits(logits, target) * weight).sum()])
    loss, accuracy = (peers.summed(totals) / float(examples.weight.sum())).tolist()
    return loss, round(accuracy, 6)  # of sums in float32: or all right would not be 1
