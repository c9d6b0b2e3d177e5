"""GridClassifier keeps scikit-learn's contract, and its own promises."""

import contextlib
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import ArrayAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import ConfigurationError, DataError, ItemError, OrderingError
from gridcnn.pipeline.split import USUAL_FRACTION, LabelledItems, validation_indices
from gridcnn.training.callbacks import Callback
from gridcnn.training.loop import standard_error


@parametrize_with_checks([GridClassifier(ordering="assume", epochs=12)])  # of up to 200, which take minutes
def test_every_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def waves():
    """Rising and falling ramps at random offsets: only the order of the columns tells them apart."""
    rng = np.random.default_rng(0)
    X = np.linspace(-1, 1, 16) * rng.choice([-1, 1], 120)[:, None] + rng.normal(size=(120, 1))
    y = np.where(X[:, -1] > X[:, 0], "rising", "falling")
    return (X + rng.normal(scale=0.2, size=X.shape)).astype(np.float32), y


def weights(classifier):
    return [parameter.detach() for parameter in classifier.network_.parameters()]


def same_weights(first, second):
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_a_grade_sheet_is_refused_with_its_report_and_the_word_that_admits_it():
    grades = datasets.grades()
    with pytest.raises(OrderingError, match=r"refused \(exchangeable\).*ordering='assume'") as refusal:
        GridClassifier().fit(grades.items, grades.labels)
    assert refusal.value.report.verdict == "exchangeable"


def test_a_table_whose_columns_are_ordered_is_accepted_and_says_why():
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(150, 40)), axis=1)
    y = np.where(X[:, -1] > X[:, 0], "up", "down")
    classifier = GridClassifier(epochs=2).fit(X, y)
    assert classifier.ordering_report_.verdict == "ordered"
    assert "ordered" in classifier.summary_["ordering"]
    assert len(classifier.predict(X[:3])) == 3


def test_strings_without_an_adapter_are_refused_with_the_adapters_that_read_them():
    with pytest.raises(ConfigurationError, match="TextAdapter"):
        GridClassifier(ordering="assume").fit(["good", "bad"], [0, 1])


def test_it_learns_and_answers_with_the_labels_it_was_given(waves):
    X, y = waves
    classifier = GridClassifier(ordering="assume", epochs=10).fit(X, y)
    assert classifier.score(X, y) > 0.95
    assert set(classifier.predict(X)) == {"rising", "falling"}
    np.testing.assert_allclose(classifier.predict_proba(X).sum(axis=1), 1)
    assert classifier.scores_["validation_accuracy"] > 0.8


def test_one_seed_gives_bit_identical_weights_and_another_seed_does_not(waves):
    fits = [GridClassifier(ordering="assume", epochs=2, random_state=seed).fit(*waves) for seed in (3, 3, 4)]
    assert same_weights(fits[0], fits[1])
    assert not same_weights(fits[0], fits[2])


def test_the_users_own_random_numbers_are_left_alone(waves):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    GridClassifier(ordering="assume", epochs=1).fit(*waves)
    assert torch.equal(torch.rand(3), expected)


def test_the_order_of_the_items_does_not_change_the_model(waves):
    X, y = waves
    shuffled = np.random.default_rng(1).permutation(len(X))
    first = GridClassifier(ordering="assume", epochs=2).fit(X, y)
    assert same_weights(first, GridClassifier(ordering="assume", epochs=2).fit(X[shuffled], y[shuffled]))


def test_a_weight_of_two_means_the_item_given_twice(waves):
    X, y = waves
    weight = np.where(np.arange(len(X)) < 30, 2.0, 1.0)
    weighted = GridClassifier(ordering="assume", epochs=2).fit(X, y, sample_weight=weight)
    repeated = GridClassifier(ordering="assume", epochs=2).fit(np.vstack([X, X[:30]]), np.append(y, y[:30]))
    assert same_weights(weighted, repeated)


def test_it_works_in_pipelines_searches_and_cross_validation(waves):
    X, y = waves
    pipeline = make_pipeline(StandardScaler(), GridClassifier(ordering="assume", epochs=3))
    assert cross_val_score(pipeline, X, y, cv=2).mean() > 0.7
    search = GridSearchCV(GridClassifier(ordering="assume", epochs=2), {"kernels": [(4,), (8, 8)]}, cv=2).fit(X, y)
    assert search.best_params_["kernels"] in [(4,), (8, 8)]


