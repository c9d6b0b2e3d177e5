"""Every picture can be drawn for every modality, says what it left out, and shows the numbers of the trace."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from gridcnn import GridClassifier, datasets, explain, plots
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.errors import ConfigurationError

PICTURES = np.random.default_rng(0).integers(0, 255, (8, 12, 12), dtype=np.uint8)
LABELS = list("ab" * 4)


def fitted(adapter, items, labels=LABELS, **settings):
    settings = {"kernels": (3, 4), **settings}
    return GridClassifier(adapter=adapter, epochs=2, cache=False, **settings).fit(items, labels)


@pytest.fixture(scope="module")
def image_trace():
    return explain.trace(fitted(ImageAdapter(), PICTURES), PICTURES[0])


@pytest.fixture(scope="module")
def sound_trace():
    data = datasets.tones(8)
    return explain.trace(
        fitted(AudioAdapter(sample_rate=8000, duration=0.3), data.items, data.labels, kernels=(3,)), data.items[0]
    )


@pytest.fixture(scope="module")
def text_trace():
    texts = ["a good film", "a bad film", "it was good fun", "it was bad"] * 2
    classifier = fitted(TextAdapter(embedding_dim=6, min_count=1, length=16), texts, kernels=(5,))
    return explain.trace(classifier, "was it $good$ or $bad$ <b>fun</b>")


@pytest.fixture(scope="module")
def series_trace():
    series = np.random.default_rng(0).normal(size=(8, 2, 24)).astype(np.float32)
    adapter = ArrayAdapter(axes=("channels", "time"), units={"time": "s"})
    return explain.trace(fitted(adapter, series, kernels=(3,)), series[0])


def words_in(figure):
    figure.draw_without_rendering()
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text())


def images_in(ax):
    return [np.asarray(image.get_array()) for image in ax.get_images()]


@pytest.mark.parametrize("kind", ["image_trace", "sound_trace", "text_trace", "series_trace"])
def test_all_pictures_of_an_item_are_written_in_the_order_of_the_walk(kind, request, tmp_path):
    trace = request.getfixturevalue(kind)

    written = plots.write_all(trace, tmp_path / "why")

    names = [path.stem.partition("-")[2] for path in written]
    assert names[:3] == ["input", "kernels", "match"]
    assert names[-3:] == ["attribution", "walk", "answer"]
    assert ("block-1-pooling" in names) == (kind != "text_trace")  # the text network pools over the whole sentence
    assert written == sorted((tmp_path / "why").iterdir())
    for path in written:
        with Image.open(path) as picture:
            assert picture.width == 1100
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


def test_nothing_is_written_for_a_class_that_does_not_exist(image_trace, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no class 'cat'; there are a, b"):
        plots.write_all(image_trace, tmp_path / "why", "cat")
    assert not (tmp_path / "why").exists()


def test_pictures_show_the_numbers_of_the_trace(image_trace):
    step = image_trace.activation(1)

    before, after = plots.relu(image_trace, block=1, kernel=2).axes[:2]

    np.testing.assert_array_equal(images_in(before)[0], step.input[1])
    np.testing.assert_array_equal(images_in(after)[0], step.output[1])
    assert before.get_images()[0].get_clim() == after.get_images()[0].get_clim()
    low, high = before.get_images()[0].get_clim()
    assert low == -high  # white is zero


def test_one_row_has_one_scale(image_trace):
    figure = plots.feature_maps(image_trace, block=1)

    limits = [[ax.get_images()[0].get_clim() for ax in part.axes if ax.get_images()] for part in figure.subfigs]
    assert [len(set(row)) for row in limits] == [1, 1, 1]
    assert [len(row) for row in limits] == [3, 3, 3]


def test_pooling_windows_are_drawn_over_the_map(image_trace):
    step = next(step for step in image_trace.block(1) if step.kind == "pool")

    windows = plots.pooling(image_trace, block=1).axes[0].patches

    assert len(windows) == step.output[0].size
    assert windows[0].get_bbox().bounds == (-0.5, -0.5, 2, 2)


def test_a_block_or_kernel_that_does_not_exist_is_refused(image_trace, text_trace):
    with pytest.raises(ConfigurationError, match="there is no block 3; blocks are counted from 1 to 2"):
        plots.feature_maps(image_trace, block=3)
    with pytest.raises(ConfigurationError, match="has no kernel 9; they are counted from 1 to 3"):
        plots.relu(image_trace, kernel=9)
    with pytest.raises(ConfigurationError, match="there is no kernel 9; kernels are counted from 1 to 3"):
        plots.cosine_similarity(image_trace, kernel=9)
    with pytest.raises(ConfigurationError, match="block 1 pools nothing"):
        plots.pooling(text_trace)


def test_the_match_of_a_learned_kernel_stands_above_that_of_a_random_one(image_trace):
    axes = plots.cosine_similarity(image_trace, kernel=1).axes
    step = image_trace.steps[0]

    np.testing.assert_allclose(
        images_in(axes[2])[0], explain.cosine_similarity_map(step.kernels[0], step.input, padding="same"), atol=1e-12
    )
    assert axes[4].get_title() == "a random kernel"


def test_a_sound_has_hertz_and_seconds_on_its_axes(sound_trace):
    figure = plots.input_grid(sound_trace)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    (low, high), (start, end) = ax.get_ylim(), ax.get_xlim()

    assert (ax.get_ylabel(), ax.get_xlabel()) == ("frequency (Hz)", "time (s)")
    assert end - start == pytest.approx(0.3, abs=0.02)
    assert (low, high) == pytest.approx((20, 4000), abs=0.1)
    shown = [tick.get_text() for tick in ax.get_yticklabels() if low <= tick.get_position()[1] <= high]
    assert {"500", "1000", "2000"} <= set(shown)  # round ones


def test_a_spectrogram_shows_the_grid_with_bands_of_one_height_at_their_frequencies(sound_trace):
    ax = plots.input_grid(sound_trace).axes[0]
    (mesh,) = ax.collections
    frequency = sound_trace.coordinates[0]
    n_bands = len(frequency.centre)
    rows = ax.transAxes.inverted().transform(ax.transData.transform([(0.0, hertz) for hertz in frequency.centre]))[:, 1]

    np.testing.assert_array_equal(np.reshape(mesh.get_array(), sound_trace.grid.shape[1:]), sound_trace.grid[0])
    np.testing.assert_allclose(rows, (np.arange(n_bands) + 0.5) / n_bands, atol=0.3 / n_bands)


def test_a_sound_with_too_many_frames_to_draw_is_summarised():
    data = datasets.tones(4)
    adapter = AudioAdapter(sample_rate=8000, hop_length=20, n_fft=512, n_mels=20)
    trace = explain.trace(fitted(adapter, data.items, data.labels, kernels=(3,)), data.items[0])

    figure = plots.input_grid(trace)
    assert max(images_in(figure.axes[0])[0].shape) <= 256 < max(trace.spec.sizes)
    assert "too large to draw" in words_in(figure)


def test_a_sentence_is_drawn_as_it_is_written(text_trace):
    found = words_in(plots.attribution(text_trace))

    assert r"\$" in found  # a dollar sign starts no formula
    assert "fun" in found


def test_long_grids_are_summarised_and_the_picture_says_so():
    series = np.random.default_rng(0).normal(size=(8, 1, 1000)).astype(np.float32)
    trace = explain.trace(fitted(ArrayAdapter(axes=("channels", "time")), series), series[0])

    figure = plots.feature_maps(trace)

    assert "too large to draw" in words_in(figure)
    row = figure.subfigs[0].axes[0].get_images()[0]
    assert row.get_array().shape == (3, 250)
    assert row.get_extent()[:2] == [-0.5, 999.5]


def test_the_remarks_of_the_trace_stand_on_the_picture(text_trace):
    classifier = fitted(TextAdapter(embedding_dim=6, min_count=1), ["a b", "c d"] * 4, kernels=(2,))

    assert "knows none of these words" in words_in(plots.answer(explain.trace(classifier, "xyzzy")))
    assert "knows none" not in words_in(plots.answer(text_trace))


def test_a_confusion_matrix_counts_every_item():
    figure = plots.confusion_matrix(["a", "a", "b", "c"], ["a", "b", "b", "b"])

    np.testing.assert_array_equal(images_in(figure.axes[0])[0], [[0.5, 0.5, 0], [0, 1, 0], [0, 1, 0]])
    assert "4 items, 2 right" in words_in(figure)


def test_learning_curves_show_every_epoch_and_which_was_kept():
    different = np.repeat(PICTURES, 10, axis=0) ^ np.arange(80, dtype=np.uint8)[:, None, None]
    classifier = fitted(ImageAdapter(), different, LABELS * 10)

    figure = plots.learning_curves(classifier)

    loss = figure.axes[0].get_lines()
    assert loss[0].get_ydata().tolist() == [record.loss for record in classifier.history_]
    assert loss[1].get_ydata().tolist() == [record.validation_loss for record in classifier.history_]
    assert f"kept: epoch {classifier.best_epoch_}" in words_in(figure)


def test_top_patches_are_drawn_strongest_first():
    classifier = fitted(ImageAdapter(), PICTURES)
    best = explain.top_patches(classifier, PICTURES, block=1, count=4)

    figure = plots.top_patches(best)

    assert [ax.get_title() for ax in figure.axes[:4]] == [f"{patch.value:.2f}" for patch in best[0]]
    with pytest.raises(ConfigurationError, match="no kernel is excited"):
        plots.top_patches([[], []])


def test_arrays_are_drawn_with_their_numbers_where_these_can_be_read():
    few, many = np.eye(3), np.eye(30)

    assert "1" in words_in(plots.arrays({"few": few})).split()
    assert len(plots.arrays({"many": many}).axes[0].texts) == 0
