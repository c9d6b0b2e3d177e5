"""How an audit looks at pictures: resized, re-encoded or mirrored copies, how they are stored, and empty ones."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from PIL import Image

from gridcnn.adapters.image_files import Picture
from gridcnn.adapters.inspecting import Inspection, Inspector, correlation, digest, file_size, unit

__all__ = ["PictureInspector"]

SIDE, COLOUR_SIDE = 16, 4
"""Cells of the brightness and of the colours in a vector."""

CLOSE_SIDE = 32
ENOUGH, TINY = 28, 14
"""Pixels of the shorter side below which a picture has no details for `CLOSE_SIDE` cells, and for half as many."""

LEAST = 64
"""Pixels a side to which a JPEG is decoded at least."""

BRIGHTNESS = np.array([0.299, 0.587, 0.114], dtype=np.float32)

# Table K.1 of ITU-T Rec. T.81.
_LUMINANCE_SUM = 3_688  # of the quantisation of brightness at quality 50


class PictureInspector(Inspector):
    """Inspects pictures in files or in memory."""

    near: ClassVar[float] = 0.4

    def inspect(self, item: Any) -> Inspection:
        """Decode one picture and describe it.

        Its vector has brightness on 16 × 16 cells and colours on 4 × 4, less their means.
        """
        with Picture(item) as picture:
            stored = {**file_size(item), **_stored(picture)}
            small = picture.eight_bit("RGB", {}, LEAST)
            cells = np.asarray(_resized(small, SIDE), dtype=np.float32)
            content = digest(small.tobytes(), str(small.size).encode())
            plain = all(low == high for low, high in _bands(small))
        bright = cells @ BRIGHTNESS
        colours = (cells[..., [0, 2]] - bright[..., None]).reshape(COLOUR_SIDE, -1, COLOUR_SIDE, SIDE // COLOUR_SIDE, 2)
        coarse = 2 * colours.mean(axis=(1, 3))  # (4, 4, 2)
        parts = [(bright - bright.mean()).ravel(), (coarse - coarse.mean(axis=(0, 1))).ravel()]
        return Inspection(
            content,
            vector=None if plain else unit(np.concatenate(parts)),
            stored=stored,
            flaws=("of one colour",) if plain else (),
        )

    def turned(self, vectors: np.ndarray) -> list[np.ndarray]:
        """Return the vectors of the mirrored pictures."""
        count = len(vectors)
        bright = vectors[:, : SIDE * SIDE].reshape(count, SIDE, SIDE)[:, :, ::-1]
        colours = vectors[:, SIDE * SIDE :].reshape(count, COLOUR_SIDE, COLOUR_SIDE, 2)[:, :, ::-1]
        return [np.concatenate([bright.reshape(count, -1), colours.reshape(count, -1)], axis=1)]

    def close_up(self, item: Any) -> tuple[np.ndarray, int]:
        """Return a picture in grey on 32 × 32 cells, and its shorter side in pixels."""
        with Picture(item) as picture:
            shorter = min(picture.size())
            grey = _resized(picture.eight_bit("L", {}, LEAST), CLOSE_SIDE)
        return np.asarray(grey, dtype=np.float32), shorter

    def likeness(self, first: Any, second: Any) -> float:
        """Return how well the edges of two pictures, or of one and the mirrored other, correlate."""
        (one, one_side), (other, other_side) = first, second
        if max(one_side, other_side) < TINY:  # different ones are alike: only what is equal up to rounding is a copy
            return super().likeness(one, other)
        if min(one_side, other_side) < ENOUGH:
            one, other = _halved(one), _halved(other)
        return max(_edges_agree(one, other), _edges_agree(one, other[:, ::-1]))


def _edges_agree(first: np.ndarray, second: np.ndarray) -> float:
    return min(correlation(np.diff(first, axis=axis), np.diff(second, axis=axis)) for axis in (0, 1))


def _halved(cells: np.ndarray) -> np.ndarray:
    half: np.ndarray = cells.reshape(CLOSE_SIDE // 2, 2, CLOSE_SIDE // 2, 2).mean(axis=(1, 3))
    return half


def _resized(picture: Image.Image, side: int) -> Image.Image:
    shrinks = min(picture.size) >= side
    return picture.resize((side, side), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)


def _bands(picture: Image.Image) -> list[tuple[int, int]]:
    extrema: Any = picture.getextrema()
    return [extrema] if isinstance(extrema[0], int) else list(extrema)


def _stored(picture: Picture) -> dict[str, float | str]:
    height, width = picture.size()
    stored: dict[str, float | str] = {"height": float(height), "width": float(width)}
    header = picture.header()
    if header is None or header.format is None:  # an array, or a picture in memory
        return stored
    stored |= {"format": header.format, "pixels": header.mode}
    tables = getattr(header, "quantization", None)
    if tables:
        stored["JPEG quality"] = _quality(tables)
    return stored


def _quality(tables: dict[int, list[int]]) -> float:
    """Return the quality, 1 to 100, at which the Independent JPEG Group's library makes quantisation this coarse."""
    scale = 100 * sum(tables[min(tables)]) / _LUMINANCE_SUM
    return float(round(5000 / scale if scale > 100 else (200 - scale) / 2))
