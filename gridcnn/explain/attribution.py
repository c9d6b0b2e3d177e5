"""Attribution: which cells of the input an answer rests on, by gradients (captum)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gridcnn.errors import ConfigurationError
from gridcnn.explain.tracing import Trace

__all__ = ["METHODS", "attribute", "grad_cam"]

METHODS = ("smooth_integrated_gradients", "integrated_gradients", "input_x_gradient", "saliency")
"""The first is the default: it was best on validation items, see benchmarks/attribution.py."""

PATH_STEPS = 24  # an even number
MIDDLE = (0.25, 0.75)  # of the path from the empty grid
NOISE = 0.25  # of the grid's standard deviation
BATCH = 8


def attribute(trace: Trace, label: Any = None, *, method: str = METHODS[0], random_state: int = 0) -> np.ndarray:
    """Return how much each cell of the grid speaks for a class.

    The explained quantity is the log-probability of the class. Integrated gradients are taken along the path from an
    empty grid (`Adapter.empty_grid`) to the item's, and add up to the difference between the two. The smooth kind adds
    random noise to each step of the path, which averages out gradients that change from one cell to the next, and
    covers only the middle of the path: near its ends either nothing is visible yet, or the answer is settled.

    Parameters
    ----------
    trace : Trace
        The record of one item.
    label : object
        The class; None takes the predicted one.
    method : str
        One of `METHODS`.
    random_state : int
        Seed of the noise.

    Returns
    -------
    ndarray of shape (*sizes)
        Summed over the channels, so that a text has one value a token. Positive speaks for the class, negative against.

    Raises
    ------
    ConfigurationError
        If there is no such class or method.

    References
    ----------
    Sundararajan et al. 2017, "Axiomatic attribution for deep networks"; Smilkov et al. 2017, "SmoothGrad".
    """
    from captum.attr import InputXGradient, IntegratedGradients, Saliency  # noqa: PLC0415  (a trace needs no captum)

    if method not in METHODS:
        raise ConfigurationError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    score = _LogProbability(trace, label)
    grid = torch.from_numpy(trace.grid).float()[None]
    empty = trace.adapter.empty_grid(grid[0])[None].clone()
    if method == "smooth_integrated_gradients":
        drawn = np.random.default_rng(random_state).normal(size=(PATH_STEPS // 2, *trace.grid.shape))
        noise = torch.from_numpy(np.stack([drawn, -drawn], axis=1)).float().flatten(0, 1)  # in pairs, whose mean is 0
        along = torch.linspace(*MIDDLE, PATH_STEPS).reshape(-1, *[1] * trace.grid.ndim)
        path = torch.lerp(empty, grid, along) + NOISE * grid.std() * noise
        gradients = [Saliency(score).attribute(part.requires_grad_(), abs=False) for part in torch.split(path, BATCH)]
        found = torch.cat(gradients).mean(dim=0) * (grid - empty)[0]
    elif method == "integrated_gradients":
        found = IntegratedGradients(score).attribute(grid, empty, n_steps=PATH_STEPS, internal_batch_size=BATCH)[0]
    elif method == "input_x_gradient":
        found = InputXGradient(score).attribute(grid.requires_grad_())[0]
    else:
        found = Saliency(score).attribute(grid.requires_grad_(), abs=False)[0]
    attribution: np.ndarray = found.sum(dim=0).double().detach().numpy()
    return attribution


def grad_cam(trace: Trace, label: Any = None, block: int | None = None) -> np.ndarray:
    """Return where the maps that speak for a class are active, by Grad-CAM on what a block passes on.

    Parameters
    ----------
    trace : Trace
        The record of one item.
    label : object
        The class; None takes the predicted one.
    block : int or None
        Number of the block, from 1; None takes the last, whose maps say most and are coarsest.

    Returns
    -------
    ndarray of shape (*sizes)
        Never negative; interpolated to the size of the grid.

    Raises
    ------
    ConfigurationError
        If there is no such class or block.

    References
    ----------
    Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
    """
    from captum.attr import LayerAttribution, LayerGradCam  # noqa: PLC0415

    number = trace.n_blocks if block is None else block
    trace.block(number)  # raises an error if there is none
    score = _LogProbability(trace, label, number)
    grid = torch.from_numpy(trace.grid).float()[None].requires_grad_()
    coarse = LayerGradCam(score, score.after_block).attribute(grid, relu_attributions=True)
    kind = ("linear", "bilinear")[len(trace.spec.axes) - 1]
    found: np.ndarray = LayerAttribution.interpolate(coarse, trace.spec.sizes, kind)[0, 0].double().detach().numpy()
    return found


class _LogProbability(nn.Module):
    """The logarithm of one class's probability; a hook can stand after one block.

    In float32, unlike the trace: it takes a third of the time, and what rounding adds is far below the noise.
    """

    def __init__(self, trace: Trace, label: Any, block: int = 1) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(trace.backbone).float()
        self.target = trace.class_index(label)
        self.several = trace.thresholds is not None
        self.after_block = nn.Identity()
        self._last_of_block = max(at for at, step in enumerate(self.backbone.steps()) if step.block == block)

    def forward(self, grids: Tensor) -> Tensor:
        """(batch, *spec.shape) → log-probabilities (batch,); with several labels, that of the label alone."""
        values = grids
        for at, step in enumerate(self.backbone.steps()):
            values = step.run(values)
            if at == self._last_of_block:
                values = self.after_block(values)
        if self.several:
            return torch.nn.functional.logsigmoid(values[:, self.target])
        return values.log_softmax(dim=1)[:, self.target]
