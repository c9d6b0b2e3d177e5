"""Tables and arrays of numbers as they come: gaps, words, no-data values, large offsets, columns in another order."""

from __future__ import annotations

import decimal
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, TableAdapter, from_state
from gridcnn.errors import DataError, ItemError
from gridcnn.ordering import check_order

QUICK: dict[str, Any] = {"epochs": 6, "kernels": (8,), "random_state": 0}
NAMES = [f"t{index}" for index in range(16)]
LABELS = np.array(["down", "up"])[np.arange(160) % 2]


@pytest.fixture
def curves() -> np.ndarray:
    """Rising and falling curves, a signal of about 0.15."""
    rng = np.random.default_rng(0)
    times = 6 * np.linspace(0, 1, 16)
    signal = np.where((LABELS == "up")[:, None], np.sin(times), np.cos(times))
    return 0.15 * signal + 0.02 * rng.normal(size=(160, 16))


@pytest.fixture
def table(curves: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(curves, columns=NAMES)


def adapters() -> Any:
    return pytest.mark.parametrize("adapter", [TableAdapter(ordering="assume"), ArrayAdapter()], ids=["table", "array"])


# --- numbers that float32 cannot tell apart --------------------------------------------------------------------------


@adapters()
@pytest.mark.parametrize("offset", [5e6, -5e6, 1.7e9, 2**40], ids=["UTM", "negative", "Unix seconds", "beyond 2^32"])
def test_a_small_signal_on_large_numbers_is_learned_as_if_they_were_small(curves, adapter, offset):
    """A surveyor trains on UTM metres, and a logger on Unix seconds."""
    model = GridClassifier(adapter=adapter, **QUICK).fit(offset + curves, LABELS)
    assert model.score(offset + curves, LABELS) > 0.95
    assert model.score(offset + curves[:1], LABELS[:1]) == 1  # one row alone has no spread
    assert np.abs(model.adapter_.encode(offset + curves[0])).max() < 1
    assert any("centred in float64" in remark for remark in model.adapter_.remarks())
    copy = from_state(
        type(adapter).__name__, model.adapter_.get_params(), json.loads(json.dumps(model.adapter_.state()))
    )
    np.testing.assert_array_equal(copy.encode(offset + curves[3]), model.adapter_.encode(offset + curves[3]))


@adapters()
def test_columns_at_levels_far_apart_are_each_centred_by_themselves(curves, adapter):
    """Easting, northing and height stand side by side."""
    rows = 1e6 * np.arange(1, 17) + curves
    model = GridClassifier(adapter=adapter, **QUICK).fit(rows, LABELS)
    assert model.adapter_.scaling_ == "cell"
    assert model.score(rows, LABELS) > 0.9


@adapters()
def test_whole_numbers_beyond_2_to_the_24_stay_different(adapter):
    """Counters beyond 16,777,216 differ by 1."""
    rows = 2**24 + np.arange(40)[:, None] + np.arange(8)
    numbers = adapter.check_items(rows)
    assert len(np.unique(numbers, axis=0)) == 40


@adapters()
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int8, np.uint8, np.int64, bool])
def test_ordinary_numbers_are_float32(curves, adapter, kind):
    """Whatever numbers numpy holds, small ones are read as they always were."""
    rows = (100 * curves).astype(kind)
    numbers = adapter.check_items(rows)
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(numbers, rows.astype(np.float32))
    assert adapter.fit(rows).remarks() == []
    assert not adapter.centred_


