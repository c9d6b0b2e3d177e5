"""Several labels an item: from matrices, lists and cells to thresholds, bundles, exports and answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from gridcnn import FittedModel, GridClassifier, datasets, fit, load, predict, save
from gridcnn.adapters import ArrayAdapter, ImageAdapter, TextAdapter
from gridcnn.calibration import fit_temperature
from gridcnn.errors import ConfigurationError, DataError, TamperedBundleError
from gridcnn.evaluation.label_sets import evaluate_label_sets, score_label_sets
from gridcnn.explain import attribute, contributions, trace
from gridcnn.inference.detecting import Detecting, detect
from gridcnn.multilabel import choose_thresholds, given_labels, item_hits, item_losses, joined
from gridcnn.pipeline.label_sets import check_label_sets, has_several, with_classes
from gridcnn.pipeline.split import LabelledItems, fold_indices, merge_repeats
from gridcnn.pipeline.stratify import divide, held_out, stratified_folds
from gridcnn.training.objective import hits, losses

SHAPES = ("bump", "step", "wave")


def planted(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return series `(n, 64)` in which some of three shapes stand, and which ones: some have none."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 3)) < 0.45).astype(int)
    t = np.arange(64)
    series = rng.normal(scale=0.15, size=(n, 64))
    for row, (bump, step, wave) in enumerate(target):
        series[row] += bump * 2.5 * np.exp(-((t - rng.integers(12, 52)) ** 2) / 6)
        series[row] += step * 1.2 * (t > rng.integers(20, 44))
        series[row] += wave * 0.8 * np.sin(t * 2.2 + rng.random())
    return series.astype(np.float32), target


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Two digits on top of each other, and which ones."""
    digits = datasets.load("digits").take(range(300))
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 300, (360, 2))
    items, target = np.asarray(digits.items), np.zeros((360, 10), dtype=int)
    target[np.arange(360)[:, None], np.asarray(digits.labels)[pairs]] = 1
    return np.maximum(items[pairs[:, 0]], items[pairs[:, 1]]), target


@pytest.fixture(scope="module")
def classifier(pictures: tuple[np.ndarray, np.ndarray]) -> GridClassifier:
    items, target = pictures
    return GridClassifier(adapter=ImageAdapter(), epochs=8).fit(items[:280], target[:280])


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[list[str]]]:
    """Sentences about weather and about food, some about both, some about neither."""
    rng = np.random.default_rng(0)
    words = {
        "weather": ["rain", "storm", "sunny", "wind", "cloud"],
        "food": ["bread", "soup", "apple", "cheese", "rice"],
    }
    items, labels = [], []
    for _ in range(160):
        own = [name for name in words if rng.random() < 0.5]
        said = [str(rng.choice(words[name])) for name in own for _ in range(2)]
        filler = [str(each) for each in rng.choice(["we", "saw", "it", "today", "and", "then"], 5)]
        items.append(" ".join(rng.permutation([*said, *filler])))
        labels.append(own)
    return items, labels


@pytest.fixture(scope="module")
def text_model(texts: tuple[list[str], list[list[str]]]) -> FittedModel:
    return fit(TextAdapter(), *texts, {"epochs": 3})


# ---- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        np.array([[1, 0], [1, 1], [0, 0]]),
        [[1, 0], [1, 1], [0, 0]],
        [np.array([1, 0]), np.array([1, 1]), np.array([0, 0])],
        pd.DataFrame({0: [True, True, False], 1: [False, True, False]}),
    ],
)
def test_a_matrix_of_zeros_and_ones_is_taken_as_it_is(y: Any) -> None:
    assert has_several(y)
    matrix, classes = check_label_sets(y, 3)
    assert matrix.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert [str(each) for each in classes] == ["0", "1"]


