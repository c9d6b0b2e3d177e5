"""Torch's tensors among the items, told apart and turned into arrays without importing torch: who has one, has it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["is_tensor", "to_array"]


def is_tensor(item: Any) -> bool:
    """Whether an item is a tensor of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(item, torch.Tensor)


def to_array(tensor: Any) -> np.ndarray:
    """Return a tensor as an array; bfloat16, which numpy lacks, becomes float32."""
    kept = tensor.detach().cpu().to_dense().resolve_conj().resolve_neg()
    array: np.ndarray = (kept.float() if str(kept.dtype) == "torch.bfloat16" else kept).numpy()
    return array
