"""Generated tables for the benchmark of the ordering check: grouped, laid out, sorted by similarity, ordered."""

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
    """Sort columns by similarity, as heat maps do: by a tree, a greedy chain, or eigenvectors."""
    table = table[:, table.std(axis=0) > 0]
    r = np.corrcoef(table, rowvar=False)
    distance = squareform(np.clip(1 - np.abs(r), 0, None), checks=False)
    link = {"complete": hierarchy.complete, "ward": hierarchy.ward}.get(how.rsplit(maxsplit=1)[-1], hierarchy.average)
    if how.startswith("optimal"):
        order = hierarchy.leaves_list(hierarchy.optimal_leaf_ordering(link(distance), distance))
    elif how in ("tree", "ward"):
        order = hierarchy.leaves_list(link(distance))
    elif how == "chain":
        order = _chain(np.abs(r))
    elif how == "angles":
        vectors = np.linalg.eigh(r)[1]
        angle = np.arctan2(vectors[:, -2], vectors[:, -1])
        order = np.argsort(angle)
        gap = np.diff(np.append(angle[order], angle[order[0]] + 2 * np.pi))
        order = np.roll(order, -int(gap.argmax()) - 1)
    elif how == "spectral":
        order = np.argsort(np.linalg.eigh(np.diag(np.abs(r).sum(axis=0)) - np.abs(r))[1][:, 1])
    else:
        order = np.argsort(np.linalg.eigh(r)[1][:, -1])
    return np.asarray(table[:, order])


SORTS = ("optimal", "optimal complete", "optimal ward", "chain", "angles", "tree", "ward", "component", "spectral")


