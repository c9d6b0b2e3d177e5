"""How every number of the column voted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gridcnn.explain.patches import Patch, patch_under
from gridcnn.explain.tracing import Trace

__all__ = ["Contribution", "Contributions", "votes"]


@dataclass(frozen=True)
class Contribution:
    """What one entry of the column said for or against a class.

    Parameters
    ----------
    entry : int
        Its index in the column that votes.
    value, weight, product : float
        The entry, its weight for the class, and the vote: their product.
    patch : Patch
        The piece of the input that the entry rests on most.
    """

    entry: int
    value: float
    weight: float
    product: float
    patch: Patch


@dataclass(frozen=True)
class Contributions:
    """The classic weight picture of one class: the sum of column × weights, plus the bias, is the logit.

    Parameters
    ----------
    label : object
        The class.
    column, weights, products : ndarray of shape (entries,)
        The entries that vote (after the last dense layer, where there is one), their weights, and the votes.
    bias, logit : float
        `logit` is the sum of `products` and `bias`.
    strongest_for, strongest_against : tuple of Contribution
        Strongest first.
    """

    label: Any
    column: np.ndarray
    weights: np.ndarray
    products: np.ndarray
    bias: float
    logit: float
    strongest_for: tuple[Contribution, ...]
    strongest_against: tuple[Contribution, ...]


def votes(trace: Trace, label: Any = None, count: int = 10) -> Contributions:
    """Return how the column voted for a class, with its strongest votes for and against.

    Parameters
    ----------
    trace : Trace
        What the network did to an item.
    label : object
        The class; None takes the predicted one.
    count : int
        How many votes each way at most; entries that are 0 have no vote.

    Raises
    ------
    ConfigurationError
        If there is no such class.
    """
    step, target = trace.steps[-1], trace.class_index(label)
    column, weights = step.input, step.weights[target]
    products = column * weights
    order = np.argsort(-products, kind="stable")

    def strongest(entries: np.ndarray) -> tuple[Contribution, ...]:
        return tuple(
            Contribution(
                entry, float(column[entry]), float(weights[entry]), float(products[entry]), _origin(trace, entry)
            )
            for entry in map(int, entries[:count])
        )

    return Contributions(
        label=trace.classes[target],
        column=column,
        weights=weights,
        products=products,
        bias=float(step.bias[target]),
        logit=float(step.output[target]),
        strongest_for=strongest(order[products[order] > 0]),
        strongest_against=strongest(order[products[order] < 0][::-1]),
    )


def _origin(trace: Trace, entry: int) -> Patch:
    """Return the piece of the input under the cell of the last maps that an entry of the column rests on most.

    Asking the gradient serves every head: a flattened map (one cell), its maximum (one), its mean (all), dense layers.
    """
    last = [step for step in trace.steps if step.block][-1]
    maps = torch.from_numpy(last.output)[None].requires_grad_()
    values = maps
    for step in trace.steps[trace.steps.index(last) + 1 : -1]:
        values = step.run(values)
    (gradient,) = torch.autograd.grad(values[0, entry], maps)
    share = (gradient * maps)[0].detach().numpy()
    kernel, *cell = np.unravel_index(share.argmax(), share.shape)
    return patch_under(trace, last, int(kernel) + 1, cell)
