"""Hidden pictures: the exact grid of each kind of layout, and none in series, grouped tables and shuffled columns."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gridcnn.ordering.layout import ABSENT, Layout
from gridcnn.ordering.pictures import Picture, fold, hidden_picture
from gridcnn.ordering.similarity import correlations, similarity

ROWS = 300


def pictures(height: int, width: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Draw smooth random pictures, (rows, height, width, channels), whose colours share half of their variance."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(ROWS, height, width, channels)) + rng.normal(size=(ROWS, height, width, 1))
    return gaussian_filter(noise, (0, 0.9, 0.9, 0)) + 0.05 * rng.normal(size=noise.shape)


def flat(height: int, width: int, seed: int = 0) -> np.ndarray:
    return pictures(height, width, seed=seed).reshape(ROWS, -1)


def find(table: np.ndarray, names: list[str] | None = None) -> Picture | None:
    first = table[:, :1024]
    return hidden_picture(similarity(correlations(first)), table.shape[1], np.random.default_rng(0), names)


def cells_of(table: np.ndarray, names: list[str] | None = None) -> np.ndarray:
    found = find(table, names)
    assert found is not None
    assert found.layout is not None
    assert (found.height, found.width) == (found.layout.cells.shape[0], found.layout.cells.shape[1] * found.channels)
    return found.layout.cells


@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 7), (7, 12), (32, 26), (40, 40)])
def test_a_flattened_picture_is_found_with_its_size(height: int, width: int) -> None:
    assert np.array_equal(cells_of(flat(height, width)), np.arange(height * width).reshape(height, width))


@pytest.mark.parametrize("front", [0, 1, 2])
@pytest.mark.parametrize("back", [0, 1])
def test_labels_beside_the_pixels_are_left_out(front: int, back: int) -> None:
    noise = np.random.default_rng(1).normal(size=(ROWS, front + back))
    found = find(np.column_stack([noise[:, :front], flat(9, 11), noise[:, front:]]))
    assert found is not None
    assert found.layout is not None
    assert np.array_equal(found.layout.cells, front + np.arange(99).reshape(9, 11))
    assert found.layout.left_out == (*range(front), *range(front + 99, front + 99 + back))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_a_pixel_and_colour_planes_become_channels(channels: int) -> None:
    table = pictures(10, 9, channels)
    last = np.arange(90 * channels).reshape(10, 9, channels)
    assert np.array_equal(cells_of(table.reshape(ROWS, -1)), last)
    planes = np.arange(90 * channels).reshape(channels, 10, 9)
    assert np.array_equal(cells_of(table.transpose(0, 3, 1, 2).reshape(ROWS, -1)), planes.transpose(1, 2, 0))


def test_colour_planes_beyond_the_first_columns_are_found_by_pairs() -> None:
    table = pictures(36, 30, 2).transpose(0, 3, 1, 2).reshape(ROWS, -1)
    similar = similarity(correlations(table))
    found = hidden_picture(
        similar[:1024, :1024], 2160, np.random.default_rng(0), pairs=lambda first, second: similar[first, second]
    )
    assert found is not None
    assert found.layout is not None
    assert np.array_equal(found.layout.cells, np.arange(2160).reshape(2, 36, 30).transpose(1, 2, 0))


@pytest.mark.parametrize("by", [1, 4, 15])
def test_a_picture_rolled_over_its_ends_is_rolled_back(by: int) -> None:
    assert np.array_equal(cells_of(np.roll(flat(9, 11), by, axis=1)), np.roll(np.arange(99), -by).reshape(9, 11))


def test_rows_that_are_cut_are_filled_up_with_absent_cells() -> None:
    cells = cells_of(flat(9, 11)[:, :-3])
    assert cells.shape == (9, 11)
    assert list(cells[-1, -4:]) == [95, ABSENT, ABSENT, ABSENT]
    cells = cells_of(flat(9, 11)[:, 3:-2])
    assert list(cells[0, :4]) == [ABSENT, ABSENT, ABSENT, 0]


@pytest.mark.parametrize("name", ["pixel{number}", "pixel_{row}_{column}", "r{row}c{column}"])
@pytest.mark.parametrize("start", [0, 1])
def test_missing_pixels_are_put_back_by_the_numbers_in_names(name: str, start: int) -> None:
    kept = np.setdiff1d(np.arange(99), [1, 15, 16, 40, 73, 90])
    names = [name.format(number=at + start, row=at // 11 + start, column=at % 11 + start) for at in kept]
    expected = np.full(99, ABSENT)
    expected[kept] = np.arange(len(kept))
    assert np.array_equal(cells_of(flat(9, 11)[:, kept], names), expected.reshape(9, 11))
    labelled = np.column_stack([np.random.default_rng(1).normal(size=ROWS), flat(9, 11)[:, kept]])
    found = find(labelled, ["label", *names])
    assert found is not None
    assert found.layout is not None
    assert found.layout.left_out == (0,)
    assert np.array_equal(found.layout.cells, np.where(expected < 0, ABSENT, expected + 1).reshape(9, 11))


def test_pixels_missing_at_the_ends_of_rows_are_put_back_by_similarity() -> None:
    cells = np.full(100, ABSENT)
    kept = np.setdiff1d(np.arange(100), [0, 1, 8, 9, 10, 29, 50, 89, 90, 91, 99])
    cells[kept] = np.arange(len(kept))
    assert np.array_equal(cells_of(flat(10, 10)[:, kept]), cells.reshape(10, 10))


def _series(seed: int) -> np.ndarray:
    """Draw 10 days of 12 hours: an AR series with a daily wave that vanishes at midnight."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(ROWS, 120))
    for column in range(1, 120):
        table[:, column] += 0.9 * table[:, column - 1]
    return table * np.sin(np.arange(120) * np.pi / 6) + 0.3 * rng.normal(size=table.shape)