def test_lists_of_labels_become_a_matrix_in_the_order_of_the_sorted_labels() -> None:
    matrix, classes = check_label_sets([["rain", "dog"], (), {"dog"}], 3)
    assert classes.tolist() == ["dog", "rain"]
    assert matrix.tolist() == [[1, 1], [0, 0], [1, 0]]


def test_columns_of_a_frame_name_the_classes() -> None:
    assert check_label_sets(pd.DataFrame({"b": [1, 0], "a": [0, 1]}), 2).classes.tolist() == ["b", "a"]


@pytest.mark.parametrize("y", [["a", "b"], np.array([0, 1]), np.array([[0], [1]]), pd.Series(["a|b", "c"]), None])
def test_one_label_an_item_is_not_taken_for_several(y: Any) -> None:
    assert not has_several(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([[1, 2], [0, 1]]), "holds 1 where"),
        (np.array([[0.5, 1], [0, 1]]), "holds 1 where"),
        ([["a"], ["a"]], "one label \\('a'\\)"),
        ([[], ()], "no label"),
        (np.zeros((2, 3)), "no label"),
        ([["a", "b"], "c"], "something else for item 1"),
        ([["a", 1], ["b"]], "cannot be kept"),
    ],
)
def test_labels_from_which_nothing_can_be_learned_are_refused(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_label_sets(y, 2)


def test_labels_that_the_model_does_not_know_are_counted() -> None:
    matrix, unseen = with_classes([["a", "z"], ["z"], []], np.array(["a", "b"]))
    assert matrix.tolist() == [[1, 0], [0, 0], [0, 0]]
    assert unseen == {"z": 2}


def test_labels_that_all_items_have_or_none_are_told_and_learned() -> None:
    series, target = planted(60)
    odd = np.column_stack([target, np.ones(60, int), np.zeros(60, int)])
    with (
        pytest.warns(UserWarning, match="no item has the label 4"),
        pytest.warns(UserWarning, match="all items have the label 3"),
    ):
        model = fit(ArrayAdapter(axes=("length",)), series, odd, {"folds": 1})
    found = predict(model, series[:20]).probabilities
    assert found[:, 3].min() > found[:, 4].max()


# ---- objective and thresholds ---------------------------------------------------------------------------------------


def test_the_loss_is_binary_cross_entropy_summed_over_the_classes() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(6, 4)), (rng.random((6, 4)) < 0.5).astype(np.uint8)
    expected = item_losses(expit(logits), target)
    found = losses(torch.from_numpy(logits).float(), torch.from_numpy(target))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_the_ranking_precision_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import label_ranking_average_precision_score

    rng = np.random.default_rng(1)
    scores, target = rng.random((40, 5)), (rng.random((40, 5)) < 0.4).astype(np.uint8)
    expected = label_ranking_average_precision_score(target, scores)
    assert item_hits(scores, target).mean() == pytest.approx(expected)
    found = hits(torch.from_numpy(scores), torch.from_numpy(target)).mean().item()
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_temperature_of_several_labels_is_that_which_was_planted() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(scale=2, size=(3000, 4))
    target = (rng.random((3000, 4)) < expit(logits)).astype(np.uint8)
    found = fit_temperature(3 * logits[:, None], np.arange(3000), target)
    assert found == pytest.approx(3, rel=0.1)


def test_a_threshold_is_that_of_the_best_f1() -> None:
    rng = np.random.default_rng(3)
    target = (rng.random((2000, 2)) < [0.5, 0.2]).astype(np.uint8)
    probabilities = np.clip(np.where(target, [0.8, 0.35], [0.3, 0.15]) + rng.normal(scale=0.05, size=(2000, 2)), 0, 1)
    first, second = choose_thresholds(probabilities, target)
    assert 0.45 < first < 0.7
    assert 0.2 < second < 0.3


