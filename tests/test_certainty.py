"""Calibrated probabilities, being unsure, sets of classes, and a class that is never an answer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gridcnn import bundle, datasets, explain, fit, predict
from gridcnn.adapters import ImageAdapter, TextAdapter
from gridcnn.answer_rule import UNSURE, AnswerRule
from gridcnn.calibration import calibrate, fit_temperature, mean_loss, mean_probabilities
from gridcnn.certainty import MOST_KEPT, Certainty, Quality
from gridcnn.cli.formats import Column, Csv
from gridcnn.cli.train_report import _calibrated
from gridcnn.errors import ConfigurationError, TamperedBundleError
from gridcnn.evaluation.trust import measure_trust
from gridcnn.inference.predictor import Predictor
from gridcnn.model import FittedModel
from gridcnn.training.callbacks import Callback

N_CLASSES = 5


def drawn(n: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits of single windows, and classes that are right as often as the softmax at this temperature says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(n, 1, N_CLASSES))
    true = mean_probabilities(logits, np.arange(n), temperature)
    return logits, np.array([rng.choice(N_CLASSES, p=row) for row in true])


def learned(n: int, temperature: float = 1.0, seed: int = 0) -> Certainty:
    logits, target = drawn(n, temperature, seed)
    probabilities = mean_probabilities(logits, np.arange(n), temperature)
    return Certainty.learned(temperature, Quality(1, 1), Quality(1, 1), probabilities, target)


# --- temperature -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature: float) -> None:
    logits, target = drawn(4_000, temperature)
    assert fit_temperature(logits, np.arange(4_000), target) == pytest.approx(temperature, rel=0.07)


def test_few_items_that_are_all_right_do_not_make_a_model_sure_of_everything() -> None:
    logits = np.zeros((20, 1, N_CLASSES))
    logits[:, :, 0] = 2
    assert 0.3 < fit_temperature(logits, np.arange(20), np.zeros(20, int)) < 1


def test_the_temperature_is_fitted_through_the_mean_over_windows_and_copies() -> None:
    rng = np.random.default_rng(1)
    item = np.repeat(np.arange(3_000), 2)
    logits = rng.normal(scale=2, size=(6_000, 2, N_CLASSES))
    true = mean_probabilities(logits, item, 0.6)
    target = np.array([rng.choice(N_CLASSES, p=row) for row in true])
    assert fit_temperature(logits, item, target) == pytest.approx(0.6, rel=0.1)


def test_a_weight_of_two_counts_like_two_items() -> None:
    logits, target = drawn(200, 1.5)
    weight = np.repeat([2.0, 1.0], 100)
    twice = np.concatenate([np.arange(100), np.arange(200)])
    by_weight = fit_temperature(logits, np.arange(200), target, weight * 200 / weight.sum())
    by_copies = fit_temperature(logits[twice], np.arange(300), target[twice])
    assert by_weight == pytest.approx(by_copies, rel=0.03)  # the prior outweighs 200 items a little more than 300


def test_the_mean_over_windows_is_that_of_probabilities() -> None:
    logits = np.array([[[0.0, 2.0]], [[3.0, 0.0]], [[1.0, 1.0]]])
    found = mean_probabilities(logits, np.array([0, 0, 4]), 2.0)
    first = (1 / (1 + np.exp(1)) + 1 / (1 + np.exp(-1.5))) / 2
    np.testing.assert_allclose(found, [[first, 1 - first], [0.5, 0.5]])


def test_the_error_to_expect_by_chance_is_what_perfect_probabilities_show() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=300)
    found = [calibrate(rng.random(300) < confidence, confidence) for _ in range(300)]
    assert found[0].by_chance == pytest.approx(np.mean([each.error for each in found]), rel=0.05)


# --- sets and abstaining ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_sets_hold_the_true_class_as_often_as_asked(coverage: float) -> None:
    logits, target = drawn(20_000, 1.0, seed=9)
    probabilities = mean_probabilities(logits, np.arange(20_000), 1.0)
    shares = [
        learned(60, seed=seed).sets(probabilities, coverage)[np.arange(20_000), target].mean() for seed in range(60)
    ]
    assert np.mean(shares) == pytest.approx(coverage, abs=0.02)  # ± 0.005; without the correction it would be 0.01 less
    assert np.mean(shares) > coverage - 0.006


def test_items_of_which_many_are_equal_are_in_sets_and_answered_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    distinct = rng.dirichlet([0.5] * 3, size=6)

    def items(n: int) -> tuple[np.ndarray, np.ndarray]:
        probabilities = distinct[rng.integers(6, size=n)]
        return probabilities, np.array([rng.choice(3, p=row) for row in probabilities])

    probabilities, target = items(20_000)
    hit, doubt = probabilities.argmax(axis=1) == target, 1 - probabilities.astype(np.float32).max(axis=1)
    covered, right = [], []
    for _ in range(20):
        certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), *items(1_000))
        held = certainty.sets(probabilities.astype(np.float32), 0.9, by_class=True)[np.arange(20_000), target]
        covered.append([held[target == each].mean() for each in range(3)])
        given = doubt <= certainty.largest_doubt(0.7)
        assert given[np.abs(doubt - doubt[given].max()) < 1e-6].all()  # all of a heap, or none
        right.append(hit[given].mean())
    assert (np.mean(covered, axis=0) > 0.89).all()  # some were 0.7 as long as rounding pushed heaps out
    assert np.mean(right) > 0.69


def test_an_answer_that_is_wrong_by_a_hair_is_wrong() -> None:
    certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), np.full((100, 2), 0.5), np.arange(100) % 2)
    assert certainty.accuracy == 0.5
    with pytest.raises(ConfigurationError, match=r"at no confidence"):
        certainty.largest_doubt(0.9)


def test_sets_by_class_hold_the_true_class_of_each_class_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)

    def items(n: int) -> tuple[np.ndarray, np.ndarray]:
        target = (rng.random(n) < 0.1).astype(int)  # class 1 is rare, and hard to tell
        logits = rng.normal(size=(n, 1, 2)) + np.where(target, -0.5, 2.0)[:, None, None] * [[[1, 0]]]
        return mean_probabilities(logits, np.arange(n), 1.0), target

    probabilities, target = items(5_000)
    certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), probabilities, target)
    probabilities, target = items(20_000)
    rare = target == 1
    overall, by_class = (
        certainty.sets(probabilities, 0.9, by_class=each)[np.arange(20_000), target] for each in (False, True)
    )
    assert overall.mean() == pytest.approx(0.9, abs=0.02)
    assert overall[rare].mean() < 0.8
    assert by_class[rare].mean() == pytest.approx(0.9, abs=0.04)
    assert by_class[~rare].mean() == pytest.approx(0.9, abs=0.02)


def test_answers_that_are_given_are_right_as_often_as_wanted() -> None:
    logits, target = drawn(20_000, 0.8, seed=9)
    probabilities = mean_probabilities(logits, np.arange(20_000), 0.8)
    hit = probabilities.argmax(axis=1) == target
    right = []
    for seed in range(30):
        sure = probabilities.max(axis=1) >= learned(500, 0.8, seed).threshold(0.9)
        assert 0.2 < sure.mean() < 0.95
        right.append(hit[sure].mean())
    assert hit.mean() < 0.85
    assert np.mean(right) == pytest.approx(0.9, abs=0.015)


def test_each_class_has_the_confidence_from_which_it_is_right_as_often_as_wanted() -> None:
    first = np.repeat([0.9, 0.8, 0.7], [30, 20, 10])  # of the first class, of which the last 10 are wrong
    probabilities = np.stack([np.append(first, [0.2] * 5), 1 - np.append(first, [0.2] * 5)], axis=1)
    target = np.repeat([0, 1, 1], [50, 10, 5])
    certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), probabilities, target)
    again = Certainty.from_dict(certainty.to_dict(), 2)

    assert certainty.thresholds(0.9, 2) == [pytest.approx(0.8, abs=1e-4), None]
    assert certainty.thresholds(0.8, 2) == [pytest.approx(0.7, abs=1e-4), pytest.approx(0.8, abs=1e-4)]
    assert again.thresholds(0.8, 2) == certainty.thresholds(0.8, 2)
    with pytest.raises(ConfigurationError, match="train it anew"):
        Certainty.from_dict({**certainty.to_dict(), "guess": []}, 2).thresholds(0.9, 2)


def test_a_model_that_is_right_often_enough_answers_everything() -> None:
    probabilities = np.tile([0.9, 0.1], (100, 1))
    certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), probabilities, np.zeros(100, int))
    assert certainty.threshold(0.95) == 0


def test_what_too_few_items_cannot_promise_is_refused_with_the_number_that_it_takes() -> None:
    few = learned(18)
    with pytest.raises(ConfigurationError, match="at least 19 held-out items, and this model has 18"):
        few.largest_miss(0.95, N_CLASSES)
    with pytest.raises(ConfigurationError, match="at least 20 held-out items"):
        few.threshold(0.95)
    assert learned(19).sets(np.full((1, N_CLASSES), 0.2), 0.95).shape == (1, N_CLASSES)
    with pytest.raises(ConfigurationError, match="without a validation part"):
        Certainty().threshold(0.5)
    with pytest.raises(ConfigurationError, match="9 held-out items of each class"):
        learned(30).largest_miss(0.9, N_CLASSES, by_class=True)


def test_an_accuracy_that_a_model_never_reaches_is_refused_with_the_best_that_it_promises() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1], size=400)
    certainty = Certainty.learned(
        1.0, Quality(1, 1), Quality(1, 1), probabilities, np.random.default_rng(1).integers(2, size=400)
    )
    with pytest.raises(ConfigurationError, match=r"at no confidence .* the most that they promise is 0\.[5-9]"):
        certainty.threshold(0.95)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match=r"share in \(0, 1\)"):
        learned(100).threshold(share)
    with pytest.raises(ConfigurationError, match=r"share in \(0, 1\)"):
        learned(100).largest_miss(share, N_CLASSES)


def test_only_so_many_scores_are_kept_and_they_come_back_from_json() -> None:
    logits, target = drawn(MOST_KEPT + 50, 1.0)
    probabilities = mean_probabilities(logits, np.arange(len(target)), 1.0)
    certainty = Certainty.learned(0.7, Quality(0.5, 0.1), Quality(0.4, 0.05), probabilities, target)
    assert len(certainty.miss) == MOST_KEPT
    assert certainty.n_items == MOST_KEPT + 50
    again = Certainty.from_dict(json.loads(json.dumps(certainty.to_dict())), N_CLASSES)
    assert again.to_dict() == certainty.to_dict()
    assert again.threshold(0.6) == certainty.threshold(0.6)


# --- rules -----------------------------------------------------------------------------------------------------------

ROWS = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.4, 0.35, 0.25]])


def test_the_background_is_no_answer_but_stays_in_sets() -> None:
    rule = AnswerRule(np.array(["cat", "dog", "noise"]), background=2, largest_miss=np.full(3, 0.7))
    assert rule.labels(ROWS).tolist() == ["cat", None, "cat"]
    assert rule.sets(ROWS) == [["cat", "dog"], ["noise"], ["cat", "dog"]]


def test_uncertain_items_are_unsure_whatever_they_are_most_like() -> None:
    rule = AnswerRule(np.array([0, 1, 2]), background=2, largest_doubt=0.5)
    assert rule.labels(ROWS).tolist() == [0, None, UNSURE]


def test_a_class_that_is_called_unsure_cannot_be_told_from_no_answer() -> None:
    with pytest.raises(ConfigurationError, match="called 'unsure'"):
        AnswerRule.of(np.array(["sure", "unsure"]), None, learned(100), abstain=0.5)


def test_a_model_that_is_right_more_often_than_sets_should_be_says_so() -> None:
    probabilities = np.random.default_rng(0).uniform(0.9, 1, size=(200, 1)) * [[1, 0]] + [[0, 0.001]]
    certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), probabilities, np.zeros(200, int))
    (note,) = AnswerRule.of(np.array(["a", "b"]), None, certainty, sets=0.9).notes
    assert "more often than the 90.0%" in note
    assert not AnswerRule.of(np.array(list("abcde")), None, learned(500), sets=0.9).notes


def test_a_model_that_is_never_unsure_at_the_accuracy_that_is_asked_for_says_so() -> None:
    probabilities = np.tile([0.6, 0.4], (100, 1))
    certainty = Certainty.learned(1.0, Quality(1, 1), Quality(1, 1), probabilities, np.arange(100) // 95)
    (note,) = AnswerRule.of(np.array(["a", "b"]), None, certainty, abstain=0.9).notes
    assert "95.0%" in note
    assert "answers every item" in note
    assert not AnswerRule.of(np.array(list("abcde")), None, learned(500), abstain=0.8).notes


def test_by_class_without_sets_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="by class is a promise about sets"):
        AnswerRule.of(np.array(["a", "b"]), None, learned(100), by_class=True)


# --- models ----------------------------------------------------------------------------------------------------------

QUICK: dict[str, Any] = {"epochs": 3, "kernels": (8,), "cache": False, "background": "9"}


@pytest.fixture(scope="module")
def digits() -> Any:
    return datasets.load("digits").take(range(900))


@pytest.fixture(scope="module")
def model(digits: Any) -> FittedModel:
    return fit(ImageAdapter(), digits.items[:600], digits.labels[:600], {**QUICK, "validation_fraction": 0.4})


def test_training_learns_a_temperature_on_the_held_out_items_and_weights_stay_as_trained(
    digits: Any, model: FittedModel
) -> None:
    learned = model.certainty
    assert learned.n_items == model.summary["validation_items"] == 240
    assert learned.before is not None
    assert learned.after is not None
    assert learned.after.loss < learned.before.loss
    assert learned.after.error < learned.before.error
    assert model.network.temperature == learned.temperature != 1
    weights = model.network.backbone.output.weight
    torch.testing.assert_close(model.network.calibrated().output.weight, weights / learned.temperature)


def test_probabilities_of_held_out_items_are_those_that_the_temperature_was_fitted_to(digits: Any) -> None:
    items, held = digits.take(range(500)), digits.take(range(500, 600))
    model = fit(
        ImageAdapter(), items.items, items.labels, {**QUICK, "augment": {"flip": ("width",)}},
        validation=(held.items, held.labels),
    )  # fmt: skip
    answers = predict(model, held.items)
    doubt = 1 - answers.probabilities.max(axis=1)
    np.testing.assert_allclose(np.sort(model.certainty.doubt), np.sort(doubt), rtol=1e-4, atol=1e-6)
    plain = predict(replace(model, certainty=Certainty()), held.items)
    target = np.searchsorted(model.classes, held.labels)
    assert model.certainty.before is not None
    assert mean_loss(plain.probabilities, target) == pytest.approx(model.certainty.before.loss, rel=1e-4)


def test_every_way_to_answer_has_the_same_probabilities(digits: Any, model: FittedModel, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from gridcnn.export.exported_model import ExportedModel
    from gridcnn.export.onnx_file import export_onnx

    items = digits.items[600:640]
    expected = predict(model, items).probabilities
    plain = Predictor(replace(model, certainty=Certainty()).network, torch.device("cpu"))
    encoded = np.concatenate([model.adapter.encode(item) for item in items])
    assert np.abs(plain(encoded) - expected).max() > 0.02  # the temperature does something
    export_onnx(model, tmp_path / "m.onnx", items=items)
    exported = ExportedModel(tmp_path / "m.onnx")
    np.testing.assert_allclose(exported.predict(items).probabilities, expected, atol=1e-5)
    traced = explain.trace(model, items[0])
    np.testing.assert_allclose(traced.item_probabilities, expected[0], atol=1e-5)
    found = explain.contributions(traced)
    assert found.products.sum() + found.bias == pytest.approx(found.logit)
    with torch.inference_mode():
        shares = model.network(torch.from_numpy(encoded)).softmax(dim=1).numpy()
    np.testing.assert_allclose(shares, expected, atol=1e-5)
    rules = [each.rule(abstain=0.9, sets=0.8) for each in (model, exported)]
    both = [predict(model, items, rule=rules[0]), exported.predict(items, rules[1])]
    assert both[0].labels.tolist() == both[1].labels.tolist()
    assert both[0].sets is not None
    assert both[1].sets is not None
    assert both[0].sets.tolist() == both[1].sets.tolist()
    assert exported.background == model.background == 9


def test_a_bundle_keeps_the_certainty_and_the_background(digits: Any, model: FittedModel, tmp_path: Path) -> None:
    bundle.save(model, tmp_path / "m.safetensors")
    again = bundle.load(tmp_path / "m.safetensors")
    assert again.certainty.to_dict() == model.certainty.to_dict()
    assert again.background == 9
    items = digits.items[600:650]
    np.testing.assert_array_equal(predict(again, items).probabilities, predict(model, items).probabilities)


def test_a_bundle_from_before_answers_as_its_network_was_trained(
    digits: Any, model: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = bundle._describe
    monkeypatch.setattr(
        bundle, "_describe", lambda each: {k: v for k, v in described(each).items() if k != "certainty"}
    )
    bundle.save(model, tmp_path / "old.safetensors")
    old = bundle.load(tmp_path / "old.safetensors")
    assert old.network.temperature == 1
    expected = predict(replace(model, certainty=Certainty()), digits.items[600:650]).probabilities
    np.testing.assert_array_equal(predict(old, digits.items[600:650]).probabilities, expected)
    with pytest.raises(ConfigurationError, match="without a validation part"):
        old.rule(abstain=0.9)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0},
        {"temperature": float("nan")},
        {"temperature": 1e-30},
        {"temperature": 1e30},
        {"n_items": -1},
        {"n_items": 10**400},
        {"n_items": 239},
        {"before": [float("nan"), 0.1]},
        {"after": [0.1, 5]},
        {"miss": [2.0]},
        {"target": [99] * 240},
        {"target": [10**30] * 240},
        {"doubt": 3},
    ],
)
def test_a_certainty_that_makes_no_sense_is_refused(
    model: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    described = bundle._describe
    monkeypatch.setattr(
        bundle, "_describe", lambda each: {**described(each), "certainty": each.certainty.to_dict() | change}
    )
    bundle.save(model, tmp_path / "m.safetensors")
    with pytest.raises(TamperedBundleError):
        bundle.load(tmp_path / "m.safetensors")


def test_an_item_like_the_background_has_no_answer(digits: Any, model: FittedModel) -> None:
    answers = predict(model, digits.items[600:])
    nine = answers.most_probable == 9
    assert 10 < nine.sum() < 60
    assert all(label is None for label in answers.labels[nine])
    assert (answers.labels[~nine] == answers.most_probable[~nine]).all()
    frame = predict(model, digits.items[600:], rule=model.rule(sets=0.8)).to_frame()
    assert frame["prediction"][nine].isna().all()
    assert frame.columns[2] == "set"
    assert (frame["error"] == "").all()


def test_a_background_that_is_no_class_is_refused(digits: Any) -> None:
    with pytest.raises(ConfigurationError, match="there is no class 'noise'; there are 0, 1"):
        fit(ImageAdapter(), digits.items[:60], digits.labels[:60], {**QUICK, "background": "noise"})


def test_without_held_out_items_the_temperature_is_one(digits: Any) -> None:
    model = fit(
        ImageAdapter(), digits.items[:100], digits.labels[:100], {**QUICK, "epochs": 1, "validation_fraction": 0.0}
    )
    assert model.network.temperature == 1
    assert model.certainty.n_items == 0


def test_after_a_refit_the_scores_are_those_of_the_model_before() -> None:
    words = {"a": "red rose sun", "b": "blue sea moon"}
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b"], size=120).tolist()
    texts = [" ".join([*rng.choice(words[label].split(), 3), str(at)]) for at, label in enumerate(labels)]
    model = fit(TextAdapter(), texts, labels, {"epochs": 2})
    assert model.summary["refit"]
    assert model.certainty.n_items == model.summary["validation_items"] == 12
    assert model.network.temperature == model.certainty.temperature != 1


def test_a_training_on_all_items_that_learns_less_is_not_kept(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridcnn.training import going_on as fitting

    train, calls, told = fitting.train_together, [], []

    def train_once(network: Any, examples: Any, config: Any, **rest: Any) -> Any:
        outcome = train(network, examples, config, **rest)
        calls.append(len(examples.target))
        if len(calls) > 1:
            torch.nn.init.zeros_(network.backbone.output.weight)
        return outcome

    class Told(Callback):
        def on_message(self, message: str) -> None:
            told.append(message)

    monkeypatch.setattr(fitting, "train_together", train_once)
    items, settings = digits.take(range(300)), {**QUICK, "epochs": 4, "validation_fraction": 0.3, "refit": True}
    model = fit(ImageAdapter(), items.items, items.labels, settings, callbacks=[Told()])
    assert calls == [210, 300]
    assert not model.summary["refit"]
    assert model.network.backbone.output.weight.abs().max() > 0
    assert any("the model before is kept" in message for message in told)


def test_trust_is_measured_on_labelled_items(digits: Any, model: FittedModel) -> None:
    items, truth = digits.items[600:], digits.labels[600:].astype(str)
    answers = predict(model, items, rule=model.rule(abstain=0.95, sets=0.8))
    trust = measure_trust(answers, truth)
    assert trust is not None
    assert trust.covered is not None
    assert answers.sets is not None
    held = [label in map(str, each) for each, label in zip(answers.sets, truth, strict=True)]
    assert trust.covered.share == np.mean(held)
    given = answers.labels != UNSURE
    assert trust.abstained.answered == given.mean()
    assert trust.abstained.accuracy == (answers.most_probable[given].astype(str) == truth[given]).mean()
    assert measure_trust(answers, np.full(len(items), "unknown")) is None


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(model: FittedModel, digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    bundle.save(model, folder / "m.safetensors")
    for at in range(600, 660):
        place = folder / "new" / str(digits.labels[at]) / f"{at}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.items[at]).save(place)
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_predict_is_unsure_rather_than_wrong_and_gives_sets(saved: Path, run: Any) -> None:
    command = ["predict", saved / "m.safetensors", saved / "new"]
    plain, sure = (rows_of(run(*command, *more).out) for more in ([], ["--abstain", "0.97", "--sets", "0.95"]))
    assert list(sure[0])[:3] == ["item", "prediction", "set"]
    unsure = [row["prediction"] == UNSURE for row in sure]
    assert 0 < sum(unsure) < len(sure) == 60
    for before, after, is_unsure in zip(plain, sure, unsure, strict=True):
        assert is_unsure or before["prediction"] == after["prediction"]
    none = [row for row in plain if not row["prediction"]]
    assert none
    assert all(float(row["p(9)"]) == max(float(row[f"p({at})"]) for at in range(10)) for row in none)
    assert all(row["error"] == "" for row in plain)


def test_what_a_model_cannot_promise_is_refused_before_anything_is_written(
    saved: Path, tmp_path: Path, run: Any
) -> None:
    done = run("predict", saved / "m.safetensors", saved / "new", "-o", tmp_path / "o.csv", "--sets", "0.999")
    assert done.code == 2
    assert "at least 999 held-out items, and this model has 240" in " ".join(done.err.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("temperature", "before", "after", "told"),
    [(0.83, (0.30, 0.0415), (0.28, 0.0263),
      "stated probabilities are 2.6 percentage points off on average (calibration error 0.0263, 0 is best), 4.2 before "
      "these items made them surer (temperature 0.83)"),
     (1.5, (0.31, 0.02), (0.29, 0.03), "made them more modest (temperature 1.50, for their log loss, 0.3100 before"),
     (1.0, (0.3, 0.02), (0.3, 0.02), "off on average (calibration error 0.0200, 0 is best)")],
)  # fmt: skip
def test_a_training_says_how_far_its_probabilities_are_off_and_what_was_done_about_it(
    temperature: float, before: tuple[float, float], after: tuple[float, float], told: str
) -> None:
    model: Any = SimpleNamespace(certainty=Certainty(temperature, 240, Quality(*before), Quality(*after)))
    assert told in _calibrated(model)


def test_evaluate_states_calibration_sets_and_abstaining(saved: Path, run: Any) -> None:
    command = ["evaluate", saved / "m.safetensors", saved / "new", "--sets", "0.8", "--abstain", "0.97"]
    found = json.loads(run(*command, "--json").out)
    assert found["calibration"]["temperature"] == bundle.load(saved / "m.safetensors").certainty.temperature
    assert 0 < found["sets"]["share"] <= 1
    assert 0 < found["abstaining"]["answered"] < 1
    assert found["abstaining"]["accuracy"] >= found["accuracy"]
    told = run(*command)
    assert "calibration error" in told.out
    assert "mean size of sets" in told.out
    assert "“9” is never given as an answer" in told.err


def test_labels_in_a_set_can_be_told_apart_in_csv(tmp_path: Path) -> None:
    kinds = [Column("set", list), Column("error", str)]
    labels = [["a", 'b;"c'], [], None, ["d,e"]]
    written = (Csv(kinds).head() + Csv(kinds).rows([labels, [None] * 4])).decode()
    cells = [row["set"] for row in rows_of(written)]
    assert cells == ['a;"b;""c"', "", "", "d,e"]
    assert next(csv.reader([cells[0]], delimiter=";")) == labels[0]


@pytest.fixture(scope="module")
def service(model: FittedModel) -> Iterator[Any]:
    testing = pytest.importorskip("fastapi.testclient")
    from gridcnn.serve.app import make_app

    with testing.TestClient(make_app({"digits": model}), base_url="http://localhost") as client:
        yield client


def test_the_service_abstains_and_gives_sets_if_a_request_asks(service: Any, saved: Path, model: FittedModel) -> None:
    places = sorted((saved / "new").rglob("*.png"))
    files = [("files", (place.name, place.read_bytes(), "image/png")) for place in places]
    rule = model.rule(abstain=0.97, sets=0.8)
    expected = predict(model, places, rule=rule)
    address = "/v1/models/digits/predict?cautions=false"
    results = service.post(f"{address}&abstain=0.97&sets=0.8", files=files).json()["results"]
    labels = [None if label is None else str(label) for label in expected.labels]
    assert [each["prediction"] for each in results] == labels
    assert UNSURE in labels
    assert None in labels
    assert expected.sets is not None
    assert [each["set"] for each in results] == [[str(label) for label in each] for each in expected.sets]
    plain = service.post(address, files=files).json()["results"]
    assert all("set" not in each and each["prediction"] != UNSURE for each in plain)
    assert service.get("/v1/models").json()["models"][0]["background"] == "9"


@pytest.mark.parametrize("query", ["sets=0.999", "sets=1", "abstain=many", "by_class=perhaps", "by_class=1"])
def test_the_service_refuses_what_the_model_cannot_promise(service: Any, query: str) -> None:
    refused = service.post(f"/v1/models/digits/predict?{query}", json={"inputs": ["x"]})
    assert refused.status_code == 422
    assert refused.json()["error"]["message"]
