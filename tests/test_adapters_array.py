"""ArrayAdapter: named axes, scikit-learn's checks, standardisation."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from gridcnn.adapters import ArrayAdapter, from_state
from gridcnn.adapters.base import Preview
from gridcnn.errors import ConfigurationError, DataError, ItemError

NUMBERS = np.random.default_rng(0).normal(3, 2, (20, 3, 4, 5)).astype(np.float32)


def grids(adapter: ArrayAdapter, X: object) -> torch.Tensor:
    items = adapter.check_items(X)
    return adapter.fit(items).frontend()(torch.from_numpy(np.concatenate([adapter.encode(item) for item in items])))


@pytest.mark.parametrize(
    ("axes", "X", "spec"),
    [
        (("length",), NUMBERS[:, 0, 0], "1 channel × 5 length"),
        (("channels", "time"), NUMBERS[:, 0], "4 channels × 5 time"),
        (("time", "channels"), NUMBERS[:, 0], "5 channels × 4 time"),
        (("height", "width"), NUMBERS[:, 0], "1 channel × 4 height × 5 width"),
        (("channels", "height", "width"), NUMBERS, "3 channels × 4 height × 5 width"),
        (["height", "width", "channels"], NUMBERS, "5 channels × 3 height × 4 width"),
    ],
)
def test_axes_are_what_the_caller_says(axes, X, spec):
    adapter = ArrayAdapter(axes=axes)
    result = grids(adapter, X)
    assert str(adapter.spec_) == spec
    assert result.shape == (20, *adapter.spec_.shape)
    assert result.dtype == torch.float32
    assert adapter.encode(X[0]).shape == (1, *adapter.spec_.shape)


def test_channels_keep_their_values_when_moved():
    encoded = ArrayAdapter(axes=("time", "channels")).fit(NUMBERS[:, 0]).encode(NUMBERS[3, 0])
    np.testing.assert_array_equal(encoded[0], NUMBERS[3, 0].T)


def test_units_name_the_steps():
    spec = ArrayAdapter(axes=("channels", "time"), units={"time": "s"}).fit(NUMBERS[:, 0]).spec_
    assert (spec.axes[0].unit, spec.channels.unit) == ("s", "")


def test_frames_and_tensors_are_read_like_arrays():
    X = NUMBERS[:, 0, 0]
    adapter = ArrayAdapter()
    np.testing.assert_array_equal(adapter.check_items(pd.DataFrame(X)), X)
    np.testing.assert_array_equal(adapter.check_items(torch.tensor(X, requires_grad=True)), X)
    assert adapter.check_items(X.astype(int).tolist()).dtype == np.float32


def test_each_channel_is_standardised_and_keeps_its_shape():
    X = NUMBERS * np.array([1, 10, 100])[:, None, None]
    result = grids(ArrayAdapter(axes=("channels", "height", "width")), X)
    torch.testing.assert_close(result.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std(dim=(0, 2, 3), correction=0), torch.ones(3))
    ramp = grids(ArrayAdapter(), np.arange(5.0) + NUMBERS[:, 0, 0] / 100)
    assert (ramp.diff(dim=2) > 0).all()


def test_each_channel_comes_again_in_its_shape_whatever_its_level():
    X = np.stack([[[1.0, 2, 3], [5, 5, 5]], [[70.0, 60, 50], [5, 5, 5]]])
    measured, shapes = grids(ArrayAdapter(axes=("channels", "time"), scaling="both"), X).chunk(2, dim=1)
    torch.testing.assert_close(measured, grids(ArrayAdapter(axes=("channels", "time"), scaling="channel"), X))
    up = np.sqrt(1.5) * torch.tensor([-1.0, 0, 1])
    torch.testing.assert_close(shapes, torch.stack([torch.stack([up, 0 * up]), torch.stack([-up, 0 * up])]))


@pytest.mark.parametrize(("loudest", "scaling"), [(3, "channel"), (100, "both")])
def test_items_of_very_different_spreads_are_also_shown_by_their_own(loudest, scaling):
    X = NUMBERS[:, 0].copy()
    X[::2, 1] *= loudest  # one channel
    X[:, 2] = 4.0  # a constant one says nothing
    adapter = ArrayAdapter(axes=("channels", "time")).fit(X)
    assert adapter.scaling_ == scaling
    assert adapter.spec_.channels.size == (8 if scaling == "both" else 4)


def test_each_cell_is_standardised_on_request():
    result = grids(ArrayAdapter(scaling="cell"), np.arange(5.0) + NUMBERS[:, 0, 0])
    torch.testing.assert_close(result.mean(dim=0), torch.zeros(1, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scaling", ["both", "channel", "cell"])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_constant_data_become_zeros(scaling, level):
    result = grids(ArrayAdapter(scaling=scaling), np.full((7, 5), level))
    torch.testing.assert_close(result, torch.zeros(7, 2 if scaling == "both" else 1, 5), atol=1e-1, rtol=0)
    assert torch.isfinite(result).all()


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([["a", "b"]], ValueError, "could not convert string to float"),
        (np.array([[1, {}]], dtype=object), TypeError, "real number"),
        (np.array([[1 + 2j, 3]]), ValueError, "Complex data not supported"),
        (sparse.csr_array(np.eye(3)), TypeError, "dense data is required"),
        ([1.0, 2.0], ValueError, "Reshape your data"),
        (np.empty((0, 3)), ValueError, "0 sample"),
    ],
)
def test_bad_numbers_are_refused_in_the_words_of_scikit_learn(X, error, message):
    with pytest.raises(error, match=message):
        ArrayAdapter().check_items(X)


def test_a_wrong_number_of_axes_states_the_shapes():
    with pytest.raises(DataError, match=r"shape \(n, length\), but X has shape \(20, 4, 5\)"):
        ArrayAdapter().check_items(NUMBERS[:, 0])


def test_another_shape_at_prediction_is_refused():
    with pytest.raises(ItemError, match=r"shape \(4,\): expected shape \(5,\)"):
        ArrayAdapter().fit(NUMBERS[:, 0, 0]).encode(np.zeros(4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"axes": ()}, "one or two ordered axes"),
        ({"axes": "length"}, "one or two ordered axes"),
        ({"axes": ("channels",)}, "one or two ordered axes"),
        ({"axes": ("time", "time")}, "one or two ordered axes"),
        ({"axes": ("x", "y", "z")}, "one or two ordered axes"),
        ({"units": {"time": "s"}}, "ordered axes are length"),
        ({"scaling": "row"}, "scaling must be one of 'channel', 'both', 'cell', or None, got 'row'"),
    ],
)
def test_impossible_parameters_are_refused(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        ArrayAdapter(**settings).fit(NUMBERS[:, 0, 0])


@pytest.mark.parametrize("scaling", ["both", "channel", "cell"])
def test_a_restored_adapter_makes_the_same_grids(scaling):
    adapter = ArrayAdapter(axes=("channels", "height", "width"), scaling=scaling).fit(NUMBERS)
    settings, state = json.loads(json.dumps([adapter.get_params(), adapter.state()]))
    again = from_state("ArrayAdapter", settings, state)
    batch = torch.from_numpy(adapter.encode(NUMBERS[0]))
    assert torch.equal(again.frontend()(torch.from_numpy(again.encode(NUMBERS[0]))), adapter.frontend()(batch))
    assert again.spec_ == adapter.spec_


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 100])
def test_defaults_fit_grids_of_any_length(length):
    defaults = ArrayAdapter().fit(np.zeros((3, length))).defaults(3)
    assert len(defaults["kernels"]) == {100: 3, 8: 2}.get(length, 1)


def test_fewer_arrays_are_seen_more_often():
    adapter = ArrayAdapter().fit(np.zeros((3, 30)))
    assert [adapter.defaults(n_items)["epochs"] for n_items in (30, 100, 250, 60_000)] == [100, 100, 80, 20]
    maps = ArrayAdapter(axes=("height", "width")).fit(np.zeros((3, 9, 9)))
    assert [maps.defaults(n_items)["epochs"] for n_items in (30, 60_000)] == [200, 30]


# --- what a person sees ----------------------------------------------------------------------------------------------


def test_a_cell_of_a_sampled_axis_is_a_point_in_the_unit_of_the_caller():
    adapter = ArrayAdapter(axes=("channels", "time"), units={"time": "s"}).fit(NUMBERS[:, 0])
    (time,) = adapter.coordinates(NUMBERS[0, 0])
    assert (time.name, time.unit, time.words) == ("time", "s", ())
    for edge in (time.low, time.centre, time.high):
        np.testing.assert_array_equal(edge, [0, 1, 2, 3, 4])


def test_arrays_show_their_grid_and_no_symbols():
    adapter = ArrayAdapter().fit(NUMBERS[:, 0, 0])
    item = NUMBERS[0, 0, 0]
    assert adapter.preview(item) == adapter.preview_window(adapter.encode(item)[0]) == Preview()
    assert adapter.symbols(item) is None
    assert adapter.known_symbols(9) is None
    assert (adapter.reads_files, adapter.reads_texts, adapter.reads_rows) == (False, False, False)


def test_an_empty_grid_has_the_median_of_each_channel():
    grid = torch.tensor([[[0.0, 1.0, 9.0]], [[5.0, 7.0, 6.0]]])
    empty = ArrayAdapter().empty_grid(grid)
    torch.testing.assert_close(empty, torch.tensor([[[1.0, 1.0, 1.0]], [[6.0, 6.0, 6.0]]]))


def test_the_content_of_an_item_is_its_encoded_numbers():
    adapter = ArrayAdapter().fit(NUMBERS[:, 0, 0])
    contents = [adapter.content(item, adapter.encode(item)) for item in (NUMBERS[0, 0, 0], NUMBERS[0, 0, 0].tolist())]
    assert contents[0] == contents[1] == NUMBERS[0, 0, 0].tobytes()
    assert adapter.content(NUMBERS[1, 0, 0], adapter.encode(NUMBERS[1, 0, 0])) != contents[0]


@pytest.mark.parametrize(
    ("axes", "X", "scaling", "words"),
    [
        (("length",), NUMBERS[:, 0, 0], "channel", "5 cells in a row, standardised."),
        (
            ("channels", "time"),
            NUMBERS[:, 0],
            "both",
            "5 cells of 4 channels in a row, standardised. The network sees each",
        ),
        (("height", "width"), NUMBERS[:, 0], "cell", "4 × 5 cells, standardised."),
        (
            ("channels", "height", "width"),
            NUMBERS,
            "cell",
            "4 × 5 cells of 3 channels, drawn as the mean of the channels",
        ),
    ],
)
def test_a_grid_is_described_by_its_sizes_and_channels(axes, X, scaling, words):
    assert ArrayAdapter(axes=axes, scaling=scaling).fit(X).describe_grid().startswith(words)


def ragged() -> list[np.ndarray]:
    return [np.arange(1.0, 1 + length) + at for at, length in enumerate([5, 3, 4, 5])]


def test_series_may_differ_in_length() -> None:
    adapter = ArrayAdapter().fit(ArrayAdapter().check_items(ragged()))

    assert adapter.ended_
    assert adapter.spec_.sizes == (5,)
    assert adapter.mean_[0][0] == pytest.approx(np.concatenate(ragged()).mean())
    assert adapter.encode(ragged()[1]).tolist()[0][0][:3] == [2.0, 3.0, 4.0]
    assert np.isnan(adapter.encode(ragged()[1])[0, 0, 3:]).all()


@pytest.mark.parametrize("axes", [("channels", "time"), ("time", "channels")])
def test_a_list_of_series_and_nan_behind_their_ends_are_the_same(axes: tuple[str, str]) -> None:
    series = [np.stack([each, -each]) for each in ragged()]
    padded = np.full((4, 2, 5), np.nan)
    for at, each in enumerate(series):
        padded[at, :, : each.shape[1]] = each
    if axes[0] == "time":
        series, padded = [each.T for each in series], padded.transpose(0, 2, 1)

    listed, array = (ArrayAdapter(axes).fit(ArrayAdapter(axes).check_items(X)) for X in (series, padded))

    assert listed.state() == array.state()
    assert np.array_equal(listed.encode(series[1]), array.encode(padded[1]), equal_nan=True)


@pytest.mark.parametrize("scaling", ["channel", "both"])
def test_a_grid_shows_the_mean_behind_the_end_whatever_the_length(scaling: str) -> None:
    adapter = ArrayAdapter(scaling=scaling).fit(ArrayAdapter().check_items(ragged()))

    grid = adapter.frontend()(torch.from_numpy(adapter.encode(ragged()[1])))[0]

    assert grid.shape == adapter.spec_.shape
    assert (grid[:, 3:] == 0).all()
    if scaling == "both":  # by its own scale, of the cells before its end
        assert grid[1, :3].tolist() == pytest.approx([-1.2247, 0, 1.2247], abs=1e-3)


def test_a_gap_inside_a_series_stays_an_error() -> None:
    adapter = ArrayAdapter().fit(ArrayAdapter().check_items(ragged()))

    with pytest.raises(ItemError, match="length 1: missing"):
        adapter.encode(np.array([1.0, np.nan, 3.0, np.nan]))
    with pytest.raises(ItemError):
        adapter.encode(np.full(4, np.nan))


def test_series_of_one_length_may_not_end_earlier_later_on() -> None:
    adapter = ArrayAdapter().fit(np.arange(20.0).reshape(4, 5))

    with pytest.raises(ItemError, match="missing"):
        adapter.encode(np.array([1.0, 2.0, 3.0, 4.0, np.nan]))


def test_of_a_longer_series_the_first_part_is_read_with_a_caution() -> None:
    adapter = ArrayAdapter().fit(ArrayAdapter().check_items(ragged()))

    assert adapter.encode(np.arange(1.0, 9.0)).tolist() == [[[1.0, 2.0, 3.0, 4.0, 5.0]]]
    assert adapter.cautions(np.arange(1.0, 9.0)) == ["longer than all training items: only the first 5 cells are read"]
    assert adapter.cautions(ragged()[1]) == []
