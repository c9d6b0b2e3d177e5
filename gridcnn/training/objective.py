"""What a training lowers: cross-entropy of one class an item, or binary cross-entropy of several labels.

A target of class indices `(batch,)` asks for the first, one of zeros and ones `(batch, n_classes)` for the second.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = ["hits", "losses"]


def losses(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the loss of each example `(batch,)`, in nats; of several labels, the sum over the classes.

    Parameters
    ----------
    logits : Tensor of shape (batch, n_classes)
        Float32.
    target : Tensor
        Class indices `(batch,)`, or zeros and ones `(batch, n_classes)`.
    smoothing : float
        Share of each label that is spread over all classes, in [0, 1).
    """
    if target.ndim == 1:
        return F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")
    wanted = (1 - smoothing) * target.to(logits.dtype) + smoothing / logits.shape[1]
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1)


def hits(logits: Tensor, target: Tensor) -> Tensor:
    """Return how right the ranking of the classes is, `(batch,)` in [0, 1], as `gridcnn.multilabel.item_hits` does."""
    if target.ndim == 1:
        return (logits.argmax(dim=1) == target).float()
    true = target.gather(1, logits.argsort(dim=1, descending=True, stable=True)).float()
    ranks = torch.arange(1, target.shape[1] + 1, device=target.device)
    counts = true.sum(dim=1)
    precision = (true * true.cumsum(dim=1) / ranks).sum(dim=1) / counts.clamp(min=1)
    return torch.where(counts > 0, precision, torch.ones_like(precision))
