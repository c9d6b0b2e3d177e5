"""Folding: batch normalisation becomes part of the convolution before it, and max pooling precedes ReLU.

References
----------
Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
section 3.2.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gridcnn.network.backbone import ConvPoolDense, Step, maxima_first

__all__ = ["Logits", "fold_batch_norm", "folded_steps", "probabilities", "run_in_sequence"]

Logits = Callable[[Tensor], Tensor]
"""From grids `(batch, *spec.shape)` to logits `(batch, n_classes)`."""


def fold_batch_norm(backbone: ConvPoolDense) -> ConvPoolDense:
    """Return a copy whose convolutions include the batch normalisation after them, folded in double precision.

    Examples
    --------
    >>> from gridcnn.network.backbone import BackboneConfig
    >>> from gridcnn.grid import GridSpec
    >>> net = ConvPoolDense(GridSpec.of("colour", 1, height=9, width=9), BackboneConfig(kernels=(3,)), 2).eval()
    >>> grids = torch.rand(5, 1, 9, 9)
    >>> torch.allclose(fold_batch_norm(net)(grids), net(grids), atol=1e-5)
    True
    """
    folded = copy.deepcopy(backbone).eval().double()
    blocks: Any = folded.blocks  # a ModuleList forgets what it holds
    for block in blocks:
        for index, (branches, norm) in enumerate(zip(block.convs, block.norms, strict=True)):
            if isinstance(norm, nn.Identity):
                continue
            first = 0
            for branch in branches:
                maps = slice(first, first := first + branch.out_channels)
                branch.weight, branch.bias = fuse_conv_bn_weights(
                    branch.weight, branch.bias,
                    norm.running_mean[maps], norm.running_var[maps], norm.eps, norm.weight[maps], norm.bias[maps],
                )  # fmt: skip
            block.norms[index] = nn.Identity()
    return folded.float()


def folded_steps(folded: ConvPoolDense) -> Iterator[Step]:
    """Yield the steps that compute something, each maximum before the ReLU that it follows."""
    return maxima_first((step for step in folded.steps() if step.kind != "dropout"), folded.config)


def run_in_sequence(steps: Iterable[Step]) -> Logits:
    """Return a function that runs the steps one after another, with ReLU in place."""
    run = [torch.relu_ if step.kind == "relu" else step.run for step in steps]

    def logits(values: Tensor) -> Tensor:
        for each in run:
            values = each(values)
        return values

    return logits


def probabilities(logits: Tensor, *, several: bool = False) -> np.ndarray:
    """Return the softmax of logits `(batch, n_classes)`, or with several labels their sigmoid, float64 on the host."""
    logits = logits.cpu().double()
    shares: np.ndarray = (logits.sigmoid() if several else logits.softmax(dim=1)).numpy()
    return shares
