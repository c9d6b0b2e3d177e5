"""TableAdapter: ordered tables become grids, others are refused with evidence and names."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gridcnn import GridClassifier, datasets
from gridcnn.adapters import TableAdapter, from_state
from gridcnn.errors import ConfigurationError, DataError, ItemError, OrderingError


@pytest.fixture
def walks():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(150, 24)).cumsum(axis=1), columns=[f"t{i}" for i in range(24)])
    return frame, np.where(frame["t23"] > 0, "up", "down")


@pytest.fixture
def grades():
    return datasets.grades()


def pictures(*shape):
    """Flattened smooth random pictures (n, height × width × colours), and their first cell's sign."""
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.normal(size=(300, *shape)), (0, 1.2, 1.2, 0)[: len(shape) + 1])
    return smooth.reshape(300, -1), smooth.reshape(300, -1)[:, 0] > 0


def test_an_ordered_table_becomes_a_series_of_its_columns(walks):
    frame, labels = walks
    adapter = TableAdapter().fit(frame, labels)
    assert adapter.spec_.shape == (1, 24)
    assert adapter.report_.verdict == "ordered"
    assert adapter.ordering_.startswith("ordered, by the test of")
    grid = adapter.frontend()(torch.from_numpy(np.concatenate([adapter.encode(row) for row in frame.to_numpy()])))
    assert grid.shape == (150, 1, 24)
    assert grid.mean().abs() < 1e-5
    assert grid.std() == pytest.approx(1, abs=1e-3)


def test_a_hidden_picture_gets_its_height_and_width():
    X, _ = pictures(12, 20)
    adapter = TableAdapter().fit(X)
    assert adapter.spec_.shape == (1, 12, 20)
    np.testing.assert_allclose(adapter.encode(X[3])[0, 0], X[3].reshape(12, 20), rtol=1e-6)


def test_colours_of_a_channel_last_picture_become_channels():
    rng = np.random.default_rng(2)
    grey = gaussian_filter(rng.normal(size=(400, 10, 12)), (0, 1.5, 1.5))
    tint = 0.05 * gaussian_filter(rng.normal(size=(400, 10, 12, 3)), (0, 1.5, 1.5, 0))
    X = (grey[..., None] * [1.0, 0.6, 0.8] + tint).reshape(400, -1)
    adapter = TableAdapter().fit(X)
    assert adapter.spec_.shape == (3, 10, 12)
    assert adapter.remarks() == []
    np.testing.assert_allclose(adapter.encode(X[0])[0], X[0].reshape(10, 12, 3).transpose(2, 0, 1), rtol=1e-6)


def test_constant_columns_stay_where_they_are():
    X, _ = pictures(12, 20)
    X = np.pad(X.reshape(-1, 12, 20), ((0, 0), (1, 1), (0, 0))).reshape(300, -1)
    assert TableAdapter().fit(X).spec_.shape == (1, 14, 20)


def test_a_grade_sheet_is_refused_by_every_way_in(grades):
    for refuse in (
        lambda: TableAdapter().fit(grades.items, grades.labels),
        lambda: GridClassifier(adapter=TableAdapter()).fit(grades.items, grades.labels),
        lambda: GridClassifier().fit(grades.items, grades.labels),
        lambda: GridClassifier().plan(grades.items, grades.labels),
    ):
        with pytest.raises(OrderingError, match=r"refused \(exchangeable\).*--ordering assume") as refusal:
            refuse()
        assert refusal.value.report.verdict == "exchangeable"
        assert refusal.value.report.p > 0.1


def test_odd_columns_of_a_refused_table_are_named(grades):
    table = grades.items.assign(
        pupil=[f"pupil {i}" for i in range(200)],
        faculty=np.where(np.arange(200) % 3, "arts", "law"),
        number=np.random.default_rng(0).permutation(200),
        year=2024,
        physics_again=grades.items["physics"],
        born=["2001-02-03", "2002-03-04"] * 100,
    )
    with pytest.raises(OrderingError) as refusal:
        GridClassifier().fit(table, grades.labels)
    for words in (
        "text columns are left out: pupil",
        "taken as codes: faculty",
        "column number counts rows",
        "constant columns say nothing: year",
        "physics = physics_again",
        "dates are left out: born",
    ):
        assert words in str(refusal.value)
    assert set(refusal.value.report.left_out) == {"pupil", "number", "born"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", np.arange(150)),
        ("number", np.random.default_rng(1).permutation(150)),
        ("day", pd.date_range("2024-01-01", periods=150)),
        ("day", [f"{1 + i % 28}.1.2024" for i in range(150)]),
        ("note", [f"note {i}" for i in range(150)]),
    ],
)
def test_identifiers_dates_and_texts_in_an_ordered_table_are_named_and_not_trained_on(walks, name, values):
    frame, labels = walks
    with pytest.raises(DataError, match=f"(?s)ordered, but for {name}.*remove them"):
        GridClassifier().fit(frame.assign(**{name: values}), labels)


