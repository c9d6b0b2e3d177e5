"""The classic baselines on data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.cli import main
from gridcnn.errors import DataError, ItemError
from gridcnn.evaluation.baselines import compare, fit_baseline


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


def test_train_compares_on_the_items_it_held_back_and_keeps_the_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 0), ("light", 200)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for at in range(40):
            pixels = (level + rng.integers(0, 40, (8, 8))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{at}.png")
    model = tmp_path / "m.safetensors"
    arguments = ["--compare", "--epochs", "1", "--kernels", "4", "--no-cache", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main(["train", str(tmp_path / "data"), "-o", str(model), *arguments])
    printed = capsys.readouterr().out
    kept = GridClassifier.load(model).scores_

    assert not ended.value.code
    assert "validation accuracy of the baseline 1.0000, of the network" in printed
    assert kept["baseline"]["accuracy"] == 1.0
    assert kept["baseline"]["network"] == pytest.approx(kept["validation_accuracy"])  # the same items


def test_mcnemar_counts_only_the_items_on_which_the_two_differ() -> None:
    truth = np.array(["a"] * 20)
    baseline, network = truth.copy(), truth.copy()
    baseline[:8], network[8:10] = "b", "b"

    assert compare("SVM", truth, baseline, network).p_value == pytest.approx(0.109375)  # binomial, 8 of 10, two-sided
