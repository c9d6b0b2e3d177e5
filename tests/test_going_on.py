"""A training may go on from a model: with more items, with more classes, without forgetting."""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import gridcnn
from gridcnn import FittedModel, GridClassifier
from gridcnn.adapters import ArrayAdapter, ImageAdapter, TextAdapter
from gridcnn.datasets import load
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.training.callbacks import Callback
from gridcnn.training.going_on import MOST_WEIGHT, caught_up, first_network
from gridcnn.training.loop import Examples, seeded
from gridcnn.training.plan import plan
from gridcnn.training.recipe import resolve

QUICK: dict[str, Any] = {"epochs": 6, "cache": False, "refit": False}


class Heard(Callback):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_message(self, line: str) -> None:
        self.lines.append(line)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load("digits")
    return np.asarray(data.items)[:1200], np.asarray(data.labels)[:1200]


def rows_of(labels: np.ndarray, wanted: str, most: int = 10_000) -> np.ndarray:
    """Return the first rows of each of some digits among the training items."""
    return np.concatenate([np.flatnonzero(labels[:900].astype(str) == each)[:most] for each in wanted])


@functools.cache
def of_nine() -> FittedModel:
    """A model of the digits 0 to 8."""
    items, labels = digits()
    rows = rows_of(labels, "012345678")
    return gridcnn.fit(ImageAdapter(), items[rows], labels[rows], QUICK)


def accuracy(model: FittedModel, wanted: str = "0123456789") -> float:
    items, labels = (each[900:] for each in digits())
    asked = np.isin(labels.astype(str), list(wanted))
    return float((gridcnn.predict(model, items[asked]).labels == labels[asked]).mean())


