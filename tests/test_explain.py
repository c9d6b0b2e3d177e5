"""The trace is exact, and what is said about it is true: patches, matches, votes, attribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gridcnn
from gridcnn import GridClassifier, datasets, explain
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TextAdapter
from gridcnn.display import percentage
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.explain.tracing import record
from gridcnn.grid import GridSpec
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig

WORDS = ["good not bad at all", "bad not good", "a film that was good", "a play that was bad"] * 2


def fitted(adapter, items, labels, **settings):
    return GridClassifier(adapter=adapter, epochs=1, cache=False, device="cpu", **settings).fit(items, labels)


def pictures(size=12, colour=False):
    shape = (8, size, size, 3) if colour else (8, size, size)
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def tone(hertz, seconds=0.5, rate=8000):
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate).astype(np.float32)


def image_classifier(colour=False, **settings):
    return fitted(ImageAdapter(), pictures(colour=colour), list("ab" * 4), **settings)


def sound_classifier(**settings):
    sounds = [tone(hertz) for hertz in (300, 600, 900, 1200, 400, 700, 1000, 1300)]
    return fitted(AudioAdapter(sample_rate=8000), sounds, list("abcd" * 2), **{"kernels": (4, 6), **settings})


def text_classifier(**settings):
    labels = ["praise", "complaint"] * 4
    return fitted(TextAdapter(embedding_dim=8, min_count=1), WORDS, labels, **{"kernels": (6,), **settings})


def series_classifier(**settings):
    series = np.random.default_rng(0).normal(size=(8, 3, 20)).astype(np.float32)
    return fitted(ArrayAdapter(axes=("channels", "time")), series, [0, 1] * 4, **{"kernels": (4, 6), **settings})


CASES = {
    "image": (image_classifier, pictures()[0], {}),
    "colour image": (lambda **s: image_classifier(colour=True, **s), pictures(colour=True)[0], {}),
    "sound": (sound_classifier, tone(500), {}),
    "text": (text_classifier, "not good , not bad", {}),
    "series": (series_classifier, np.ones((3, 20), dtype=np.float32), {}),
    "average pooling": (image_classifier, pictures()[0], {"pool": "average", "kernels": (3, 5)}),
    "average pooling, one axis": (series_classifier, np.ones((3, 20)), {"pool": "average", "pool_size": 3}),
    "overlapping pooling": (image_classifier, pictures()[0], {"pool_size": 3, "pool_stride": 2, "kernels": (3, 4)}),
    "parallel kernels": (image_classifier, pictures()[0], {"kernel_sizes": (2, 3, 5), "kernels": (2, 3)}),
    "parallel kernels, one axis": (series_classifier, np.ones((3, 20)), {"kernel_sizes": (2, 5)}),
    "pooled in the middle": (
        image_classifier,
        pictures()[0],
        {"convs_per_block": 2, "pool_after": 1, "kernels": (3, 4)},
    ),
    "no padding": (image_classifier, pictures()[0], {"padding": "valid", "kernels": (3,), "convs_per_block": 1}),
    "global maximum": (image_classifier, pictures()[0], {"head": "global_max", "kernels": (4, 5)}),
    "global mean": (series_classifier, np.ones((3, 20)), {"head": "global_average"}),
    "maximum and mean": (series_classifier, np.ones((3, 20)), {"head": "max_average"}),
    "shares": (series_classifier, np.ones((3, 20)), {"head": "share_average", "dilations": (1, 3)}),
    "pyramid": (image_classifier, pictures()[0], {"head": "pyramid_max", "kernels": (4, 5)}),
    "pyramid of a text": (text_classifier, "not good", {"head": "pyramid_max"}),
    "flat text": (text_classifier, "not good", {"head": "flatten"}),
    "dense layers": (image_classifier, pictures()[0], {"dense": (7, 5), "kernels": (3,)}),
    "dense layers over a global head": (text_classifier, "not good", {"dense": (7,), "batch_norm": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_recorded_step_can_be_repeated_and_the_votes_add_up(case):
    make, item, settings = CASES[case]
    classifier = make(**settings)

    trace = explain.trace(classifier, item)

    below = trace.grid
    for step in trace.steps:
        np.testing.assert_array_equal(step.input, below)
        np.testing.assert_allclose(step.again(), step.output, rtol=1e-10, atol=1e-12)
        below = step.output
    for label in trace.classes:
        found = explain.contributions(trace, label)
        assert found.products.sum() + found.bias == pytest.approx(found.logit, rel=1e-5, abs=1e-9)
    window = torch.from_numpy(classifier.adapter_.encode(item))
    with torch.inference_mode():
        logits = classifier.network_(window).numpy()
    np.testing.assert_allclose(trace.logits, logits[0], rtol=1e-5, atol=1e-5 * np.abs(logits).max())
    np.testing.assert_allclose(trace.item_probabilities, classifier.predict_proba([item])[0], atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_arithmetic_of_a_convolution_is_patch_times_kernel_plus_bias(case):
    make, item, settings = CASES[case]
    trace = explain.trace(make(**settings), item)
    rng = np.random.default_rng(1)

    for step in (step for step in trace.steps if step.kind == "convolution"):
        for _ in range(5):
            index = rng.integers(len(step.output))
            cell = tuple(rng.integers(size) for size in step.output.shape[1:])
            field = step.below[index].patch(cell)
            margin = 9
            padded = np.pad(step.input, [(0, 0), *[(margin, margin)] * len(cell)])
            patch = padded[:, *(slice(part.start + margin, part.stop + margin) for part in field)]
            value = (patch * step.kernels[index]).sum() + step.bias[index]
            assert value == pytest.approx(step.output[(index, *cell)], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("sizes", "settings"),
    [
        ((23, 17), {"kernels": (2, 2), "convs_per_block": 2, "pool_after": 1}),
        ((23, 17), {"kernels": (2, 2), "kernel_sizes": (2, 3, 5)}),
        ((23, 17), {"kernels": (2, 2), "padding": "valid", "pool_size": 3, "pool_stride": 2}),
        ((41,), {"kernels": (2, 2, 2), "kernel_sizes": (4,), "convs_per_block": 2}),
    ],
)
def test_a_receptive_field_holds_exactly_the_cells_that_matter(sizes, settings):
    spec = GridSpec.of("channel", 2, **{f"axis{n}": size for n, size in enumerate(sizes)})
    backbone = ConvPoolDense(spec, BackboneConfig(pool="average", batch_norm=False, **settings), 2).double()
    for parameter in backbone.parameters():
        parameter.data = parameter.data.abs() + 0.1  # nothing cancels, nothing is cut off
    grid = torch.ones(1, *spec.shape, dtype=torch.float64, requires_grad=True)
    values, rng = grid, np.random.default_rng(0)

    for step in (step for step in record(backbone, np.ones(spec.shape)) if step.block):
        values = step.run(values)
        for _ in range(4):
            index = int(rng.integers(values.shape[1]))
            cell = tuple(int(rng.integers(size)) for size in values.shape[2:])
            (gradient,) = torch.autograd.grad(values[(0, index, *cell)], grid, retain_graph=True)
            reached = np.argwhere(gradient[0].sum(dim=0).numpy())
            expected = tuple(
                slice(int(first), int(last) + 1) for first, last in zip(reached.min(axis=0), reached.max(axis=0))
            )
            assert step.field[index].patch(cell, sizes) == expected, (step.name, index, cell)


def test_steps_blocks_and_windows_that_do_not_exist_are_named():
    trace = explain.trace(image_classifier(kernels=(3,)), pictures()[0])

    assert trace["block 1 relu 1"].kind == "relu"
    assert trace.activation(1) is trace.block(1)[-2 if trace.block(1)[-1].kind == "pool" else -1]
    with pytest.raises(ConfigurationError, match="there is no block 2; blocks are counted from 1 to 1"):
        trace.block(2)
    with pytest.raises(ConfigurationError, match="has no kernel 0; they are counted from 1 to 3"):
        explain.patch_under(trace, trace.activation(1), 0, (0, 0))
    with pytest.raises(ConfigurationError, match="there is no step 'block 7'; there are block 1 convolution 1"):
        trace["block 7"]
    with pytest.raises(ConfigurationError, match="there is no class 'z'; there are a, b"):
        explain.contributions(trace, "z")
    with pytest.raises(ConfigurationError, match="no window 2; windows are counted from 1 to 1"):
        explain.trace(image_classifier(kernels=(3,)), pictures()[0], window=2)
    with pytest.raises(ConfigurationError, match="has no cell"):
        explain.patch_under(trace, trace.activation(1), 1, (99, 0))
    with pytest.raises(ConfigurationError, match="makes no maps"):
        explain.patch_under(trace, trace.steps[-1], 1, (0, 0))


def test_an_item_that_cannot_be_decoded_is_named(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")

    with pytest.raises(ItemError, match="broken.png: not a picture"):
        explain.trace(image_classifier(kernels=(3,)), broken)


# ---- where the cells lie ---------------------------------------------------------------------------------------------


def test_the_loudest_band_of_a_tone_holds_its_pitch_and_the_frames_end_with_the_recording():
    trace = explain.trace(sound_classifier(), tone(1000))
    bands, frames = trace.coordinates
    loudest = trace.grid[0].mean(axis=1).argmax()

    assert bands.low[loudest] < 1000 < bands.high[loudest]
    assert (bands.unit, frames.unit) == ("Hz", "s")
    assert frames.low[0] == pytest.approx(0)
    assert frames.high[-1] == pytest.approx(0.5, abs=0.01)
    assert explain.patch_under(trace, trace.activation(1), 1, (0, 0)).where.count("–") == 2


def test_seconds_count_from_the_beginning_of_a_long_recording():
    classifier = sound_classifier()
    long = np.concatenate([np.zeros(8000, dtype=np.float32), tone(700, 0.5)])

    trace = explain.trace(classifier, long, window=3)

    assert trace.n_windows == 3
    assert trace.coordinates[1].low[0] == pytest.approx(1.0, abs=0.01)
    assert "3 windows" in trace.remarks[0]
    short = explain.trace(classifier, tone(700, 0.2))  # stands in the middle of zeros
    assert short.coordinates[1].low[0] == pytest.approx(-0.15, abs=0.01)


def test_the_trace_shows_the_picture_as_it_is_and_says_what_its_mirror_image_adds():
    classifier, picture = image_classifier(colour=True), pictures(colour=True)[1]
    trace, mirror = explain.trace(classifier, picture), explain.trace(classifier, picture[:, ::-1])
    best = trace.item_probabilities.argmax()

    assert trace.n_copies == 2
    np.testing.assert_allclose(trace.item_probabilities, (trace.probabilities + mirror.probabilities) / 2)
    np.testing.assert_allclose(trace.item_probabilities, classifier.predict_proba([picture])[0], atol=1e-5)
    upright, mirrored = trace.probabilities[best], mirror.probabilities[best]
    assert (
        f"“{trace.classes[best]}” has {percentage(upright)} as it is and {percentage(mirrored)} flipped"
        in trace.remarks[0]
    )
    grey = explain.trace(image_classifier(), pictures()[0])
    assert (grey.n_copies, grey.remarks) == (1, ())


def test_the_window_that_is_surest_of_the_answer_is_traced():
    classifier = text_classifier()
    trace = explain.trace(classifier, " ".join(["good"] * 10 + ["bad"] * 15))
    all_windows = [explain.trace(classifier, trace.item, window=n) for n in range(1, trace.n_windows + 1)]
    answer = trace.item_probabilities.argmax()

    assert trace.n_windows > 1
    assert trace.probabilities[answer] == max(window.probabilities[answer] for window in all_windows)
    np.testing.assert_allclose(trace.item_probabilities, np.mean([w.probabilities for w in all_windows], axis=0))


def test_a_phrase_is_cut_from_the_sentence_and_unknown_words_are_said():
    classifier = text_classifier(kernel_sizes=(3,))
    trace = explain.trace(classifier, "good not bad at xyzzy")

    words = trace.coordinates[0]
    assert words.words[:5] == ("good", "not", "bad", "at", "xyzzy")
    assert words.known[:5] == (True, True, True, True, False)
    assert explain.patch_under(trace, trace.activation(1), 1, (1,)).where == "good not bad"
    assert trace.remarks == ()
    assert "knows none of these words ('xyzzy', 'plugh')" in explain.trace(classifier, "xyzzy plugh").remarks[0]
    assert "no words" in explain.trace(classifier, "").remarks[0]


# ---- matches ---------------------------------------------------------------------------------------------------------

FALLING = 2 * np.eye(3) - 1
CLASSIC_MAP = """
 0.78 -0.11  0.11  0.33  0.56 -0.11  0.33