def test_categories_in_an_ordered_table_are_named_and_not_encoded(walks):
    frame, labels = walks
    for column in (labels, pd.Categorical(np.arange(150) % 3)):
        with pytest.raises(DataError, match=r"no numbers cannot be cells of a grid: kind"):
            GridClassifier().fit(frame.assign(kind=column), labels)
        with pytest.raises(DataError, match=r"no numbers cannot be cells of a grid: kind"):
            TableAdapter(ordering="assume").fit(frame.assign(kind=column))


def test_missing_values_are_the_error_of_their_row_once_the_order_is_found(walks, grades):
    frame, labels = walks
    frame.iloc[3, 4] = np.nan
    with pytest.raises(ItemError, match=r"row 3: column 't4': missing \(empty, NaN or no number\)"):
        GridClassifier().fit(frame, labels)
    adapter = TableAdapter().fit(frame)
    assert adapter.mean_[0][0] == pytest.approx(frame.drop(index=3).to_numpy().mean(), rel=1e-5)
    sheet = grades.items.astype(float)
    sheet.iloc[3, 4] = np.nan
    with pytest.raises(OrderingError, match="exchangeable"):
        GridClassifier().fit(sheet, grades.labels)


def test_rows_with_empty_cells_at_their_end_are_series_that_end_early(walks):
    frame, labels = walks
    for at, row in enumerate(range(0, len(frame), 10)):
        frame.iloc[row, (12, 20, 23)[at % 3] :] = np.nan
    adapter = TableAdapter().fit(frame, labels)
    assert adapter.ended_
    assert adapter.spec_.shape == (1, 24)
    grid = adapter.frontend()(torch.from_numpy(adapter.encode(frame.to_numpy()[0])))
    assert (grid[0, 0, 12:] == 0).all()
    assert (grid[0, 0, :12] != 0).all()
    frame.iloc[10, 4] = np.nan
    with pytest.raises(ItemError, match="column 't4', column 't20'"):
        adapter.encode(frame.to_numpy()[10])
    with pytest.raises(ItemError, match="missing"):
        adapter.encode(np.full(24, np.nan))


def test_a_few_numbers_that_are_missing_at_the_ends_of_rows_are_gaps(walks):
    frame, _ = walks
    frame.iloc[[3, 8], 23] = np.nan
    adapter = TableAdapter(ordering="assume").fit(frame)
    assert not adapter.ended_
    with pytest.raises(ItemError, match="column 't23': missing"):
        adapter.encode(frame.to_numpy()[3])


def test_a_row_that_ends_early_is_an_error_where_none_did_in_training(walks):
    frame, _ = walks
    adapter = TableAdapter(ordering="assume").fit(frame)
    frame.iloc[0, 20:] = np.nan
    with pytest.raises(ItemError, match="missing"):
        adapter.encode(frame.to_numpy()[0])


def test_assume_skips_the_check_and_is_recorded_in_the_bundle(grades, tmp_path):
    classifier = GridClassifier(ordering="assume", epochs=1).fit(grades.items, grades.labels)
    assert classifier.ordering_report_ is None
    classifier.save(tmp_path / "m.safetensors")
    loaded = GridClassifier.load(tmp_path / "m.safetensors")
    assert loaded.adapter_.ordering_ == loaded.summary_["ordering"] == "assumed"
    assert loaded.adapter.ordering == "assume"


@pytest.mark.parametrize("adapter", [None, TableAdapter()])
def test_a_picture_in_a_table_is_trained_on_saved_and_loaded(adapter, tmp_path):
    X, y = pictures(12, 20)
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(240)])
    classifier = GridClassifier(adapter=adapter, epochs=1).fit(frame, y)
    assert classifier.adapter_.spec_.shape == (1, 12, 20)
    assert classifier.ordering_report_.grid == (12, 20)
    assert "hidden picture" in classifier.summary_["ordering"]
    classifier.save(tmp_path / "m.safetensors")
    loaded = GridClassifier.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(frame), classifier.predict_proba(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[frame.columns[::-1]])


def test_state_is_json_and_rebuilds_the_adapter(walks):
    adapter = TableAdapter(ordering="assume").fit(walks[0])
    copy = from_state("TableAdapter", adapter.get_params(), json.loads(json.dumps(adapter.state())))
    row = walks[0].to_numpy()[5]
    np.testing.assert_array_equal(copy.encode(row), adapter.encode(row))
    assert copy.spec_ == adapter.spec_