def test_a_column_that_hides_all_others_is_told_and_put_on_a_scale_of_its_own():
    """One column counts bytes, the others are shares."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.where(np.arange(60) % 2, 1e12, 0), rng.normal(size=(60, 7))])
    adapter = ArrayAdapter().fit(rows)
    assert adapter.scaling_ == "cell"
    assert any("each is standardised by itself" in remark for remark in adapter.remarks())
    told = ArrayAdapter(scaling="channel").fit(rows).remarks()
    assert any("most of them cannot be seen" in remark for remark in told)


def test_rows_that_become_equal_are_counted(curves):
    """A scale by channel was asked for, which is too coarse for these levels."""
    rows = 1e9 * np.arange(1, 17) + np.round(curves, 6)
    told = ArrayAdapter(scaling="channel").fit(rows).remarks()
    assert any("159 of 160 different rows differ by too little" in remark for remark in told)


# --- values that are missing -----------------------------------------------------------------------------------------

GAPS: dict[str, tuple[Any, str]] = {
    "empty": (np.nan, "missing"),
    "infinite": (np.inf, "infinite"),
    "minus infinity": (-np.inf, "infinite"),
    "GIS no-data": (-3.4e38, "no-data"),
    "float32's smallest": (float(np.finfo(np.float32).min), "no-data"),
    "netCDF fill": (9.969209968386869e36, "no-data"),
    "CMIP fill": (1e20, "no-data"),
    "beyond float32": (1e300, "infinite"),
}


@adapters()
@pytest.mark.parametrize("name", GAPS)
def test_a_row_without_a_value_has_its_error_and_the_others_their_answers(table, adapter, name):
    """A raster export marks missing cells, or leaves them empty."""
    value, reason = GAPS[name]
    model = GridClassifier(adapter=adapter, **QUICK | {"epochs": 1}).fit(table, LABELS)
    asked = table.copy()
    asked.loc[7, "t3"] = value
    answers = model.predict_frame(asked)
    assert answers["error"][7].startswith("column 't3': ")
    assert reason in answers["error"][7]
    good = answers.drop(index=7)
    assert (good["error"] == "").all()
    assert np.isfinite(good[["p(down)", "p(up)"]].to_numpy()).all()
    with pytest.raises(ItemError, match=r"row 7: column 't3'"):
        model.predict(asked)


@adapters()
@pytest.mark.parametrize("name", GAPS)
def test_training_skips_such_rows_or_stops_and_its_scale_is_that_of_the_others(table, adapter, name):
    """The same marks stand in the training table."""
    given = table.copy()
    given.loc[7, "t3"] = GAPS[name][0]
    model = GridClassifier(adapter=adapter, on_error="skip", **QUICK | {"epochs": 1}).fit(given, LABELS)
    assert [each.item for each in model.skipped_] == ["row 7"]
    assert "column 't3'" in model.skipped_[0].reason
    assert np.max(np.abs(model.adapter_.std_)) < 1
    with pytest.raises(ItemError, match=r"row 7: column 't3'"):
        GridClassifier(adapter=adapter, on_error="raise", **QUICK | {"epochs": 1}).fit(given, LABELS)


@adapters()
@pytest.mark.parametrize("word", ["n/a", "?", "-", "1,5", None, pd.NA])
def test_a_word_among_numbers_is_a_gap_of_its_row(table, adapter, word):
    """Somebody typed n/a; at prediction it may be the only row."""
    given = table.astype(object)
    given.loc[7, "t3"] = word
    adapter = adapter.fit(given)
    numbers = adapter.check_items(given.iloc[[7]])
    with pytest.raises(ItemError, match="column 't3': missing"):
        adapter.encode(numbers[0])


@adapters()
def test_masked_cells_are_gaps(curves, adapter):
    """An instrument library gives masked arrays, with anything below the mask."""
    masked = np.ma.masked_array(curves, mask=np.zeros(curves.shape, dtype=bool))
    masked[7, 3] = np.ma.masked
    adapter = adapter.fit(masked)
    with pytest.raises(ItemError, match=r"(column|length) 3: missing"):
        adapter.encode(adapter.check_items(masked)[7])


@adapters()
def test_nullable_columns_decimals_and_booleans_are_numbers(adapter):
    """Columns come from a database."""
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None, 3, 4], dtype="Int64"),
            "b": pd.array([1.5, 2.5, None, 1.0], dtype="Float32"),
            "c": [True, False, True, True],
            "d": [decimal.Decimal("0.5")] * 4,
        }
    )
    expected = [[1, 1.5, 1, 0.5], [np.nan, 2.5, 0, 0.5], [3, np.nan, 1, 0.5], [4, 1, 1, 0.5]]
    np.testing.assert_array_equal(adapter.check_items(frame), expected)


def test_an_empty_column_and_no_usable_row_are_named(table, walks):
    """A sensor was off for the whole campaign."""
    with pytest.raises(DataError, match="no row has a number in column 't3'"):
        TableAdapter(ordering="assume").fit(table.assign(t3=np.nan))
    with pytest.raises(DataError, match="none of the .* rows can be used"):
        GridClassifier(ordering="assume", **QUICK).fit(table.where(np.eye(160, 16, dtype=bool) == 1), LABELS)
    with pytest.raises(DataError, match=r"ordered, but for t3 .*no value at all: t3"):
        GridClassifier(**QUICK).fit(walks.assign(t3=np.nan), LABELS)


@adapters()
def test_marks_that_could_be_measurements_are_remarked_on_and_kept(table, adapter):
    """-9999 marks a missing value in many data sets, but not in all."""
    given = table.copy()
    given.loc[::4, "t3"] = -9999
    assert any("-9999 stands in 40 of 160 items" in remark for remark in adapter.fit(given).remarks())
    assert adapter.fit(table).cautions(given.to_numpy()[0]) == [
        "a number lies far outside the range of the training items"
    ]
    assert adapter.cautions(table.to_numpy()[0]) == []


@adapters()
def test_very_large_measurements_are_no_marks(adapter):
    """Masses of stars are about 1e30 kg."""
    rows = 1e30 * np.random.default_rng(0).uniform(0.1, 50, size=(30, 8))
    adapter = adapter.fit(rows)
    assert np.isfinite(adapter.encode(rows[0])).all()
    assert adapter.remarks() == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1.0, 2.0], [[3.0]]], "differ in length"),
        (np.array([[1 + 2j, 3]]), "Complex data"),
        (sparse.csr_array(np.eye(3)), "dense data"),
        (np.array([["2024-01-01", "2024-01-02"]], dtype="datetime64[D]"), "dates"),
    ],
)
@adapters()
def test_what_holds_no_real_numbers_is_refused_in_a_sentence(adapter, rows, words):
    """Something else was passed by mistake."""
    with pytest.raises((ValueError, TypeError), match=words):
        adapter.check_items(rows)


# --- columns by their names ------------------------------------------------------------------------------------------


def test_an_array_model_takes_the_columns_of_a_frame_by_name(table):
    """Another query returned the columns in another order."""
    model = GridClassifier(adapter=ArrayAdapter(), **QUICK).fit(table, LABELS)
    np.testing.assert_array_equal(model.predict_proba(table[NAMES[::-1]]), model.predict_proba(table))
    with pytest.raises(DataError, match="lacks columns that the model was trained on: t3, t7"):
        model.predict(table.drop(columns=["t3", "t7"]))
    with pytest.raises(DataError, match="not trained on the columns more"):
        model.predict(table.assign(more=1.0))
    assert model.predict(table.to_numpy()).shape == (160,)


def test_validation_rows_are_taken_by_the_names_of_the_training_columns(table):
    """The validation file has its columns in another order."""
    fit = GridClassifier(adapter=ArrayAdapter(), **QUICK).fit
    straight = fit(table[:120], LABELS[:120], validation=(table[120:], LABELS[120:]))
    turned = fit(table[:120], LABELS[:120], validation=(table[120:][NAMES[::-1]], LABELS[120:]))
    assert straight.scores_ == turned.scores_


# --- check and train agree -------------------------------------------------------------------------------------------


@pytest.fixture
def walks() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(160, 16)).cumsum(axis=1), columns=NAMES)


def saved(frame: pd.DataFrame, path: Path) -> Path:
    frame.assign(label=LABELS).to_csv(path, index=False)
    return path


def test_check_says_how_many_rows_training_would_leave_out(run: Callable[..., Any], walks, tmp_path):
    """check said that a file suits, on which train then failed."""
    given = walks.astype(object)
    given.loc[5, "t3"], given.loc[9, "t4"] = np.nan, "n/a"
    source = saved(given, tmp_path / "gaps.csv")
    checked = run("check", source, "--label", "label")
    assert checked.code == 0
    assert "2 of 160 rows have an empty cell or no number in t3, t4" in " ".join(checked.out.split())
    assert "2 of 160 rows" in " ".join(json.loads(run("check", source, "--label", "label", "--json").out)["warnings"])
    model = tmp_path / "m.safetensors"
    trained = run("train", source, "--label", "label", "-o", model, "--epochs", "1")
    assert trained.code == 0
    assert "row 7: column 't3'" in trained.out + trained.err
    assert "row 11: column 't4'" in trained.out + trained.err
    stopped = run("train", source, "--label", "label", "-o", model, "--epochs", "1", "--on-error", "raise")
    assert stopped.code == 2
    assert "row 7: column 't3'" in stopped.err
    answers = pd.read_csv(io.StringIO(run("predict", model, source).out))
    assert answers["error"].notna().sum() == 2
    assert run("evaluate", model, source, "--label", "label").code == 0


def test_check_remarks_on_large_numbers_as_train_does(run: Callable[..., Any], walks, tmp_path):
    """UTM metres in a csv file."""
    source = saved(5e6 + 0.05 * walks, tmp_path / "utm.csv")
    sentence = "centred in float64"
    assert sentence in " ".join(run("check", source, "--label", "label").out.split())
    trained = run("train", source, "--label", "label", "-o", tmp_path / "m.safetensors", "--epochs", "1")
    assert sentence in trained.out + trained.err


def test_check_refuses_labels_that_never_repeat(run: Callable[..., Any], walks, tmp_path):
    """The wrong column was called the label."""
    source = tmp_path / "ids.csv"
    walks.assign(name=[f"id{row}" for row in range(160)]).to_csv(source, index=False)
    done = run("check", source, "--label", "name")
    assert "identifier or a regression target" in " ".join(done.out.split())
    assert "labels in name" in " ".join(done.out.split())


def test_a_table_with_words_is_pointed_to_the_option_that_reads_them(run: Callable[..., Any], tmp_path):
    """A csv of texts with a split column was taken for a table."""
    frame = pd.DataFrame(
        {
            "body": [f"a sentence of number {row}" for row in range(100)],
            "label": ["a", "b"] * 50,
            "part": np.arange(100) % 3,
        }
    )
    report = check_order(frame.drop(columns="label"))
    assert "--text body" in report.advice
    with pytest.raises(DataError, match="--text body") as refusal:
        TableAdapter().fit(frame.drop(columns="label"))
    assert "ordering='assume'" not in str(refusal.value)
    files = frame.assign(body=[f"x/{row}.png" for row in range(100)]).drop(columns="label")
    assert "--path body" in check_order(files).advice


@pytest.mark.parametrize("command", [("check",), ("train", "--ordering", "assume", "-o", "m.safetensors")])
def test_a_table_of_labels_only_is_one_line_of_error(run: Callable[..., Any], tmp_path, command, monkeypatch):
    """Only the column of labels was exported."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"label": LABELS}).to_csv("labels.csv", index=False)
    done = run(command[0], "labels.csv", "--label", "label", *command[1:])
    assert done.code == 2
    assert "columns" in done.err


def test_check_of_a_table_without_a_single_value_is_a_report(run: Callable[..., Any], tmp_path):
    """An export went wrong, and only the labels are there."""
    source = tmp_path / "empty.csv"
    pd.DataFrame(np.nan, index=range(160), columns=NAMES).assign(label=LABELS).to_csv(source, index=False)
    done = run("check", source, "--label", "label")
    assert done.code in (2, 3, 4)
    assert "no value" in " ".join((done.out + done.err).split())
