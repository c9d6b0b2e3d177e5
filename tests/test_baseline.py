"""The classic baselines on data whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
from PIL import Image
from sklearn.dummy import DummyClassifier

from gridcnn import datasets, load
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.base import ClassicModel
from gridcnn.adapters.mfcc import mfcc_statistics
from gridcnn.adapters.torchaudio_transforms import AmplitudeToDB, MelSpectrogram
from gridcnn.errors import DataError, ItemError
from gridcnn.evaluation import baselines
from gridcnn.evaluation.baselines import fit_baseline
from gridcnn.evaluation.comparison import compare


def test_pixels_through_components_read_digits() -> None:
    data = datasets.load("digits").take(range(900))
    adapter = ImageAdapter().fit(data.items[:700])
    baseline = fit_baseline(adapter, data.items[:700], data.labels[:700])

    assert baseline.name == "pixels, 60 principal components + SVM"
    assert (baseline.predict(data.items[700:]) == data.labels[700:]).mean() > 0.93


def test_tf_idf_knows_words_and_pairs_of_words() -> None:
    sentences = [f"dog bites man {n}" for n in range(20)] + [f"man bites dog {n}" for n in range(20)]
    labels = ["old"] * 20 + ["news"] * 20
    baseline = fit_baseline(TextAdapter().fit(sentences), sentences, labels)

    assert baseline.predict(["the man bites dog", "the dog bites man"]).tolist() == ["news", "old"]


def test_characters_are_counted_where_there_are_no_words() -> None:
    sentences = [f"今天天气很好{n}" for n in range(10)] + [f"我不喜欢下雨{n}" for n in range(10)]
    baseline = fit_baseline(TextAdapter().fit(sentences), sentences, ["good"] * 10 + ["bad"] * 10)

    assert baseline.name == "TF-IDF of 1 to 4 characters + linear SVM"
    assert baseline.predict(["天气好", "喜欢雨"]).tolist() == ["good", "bad"]


def test_mfcc_statistics_tell_noise_from_tones_and_pass_over_padding() -> None:
    rng, seconds = np.random.default_rng(0), np.arange(4000) / 8000
    sounds = [rng.normal(0, 0.1, 4000) if n % 2 else np.sin(2 * np.pi * (300 + 20 * n) * seconds) for n in range(24)]
    labels = np.array(["tone", "noise"] * 12)
    adapter = AudioAdapter(sample_rate=8000).fit(sounds)
    baseline = fit_baseline(adapter, sounds, labels)

    shorter = [sounds[0][:1500], sounds[1][:1500]]  # stand in the middle of zeros
    assert baseline.predict(shorter).tolist() == ["tone", "noise"]
    assert baseline.predict([np.zeros(4000)]).shape == (1,)


@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), [(8_000, 512, 40), (16_000, 512, 40), (44_100, 2_048, 128)])
def test_mfcc_are_those_of_the_bands_that_the_network_hears(rate: int, n_fft: int, n_mels: int) -> None:
    rng = np.random.default_rng(0)
    loud = rng.normal(0, 0.1, rate).astype(np.float32)
    quiet = np.concatenate([loud[: rate // 4] / 1000, np.zeros(rate - rate // 4, np.float32)])  # most of it is silent
    windows = np.stack([loud, quiet])
    mel = MelSpectrogram(rate, n_fft=n_fft, hop_length=n_fft // 4, n_mels=n_mels)
    levels = AmplitudeToDB("power", top_db=80.0)(mel(torch.from_numpy(windows))[:, None])[:, 0].numpy()

    for found, each in zip(mfcc_statistics(windows, rate), levels, strict=True):
        sounding = each.max(axis=0) > each.min() + 1
        mfcc = scipy.fft.dct(each, axis=0, norm="ortho")[:20, sounding]
        expected = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1), mfcc.min(axis=1), mfcc.max(axis=1)])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.05)
    assert (levels[1].max(axis=0) <= levels[1].min() + 1).mean() > 0.5


def test_an_adapter_may_bring_a_classic_model_of_its_own() -> None:
    class Counted(ArrayAdapter):
        def baseline(self, random_state: int = 0) -> ClassicModel:
            def features(items: Any, windows: Any) -> np.ndarray:
                assert [each.shape for each in windows] == [(1, 1, 3)] * len(items)
                return np.asarray(items)

            return ClassicModel("the most frequent label", features, DummyClassifier())

    rows = np.arange(12.0).reshape(4, 3)
    baseline = fit_baseline(Counted().fit(rows), rows, ["a", "b", "b", "b"])

    assert (baseline.name, baseline.n_items) == ("the most frequent label", 4)
    assert baseline.predict(rows[:2]).tolist() == ["b", "b"]


def test_a_large_set_is_sampled_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_ITEMS", 20)
    rows = np.random.default_rng(0).normal(size=(200, 3))
    labels = np.where(rows[:, 0] > 0, "up", "down")
    fitted = [fit_baseline(ArrayAdapter().fit(rows), rows, labels, random_state=seed) for seed in (0, 0, 1)]
    first, again, other = [each.model.estimator.model_.best_estimator_["scale"].mean_ for each in fitted]

    assert {each.n_items for each in fitted} == {20}
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_windows_of_a_long_recording_make_one_answer() -> None:
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, 9000) if n % 2 else np.sin(np.arange(3000) * (0.2 + 0.01 * n)) for n in range(12)]
    adapter = AudioAdapter(sample_rate=8000, duration=0.4).fit(sounds)
    baseline = fit_baseline(adapter, sounds, ["tone", "noise"] * 6)

    assert baseline.predict(sounds[:5]).shape == (5,)


def test_a_table_gets_the_best_of_three() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(120, 4)).astype(np.float32)
    ring = np.where((table[:, :2] ** 2).sum(axis=1) > 1.4, "out", "in")  # no line tells them apart
    baseline = fit_baseline(ArrayAdapter().fit(table), table[:90], ring[:90])

    assert (baseline.predict(table[90:]) == ring[90:]).mean() > 0.8


def test_unreadable_items_are_left_out_of_the_fit_and_refused_in_prediction(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    pictures = [np.full((8, 8), level, np.uint8) for level in (0, 10, 240, 250)]
    adapter = ImageAdapter().fit(pictures)
    baseline = fit_baseline(adapter, [*pictures, broken], ["dark", "dark", "light", "light", "light"])

    assert baseline.n_items == 4
    with pytest.raises(ItemError, match=r"broken\.png"):
        baseline.predict([broken])
    with pytest.raises(DataError, match="at least two classes"):
        fit_baseline(adapter, [*pictures[:2], broken], ["dark", "dark", "light"])


def test_the_verdict_names_the_winner_only_where_chance_is_unlikely() -> None:
    truth = np.array(["a"] * 40)
    right, wrong = truth, np.array(["b"] * 40)

    assert compare("SVM", truth, right, wrong).verdict.startswith("The baseline wins: SVM beats the network by 100.0")
    assert (
        compare("SVM", truth, wrong, right).verdict
        == "The network beats the baseline (SVM) by 100.0 points on 40 items."
    )
    assert "are level on 40 items" in compare("SVM", truth, right, right).verdict
    one_worse = np.array(["b"] + ["a"] * 39)
    close = compare("SVM", truth, one_worse, right)
    assert close.p_value == 1.0
    assert close.verdict.startswith("The network is ahead by 2.5 points on 40 items, which may be chance (p = 1)")


def test_train_compares_on_the_validation_split_and_keeps_the_outcome(tmp_path: Path, run: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 0), ("light", 200)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for at in range(40):
            pixels = (level + rng.integers(0, 40, (8, 8))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{at}.png")
    model = tmp_path / "m.safetensors"
    arguments = ["--compare", "--epochs", "1", "--kernels", "4", "--no-cache", "--quiet"]
    done = run("train", tmp_path / "data", "-o", model, *arguments)

    assert done.code == 0, done.err
    kept = load(model).scores
    assert "validation accuracy of the baseline 1.0000, of the network" in done.out
    assert kept["baseline"]["accuracy"] == 1.0
    assert kept["baseline"]["network"] == pytest.approx(kept["validation_accuracy"])  # the same items


def test_mcnemar_counts_only_the_items_on_which_the_two_differ() -> None:
    truth = np.array(["a"] * 20)
    baseline, network = truth.copy(), truth.copy()
    baseline[:8], network[8:10] = "b", "b"

    assert compare("SVM", truth, baseline, network).p_value == pytest.approx(0.109375)  # binomial, 8 of 10, two-sided