def test_adapter_parameters_can_be_searched():
    texts = ["a b", "b a"] * 10
    search = GridSearchCV(
        GridClassifier(adapter=TextAdapter(min_count=1), epochs=1, kernels=(2,)),
        {"adapter__embedding_dim": [2, 3]},
        cv=2,
    ).fit(texts, [0, 1] * 10)
    assert search.best_params_["adapter__embedding_dim"] in (2, 3)


def test_pickles_through_joblib_predict_the_same(waves, tmp_path):
    X, y = waves
    classifier = GridClassifier(ordering="assume", epochs=1).fit(X, y)
    joblib.dump(classifier, tmp_path / "c.joblib")
    for copy in (joblib.load(tmp_path / "c.joblib"), pickle.loads(pickle.dumps(classifier))):
        np.testing.assert_array_equal(copy.predict_proba(X), classifier.predict_proba(X))


def test_data_frames_are_read_and_their_columns_checked(waves):
    X, y = waves
    frame = pd.DataFrame(X, columns=[f"t{i}" for i in range(16)])
    classifier = GridClassifier(ordering="assume", epochs=1).fit(frame, pd.Series(y))
    assert list(classifier.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.where(np.arange(16) == 3, np.nan, X), r"row 0: column 3: missing \(empty, NaN"),
        (lambda X: np.where(np.arange(16) == 3, np.inf, X), "row 0: column 3: infinite"),
        (lambda X: X[:, :15], "X has 15 features, but GridClassifier is expecting 16 features"),
    ],
)
def test_bad_arrays_are_refused_by_row_and_column_or_in_scikit_learns_own_words(waves, change, message):
    X, y = waves
    classifier = GridClassifier(ordering="assume", epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=message):
        classifier.predict(change(X))


def test_balanced_class_weights_lift_the_rare_class(waves):
    X, y = waves
    rare = np.flatnonzero(y == "rising")[:4]
    kept = np.append(np.flatnonzero(y == "falling"), rare)
    noise = np.random.default_rng(2).normal(scale=1.5, size=X.shape).astype(np.float32)
    shares = [
        GridClassifier(ordering="assume", epochs=4, class_weight=weight).fit((X + noise)[kept], y[kept])
        .predict_proba(X + noise)[:, 1].mean()
        for weight in (None, "balanced")
    ]  # fmt: skip
    assert shares[1] > shares[0] + 0.05


def test_one_class_is_refused(waves):
    with pytest.raises(DataError, match="at least two classes"):
        GridClassifier(ordering="assume").fit(waves[0], np.zeros(120))


def test_missing_labels_are_named(waves):
    y = waves[1].astype(object)
    y[5] = None
    with pytest.raises(DataError, match=r"missing labels at \[5\]"):
        GridClassifier(ordering="assume").fit(waves[0], y)


def test_a_class_with_a_single_item_is_trained_on_with_a_warning(waves):
    X, y = waves
    y = y.copy()
    y[0] = "alone"
    with pytest.warns(UserWarning, match="not validated: alone"):
        classifier = GridClassifier(ordering="assume", epochs=1).fit(X, y)
    assert "alone" in classifier.classes_


def test_validation_holds_back_whole_groups(waves):
    groups = np.repeat(np.arange(10), 12)
    target = np.tile([0, 1], 60)
    training = LabelledItems(waves[0], target, np.ones(120), np.arange(120), groups)
    held = validation_indices(training, 0.1, 0, np.array([0, 1]))
    assert len(held)
    assert not set(groups[held]) & set(np.delete(groups, held))


def test_a_given_validation_part_is_not_trained_on(waves):
    X, y = waves
    alone = GridClassifier(ordering="assume", epochs=2, validation_fraction=0).fit(X[:80], y[:80])
    given = GridClassifier(ordering="assume", epochs=2).fit(X[:80], y[:80], validation=(X[80:], y[80:]))
    assert given.summary_["validation_items"] == 40
    assert given.summary_["training_items"] == alone.summary_["training_items"] == 80


