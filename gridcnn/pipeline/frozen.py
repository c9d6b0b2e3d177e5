"""A frozen frontend applied to encoded windows: it learns nothing, so that its grids are computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import nn

from gridcnn.adapters.base import Adapter
from gridcnn.errors import ItemError
from gridcnn.pipeline.cache import Result

__all__ = ["through_frontend"]

BYTES_AT_ONCE = 2**20  # bytes of windows; spectra of more leave the processor's cache and take twice as long


def through_frontend(adapter: Adapter, results: Iterable[Result], device: torch.device) -> Iterator[Result]:
    """Turn the windows of each item into grids, those of several short items at once."""
    frontend = adapter.frontend().to(device).eval()
    waiting: list[Result] = []
    size = 0
    for result in results:
        waiting.append(result)
        size += 0 if isinstance(result[1], ItemError) else result[1].windows.nbytes
        if size >= BYTES_AT_ONCE:
            yield from _apply_frontend(frontend, waiting, device)
            waiting, size = [], 0
    yield from _apply_frontend(frontend, waiting, device)


@torch.inference_mode()
def _apply_frontend(frontend: nn.Module, results: list[Result], device: torch.device) -> list[Result]:
    encoded = [result.windows for _, result in results if not isinstance(result, ItemError)]
    if not encoded:
        return results
    windows = np.concatenate(encoded)
    at_once = max(BYTES_AT_ONCE // windows[0].nbytes, 1)
    batches = (torch.from_numpy(windows[at : at + at_once]).to(device) for at in range(0, len(windows), at_once))
    grids = np.concatenate([frontend(batch).to("cpu", torch.float32).numpy() for batch in batches])
    parts = iter(np.split(grids, np.cumsum([len(each) for each in encoded])))
    return [
        (position, result if isinstance(result, ItemError) else result._replace(windows=next(parts)))
        for position, result in results
    ]
