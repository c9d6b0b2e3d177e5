"""Contributions: how much every feature adds to the logit of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gridcnn.explain.patches import Patch, patch_under
from gridcnn.explain.tracing import Trace
from gridcnn.network.heads import parts_of

__all__ = ["Contribution", "Contributions", "contributions"]


@dataclass(frozen=True)
class Contribution:
    """The contribution of one feature to the logit of a class.

    Parameters
    ----------
    index : int
        Its index in the feature vector.
    feature, weight, product : float
        The feature, its weight for the class, and their product, which is the contribution.
    patch : Patch
        The piece of the input that the feature rests on most.
    kind : str
        What the feature is: one of the `"cells"` of a map, its `"largest"` cell or that of a part of it, the `"mean"`,
        `"share"` (above 0) or `"sum"` of all its cells, or a `"neuron"` of a dense layer. Means, shares and sums
        rest on all cells, so their patch does not say where.
    """

    index: int
    feature: float
    weight: float
    product: float
    patch: Patch
    kind: str


@dataclass(frozen=True)
class Contributions:
    """All contributions to the logit of a class; with the bias they add up to it.

    Parameters
    ----------
    label : object
        The class.
    features, weights, products : ndarray of shape (features,)
        The input of the last dense layer, its weights for the class, and the contributions.
    bias, logit : float
        `logit` is the sum of `products` and `bias`.
    strongest_for, strongest_against : tuple of Contribution
        Strongest first.
    """

    label: Any
    features: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    bias: float
    logit: float
    strongest_for: tuple[Contribution, ...]
    strongest_against: tuple[Contribution, ...]


def contributions(trace: Trace, label: Any = None, count: int = 10) -> Contributions:
    """Return how much every feature adds to the logit of a class, with the strongest for and against it.

    Parameters
    ----------
    trace : Trace
        The record of one item.
    label : object
        The class; None takes the predicted one.
    count : int
        Largest number of strongest contributions each way; features that are 0 contribute nothing.

    Raises
    ------
    ConfigurationError
        If there is no such class.
    """
    step, target = trace.steps[-1], trace.class_index(label)
    features, weights = step.input, step.weights[target]
    products = features * weights
    kinds = _kinds(trace)
    order = np.argsort(-products, kind="stable")

    def strongest(indices: np.ndarray) -> tuple[Contribution, ...]:
        return tuple(
            Contribution(
                at, float(features[at]), float(weights[at]), float(products[at]), _origin(trace, at), kinds[at]
            )
            for at in map(int, indices[:count])
        )

    return Contributions(
        label=trace.classes[target],
        features=features,
        weights=weights,
        products=products,
        bias=float(step.bias[target]),
        logit=float(step.output[target]),
        strongest_for=strongest(order[products[order] > 0]),
        strongest_against=strongest(order[products[order] < 0][::-1]),
    )


def _kinds(trace: Trace) -> list[str]:
    """Return what each feature is."""
    config, last = trace.backbone.config, [step for step in trace.steps if step.block][-1]
    if config.dense:
        return ["neuron"] * len(trace.steps[-1].input)
    sizes = last.output.shape[1:]
    parts = parts_of(config.head, sizes)
    each = (len(trace.steps[-1].input) - config.summed_kernels) // len(parts)
    return [*(part.kind for part in parts for _ in range(each)), *["sum"] * config.summed_kernels]


def _origin(trace: Trace, index: int) -> Patch:
    """Return the piece of the input under the cell of the last maps that a feature rests on most.

    The gradient finds it for every head: a flattened map (one cell), its maximum (one), its mean (all), dense layers.
    """
    last = [step for step in trace.steps if step.block][-1]
    after = trace.steps[trace.steps.index(last) + 1 : -1]
    maps, first, config = torch.from_numpy(last.output)[None], 0, trace.backbone.config
    if config.head != "flatten" and not config.dense and not config.summed_kernels:
        index, first = divmod(index, maps.shape[1])  # of thousands of maps, one alone is in a feature
        maps = maps[:, first : first + 1]
    values = maps.requires_grad_()
    for step in after:
        values = step.run(values)
    (gradient,) = torch.autograd.grad(values[0, index], maps)
    share = (gradient * maps)[0].detach().numpy()
    kernel, *cell = np.unravel_index(share.argmax(), share.shape)
    return patch_under(trace, last, first + int(kernel) + 1, cell)
