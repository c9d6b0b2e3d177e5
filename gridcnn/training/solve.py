"""Learning in one step: kernels are fixed contrasts, thresholds come from the training grids, and logits are solved.

Some dozens of series say too little for thousands of kernels to be learned from them. But many fixed kernels, each a
contrast of a few cells at some distance, describe a curve well, and the logits that tell classes apart by the shares of
cells above thresholds follow from linear equations. The network is the classic one with one block, and nothing else
knows how its weights were found.

References
----------
Dempster et al. 2021, "MiniRocket: a very fast (almost) deterministic transform for time series classification", for
kernels and thresholds; Tan et al. 2022, "MultiRocket", for a second feature of each map.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from gridcnn.errors import ConfigurationError
from gridcnn.model import EpochRecord, Network
from gridcnn.multilabel import item_hits, item_losses, shares
from gridcnn.network.layers import ParallelBranches, to_channels_last
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.config import TrainingConfig
from gridcnn.training.loop import Examples, Outcome, evaluate

__all__ = ["CONTRASTS", "SIZE", "solve"]

SIZE = 9
"""Cells of a kernel."""

CONTRASTS = math.comb(SIZE, 3)
"""Kernels that weigh three cells against the others."""

PENALTIES = np.logspace(-2, 5, 15)
"""Of the squares of the logits' weights, for features of variance 1: the one that does best on items left out."""

ABOVE = 1e-5
"""How far a threshold lies above its quantile: on a plateau, rounding would decide which cells exceed it."""

FACTORS = np.geomspace(0.5, 50, 25).tolist()
"""Scales of the logits that are tried."""

GOLDEN = (math.sqrt(5) + 1) / 2
SHARE_OF_CACHE = 4
MOST_SHARED = 9
"""Channels that a kernel looks at."""


@torch.inference_mode()
def solve(
    network: Network,
    examples: Examples,
    config: TrainingConfig,
    *,
    validation: Examples | None = None,
    device: torch.device | None = None,
    callback: Callback | None = None,
    keep_kernels: bool = False,
) -> Outcome:
    """Set all weights of a network with one block in one step; leave it on `device`. The parameters are `train`'s.

    `keep_kernels` leaves them and their thresholds as they are.

    Random numbers come from torch's global generator: run inside `seeded` for two identical runs.

    Raises
    ------
    ConfigurationError
        If the network has several blocks, kernels of other sizes, batch normalisation, or dense layers.
    """
    started, device = time.perf_counter(), device or torch.device("cpu")
    callbacks = CallbackList([] if callback is None else [callback])
    _check(network)
    network.to(device).eval()
    callbacks.on_start(1, 1)
    random = np.random.default_rng(int(torch.randint(2**31, ()).item()))
    if not keep_kernels:
        _set_kernels(network, examples, random, device)
    features = _features(network, examples, config.batch_size, device)
    loss, accuracy = _set_logits(network, features, examples)
    scores = (math.nan, math.nan) if validation is None else evaluate(network, validation, device, config.batch_size)
    seconds = time.perf_counter() - started
    record = EpochRecord(1, loss, accuracy, *scores, 0.0, seconds, len(examples.target) / seconds)
    callbacks.on_epoch(record, network)
    callbacks.on_end()
    return Outcome([record], 1, interrupted=False)


def _check(network: Network) -> None:
    config = network.backbone.config
    if (
        len(network.backbone.spec.axes) > 1
        or (len(config.kernels), config.convs_per_block, config.kernel_sizes) != (1, 1, (SIZE,))
        or config.batch_norm
        or config.dense
        or config.head == "flatten"
        or config.summed_kernels
        or any(parameter.requires_grad for parameter in network.frontend.parameters())
    ):
        raise ConfigurationError(
            f"solved=True sets a network of one block for grids with one axis: kernels=(N,), kernel_sizes=({SIZE},), "
            "convs_per_block=1, batch_norm=False, dense=(), summed_kernels=0, and a head other than flatten"
        )


def _grids(network: Network, examples: Examples, rows: np.ndarray, device: torch.device) -> Tensor:
    grids: Tensor = network.frontend(torch.from_numpy(np.array(examples.windows[rows])).to(device))
    return to_channels_last(grids)


