"""Feature vectors: the same as the network's, alone and among others, and found again by what is like them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gridcnn
from gridcnn import GridClassifier, datasets, embed, explain, fit, load, predict, save
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import DataError, ItemError
from gridcnn.inference.embedding import digest_of, length_of
from gridcnn.inference.similarity import farthest_first, nearest
from gridcnn.model import FittedModel

QUICK: dict[str, Any] = {"epochs": 2, "cache": False}
HOSTILE = "<script>window.hacked=1</script>"


def trained(name: str) -> tuple[FittedModel, list[Any]]:
    """Return a small model of a kind, and items for it."""
    rng = np.random.default_rng(0)
    match name:
        case "pictures":
            data = datasets.load("digits").take(range(120))
            return fit(ImageAdapter(), data.items, data.labels, {**QUICK, "kernels": (5, 8)}), list(data.items[:40])
        case "flattened pictures with dense layers":
            data = datasets.load("digits").take(range(120))
            settings = {**QUICK, "kernels": (5,), "head": "flatten", "dense": (7,)}
            return fit(ImageAdapter(), data.items, data.labels, settings), list(data.items[:40])
        case "sounds":
            data = datasets.load("tones").take(range(24))
            adapter = AudioAdapter(sample_rate=data.sample_rate, duration=0.3)
            return fit(adapter, data.items, data.labels, {**QUICK, "kernels": (4,)}), list(data.items)
        case "texts":
            texts = [f"{word} film {'really ' * (at % 5)}number {at}" for at in range(40) for word in ("good", "bad")]
            return fit(TextAdapter(), texts, ["a", "b"] * 40, {**QUICK, "kernels": (6,)}), texts[:30]
        case "flipped pictures":
            pictures = [rng.integers(0, 99, (8, 8)).astype(np.uint8) + 150 * (at % 2) for at in range(32)]
            settings = {**QUICK, "kernels": (4,), "augment": {"flip": ("width",)}}
            return fit(ImageAdapter(), pictures, ["a", "b"] * 16, settings), pictures
    series = [np.sin(np.arange(40) * rng.uniform(0.2 + 0.4 * (at % 2), 0.3 + 0.4 * (at % 2))) for at in range(40)]
    return fit(ArrayAdapter(), series, ["slow", "fast"] * 20, {**QUICK, "kernels": (4,)}), series


KINDS = ["pictures", "flattened pictures with dense layers", "sounds", "texts", "flipped pictures", "series"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[FittedModel, list[Any]]:
    return trained(request.param)


@pytest.fixture(scope="module")
def pictures() -> tuple[FittedModel, list[Any]]:
    return trained("pictures")


def test_a_vector_is_the_feature_vector_of_the_network(kind: tuple[FittedModel, list[Any]]) -> None:
    model, items = kind
    found = embed(model, items[:5])

    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (5, length_of(model.network))
    for item, vector in zip(model.adapter.check_items(items[:5]), found.vectors, strict=True):
        windows = torch.from_numpy(model.adapter.encode(item))
        with torch.inference_mode():
            grids = model.network.frontend(windows)
            copies = [grids, grids.flip(-1)] if model.network.flip_axes else [grids]
            expected = [copy_features(model, each) for each in copies]
        np.testing.assert_allclose(vector, np.mean(expected, axis=(0, 1)), rtol=1e-4, atol=1e-4)


def copy_features(model: FittedModel, grids: torch.Tensor) -> np.ndarray:
    values = grids
    for step in model.network.backbone.steps():
        values = step.run(values)
        if step.kind == "features":
            return values.numpy()
    raise AssertionError


def test_a_vector_is_the_same_alone_and_among_others(kind: tuple[FittedModel, list[Any]]) -> None:
    model, items = kind
    together = embed(model, items)
    alone = np.concatenate([embed(model, items[at : at + 1]).vectors for at in range(0, len(items), 7)])

    np.testing.assert_allclose(together.vectors[::7], alone, rtol=1e-5, atol=1e-5)


def test_the_answers_beside_the_vectors_are_those_of_predict(kind: tuple[FittedModel, list[Any]]) -> None:
    model, items = kind

    np.testing.assert_allclose(
        embed(model, items).answers.probabilities, predict(model, items).probabilities, atol=1e-6
    )


def test_a_digest_survives_saving_and_tells_trainings_apart(
    kind: tuple[FittedModel, list[Any]], tmp_path: Path
) -> None:
    model, _ = kind
    save(model, tmp_path / "m.safetensors")
    digest = digest_of(model)

    assert digest_of(load(tmp_path / "m.safetensors")) == digest
    with torch.no_grad():
        next(iter(model.network.backbone.parameters())).view(-1)[0] += 1
        changed = digest_of(model)
        next(iter(model.network.backbone.parameters())).view(-1)[0] -= 1
    assert changed != digest


def test_an_item_that_cannot_be_read_has_an_error_and_no_vector(
    pictures: tuple[FittedModel, list[Any]], tmp_path: Path
) -> None:
    model, items = pictures
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    found = embed(model, [bad, items[0]])

    assert [bool(error) for error in found.errors] == [True, False]
    assert np.isnan(found.vectors[0]).all()
    assert np.isfinite(found.vectors[1]).all()
    assert found.to_frame().embedding[0] is None
    with pytest.raises(ItemError, match=r"bad\.png"):
        embed(model, [bad], on_error="raise")


def test_no_items_give_no_vectors(pictures: tuple[FittedModel, list[Any]]) -> None:
    assert embed(pictures[0], []).vectors.shape == (0, length_of(pictures[0].network))


def test_blocks_are_searched_as_one() -> None:
    rng = np.random.default_rng(0)
    vectors, query = rng.normal(size=(500, 6)), rng.normal(size=6)
    vectors[17] = np.nan
    exact = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)

    positions, similarities = nearest(query, np.array_split(vectors, 7), 9)
    assert positions.tolist() == np.argsort(-np.nan_to_num(exact, nan=-2))[:9].tolist()
    np.testing.assert_allclose(similarities, exact[positions], atol=1e-6)
    with pytest.raises(DataError, match="zero or not finite"):
        nearest(np.zeros(6), [vectors], 3)


def test_farthest_first_visits_every_cluster_before_any_twice() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(5)
    vectors = np.repeat(centres, 20, axis=0) + rng.normal(scale=0.02, size=(100, 5))

    assert sorted(at // 20 for at in farthest_first(vectors, 5)) == [0, 1, 2, 3, 4]
    assert len(farthest_first(np.ones((4, 3)), 3)) == 1  # copies say nothing new
