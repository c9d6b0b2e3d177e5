"""A graph that tells how it came to its answer has the numbers of a trace."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from gridcnn import datasets, fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, TextAdapter
from gridcnn.inference import predict
from gridcnn.model import FittedModel
from gridcnn.render import live

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

import onnxruntime

from gridcnn.export.traced_graph import traced_graph

QUICK: dict[str, Any] = {"epochs": 1, "validation_fraction": 0.0, "cache": False}
TOLERANCE = 1e-4
RATE = 8_000


def series(settings: dict[str, Any]) -> FittedModel:
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(60, 3, 40)), np.arange(60) % 2
    rows[labels == 1, :, 10:14] += 3
    return fit(ArrayAdapter(axes=("channels", "time")), rows, labels, {**QUICK, "kernels": (5, 7), **settings})


@pytest.fixture(scope="module")
def tones() -> FittedModel:
    data = datasets.load("tones").take(range(24))
    settings = {**QUICK, "kernels": (4, 6)}
    return fit(AudioAdapter(sample_rate=RATE, duration=0.5), data.items, data.labels, settings)


@pytest.fixture(scope="module")
def sentences() -> FittedModel:
    data = datasets.load("word_order").take(range(200))
    return fit(TextAdapter(), data.items, data.labels, {**QUICK, "kernels": (8,)})


def numbers(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["numbers"]), "<f4").reshape(packed["shape"])


def run(model: FittedModel, item: Any) -> dict[str, Any]:
    """Return the outputs of a traced graph for one item."""
    session = onnxruntime.InferenceSession(traced_graph(model, live.layers(model)).model().SerializeToString())
    (taken,), decoded = session.get_inputs(), model.adapter.decode(item)
    batch = np.array([decoded], dtype=object) if isinstance(decoded, str) else np.asarray(decoded)[None]
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, {taken.name: batch}), strict=True))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"augment": {"flip": ("time",)}},
        {"head": "flatten", "convs_per_block": 2, "kernel_sizes": (3, 5)},
        {"batch_norm": False, "head": "global_average", "dense": (6,), "pool": "average", "padding": "valid"},
    ],
)
def test_a_traced_graph_has_the_values_of_a_trace(settings: dict[str, Any]) -> None:
    model, item = series(settings), np.random.default_rng(1).normal(size=(3, 40))
    found, expected = run(model, item), live.maps(model, item)
    np.testing.assert_allclose(found["probabilities"][0], predict(model, [item]).probabilities[0], atol=1e-5)
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=TOLERANCE)
    np.testing.assert_allclose(found["grid"], numbers(expected["grid"]), atol=TOLERANCE)
    np.testing.assert_allclose(found["column"], numbers(expected["column"]), atol=TOLERANCE)
    assert found.get("peaks", np.array(None)).tolist() == expected["peaks"]
    named = {f"maps {g} {s}": maps for g, stages in enumerate(expected["maps"]) for s, maps in enumerate(stages)}
    for name, maps in named.items():
        assert (name in found) == (maps is not None)
        if maps is not None:
            np.testing.assert_allclose(found[name], numbers(maps), atol=TOLERANCE, err_msg=name)


def test_the_window_that_is_shown_is_that_of_a_trace(tones: FittedModel) -> None:
    length = tones.adapter.samples_
    pitch = np.repeat([300.0, 900.0, 2500.0], length)
    item = (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32)
    found, expected = run(tones, item), live.maps(tones, item)
    assert (found["n_windows"].tolist(), found["window"].tolist()) == ([3], [expected["window"]])
    assert found["start"].tolist() == [(expected["window"] - 1) * length]
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=TOLERANCE)
    np.testing.assert_allclose(found["grid"], numbers(expected["grid"]), atol=TOLERANCE)


def test_a_short_sound_begins_before_its_first_sample(tones: FittedModel) -> None:
    assert run(tones, np.ones(1_000, np.float32))["start"].tolist() == [-(tones.adapter.samples_ - 1_000) // 2]


def test_words_of_the_window_that_is_shown_are_whole(sentences: FittedModel) -> None:
    item = "Nobody was SURPRISED, n'importe " + "the book was not bad " * 12
    found, expected = run(sentences, item), live.maps(sentences, item)
    assert found["n_windows"].tolist() == [expected["n_windows"]] != [1]
    assert found["tokens"].tolist() == expected["axes"][0]["words"]
    known = [bool(word) and word in sentences.adapter.vocabulary_ for word in found["tokens"]]
    assert found["known"].tolist() == known
