"""The axes of the adapters' own grids: those that kernels slide along are ordered, and the channels are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.fft import dct

from gridcnn import check_axes, check_order, datasets
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.adapters.vocabulary import PADDING
from gridcnn.evaluation.axes import check_grids

DATA = Path(os.environ.get("GRIDCNN_DATA") or "no such folder")


def needs(folder):
    return pytest.mark.skipif(not (DATA / folder).exists(), reason=f"GRIDCNN_DATA has no {folder}")


def windows_of(adapter, items):
    """The first window of each item, as a fitted adapter encodes it."""
    return np.stack([adapter.encode(item)[0] for item in items])


def grids_of(adapter, items):
    """Grids of shape (items, channels, …) from an untrained frontend."""
    windows = windows_of(adapter.fit(items), items)
    torch.manual_seed(0)
    with torch.inference_mode():
        return adapter.frontend().eval()(torch.from_numpy(windows)).numpy()


def token_ids(texts):
    """Ids of the leading tokens of the longer texts, (texts, tokens): padding is no token."""
    adapter = TextAdapter().fit(texts)
    ids = windows_of(adapter, texts).reshape(len(texts), adapter.length_, -1)[:, :, 0]
    lengths = (ids != PADDING).sum(axis=1)
    shortest = int(np.quantile(lengths, 0.75))
    return ids[lengths >= shortest, :shortest]


def shuffled(grids, axis, seed=0):
    return np.take(grids, np.random.default_rng(seed).permutation(grids.shape[axis]), axis=axis)


def assert_axes(grids, *verdicts):
    """Verdict of each axis; shuffling an ordered one flips its own verdict and leaves the others."""
    assert check_axes(grids).verdicts == verdicts
    for at, verdict in enumerate(verdicts):
        if verdict == "ordered":
            expected = list(verdicts)
            expected[at] = "exchangeable"
            assert check_axes(shuffled(grids, at + 1)).verdicts == tuple(expected), f"axis {at + 1} shuffled"


def test_height_and_width_of_pictures_are_ordered_and_colours_are_not():
    digits = datasets.load("digits")  # 8 cells have few orders, so that many items are needed
    assert_axes(grids_of(ImageAdapter(), digits.items), "exchangeable", "ordered", "ordered")


def test_mel_and_time_of_sounds_are_ordered():
    tones = datasets.load("tones").take(range(200))
    grids = grids_of(AudioAdapter(sample_rate=tones.sample_rate), tones.items)
    assert_axes(grids, "exchangeable", "ordered", "ordered")


def test_token_position_is_ordered_until_the_tokens_are_shuffled():
    ids = token_ids(datasets.load("word_order").items)
    assert check_order(ids, kind="categorical").verdict == "ordered"
    assert check_order(shuffled(ids, 1), kind="categorical").verdict != "ordered"


def test_embedding_dimensions_are_not_ordered():
    texts = datasets.load("word_order").take(range(400)).items
    grids = grids_of(TextAdapter(embedding_dim=64), texts)
    assert check_axes(grids).verdicts[0] == check_axes(shuffled(grids, 1)).verdicts[0] == "exchangeable"


def test_time_of_a_series_is_ordered_and_its_sensors_are_not():
    rng = np.random.default_rng(0)
    sensors = rng.normal(size=(300, 8, 40)).cumsum(axis=2)
    assert_axes(grids_of(ArrayAdapter(axes=("channels", "time")), sensors), "exchangeable", "ordered")


@needs("fsdd/recordings")
def test_real_sounds_mel_and_time_are_ordered_and_cepstral_coefficients_are_not():
    paths = sorted((DATA / "fsdd" / "recordings").glob("*.wav"))[::10]
    grids = grids_of(AudioAdapter(), paths)
    assert_axes(grids, "exchangeable", "ordered", "ordered")
    coefficients = dct(grids[:, 0], axis=1, norm="ortho")[:, 1:21]
    assert_axes(coefficients, "exchangeable", "ordered")


@needs("text/trec_train.csv")
def test_real_texts_token_position_is_ordered_and_embedding_dimensions_are_not():
    texts = pd.read_csv(DATA / "text" / "trec_train.csv")["text"].tolist()
    ids = token_ids(texts)
    assert check_order(ids, kind="categorical").verdict == "ordered"
    assert check_order(shuffled(ids, 1), kind="categorical").verdict != "ordered"
    assert check_axes(grids_of(TextAdapter(), texts[:500])).verdicts[0] == "exchangeable"


@needs("mnist")
def test_real_pictures_height_and_width_are_ordered():
    mnist = datasets.load("mnist").take(range(500))
    assert_axes(grids_of(ImageAdapter(), mnist.items), "exchangeable", "ordered", "ordered")


@needs("ordering/axes/BasicMotions.npz")
def test_real_sensors_are_not_ordered_and_their_time_is():
    motions = np.load(DATA / "ordering" / "axes" / "BasicMotions.npz")["X"]
    assert_axes(grids_of(ArrayAdapter(axes=("channels", "time")), motions), "exchangeable", "ordered")


def test_items_that_are_no_text_are_left_out_of_the_check_of_tokens():
    texts = datasets.load("word_order").items[:300]
    report = check_grids(TextAdapter(), [*texts, None])
    assert [each.item for each in report.skipped] == ["None"]
    assert report.items_used == 300
    assert report.reports[1].to_dict() == check_grids(TextAdapter(), texts).reports[1].to_dict()
