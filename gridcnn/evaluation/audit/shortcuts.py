"""Classes that can be told from how items are stored, not from what they show: file size, duration, quality."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridcnn.evaluation.audit.findings import Example, Finding
from gridcnn.evaluation.audit.material import Material

__all__ = ["check_shortcuts"]

MOST_ITEMS = 5_000  # that are looked at
FEWEST_OF_A_CLASS = 10
FOLDS = 5
LEAVES_OF_A_CLASS = 4
"""Leaves of a tree for each class, at most: a class has a few typical values."""

LEVEL = 0.01
"""How often a set without a shortcut is said to have one, over all that its items are stored in."""

PERMUTATIONS = 1_999
LEAST_SKILL = 0.25
"""Share of the way from chance to certainty that one number must go to be worth a word."""

GREAT_SKILL = 0.5
"""Share from which on it may well be what the network learns."""


def check_shortcuts(material: Material) -> list[Finding]:
    """Predict the class from each thing that is known of how an item is stored, alone, out of fold.

    A tree on one number is judged by its balanced accuracy in cross-validation, whose folds keep groups whole. Its
    p-value is the share of permutations of the labels, within the folds, that reach it; over all numbers it is
    corrected as Bonferroni does.
    """
    items, target = _sample(material)
    if len(items) == 0:
        return []
    columns = _columns(material, items)
    folds = _folds(material, items, target)
    measured = list[_Shortcut]()
    for name, values in columns.items():
        answers = _out_of_fold(values, target, folds, material.random_state)
        score, p_value = _permutation_test(answers, target, folds, material.random_state)
        chance = 1 / (int(target.max()) + 1)
        skill = (score - chance) / (1 - chance)
        if p_value * len(columns) <= LEVEL and skill >= LEAST_SKILL:
            measured.append(_Shortcut(name, score, chance, skill, p_value))
    if not measured:
        return []
    measured.sort(key=lambda each: -each.skill)
    return [_finding(material, measured, items, target, columns[measured[0].name])]


class _Shortcut(NamedTuple):
    """What one number tells of the class: balanced accuracy, that by chance, the share of the way to 1, a p-value."""

    name: str
    score: float
    chance: float
    skill: float
    p_value: float


def _sample(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Return items of classes that have enough of them, at most so many, and their class indices."""
    none = np.array([], dtype=np.int64)
    if material.labels is None or not material.read:
        return none, none
    read = np.intersect1d(material.learned, list(material.read))
    if len(read) > MOST_ITEMS:
        chosen = np.random.default_rng(material.random_state).choice(len(read), MOST_ITEMS, replace=False)
        read = read[np.sort(chosen)]
    names, target = np.unique(material.labels[read], return_inverse=True)
    enough = np.flatnonzero(np.bincount(target, minlength=len(names)) >= FEWEST_OF_A_CLASS)
    if len(enough) < 2:
        return none, none
    kept = np.isin(target, enough)
    return read[kept], np.searchsorted(enough, target[kept])


def _columns(material: Material, items: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is known of all these items and differs among them, by its name, as numbers."""
    read = material.read
    stored = [read[at].stored for at in items.tolist()]
    columns = {}
    for name in dict.fromkeys(name for each in stored for name in each):
        values = [each.get(name, np.nan) for each in stored]
        if any(isinstance(value, str) for value in values):
            column = np.unique([str(value) for value in values], return_inverse=True)[1].astype(np.float64)
        else:
            column = np.nan_to_num(np.array(values, dtype=np.float64), nan=-1.0)
        if column.min() < column.max():
            columns[name] = column
    return columns


def _folds(material: Material, items: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the fold of each item, which keeps groups whole."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415  (for an audit only)

    groups = None if material.groups is None else material.groups[items]
    count = FOLDS if groups is None else min(FOLDS, len(np.unique(groups)))
    seed = material.random_state
    splitter = (
        StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        if groups is None or count < 2
        else StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    )
    fold = np.zeros(len(items), dtype=np.int64)
    for number, (_, held) in enumerate(splitter.split(items, target, groups)):
        fold[held] = number
    return fold


def _out_of_fold(values: np.ndarray, target: np.ndarray, folds: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415  (for an audit only)

    answers = np.zeros_like(target)
    for fold in np.unique(folds):
        held = folds == fold
        tree = DecisionTreeClassifier(
            max_leaf_nodes=LEAVES_OF_A_CLASS * int(target.max() + 1),
            min_samples_leaf=5,
            class_weight="balanced",
            random_state=seed,
        )
        answers[held] = tree.fit(values[~held, None], target[~held]).predict(values[held, None])
    return answers


def _permutation_test(answers: np.ndarray, target: np.ndarray, folds: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the balanced accuracy of answers, and the share of permutations within the folds that reach it.

    References
    ----------
    Ojala and Garriga 2010, "Permutation tests for studying classifier performance". The labels of held-out items are
    permuted, not those trained on, so that each tree is fitted once; with (hits + 1) / (permutations + 1) the test
    keeps its level.
    """
    rng = np.random.default_rng(seed)
    weight = 1 / np.bincount(target)[target] / (target.max() + 1)  # of each item in the balanced accuracy
    score = float(weight[answers == target].sum())
    order = np.argsort(folds, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(folds))[:-1])
    reached = 0
    for _ in range(PERMUTATIONS):
        permuted = np.concatenate([rng.permutation(part) for part in parts])
        reached += bool(weight[permuted][answers[order] == target[permuted]].sum() >= score - 1e-12)
    return score, (reached + 1) / (PERMUTATIONS + 1)


def _finding(
    material: Material, found: list[_Shortcut], items: np.ndarray, target: np.ndarray, values: np.ndarray
) -> Finding:
    """Report all shortcuts at once, since one cause often shows in several numbers; `values` are those of the best."""
    best = found[0]
    medians = [float(np.median(values[target == index])) for index in range(int(target.max()) + 1)]
    examples = []
    for index in (int(np.argmin(medians)), int(np.argmax(medians))):
        own = np.flatnonzero(target == index)
        at = int(items[own[np.argsort(np.abs(values[own] - medians[index]), kind="stable")[0]]])
        told = material.read[at].stored.get(best.name, np.nan)
        shown = told if isinstance(told, str) else f"{told:,.4g}"
        examples.append(Example((at,), f"{material.label(at)}: typical {best.name} {shown}"))
    listed = "; ".join(f"{each.name} (balanced accuracy {each.score:.2f})" for each in found[:4])
    great = best.skill >= GREAT_SKILL
    return Finding(
        "shortcuts", "warning" if great else "note",
        f"the class can be told without looking at what the items show, by {listed}; by chance it would be "
        f"{best.chance:.2f}",
        "If that comes from how the classes were collected, the network may learn it instead of what you mean: store "
        "all classes alike." if great else "Ask whether the classes differ in this by nature or by how they were "
        "collected.",
        len(found), tuple(examples), {each.name: each._asdict() for each in found},
    )  # fmt: skip
