"""The ordering check: orders that it finds, tables that it refuses, and remarks on odd tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering import check_axes, check_order
from gridcnn.ordering.report import MEANING
from gridcnn.render.ordering_page import ordering_page
from gridcnn.render.ordering_plots import draw

FOLDER = Path(os.environ.get("GRIDCNN_DATA", "")) / "ordering"
shared = pytest.mark.skipif(
    not os.environ.get("GRIDCNN_DATA") or not FOLDER.is_dir(),
    reason="GRIDCNN_DATA does not name a folder with ordering/",
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def walks(rng, rows=200, columns=24):
    return rng.normal(size=(rows, columns)).cumsum(axis=1)


def grade_sheet(rng, rows=300, columns=24, block=6):
    faculty = rng.normal(size=(rows, columns // block)).repeat(block, axis=1)
    return np.round(70 + 10 * (rng.normal(size=(rows, 1)) + faculty + 0.7 * rng.normal(size=(rows, columns))))


def test_series_are_ordered(rng):
    report = check_order(walks(rng))
    assert report.verdict == "ordered"
    assert report.p < 0.01
    assert set(report.evidence) >= {"shuffled", "grouped", "laid out", "sorted", "entanglement"}


def test_a_grade_sheet_is_refused_although_related_subjects_stand_together():
    report = check_order(grade_sheet(np.random.default_rng(6)))
    assert report.verdict == "exchangeable"
    assert report.evidence["shuffled"]["p"] < 0.01  # a naive test would have called it ordered
    assert report.evidence["grouped"]["p"] > 0.1
    assert "ignores column order" in report.advice


def test_shuffled_columns_are_refused(rng):
    assert check_order(walks(rng)[:, rng.permutation(24)]).verdict == "exchangeable"


def test_a_table_sorted_by_similarity_is_not_called_ordered(rng):
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    table = grade_sheet(rng, columns=48)[:, rng.permutation(48)]
    distance = squareform(1 - np.abs(np.corrcoef(table, rowvar=False)), checks=False)
    order = hierarchy.leaves_list(hierarchy.optimal_leaf_ordering(hierarchy.average(distance), distance))
    assert check_order(table[:, order]).verdict != "ordered"


def test_swapped_neighbours_do_not_hide_an_order(rng):
    order = np.arange(60).reshape(30, 2)
    swap = rng.random(30) < 0.5
    order[swap] = order[swap][:, ::-1]
    assert check_order(walks(rng, 400, 60)[:, order.ravel()]).verdict == "ordered"


def test_the_width_of_a_hidden_picture_is_found(rng):
    from scipy.ndimage import gaussian_filter

    pictures = gaussian_filter(rng.normal(size=(300, 12, 20)), (0, 1.2, 1.2)).reshape(300, -1)
    report = check_order(pictures)
    assert report.grid == (12, 20)
    assert "12 × 20" in report.advice


def test_declared_token_ids_are_ordered_and_shuffled_ones_are_not(rng):
    jump = rng.dirichlet(np.full(30, 0.05), 30)
    ids = np.empty((1500, 12), dtype=int)
    ids[:, 0] = rng.integers(30, size=1500)
    for at in range(1, 12):
        ids[:, at] = [rng.choice(30, p=jump[one]) for one in ids[:, at - 1]]
    assert check_order(ids, kind="categorical").verdict == "ordered"
    assert check_order(ids[:, rng.permutation(12)], kind="categorical").verdict != "ordered"


def test_labels_show_a_motif_that_correlations_do_not():
    if not FOLDER.is_dir():
        pytest.skip("GRIDCNN_DATA does not name a folder with ordering/")
    data = np.load(FOLDER / "syn_motif_noise.npz")
    assert check_order(data["X"], data["y"]).verdict == "ordered"


def test_the_same_seed_gives_the_same_report(rng):
    table = walks(rng, 3000)
    assert check_order(table).to_dict() == check_order(table).to_dict()
    assert check_order(table).to_dict() != check_order(table, random_state=1).to_dict()


def test_axes_are_told_apart_and_shuffling_one_changes_that_one_only(rng):
    sensors = walks(rng, 200 * 8, 30).reshape(200, 8, 30)
    assert check_axes(sensors).verdicts[1] == "ordered"
    assert check_axes(sensors).verdicts[0] != "ordered"
    shuffled = sensors[:, :, rng.permutation(30)]
    assert check_axes(shuffled).verdicts[1] == "exchangeable"


def test_an_axis_of_length_one_is_exchangeable_by_size(rng):
    report = check_axes(rng.normal(size=(50, 1, 20)))
    assert report.verdicts[0] == "exchangeable"
    assert "1 cell: fewer than 5" in report.axes[0].reason


@pytest.mark.parametrize(
    ("table", "verdict", "words"),
    [
        (np.random.default_rng(0).normal(size=(100, 4)), "exchangeable", "fewer than 5 columns"),
        (np.random.default_rng(0).normal(size=(12, 30)), "undecided", "12 rows are too few"),
        (np.ones((50, 10)), "exchangeable", "no column varies"),
        (np.full((50, 10), np.nan), "exchangeable", "no column varies"),
        (np.arange(100.0)[:, None] * 0.5 + np.zeros(20), "undecided", "copies"),
    ],
    ids=["few columns", "few rows", "constant", "missing", "copies"],
)
def test_tables_that_cannot_be_judged_say_why(table, verdict, words):
    report = check_order(table)
    assert report.verdict == verdict
    assert words in report.reason


def test_infinite_and_missing_values_are_reported_and_do_not_stop_the_check(rng):
    table = walks(rng)
    table[3, 4] = np.inf
    table[rng.random(table.shape) < 0.3] = np.nan
    report = check_order(table)
    assert report.verdict == "ordered"
    assert any("infinite" in warning for warning in report.warnings)
    assert any("missing" in warning for warning in report.warnings)


def test_text_dates_and_identifiers_are_named_and_left_out(rng):
    frame = pd.DataFrame(walks(rng), columns=[f"t{i}" for i in range(24)])
    frame.insert(0, "id", np.arange(200))
    frame["when"] = pd.date_range("2020-01-01", periods=200)
    frame["note"] = [f"note {i}" for i in range(200)]
    report = check_order(frame)
    assert report.verdict == "ordered"
    assert report.columns_used == 24
    text = " ".join(report.warnings)
    assert all(name in text for name in ("id", "when", "note"))


def test_names_that_count_are_shown_but_do_not_decide():
    table = pd.DataFrame(grade_sheet(np.random.default_rng(6)), columns=[f"t{i}" for i in range(24)])
    report = check_order(table)
    assert report.verdict == "exchangeable"
    assert "t0 to t23" in report.evidence["names"]


def test_double_column_names_are_told(rng):
    frame = pd.DataFrame(walks(rng), columns=["a"] * 24)
    assert any("twice" in warning for warning in check_order(frame).warnings)


def test_a_column_of_text_alone_says_what_to_use():
    with pytest.raises(DataError, match=r"text adapter.*--text review.*--path COLUMN"):
        check_order(pd.DataFrame({"review": [f"sentence {i}" for i in range(50)]}))


def test_one_label_only_is_a_warning(rng):
    report = check_order(walks(rng), np.zeros(200))
    assert any("one value only" in warning for warning in report.warnings)


def test_rows_without_a_label_are_left_out(rng):
    labels = np.arange(200.0) % 2
    labels[:50] = np.nan
    assert check_order(walks(rng), labels).rows_used == 150


def test_wrong_shapes_and_kinds_say_what_to_do(rng):
    with pytest.raises(DataError, match="use check_axes"):
        check_order(rng.normal(size=(10, 5, 5)))
    with pytest.raises(DataError, match="use check_order"):
        check_axes(rng.normal(size=(10, 5)))
    with pytest.raises(DataError, match="one label per row"):
        check_order(walks(rng), np.zeros(7))
    with pytest.raises(ConfigurationError, match="'numeric'"):
        check_order(walks(rng), kind="nummeric")


@pytest.mark.parametrize(
    "clock",
    [
        np.tile(np.arange(100), 10),  # restarts with each of ten series
        np.arange(1000) * 0.25,
        pd.date_range("2024-01-01", periods=1000, freq="h"),
        pd.date_range("2024-01-01", periods=1000, freq="h").strftime("%d.%m.%Y %H:%M"),  # as a csv has it
    ],
    ids=["restarting", "seconds", "dates", "dates as text"],
)
def test_a_series_in_long_format_is_recognised(rng, clock):
    long = pd.DataFrame(rng.normal(size=(1000, 6)).cumsum(axis=0), columns=list("abcdef")).assign(time=clock)
    report = check_order(long)
    assert report.verdict != "ordered"
    assert report.left_out == ("time",)
    assert any("one row per time step" in warning for warning in report.warnings)
    assert "pivot" in report.advice
    assert "pivot" not in check_order(long.sample(frac=1, random_state=0)).advice


def test_a_few_columns_in_long_format_get_the_advice_too(rng):
    long = pd.DataFrame({"series": np.repeat(np.arange(10), 50), "step": np.tile(np.arange(50), 10)})
    report = check_order(long.assign(value=rng.normal(size=500).cumsum()))
    assert report.test == "size"
    assert "pivot" in report.advice


def test_daily_profiles_with_their_date_are_not_long_format(rng):
    level = rng.normal(size=(300, 1)).cumsum(axis=0)  # each day resembles the day before
    days = pd.DataFrame(level + walks(rng, 300), columns=[f"{hour}:00" for hour in range(24)])
    report = check_order(days.assign(date=pd.date_range("2024-01-01", periods=300)))
    assert report.verdict == "ordered"
    assert "pivot" not in report.advice


def test_identifiers_in_any_row_order_are_left_out(rng):
    frame = pd.DataFrame(walks(rng)).assign(number=1000 + rng.permutation(200))
    assert check_order(frame).left_out == ("number",)
    assert check_order(frame.to_numpy()).left_out == ("24",)


def test_copies_constants_and_categories_are_named(rng):
    frame = pd.DataFrame(grade_sheet(rng), columns=[f"subject {i}" for i in range(24)])
    report = check_order(frame.assign(again=frame["subject 3"], year=2024, sex=rng.choice(["f", "m"], 300)))
    text = " ".join(report.warnings)
    assert "subject 3 = again" in text
    assert "constant columns say nothing: year" in text
    assert "taken as codes: sex" in text


def test_the_report_fits_a_terminal_and_becomes_json_and_html(rng):
    report = check_order(walks(rng, 200, 30), rng.integers(2, size=200))
    assert max(len(line) for line in str(report).splitlines()) <= 90
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["verdict"] == "ordered"
    page = ordering_page(report)
    assert "<svg" in page
    assert "Ordering check: ordered" in page


def test_the_figure_shows_the_numbers_of_the_report(rng):
    report = check_order(grade_sheet(rng))
    line = draw(report).axes[2].lines[0]
    assert line.get_xdata()[0] == pytest.approx(report.figure_data["given"])


def test_the_line_of_the_figure_lies_right_of_the_null_orders_if_the_columns_are_ordered(rng):
    panel = draw(check_order(walks(rng))).axes[2]
    assert panel.lines[0].get_xdata()[0] > max(patch.get_x() for patch in panel.patches)


def test_the_figure_names_the_columns_and_the_null_that_decided(rng):
    figure = draw(check_order(pd.DataFrame(grade_sheet(rng), columns=[f"subject {i}" for i in range(24)])))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:2] == ["subject 0", "subject 1"]
    legend = " ".join(text.get_text() for text in figure.axes[2].get_legend().get_texts())
    assert any(f"columns {words}" in legend for words in MEANING.values())


def test_the_figure_of_a_hidden_picture_shows_how_its_width_stands_out(rng):
    from scipy.ndimage import gaussian_filter

    pictures = gaussian_filter(rng.normal(size=(300, 12, 20)), (0, 1.2, 1.2)).reshape(300, -1)
    panel = draw(check_order(pictures)).axes[2]
    assert "row width" in panel.get_title()
    assert panel.lines[0].get_xdata()[0] > max(patch.get_x() for patch in panel.patches)


def test_labels_of_the_figure_do_not_overlap(rng):
    from itertools import combinations

    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw(check_order(grade_sheet(rng)))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [axes.get_tightbbox(canvas.get_renderer()) for axes in figure.axes]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))


def test_importing_the_check_does_not_import_torch():
    code = "import sys, gridcnn.ordering; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@shared
@pytest.mark.parametrize(
    "name", ["ts_GunPoint", "spec_Tecator", "win_pm25_hours", "syn_tone_phase", "syn_AR015", "aud_fsdd_mel_t"]
)
def test_shared_ordered_tables_are_found_and_their_shuffles_are_not(name):
    table = np.load(FOLDER / f"{name}.npz")["X"]
    assert check_order(table).verdict == "ordered"
    assert check_order(table[:, np.random.default_rng(0).permutation(table.shape[1])]).verdict != "ordered"


@shared
@pytest.mark.parametrize(
    "name",
    ["tab_breast_cancer30", "syn_likert6x5", "tab_german_onehot", "pca_digits30", "tab_weather_rows", "syn_grades4"],
)
def test_shared_unordered_tables_are_not_called_ordered(name):
    assert check_order(np.load(FOLDER / f"{name}.npz")["X"]).verdict != "ordered"


@shared
@pytest.mark.parametrize(
    ("name", "grid"), [("img_digits64", (8, 8)), ("img_mnist784", (28, 28)), ("img_cifar_hwc_16", (16, 48))]
)
def test_shared_pictures_come_out_with_their_width(name, grid):
    assert check_order(np.load(FOLDER / f"{name}.npz")["X"]).grid == grid


@shared
@pytest.mark.parametrize(
    ("name", "verdicts"), [("fsdd_logmel", ("ordered", "ordered")), ("emb_TREC", ("ordered", "exchangeable"))]
)
def test_shared_axes_are_told_apart(name, verdicts):
    assert check_axes(np.load(FOLDER / "axes" / f"{name}.npz")["X"]).verdicts == verdicts
