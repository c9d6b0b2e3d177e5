"""Networks that learn in one step: fixed kernels, solved logits."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from gridcnn import fit
from gridcnn.adapters import ArrayAdapter
from gridcnn.adapters.array_settings import fixed_kernels, learning_questions
from gridcnn.errors import ConfigurationError
from gridcnn.explain import contributions, trace
from gridcnn.grid import GridSpec
from gridcnn.inference import predict
from gridcnn.model import FittedModel, Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.training.loop import Examples
from gridcnn.training.solve import _features, _quantiles

SOLVED = {**fixed_kernels(60), "kernels": (84,), "validation_fraction": 0.0, "refit": False}


def waves(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Series of 60 cells with a fast or a slow wave somewhere, in noise."""
    random = np.random.default_rng(seed)
    fast = np.arange(n) % 2
    period, phase = np.where(fast, 5.0, 9.0)[:, None], random.uniform(0, 7, (n, 1))
    values = np.sin(2 * np.pi * np.arange(60) / period + phase) + random.normal(0, 0.7, (n, 60))
    return values, np.where(fast, "fast", "slow")


@pytest.fixture(scope="module")
def solved() -> FittedModel:
    return fit(ArrayAdapter(), *waves(), SOLVED)


def test_few_series_are_told_apart(solved: FittedModel) -> None:
    values, labels = waves(200, seed=1)

    answers = predict(solved, values)

    assert (np.asarray(answers.labels) == labels).mean() > 0.95


def test_kernels_are_contrasts_at_all_distances(solved: FittedModel) -> None:
    branches: Any = solved.network.backbone.blocks[0].convs[0]  # type: ignore[index,union-attr]

    assert [branch.dilation[0] for branch in branches] == [1] * 11 + [2] * 5 + [3] * 5 + [4] * 3 + [5, 5, 5, 6, 6, 7]
    for branch in branches:
        weights = branch.weight.detach().numpy()
        assert (np.sort(weights[:, 0], axis=1) == [-1] * 6 + [2] * 3).all()
        assert len(np.unique(weights[:, 0], axis=0)) == 84


def test_a_kernel_looks_at_some_of_many_channels() -> None:
    values, labels = waves()
    several = np.stack([values] * 6, axis=1)

    model = fit(ArrayAdapter(("channels", "length")), several, labels, SOLVED)

    branches: Any = model.network.backbone.blocks[0].convs[0]  # type: ignore[index,union-attr]
    used = (np.abs(branches[0].weight.detach().numpy()).max(axis=2) > 0).sum(axis=1)
    assert used.min() == 1
    assert used.max() > 1


@pytest.mark.parametrize("head", ["share_average", "pyramid_max"])
def test_features_are_those_of_the_network(solved: FittedModel, head: str) -> None:
    config = dataclasses.replace(solved.network.backbone.config, head=head)
    network = Network(solved.network.frontend, ConvPoolDense(solved.adapter.spec_, config, 2).eval())
    windows = np.random.default_rng(0).normal(size=(7, 1, 60)).astype(np.float32)
    examples = Examples(windows, np.zeros(7, dtype=int), np.ones(7, dtype=np.float32))

    with torch.inference_mode():
        found = _features(network, examples, 2, torch.device("cpu"))
        values = network.frontend(torch.from_numpy(windows))
        for step in itertools.takewhile(lambda step: step.kind != "dropout", network.backbone.steps()):
            values = step.run(values)

    np.testing.assert_allclose(found, values.numpy(), atol=1e-5)


