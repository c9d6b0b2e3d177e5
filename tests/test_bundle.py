"""Bundles are written whole, read without running anything, and refuse what is not right with its own error."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from gridcnn import GridClassifier, bundle, fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, TextAdapter
from gridcnn.errors import (
    BundleError,
    BundleVersionError,
    NotABundleError,
    TamperedBundleError,
    TruncatedBundleError,
)
from gridcnn.pipeline import sealed

TEXTS = ["the dog bit the man", "the man bit the dog"] * 6
LABELS = ["dog", "man"] * 6


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "m.safetensors"
    classifier = GridClassifier(adapter=TextAdapter(min_count=1), epochs=2, kernels=(4,)).fit(TEXTS, LABELS)
    classifier.save(path)
    return classifier, path


def header_of(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_what_is_loaded_predicts_the_same_bits(saved):
    classifier, path = saved
    again = GridClassifier.load(path)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    assert str(again.history_) == str(classifier.history_)  # NaN is unequal to itself
    assert again.summary_ == classifier.summary_
    assert list(again.kernels) == [4]


def test_integer_labels_stay_integers(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 6)), np.tile([10, 20], 10)
    GridClassifier(ordering="assume", epochs=1).fit(X, y).save(tmp_path / "m.safetensors")
    loaded = GridClassifier.load(tmp_path / "m.safetensors")
    assert loaded.predict(X).dtype.kind == "i"
    assert set(loaded.classes_) == {10, 20}
    with pytest.raises(ValueError, match="X has 5 features, but GridClassifier is expecting 6"):
        loaded.predict(X[:, :5])


@pytest.mark.parametrize("kind", [str, Path])
def test_a_saved_model_names_no_folder_of_the_machine(tmp_path, kind):
    vectors, model = tmp_path / "private" / "vectors.txt", tmp_path / "m.safetensors"
    vectors.parent.mkdir()
    vectors.write_text("good 1 2\nbad 2 1\n")
    adapter = TextAdapter(vectors=kind(vectors), tokens="word")
    texts = ["good good day", "bad bad day"] * 6
    cache = kind(tmp_path / "private" / "cache")
    fitted = fit(adapter, texts, [0, 1] * 6, {"epochs": 1, "kernels": (2,), "cache": cache, "validation_fraction": 0})
    bundle.save(fitted, model)
    loaded = bundle.load(model)

    assert b"private" not in model.read_bytes()
    assert loaded.adapter.vectors == "vectors.txt"
    assert loaded.parameters["cache"] is True
    assert fitted.adapter.vectors == kind(vectors)


def test_a_failed_write_leaves_the_old_file_and_no_litter(saved, tmp_path, monkeypatch):
    classifier, _ = saved
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"old")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        classifier.save(path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_folder_that_is_not_there_is_named(saved, tmp_path):
    with pytest.raises(BundleError, match="folder .* does not exist"):
        saved[0].save(tmp_path / "no" / "m.safetensors")


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_truncated_file_is_called_cut_off(saved, tmp_path, kept):
    data = saved[1].read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(TruncatedBundleError, match="cut off"):
        bundle.load(path)


def test_another_file_is_called_another_file(tmp_path):
    path = tmp_path / "photo.safetensors"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(NotABundleError, match="not a safetensors file"):
        bundle.load(path)
    safetensors.torch.save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(NotABundleError, match="not one that gridcnn wrote"):
        bundle.load(path)
    with pytest.raises(NotABundleError, match="no such file"):
        bundle.load(tmp_path / "absent.safetensors")


def test_a_newer_format_says_upgrade(saved, tmp_path):
    header, body = header_of(saved[1])
    header["__metadata__"]["gridcnn_format"] = "99"
    write(tmp_path / "new.safetensors", header, body)
    with pytest.raises(BundleVersionError, match="upgrade gridcnn"):
        bundle.load(tmp_path / "new.safetensors")


@pytest.mark.parametrize("adapter", [AudioAdapter(sample_rate=1_000, duration=1.0), ArrayAdapter()])
def test_a_bundle_of_an_earlier_format_says_train_again(tmp_path, adapter):
    series = np.random.default_rng(0).normal(size=(4, 1_000)).astype(np.float32)
    path = tmp_path / "series.safetensors"
    GridClassifier(adapter=adapter, epochs=1, kernels=(2,)).fit(series, [0, 1] * 2).save(path)
    assert bundle.load(path).classes.tolist() == [0, 1]
    header, body = header_of(path)
    header["__metadata__"]["gridcnn_format"] = "3"
    write(path, header, body)
    with pytest.raises(BundleVersionError, match="train again"):
        bundle.load(path)


def test_changed_metadata_or_weights_are_noticed(saved, tmp_path):
    header, body = header_of(saved[1])
    changed = json.loads(json.dumps(header))
    changed["__metadata__"]["gridcnn"] = changed["__metadata__"]["gridcnn"].replace('"dog"', '"cat"')
    write(tmp_path / "a.safetensors", changed, body)
    write(tmp_path / "b.safetensors", header, body[:-4] + b"\x01\x02\x03\x04")
    for name in ("a", "b"):
        with pytest.raises(TamperedBundleError, match="changed after it was written"):
            bundle.load(tmp_path / f"{name}.safetensors")


def test_metadata_that_contradicts_the_weights_is_refused_even_with_a_fitting_digest(saved, tmp_path):
    weights = safetensors.torch.load_file(saved[1])
    values = json.loads(header_of(saved[1])[0]["__metadata__"]["gridcnn"])
    values["classes"]["labels"] = ["dog", "man", "cat"]
    text = json.dumps(values)
    metadata = {
        "gridcnn": text,
        "gridcnn_format": str(bundle.FORMAT_VERSION),
        "gridcnn_digest": sealed._digest(text, weights),
    }
    safetensors.torch.save_file(weights, tmp_path / "c.safetensors", metadata=metadata)
    with pytest.raises(TamperedBundleError, match="do not agree"):
        bundle.load(tmp_path / "c.safetensors")


def test_a_header_that_is_nested_without_end_is_damage(tmp_path):
    header = b'{"a":' + b"[" * 200_000
    (tmp_path / "m.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(TamperedBundleError, match="damaged"):
        bundle.load(tmp_path / "m.safetensors")