def test_a_rare_label_keeps_near_the_common_threshold() -> None:
    rng = np.random.default_rng(4)
    target = np.zeros((500, 2), dtype=np.uint8)
    target[:, 0] = rng.random(500) < 0.5
    target[0, 1] = 1
    probabilities = np.where(target, 0.7, 0.2) + rng.normal(scale=0.05, size=(500, 2))
    probabilities[0, 1] = 0.97  # the only item that has it
    common, rare = choose_thresholds(probabilities, target)
    assert abs(common - rare) < 0.25


def test_without_any_label_held_out_thresholds_are_a_half() -> None:
    assert choose_thresholds(np.full((3, 2), 0.3), np.zeros((3, 2), np.uint8)).tolist() == [0.5, 0.5]


def test_labels_are_joined_by_a_sign_that_none_of_them_holds() -> None:
    assert joined(("a", "b"), ["a", "b", "c|d"]) == "a;b"
    assert joined((), ["a", "b"]) == ""
    assert given_labels(np.array([[0.6, 0.2], [0.1, 0.1]]), np.array([0.5, 0.2]), np.array(["a", "b"])) == [
        ("a", "b"),
        (),
    ]


# ---- splits ---------------------------------------------------------------------------------------------------------


def test_each_label_is_as_frequent_in_every_fold() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random((600, 5)) < [0.5, 0.2, 0.1, 0.05, 0.02]).astype(np.uint8)
    folds = stratified_folds(target, 5, seed=0)
    assert sorted(np.concatenate(folds).tolist()) == list(range(600))
    expected = target.sum(axis=0) / 5
    for held in folds:
        assert abs(len(held) - 120) <= 6
        assert (np.abs(target[held].sum(axis=0) - expected) <= 2).all()


