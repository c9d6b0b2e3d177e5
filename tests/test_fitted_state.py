"""Only `fit` changes a classifier; groups are in the final model; a model knows the items that it was trained on."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gridcnn
from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.evaluation.report import make_report
from gridcnn.render.report_page import report_page


def shades(n: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Return noisy pictures, dark and light in turn."""
    rng = np.random.default_rng(seed)
    pictures = [(rng.integers(0, 60, (10, 10)) + 150 * (at % 2)).astype(np.uint8) for at in range(n)]
    return pictures, np.array(["dark", "light"] * (n // 2))


def test_neither_plan_nor_split_changes_a_fitted_classifier() -> None:
    pictures, labels = shades(60)
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=2, kernels=(4,)).fit(pictures, labels)
    before, state = classifier.predict_proba(pictures), dict(vars(classifier))
    others, names = shades(60, seed=1)[0], np.array(["x", "y", "z"] * 20)

    plan = classifier.plan([np.tile(each, (3, 3)) for each in others], names)
    (items, kept), held = classifier.split(others, names)

    assert plan.spec.sizes == (30, 30)
    assert held is not None
    assert len(items) + len(held[0]) == 60
    assert set(kept) == {"x", "y", "z"}
    assert classifier.classes_.tolist() == ["dark", "light"]
    assert vars(classifier) == state
    np.testing.assert_array_equal(classifier.predict_proba(pictures), before)


def test_a_fit_that_fails_leaves_the_fitted_classifier_as_it_was() -> None:
    pictures, labels = shades(20)
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=1, kernels=(4,)).fit(pictures, labels)
    before = classifier.predict_proba(pictures)

    with pytest.raises(ValueError, match="two classes"):
        classifier.fit(pictures, ["one"] * 20)

    np.testing.assert_array_equal(classifier.predict_proba(pictures), before)


@pytest.mark.parametrize(
    ("adapter", "items"),
    [
        (ImageAdapter(), shades(60)[0]),
        (TextAdapter(), [f"{word} thing number {at}" for at in range(30) for word in ("good", "bad")]),
        (AudioAdapter(sample_rate=4000), list(np.random.default_rng(0).normal(size=(60, 800)).astype(np.float32))),
        (ArrayAdapter(), np.random.default_rng(0).normal(size=(60, 30)).cumsum(axis=1)),
    ],
    ids=["image", "text", "sound", "array"],
)
def test_after_a_validation_by_groups_the_model_is_trained_on_all_groups(adapter: object, items: object) -> None:
    labels, groups = ["a", "b"] * 30, np.arange(60) // 10
    settings = {"adapter": adapter, "epochs": 6, "kernels": (4,)}

    usual = GridClassifier(**settings).fit(items, labels, groups=groups)
    told_not_to = GridClassifier(**settings, refit=False).fit(items, labels, groups=groups)

    assert usual.summary_["refit"]
    assert usual.summary_["training_items"] == 60
    assert usual.summary_["validation_items"] > 0
    assert "validation_accuracy" in usual.scores_
    assert not told_not_to.summary_["refit"]
    assert told_not_to.summary_["training_items"] + told_not_to.summary_["validation_items"] == 60


def test_a_model_knows_its_training_items_by_their_content(tmp_path: Path) -> None:
    pictures, labels = shades(30)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for at, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{at}.png")
    model = gridcnn.fit(ImageAdapter(), pictures[:20], labels[:20], {"epochs": 1, "kernels": (4,)})
    gridcnn.save(model, tmp_path / "m.safetensors")
    loaded = gridcnn.load(tmp_path / "m.safetensors")

    answers = gridcnn.predict(loaded, [folder / f"{at}.png" for at in range(30)], fingerprints=True)

    assert loaded.fingerprints.shape == (20, 16)
    assert loaded.trained_on(answers.fingerprints).tolist() == [True] * 20 + [False] * 10


