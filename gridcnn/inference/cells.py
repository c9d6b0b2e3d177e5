"""What a network says of each cell along the last axis of its last maps, beside what it says of the whole window.

A head that takes a maximum or a mean over a map can be applied to a part of the map as well. So the same weights tell
where in a window the evidence for a class lies, at the resolution of the last maps.

References
----------
Zhou et al. 2016, "Learning deep features for discriminative localization" (class activation maps); Kong et al. 2020,
"Sound event detection of weakly labelled data with CNN-Transformer and automatic threshold optimization", for
detection by a classifier of windows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gridcnn.inference.folding import fold_batch_norm, folded_steps
from gridcnn.inference.predictor import LARGEST_BATCH, windows_at_once
from gridcnn.model import Network
from gridcnn.network.layers import to_channels_last

__all__ = ["CellLogits", "cell_logits", "has_cells"]

CellLogits = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From encoded windows `(n, …)` to the logits of cells `(n, cells, n_classes)` and of windows `(n, n_classes)`."""

OF_PARTS = frozenset({"global_max", "global_average", "max_average", "share_average"})
"""Heads that a part of a map has as well as the whole."""


def has_cells(network: Network) -> bool:
    """Whether the head tells what lies where; sums and places of a whole window do not."""
    config = network.backbone.config
    return config.head in OF_PARTS and not config.summed_kernels


def cell_logits(network: Network, device: torch.device) -> CellLogits:
    """Return a function that computes the logits of cells and of windows, at the temperature of the network."""
    backbone = fold_batch_norm(network.calibrated()).to(device)
    frontend = network.frontend if device.type == "cpu" else copy.deepcopy(network.frontend).to(device)
    at_once = windows_at_once(backbone.layers()) if device.type == "cpu" else LARGEST_BATCH
    steps = list(folded_steps(backbone))
    at = next(index for index, step in enumerate(steps) if step.kind == "features")
    for parameter in backbone.parameters():
        parameter.data = to_channels_last(parameter.data)

    def through(part: slice, values: Tensor) -> Tensor:
        for step in steps[part]:
            values = torch.relu_(values) if step.kind == "relu" else step.run(values)
        return values

    @torch.inference_mode()
    def compute(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells, whole = [], []
        for first in range(0, len(windows), at_once):
            batch = torch.from_numpy(windows[first : first + at_once]).to(device)
            maps = through(slice(None, at), to_channels_last(frontend(batch)))  # (batch, maps, *sizes)
            whole.append(through(slice(at, None), maps).cpu().numpy())
            columns = maps.movedim(-1, 1).flatten(0, 1)[..., None]  # (batch × cells, maps, *other sizes, 1)
            logits = through(slice(at, None), columns)
            cells.append(logits.reshape(len(batch), -1, logits.shape[1]).cpu().numpy())
        return np.concatenate(cells), np.concatenate(whole)

    return compute