def test_groups_stay_whole_and_every_label_is_learned_from() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(40), 10)
    target = (rng.random((400, 4)) < [0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
    held = held_out(target, 80, seed=0, groups=groups)
    assert not set(groups[held]) & set(np.delete(groups, held))
    assert np.delete(target, held, axis=0).any(axis=0).all()
    assert 50 <= len(held) <= 110
    items = LabelledItems(list(map(str, range(400))), target, np.ones(400), np.arange(400), groups)
    for fold in fold_indices(items, 4, seed=0):
        assert not set(groups[fold]) & set(np.delete(groups, fold))


def test_a_label_of_one_item_is_never_held_out() -> None:
    target = np.zeros((100, 2), dtype=np.uint8)
    target[:, 0], target[7, 1] = 1, 1
    assert all(7 not in held for held in stratified_folds(target, 5, seed=0))


def test_the_same_seed_gives_the_same_parts() -> None:
    target = (np.random.default_rng(0).random((80, 3)) < 0.4).astype(np.uint8)
    first, again, other = (divide(target, [0.8, 0.2], seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_repeats_are_merged_only_if_their_label_sets_are_equal() -> None:
    target = np.array([[1, 0], [1, 0], [1, 1]], dtype=np.uint8)
    merged = merge_repeats(LabelledItems(["x", "x", "x"], target, np.ones(3), np.arange(3)))
    assert sorted(zip(merged.target.tolist(), merged.weight.tolist(), strict=True)) == [([1, 0], 2.0), ([1, 1], 1.0)]


# ---- fit, predict, save ---------------------------------------------------------------------------------------------


def test_a_classifier_answers_with_a_matrix_as_scikit_learn_wants_it(
    classifier: GridClassifier, pictures: tuple[np.ndarray, np.ndarray]
) -> None:
    items, target = pictures
    chances, given = classifier.predict_proba(items[280:]), classifier.predict(items[280:])
    assert chances.shape == given.shape == (80, 10)
    assert given.dtype == np.int64
    assert classifier.classes_.tolist() == list(range(10))
    np.testing.assert_array_equal(given, chances >= classifier.model_.thresholds)
    assert not np.allclose(chances.sum(axis=1), 1)
    assert classifier.score(items[280:], target[280:]) == pytest.approx((given == target[280:]).all(axis=1).mean())
    assert score_label_sets(classifier.model_, items[280:], target[280:]).scores.mean_average_precision > 0.75


def test_two_labels_planted_in_one_item_are_both_found() -> None:
    series, target = planted(240)
    model = fit(ArrayAdapter(axes=("length",)), series[:180], target[:180], {"epochs": 12, "solved": False})
    scores = score_label_sets(model, series[180:], target[180:]).scores
    assert scores.mean_average_precision > 0.9
    assert scores.accuracy > 0.7


def test_series_solved_in_one_step_have_several_labels() -> None:
    series, target = planted(150)
    model = fit(ArrayAdapter(axes=("length",)), series[:90], target[:90], {"folds": 1})
    assert model.recipe["solved"]
    assert score_label_sets(model, series[90:], target[90:]).scores.mean_average_precision > 0.9


def test_a_text_model_holds_a_bag_for_each_label(
    text_model: FittedModel, texts: tuple[list[str], list[list[str]]]
) -> None:
    assert text_model.network.backbone.config.summed_kernels == 4
    answers = predict(text_model, ["rain and storm today", "rain and storm with soup and bread", "we saw it then"])
    assert answers.labels.tolist() == [("weather",), ("food", "weather"), ()]


def test_scores_and_thresholds_are_those_of_held_out_items(classifier: GridClassifier) -> None:
    scores, thresholds = classifier.scores_, classifier.model_.thresholds
    names = ("mean_average_precision", "micro_f1", "macro_f1", "accuracy")
    assert all(0 < scores[f"validation_{name}"] < 1 for name in names)
    assert thresholds is not None
    assert ((thresholds > 0) & (thresholds < 1)).all()
    assert classifier.model_.certainty.temperature != 1


def test_the_same_seed_gives_the_same_weights_whatever_the_order() -> None:
    series, target = planted(60)
    parameters = {"epochs": 2, "solved": False}
    first = fit(ArrayAdapter(axes=("length",)), series, target, parameters)
    again = fit(ArrayAdapter(axes=("length",)), series, target, parameters)
    assert first.digest == again.digest


def test_a_bundle_keeps_thresholds_and_answers(classifier: GridClassifier, pictures: Any, tmp_path: Path) -> None:
    place = tmp_path / "model.safetensors"
    save(classifier, place)
    loaded = load(place)
    assert loaded.several
    np.testing.assert_array_equal(loaded.thresholds, classifier.model_.thresholds)
    np.testing.assert_array_equal(
        predict(loaded, pictures[0][:5]).probabilities, classifier.predict_proba(pictures[0][:5])
    )
    assert b'"gridcnn_format":"6"' in place.read_bytes()[: 2**20]


@pytest.mark.parametrize(
    "thresholds", [[0.5], [0.5] * 9 + [1.5], [0.5] * 9 + [float("nan")], ["a"] * 10, 0.5, [0.0] * 10, [[0.5]] * 10]
)
def test_a_bundle_with_thresholds_that_make_no_sense_is_refused(
    classifier: GridClassifier, tmp_path: Path, thresholds: Any
) -> None:
    from gridcnn import bundle
    from gridcnn.pipeline.sealed import read_sealed, write_sealed

    place = tmp_path / "model.safetensors"
    save(classifier, place)
    values, tensors = read_sealed(place, "gridcnn", 6)
    write_sealed(place, "gridcnn", 6, {**values, "thresholds": thresholds}, tensors)
    with pytest.raises(TamperedBundleError):
        bundle.load(place)


@pytest.mark.parametrize(
    ("parameters", "word"), [({"background": "0"}, "background"), ({"class_weight": "balanced"}, "class_weight")]
)
def test_settings_that_need_one_label_are_refused(parameters: dict[str, Any], word: str) -> None:
    series, target = planted(60)
    with pytest.raises(ConfigurationError, match=word):
        fit(ArrayAdapter(axes=("length",)), series, target, parameters)


def test_promises_and_going_on_with_one_label_are_refused(text_model: FittedModel, texts: Any) -> None:
    with pytest.raises(
        ConfigurationError, match="there is one label an item, and the model to go on from gives several"
    ):
        fit(TextAdapter(), texts[0], ["a" if each else "b" for each in texts[1]], {"epochs": 1}, start=text_model)
    with pytest.raises(ConfigurationError, match="several"):
        text_model.rule(abstain=0.9)
    with pytest.raises(ConfigurationError, match="several"):
        text_model.rule(sets=0.9)


# ---- scores, explanations, events -----------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, f1_score

    rng = np.random.default_rng(0)
    truth, chances = (rng.random((50, 3)) < 0.4).astype(np.uint8), rng.random((50, 3))
    scores = evaluate_label_sets(truth, chances, np.array([0.3, 0.5, 0.6]), ["a", "b", "c"])
    given = chances >= [0.3, 0.5, 0.6]
    assert scores.mean_average_precision == pytest.approx(average_precision_score(truth, chances, average="macro"))
    assert scores.micro_f1 == pytest.approx(f1_score(truth, given, average="micro"))
    assert scores.macro_f1 == pytest.approx(f1_score(truth, given, average="macro"))
    assert scores.accuracy == pytest.approx((truth == given).all(axis=1).mean())
    assert [row.threshold for row in scores.classes] == [0.3, 0.5, 0.6]


def test_a_trace_has_the_probabilities_of_predict_and_each_label_its_contributions(text_model: FittedModel) -> None:
    text = "rain and storm with soup and bread"
    found = trace(text_model, text)
    np.testing.assert_allclose(found.item_probabilities, predict(text_model, [text]).probabilities[0], atol=1e-6)
    np.testing.assert_allclose(found.probabilities, expit(found.logits))
    for at, label in enumerate(found.classes):
        of_label = contributions(found, label)
        assert of_label.bias + of_label.products.sum() == pytest.approx(found.logits[at], abs=1e-6)
        assert np.isfinite(attribute(found, label)).all()
    assert any("several labels" in remark for remark in found.remarks)


def test_events_of_several_labels_may_overlap() -> None:
    rng = np.random.default_rng(0)
    series, target = planted(240)
    model = fit(ArrayAdapter(axes=("length",)), series, target, {"epochs": 12, "solved": False, "head": "global_max"})
    long = rng.normal(scale=0.15, size=64 * 6).astype(np.float32)
    t = np.arange(len(long))
    inside = (t > 150) & (t < 230)
    long += inside * 0.8 * np.sin(t * 2.2) + 2.5 * np.exp(-((t - 190) ** 2) / 6)
    (found,) = detect(model, [long], Detecting(confidence=0.5), curves=True)
    assert found.curve is not None
    near = found.curve[np.abs(found.places - 190) < 16].max(axis=0)
    assert near[0] + near[2] > 1  # both at once, which a softmax would not let be


# ---- export, service ------------------------------------------------------------------------------------------------


def test_an_exported_model_gives_the_same_labels(text_model: FittedModel, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from gridcnn.export.exported_model import ExportedModel
    from gridcnn.export.onnx_file import export_onnx

    items = ["rain and storm today", "rain and storm with soup and bread", "we saw it then"]
    place = tmp_path / "model.onnx"
    assert export_onnx(text_model, place, items=items).same_labels == 3
    exported = ExportedModel(place)
    assert exported.predict(items).labels.tolist() == predict(text_model, items).labels.tolist()
    with pytest.raises(ConfigurationError):
        exported.rule(abstain=0.9)
    plain = runtime.InferenceSession(str(place))
    outputs = [each.name for each in plain.get_outputs()]
    given, classes = plain.run(["labels", "classes"], {plain.get_inputs()[0].name: np.array(items, dtype=object)})
    assert "label" not in outputs
    assert list(classes) == ["food", "weather"]
    assert given.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_a_traced_graph_has_the_values_of_a_trace(text_model: FittedModel) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from gridcnn.export.traced_graph import traced_graph
    from gridcnn.render.live import layers, maps

    text = "rain and storm with soup and bread"
    session = runtime.InferenceSession(traced_graph(text_model, layers(text_model)).model().SerializeToString())
    batch = {session.get_inputs()[0].name: np.array([text], dtype=object)}
    chances, logits = session.run(["probabilities", "logits"], batch)
    expected = maps(text_model, text)
    np.testing.assert_allclose(chances[0], expected["probabilities"], atol=1e-5)
    np.testing.assert_allclose(logits, expected["logits"], atol=1e-4)


def test_a_page_draws_sigmoids_and_marks_all_labels_given(
    text_model: FittedModel, browser: Any, tmp_path: Path
) -> None:
    from gridcnn.render.explain_page import explain_page

    text = "rain and storm with soup and bread"
    place = tmp_path / "why.html"
    place.write_text(explain_page(text_model, text), encoding="utf-8")
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(place.as_uri())
    page.wait_for_function("document.documentElement.dataset.drawn")
    assert not errors
    assert "sigmoid" in page.inner_text("#softmax")
    rows = page.eval_on_selector_all("#answers tr.best", "rows => rows.map((row) => row.innerText)")
    assert len(rows) == 2
    page.close()


@pytest.fixture(scope="module")
def client(text_model: FittedModel) -> Iterator[Any]:
    testing = pytest.importorskip("fastapi.testclient")
    from gridcnn.serve.app import make_app
    from gridcnn.serve.limits import Limits

    with testing.TestClient(make_app({"topics": text_model}, limits=Limits())) as client:
        yield client


def test_the_service_answers_with_a_list_of_labels(client: Any, text_model: FittedModel) -> None:
    (about,) = client.get("/v1/models").json()["models"]
    assert about["thresholds"] == text_model.thresholds.tolist()  # type: ignore[union-attr]
    inputs = ["rain and storm with soup and bread", "we saw it then"]
    results = client.post("/v1/models/topics/predict", json={"inputs": inputs}).json()["results"]
    assert [each["prediction"] for each in results] == [["food", "weather"], []]
    expected = predict(text_model, inputs).probabilities
    np.testing.assert_allclose([each["probabilities"] for each in results], expected, atol=1e-6)
    refused = client.post("/v1/models/topics/predict?abstain=0.9", json={"inputs": inputs})
    assert refused.status_code in {422, 400}


def test_pages_know_the_thresholds(text_model: FittedModel) -> None:
    from gridcnn.render.explain_page import explain_page
    from gridcnn.render.live import layers

    assert layers(text_model)["thresholds"] == text_model.thresholds.tolist()  # type: ignore[union-attr]
    page = explain_page(text_model, "rain and storm with soup and bread")
    assert "<h1>Why <em>food, weather</em>?</h1>" in page
    assert "no label" in explain_page(text_model, "we saw it then")


# ---- files and commands ---------------------------------------------------------------------------------------------


def table_of(texts: tuple[list[str], list[list[str]]], mark: str = "|") -> pd.DataFrame:
    items, labels = texts
    return pd.DataFrame({"text": items, "topics": [mark.join(each) for each in labels]})


@pytest.mark.parametrize("mark", ["|", ";", ", "])
def test_cells_are_divided_by_the_sign_that_stands_in_them(texts: Any, tmp_path: Path, mark: str) -> None:
    table_of(texts, mark).to_csv(tmp_path / "a.csv", index=False)
    read = datasets.load_manifest(tmp_path / "a.csv", text="text", labels="topics")
    assert read.labels is not None
    assert [list(each) for each in read.labels] == texts[1]
    assert read.several
    assert "items without any" in read.notes[-1]
    assert read.counts == {name: sum(name in each for each in texts[1]) for name in ("food", "weather")}


def test_a_comma_inside_names_does_not_divide_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"], "place": ["Salt Lake, UT", "Miami, FL", "Austin, TX"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    read = datasets.load_manifest(tmp_path / "a.csv", text="text", labels="place")
    assert read.labels is not None
    assert read.labels.tolist() == [("Salt Lake, UT",), ("Miami, FL",), ("Austin, TX",)]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_lists_are_read_from_any_file(texts: Any, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"text": texts[0], "topics": texts[1]})
    place = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(place)
    elif suffix == "jsonl":
        frame.to_json(place, orient="records", lines=True)
    else:
        frame.to_csv(place, index=False)  # as Python writes lists: ['a', 'b']
    read = datasets.load_manifest(place, text="text", labels="topics")
    assert read.labels is not None
    assert [list(each) for each in read.labels] == texts[1]


def test_numbers_of_hugging_face_get_their_names(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    feature = {"feature": {"names": ["rain", "dog"], "_type": "ClassLabel"}, "_type": "Sequence"}
    said = {"info": {"features": {"text": {"dtype": "string", "_type": "Value"}, "tags": feature}}}
    table = pa.table({"text": ["a", "b", "c"], "tags": [[0, 1], [], [1]]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(said)}), tmp_path / "a.parquet")
    read = datasets.load_manifest(tmp_path / "a.parquet", text="text", labels="tags")
    assert read.labels is not None
    assert read.labels.tolist() == [("rain", "dog"), (), ("dog",)]


def test_a_table_of_numbers_may_have_a_column_of_labels(tmp_path: Path) -> None:
    series, target = planted(8)
    frame = pd.DataFrame(series, columns=[f"t{at}" for at in range(64)])
    frame["shapes"] = ["|".join(np.array(SHAPES)[row > 0]) for row in target]
    frame.to_csv(tmp_path / "a.csv", index=False)
    read = datasets.load_table(tmp_path / "a.csv", labels="shapes")
    assert read.items.shape == (8, 64)
    assert read.labels is not None
    assert [len(each) for each in read.labels] == target.sum(axis=1).tolist()


def test_the_whole_way_on_the_command_line(
    run: Any, texts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = table_of(texts)
    frame["split"] = np.where(np.arange(len(frame)) < 120, "train", "test")
    frame.to_csv(tmp_path / "news.csv", index=False)
    rows = ("news.csv", "--text", "text")
    labelled = (*rows, "--labels", "topics", "--split", "split")
    trained = run("train", *labelled, "--epochs", "2", "--compare", "-o", "t.safetensors")
    assert trained.code == 0, trained.err
    assert "2 labels, of which an item may have several" in trained.out
    assert "test: mean average precision" in trained.out
    assert "one for each label" in trained.out
    answered = run("predict", "t.safetensors", *rows, "-o", "p.csv")
    assert answered.code == 0, answered.err
    with (tmp_path / "p.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert {each["prediction"] for each in found} <= {"", "food", "weather", "food|weather"}
    assert "food|weather" in {each["prediction"] for each in found}
    scored = run("evaluate", "t.safetensors", *labelled, "--json")
    values = json.loads(scored.out)
    assert values["mean_average_precision"] > 0.9
    assert {row["name"] for row in values["classes"]} == {"food", "weather"}
    page = run("report", "t.safetensors", *labelled, "-o", "r.html")
    assert page.code == 0, page.err
    written = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "mean average precision" in written
    assert "without the temperature that was fitted on held-out items it would be" in written  # the dotted curve
    assert "(dotted)" in written
    for refused in (
        ("predict", "t.safetensors", *rows, "--abstain", "0.9"),
        ("evaluate", "t.safetensors", *rows, "--label", "topics"),
    ):
        done = run(*refused)
        assert done.code != 0
        assert "several" in done.err