-0.11  1.00 -0.11  0.33 -0.11  0.11 -0.11
 0.11 -0.11  1.00 -0.33  0.11 -0.11  0.56
 0.33  0.33 -0.33  0.56 -0.33  0.33  0.33
 0.56 -0.11  0.11 -0.33  1.00 -0.11  0.11
-0.11  0.11 -0.11  0.33 -0.11  1.00 -0.11
 0.33 -0.11  0.56  0.33  0.11 -0.11  0.78
"""
CLASSIC_POOLED = """
1.00  0.33  0.56  0.33
0.33  1.00  0.33  0.56
0.56  0.33  1.00  0.11
0.33  0.56  0.11  0.78
"""


def classic_x():
    letter = -np.ones((1, 9, 9))
    for place in range(1, 8):
        letter[0, place, [place, 8 - place]] = 1
    return letter


def numbers(text):
    return np.array([line.split() for line in text.strip().splitlines()], dtype=float)


def test_the_match_map_has_the_classic_numbers():
    found = explain.cosine_similarity_map(FALLING[None], classic_x())

    np.testing.assert_array_equal(found.round(2), numbers(CLASSIC_MAP))
    np.testing.assert_array_equal(explain.pool_map(found).round(2), numbers(CLASSIC_POOLED))


def test_a_match_is_one_where_the_patch_is_the_kernel_and_minus_one_where_it_is_its_negative():
    rng = np.random.default_rng(0)
    kernel, grid = rng.normal(size=(2, 3)), np.zeros((2, 12))
    grid[:, 1:4], grid[:, 7:10] = 5 * kernel, -kernel

    found = explain.cosine_similarity_map(kernel, grid)

    assert found[1] == pytest.approx(1)
    assert found[7] == pytest.approx(-1)
    assert np.abs(found).max() <= 1
    assert found.shape == (10,)
    assert explain.cosine_similarity_map(kernel, grid, padding="same").shape == (12,)
    assert explain.cosine_similarity_map(kernel, np.zeros((2, 5))).tolist() == [0, 0, 0]


def test_the_average_of_a_map_is_pooled_over_incomplete_windows_too():
    assert explain.pool_map(np.arange(5.0), kind="average").tolist() == [0.5, 2.5, 4.0]


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"shape \(1, 3, 3\) cannot be matched with a grid of shape \(2, 9, 9\)"):
        explain.cosine_similarity_map(FALLING[None], np.zeros((2, 9, 9)))


# ---- where it looked -------------------------------------------------------------------------------------------------


def bright_spots():
    """Dark pictures with one bright pixel each, at (n + 2, 9 - n), ever brighter."""
    spots = np.zeros((8, 12, 12), dtype=np.uint8)
    for n, picture in enumerate(spots):
        picture[n + 2, 9 - n] = 120 + 15 * n
    return spots


def spot_finder():
    """A classifier whose first kernel answers to brightness and nothing else."""
    classifier = fitted(
        ImageAdapter(), bright_spots(), list("ab" * 4), kernels=(2, 2), batch_norm=False, convs_per_block=1
    )
    first = classifier.network_.backbone.blocks[0].convs[0][0]
    first.weight.data[0] = 0.0
    first.weight.data[0, :, 1, 1] = 1.0
    first.bias.data[0] = 0.0
    return classifier


def test_a_patch_holds_what_excites_the_kernel():
    trace = explain.trace(spot_finder(), bright_spots()[3])

    patch = explain.patch_under(trace, trace.activation(1), 1, (5, 6))

    assert patch.region == (slice(4, 7), slice(5, 8))
    assert patch.where == "height 4–6, width 5–7"
    assert patch.cells.shape == (1, 3, 3)
    assert patch.value == pytest.approx(trace.grid.max()) == trace.activation(1).output[0].max()
    assert (patch.spec, patch.words) == (trace.spec, ())


def test_the_inputs_that_excite_a_kernel_most_come_first_one_patch_an_item():
    classifier = spot_finder()

    best = explain.top_patches(classifier, bright_spots(), block=1, count=3)

    assert [patch.cell for patch in best[0]] == [(9, 2), (8, 3), (7, 4)]
    assert [patch.region[0] for patch in best[0]] == [slice(8, 11), slice(7, 10), slice(6, 9)]
    assert len(best) == 2
    with pytest.raises(ConfigurationError, match="there is no block 3; blocks are counted from 1 to 2"):
        explain.top_patches(classifier, bright_spots(), block=3)


def test_top_patches_pass_over_items_that_cannot_be_read(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    items = [tmp_path / "broken.png", *bright_spots()]

    best = explain.top_patches(spot_finder(), items, block=1, count=20)

    assert len(best[0]) == 8
    with pytest.raises(DataError, match="the only item cannot be read"):
        explain.top_patches(spot_finder(), items[:1], block=1)


@pytest.mark.parametrize(
    "settings", [{}, {"head": "global_max"}, {"head": "global_average"}, {"head": "pyramid_max"}, {"dense": (6,)}]
)
def test_votes_are_sorted_and_lead_back_to_a_patch(settings):
    trace = explain.trace(image_classifier(kernels=(4, 6), **settings), pictures()[1])

    found = explain.contributions(trace, count=4)

    strengths = [vote.product for vote in found.strongest_for]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] == found.products.max() > 0
    assert found.strongest_against[0].product == found.products.min() < 0
    for vote in (*found.strongest_for, *found.strongest_against):
        assert vote.product == pytest.approx(vote.feature * vote.weight)
        np.testing.assert_array_equal(vote.patch.cells, trace.grid[:, *vote.patch.region])


def test_an_entry_of_a_flat_column_goes_back_to_its_own_cell():
    trace = explain.trace(image_classifier(kernels=(4, 6)), pictures()[1])
    last = [step for step in trace.steps if step.block][-1].output

    for vote in explain.contributions(trace).strongest_for:
        kernel, *cell = np.unravel_index(vote.index, last.shape)
        assert (vote.patch.kernel, vote.patch.cell) == (kernel + 1, tuple(cell))


# ---- attribution -----------------------------------------------------------------------------------------------------


def test_integrated_gradients_add_up_to_the_difference_from_an_empty_grid():
    classifier = image_classifier(kernels=(4, 6))
    trace = explain.trace(classifier, pictures()[2])
    empty = np.broadcast_to(np.median(trace.grid, axis=(1, 2), keepdims=True), trace.grid.shape).copy()
    at_empty = record(trace.backbone, empty)[-1].output
    own = trace.class_index("a")

    found = explain.attribute(trace, "a", method="integrated_gradients").sum()

    difference = np.log(trace.probabilities[own]) - torch.from_numpy(at_empty).log_softmax(dim=0)[own].item()
    assert found == pytest.approx(difference, rel=0.05)


@pytest.mark.parametrize("method", explain.METHODS)
@pytest.mark.parametrize("make", [image_classifier, sound_classifier, text_classifier, series_classifier])
def test_attribution_has_one_value_a_cell_and_repeats(method, make):
    item = {image_classifier: pictures()[0], sound_classifier: tone(400), text_classifier: "not bad"}
    trace = explain.trace(make(), item.get(make, np.ones((3, 20), dtype=np.float32) * np.arange(20)))

    found = explain.attribute(trace, method=method)

    assert found.shape == trace.spec.sizes
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0
    np.testing.assert_array_equal(found, explain.attribute(trace, method=method))


def test_attribution_finds_the_only_cell_that_differs():
    trace = explain.trace(spot_finder(), bright_spots()[3])

    for method in explain.METHODS[:2]:
        found = np.abs(explain.attribute(trace, method=method))
        assert np.unravel_index(found.argmax(), found.shape) == (5, 6)
        assert found[5, 6] == pytest.approx(found.sum())


def test_grad_cam_has_the_size_of_the_grid_and_is_never_negative():
    for make, item in ((image_classifier, pictures()[0]), (text_classifier, "not bad at all")):
        trace = explain.trace(make(), item)
        found = explain.grad_cam(trace, block=1)
        assert found.shape == trace.spec.sizes
        assert found.min() >= 0
    with pytest.raises(ConfigurationError, match="there is no block 4"):
        explain.grad_cam(trace, block=4)


def test_an_unknown_method_is_refused():
    trace = explain.trace(image_classifier(kernels=(3,)), pictures()[0])

    with pytest.raises(ConfigurationError, match="method must be one of smooth_integrated_gradients"):
        explain.attribute(trace, method="lime")


def test_explain_is_a_public_name():
    assert gridcnn.explain.trace is explain.trace


def test_the_tone_without_its_noise_belongs_to_the_sound():
    data, clean = datasets.tones(8, random_state=3, with_clean=True)

    assert clean.shape == data.items.shape
    noise = data.items - clean
    assert np.square(noise).sum() < 0.2 * np.square(clean).sum()
    assert (clean == 0).mean() > 0.05  # before the onset and after the end
    np.testing.assert_array_equal(data.items, datasets.tones(8, random_state=3).items)