def test_three_and_four_dimensional_arrays_are_read_with_their_axes_stated():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3, 12)), np.tile([0, 1], 20)
    classifier = GridClassifier(adapter=ArrayAdapter(axes=("channels", "time")), epochs=1).fit(X, y)
    assert classifier.adapter_.spec_.shape == (3, 12)
    X = rng.normal(size=(40, 8, 12))
    classifier = GridClassifier(adapter=ArrayAdapter(axes=("height", "width")), epochs=1).fit(X, y)
    assert classifier.adapter_.spec_.shape == (1, 8, 12)


def pictures(n):
    rng = np.random.default_rng(0)
    return [(rng.random((12, 12)) * 100 + 100 * (index % 2)).astype(np.uint8) for index in range(n)]


def test_an_item_that_cannot_be_read_is_raised_or_skipped_and_keeps_its_row(tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    items, y = [*pictures(20), bad], [0, 1] * 10 + [0]
    with pytest.raises(ItemError, match=r"bad\.png"):
        GridClassifier(adapter=ImageAdapter(), epochs=1).fit(items, y)
    classifier = GridClassifier(adapter=ImageAdapter(), epochs=1, on_error="skip").fit(items, y)
    assert [skip.item for skip in classifier.skipped_] == [str(bad)]
    frame = classifier.predict_frame(items[-2:])
    assert len(frame) == 2
    assert pd.isna(frame["prediction"][1])
    assert frame["error"][1]
    assert frame["error"][0] == ""
    with pytest.raises(ItemError, match=r"bad\.png"):
        classifier.predict(items[-2:])


def test_black_pictures_and_empty_sentences_give_finite_answers():
    black = [np.zeros((12, 12), np.uint8)] * 2
    images = GridClassifier(adapter=ImageAdapter(), epochs=1).fit(pictures(20) + black, [0, 1] * 11)
    assert np.isfinite(images.predict_proba(black)).all()
    texts = GridClassifier(adapter=TextAdapter(), epochs=1).fit(["", "a b c"] * 5, [0, 1] * 5)
    assert np.isfinite(texts.predict_proba([""])).all()


def test_ctrl_c_keeps_the_best_weights_so_far(waves):
    class Interrupting(Callback):
        def on_epoch(self, record, network):
            if record.epoch == 2:
                raise KeyboardInterrupt

    classifier = GridClassifier(ordering="assume", epochs=9, callbacks=[Interrupting()]).fit(*waves)
    assert classifier.interrupted_
    assert classifier.best_epoch_ == 2  # it was finished when the person interrupted
    assert len(classifier.history_) == 2
    assert classifier.predict(waves[0]).shape == (120,)


def test_a_short_training_gets_weaker_augmentation_than_a_long_one():
    plans = [GridClassifier(adapter=ImageAdapter(), epochs=epochs) for epochs in (2, 400)]
    shifts = [each.plan(pictures(20), [0, 1] * 10).training.augment.shift["width"] for each in plans]
    assert shifts[0] < shifts[1]


def test_a_bundle_predicts_bit_identically_in_a_fresh_process(waves, tmp_path):
    X, y = waves
    classifier = GridClassifier(ordering="assume", epochs=1).fit(X, y)
    classifier.save(tmp_path / "m.safetensors")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, numpy as np, torch; torch.set_num_threads(1); from gridcnn import GridClassifier; "
        "np.save(sys.argv[3], GridClassifier.load(sys.argv[1]).predict_proba(np.load(sys.argv[2])))"
    )
    paths = [str(tmp_path / name) for name in ("m.safetensors", "X.npy", "p.npy")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), classifier.predict_proba(X))


BASE = {"ordering": "assume", "epochs": 2, "kernel_sizes": (3,), "padding": "same"}


@pytest.fixture(scope="module")
def plain(waves):
    return GridClassifier(**BASE).fit(*waves)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("kernels", (4, 4)), ("kernel_sizes", (3, 5)), ("convs_per_block", 2), ("padding", "valid"),
        ("batch_norm", False), ("pool", "average"), ("pool_size", 4), ("pool_stride", 1),
        ("head", "global_max"), ("dense", (7,)),
        ("dropout", 0.6), ("epochs", 3), ("batch_size", 8), ("learning_rate", 1e-4), ("weight_decay", 5.0),
        ("label_smoothing", 0.4), ("adversarial", 0.3), ("augment", {"shift": {"column": 0.5}}),
        ("class_weight", {"rising": 9.0}), ("validation_fraction", 0.3), ("random_state", 5),
    ],
)  # fmt: skip
def test_every_parameter_changes_the_model(waves, plain, parameter, value):
    changed = GridClassifier(**{**BASE, parameter: value}).fit(*waves)
    shapes = [[w.shape for w in weights(each)] for each in (plain, changed)]
    assert shapes[0] != shapes[1] or not np.array_equal(plain.predict_proba(waves[0]), changed.predict_proba(waves[0]))


