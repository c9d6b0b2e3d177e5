"""TableAdapter makes the grid that the check found: series in turn, planar and rolled pictures, gaps, labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

import gridcnn
from gridcnn import GridClassifier
from gridcnn.adapters import ArrayAdapter, TableAdapter, from_state
from gridcnn.errors import DataError, ItemError
from gridcnn.evaluation.report import make_report
from gridcnn.explain import trace
from gridcnn.ordering import OrderReport
from gridcnn.ordering.layout import Layout
from gridcnn.render.explain_page import explain_page
from gridcnn.render.report_page import report_page

POINTS = 24


def found(layout: Layout) -> OrderReport:
    """Return a report of the ordering check that found a layout."""
    columns = int((layout.cells >= 0).sum()) + len(layout.left_out)
    report = OrderReport("ordered", "Neighbours are alike.", "neighbours", 300, columns, 300, columns)
    object.__setattr__(report, "layout", layout)
    return report


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the ordering check find a layout in whatever table it gets."""
    return lambda layout: monkeypatch.setattr("gridcnn.ordering.check_order", lambda *_, **__: found(layout))


def pictures(*shape: int, n: int = 120) -> np.ndarray:
    """Return smooth random pictures `(n, height, width, …)`, float32."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(n, *shape)), (0, 1.5, 1.5, 0)[: len(shape) + 1])
    return smooth.astype(np.float32)


def outlines(n: int = 240) -> tuple[pd.DataFrame, np.ndarray]:
    """Return outlines of three and of five leaves, turned at random, as x1, y1, x2, y2, …"""
    rng = np.random.default_rng(0)
    leaves = rng.choice([3, 5], n)
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    radius = 1 + 0.4 * np.cos(leaves[:, None] * angle + rng.uniform(0, 2 * np.pi, (n, 1)))
    points = np.stack([radius * np.cos(angle), 5 + radius * np.sin(angle)], axis=2)
    points += rng.normal(scale=0.05, size=points.shape)
    names = [f"{axis}{at}" for at in range(1, POINTS + 1) for axis in "xy"]
    return pd.DataFrame(points.reshape(n, -1), columns=names), np.where(leaves == 3, "three", "five")


IN_TURN = Layout(("column", "channels"), np.arange(2 * POINTS).reshape(POINTS, 2))


def test_series_in_turn_become_the_channels_of_one_series() -> None:
    table, _ = outlines()
    adapter = TableAdapter().fit(table, report=found(IN_TURN))
    assert str(adapter.spec_) == "2 channels × 24 positions"
    encoded = adapter.encode(table.to_numpy()[7])
    np.testing.assert_array_equal(encoded[0, 0], table.filter(like="x").to_numpy(np.float32)[7])
    np.testing.assert_array_equal(encoded[0, 1], table.filter(like="y").to_numpy(np.float32)[7])
    means = [table.filter(like=axis).to_numpy().mean() for axis in "xy"]
    assert np.ravel(adapter.mean_) == pytest.approx(means, rel=1e-5, abs=1e-6)
    assert adapter.describe_grid() == (
        "24 cells of 2 channels in a row, standardised. Channel 1 of the grid is made of column 'x1', column 'x2', "
        "column 'x3', …. Channel 2 of the grid is made of column 'y1', column 'y2', column 'y3', …."
    )


def test_a_network_learns_outlines_from_series_in_turn_and_works_on_after_loading(finds: Any, tmp_path: Any) -> None:
    table, labels = outlines()
    finds(IN_TURN)
    classifier = GridClassifier(epochs=12, random_state=0).fit(table[:160], labels[:160])
    assert (classifier.predict(table[160:]) == labels[160:]).mean() > 0.9
    classifier.save(tmp_path / "m.safetensors")

    model = gridcnn.load(tmp_path / "m.safetensors")
    answers = gridcnn.predict(model, table[160:])
    np.testing.assert_array_equal(answers.probabilities, classifier.predict_proba(table[160:]))
    turned = table[160:][table.columns[::-1]].assign(number=1)
    np.testing.assert_array_equal(gridcnn.predict(model, turned).probabilities, answers.probabilities)
    assert GridClassifier.load(tmp_path / "m.safetensors").predict(table[:5]).shape == (5,)

    report = make_report(model, table[160:], labels[160:])
    assert report.scores.accuracy == (answers.labels == labels[160:]).mean()
    assert "column &#39;x1&#39;, column &#39;x2&#39;" in report_page(report)
    step = trace(model, table.to_numpy()[0])
    assert step.grid.shape == (2, POINTS)
    assert step.coordinates[0].between(slice(3, 8)) == "position 3–7"
    assert "24 cells of 2 channels" in explain_page(model, table.to_numpy()[0])


def test_colours_one_after_another_become_channels() -> None:
    images = pictures(9, 8, 3)
    planes = np.moveaxis(images, 3, 1).reshape(len(images), -1)  # all red, then all green, then all blue
    layout = Layout(("height", "width", "channels"), np.moveaxis(np.arange(216).reshape(3, 9, 8), 0, 2))
    adapter = TableAdapter().fit(planes, report=found(layout))
    assert adapter.spec_.shape == (3, 9, 8)
    np.testing.assert_array_equal(adapter.encode(planes[4])[0], np.moveaxis(images[4], 2, 0))
    like_images = ArrayAdapter(("height", "width", "channels")).fit(images)
    assert (adapter.mean_, adapter.std_, adapter.bounds_) == (like_images.mean_, like_images.std_, like_images.bounds_)


def test_dropped_cells_of_a_picture_hold_the_smallest_training_number() -> None:
    images = pictures(8, 8) ** 2
    images[:, 0, 2:5] = images[:, 7, 7] = 0  # constant ...
    table = images.reshape(-1, 64)
    table[3, 30] = -1e30  # ... and a number that marks a missing one
    kept = np.flatnonzero(np.ptp(table, axis=0) > 0)
    cells = np.full(64, -1)
    cells[kept] = np.arange(60)
    adapter = TableAdapter().fit(table[:, kept], report=found(Layout(("height", "width"), cells.reshape(8, 8))))
    smallest = np.delete(table, 3, axis=0)[:, kept].min()
    grid = adapter.encode(table[5, kept])[0, 0]
    assert np.all(grid[0, 2:5] == smallest)
    assert grid[7, 7] == smallest
    np.testing.assert_array_equal(grid.ravel()[kept], table[5, kept])
    assert adapter.n_columns == 60
    assert adapter.cautions(table[5, kept]) == []
    assert adapter.cautions(table[5, kept] * 100) == ["a number lies far outside the range of the training items"]
    assert [said.split(",")[0] for said in adapter.remarks()] == ["4 of the 64 cells of the grid have no column"]
    again = from_state("TableAdapter", adapter.get_params(), json.loads(json.dumps(adapter.state())))
    np.testing.assert_array_equal(again.encode(table[5, kept])[0, 0], grid)
    assert again.state() == adapter.state()
    with pytest.raises(ItemError, match="expected 60 columns"):
        again.encode(table[5])


@pytest.mark.parametrize("levels", [0, 1e9], ids=["float32", "float64"])
def test_a_picture_whose_rows_start_elsewhere_is_put_right(levels: float) -> None:
    images = pictures(8, 10).astype(np.float64) + levels
    rolled = np.roll(images.reshape(-1, 80), 13, axis=1)
    adapter = TableAdapter().fit(
        rolled, report=found(Layout(("height", "width"), np.roll(np.arange(80), -13).reshape(8, 10)))
    )
    assert adapter.centred_ == (levels > 0)
    straight = ArrayAdapter(("height", "width")).fit(images)
    np.testing.assert_array_equal(adapter.encode(rolled[2]), straight.encode(images[2]))
    assert adapter.remarks()[-1] == "the grid is made of column 13, column 14, column 15, …"


def test_an_error_names_the_column_of_the_table_not_the_cell_of_the_grid() -> None:
    table, _ = outlines()
    adapter = TableAdapter().fit(table, report=found(IN_TURN))
    row = table.to_numpy()[0].copy()
    row[5] = np.nan
    with pytest.raises(ItemError, match="column 'y3': missing"):
        adapter.encode(row)
    for number, words in ((np.nan, "no row has a number in column 'y3'"), (-1e30, r"column 'y3': -1e\+30 is far out")):
        with pytest.raises(DataError, match=words):
            TableAdapter().fit(table.assign(y3=number), report=found(IN_TURN))


@pytest.mark.parametrize("named", [True, False])
def test_what_looks_like_a_label_beside_a_picture_is_named_and_refused(finds: Any, named: bool) -> None:
    table: Any = np.column_stack([pictures(8, 8).reshape(-1, 64), np.arange(120) % 2])
    finds(Layout(("height", "width"), np.arange(64).reshape(8, 8), left_out=(64,)))
    words = r"a grid of 8 × 8, but for column 64.* --label 64 on .*np.delete\(X, \[64\], axis=1\).*--ordering assume"
    if named:
        table = pd.DataFrame(table, columns=[f"p{at}" for at in range(64)] + ["digit"])
        words = r"but for column 'digit', which looks like a label.* --label digit on .*X.drop\(columns=\['digit'\]\)"
    for refuse in (
        lambda: GridClassifier().fit(table, np.arange(120) % 2),
        lambda: TableAdapter().fit(table),
        lambda: TableAdapter().fit(table, report=gridcnn.ordering.check_order(table)),
    ):
        with pytest.raises(DataError, match=words):
            refuse()
    assert TableAdapter(ordering="assume").fit(table).spec_.shape == (1, 65)


def test_a_layout_that_does_not_place_every_column_is_not_used() -> None:
    table = pictures(8, 8).reshape(-1, 64)
    layout = Layout(("height", "width"), np.arange(56).reshape(7, 8))
    assert TableAdapter().fit(table, report=found(layout)).spec_.shape == (1, 64)


def test_the_state_of_a_plain_layout_is_that_of_before_layouts_and_of_another_one_unreadable_for_it() -> None:
    table = pictures(8, 8).reshape(-1, 64)
    plain = TableAdapter().fit(table, report=found(Layout(("height", "width"), np.arange(64).reshape(8, 8))))
    assert plain.shape_ == [8, 8]
    assert "layout_" not in plain.state()
    restored = TableAdapter().restore(plain.state())
    np.testing.assert_array_equal(restored.encode(table[0])[0, 0].ravel(), table[0])
    assert restored.remarks() == []
    in_turn = TableAdapter().fit(table, report=found(Layout(("column", "channels"), np.arange(64).reshape(32, 2))))
    assert "shape_" not in in_turn.state()
    assert TableAdapter().restore(in_turn.state()).shape_ == [32, 2]
    in_turn.layout_["cells"][0][0] = 64
    with pytest.raises(ValueError, match="none of 64 columns"):
        TableAdapter().restore(in_turn.state())