def sorted_table(seed: int) -> tuple[str, Table]:
    """Draw one grouped table with its columns shuffled, then sorted by similarity."""
    rng = np.random.default_rng([8, seed])
    rows = int(np.exp(rng.uniform(np.log(50), np.log(3000))))
    columns = int(np.exp(rng.uniform(np.log(8), np.log(150))))
    kinds = list(GROUPED)
    name = kinds[(seed // len(SORTS)) % len(kinds)]
    how = SORTS[seed % len(SORTS)]
    table = GROUPED[name](rng, rows, columns)
    table = table[:, rng.permutation(table.shape[1])]
    return f"{how} {name} {rows}×{columns}", sort_by_similarity(table, how)


def _size(rng: np.random.Generator, least: int = 8, most: int = 120) -> tuple[int, int]:
    return int(np.exp(rng.uniform(np.log(30), np.log(3000)))), int(np.exp(rng.uniform(np.log(least), np.log(most))))


def _likert(rng: np.random.Generator, table: Table) -> Table:
    if rng.random() < 0.5:
        return table
    scale = int(rng.choice([5, 7]))
    return np.asarray(np.clip(np.round((table / table.std() + 2.5) / 5 * (scale - 1)) + 1, 1, scale))


def keyed(rng: np.random.Generator) -> Table:
    """Items of one to three traits, keyed + - + -."""
    rows, columns = _size(rng)
    traits = int(rng.integers(1, 4))
    loading = np.abs(rng.normal(size=(traits, columns))) * rng.uniform(0.2, 1)
    key = np.where(np.arange(columns) % 2 == 0, 1, -1)
    noise = rng.normal(size=(rows, columns)) * rng.uniform(0.5, 1.2) + rng.normal(size=(rows, 1)) * rng.uniform(0, 0.5)
    return _likert(rng, rng.normal(size=(rows, traits)) @ loading * key + noise)


def coordinates(rng: np.random.Generator) -> Table:
    """Markers × (x, y, z) of a body that sways."""
    rows, columns = _size(rng)
    axes = int(rng.choice([2, 3, 3, 3]))
    items = max(3, columns // axes)
    sway = rng.normal(size=(rows, 1, axes)) * rng.uniform(0.3, 1.5, size=axes)
    mix = rng.normal(size=(items, items)) * rng.uniform(0, 1.2) / np.sqrt(items) + np.eye(items)
    own = np.einsum("nkm,kj->njm", rng.normal(size=(rows, items, axes)), mix) * rng.uniform(0.3, 1, size=axes)
    return np.asarray((sway + own + rng.normal(size=(rows, items, 1)) * rng.uniform(0, 0.5)).reshape(rows, -1))


def paired(rng: np.random.Generator) -> Table:
    """Items × (importance, satisfaction)."""
    rows, columns = _size(rng, 10, 60)
    items = max(4, columns // 2)
    both = rng.normal(size=(rows, items, 1)) * rng.uniform(0, 0.6) * np.array([1, rng.choice([1, -1])])
    style = rng.normal(size=(rows, 1, 2)) * rng.uniform(0.3, 1.2, size=2)
    return _likert(rng, (both + style + rng.normal(size=(rows, items, 2)) * rng.uniform(0.5, 1.2)).reshape(rows, -1))


def statistics(rng: np.random.Generator) -> Table:
    """Sensors × three to seven statistics of level and spread."""
    rows, columns = _size(rng, 12, 140)
    number = int(rng.integers(3, 8))
    items = max(3, columns // number)
    level, spread = (
        rng.normal(size=(rows, items, 1)) * rng.uniform(0.3, 1) + rng.normal(size=(rows, 1, 1)) * rng.uniform(0, 1)
        for _ in range(2)
    )
    noise = rng.normal(size=(rows, items, number)) * rng.uniform(0.1, 0.8)
    common = rng.normal(size=(rows, 1, number)) * rng.uniform(0, 0.8)
    return np.asarray(
        (level * rng.normal(size=number) + spread * rng.normal(size=number) + noise + common).reshape(rows, -1)
    )


def dummies(rng: np.random.Generator) -> Table:
    """Categories as dummies, the first of each left out."""
    rows, columns = _size(rng)
    common, parts, left = rng.normal(size=rows), [], columns
    fixed = int(rng.integers(2, 7)) if rng.random() < 0.5 else None
    while left > 0:
        levels = fixed or int(rng.integers(2, 7))
        score = common * rng.uniform(0, 1) + rng.normal(size=rows)
        code = np.digitize(score, np.quantile(score, np.sort(rng.uniform(0.1, 0.9, levels - 1))))
        parts.append((code[:, None] == np.arange(1, levels)).astype(float))
        left -= levels - 1
    table = np.concatenate(parts, axis=1)
    return np.asarray(table[:, table.std(axis=0) > 0])


LAYOUTS = {f.__name__: f for f in (keyed, coordinates, paired, statistics, dummies)}


def laid_out(seed: int, name: str) -> Table:
    """Draw one table of items × something, in the order of the items."""
    return LAYOUTS[name](np.random.default_rng([10, seed]))


def cyclic(seed: int) -> Table:
    """Draw an array (items, sensors, positions) whose last position is the neighbour of the first."""
    rng = np.random.default_rng([11, seed])
    rows, sensors, size = int(rng.integers(60, 400)), int(rng.integers(2, 6)), int(rng.choice([12, 24, 36]))
    gap = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    root = np.linalg.cholesky(np.exp(-np.minimum(gap, size - gap) / rng.uniform(2, 6)) + 1e-6 * np.eye(size))
    noise = rng.normal(size=(rows, sensors, size)) * rng.uniform(0, 0.6)
    return np.asarray(rng.normal(size=(rows, sensors, size)) @ root.T + noise)


def outlines(seed: int, points: int) -> Table:
    """Draw closed outlines stored x1, y1, x2, y2 and so on."""
    rng = np.random.default_rng([12, seed])
    rows, angle = int(rng.integers(100, 400)), np.arange(points) / points * 2 * np.pi
    waves = (rng.normal(size=(rows, 1)) * np.cos(k * angle + rng.uniform(0, 7, (rows, 1))) / (3 * k) for k in (2, 3, 4))
    radius = 1 + sum(waves)
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
    return np.asarray(both.reshape(rows, -1) + 0.02 * rng.normal(size=(rows, 2 * points)))


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


def autoregressive(seed: list[int], rows: int, columns: int) -> Table:
    """Draw a weak order: each column is half the one before, and noise."""
    return _ar(np.random.default_rng(seed), rows, columns, 0.5)


def smooth(seed: list[int], rows: int, columns: int) -> Table:
    """Draw smooth curves with a correlation length of two columns, and some noise."""
    rng = np.random.default_rng(seed)
    return np.asarray(_smooth(rng, rows, columns, 2.0) + 0.3 * rng.normal(size=(rows, columns)))


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
