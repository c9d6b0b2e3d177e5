"""Which cells of the input an answer rests on, by gradients (captum)."""

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
"""The first is the default: it was best on held-out items, see benchmarks/attribution.py."""

PATH_STEPS = 8
NOISES = 8
NOISE = 0.3  # of the grid's standard deviation


def attribute(trace: Trace, label: Any = None, *, method: str = METHODS[0], random_state: int = 0) -> np.ndarray:
    """Return how much each cell of the grid speaks for a class.

    What is explained is the margin of the class: its logit less the mean of the others. Integrated gradients go from an
    empty grid to the item's and add up to the difference of their margins. Empty is the median cell of each channel
    (the paper of a drawing, the background of a sound), and padding for a text. The smooth kind is the mean over copies
    of the whole path with random noise added, which leaves out gradients that change from one cell to the next.

    Parameters
    ----------
    trace : Trace
        What the network did to an item.
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

    Source
    ------
    Sundararajan et al. 2017, "Axiomatic attribution for deep networks"; Smilkov et al. 2017, "SmoothGrad".
    """
    from captum.attr import InputXGradient, IntegratedGradients, Saliency  # noqa: PLC0415  (a trace needs no captum)

    if method not in METHODS:
        raise ConfigurationError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    margin = _Margin(trace, label)
    grid = torch.from_numpy(trace.grid).float()[None]
    empty = torch.zeros_like(grid)
    if trace.modality != "text":
        empty += grid.flatten(2).median(dim=2).values[(..., *(None,) * len(trace.spec.axes))]
    if method == "smooth_integrated_gradients":
        noise = torch.randn(NOISES, *grid.shape[1:], generator=torch.Generator().manual_seed(random_state))
        noise *= NOISE * grid.std()
        found = IntegratedGradients(margin).attribute(grid + noise, empty + noise, n_steps=PATH_STEPS).mean(dim=0)
    elif method == "integrated_gradients":
        found = IntegratedGradients(margin).attribute(grid, empty, n_steps=PATH_STEPS * NOISES)[0]
    elif method == "input_x_gradient":
        found = InputXGradient(margin).attribute(grid.requires_grad_())[0]
    else:
        found = Saliency(margin).attribute(grid.requires_grad_(), abs=False)[0]
    attribution: np.ndarray = found.sum(dim=0).detach().double().numpy()
    return attribution


def grad_cam(trace: Trace, label: Any = None, block: int | None = None) -> np.ndarray:
    """Return where the maps that speak for a class are active, by Grad-CAM on what a block passes on.

    Parameters
    ----------
    trace : Trace
        What the network did to an item.
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

    Source
    ------
    Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
    """
    from captum.attr import LayerAttribution, LayerGradCam  # noqa: PLC0415

    number = trace.n_blocks if block is None else block
    trace.block(number)  # says so where there is none
    margin = _Margin(trace, label, number)
    grid = torch.from_numpy(trace.grid).float()[None].requires_grad_()
    coarse = LayerGradCam(margin, margin.after_block).attribute(grid, relu_attributions=True)
    kind = ("linear", "bilinear")[len(trace.spec.axes) - 1]
    found: np.ndarray = LayerAttribution.interpolate(coarse, trace.spec.sizes, kind)[0, 0].detach().double().numpy()
    return found


class _Margin(nn.Module):
    """The logit of one class less the mean of the others, in float32; a hook can stand after one block."""

    def __init__(self, trace: Trace, label: Any, block: int = 1) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(trace.backbone).float()
        self.target = trace.class_index(label)
        self.after_block = nn.Identity()
        self._last_of_block = max(at for at, step in enumerate(self.backbone.steps()) if step.block == block)

    def forward(self, grids: Tensor) -> Tensor:
        """(batch, *spec.shape) → margins (batch,)."""
        values = grids
        for at, step in enumerate(self.backbone.steps()):
            values = step.run(values)
            if at == self._last_of_block:
                values = self.after_block(values)
        own = values[:, self.target]
        margin: Tensor = own - (values.sum(dim=1) - own) / max(values.shape[1] - 1, 1)
        return margin
