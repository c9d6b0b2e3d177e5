"""Numbers packed into a page: arrays as base64, receptive fields and axes as lists."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.explain import Coordinates, ReceptiveField

__all__ = ["packed", "packed_axis", "packed_field", "times"]


def packed(values: np.ndarray) -> dict[str, Any]:
    """Pack numbers as little-endian 32-bit floats in base64."""
    numbers = np.ascontiguousarray(values, dtype="<f4")
    return {"shape": list(numbers.shape), "numbers": base64.b64encode(numbers.tobytes()).decode()}


def packed_field(field: ReceptiveField) -> list[list[int]]:
    """Return offset, size and stride on each axis."""
    return [[int(cells) for cells in each] for each in (field.offset, field.size, field.stride)]


def packed_axis(axis: Coordinates) -> dict[str, Any]:
    """Return what the cells of an axis mean."""
    return {
        "name": axis.name,
        "unit": axis.unit,
        "low": [round(float(edge), 5) for edge in axis.low],
        "high": [round(float(edge), 5) for edge in axis.high],
        "words": list(axis.words),
    }


def times(shape: Sequence[int]) -> str:
    """Write a shape as a product: 3 × 32 × 32."""
    return " × ".join(f"{size:,}" for size in shape)