def _set_kernels(network: Network, examples: Examples, random: np.random.Generator, device: torch.device) -> None:
    """Give each kernel a contrast and some channels, and a threshold that a random window passes here and there."""
    contrasts = np.full((CONTRASTS, SIZE), -1.0)
    for contrast, cells in zip(contrasts, itertools.combinations(range(SIZE), 3), strict=True):
        contrast[list(cells)] = 2.0
    branches: Any = network.backbone.blocks[0].convs[0]  # type: ignore[index]
    used = 0
    for branch in branches:
        n_kernels, n_channels = branch.weight.shape[:2]
        kinds = np.arange(n_kernels) * CONTRASTS // max(n_kernels, CONTRASTS)
        weights = np.zeros((n_kernels, n_channels, SIZE))
        for kind in np.unique(kinds):  # kernels of one contrast stand side by side, so that their quantiles spread out
            share = int(2 ** random.uniform(0, math.log2(min(n_channels, MOST_SHARED) + 1)))
            channels = random.choice(n_channels, share, replace=False)
            weights[np.ix_(kinds == kind, channels)] = contrasts[kind]
        branch.weight.copy_(torch.from_numpy(weights))
        branch.bias.zero_()
        quantiles = (np.arange(used + 1, used + n_kernels + 1) * GOLDEN) % 1
        used += n_kernels
        rows = random.choice(len(examples.target), CONTRASTS, p=examples.weight / examples.weight.sum())
        of_kinds, firsts = np.unique(kinds, return_index=True)
        contrasting = F.conv1d(
            _grids(network, examples, rows, device),
            branch.weight[torch.from_numpy(firsts)],
            padding=branch.dilation[0] * (SIZE // 2),
            dilation=branch.dilation,
        )
        cells = contrasting.cpu().numpy()[of_kinds, np.arange(len(of_kinds))]  # (kinds, cells)
        thresholds = _quantiles(cells, np.searchsorted(of_kinds, kinds), quantiles)
        branch.bias.copy_(-torch.from_numpy(thresholds + ABOVE * (1 + np.abs(thresholds))))


def _quantiles(cells: np.ndarray, row: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return a quantile of one row of cells for each entry of `row`, between cells by linear interpolation."""
    ordered, place = np.sort(cells, axis=1), at * (cells.shape[1] - 1)
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, cells.shape[1] - 1)
    low, high = ordered[row, below], ordered[row, above]
    found: np.ndarray = low + (high - low) * (place - below)
    return found


def _features(network: Network, examples: Examples, batch_size: int, device: torch.device) -> np.ndarray:
    """Return the feature vectors of all windows, `(n, features)`.

    One branch at a time, whose maps fit the caches of a processor where those of all would not.
    """
    block: Any = network.backbone.blocks[0]
    branches = list(block.convs[0])
    at_once = batch_size * math.ceil(len(branches) / SHARE_OF_CACHE)

    def parts() -> Iterator[np.ndarray]:
        for rows in np.array_split(np.arange(len(examples.target)), math.ceil(len(examples.target) / at_once)):
            grids = _grids(network, examples, rows, device)
            found = []
            for branch in branches:
                maps = block.pool(torch.relu(ParallelBranches([branch])(grids)))
                features = network.backbone.features(maps)
                found.append(features.reshape(len(maps), -1, maps.shape[1]))
            yield torch.cat(found, dim=2).flatten(1).cpu().numpy()

    return np.concatenate(list(parts()))


def _set_logits(network: Network, features: np.ndarray, examples: Examples) -> tuple[float, float]:
    """Solve the logits; return their loss and accuracy on windows that were left out of the equations one by one.

    Ridge regression of the classes, +1 and -1. Its errors on each window left out have a closed form, which chooses the
    penalty and the scale of the logits.
    """
    n_classes = network.backbone.n_classes
    weight = examples.weight.astype(np.float64) / examples.weight.mean()
    mean = np.average(features, axis=0, weights=weight).astype(np.float64)
    std = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    scale = np.where(std > 1e-6, 1 / np.maximum(std, 1e-6), 0.0)
    root = np.sqrt(weight)[:, None]
    rows = (features - mean) * scale * root
    target = examples.target
    named = target > 0 if target.ndim > 1 else target[:, None] == np.arange(n_classes)
    classes = np.where(named, 1.0, -1.0)
    level = np.average(classes, axis=0, weights=weight)
    wanted = (classes - level) * root
    values, vectors = np.linalg.eigh(rows @ rows.T)
    values, turned = np.maximum(values, 0), vectors.T @ wanted
    level_free = np.arange(len(values)) != np.abs(vectors.T @ root).argmax()  # the bias fits the level at any penalty
    best: tuple[float, float, float, np.ndarray] | None = None
    for penalty in PENALTIES.tolist():
        shrunk = level_free / (values + penalty)
        solved = vectors @ (turned * shrunk[:, None])  # (n, classes)
        inverse = (vectors**2 * shrunk).sum(axis=1, keepdims=True)
        left_out = (wanted - solved / inverse) / root + level  # what each window would be given without it
        loss, factor = _loss_at_best_scale(left_out, examples.target, weight)
        wrong = float(np.average((classes - left_out) ** 2, axis=0, weights=weight).sum())
        if best is None or wrong < best[0]:
            best = (wrong, loss, factor, left_out)
            coefficients = (rows.T @ solved) * scale[:, None] * factor
            bias = (level - (mean * scale) @ (rows.T @ solved)) * factor
    assert best is not None
    output = network.backbone.output
    output.weight.copy_(torch.from_numpy(coefficients.T))
    output.bias.copy_(torch.from_numpy(bias))
    return best[1], float(np.average(item_hits(best[3], examples.target), weights=weight))


def _loss_at_best_scale(answers: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return the cross-entropy of answers times a factor, and the factor for which it is lowest."""
    if target.ndim > 1:
        losses = {
            factor: float(np.average(item_losses(shares(answers * factor, several=True), target), weights=weight))
            for factor in FACTORS
        }
        return min((loss, factor) for factor, loss in losses.items())

    def loss(factor: float) -> float:
        logits = answers * factor
        logits = logits - logits.max(axis=1, keepdims=True)
        chances = logits[np.arange(len(target)), target] - np.log(np.exp(logits).sum(axis=1))
        return float(-np.average(chances, weights=weight))

    return min((loss(factor), factor) for factor in FACTORS)
