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
from collections.abc import Mapping
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
from gridcnn.training.votes import shifted

__all__ = ["Bag", "Mixture", "add_bag", "can_hold_bag", "learn_bag", "mixture_of", "with_bag"]

STRENGTHS = (3.0, 10.0, 30.0)
"""Inverses of the penalty that are tried, for counts of unit norm on average."""

USUAL = 10.0

MOST_TRIED = 2e7
"""Counts times classes above which one penalty has to do."""

MOST_STEPS, TOLERANCE = 100, 1e-3

EQUAL = (0.5, 0.5)
"""Shares of the kernels and of the bag if nothing is held out."""

LEANING = 0.25
"""Share of the log frequencies of the classes that is taken off: what is penalised leans to frequent classes."""

CAUTION = 0.3
"""Items' worth of belief in equal shares."""

LEAST_SHARE = 0.05
"""Of the weight of the kernels; a bag that counts less is left out."""


class Bag(NamedTuple):
    """A linear classifier of counts: `evidence` (counted things, n_classes) and `bias` (n_classes,)."""

    evidence: np.ndarray
    bias: np.ndarray

    def logits(self, counts: csr_array) -> np.ndarray:
        """Return the logits of items, `(n, n_classes)`."""
        logits: np.ndarray = counts @ self.evidence + self.bias
        return logits


class Mixture(NamedTuple):
    """How a bag is learned, and how much it counts.

    Parameters
    ----------
    kernels, bag : float
        What the logits of the kernels and of the bag are multiplied with.
    strength : float
        Inverse of the penalty of the bag.
    """

    kernels: float
    bag: float
    strength: float

    def __str__(self) -> str:
        if not self.bag:
            return "a bag of words adds nothing to the kernels, so the network has none"
        if not self.kernels:
            return "kernels add nothing to a bag of words, so the network is one: they weigh 0"
        shares = f"the kernels weigh {self.kernels:.2f}, the bag {self.bag:.2f}"
        return f"beside its kernels the network has a bag of words (or of characters): {shares}"


def can_hold_bag(adapter: Any, network: Network) -> bool:
    """Whether the items can be counted, and the network has a place for the evidence."""
    return hasattr(adapter, "counts") and network.backbone.config.has_one_convolution and not network.flip_axes


def learn_bag(
    counts: csr_array, examples: Examples, n_classes: int, strength: float, earlier: np.ndarray | None = None
) -> Bag:
    """Fit logistic regression to counts, in which what stands in fewer examples counts more.

    `earlier` evidence is learned further, and pulls back what is learned.
    """
    present = np.asarray((counts > 0).sum(axis=0)).ravel()
    scale = np.where(present > 0, np.log((1 + len(examples.target)) / (1 + present)) + 1, 0)
    scaled = counts @ diags_array(scale)
    norm = float(np.sqrt(scaled.multiply(scaled).sum(axis=1)).mean()) or 1.0
    if earlier is not None:
        more, bias = shifted(scaled / norm, counts @ earlier, examples, strength)
        return Bag(earlier + more * (scale / norm)[:, None], bias)
    if examples.target.ndim > 1:
        return _one_against_rest(scaled / norm, scale / norm, examples, strength)
    model = _fitted(scaled / norm, examples.target, examples, strength)
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row, for the second class
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    evidence = np.zeros((counts.shape[1], n_classes))
    evidence[:, model.classes_] = (weights * (scale / norm)).T
    of_all = np.full(n_classes, bias.min() - np.log(len(examples.target)))  # a class without examples
    of_all[model.classes_] = bias
    return Bag(evidence, of_all)