def test_a_row_of_another_length_is_an_item_error(walks):
    with pytest.raises(ItemError, match="expected 24 columns"):
        TableAdapter(ordering="assume").fit(walks[0]).encode(np.zeros(23))


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (["a.png", "b.png"], ConfigurationError, "ImageAdapter"),
        (np.zeros((30, 4, 4)), ValueError, "dim 3"),
        (np.zeros((30, 3)), OrderingError, "no column varies"),
        (np.random.default_rng(0).normal(size=(12, 9)), OrderingError, "12 rows are too few"),
        (pd.DataFrame({"review": [f"sentence {i}" for i in range(50)]}), DataError, "text adapter"),
    ],
    ids=["paths", "3-D", "constant", "few rows", "text"],
)
def test_what_is_no_table_of_measurements_says_what_to_do(X, error, words):
    with pytest.raises(error, match=words):
        TableAdapter().fit(X)


def test_an_unknown_ordering_is_refused(walks):
    with pytest.raises(ConfigurationError, match="ordering must be one of 'check', 'assume', got 'asume'"):
        TableAdapter(ordering="asume").fit(walks[0])


# --- columns by their names ------------------------------------------------------------------------------------------


def test_a_fitted_adapter_takes_its_columns_by_name_in_any_order(walks):
    frame, _ = walks
    adapter = TableAdapter(ordering="assume").fit(frame)
    assert adapter.columns_ == [f"t{i}" for i in range(24)]
    shuffled = frame[frame.columns[::-1]].assign(label="a", number=1)
    np.testing.assert_array_equal(adapter.check_items(shuffled), frame.to_numpy(np.float32))
    again = from_state("TableAdapter", adapter.get_params(), json.loads(json.dumps(adapter.state())))
    np.testing.assert_array_equal(again.check_items(shuffled), frame.to_numpy(np.float32))


def test_columns_that_are_missing_are_named(walks):
    frame, _ = walks
    adapter = TableAdapter(ordering="assume").fit(frame)
    with pytest.raises(DataError, match=r"lacks columns that the model was trained on: t3, t7; it has t0, t1, t2, t4"):
        adapter.check_items(frame.drop(columns=["t3", "t7"]))


def test_a_column_that_stands_twice_is_refused_by_name(walks):
    frame, _ = walks
    doubled = pd.concat([frame, frame[["t3"]]], axis=1)
    for adapter in (TableAdapter(ordering="assume"), TableAdapter(ordering="assume").fit(frame)):
        with pytest.raises(DataError, match=r"several columns of the same name: t3\."):
            adapter.check_items(doubled)


def test_columns_that_are_only_numbered_are_taken_in_their_order(walks):
    frame, _ = walks
    numbered = frame.set_axis(range(24), axis=1)
    adapter = TableAdapter(ordering="assume").fit(numbered)
    assert adapter.columns_ is None
    np.testing.assert_array_equal(adapter.check_items(numbered), frame.to_numpy(np.float32))
    assert TableAdapter(ordering="assume").fit(frame.to_numpy()).columns_ is None


def test_an_array_is_read_by_position_whatever_the_training_table_was_called(walks):
    frame, _ = walks
    adapter = TableAdapter(ordering="assume").fit(frame)
    np.testing.assert_array_equal(adapter.check_items(frame.to_numpy()), frame.to_numpy(np.float32))


def test_rows_of_an_array_are_named_by_whoever_holds_the_table(walks):
    frame, _ = walks
    adapter = TableAdapter(ordering="assume")
    assert adapter.column_names(frame) == list(frame.columns)
    assert adapter.column_names(frame.to_numpy()) is None
    adapter.fit(frame.to_numpy(), columns=list(frame.columns))
    assert adapter.columns_ == list(frame.columns)


def test_fitting_again_forgets_the_columns_of_before(walks):
    frame, _ = walks
    adapter = TableAdapter(ordering="assume").fit(frame)
    other = frame.iloc[:, :9].set_axis(list("abcdefghi"), axis=1)
    assert adapter.fit(other).columns_ == list("abcdefghi")


def test_the_report_on_the_whole_table_spares_its_rows_another_check(walks):
    frame, labels = walks
    report = TableAdapter().check_order(frame, labels)
    adapter = TableAdapter().fit(frame.to_numpy()[:5], report=report)  # far too few to be checked themselves
    assert adapter.report_ is report
    assert TableAdapter(ordering="assume").check_order(frame) is None


def test_only_tables_read_rows():
    assert (TableAdapter.reads_files, TableAdapter.reads_texts, TableAdapter.reads_rows) == (False, False, True)
