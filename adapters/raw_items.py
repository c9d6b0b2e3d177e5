"""Raw items, whatever they are: which of them names a file, and some of many."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.stored import Stored

__all__ = ["is_path", "sample_of"]


def sample_of(items: Sequence[Any], n_items: int) -> list[Any]:
    """Return at most `n_items` of `items`, in order, always the same ones."""
    if len(items) <= n_items:
        return list(items)
    chosen = np.random.default_rng(0).choice(len(items), n_items, replace=False)
    return [items[index] for index in np.sort(chosen)]


def is_path(item: Any) -> bool:
    """Whether an item is a file, for an adapter that reads files; it opens one as `gridcnn.stored.as_path` gives it."""
    return isinstance(item, str | os.PathLike | Stored)
