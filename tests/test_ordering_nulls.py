"""Nulls of the ordering check: columns that know no order, however they came to stand as they do, are not ordered."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from gridcnn import GridClassifier
from gridcnn.adapters import TableAdapter
from gridcnn.errors import ConfigurationError
from gridcnn.ordering import check_axes, check_order
from gridcnn.ordering.nulls import compare
from gridcnn.ordering.orders import WAYS, Blocks, block_layouts, block_lengths, flips, layouts, sorted_orders, tree_of
from gridcnn.ordering.prepare import rank_scores
from gridcnn.ordering.similarity import Similarity, correlations, similarity
from gridcnn.ordering.statistics import contrast, describe, stack

DATA = Path(os.environ.get("GRIDCNN_DATA", ""))
cases = pytest.mark.skipif(
    not os.environ.get("GRIDCNN_DATA") or not (DATA / "ordering-cases").is_dir(),
    reason="GRIDCNN_DATA does not name a folder with ordering-cases/",
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def keyed(rng, rows=300, columns=20):
    """Answers to items that are keyed + - + -: one trait, alternately for and against."""
    trait = rng.normal(size=(rows, 1)) * np.where(np.arange(columns) % 2, -1, 1)
    return np.clip(np.round(3 + trait + rng.normal(size=(rows, columns))), 1, 5)


def markers(rng, rows=300, items=12):
    """Markers × (x, y, z): the whole body sways in each direction."""
    sway = rng.normal(size=(rows, 1, 3))
    return (sway + 0.7 * rng.normal(size=(rows, items, 3))).reshape(rows, -1)


def sensors(rng, rows=300, items=15):
    """Sensors × (mean, spread, largest, smallest)."""
    level, spread = rng.normal(size=(2, rows, items, 1))
    mix = level * [1, 0, 1, 1] + spread * [0, 1, 1, -1]
    return (mix + 0.4 * rng.normal(size=(rows, items, 4))).reshape(rows, -1)


def measures(rng, rows=300, items=20):
    """All means, then all errors, then all worst values of twenty measurements."""
    base = rng.normal(size=(rows, items))
    return np.concatenate([base + 0.5 * rng.normal(size=(rows, items)) for _ in range(3)], axis=1)


@pytest.mark.parametrize("table", [keyed, markers, sensors, measures])
def test_layouts_of_items_are_exchangeable(rng, table):
    report = check_order(table(rng))
    assert report.verdict == "exchangeable"
    assert report.evidence["laid out"]["p"] > 0.01 or report.evidence["grouped"]["p"] > 0.01


def test_the_report_says_which_blocks_could_change_places(rng):
    report = check_order(keyed(rng))
    assert report.test == "laid out"
    assert "blocks of 2 columns" in report.reason


def grouped(rng, rows=400, groups=8, size=5):
    factor = rng.normal(size=(rows, groups)).repeat(size, axis=1)
    loading = rng.uniform(0.4, 1.2, groups * size)
    return factor * loading + 0.5 * rng.normal(size=(rows, 1)) + rng.normal(size=(rows, groups * size))


@pytest.mark.parametrize("method", ["average", "ward", "complete"])
def test_a_heat_map_order_is_not_called_ordered(rng, method):
    table = grouped(rng)
    distance = squareform(np.clip(1 - np.abs(correlations(table)), 0, None), checks=False)
    tree = hierarchy.optimal_leaf_ordering(hierarchy.linkage(distance, method), distance)
    assert check_order(table[:, hierarchy.leaves_list(tree)]).verdict != "ordered"


@pytest.mark.parametrize("way", range(len(WAYS)), ids=WAYS)
def test_columns_sorted_in_each_way_of_the_check_are_not_called_ordered(rng, way):
    table = grouped(rng)
    order = sorted_orders(correlations(rank_scores(table))[None])[way][0]
    assert sorted(order) == list(range(40))
    assert check_order(table[:, order]).verdict != "ordered"


def test_flips_keep_groups_and_layouts_keep_blocks(rng):
    table = grouped(rng, groups=4)
    for order in flips(tree_of(similarity(correlations(table))), 50, rng):
        runs = np.flatnonzero(np.diff(order // 5)) + 1
        assert len(runs) == 3
    for order in layouts(23, Blocks((4, 5)), 50, rng):
        blocks = order[:20].reshape(4, 5)
        assert (blocks // 5 == blocks[:, :1] // 5).all()
        assert (blocks % 5 == blocks[0] % 5).all()
        assert list(order[20:]) == [20, 21, 22]
    for order in layouts(25, Blocks((2, 3, 4), 1), 50, rng):
        assert order[0] == 0
        ways = np.unravel_index(order[1:].reshape(2, 3, 4) - 1, (2, 3, 4))
        assert all((np.ptp(way, axis=(0, 1, 2)[:at] + (0, 1, 2)[at + 1 :]) == 0).all() for at, way in enumerate(ways))
    assert Blocks((3, 3, 4)) in block_layouts(36)
    assert block_lengths(60) == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 20, 30]


def test_descriptions_of_an_order_are_what_they_say():
    lag = np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0)))
    size = np.exp(-lag / 3)
    given = describe(stack(Similarity(size, size)), np.arange(9)[None])[0]
    assert given[[2, 4]] == pytest.approx([1, 1], abs=0.02)  # falls at each step, and with each lag
    assert given[3] == pytest.approx(np.exp(-2 / 3))
    assert 0.4 < given[0] < 0.5
    circle = np.exp(-np.minimum(lag, 9 - lag) / 3)
    both = stack(Similarity(circle, circle))
    rolled = describe(both, np.stack([np.arange(9), np.roll(np.arange(9), 4)]))
    assert rolled[0, 5] == pytest.approx(rolled[1, 5])  # on a circle it does not matter where the axis begins
    assert rolled[0, 5] == pytest.approx(1.0)


def test_scores_against_null_orders_are_normal_if_the_given_order_is_one_of_them(rng):
    table = stack(Similarity.of([rank_scores(rng.normal(size=(100, 12)))]))
    shuffled = np.argsort(rng.random((600, 12)), axis=1)
    described = describe(table, shuffled)
    best = np.array([contrast(described[at], described[200:]).best for at in range(200)])
    assert abs(best.mean()) < 0.25
    assert 0.75 < best.std() < 1.25
    assert (best > 2.33).mean() <= 0.03


def test_sorted_tables_are_drawn_only_if_the_other_families_are_refuted(rng):
    walks = rank_scores(rng.normal(size=(200, 20)).cumsum(axis=1))
    for scores, families in ((walks, 4), (walks[:, rng.permutation(20)], 3)):
        halves = [(Similarity.of([scores[::2]]), Similarity.of([scores[1::2]]))]
        assert len(compare(Similarity.of([scores]), halves, 200, rng, 0.01)) == families


def test_alpha_is_the_level_and_must_be_one(rng):
    steps = rng.normal(size=(60, 9)).cumsum(axis=1) + 1.5 * rng.normal(size=(60, 9))
    assert check_order(steps, alpha=0.2).alpha == 0.2
    assert check_order(steps, alpha=0.2).verdict == "ordered"
    assert check_order(steps, alpha=0.0001).verdict == "undecided"
    for wrong in (0, 0.5, 1.5, -1):
        with pytest.raises(ConfigurationError, match="alpha"):
            check_order(steps, alpha=wrong)
        with pytest.raises(ConfigurationError, match="alpha"):
            check_axes(np.zeros((30, 6, 6)), alpha=wrong)


def test_an_order_that_could_not_be_found_is_undecided_and_the_report_says_how_many_rows_settle_it(rng):
    few = grouped(rng, rows=30, groups=4, size=3)
    report = check_order(few)
    assert report.verdict == "undecided"
    assert "rows would settle it" in report.reason
    assert check_order(grouped(rng, rows=2000, groups=4, size=3)).verdict == "exchangeable"


def test_six_or_seven_columns_are_never_refused_for_lack_of_evidence(rng):
    report = check_order(grouped(rng, rows=1000, groups=2, size=3))
    assert report.verdict == "undecided"
    assert "more columns might settle it" in report.reason


def test_labels_show_that_an_order_brings_nothing(rng):
    labels = rng.integers(2, size=2000)
    table = rng.normal(size=(2000, 60)) + 0.6 * labels[:, None]  # each column says a little: any order is as good
    report = check_order(table, labels)
    assert report.verdict == "exchangeable"
    assert report.test == "labels"
    low, high = report.evidence["labels"]["gain"]
    assert -0.01 < low <= high < 0.01
    assert check_order(table).verdict == "undecided"


def test_a_third_of_the_values_may_be_missing(rng):
    table = np.zeros((400, 16))
    for at in range(1, 16):
        table[:, at] = 0.7 * table[:, at - 1] + rng.normal(size=400)
    table[rng.random(table.shape) < 0.35] = np.nan
    report = check_order(table)
    assert report.verdict == "ordered"
    assert report.rows_used == 400
    assert any("rows that have both" in warning for warning in report.warnings)


def test_a_cyclic_axis_is_found(rng):
    gap = np.abs(np.subtract.outer(np.arange(24), np.arange(24)))
    root = np.linalg.cholesky(np.exp(-np.minimum(gap, 24 - gap) / 3.0) + 1e-9 * np.eye(24))
    hours = rng.normal(size=(200, 3, 24)) @ root.T
    report = check_axes(hours)
    assert report.verdicts == ("exchangeable", "ordered")
    assert report.verdict == "ordered"  # sensors become channels: the array can be used


def outlines(rng, rows=240, points=32):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    waves = [rng.normal(size=(rows, 1)) * np.cos(k * angle + rng.uniform(0, 7, (rows, 1))) / (3 * k) for k in (2, 3, 4)]
    radius = 1 + sum(waves)
    return radius * np.cos(angle), radius * np.sin(angle)


def test_outlines_stored_x_y_x_y_are_a_sequence_of_two_channels_and_train_as_one(rng):
    x, y = outlines(rng)
    table = np.stack([x, y], axis=2).reshape(len(x), -1) + 0.02 * rng.normal(size=(len(x), 64))
    report = check_order(table)
    assert report.verdict == "ordered"
    assert str(report.layout) == "32, 2 channels"
    assert report.layout.cells[1].tolist() == [2, 3]  # x and y of the second point
    labels = np.where(np.hypot(x, y)[:, 0] > 1, "wide", "narrow")
    model = GridClassifier(TableAdapter(), epochs=1, kernels=(4,), random_state=0).fit(table, labels)
    assert model.adapter_.spec_.shape == (2, 32)
    assert set(model.predict(table[:5])) <= {"wide", "narrow"}


def test_words_at_eight_to_twelve_positions_are_tokens(rng):
    vocabulary = np.array([f"word{i}" for i in range(60)])
    jump = rng.dirichlet(np.full(60, 0.05), 60)
    for length in (8, 12):
        ids = np.empty((1200, length), dtype=int)
        ids[:, 0] = rng.integers(60, size=1200)
        for at in range(1, length):
            ids[:, at] = [rng.choice(60, p=jump[one]) for one in ids[:, at - 1]]
        words = pd.DataFrame(vocabulary[ids], columns=[f"w{at}" for at in range(length)])
        assert check_order(words).verdict == "ordered"
        assert check_order(words.iloc[:, rng.permutation(length)]).verdict != "ordered"


def test_names_that_suggest_an_order_are_told_where_the_verdict_differs(rng):
    table = pd.DataFrame(grouped(rng), columns=[f"{400 + 10 * at}nm" for at in range(40)])
    report = check_order(table)
    assert report.verdict == "exchangeable"
    assert any("400nm to 790nm, which suggests an order" in warning for warning in report.warnings)


def test_the_second_opinion_is_one_number_and_one_sentence(rng):
    report = check_order(rng.normal(size=(200, 20)).cumsum(axis=1))
    assert 0.9 < report.evidence["entanglement"]["suitability"] <= 1
    assert "of what the best order found gains" in report.opinion
    assert report.opinion in str(report).replace("\n" + " " * 12, " ")
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["p"] < 0.01


WANTED = {
    "h01_alternately_keyed": {"exchangeable"},
    "h02_importance_satisfaction": {"exchangeable"},
    "h03_30_sensors_x_4_statistics": {"exchangeable"},
    "h04_mathexam_onehot_dropfirst_n200": {"exchangeable", "undecided"},
    "h05_levees_labels": {"exchangeable", "undecided"},
    "h06_breast_cancer_heatmap_order": {"exchangeable", "undecided"},
    "h07_digits_without_constant_columns": {"ordered"},
    "h08_bank_calls_164x169": {"ordered"},
    "h09_votes_repub_50x31": {"ordered", "undecided"},
    "h10_hyper_chr1_genotypes_44pct_missing": {"ordered", "undecided"},
}


@cases
@pytest.mark.parametrize("name", WANTED)
def test_cases_from_an_attack_get_their_verdicts(name):
    data = np.load(DATA / "ordering-cases" / f"{name}.npz", allow_pickle=True)
    labels = data["y"] if len(data["y"]) == len(data["X"]) else None
    report = check_order(data["X"], labels)
    assert report.verdict in WANTED[name]
    if name.startswith("h07"):
        assert report.grid == (8, 8)


@cases
def test_labels_never_call_levees_ordered():
    data = np.load(DATA / "ordering-cases" / "h05_levees_labels.npz", allow_pickle=True)
    assert {check_order(data["X"], data["y"], random_state=seed).verdict for seed in range(10)} <= {
        "exchangeable",
        "undecided",
    }
