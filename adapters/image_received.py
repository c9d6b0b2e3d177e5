"""Pictures that a stranger sends to a service, judged by their headers before they are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gridcnn.adapters.image_files import Picture
from gridcnn.adapters.image_opening import FORMATS
from gridcnn.adapters.received import as_received, within

__all__ = ["picture"]


def picture(value: Any, most: Mapping[str, float]) -> Any:
    """Return a picture that has at most `most["pixels"]`; whole numbers from 0 to 255 are pixels of 8 bits."""
    item = as_received(value, most, files=True, texts=False)
    if isinstance(item, np.ndarray) and item.dtype.kind == "i" and item.size and 0 <= item.min() <= item.max() <= 255:
        item = item.astype(np.uint8)
    if isinstance(item, Path):
        return within(item, "pixels", _pixels(item), most)
    with Picture(item) as seen:
        height, width = seen.size()
    return within(item, "pixels", height * width, most)


def _pixels(path: Path) -> float:
    """Return how many pixels the header of a file states; 0 if it has none, of which `encode` will complain."""
    Image.preinit()
    try:
        with Image.open(path, formats=FORMATS) as seen:
            return seen.width * seen.height
    except Image.DecompressionBombError:
        return np.inf
    except Exception:  # what Pillow raises on a broken file is open-ended
        return 0
