"""The second opinion of the ordering check: entanglement of the given, shuffled and best orders."""

from __future__ import annotations

import numpy as np
import pytest

from gridcnn.errors import DataError
from gridcnn.ordering.entanglement import best_order, measure_entanglement
from gridcnn.ordering.prepare import rank_scores


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def walks(rng, rows=300, columns=32):
    return rank_scores(rng.normal(size=(rows, columns)).cumsum(axis=1))


def groups(rng, rows=300, count=8, size=4):
    return rank_scores(rng.normal(size=(rows, count)).repeat(size, axis=1) + rng.normal(size=(rows, count * size)))


def test_walks_are_as_suitable_as_an_order_can_make_them(rng):
    found = measure_entanglement(walks(rng), rng=rng)
    assert found.suitability > 0.97
    assert found.standard_error < 0.03
    assert found.shuffled + 0.1 < found.given <= found.best


def test_shuffled_walks_are_no_better_than_shuffled_and_the_order_is_found_again(rng):
    table = walks(rng)
    right = measure_entanglement(table, rng=rng)
    shuffled = [measure_entanglement(table, rng.permutation(32), rng=rng) for _ in range(9)]
    assert abs(np.mean([one.suitability for one in shuffled])) < 0.1
    assert all(one.best == pytest.approx(right.best, abs=0.03) for one in shuffled)
    assert sum(abs(one.suitability) < 0.25 for one in shuffled) >= 7


def test_an_order_is_judged_as_the_columns_laid_out_in_it(rng):
    table, order = walks(rng), rng.permutation(32)
    laid, judged = table[:, order], np.argsort(order)
    assert measure_entanglement(laid, judged, rng=np.random.default_rng(0)) == measure_entanglement(
        table, rng=np.random.default_rng(0)
    )


def test_groups_that_stand_together_are_suitable_and_interleaved_ones_are_not(rng):
    table = groups(rng)
    together = measure_entanglement(table, rng=rng)
    apart = measure_entanglement(table, np.arange(32).reshape(8, 4).T.ravel(), rng=rng)
    assert together.suitability > 0.95
    assert apart.suitability < 0
    assert apart.best == pytest.approx(together.best, abs=0.02)


def test_a_partly_disturbed_order_lies_in_between(rng):
    order = np.arange(32)
    order[::4] = rng.permutation(order[::4])  # one column in four is elsewhere
    found = measure_entanglement(walks(rng), order, rng=rng)
    assert 0.2 < found.suitability < 0.9
    assert f"{100 * found.suitability:.0f} %" in found.sentence


def test_no_order_of_unrelated_columns_is_better_than_shuffled(rng):
    found = measure_entanglement(rank_scores(rng.normal(size=(300, 32))), rng=rng)
    assert found.best - found.shuffled < 0.01
    assert "no order was found" in found.sentence


def test_copies_of_one_column_leave_nothing_to_gain(rng):
    found = measure_entanglement(rank_scores(rng.normal(size=(100, 1))).repeat(8, axis=1), rng=rng)
    assert found.given == pytest.approx(1)
    assert found.suitability == pytest.approx(0, abs=1e-6)


def test_missing_values_are_left_out_pair_by_pair(rng):
    table = walks(rng)
    full = measure_entanglement(table, rng=np.random.default_rng(0))
    table[rng.random(table.shape) < 0.4] = np.nan
    gaps = measure_entanglement(table, rng=np.random.default_rng(0))
    assert gaps.given == pytest.approx(full.given, abs=0.02)
    assert gaps.suitability > 0.95


def test_correlations_with_missing_values_are_those_of_complete_pairs(rng):
    from gridcnn.ordering.entanglement import _similar

    table = walks(rng, 60, 5)
    table[rng.random(table.shape) < 0.3] = np.nan
    both = ~np.isnan(table[:, [0, 3]]).any(axis=1)
    assert _similar(table)[0, 3] == pytest.approx(abs(np.corrcoef(table[both, 0], table[both, 3])[0, 1]))


def test_the_same_seed_gives_the_same_numbers_and_other_seeds_nearly(rng):
    table = walks(rng)
    first, again, other = (measure_entanglement(table, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert other.suitability == pytest.approx(first.suitability, abs=0.02)


def test_wide_and_long_tables_are_sampled(rng):
    found = measure_entanglement(walks(rng, 2500, 260), rng=rng)
    assert found.suitability > 0.97


def test_the_best_order_keeps_two_blocks_apart():
    similar = np.kron(np.eye(2), np.ones((4, 4)))[np.ix_([0, 4, 1, 5, 2, 6, 3, 7], [0, 4, 1, 5, 2, 6, 3, 7])]
    np.fill_diagonal(similar, 0)
    order = best_order(similar)
    assert sorted(order) == list(range(8))
    assert {frozenset(order[:4] % 2), frozenset(order[4:] % 2)} == {frozenset({0}), frozenset({1})}


@pytest.mark.parametrize("shape", [(19, 8), (100, 4)])
def test_too_few_rows_or_columns_are_an_error(rng, shape):
    with pytest.raises(DataError, match="20 rows and 5 columns"):
        measure_entanglement(rng.normal(size=shape), rng=rng)
