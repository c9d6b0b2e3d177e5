"""The frontend of texts: token ids to vectors."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["PADDING", "SPREAD", "Embed"]

PADDING = 0  # id of no token
SPREAD = 0.15  # standard deviation of a vector before training


class Embed(nn.Module):
    """Looks up the vector of each token and adds the mean of those of its pieces; padding is all zeros.

    After the vector stands the evidence for each class that the token gives, with its pieces (hints) and the runs of
    tokens that it begins.

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary with padding and unknown.
    dim : int
        Size of a vector.
    n_pieces : int
        Number of known pieces of words; 0 looks up tokens only.
    n_runs : int
        Number of known runs of tokens.
    evidence : int
        Channels of evidence; 0 has none.
    own_ids : int or None
        Ids of a token that are the same wherever it stands; those of runs follow. None means that all of them are.
    """

    cell_by_cell = True  # the vector of a cell depends on nothing but its own ids

    def __init__(
        self, n_tokens: int, dim: int, n_pieces: int = 0, n_runs: int = 0, evidence: int = 0, own_ids: int | None = None
    ) -> None:
        super().__init__()
        self.own_ids = sys.maxsize if own_ids is None else own_ids
        self.vectors = nn.Embedding(n_tokens, dim, padding_idx=PADDING)
        self.pieces = nn.EmbeddingBag(1 + n_pieces, dim, mode="mean", padding_idx=PADDING) if n_pieces else None
        self.evidence = nn.Embedding(n_tokens, evidence, padding_idx=PADDING) if evidence else None
        of_runs = evidence > 0 and n_runs > 0
        self.runs = nn.EmbeddingBag(1 + n_runs, evidence, mode="sum", padding_idx=PADDING) if of_runs else None
        of_pieces = evidence > 0 and n_pieces > 0
        self.hints = nn.EmbeddingBag(1 + n_pieces, evidence, mode="sum", padding_idx=PADDING) if of_pieces else None
        with torch.no_grad():  # torch draws them with standard deviation 1
            self.vectors.weight *= SPREAD
            if self.pieces is not None:
                self.pieces.weight *= SPREAD

    def filled(self, ids: np.ndarray) -> np.ndarray:
        """Return the number of cells up to the last token of each window, `(n, length, ids)` → `(n,)`."""
        is_token = ids[..., 0] != PADDING
        after = is_token[:, ::-1].argmax(axis=1)
        return np.where(is_token.any(axis=1), ids.shape[1] - after, 0)

    def forward(self, ids: Tensor) -> Tensor:
        """Map integer ids `(batch, length, ids)` to float32 grids `(batch, dim + evidence, length)`."""
        vectors: Tensor = self.vectors(ids[..., 0])  # (batch, length, dim)
        if self.pieces is not None:
            vectors = vectors + self.pieces(ids[..., 1 : self.own_ids].flatten(0, 1)).reshape(vectors.shape)
        if self.evidence is not None:
            evidence = self.evidence(ids[..., 0])
            if self.hints is not None:
                hints = self.hints(ids[..., 1 : self.own_ids].flatten(0, 1))
                evidence = evidence + hints.reshape(evidence.shape)
            if self.runs is not None and ids.shape[2] > self.own_ids:
                evidence = evidence + self.of_runs(ids)
            vectors = torch.cat([vectors, evidence], dim=2)
        return vectors.transpose(1, 2)

    def take_evidence(self, evidence: np.ndarray, n_runs: int) -> None:
        """Add the evidence of tokens, of runs and of pieces, one after another, `(counted, channels)`.

        Without channels the grids have none of it any more.
        """
        from gridcnn.adapters.cooccurrence import PIECE_WEIGHT  # noqa: PLC0415  (what is loaded needs no scipy)

        if not evidence.shape[1]:
            self.evidence = self.runs = self.hints = None
            return
        n_tokens, values = self.vectors.num_embeddings, torch.from_numpy(evidence.astype(np.float32))
        values[[PADDING, n_tokens, n_tokens + n_runs]] = 0
        tokens, runs, pieces = values[:n_tokens], values[n_tokens : n_tokens + n_runs], values[n_tokens + n_runs :]
        embedding: Any = nn.Embedding  # torch has no types for `from_pretrained`
        self.evidence = embedding.from_pretrained(tokens.clone(), freeze=False, padding_idx=PADDING)
        if len(runs) > 1:
            bag = nn.EmbeddingBag.from_pretrained(runs.clone(), freeze=False, mode="sum", padding_idx=PADDING)
            self.runs = bag
        if self.pieces is not None:
            weighted = PIECE_WEIGHT * pieces
            self.hints = nn.EmbeddingBag.from_pretrained(weighted, freeze=False, mode="sum", padding_idx=PADDING)

    def counted_evidence(self) -> np.ndarray:
        """Return what `take_evidence` took."""
        from gridcnn.adapters.cooccurrence import PIECE_WEIGHT  # noqa: PLC0415  (what is loaded needs no scipy)

        assert self.evidence is not None  # for the type checker: it is asked after `take_evidence`
        none = self.evidence.weight.new_zeros(1, self.evidence.embedding_dim)
        runs = none if self.runs is None else self.runs.weight
        pieces = none if self.hints is None else self.hints.weight / PIECE_WEIGHT
        counted: np.ndarray = torch.cat([self.evidence.weight, runs, pieces]).detach().numpy().astype(np.float64)
        return counted

    def of_runs(self, ids: Tensor) -> Tensor:
        """Return the evidence of the runs alone, `(batch, length, ids)` → `(batch, length, evidence)`."""
        assert self.runs is not None  # for the type checker
        found: Tensor = self.runs(ids[..., self.own_ids :].flatten(0, 1))
        return found.reshape(*ids.shape[:2], found.shape[1])
