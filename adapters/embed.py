"""The frontend of texts: token ids to vectors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["PADDING", "SPREAD", "Embed"]

PADDING = 0  # id of no token
SPREAD = 0.15  # standard deviation of a vector before training


class Embed(nn.Module):
    """Looks up the vector of each token and adds the mean of those of its pieces; padding is all zeros.

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary with padding and unknown.
    dim : int
        Size of a vector.
    n_pieces : int
        Number of known pieces of words; 0 looks up tokens only.
    """

    cell_by_cell = True  # the vector of a cell depends on nothing but its own ids

    def __init__(self, n_tokens: int, dim: int, n_pieces: int = 0) -> None:
        super().__init__()
        self.vectors = nn.Embedding(n_tokens, dim, padding_idx=PADDING)
        self.pieces = nn.EmbeddingBag(1 + n_pieces, dim, mode="mean", padding_idx=PADDING) if n_pieces else None
        with torch.no_grad():  # torch draws them with standard deviation 1
            self.vectors.weight *= SPREAD
            if self.pieces is not None:
                self.pieces.weight *= SPREAD

    def filled(self, ids: np.ndarray) -> np.ndarray:
        """Return the number of cells up to the last token of each window, `(n, length, 1 + pieces)` → `(n,)`."""
        is_token = ids[..., 0] != PADDING
        after = is_token[:, ::-1].argmax(axis=1)
        return np.where(is_token.any(axis=1), ids.shape[1] - after, 0)

    def forward(self, ids: Tensor) -> Tensor:
        """Map integer ids `(batch, length, 1 + pieces)` to float32 grids `(batch, dim, length)`."""
        vectors: Tensor = self.vectors(ids[..., 0])  # (batch, length, dim)
        if self.pieces is not None:
            vectors = vectors + self.pieces(ids[..., 1:].flatten(0, 1)).reshape(vectors.shape)
        return vectors.transpose(1, 2)
