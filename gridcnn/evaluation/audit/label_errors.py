"""Labels that are probably wrong, by what networks that have not seen them expect."""

from __future__ import annotations

import numpy as np

from gridcnn.display import counted, percentage
from gridcnn.evaluation.audit.findings import MOST_EXAMPLES, Example, Finding, NotAskedError
from gridcnn.evaluation.audit.material import Material
from gridcnn.evaluation.audit.out_of_fold import FOLDS, out_of_fold

__all__ = ["check_label_errors", "confident_joint", "noise"]

FEWEST_OF_A_CLASS = 2 * FOLDS
FEWEST = 100
MOST_ITEMS = 20_000  # that are trained on

SURE = 0.95
"""Probability from which a label is reported as wrong: of twenty such labels, nineteen are."""

EXPECTED = 0.01
"""Share of noise that is reckoned with if no more is found: of few wrong labels nothing can be estimated.

With it, a label is reported if the probability of its class is below 0.01 / 19 / classes: calibrated networks blame at
most one item in 3,800 wrongly.
"""


def check_label_errors(material: Material) -> list[Finding]:
    """Report labels that lie off the diagonal of the confident joint and are wrong with a probability of 95 %."""
    items, target, names = _asked(material)
    if len(items) < FEWEST:
        raise NotAskedError(
            f"that needs {FEWEST} items in two or more classes of at least {FEWEST_OF_A_CLASS}; there are {len(items)}"
        )
    groups = None if material.groups is None else material.groups[items]
    given = material.items if material.given is None else material.given
    probabilities, answered = out_of_fold(
        material.adapter,
        given.iloc[items] if hasattr(given, "iloc") else [given[at] for at in items.tolist()],
        target,
        groups,
        random_state=material.random_state,
        progress=lambda done, total: material.progress("training", done, total),
    )
    items, target, probabilities = items[answered], target[answered], probabilities[answered]
    suggested, joint = confident_joint(probabilities, target)
    wrong, rate = noise(probabilities, target)
    suspects = np.flatnonzero((suggested != target) & (wrong >= SURE))
    if not len(suspects):
        return []
    suspects = suspects[np.argsort(-wrong[suspects], kind="stable")]
    accuracy = float((probabilities.argmax(axis=1) == target).mean())
    examples = tuple(
        Example(
            (int(items[at]),),
            f"labelled {names[target[at]]}, looks like {names[suggested[at]]} "
            f"({percentage(probabilities[at, suggested[at]])} "
            f"to {percentage(probabilities[at, target[at]])})",
        )
        for at in suspects[:MOST_EXAMPLES].tolist()
    )
    return [
        Finding(
            "label-errors", "warning",
            f"{counted(len(suspects), 'label is', 'labels are')} probably wrong, by networks that have not seen "
            f"them and are right {accuracy:.1%} of the time",
            "Look at them, and correct those that are wrong.",
            len(suspects), examples,
            {
                "noise": rate,
                "out_of_fold_accuracy": accuracy,
                "confident": int((suggested != target).sum()),
                "confident_joint": joint.tolist(),
                "classes": [str(name) for name in names.tolist()],
                "suggested": [str(names[suggested[at]]) for at in suspects.tolist()],
                "probability": [round(float(wrong[at]), 4) for at in suspects.tolist()],
            },
            tuple(items[suspects].tolist()),
        )
    ]  # fmt: skip


def _asked(material: Material) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the items that are asked about, their class indices, and the names of the classes."""
    none = np.array([], dtype=np.int64)
    if material.labels is None:
        return none, none, none
    items = material.learned
    if material.inspections is not None:
        items = np.intersect1d(items, list(material.read))
    if len(items) > MOST_ITEMS:
        chosen = np.random.default_rng(material.random_state).choice(len(items), MOST_ITEMS, replace=False)
        items = items[np.sort(chosen)]
    labels = material.labels[items]
    names, counts = np.unique(labels, return_counts=True)
    names = names[counts >= FEWEST_OF_A_CLASS]
    items = items[np.isin(labels, names)]
    if len(names) < 2:
        return none, none, none
    return items, np.searchsorted(names, material.labels[items]), names


def confident_joint(probabilities: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count which class each item confidently belongs to, beside its label.

    An item belongs to the class that is the most probable of those whose probability reaches the mean that it has over
    the items labelled so; otherwise its label is kept.

    Parameters
    ----------
    probabilities : ndarray of shape (n, classes)
        Out of fold.
    target : ndarray of shape (n,)
        The labels, as class indices.

    Returns
    -------
    (ndarray of shape (n,), ndarray of shape (classes, classes))
        The class of each item; the counts by label and class.

    References
    ----------
    Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels", equations 1 and 2.
    """
    n_classes = probabilities.shape[1]
    threshold = np.array([probabilities[target == index, index].mean() for index in range(n_classes)])
    confident = np.where(probabilities >= threshold, probabilities, -1.0)
    belongs = np.where((confident >= 0).any(axis=1), confident.argmax(axis=1), target)
    joint = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(joint, (target, belongs), (confident >= 0).any(axis=1).astype(np.int64))
    return belongs, joint


def noise(probabilities: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    r"""Tell wrong labels from hard items: fit how sure the networks may be and how often labels are noise.

    With the probabilities :math:`p_T`, sharpened or softened by a temperature :math:`T`, a label is drawn from
    :math:`(1 - \epsilon) p_T + \epsilon / K`. Both numbers maximise the likelihood of the labels: items that are only
    hard make the networks less sure, by :math:`T`, and wrong labels raise :math:`\epsilon`.

    Returns
    -------
    (ndarray of shape (n,), float)
        Probability that each label is noise, with at least 1 % of noise; the estimated share of wrong labels,
        :math:`\epsilon (K - 1) / K`.
    """
    from scipy.optimize import minimize, minimize_scalar  # noqa: PLC0415  (for an audit only)

    logits = np.log(np.clip(probabilities, 1e-7, None))
    n_items, n_classes = probabilities.shape
    rows = np.arange(n_items)

    def of_label(log_temperature: float) -> np.ndarray:
        scaled = logits / np.exp(log_temperature)
        scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        shares: np.ndarray = scaled[rows, target] / scaled.sum(axis=1)
        return shares

    def loss(log_temperature: float, epsilon: float) -> float:
        return -float(np.log((1 - epsilon) * of_label(log_temperature) + epsilon / n_classes + 1e-300).sum())

    starts = [[temperature, odds] for temperature in (-0.5, 0.0, 0.5) for odds in (-5.0, -3.0)]
    tried = [minimize(lambda at: loss(at[0], _share(at[1])), start, method="Nelder-Mead") for start in starts]
    best = min(tried, key=lambda result: float(result.fun))
    log_temperature, epsilon = float(best.x[0]), _share(best.x[1])
    estimated = epsilon * (n_classes - 1) / n_classes
    if epsilon < EXPECTED:
        epsilon = EXPECTED
        log_temperature = float(minimize_scalar(lambda at: loss(at, epsilon), bounds=(-3, 3), method="bounded").x)
    by_noise = epsilon / n_classes
    return by_noise / ((1 - epsilon) * of_label(log_temperature) + by_noise), estimated


def _share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))
