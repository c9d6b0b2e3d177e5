"""Generated tables for the benchmark of the ordering check: grouped, sorted by similarity, ordered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

Table = NDArray[np.float64]


def _groups(rng: np.random.Generator, columns: int) -> NDArray[np.intp]:
    """Group of each column: equal blocks, or blocks of any size."""
    if rng.random() < 0.5:
        return np.arange(columns) // int(rng.integers(2, max(3, columns // 2) + 1))
    sizes = rng.integers(1, max(2, columns // 3) + 1, size=columns)
    return np.repeat(np.arange(columns), sizes)[:columns]


def factor_blocks(rng: np.random.Generator, rows: int, columns: int) -> Table:
    """Blocks of columns that share a factor, over a common factor, with loadings that differ, some negative."""
    group = _groups(rng, columns)
    common = rng.normal(size=(rows, 1)) * rng.uniform(0, 1)
    factors = rng.normal(size=(rows, group.max() + 1)) @ (np.eye(group.max() + 1) * rng.uniform(0.5, 1.5))
    loadings = rng.uniform(0.3, 1.2, columns) * rng.choice([1, -1], p=[0.85, 0.15], size=columns)
    return (common + factors[:, group]) * loadings + rng.normal(size=(rows, columns)) * rng.uniform(0.3, 1.5)


def grades(rng: np.random.Generator, rows: int, columns: int) -> Table:
    """Grade sheet: general ability, related subjects side by side, whole marks."""
    group = _groups(rng, columns)
    ability = rng.normal(size=(rows, 1))
    talent = rng.normal(size=(rows, group.max() + 1))
    mark = 70 + 10 * (
        ability * rng.uniform(0.2, 1) + talent[:, group] * rng.uniform(0.2, 1) + rng.normal(size=(rows, columns)) * 0.7
    )
    return np.clip(np.round(mark), 0, 100)


def likert(rng: np.random.Generator, rows: int, columns: int) -> Table:
    """Survey: constructs of adjacent items on a scale of 5 or 7, some reversed, with a style of answering."""
    group = np.arange(columns) // int(rng.integers(2, 9))
    scale = int(rng.choice([5, 7]))
    construct = rng.normal(size=(rows, group.max() + 1))
    raw = (
        construct[:, group] * rng.uniform(0.4, 1.0, columns)
        + 0.4 * rng.normal(size=(rows, 1))
        + rng.normal(size=(rows, columns)) * rng.uniform(0.4, 1)
    )
    raw *= rng.choice([1, -1], p=[0.8, 0.2], size=columns)
    return np.clip(np.round((raw + 2.5) / 5 * (scale - 1)) + 1, 1, scale)


def one_hot(rng: np.random.Generator, rows: int, columns: int) -> Table:
    """Categories as blocks of 0 and 1, the categories of one table loosely related."""
    parts: list[Table] = []
    common = rng.normal(size=rows)
    left = columns
    while left > 0:
        levels = min(int(rng.integers(2, 9)), left)
        score = common * rng.uniform(0, 1) + rng.normal(size=rows)
        edges = np.quantile(score, np.sort(rng.uniform(0.05, 0.95, levels - 1))) if levels > 1 else [0.0]
        code = np.digitize(score, edges)
        if rng.random() < 0.5:
            code = rng.permutation(levels)[code % levels]
        parts.append((code[:, None] == np.arange(levels)).astype(float))
        left -= levels
    return np.concatenate(parts, axis=1)


def measures(rng: np.random.Generator, rows: int, columns: int) -> Table:
    """Some statistics (mean, error, worst) of the same measurements, by statistic or by measurement."""
    kinds = int(rng.integers(2, 5))
    things = max(2, columns // kinds)
    base = rng.normal(size=(rows, things)) @ (rng.normal(size=(things, things)) * 0.5 + np.eye(things))
    cols = [base * rng.uniform(0.5, 1.2) + rng.normal(size=base.shape) * rng.uniform(0.2, 1.5) for _ in range(kinds)]
    table = np.stack(cols, axis=1 if rng.random() < 0.5 else 2).reshape(rows, -1)
    return np.exp(table * 0.5) if rng.random() < 0.5 else table


def nested(rng: np.random.Generator, rows: int, columns: int) -> Table:
    """Groups inside groups (faculties, departments, courses)."""
    table = rng.normal(size=(rows, columns)) * rng.uniform(0.4, 1.2)
    width = int(rng.integers(2, 5))
    while width < columns:
        group = np.arange(columns) // width
        table += rng.normal(size=(rows, group.max() + 1))[:, group] * rng.uniform(0.2, 1)
        width *= int(rng.integers(2, 4))
    return table


GROUPED = {f.__name__: f for f in (factor_blocks, grades, likert, one_hot, measures, nested)}


def grouped(seed: int) -> tuple[str, Table]:
    """Draw one table of related columns side by side, with 25 to 3,000 rows and 6 to 200 columns."""
    rng = np.random.default_rng([7, seed])
    rows = int(np.exp(rng.uniform(np.log(25), np.log(3000))))
    columns = int(np.exp(rng.uniform(np.log(6), np.log(200))))
    name = list(GROUPED)[seed % len(GROUPED)]
    return f"{name} {rows}×{columns}", GROUPED[name](rng, rows, columns)


def _chain(similar: Table) -> NDArray[np.intp]:
    """Start at the most similar pair, and always go on to the most similar column that is left."""
    work = similar.copy()
    np.fill_diagonal(work, -np.inf)
    here = int(np.unravel_index(work.argmax(), work.shape)[0])
    order = [here]
    for _ in range(len(work) - 1):
        work[:, here] = -np.inf
        here = int(work[here].argmax())
        order.append(here)
    return np.asarray(order)


def sort_by_similarity(table: Table, how: str) -> Table:
    """Sort columns by similarity: `optimal` leaf order, plain `tree` order, greedy `chain`, or first `component`."""
    table = table[:, table.std(axis=0) > 0]
    r = np.corrcoef(table, rowvar=False)
    distance = squareform(np.clip(1 - np.abs(r), 0, None), checks=False)
    if how == "optimal":
        order = hierarchy.leaves_list(hierarchy.optimal_leaf_ordering(hierarchy.average(distance), distance))
    elif how == "tree":
        order = hierarchy.leaves_list(hierarchy.average(distance))
    elif how == "ward":
        order = hierarchy.leaves_list(hierarchy.ward(distance))
    elif how == "chain":
        order = _chain(np.abs(r))
    else:
        order = np.argsort(np.linalg.eigh(r)[1][:, -1])
    return np.asarray(table[:, order])


SORTS = ("optimal", "tree", "optimal", "chain", "component", "ward")


def sorted_table(seed: int) -> tuple[str, Table]:
    """Draw one grouped table with its columns shuffled, then sorted by similarity."""
    rng = np.random.default_rng([8, seed])
    rows = int(np.exp(rng.uniform(np.log(50), np.log(3000))))
    columns = int(np.exp(rng.uniform(np.log(8), np.log(150))))
    kinds = list(GROUPED)
    name = kinds[seed % len(kinds)]
    how = SORTS[(seed // len(kinds)) % len(SORTS)]
    table = GROUPED[name](rng, rows, columns)
    table = table[:, rng.permutation(table.shape[1])]
    return f"{how} {name} {rows}×{columns}", sort_by_similarity(table, how)


def _smooth(rng: np.random.Generator, rows: int, columns: int, width: float) -> Table:
    """Gaussian curves with a correlation length of `width` columns."""
    gap = np.subtract.outer(np.arange(columns), np.arange(columns))
    kernel = np.exp(-0.5 * (gap / width) ** 2) + 1e-6 * np.eye(columns)
    return rng.normal(size=(rows, columns)) @ np.linalg.cholesky(kernel).T


def _ar(rng: np.random.Generator, rows: int, columns: int, phi: float) -> Table:
    table = rng.normal(size=(rows, columns))
    for column in range(1, columns):
        table[:, column] = phi * table[:, column - 1] + np.sqrt(1 - phi**2) * table[:, column]
    return table


def ordered(seed: int, scrambled: bool = False) -> tuple[str, Table]:
    """Draw one ordered table: a random walk, AR(1), smooth curve, spectrum of peaks, daily profile or wave."""
    rng = np.random.default_rng([9, seed])
    rows = int(np.exp(rng.uniform(np.log(100), np.log(2000))))
    columns = int(np.exp(rng.uniform(np.log(8), np.log(200))))
    at = np.arange(columns)
    match seed % 6:
        case 0:
            name, table = "walk", rng.normal(size=(rows, columns)).cumsum(axis=1) + rng.normal(size=(rows, columns))
        case 1:
            name, table = "ar", _ar(rng, rows, columns, rng.uniform(0.3, 0.95))
        case 2:
            noise = rng.normal(size=(rows, columns)) * rng.uniform(0, 0.5)
            name, table = "smooth", _smooth(rng, rows, columns, rng.uniform(1, columns / 4)) + noise
        case 3:
            name, peaks = "spectrum", int(rng.integers(2, 8))
            centre, spread = rng.uniform(0, columns, peaks), rng.uniform(1, 1 + columns / 8, peaks)
            shape = np.exp(-0.5 * ((at - centre[:, None]) / spread[:, None]) ** 2)
            table = rng.gamma(3, size=(rows, peaks)) @ shape + rng.normal(size=(rows, columns)) * 0.1
        case 4:
            name = "profile"
            phase = rng.normal(size=(rows, 1)) * 0.5
            level = rng.normal(size=(rows, 1))
            table = (
                level + np.sin(2 * np.pi * at / columns + phase) + _ar(rng, rows, columns, 0.6) * rng.uniform(0.2, 1)
            )
        case _:
            name = "wave"
            period = rng.uniform(4, 20, size=(rows, 1))
            table = np.sin(2 * np.pi * at / period + rng.uniform(0, 7, (rows, 1))) + rng.normal(
                size=(rows, columns)
            ) * rng.uniform(0.1, 0.8)
    if scrambled:  # neighbouring pairs change places at random
        place = at.copy()
        for left in range(0, columns - 1, 2):
            if rng.random() < 0.5:
                place[left], place[left + 1] = place[left + 1], place[left]
        table = table[:, place]
    return f"{name} {rows}×{columns}", table
