"""Pages of all kinds of networks: of every head, with a bag inside, of fixed kernels, of series of unequal length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridcnn import fit
from gridcnn.adapters import ArrayAdapter
from gridcnn.render import live

QUICK: dict[str, Any] = {"epochs": 1, "validation_fraction": 0.0, "refit": False}


def waves(*, channels: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Series of up to 60 cells with a fast or a slow wave, NaN behind the end of the shorter ones."""
    random = np.random.default_rng(0)
    fast = np.arange(40) % 2
    values = np.sin(2 * np.pi * np.arange(60) / np.where(fast, 5.0, 9.0)[:, None] + random.uniform(0, 7, (40, 1)))
    values += random.normal(0, 0.3, values.shape)
    values[np.arange(60) >= random.integers(40, 61, (40, 1))] = np.nan
    return (np.stack([values, 2 * values], axis=1) if channels else values), np.where(fast, "fast", "slow")


# ---- series of unequal length ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [False, True])
def test_the_example_of_series_of_unequal_length_has_only_numbers_before_the_end(channels: bool) -> None:
    adapter = ArrayAdapter(("channels", "length") if channels else ("length",))
    model = fit(adapter, *waves(channels=channels), {**QUICK, "kernels": (4,)})

    takes = live.layers(model)["takes"]

    assert (takes["shape"], takes["ends"]) == ([2, 60] if channels else [60], {"axis": int(channels), "step": 1})
    assert len(takes["example"]) == (116 if channels else 58)
    assert np.isfinite(takes["example"]).all()
