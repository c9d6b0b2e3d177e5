"""Items that follow each other like moments of a series in time, and are split at random."""

from __future__ import annotations

import numpy as np

from gridcnn.evaluation.audit.findings import MOST_EXAMPLES, Example, Finding
from gridcnn.evaluation.audit.material import Material

__all__ = ["check_series"]

FEWEST = 30
MOST_COLUMNS = 512
LEAST_SCORE = 4.0  # standard errors; by chance once in 30,000 sets
LEAST_LIKENESS = 0.15
"""How much more alike neighbours are than others of their class, from 0 to 1, to be worth a word.

MNIST, CIFAR-10, ESC-10 and MedicalImages, whose items are independent, reach -0.01 to 0.08, the days of a wind gauge
0.17, spoken digits in the order of their speakers 0.53.
"""


def check_series(material: Material) -> list[Finding]:
    """Compare each item with the next one of its class, and with others of its class.

    Not asked where groups were given, which keep neighbours together, or where the parts are stretches of the whole,
    as a series in time is divided well.

    References
    ----------
    von Neumann 1941, "Distribution of the ratio of the mean square successive difference to the variance": half the
    ratio is 1 on average if the order says nothing, with a variance of about 1 / n. Here it is taken within classes,
    over all standardised columns together, whose mean varies less.
    """
    if material.groups is not None or _in_stretches(material.parts):
        return []
    items, columns = _features(material)
    if len(items) < FEWEST:
        return []
    target = np.zeros(len(items), dtype=np.int64)
    if material.labels is not None:
        target = np.unique(material.labels[items], return_inverse=True)[1]
    order = np.argsort(target, kind="stable")  # class by class, in the order of the data
    same = target[order][1:] == target[order][:-1]
    if same.sum() < FEWEST:
        return []
    ordered = columns[order]
    likeness = 1 - _steps(ordered, same) / _by_chance(ordered, np.bincount(target))
    z_score = likeness * float(np.sqrt(same.sum()))
    if z_score < LEAST_SCORE or likeness < LEAST_LIKENESS:
        return []
    gaps = np.where(same, np.square(np.diff(ordered, axis=0)).sum(axis=1), np.inf)
    closest = np.argsort(gaps, kind="stable")[: MOST_EXAMPLES // 2]
    examples = tuple(Example((int(items[order[at]]), int(items[order[at + 1]])), "neighbours") for at in closest)
    divided = "the parts are" if material.parts is not None else "a validation split is"
    return [
        Finding(
            "series", "error" if material.parts is not None else "warning",
            f"neighbouring items are alike, like moments of a series (likeness {likeness:.2f}, 0 if the order said "
            f"nothing), and {divided} drawn at random",
            "Items to score then stand beside items that were learned: split by time or by source (--split, or --group "
            "with a column of days, films or recordings).",
            len(items), examples, {"likeness": likeness, "z_score": z_score},
        )
    ]  # fmt: skip


def _in_stretches(parts: np.ndarray | None) -> bool:
    """Whether every part is one stretch of the data, or a few."""
    if parts is None or len(parts) < 2:
        return False
    changes = int((parts[1:] != parts[:-1]).sum())
    return changes < 0.02 * len(parts)


def _features(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Return items and their standardised numbers: those of the rows, or else the vectors that copies share."""
    items: object = material.items
    if isinstance(items, np.ndarray) and items.dtype.kind in "fiu":
        numbers = items.reshape(len(items), -1).astype(np.float64)
        good = np.flatnonzero(np.isfinite(numbers).all(axis=1))
        numbers = numbers[good]
    else:
        vectors = {at: each.vector for at, each in material.read.items() if each.vector is not None}
        good = np.array(list(vectors), dtype=np.int64)
        if len({len(vector) for vector in vectors.values()}) != 1:
            return good[:0], np.zeros((0, 0))
        numbers = np.stack(list(vectors.values()))
    spread = numbers.std(axis=0) if len(numbers) else np.zeros(0)
    numbers = numbers[:, spread > 0]
    standard = (numbers - numbers.mean(axis=0)) / spread[spread > 0]
    step = -(-standard.shape[1] // MOST_COLUMNS) or 1
    return good, standard[:, ::step].astype(np.float32)


def _steps(columns: np.ndarray, same: np.ndarray) -> float:
    """Return the mean square step from an item to the next one of its class."""
    return float(np.square(columns[1:] - columns[:-1]).mean(axis=1)[same].mean())


def _by_chance(columns: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean square difference of two items of a class, over the classes as `_steps` weighs them.

    `columns` stand class by class, `counts` of each.
    """
    parts = np.split(columns, np.cumsum(counts)[:-1])
    sums = sum(2 * float(part.var(axis=0, ddof=1).mean()) * (len(part) - 1) for part in parts if len(part) > 1)
    return sums / float(np.maximum(counts - 1, 0).sum()) or 1.0
