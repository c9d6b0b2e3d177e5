"""Votes that are learned further: logistic regression that starts at given logits and is pulled back to them.

References
----------
Li et al. 2018, "Explicit inductive bias for transfer learning with convolutional networks", for the pull.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from gridcnn.model import EpochRecord, Network
from gridcnn.multilabel import item_losses, shares
from gridcnn.network.layers import to_channels_last
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.config import TrainingConfig
from gridcnn.training.loop import Examples, Outcome, evaluate

__all__ = ["learn_votes", "shift_votes", "shifted"]

STRENGTH = 10.0
"""Inverse of the pull on the votes for new classes, for feature vectors of unit norm on average."""

CAUTIOUS = 1.0
"""The same if there are no items of some class: votes that grow take its items for others."""

MOST_STEPS, TOLERANCE = 100, 1e-5


def shifted(
    features: Any, logits: np.ndarray, examples: Examples, strength: float, fixed: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is added to votes and biases so that given logits become better ones.

    Parameters
    ----------
    features : ndarray or csr_array of shape (n, n_features)
        Of the examples.
    logits : ndarray of shape (n, n_classes)
        What the votes say before.
    examples : Examples
        Targets and weights.
    strength : float
        Inverse of the pull back.
    fixed : sequence of int
        Classes whose votes stay.

    Returns
    -------
    (ndarray of shape (n_features, n_classes), ndarray of shape (n_classes,))
    """
    n_features, n_classes = features.shape[1], logits.shape[1]
    weight = (examples.weight / examples.weight.mean()).astype(np.float64)
    learned = np.setdiff1d(np.arange(n_classes), fixed)
    several = examples.target.ndim > 1
    wanted = examples.target.astype(float) if several else np.eye(n_classes)[examples.target]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change = flat.reshape(n_features + 1, len(learned))
        now = logits.copy()
        now[:, learned] += features @ change[:-1] + change[-1]
        chances = shares(now, several=several)
        lost = item_losses(chances, examples.target)
        wrong = (chances - wanted)[:, learned] * weight[:, None]
        slope = np.concatenate([features.T @ wrong, wrong.sum(axis=0, keepdims=True)]) + change / strength
        return float((weight * lost).sum() + (change**2).sum() / (2 * strength)), slope.ravel()

    first = np.zeros((n_features + 1) * len(learned))
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS, "ftol": TOLERANCE})
    change = np.zeros((n_features + 1, n_classes))
    change[:, learned] = found.x.reshape(n_features + 1, len(learned))
    return change[:-1], change[-1]


@torch.no_grad()
def learn_votes(
    network: Network,
    examples: Examples,
    config: TrainingConfig,
    *,
    fixed: Sequence[int] = (),
    validation: Examples | None = None,
    device: torch.device | None = None,
    callback: Callback | None = None,
) -> Outcome:
    """Learn the votes of a network further in one step, but those for the classes `fixed`; its kernels stay."""
    started, device = time.perf_counter(), device or torch.device("cpu")
    callbacks = CallbackList([] if callback is None else [callback])
    callbacks.on_start(1, 1)
    shift_votes(network.to(device), examples, config.batch_size, fixed, device, CAUTIOUS)
    loss, accuracy = evaluate(network, examples, device, config.batch_size)
    scores = (math.nan, math.nan) if validation is None else evaluate(network, validation, device, config.batch_size)
    seconds = time.perf_counter() - started
    record = EpochRecord(1, loss, accuracy, *scores, 0.0, seconds, len(examples.target) / seconds)
    callbacks.on_epoch(record, network)
    callbacks.on_end()
    return Outcome([record], 1, interrupted=False)


@torch.no_grad()
def shift_votes(
    network: Network,
    examples: Examples,
    batch_size: int,
    fixed: Sequence[int],
    device: torch.device,
    strength: float = STRENGTH,
) -> None:
    """Set the votes of a network, but those for the classes `fixed`, to what the features of examples tell."""
    features = _features(network.eval(), examples, batch_size, device)
    output = network.backbone.output
    votes, bias = (each.detach().cpu().numpy().astype(np.float64) for each in (output.weight.T, output.bias))
    norm = float(np.linalg.norm(features, axis=1).mean()) or 1.0
    more, level = shifted(features / norm, features @ votes + bias, examples, strength, fixed)
    output.weight.copy_(torch.from_numpy((votes + more / norm).T))
    output.bias.copy_(torch.from_numpy(bias + level))


def _features(network: Network, examples: Examples, batch_size: int, device: torch.device) -> np.ndarray:
    """Return what the votes are given for each window, `(n, features)`."""
    *before, _ = network.backbone.steps()
    found = []
    for first in range(0, len(examples.target), batch_size):
        windows = torch.from_numpy(np.array(examples.windows[first : first + batch_size])).to(device)
        values = to_channels_last(network.frontend(windows))
        for step in before:
            values = step.run(values)
        found.append(values.float().cpu().numpy().astype(np.float64))
    return np.concatenate(found)
