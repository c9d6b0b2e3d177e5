"""What a person sees of an item beside an answer: a preview, or the grid that the network sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gridcnn.adapters.records import Preview
from gridcnn.model import FittedModel

__all__ = ["seen"]


def seen(model: FittedModel, item: Any) -> tuple[Preview, np.ndarray | None]:
    """Return a preview of an item; if that has neither pixels nor text, also its first window as the network sees it.

    Of a segment, all of it is seen.

    Raises
    ------
    ItemError
        If the item cannot be decoded.
    """
    preview = model.adapter.preview(item)
    if preview.pixels is not None or preview.text:
        return preview, None
    window = model.adapter.encode(item)[:1] if preview.window is None else preview.window
    with torch.inference_mode():
        grid = model.network.frontend(torch.from_numpy(window))[0].numpy()
    return preview, grid[: len(window[0])]  # a frontend may add copies of the channels in another scale
