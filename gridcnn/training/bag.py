"""A bag beside the kernels: what counts of words and phrases alone tell about the class becomes part of the network.

A linear classifier of counts is the sum of what each token and each run of tokens says for each class. This evidence
becomes further channels of the grid. Kernels of one cell pick it up, one for what speaks for a class and one for what
speaks against it; their maps are summed over the grid beside the maxima, and the last layer adds these sums to the
logits of the kernels. How much each counts is chosen on items that neither has seen, so that the network is not behind
its own bag. It remains convolution, ReLU, pooling and dense.

References
----------
Wang and Manning 2012, "Baselines and bigrams", for the strength of bags of words; Wolpert 1992, "Stacked
generalization", for weights from items held out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_array, diags_array
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.training.certainty import logits_of
from gridcnn.training.loop import Examples

__all__ = ["EQUAL", "Bag", "add_bag", "can_hold_bag", "learn_bag", "shares_of", "with_bag"]

STRENGTH = 3.0
"""Inverse of the penalty, for counts of unit norm on average."""

MOST_STEPS, TOLERANCE = 100, 1e-3

EQUAL = (0.5, 0.5)
"""Shares of the kernels and of the bag if nothing is held out."""

CAUTION = 10.0
"""Items' worth of belief in equal shares."""


class Bag(NamedTuple):
    """A linear classifier of counts: `evidence` (counted things, n_classes) and `bias` (n_classes,)."""

    evidence: np.ndarray
    bias: np.ndarray

    def logits(self, counts: csr_array) -> np.ndarray:
        """Return the logits of items, `(n, n_classes)`."""
        logits: np.ndarray = counts @ self.evidence + self.bias
        return logits


def can_hold_bag(adapter: Any, network: Network) -> bool:
    """Whether the items can be counted, and the network has a place for the evidence."""
    return hasattr(adapter, "counts") and network.backbone.config.has_one_convolution and not network.flip_axes


def learn_bag(counts: csr_array, examples: Examples, n_classes: int) -> Bag:
    """Fit logistic regression to counts, in which what stands in fewer examples counts more."""
    present = np.asarray((counts > 0).sum(axis=0)).ravel()
    scale = np.where(present > 0, np.log((1 + len(examples.target)) / (1 + present)) + 1, 0)
    scaled = counts @ diags_array(scale)
    norm = float(np.sqrt(scaled.multiply(scaled).sum(axis=1)).mean()) or 1.0
    model = LogisticRegression(C=STRENGTH, max_iter=MOST_STEPS, tol=TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a little less than the optimum serves as well
        model.fit(scaled / norm, examples.target, sample_weight=examples.weight / examples.weight.mean())
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row, for the second class
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    evidence = np.zeros((counts.shape[1], n_classes))
    evidence[:, model.classes_] = (weights * (scale / norm)).T
    of_all = np.full(n_classes, bias.min() - np.log(len(examples.target)))  # a class without examples
    of_all[model.classes_] = bias
    return Bag(evidence, of_all)


def shares_of(kernels: np.ndarray, bag: np.ndarray, target: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return what to multiply the logits of kernels and bag with, `(n, n_classes)`, for the least loss of their sum."""
    rows = np.arange(len(target))

    def loss(shares: np.ndarray) -> float:
        logs = log_softmax(shares[0] * kernels + shares[1] * bag, axis=1)[rows, target]
        return float(-(weight * logs).sum() / weight.mean() + CAUTION * np.square(shares - EQUAL).sum())

    found = minimize(loss, EQUAL, bounds=[(0, 3), (0, 3)], method="L-BFGS-B").x
    return float(found[0]), float(found[1])


def with_bag(network: Network, adapter: Any, bag: Bag, shares: Sequence[float]) -> Network:
    """Return the network with a bag in it; the adapter's grids get the channels of the evidence."""
    before, (of_kernels, of_bag) = network.backbone, shares
    n_classes, n_maps = before.n_classes, before.output.in_features
    adapter.take_evidence(network.frontend, bag.evidence)
    config = replace(before.config, summed_kernels=2 * n_classes)
    with torch.random.fork_rng([]), torch.no_grad():
        after = ConvPoolDense(adapter.spec_, config, n_classes)
        convolution: Any = after.blocks[0].convs[0]
        for old, new in zip(before.blocks[0].convs[0], convolution, strict=False):
            new.weight.zero_()
            new.weight[:, :-n_classes] = old.weight
            new.bias.copy_(old.bias)
        one = torch.eye(n_classes)
        convolution[-1].weight.zero_()
        convolution[-1].weight[:, -n_classes:, 0] = torch.cat([one, -one])  # for a class, and against it
        after.output.weight[:, :n_maps] = of_kernels * before.output.weight
        after.output.weight[:, n_maps:] = of_bag * torch.cat([one, -one], dim=1)
        after.output.bias.copy_(of_kernels * before.output.bias + of_bag * torch.from_numpy(bag.bias))
    return Network(network.frontend, after, network.flip_axes)


def add_bag(
    network: Network,
    adapter: Any,
    examples: Examples,
    held: Examples | None,
    shares: Sequence[float] | None,
    batch_size: int,
) -> tuple[Network, Sequence[float]]:
    """Learn a bag from examples and put it into the network, whose frontend is the adapter's, on the CPU.

    Parameters
    ----------
    network : Network
        Trained on the examples.
    adapter : Adapter
        A fitted one with the methods `counts` and `take_evidence`.
    examples : Examples
        To learn from.
    held : Examples or None
        Held out, to choose the shares by.
    shares : (float, float) or None
        Those of kernels and bag, if they are chosen already.
    batch_size : int
        Windows at a time.

    Returns
    -------
    network : Network
    shares : (float, float)
    """
    network.to("cpu").eval()
    n_classes = network.backbone.n_classes
    bag = learn_bag(adapter.counts(examples.windows), examples, n_classes)
    if shares is None:
        shares = EQUAL
        if held is not None:
            of_kernels = logits_of(network, held.windows, torch.device("cpu"), batch_size)[:, 0]
            shares = shares_of(of_kernels, bag.logits(adapter.counts(held.windows)), held.target, held.weight)
    return with_bag(network, adapter, bag, shares), shares
