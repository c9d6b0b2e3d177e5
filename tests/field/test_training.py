"""What happens between reading items and saving a model: labels, copies, weights, numbers that are not finite."""

from __future__ import annotations

import datetime
import math
import os
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import gridcnn
from gridcnn.adapters import ArrayAdapter, ImageAdapter, TextAdapter
from gridcnn.bundle import load, save
from gridcnn.errors import BundleError, ConfigurationError, DataError, DivergedError
from gridcnn.training.callbacks import Callback
from gridcnn.training.fit import fit

TINY = {"epochs": 1, "kernels": (4,)}


class Messages(Callback):
    """Keeps what a training says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_message(self, line: str) -> None:
        self.lines.append(line)

    def one(self, word: str) -> str:
        """Return the only line with a word."""
        (line,) = (line for line in self.lines if word in line)
        return line


def waves(n_items: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    slow = np.arange(n_items) % 2 == 0
    phase = rng.uniform(0, 6, (n_items, 1))
    rows = np.sin(np.arange(24) * np.where(slow, 0.3, 0.9)[:, None] + phase) + rng.normal(0, 0.1, (n_items, 24))
    return rows, np.where(slow, "slow", "fast")


def train(rows: Any, labels: Any, adapter: Any = None, **parameters: Any) -> tuple[Any, Messages]:
    heard = Messages()
    fit_arguments = {name: parameters.pop(name) for name in ("validation", "groups") if name in parameters}
    model = fit(adapter or ArrayAdapter(), rows, labels, TINY | parameters, callbacks=[heard], **fit_arguments)
    return model, heard


# ---------------------------------------------------------------------------------------------- numbers without an end


@pytest.mark.parametrize(
    "name", ["learning_rate", "kernel_learning_rate", "weight_decay", "label_smoothing", "dropout"]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_hyperparameter_that_is_no_number_is_refused_before_any_work(name, value):
    """A search proposed the logarithm of a negative number."""
    with pytest.raises(ConfigurationError, match=name):
        train(*waves(), **{name: value})


@pytest.mark.parametrize(
    "parameters",
    [
        {"learning_rate": 1e30, "epochs": 3},
        {"kernel_learning_rate": 1e30, "epochs": 3},
        {"weight_decay": 1e38, "epochs": 3},
        {"learning_rate": 1e25, "epochs": 1, "batch_norm": False},
    ],
)
def test_a_training_that_diverges_stops_with_the_remedy_and_leaves_no_model(parameters):
    """Someone forgot the minus in 1e-3."""
    with pytest.raises(DivergedError, match="smaller learning rate"):
        train(*waves(), **parameters)


def test_a_diverged_refit_leaves_the_classifier_as_it_was():
    """A second fit of the same object went wrong."""
    rows, labels = waves()
    classifier = gridcnn.GridClassifier(ArrayAdapter(), **TINY).fit(rows, labels)
    before = classifier.predict_proba(rows)
    with pytest.raises(DivergedError):
        classifier.set_params(learning_rate=1e30, epochs=3).fit(rows, labels)
    assert np.array_equal(classifier.predict_proba(rows), before)


def test_a_model_with_weights_that_are_no_numbers_is_never_saved(tmp_path):
    """Someone changed the weights by hand."""
    model, _ = train(*waves())
    next(model.network.parameters()).data.fill_(math.nan)
    with pytest.raises(BundleError, match="infinite or NaN"):
        save(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------------------------- class weights


@pytest.mark.parametrize("weights", [{"Slow": 50}, {"slow": 2, "": 1}, {0: 2, 1: 1}])
def test_a_weight_for_a_class_that_does_not_exist_is_refused_with_the_classes(weights):
    """A typo in the name of the rare class."""
    with pytest.raises(ConfigurationError, match="the classes are 'fast', 'slow'"):
        train(*waves(), class_weight=weights)


@pytest.mark.parametrize("weight", [0, -1, -0.5, math.nan, math.inf, "2", True])
def test_a_class_weight_that_is_not_above_zero_is_refused(weight):
    """A negative weight once gave an accuracy of 1.71."""
    with pytest.raises(ConfigurationError, match="above 0"):
        train(*waves(), class_weight={"slow": weight})


def test_a_class_weight_for_one_class_leaves_the_others_at_one():
    model, _ = train(*waves(), class_weight={"slow": 3.0})
    assert 0 <= model.scores["validation_accuracy"] <= 1


@pytest.mark.parametrize(("seed", "jobs"), [(-1, None), (2**32, None), (0, 0), (0, -3)])
def test_seeds_and_threads_out_of_range_are_refused(seed, jobs):
    with pytest.raises(ConfigurationError):
        train(*waves(), random_state=seed, n_jobs=jobs)


# --------------------------------------------------------------------------------------------------------------- labels


def test_labels_that_never_repeat_look_like_an_identifier():
    """The column of file names was taken for the labels."""
    rows, _ = waves()
    with pytest.raises(DataError, match="identifier or a regression target"):
        train(rows, [f"id{number}" for number in range(80)])


def test_labels_that_hardly_ever_repeat_look_like_one_too():
    rows, _ = waves()
    with pytest.raises(DataError, match="identifier or a regression target"):
        train(rows, [f"id{number // 2 if number < 6 else number}" for number in range(80)])


def test_measured_values_are_no_classes():
    rows, _ = waves()
    with pytest.raises(DataError, match="regression target"):
        train(rows, rows[:, 0])


@pytest.mark.parametrize(
    "pair",
    [
        (datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)),
        (pd.Timestamp("2020"), pd.Timestamp("2021")),
        (np.datetime64("2020"), np.datetime64("2021")),
        (np.timedelta64(1, "D"), np.timedelta64(2, "D")),
        (Decimal(1), Decimal(2)),
        (b"a", b"b"),
        ("a", 1),
        (True, "no"),
    ],
)
def test_labels_that_a_model_file_cannot_hold_are_refused_at_fit(pair):
    """Dates as labels could be saved once, and were tampered with when they were loaded."""
    rows, labels = waves()
    with pytest.raises(DataError, match=r"strings|whole numbers"):
        train(rows, pd.Series([pair[int(label == "slow")] for label in labels]))


@pytest.mark.parametrize(
    "pair",
    [("a", "b"), (1, 2), (-5, 7), (True, False), (np.int8(1), np.int8(2)), ("[noise]", "[/noise]")],
)
@pytest.mark.parametrize("dtype", [None, object, "category", "convert"])
def test_labels_of_every_plain_kind_survive_saving(pair, dtype, tmp_path):
    """Labels from pandas come in many types."""
    rows, names = waves()
    labels = pd.Series([pair[int(name == "slow")] for name in names])
    if dtype is not None:
        labels = labels.convert_dtypes() if dtype == "convert" else labels.astype(dtype)
    model, _ = train(rows, labels)
    save(model, tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors")
    assert sorted(loaded.classes.tolist()) == sorted(pair)


def test_a_class_named_in_bytes_that_are_no_utf8_survives_saving(tmp_path):
    """A folder came from an old Windows disk, and the model was lost after training."""
    rows, names = waves()
    model, _ = train(rows, np.where(names == "slow", "caf\udce9", "other"))
    save(model, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").classes.tolist() == ["caf\udce9", "other"]


# ------------------------------------------------------------------------------------------- copies and contradictions


def picture(path, seed: int, *, like: str = "PNG") -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(path, like)


def test_copies_of_one_row_are_merged_and_that_is_said():
    rows, labels = waves()
    model, heard = train(np.vstack([rows, rows[:7]]), np.concatenate([labels, labels[:7]]))
    assert heard.one("repeat").startswith("7 items repeat the content and class of others")
    assert model.summary["merged_items"] == 7
    assert heard.one("split:") == "split: 72 items to train on, 8 to validate on (10% of each class, at random)"


def test_identical_files_under_other_names_are_merged(tmp_path):
    """Sixty files were copies of four pictures, and validation said 1.0000."""
    paths = []
    for number in range(60):
        paths.append(tmp_path / f"{number:02}.png")
        picture(paths[-1], seed=number % 4)
    model, heard = train(paths, np.arange(60) % 4 % 2, ImageAdapter())
    assert heard.one("repeat").startswith("56 items repeat")
    assert "validation_accuracy" not in model.scores
    assert "none to validate on" in heard.one("split:")


def test_a_second_training_finds_copies_without_reading_the_files_again(tmp_path, monkeypatch):
    paths = []
    for number in range(60):
        paths.append(tmp_path / f"{number:02}.png")
        picture(paths[-1], seed=number % 30)
        os.utime(paths[-1], (1e9, 1e9))
    monkeypatch.setattr("gridcnn.pipeline.fingerprint.TICK", -(10**12))  # the files are new
    cache = tmp_path / "cache"
    first, _ = train(paths, np.arange(60) % 30 % 2, ImageAdapter(), cache=cache)
    monkeypatch.setattr("gridcnn.pipeline.duplicates._ends", None)
    again, heard = train(paths, np.arange(60) % 30 % 2, ImageAdapter(), cache=cache)
    assert heard.one("repeat").startswith("30 items repeat")
    assert again.summary["merged_items"] == first.summary["merged_items"] == 30


def test_one_picture_in_two_formats_never_stands_on_both_sides_of_the_split(tmp_path):
    """The same pictures were saved as PNG and as BMP."""
    paths = []
    for number in range(60):
        paths.append(tmp_path / f"{number:02}.{'png' if number % 2 else 'bmp'}")
        picture(paths[-1], seed=number // 2, like="PNG" if number % 2 else "BMP")
    model, heard = train(paths, np.arange(60) // 2 % 2, ImageAdapter())
    said = heard.one("do not count")
    assert said.startswith("6 items to validate on have the content of items to train on")
    assert "none is left" in said
    assert "validation_accuracy" not in model.scores


def test_given_validation_items_that_are_trained_on_do_not_count():
    """The validation part was cut from the training part."""
    rows, labels = waves()
    new, their = waves(seed=1)
    both = np.vstack([rows[:5], new[:20]]), np.concatenate([labels[:5], their[:20]])
    model, heard = train(rows, labels, validation=both)
    assert heard.one("do not count").endswith("20 are left")
    assert model.summary["validation_items"] == 20


def test_items_in_two_classes_are_listed_by_name(tmp_path):
    """One picture was sorted into two folders."""
    paths = []
    for number in range(60):
        paths.append(tmp_path / f"{number:02}.png")
        picture(paths[-1], seed=min(number, 58))
    labels = np.array(["cat", "dog"])[np.arange(60) % 2]
    _, heard = train(paths, labels, ImageAdapter())
    said = heard.one("contradict")
    assert said.startswith("2 items contradict each other")
    assert f"{tmp_path / '58.png'} (cat)"[-12:] in said
    assert f"{tmp_path / '59.png'} (dog)"[-12:] in said


def test_a_row_in_two_classes_is_named_by_its_row():
    rows, labels = waves()
    frame = pd.DataFrame(rows, index=range(2, 82))
    frame.iloc[1] = frame.iloc[0]
    _, heard = train(frame, labels)
    assert "row 2 (slow) = row 3 (fast)" in heard.one("contradict").replace(
        "row 3 (fast) = row 2 (slow)", "row 2 (slow) = row 3 (fast)"
    )


def test_texts_that_differ_only_in_their_unicode_form_are_the_same():
    """One half of the texts came from a Mac."""
    texts = [f"caf\u00e9 word{number} good bad" for number in range(30)]
    texts += [text.replace("\u00e9", "e\u0301") for text in texts]
    _, heard = train(texts, ["a", "b"] * 30, TextAdapter())
    assert "do not count" in heard.one("do not count")


# ------------------------------------------------------------------------------------------------- what a training says


def test_a_training_says_what_it_chose_and_what_was_set_by_hand():
    _, heard = train(*waves())
    assert heard.one("network:").endswith("the defaults of ArrayAdapter for 72 items; set by hand: epochs, kernels")


def test_too_few_items_for_a_split_are_said():
    _, heard = train(*waves(20))
    assert "fewer than 50 different items are too few" in heard.one("split:")


def test_a_split_by_groups_says_so():
    _, heard = train(*waves(), groups=np.repeat(np.arange(10), 8))
    assert heard.one("split:").endswith("(whole groups, 9 to train on and 1 to validate on)")


# ------------------------------------------------------------------------------ labels and groups from pandas and numpy


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (lambda slow: pd.Series(slow.astype(int), dtype="Int64"), [0, 1]),
        (lambda slow: pd.Series(slow, dtype="boolean"), [False, True]),
        (lambda slow: slow.astype(np.longdouble), [0.0, 1.0]),
    ],
)
def test_labels_of_nullable_and_long_kinds_keep_their_values(labels, classes, tmp_path):
    rows, names = waves()
    model, _ = train(rows, labels(names == "slow"))
    assert [(type(each), each) for each in model.classes.tolist()] == [(type(each), each) for each in classes]
    save(model, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").classes.tolist() == classes


def test_masked_labels_are_missing_labels():
    rows, names = waves()
    with pytest.raises(DataError, match=r"missing labels at \[3\]"):
        train(rows, np.ma.masked_array((names == "slow").astype(int), mask=np.arange(80) == 3))


def test_labels_beyond_64_bits_are_refused_in_words():
    rows, names = waves()
    with pytest.raises(DataError, match="64 bits"):
        train(rows, np.array([2**70 if name == "slow" else 1 for name in names], dtype=object))


def test_class_weights_in_a_list_and_a_validation_that_is_no_pair_are_refused():
    rows, names = waves()
    with pytest.raises(ConfigurationError, match="class_weight"):
        train(rows, names, class_weight=[1, 2])
    with pytest.raises(ConfigurationError, match="pair"):
        train(rows, names, validation=(rows, names, names))


def test_groups_that_are_missing_in_part_are_refused_in_words():
    rows, names = waves()
    with pytest.raises(DataError, match="groups"):
        train(rows, names, groups=np.array([None, *"abcd" * 19, *"abc"], dtype=object))


def test_parameters_may_be_numbers_of_numpys_types(tmp_path):
    model, _ = train(*waves(), epochs=np.int64(1), learning_rate=np.float32(0.01), batch_size=np.int32(8))
    assert len(model.history) == 1
    save(model, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").parameters["epochs"] == 1


def test_one_cell_that_marks_a_missing_value_is_pointed_out():
    """One cell of -9999 spoiled the scale of 120 good rows, without a word."""
    rows, labels = waves()
    rows[7, 3] = -9999
    _, heard = train(rows, labels)
    assert heard.one("-9999").startswith("-9999 stands in 1 of 72 items, far from all other numbers")


def test_items_that_cannot_be_read_are_counted_before_the_training():
    rows, labels = waves()
    rows[[2, 4, 6], 3] = np.nan
    model, heard = train(rows, labels, on_error="skip")
    said = heard.one("cannot be read")
    assert said.startswith("3 items cannot be read and are left out")
    assert sum(model.summary["class_counts"].values()) == model.summary["training_items"]
    assert model.summary["training_items"] == 77
    assert model.summary["validation_items"] == 8


def test_predictions_with_half_an_emoji_become_a_table():
    rows, names = waves()
    model, _ = train(rows, np.where(names == "slow", "a\ud83d", "b"))
    frame = gridcnn.predict(model, rows).to_frame()
    assert "p(a\ud83d)" in frame.columns
