"""Pages of all kinds of networks: of every head, with a bag inside, of fixed kernels, of series of unequal length."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from gridcnn import fit
from gridcnn.adapters import ArrayAdapter
from gridcnn.model import FittedModel, Network
from gridcnn.network.backbone import BackboneConfig, ConvPoolDense
from gridcnn.network.heads import HEADS, maps_of_features
from gridcnn.render import live
from gridcnn.render.explain_page import explain_page

QUICK: dict[str, Any] = {"epochs": 1, "validation_fraction": 0.0, "refit": False}


def waves(*, channels: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Series of up to 60 cells with a fast or a slow wave, NaN behind the end of the shorter ones."""
    random = np.random.default_rng(0)
    fast = np.arange(40) % 2
    values = np.sin(2 * np.pi * np.arange(60) / np.where(fast, 5.0, 9.0)[:, None] + random.uniform(0, 7, (40, 1)))
    values += random.normal(0, 0.3, values.shape)
    values[np.arange(60) >= random.integers(40, 61, (40, 1))] = np.nan
    return (np.stack([values, 2 * values], axis=1) if channels else values), np.where(fast, "fast", "slow")


def made(head: str, *, flat: bool = True, summed: int = 0, seed: int = 0, **settings: Any) -> FittedModel:
    """Return an untrained network for arrays of 2 channels, of one ordered axis (12 cells) or two (6 by 5)."""
    random = np.random.default_rng(seed)
    sizes, axes = ((12,), ("time",)) if flat else ((6, 5), ("height", "width"))
    adapter = ArrayAdapter(("channels", *axes)).fit(random.normal(size=(20, 2, *sizes)))
    one = {"kernels": (5,), "kernel_sizes": (3,), "pool_size": 1, "batch_norm": False, **settings}
    torch.manual_seed(seed)
    backbone = ConvPoolDense(adapter.spec_, BackboneConfig(head=head, summed_kernels=summed, **one), 3)
    return FittedModel(adapter, Network(adapter.frontend(), backbone).eval(), np.array(["a", "b", "c"]))


def item_for(model: FittedModel) -> np.ndarray:
    return np.random.default_rng(1).normal(size=model.adapter.sizes_)


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


# ---- every head ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("summed", [0, 4])
@pytest.mark.parametrize("flat", [True, False])
def test_a_map_of_a_feature_is_the_one_whose_change_changes_it(head: str, summed: int, flat: bool) -> None:
    network = made(head, flat=flat, summed=summed).network.backbone
    maps = torch.rand(1, 5 + summed, *network.spec.sizes, dtype=torch.float64)
    for index in range(5 + summed):
        without = maps.clone()
        without[:, index] = 0
        changed = (network.features(maps) != network.features(without))[0].numpy()
        assert (changed == (maps_of_features(head, 5, network.spec.sizes, summed) == index)).all()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("summed", [0, 4])
@pytest.mark.parametrize("flat", [True, False])
def test_the_kernels_that_are_drawn_are_those_that_most_is_read_of(head: str, summed: int, flat: bool) -> None:
    model = made(head, flat=flat, summed=summed)
    maps = maps_of_features(head, 5, model.network.backbone.spec.sizes, summed)
    with torch.no_grad():
        model.network.backbone.output.weight[:, torch.from_numpy(maps == 3)] *= 1000
        model.network.backbone.output.weight[:, torch.from_numpy(maps == 1)] = 0

    live_maps = live.layers(model)["groups"][0]["maps"]
    page = data_of(explain_page(model, item_for(model)))

    assert live_maps[0] == page["layers"]["groups"][0]["maps"][0] == 4
    assert set(live_maps) == set(page["layers"]["groups"][0]["maps"]) == {*range(1, 6 + summed)} - {2}
    assert live.maps(model, item_for(model))["logits"] == pytest.approx(page["values"]["logits"])


# ---- series of unequal length ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [False, True])
def test_the_example_of_series_of_unequal_length_has_only_numbers_before_the_end(channels: bool) -> None:
    adapter = ArrayAdapter(("channels", "length") if channels else ("length",))
    model = fit(adapter, *waves(channels=channels), {**QUICK, "kernels": (4,)})

    takes = live.layers(model)["takes"]

    assert (takes["shape"], takes["ends"]) == ([2, 60] if channels else [60], {"axis": int(channels), "step": 1})
    assert len(takes["example"]) == (116 if channels else 58)
    assert np.isfinite(takes["example"]).all()