def _fitted(counts: csr_array, target: np.ndarray, examples: Examples, strength: float) -> LogisticRegression:
    model = LogisticRegression(C=strength, max_iter=MOST_STEPS, tol=TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a little less than the optimum serves as well
        return model.fit(counts, target, sample_weight=examples.weight / examples.weight.mean())


def _one_against_rest(counts: csr_array, scale: np.ndarray, examples: Examples, strength: float) -> Bag:
    """Fit one classifier for each label; of a label that all examples have, or none, only its frequency is known."""
    total, positive = examples.weight.sum(), (examples.target * examples.weight[:, None]).sum(axis=0)
    bias = np.log((positive + 0.5) / (total - positive + 0.5))
    evidence = np.zeros((counts.shape[1], len(bias)))
    for at in np.flatnonzero((positive > 0) & (positive < total)).tolist():
        model = _fitted(counts, examples.target[:, at], examples, strength)
        evidence[:, at], bias[at] = model.coef_[0] * scale, model.intercept_[0]
    return Bag(evidence, bias)


def mixture_of(kernels: np.ndarray, bags: Mapping[float, np.ndarray], held: Examples) -> Mixture:
    """Return the mixture with the least loss on examples held out.

    Parameters
    ----------
    kernels : ndarray of shape (n, n_classes)
        Logits of the kernels.
    bags : mapping of float to ndarray of shape (n, n_classes)
        Logits of the bag, by its strength.
    held : Examples
        The n examples.
    """

    def loss(shares: np.ndarray, bag: np.ndarray) -> float:
        lost = _losses(shares[0] * kernels + shares[1] * bag, held.target)
        return float((held.weight * lost).sum() / held.weight.mean() + CAUTION * np.square(shares - EQUAL).sum())

    found = []
    for strength, bag in bags.items():
        best = minimize(loss, EQUAL, (bag,), bounds=[(0, 3), (0, 3)], method="L-BFGS-B")
        of_kernels, of_bag = best.x.tolist()
        found.append((best.fun, Mixture(of_kernels, of_bag, strength)))
    mixture = min(found)[1]
    helps = mixture.bag > LEAST_SHARE * mixture.kernels
    return mixture if helps else mixture._replace(kernels=1.0, bag=0.0)


def _losses(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the loss of each example, exact for large logits too."""
    if target.ndim == 1:
        lost: np.ndarray = -log_softmax(logits, axis=1)[np.arange(len(target)), target]
        return lost
    summed: np.ndarray = np.logaddexp(0, np.where(target > 0, -logits, logits)).sum(axis=1)
    return summed


def with_bag(network: Network, adapter: Any, bag: Bag, mixture: Mixture, leaning: np.ndarray) -> Network:
    """Return the network with a bag in it; the adapter's grids get the channels of the evidence.

    `leaning` is taken off the logits `(n_classes,)`.
    """
    before = network.backbone
    n_classes, n_maps = before.n_classes, before.output.in_features
    adapter.take_evidence(network.frontend, bag.evidence)
    config = replace(before.config, summed_kernels=2 * n_classes)
    with torch.random.fork_rng([]), torch.no_grad():
        after = ConvPoolDense(adapter.spec_, config, n_classes)
        blocks: Any = (before.blocks, after.blocks)  # a ModuleList forgets what it holds
        known, convolution = (each[0].convs[0] for each in blocks)
        for old, new in zip(known, convolution, strict=False):
            new.weight.zero_()
            new.weight[:, :-n_classes] = old.weight
            new.bias.copy_(old.bias)
        one = torch.eye(n_classes)
        convolution[-1].weight.zero_()
        convolution[-1].weight[:, -n_classes:, 0] = torch.cat([one, -one])  # for a class, and against it
        after.output.weight[:, :n_maps] = mixture.kernels * before.output.weight
        after.output.weight[:, n_maps:] = mixture.bag * torch.cat([one, -one], dim=1)
        of_bag = torch.from_numpy(mixture.bag * bag.bias - leaning)
        after.output.bias.copy_(mixture.kernels * before.output.bias + of_bag)
    return Network(network.frontend, after, network.flip_axes, several=network.several)


def add_bag(
    network: Network,
    adapter: Any,
    examples: Examples,
    held: Examples | None,
    mixture: Mixture | None,
    batch_size: int,
    earlier: np.ndarray | None = None,
) -> tuple[Network, Mixture]:
    """Learn a bag from examples, put it into the network, and return both how and the network, on the CPU.

    Parameters
    ----------
    network : Network
        Trained on the examples; its frontend is the adapter's.
    adapter : Adapter
        A fitted one with the methods `counts` and `take_evidence`.
    examples : Examples
        To learn from.
    held : Examples or None
        Held out, to choose the mixture by.
    mixture : Mixture or None
        What was chosen already.
    batch_size : int
        Windows at a time.
    earlier : ndarray or None
        Evidence that is learned further.
    """
    network.to("cpu").eval()
    n_classes, counts = network.backbone.n_classes, adapter.counts(examples.windows)
    strengths = STRENGTHS if held is not None and counts.nnz * n_classes <= MOST_TRIED else (USUAL,)
    strengths = strengths if mixture is None else (mixture.strength,)
    bags = {strength: learn_bag(counts, examples, n_classes, strength, earlier) for strength in strengths}
    if mixture is None and held is not None:
        of_kernels = logits_of(network, held.windows, torch.device("cpu"), batch_size)[:, 0]
        counts = adapter.counts(held.windows)
        mixture = mixture_of(of_kernels, {each: bag.logits(counts) for each, bag in bags.items()}, held)
    chosen = mixture or Mixture(*EQUAL, USUAL)
    if not chosen.bag:
        return network, chosen
    leaning = np.zeros(n_classes)  # with several labels, thresholds see to frequent ones
    if examples.target.ndim == 1:
        frequency = np.bincount(examples.target, examples.weight, minlength=n_classes) + examples.weight.mean()
        leaning = LEANING * np.log(frequency / frequency.sum())
    return with_bag(network, adapter, bags[chosen.strength], chosen, leaning), chosen