def test_fingerprints_are_the_same_with_and_without_the_cache(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = []
    for at in range(6):
        paths.append(tmp_path / f"{at}.wav")
        import soundfile

        soundfile.write(paths[-1], rng.normal(size=4000) * 0.1, 4000)
    settings = {"epochs": 1, "kernels": (4,)}
    models = [
        gridcnn.fit(AudioAdapter(), paths, ["a", "b"] * 3, {**settings, "cache": cache})
        for cache in (False, tmp_path / "cache", tmp_path / "cache")
    ]

    for model in models[1:]:
        np.testing.assert_array_equal(model.fingerprints, models[0].fingerprints)
    assert models[0].trained_on(gridcnn.predict(models[0], paths, fingerprints=True).fingerprints).all()


def test_a_report_on_training_items_says_so() -> None:
    pictures, labels = shades(40)
    model = gridcnn.fit(ImageAdapter(), pictures[:30], labels[:30], {"epochs": 1, "kernels": (4,)})

    whole, mixed, fresh = (make_report(model, pictures[part], labels[part]) for part in (
        slice(30), slice(40), slice(30, 40)
    ))  # fmt: skip

    assert (whole.n_trained_on, whole.accuracy_on_others) == (30, None)
    assert "30 of the 30 items were used in training" in str(whole)
    assert mixed.n_trained_on == 30
    assert mixed.accuracy_on_others == fresh.scores.accuracy
    assert "accuracy on the other 10" in report_page(mixed)
    assert fresh.n_trained_on == 0
    assert "used in training" not in str(fresh)


def test_evaluate_says_how_many_items_were_trained_on(run, tmp_path: Path) -> None:
    pictures, labels = shades(24)
    for part, chosen in (("old", range(12)), ("new", range(12, 24))):
        for at in chosen:
            folder = tmp_path / part / labels[at]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictures[at]).save(folder / f"{at}.png")
    model = tmp_path / "m.safetensors"
    assert run("train", tmp_path / "old", "-o", model, "--epochs", "1", "--quiet").code == 0

    old, new = (run("evaluate", model, tmp_path / part, "--json") for part in ("old", "new"))

    assert json.loads(old.out)["trained_on"] == 12
    assert "12 of the 12 items were used in training" in old.err
    assert json.loads(new.out)["trained_on"] == 0
    assert "used in training" not in new.err


NAMES = ["error", "item", "prediction", "", "1", "two\nlines", 'comma, "quoted"', "p(item)", "[red]", "nan"]


def test_any_string_is_a_class_name(run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = np.array(NAMES * 4)
    rows = np.eye(10)[np.arange(40) % 10].repeat(3, axis=1) * 5 + rng.normal(size=(40, 30)) * 0.1
    model = gridcnn.fit(ArrayAdapter(), rows, names, {"epochs": 30, "batch_size": 8})
    gridcnn.save(model, tmp_path / "m.safetensors")

    loaded = gridcnn.load(tmp_path / "m.safetensors")
    answers = gridcnn.predict(loaded, rows)
    report = make_report(loaded, rows, names)

    assert loaded.classes.tolist() == sorted(NAMES)
    assert (answers.labels == names).mean() > 0.9
    assert report.scores.accuracy == (answers.labels == names).mean()
    assert len(set(answers.to_frame().columns)) == 3 + len(NAMES)
    assert "two\nlines" in report_page(report)


def test_classes_called_like_columns_go_through_every_command(run, tmp_path: Path) -> None:
    texts = [(f"{word} words number {at}", label) for at in range(12) for word, label in (
        ("red", "error"), ("green", "item"), ("blue", "prediction"), ("grey", "12")
    )]  # fmt: skip
    source = tmp_path / "t.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *texts])
    model = tmp_path / "m.safetensors"
    assert run("train", source, "--text", "text", "-o", model, "--epochs", "8", "--quiet").code == 0

    scores = json.loads(run("evaluate", model, source, "--json").out)
    rows = list(csv.DictReader(io.StringIO(run("predict", model, source).out)))

    assert scores["accuracy"] == np.mean(
        [row["prediction"] == label for row, (_, label) in zip(rows, texts, strict=True)]
    )
    assert set(rows[0]) == {"item", "prediction", "error", "p(error)", "p(item)", "p(prediction)", "p(12)"}
    assert run("report", model, source, "-o", tmp_path / "r.html").code == 0
    assert run("explain", model, "red words", "-o", tmp_path / "w.html", "--class", "error").code == 0