def _statistics(seed: int) -> np.ndarray:
    """Draw 12 items × 8 statistics, which have a ridge and a break, but no order."""
    rng = np.random.default_rng(seed)
    items, statistics = rng.normal(size=(ROWS, 12, 1)), rng.normal(size=(ROWS, 1, 8))
    return (items + statistics + 0.7 * rng.normal(size=(ROWS, 12, 8))).reshape(ROWS, -1)


def _sensors(seed: int) -> np.ndarray:
    """Draw random walks of 10 sensors over 12 times that share half of their steps: only time is ordered."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(ROWS, 10, 12)) + rng.normal(size=(ROWS, 1, 12))).cumsum(axis=2).reshape(ROWS, -1)


def _shuffled(seed: int) -> np.ndarray:
    return flat(9, 11, seed)[:, np.random.default_rng(seed).permutation(99)]


def _walk(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, 100)).cumsum(axis=1)


@pytest.mark.parametrize("draw", [_series, _statistics, _sensors, _shuffled, _walk])
def test_no_picture_is_seen_in_columns_that_are_none(draw) -> None:  # type: ignore[no-untyped-def]
    assert [find(draw(seed)) for seed in range(10)] == [None] * 10


def test_folding_averages_similarity_along_an_axis_over_the_other() -> None:
    similar = similarity(correlations(flat(9, 11)))
    found = find(np.roll(flat(9, 11), 4, axis=1))
    assert found is not None
    assert found.layout is not None
    rolled = similarity(correlations(np.roll(flat(9, 11), 4, axis=1)))
    plain = Layout(("height", "width"), np.arange(99).reshape(9, 11))
    for axis, size in ((0, 9), (1, 11)):
        folded = fold(similar, plain, axis)
        assert folded.shape == (size, size)
        assert folded == pytest.approx(fold(rolled, found.layout, axis))
    assert fold(similar, plain, 0)[2, 5] == pytest.approx(np.mean([similar[22 + x, 55 + x] for x in range(11)]))
