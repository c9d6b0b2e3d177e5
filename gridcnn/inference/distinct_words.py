"""The first convolution of texts, in which each distinct word is multiplied with the kernels once.

A convolution is a sum over the cells under a kernel, and a word contributes the same wherever it stands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from gridcnn.network.layers import ParallelBranches

__all__ = ["DistinctWords"]


class DistinctWords:
    """Turns encoded texts into the maps of the first convolution, on a CPU.

    Parameters
    ----------
    frontend : nn.Module
        Maps windows `(n, cells, ids)` to grids `(n, channels, cells)`, each cell by its own ids. If it has `runs`, a
        sum that the last channels take up besides, only kernels of one cell see these channels.
    convolution : ParallelBranches
        Along one axis, with `padding="same"`.

    Attributes
    ----------
    bytes_a_cell : int
        Memory that a cell takes while it is computed, if all cells are different.
    """

    def __init__(self, frontend: Any, convolution: ParallelBranches) -> None:
        kernels, bias = convolution.at_once()
        self._n_maps, channels, self._width = kernels.shape
        self._apply_frontend = frontend
        self._kernels = kernels.detach().permute(1, 2, 0).reshape(channels, -1).contiguous()  # (channels, width * maps)
        if getattr(frontend, "runs", None) is not None:  # kernels of one cell alone see evidence
            evidence = frontend.runs.embedding_dim
            self._of_evidence = kernels[:, -evidence:, self._width // 2].detach().T.contiguous()  # (evidence, maps)
        self._bias = torch.zeros(self._n_maps) if bias is None else bias.detach()
        self.bytes_a_cell = 4 * self._width * self._n_maps

    def __call__(self, windows: np.ndarray) -> Tensor:
        """(n, cells, ids) → (n, maps, cells)."""
        n, cells = windows.shape[:2]
        runs: Any = getattr(self._apply_frontend, "runs", None)
        own = windows if runs is None else windows[..., : self._apply_frontend.own_ids]  # runs tell alike words apart
        words, which = _distinct(own.reshape(n * cells, -1))
        vectors = self._apply_frontend(torch.from_numpy(words[None]))[0].T
        given = (vectors @ self._kernels).reshape(len(words), self._width, self._n_maps)  # at each place under a kernel
        middle = self._width // 2
        given[:, middle] += self._bias  # there is always a word there, while the others may be beyond the border
        beyond = torch.zeros(self._width, self._n_maps)
        padded = np.full((n, cells + 2 * middle), len(words), dtype=np.int32)
        padded[:, middle : middle + cells] = which.reshape(n, cells)
        under = np.lib.stride_tricks.sliding_window_view(padded, self._width, axis=1).reshape(-1, self._width)
        rows = torch.from_numpy(under * np.int32(self._width) + np.arange(self._width, dtype=np.int32))
        maps = F.embedding_bag(rows, torch.cat([given.flatten(0, 1), beyond]), mode="sum")
        maps = maps.reshape(n, cells, self._n_maps)
        if runs is not None:
            maps = maps + self._apply_frontend.of_runs(torch.from_numpy(windows)) @ self._of_evidence
        return maps.transpose(1, 2)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows, and which of them each row is.

    >>> _distinct(np.array([[7, 0], [5, 1], [7, 0]]))
    (array([[7, 0],
           [5, 1]]), array([0, 1, 0]))
    """
    rows = np.ascontiguousarray(rows)
    which, found = pd.factorize(rows.view(f"S{rows.shape[1] * rows.itemsize}").ravel())
    different = np.empty((len(found), rows.shape[1]), rows.dtype)
    different[which] = rows
    return different, which
