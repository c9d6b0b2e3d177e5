"""Pixels of more than 8 bits: which range of them the training pictures use, and how it is spread over 256 levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

__all__ = ["FLOATS", "WHOLE", "Kind", "PixelSample", "given_range", "is_usual", "lift", "share_outside"]

Kind = Literal["whole", "floats"]
WHOLE: Kind = "whole"  # whole numbers of 16 or 32 bits
FLOATS: Kind = "floats"

PIXELS_OF_EACH = 4096
BULK = (0.5, 99.5)  # percentiles: a camera's hot and dead pixels lie outside
LEAST_SHARE = 1 / 4  # of the whole range: a smaller bulk would get fewer than 64 levels
USUAL_SHARE = 1 / 2  # of the range of a usual depth: who uses as much of it is read by that depth
FEW_LEVELS = 16
USUAL_TOPS: dict[Kind, list[float]] = {
    WHOLE: [2.0**bits - 1 for bits in (8, 10, 12, 14, 16)],
    FLOATS: [1.0, 255.0],
}


class PixelSample:
    """Some pixels of many pictures of one kind, every picture with as many, and the darkest and brightest of all."""

    def __init__(self) -> None:
        self._pixels: list[np.ndarray] = []
        self._low = np.inf
        self._high = -np.inf
        self._random = np.random.default_rng(0)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self._pixels)

    def add(self, pixels: np.ndarray) -> None:
        """Take some pixels of a picture, of any shape."""
        flat = pixels.ravel()
        if flat.size > PIXELS_OF_EACH:
            flat = flat[self._random.integers(0, flat.size, PIXELS_OF_EACH)]
        self._pixels.append(flat.astype(np.float64))
        self._low = min(self._low, float(pixels.min()))
        self._high = max(self._high, float(pixels.max()))

    def learn(self, kind: Kind, *, beside_8_bits: bool) -> dict[str, float]:
        """Return the range that is spread over 256 levels, JSON-ready.

        It reaches from the darkest to the brightest pixel of all, unless 99 % of the pixels would then share less than
        a quarter of it: then it is that of these 99 %, and half as much again on either side. Pictures that use half of
        the range of a usual bit depth (0 to 4095, to 65535, to 1.0, …) are read by that; so are those beside pictures
        of 8 bits, whose levels have a meaning of their own.

        Returns
        -------
        dict of str to float
            `low` and `high`; `levels`, how many of the 256 the middle 99 % of the pixels use; `clipped`, the share of
            pixels outside; `pictures`, how many these were.
        """
        pixels = np.concatenate(self._pixels)
        start, end = np.percentile(pixels, BULK)
        low, high = self._low, self._high
        bulk, middle = end - start, pixels[(pixels >= start) & (pixels <= end)]
        if bulk < LEAST_SHARE * (high - low) and len(np.unique(middle)) > FEW_LEVELS:
            low, high = max(low, start - bulk / 2), min(high, end + bulk / 2)
            if kind == WHOLE:
                low, high = np.floor(low), np.ceil(high)
        top = next((top for top in USUAL_TOPS[kind] if high <= top), None)
        if low >= 0 and top is not None and (beside_8_bits or high - low >= USUAL_SHARE * top):
            low, high = 0.0, top
        return {
            "low": float(low),
            "high": float(high),
            "levels": len(np.unique(lift(middle, low, high))),
            "clipped": share_outside(pixels, low, high),
            "pictures": len(self),
        }


def is_usual(kind: str, learned: Mapping[str, float]) -> bool:
    """Whether a learned range is that of a usual bit depth, so that 8 bits are the same pixels, only coarser."""
    return learned["low"] == 0 and learned["high"] in USUAL_TOPS[FLOATS if kind == FLOATS else WHOLE]


def given_range(kind: Kind, pixels: np.ndarray, learned: Mapping[str, Mapping[str, float]]) -> tuple[float, float]:
    """Return the range of a picture's pixels: the learned one, that of the other kind, or else a usual one."""
    if known := learned.get(kind) or next(iter(learned.values()), None):
        return known["low"], known["high"]
    low, high = float(pixels.min()), float(pixels.max())
    tops = [USUAL_TOPS[kind][0], USUAL_TOPS[kind][-1]]
    top = next((top for top in tops if high <= top), None)
    return (low, high) if low < 0 or top is None else (0.0, top)


def lift(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Spread the pixels from `low` to `high` over 0 to 255, and clip those outside, uint8 of the same shape."""
    if pixels.dtype == np.uint16 and pixels.size > 2**16:  # a table of all levels is faster
        levels: np.ndarray = lift(np.arange(2**16, dtype=np.float64), low, high)[pixels]
        return levels
    spread = (pixels.astype(np.float64) - low) * (255 / ((high - low) or 1.0))
    return spread.round().clip(0, 255).astype(np.uint8)


def share_outside(pixels: np.ndarray, low: float, high: float) -> float:
    """Return the share of pixels below `low` or above `high`, in [0, 1]."""
    return float(np.mean((pixels < low) | (pixels > high)))