def test_thresholds_are_quantiles() -> None:
    random = np.random.default_rng(0)
    cells, at = random.normal(size=(3, 50)), random.uniform(size=6)

    found = _quantiles(cells, np.array([0, 0, 1, 1, 2, 2]), at)

    np.testing.assert_allclose(found, [np.quantile(cells[row // 2], at[row]) for row in range(6)])


def test_the_same_seed_gives_the_same_weights(solved: FittedModel) -> None:
    again, other = (fit(ArrayAdapter(), *waves(), SOLVED | {"random_state": seed}) for seed in (0, 1))

    def weights(model: FittedModel) -> np.ndarray:
        return model.network.backbone.output.weight.detach().numpy()

    assert np.array_equal(weights(again), weights(solved))
    assert not np.array_equal(weights(other), weights(solved))


def test_a_weight_of_two_is_two_copies() -> None:
    values, labels = waves()
    twice = np.r_[np.arange(40), np.arange(10)]

    weighted = fit(ArrayAdapter(), values, labels, SOLVED, sample_weight=1 + (np.arange(40) < 10))
    copied = fit(ArrayAdapter(), values[twice], labels[twice], SOLVED)

    assert np.array_equal(predict(weighted, values).probabilities, predict(copied, values).probabilities)


def test_votes_add_up_to_the_logit(solved: FittedModel) -> None:
    found = contributions(trace(solved, waves()[0][0]))

    assert found.products.sum() + found.bias == pytest.approx(found.logit)
    assert found.strongest_for[0].patch.cells.shape[1] <= 57


def test_probabilities_of_items_left_out_are_calibrated_without_overconfidence(solved: FittedModel) -> None:
    random = np.random.default_rng(0)

    noise = fit(ArrayAdapter(), random.normal(size=(40, 60)), waves()[1], SOLVED)
    answers = predict(noise, random.normal(size=(100, 60)))

    assert answers.probabilities.max(axis=1).mean() < 0.7


@pytest.mark.parametrize(
    "other", [{"kernels": (84, 84)}, {"kernel_sizes": (7,)}, {"batch_norm": True}, {"dense": (4,)}, {"head": "flatten"}]
)
def test_another_network_is_not_solved(other: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="one block"):
        fit(ArrayAdapter(), *waves(), SOLVED | other)


def test_the_question_is_asked_of_few_series_only() -> None:
    series, short, picture = (
        GridSpec.of("channels", 1, **sizes) for sizes in ({"x": 60}, {"x": 5}, {"x": 28, "y": 28})
    )

    def options(spec: GridSpec, n_items: int) -> list[str]:
        return [option.name for question in learning_questions(spec, n_items) for option in question.options]

    assert options(series, 100) == ["fixed kernels", "learned kernels"]
    assert options(series, 50) == ["fixed kernels"]
    assert options(series, 5_000) == options(picture, 100) == options(short, 100) == []


@pytest.mark.parametrize(("length", "channels"), [(9, 1), (60, 1), (1_500, 2), (1_500, 500), (60_000, 1)])
def test_fixed_kernels_fit_the_series_and_a_small_file(length: int, channels: int) -> None:
    settings = fixed_kernels(length, channels)

    maps = settings["kernels"][0] * len(settings["dilations"])
    assert max(settings["dilations"]) * 8 < length
    assert maps * channels * 9 <= 2**20
    assert maps * length <= 2**25
    assert settings["kernels"][0] % 84 == 0
    assert settings["batch_size"] * maps * length <= 2**23 or settings["batch_size"] == 1


def test_who_sets_how_kernels_are_learned_gets_learned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridcnn.adapters.array_settings.epoch_count", lambda *_: 2)
    X, y = waves(60)
    model = fit(ArrayAdapter(), X, y, {"learning_rate": 0.01, "folds": 1, "refit": False})
    assert not model.recipe["solved"]
    assert fit(ArrayAdapter(), X, y, {"refit": False}).recipe["solved"]


def test_on_plateaus_rounding_decides_nothing() -> None:
    random = np.random.default_rng(1)
    steps = np.repeat(random.integers(0, 4, (40, 10)), 6, axis=1).astype(np.float32) * 0.1
    target = (steps[:, :30].mean(axis=1) > steps[:, 30:].mean(axis=1)).astype(int)
    model = fit(ArrayAdapter(), steps, target, {**SOLVED, "kernels": (840,), "dilations": (1, 2, 4)})
    predicted = predict(model, steps).probabilities
    for row in range(8):
        np.testing.assert_allclose(trace(model, steps[row]).item_probabilities, predicted[row], atol=1e-5)
