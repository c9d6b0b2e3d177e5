"""Classes of very different size, tiny ones, and classes that a part lacks."""

from __future__ import annotations

import numpy as np

from gridcnn.display import counted
from gridcnn.evaluation.audit.findings import Example, Finding, Severity
from gridcnn.evaluation.audit.material import Material
from gridcnn.pipeline.labels import hardly_repeat

__all__ = ["check_classes"]

FEWEST = 5
"""Items of a class, below which nothing can be learned about it, let alone measured."""

UNEVEN = 20
"""Ratio of the most to the least frequent class, from which on accuracy alone is misleading."""

DOMINATED = 0.9
"""Share of the most frequent class, from which on always answering it looks like a good model."""


def check_classes(material: Material) -> list[Finding]:
    """Count the items of each class, and compare the classes of the parts."""
    if material.labels is None:
        return []
    learned = material.labels[material.learned]
    names, counts = np.unique(learned, return_counts=True)
    return [*_sizes(material, names, counts), *_parts(material, set(names.tolist()))]


def _sizes(material: Material, names: np.ndarray, counts: np.ndarray) -> list[Finding]:
    if len(names) < 2:
        return [
            Finding(
                "one-class", "error", f"all {len(material.learned):,} items to train on are of one class",
                "A classifier needs two: look at the column or the folders of the labels.", len(names),
            )
        ]  # fmt: skip
    if hardly_repeat(len(names), len(material.learned)):
        return [_no_classes(names, len(material.learned))]
    found = []
    if (small := np.flatnonzero(counts < FEWEST)).size:
        listed = ", ".join(f"{names[at]} ({counts[at]})" for at in small[:5].tolist())
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        examples = tuple(
            Example(tuple(_of(material, names[at])[:FEWEST].tolist()), f"all items of {names[at]}")
            for at in small[:5].tolist()
        )
        found.append(
            Finding(
                "tiny-classes", "warning", f"classes with fewer than {FEWEST} items to train on: {listed}{more}",
                "Collect more, merge them into others, or leave them out: nothing can be learned from so few.",
                len(small), examples, {"counts": {str(names[at]): int(counts[at]) for at in small.tolist()}},
            )
        )  # fmt: skip
    largest, smallest = int(counts.argmax()), int(counts.argmin())
    share = float(counts[largest] / counts.sum())
    numbers = {"largest": int(counts[largest]), "smallest": int(counts[smallest]), "share": share}
    if share >= DOMINATED or counts[largest] >= UNEVEN * counts[smallest]:
        dominated = share >= DOMINATED
        what = (
            f"{share:.1%} of the items to train on are of the class {names[largest]}"
            if dominated
            else f"the classes are of very different size: {names[largest]} {counts[largest]:,}, {names[smallest]} "
            f"{counts[smallest]:,}"
        )
        advice = (
            "Judge by the balanced accuracy that `gridcnn evaluate` prints, and try --class-weight balanced: always "
            f"answering {names[largest]} is right {share:.1%} of the time."
        )
        severity: Severity = "warning" if dominated else "note"
        found.append(Finding("uneven-classes", severity, what, advice, len(names), numbers=numbers))
    return found


def _no_classes(names: np.ndarray, n_items: int) -> Finding:
    return Finding(
        "no-classes", "error",
        f"{len(names):,} different labels for {n_items:,} items, such as {', '.join(map(str, names[:3].tolist()))}: an "
        "identifier or a regression target, not classes",
        "Choose another column with --label, or sort the values into a few classes.", len(names),
    )  # fmt: skip


def _parts(material: Material, learned: set[object]) -> list[Finding]:
    """Find classes of other parts that the training part lacks."""
    labels, parts = material.labels, material.parts
    if parts is None or labels is None:
        return []
    unseen = sorted({str(label) for label in np.unique(labels[parts != "train"]).tolist() if label not in learned})
    if not unseen:
        return []
    items = np.flatnonzero((parts != "train") & np.isin(labels.astype(str), unseen))
    return [
        Finding(
            "unseen-classes", "error",
            f"{counted(len(unseen), 'class occurs', 'classes occur')} only outside the training part: "
            f"{', '.join(unseen[:5])}",
            "Their items count as mistakes or are not scored: split again so that training has every class.",
            len(items), tuple(Example((item,)) for item in items[:6].tolist()), {"classes": unseen},
            tuple(items.tolist()),
        )
    ]  # fmt: skip


def _of(material: Material, label: object) -> np.ndarray:
    assert material.labels is not None  # for the type checker: who asks has counted them
    learned = material.learned
    items: np.ndarray = learned[material.labels[learned] == label]
    return items