def test_a_late_epoch_is_kept_over_an_early_lead_that_may_be_luck():
    few, many = np.ones(30), np.ones(30_000)
    assert standard_error(1.0, few) > 1 / 30  # one item more or less says nothing
    assert standard_error(0.9, many) == pytest.approx(np.sqrt(0.09 / 30_000), rel=0.01)
    assert standard_error(0.9, np.array([1000.0] + [0.001] * 50)) > 0.15  # one heavy item counts as one


def test_patience_stops_a_training_that_gets_no_better(waves):
    X, _ = waves
    noise = np.random.default_rng(3).choice(["a", "b"], len(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier = GridClassifier(ordering="assume", epochs=40, patience=2).fit(X, noise)
    assert len(classifier.history_) < 40


def test_a_refit_learns_from_what_was_held_back_and_keeps_the_scores_of_the_first_time(waves):
    X, y = waves
    settings = {"ordering": "assume", "epochs": 3, "patience": None}
    first = GridClassifier(**settings, refit=False).fit(X, y)
    again = GridClassifier(**settings).fit(X, y)
    everything = GridClassifier(**{**settings, "epochs": first.best_epoch_}, validation_fraction=0).fit(X, y)
    assert (first.summary_["refit"], again.summary_["refit"]) == (False, True)
    assert first.summary_["training_items"] == 108
    assert again.summary_["training_items"] == 120
    assert (again.scores_, again.history_[0].loss) == (first.scores_, first.history_[0].loss)
    weights = everything.network_.state_dict()  # the temperature is that of the first training
    assert all(torch.equal(each, weights[name]) for name, each in again.network_.state_dict().items())


def test_ctrl_c_in_a_refit_leaves_what_was_learned_the_first_time(waves):
    class Impatient(Callback):
        trainings = 0

        def on_start(self, epochs, steps_per_epoch):
            self.trainings += 1

        def on_epoch(self, record, network):
            if self.trainings == 2:
                raise KeyboardInterrupt

    X, y = waves
    first = GridClassifier(ordering="assume", epochs=2, refit=False).fit(X, y)
    ended = GridClassifier(ordering="assume", epochs=2, callbacks=[Impatient()]).fit(X, y)
    assert ended.interrupted_
    assert not ended.summary_["refit"]
    np.testing.assert_array_equal(ended.predict_proba(X), first.predict_proba(X))


class Short(TextAdapter):
    """An adapter whose usual trainings are short."""

    def defaults(self, n_items):
        return {**super().defaults(n_items), "epochs": 3}


def test_texts_are_refitted_unless_validation_items_are_given_or_the_time_is_short():
    texts = [f"{word} thing number {at}" for at in range(40) for word in ("good", "bad")]
    labels = ["yes", "no"] * 40
    usual = GridClassifier(adapter=TextAdapter(), epochs=1)
    assert usual.fit(texts, labels).summary_["refit"]
    assert not usual.fit(texts, labels, validation=(texts[:4], labels[:4])).summary_["refit"]
    for limit, refit in ((60.0, True), (0.01, False)):
        with contextlib.nullcontext() if refit else pytest.warns(UserWarning, match="more than the 0 s allowed"):
            limited = GridClassifier(adapter=Short(), time_limit=limit).fit(texts, labels)
        assert limited.summary_["refit"] is limited.summary_["time"]["chosen"]["refit"] is refit
        assert limited.summary_["training_items"] == (80 if refit else 72)


def test_of_many_items_two_thousand_are_held_out_unless_another_share_is_asked_for():
    assert GridClassifier().validation_fraction == USUAL_FRACTION
    classes, target = np.array(["a", "b", "c"]), np.arange(24_000) % 3
    items = LabelledItems(target, target, np.ones(24_000), target)
    for fraction, held in ((0.1, 2_000), (0.2, 4_800)):
        chosen = validation_indices(items, fraction, 0, classes)
        assert len(chosen) == held
        assert np.ptp(np.bincount(target[chosen])) <= 1