def test_a_new_class_is_learned_from_ten_items_as_well_as_from_scratch_in_a_quarter_of_the_epochs() -> None:
    items, labels = digits()
    rows = np.concatenate([rows_of(labels, "012345678"), rows_of(labels, "9", 10)])

    model = gridcnn.fit(ImageAdapter(), items[rows], labels[rows], {"cache": False}, start=of_nine())
    scratch = gridcnn.fit(ImageAdapter(), items[rows], labels[rows], {"cache": False, "refit": False})

    assert model.class_names == list("0123456789")
    assert accuracy(model) >= accuracy(scratch) - 0.01
    assert accuracy(model, "9") > 0.6
    assert model.recipe["epochs"] == -(-scratch.recipe["epochs"] // 4)
    assert model.recipe["learning_rate"] < scratch.recipe["learning_rate"]


def test_classes_without_items_are_not_forgotten() -> None:
    items, labels = digits()
    rows = np.concatenate([rows_of(labels, "5678", 25), rows_of(labels, "9", 10)])
    heard = Heard()
    before = accuracy(of_nine(), "01234")

    model = gridcnn.fit(ImageAdapter(), items[rows], labels[rows], {"cache": False}, start=of_nine(), callbacks=[heard])

    assert accuracy(model, "01234") > before - 0.06
    assert accuracy(model, "9") > 0.6
    assert "no item is of 0, 1, 2, 3, 4" in heard.text
    assert "which stay as they are; their votes are learned further in one step" in heard.text
    assert "epoch" not in heard.text
    assert model.recipe["epochs"] == 1
    assert model.summary["from"]["without_items"] == list("01234")
    kernels = [each.network.state_dict()["backbone.blocks.0.convs.0.0.weight"] for each in (model, of_nine())]
    assert kernels[0].equal(kernels[1])


def test_the_old_model_stays_as_it_is_and_the_new_one_says_where_it_came_from(tmp_path: Path) -> None:
    items, labels = digits()
    rows = rows_of(labels, "0123456789", 12)
    digest = of_nine().digest

    model = gridcnn.fit(ImageAdapter(), items[rows], labels[rows], QUICK, start=of_nine())
    gridcnn.save(model, tmp_path / "model.safetensors")
    origin = gridcnn.load(tmp_path / "model.safetensors").summary["from"]

    assert of_nine().digest == digest != model.digest
    assert origin["digest"] == digest
    assert origin["new_classes"] == ["9"]
    assert origin["classes"] == list("012345678")
    assert digest in model.facts()["came from"]


def test_items_that_the_old_model_has_learned_from_are_not_held_out_nor_scored() -> None:
    items, labels = digits()
    known = rows_of(labels, "012345678")
    new = np.setdiff1d(np.arange(900), known)  # all of them are of class 9
    heard = Heard()

    model = gridcnn.fit(
        ImageAdapter(), items[:900], labels[:900], {**QUICK, "epochs": 1}, start=of_nine(), callbacks=[heard]
    )
    given = gridcnn.fit(
        ImageAdapter(), items[:900], labels[:900], {**QUICK, "epochs": 1}, validation=(items[known], labels[known]),
        start=of_nine(),
    )  # fmt: skip

    assert len(new) >= 50
    assert "the model has learned from all items already" in heard.text
    assert model.scores == {}
    assert model.certainty.temperature == of_nine().certainty.temperature != 1
    assert given.scores == {}
    assert model.trained_on(of_nine().fingerprints).all()


def test_new_items_are_held_out_if_there_are_enough_of_each_class() -> None:
    items, labels = digits()

    first = gridcnn.fit(ImageAdapter(), items[:300], labels[:300], QUICK)
    model = gridcnn.fit(ImageAdapter(), items[:900], labels[:900], QUICK, start=first)

    assert 50 <= model.summary["validation_items"] <= 70  # a tenth of the 600 new ones
    assert model.scores["validation_accuracy"] > 0.85
    assert model.certainty.n_items == model.summary["validation_items"]


def test_a_time_limit_shortens_neither_grid_nor_network() -> None:
    items, labels = digits()

    model = gridcnn.fit(ImageAdapter(), items[:300], labels[:300], {"cache": False, "time_limit": 1.5}, start=of_nine())

    assert model.network.backbone.config == of_nine().network.backbone.config
    assert model.adapter.spec_ == of_nine().adapter.spec_
    assert model.summary["time"]["limit"] == 1.5


def test_a_killed_training_goes_on_and_only_from_the_same_model(tmp_path: Path) -> None:
    items, labels = digits()
    rows = rows_of(labels, "0123456789", 20)
    steady = {**QUICK, "epochs": 3}

    class Killed(BaseException):
        pass

    class Kill(Callback):
        def on_epoch(self, record: Any, network: Any) -> None:
            if record.epoch == 2:
                raise Killed

    kept = {**steady, "checkpoint_dir": tmp_path, "checkpoint_every": 0.0}
    task = ImageAdapter(), items[rows], labels[rows]
    with pytest.raises(Killed):
        gridcnn.fit(*task, kept, start=of_nine(), callbacks=[Kill()])
    heard = Heard()
    with pytest.raises(ConfigurationError, match="another run"):
        gridcnn.fit(*task, kept)
    resumed = gridcnn.fit(*task, kept, start=of_nine(), callbacks=[heard])

    assert "1 of 3 epochs" in heard.text or "2 of 3 epochs" in heard.text
    assert resumed.digest == gridcnn.fit(*task, steady, start=of_nine()).digest


@pytest.mark.parametrize(
    ("adapter", "parameters", "why"),
    [
        (ImageAdapter(), {"kernels": (7,)}, "kernels="),
        (ImageAdapter(size=(16, 16)), {}, "size="),
        (TextAdapter(), {}, "TextAdapter"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(adapter: Any, parameters: dict[str, Any], why: str) -> None:
    items, labels = digits()

    with pytest.raises(ConfigurationError, match=why):
        gridcnn.fit(adapter, items[:60], labels[:60], parameters, start=of_nine())


def test_labels_of_another_kind_and_items_of_one_class_are_refused() -> None:
    items, labels = digits()
    other = labels.astype(int) if labels.dtype.kind == "U" else labels.astype(str)

    with pytest.raises(DataError, match="the classes of the model to go on from are"):
        gridcnn.fit(ImageAdapter(), items[:60], other[:60], QUICK, start=of_nine())
    nine = rows_of(labels, "9", 10)
    with pytest.raises(DataError, match="add items of some of these"):
        gridcnn.fit(ImageAdapter(), items[nine], labels[nine], QUICK, start=of_nine())


def sentences(kinds: str, n_items: int) -> tuple[list[str], list[str]]:
    words = {
        "p": "good coffee and cake",
        "c": "bad tea alas",
        "q": "when does it open",
        "r": "please call back tomorrow",
    }
    random = np.random.default_rng(0)
    texts = [f"{words[kind]} {random.integers(9)} {random.integers(9)}" for _ in range(n_items) for kind in kinds]
    return texts, list(kinds) * n_items


def test_the_bag_of_a_text_model_is_learned_further() -> None:
    first = gridcnn.fit(TextAdapter(), *sentences("pc", 40), {"epochs": 2, "cache": False})
    texts, labels = sentences("pcq", 12)

    model = gridcnn.fit(TextAdapter(), texts, labels, {"cache": False}, start=first)

    assert first.network.backbone.config.summed_kernels == 4
    assert model.network.backbone.config.summed_kernels == 6
    assert (gridcnn.predict(model, texts).labels == np.array(labels)).mean() > 0.9
    assert first.network.backbone.config.summed_kernels == 4  # of its own


def test_a_text_model_keeps_its_bag_for_classes_without_items() -> None:
    first = gridcnn.fit(TextAdapter(), *sentences("pcr", 40), {"epochs": 2, "cache": False})
    texts, labels = sentences("pcq", 20)

    model = gridcnn.fit(TextAdapter(), texts, labels, {"cache": False}, start=first)

    told = gridcnn.predict(model, ["please call back tomorrow 1", "good coffee and cake 5", "when does it open 3"])
    assert told.labels.tolist() == ["r", "p", "q"]
    evidence = [each.network.state_dict()["frontend.evidence.weight"] for each in (first, model)]
    assert evidence[0].equal(evidence[1])


def of_words(n_items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of three kinds, in which the same sixty words are more or less frequent."""
    chances = np.exp(0.8 * np.random.default_rng(7).normal(size=(3, 60)))
    words, random = [f"w{first}{last}" for first in "abcdef" for last in "mnopqrstuv"], np.random.default_rng(seed)
    texts = [" ".join(random.choice(words, 10, p=each / each.sum())) for each in chances for _ in range(n_items)]
    return np.array(texts), np.repeat(["praise", "blame", "plea"], n_items)


def test_ten_texts_of_a_new_class_among_hundreds_are_learned_as_well_as_from_scratch() -> None:
    texts, labels = of_words(200, seed=0)
    rows = np.concatenate([np.flatnonzero(labels != "plea"), np.flatnonzero(labels == "plea")[:10]])
    asked, truth = of_words(100, seed=1)
    usual = {"cache": False, "folds": 1}
    first = gridcnn.fit(TextAdapter(), texts[rows[:-10]], labels[rows[:-10]], usual)

    model = gridcnn.fit(TextAdapter(), texts[rows], labels[rows], usual, start=first)
    scratch = gridcnn.fit(TextAdapter(), texts[rows], labels[rows], usual)

    right, as_well = (gridcnn.predict(each, asked).labels == truth for each in (model, scratch))
    assert right.mean() >= as_well.mean()
    assert right[truth == "plea"].mean() >= as_well[truth == "plea"].mean() + 0.05


def test_items_of_a_new_class_weigh_more_up_to_half_an_average_class_and_to_a_limit() -> None:
    target = np.repeat([0, 1, 2, 3, 4], [40, 80, 10, 1, 200])
    examples = Examples(np.zeros((len(target), 1)), target, np.ones(len(target), np.float32))

    weight = caught_up(examples, 5, known=[0, 1]).weight

    np.testing.assert_allclose([weight[target == each][0] for each in range(5)], [1, 1, 3, MOST_WEIGHT, 1])


def waves(kinds: str, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    random, time = np.random.default_rng(1), np.linspace(0, 1, 60)
    rates = {"a": 3, "b": 7, "c": 12}
    curves = [np.sin(2 * np.pi * (rates[kind] * time + random.uniform())) for _ in range(n_items) for kind in kinds]
    return np.array(curves) + random.normal(0, 0.1, (len(curves), 60)), np.array(list(kinds) * n_items)


def test_fixed_kernels_of_series_stay_and_votes_are_solved_anew() -> None:
    solved = {"solved": True, "kernels": (84,), "kernel_sizes": (9,), "batch_norm": False, "pool_size": 1,
              "head": "share_average", "cache": False, "folds": 1}  # fmt: skip
    first = gridcnn.fit(ArrayAdapter(), *waves("ab", 20), solved)
    curves, labels = waves("abc", 20)

    model = gridcnn.fit(ArrayAdapter(), curves, labels, {"cache": False}, start=first)

    kernels = [each.network.state_dict()["backbone.blocks.0.convs.0.0.bias"] for each in (first, model)]
    assert kernels[0].equal(kernels[1])
    assert (gridcnn.predict(model, curves).labels == labels).mean() > 0.9
    with pytest.raises(DataError, match="would forget these classes"):
        gridcnn.fit(ArrayAdapter(), *waves("bc", 20), {"cache": False}, start=first)


def test_the_estimator_goes_on_from_a_fitted_one_and_a_plan_tells_what_it_would_take() -> None:
    items, labels = digits()
    rows = rows_of(labels, "0123456789", 12)
    first = GridClassifier.from_model(of_nine())

    classifier = GridClassifier(ImageAdapter(), cache=False).fit(items[rows], labels[rows], start=first)
    planned = plan(ImageAdapter(), items[rows], labels[rows], {"cache": False}, start=first)

    assert len(classifier.classes_) == 10
    assert planned.backbone.kernels == of_nine().network.backbone.config.kernels
    assert planned.training.epochs == classifier.model_.recipe["epochs"]


def test_weights_of_the_backbone_are_drawn_before_those_of_the_frontend() -> None:
    texts = TextAdapter(min_count=1).fit(["one two three four", "five six seven eight"])
    recipe = resolve({}, texts, n_items=2)
    job: Any = SimpleNamespace(start=None, classes=np.array(["a", "b"]), items=SimpleNamespace(several=False))

    with seeded(3, torch.device("cpu")):
        network = first_network(job, texts, recipe)
    with seeded(3, torch.device("cpu")):
        backbone = ConvPoolDense(texts.spec_, recipe.backbone, 2)

    assert torch.equal(network.backbone.output.weight, backbone.output.weight)
