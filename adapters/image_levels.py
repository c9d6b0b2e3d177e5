"""Levels of pixels: whether a picture has colours, how often each level occurs, their moments."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["grey", "has_colour", "histogram", "moments"]

COLOUR_DIFFERENCE = 8  # of 255: how far red, green and blue of one pixel may differ in a grey picture


def has_colour(picture: np.ndarray) -> bool:
    """Whether red, green and blue differ anywhere in a picture, shape `(3, height, width)`."""
    return bool((picture.max(axis=0) - picture.min(axis=0) > COLOUR_DIFFERENCE).any())


def grey(picture: np.ndarray) -> np.ndarray:
    """Turn RGB, shape `(3, height, width)`, into grey as `encode` does, shape `(1, height, width)`."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).convert("L"))[None]


def histogram(picture: np.ndarray) -> np.ndarray:
    """Count how many pixels of each channel have each level, shape `(channels, 256)`."""
    return np.stack([np.bincount(channel.ravel(), minlength=256) for channel in picture])


def moments(counts: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel; the latter 1 if there is no spread to divide by."""
    levels, shares = np.arange(256), counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    std = np.sqrt((shares * np.square(levels - mean[:, None])).sum(axis=1))
    return mean.tolist(), np.where(std > 0.1, std, 1.0).tolist()
