"""The audit of a data set: what would make a model, or its scores, worse than they look.

Each check is a function from `Material` to findings, in a file of its own, listed in `CHECKS`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, DataError, OrderingError, Skipped
from gridcnn.evaluation.audit.classes import check_classes
from gridcnn.evaluation.audit.copies import check_copies, check_exact_copies
from gridcnn.evaluation.audit.findings import SEVERITIES, Audit, Example, Finding, NotAskedError
from gridcnn.evaluation.audit.groups import check_groups
from gridcnn.evaluation.audit.label_errors import check_label_errors
from gridcnn.evaluation.audit.material import Material, Progress
from gridcnn.evaluation.audit.series import check_series
from gridcnn.evaluation.audit.shortcuts import check_shortcuts
from gridcnn.evaluation.audit.stored import check_flaws, check_mixed, check_readable
from gridcnn.evaluation.audit.typos import check_typos

__all__ = [
    "AT_TRAINING",
    "CHECKS",
    "QUICK",
    "SEVERITIES",
    "Audit",
    "Check",
    "Example",
    "Finding",
    "audit",
    "audit_before_training",
]


@dataclass(frozen=True)
class Check:
    """A check: what it looks for, the function, and whether it needs every item decoded."""

    about: str
    run: Callable[[Material], list[Finding]]
    decodes: bool = False


CHECKS: dict[str, Check] = {
    "labels": Check("class names that are probably one", check_typos),
    "classes": Check("tiny, dominating and unseen classes", check_classes),
    "groups": Check("groups on both sides of a split", check_groups),
    "readable": Check("items that cannot be decoded", check_readable, decodes=True),
    "flaws": Check("silent, clipped and constant items", check_flaws, decodes=True),
    "mixed": Check("mixed sample rates", check_mixed, decodes=True),
    "copies": Check("exact and near copies", check_copies, decodes=True),
    "shortcuts": Check("classes that how items are stored gives away", check_shortcuts, decodes=True),
    "series": Check("neighbours that are alike, split at random", check_series, decodes=True),
    "label-errors": Check("labels that are probably wrong (trains networks)", check_label_errors),
}
"""All checks by name, in the order in which they run."""

QUICK = tuple(name for name in CHECKS if name != "label-errors")
"""Those that train nothing."""

AT_TRAINING = ("labels", "classes", "groups")
"""Those that need no item decoded; every training begins with them, and with a look for equal files."""

REFUSED = ("one-class", "no-classes")
"""What no training begins with: it says so itself."""


def audit(
    adapter: Adapter,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    parts: Any = None,
    skipped: Sequence[Skipped] = (),
    checks: Collection[str] = tuple(CHECKS),
    source: str = "",
    random_state: int = 0,
    progress: Progress | None = None,
    names: Sequence[str] | None = None,
) -> Audit:
    """Look for what makes a data set worse than it seems.

    Parameters
    ----------
    adapter : Adapter
        Reads the items; it is not changed, and need not be fitted.
    X : sequence of n raw items
        Paths, sentences, arrays, or a numeric table, as the adapter reads them.
    y : array-like of shape (n,), optional
        Their classes. Checks of labels find nothing without them.
    groups : array-like of shape (n,), optional
        Speaker, site, patient of each item.
    parts : array-like of shape (n,), optional
        `"train"`, `"validation"` or `"test"` for each item, if the set is divided.
    skipped : sequence of Skipped
        What the loader left out.
    checks : collection of str
        Names of the checks to run, of `CHECKS`.
    source : str
        Name of the data.
    random_state : int
        Seed of samples, folds and networks.
    progress : callable, optional
        Called with what is being done, how much of it is done, and how much there is.
    names : sequence of n str, optional
        What the items are called, if they do not say it themselves; the default is their paths, texts or numbers.

    Returns
    -------
    Audit

    Raises
    ------
    ConfigurationError
        If a check has an unknown name.
    DataError
        If labels, groups, parts or names do not have the length of the items.

    Examples
    --------
    >>> from gridcnn.adapters import TextAdapter
    >>> texts = ["good film", "Good film!", "bad film", "dull", "weak", "great", "fine", "poor", "slow", "superb"]
    >>> found = audit(TextAdapter(), texts, ["+", "-", "-", "-", "-", "+", "+", "-", "-", "+"], checks=["copies"])
    >>> found.findings[0].kind, found.findings[0].examples[0].items
    ('copies-of-different-classes', (0, 1))
    """
    if unknown := [name for name in checks if name not in CHECKS]:
        raise ConfigurationError(f"no check is called {', '.join(unknown)}: choose among {', '.join(CHECKS)}")
    material = _material(adapter, X, y, groups, parts, tuple(skipped), random_state, progress, names)
    seconds, left_out, found = dict[str, float](), dict[str, str](), list[Finding]()
    if any(CHECKS[name].decodes for name in checks):
        started = time.perf_counter()
        material = material.inspected()
        seconds["reading"] = time.perf_counter() - started
    for name, check in CHECKS.items():
        if name not in checks:
            continue
        started = time.perf_counter()
        try:
            found += check.run(material)
        except (NotAskedError, OrderingError) as refusal:
            left_out[name] = f"{refusal.args[0]}"
        seconds[name] = time.perf_counter() - started
    return _audit(material, found, source, seconds, left_out)


def audit_before_training(adapter: Adapter, X: Any, y: Any, *, groups: Any = None, parts: Any = None) -> Audit:
    """Run what needs no item decoded: class names and sizes, groups across parts, equal files across parts."""
    material = _material(adapter, X, y, groups, parts, (), 0, None)
    found = list[Finding]()
    for name in AT_TRAINING:
        with contextlib.suppress(NotAskedError):
            found += [finding for finding in CHECKS[name].run(material) if finding.kind not in REFUSED]
    if parts is not None:  # within one part, training merges copies, and tells which contradict each other
        found += check_exact_copies(material)
    return _audit(material, found, "", {}, {})


def _material(
    adapter: Adapter,
    X: Any,
    y: Any,
    groups: Any,
    parts: Any,
    skipped: tuple[Skipped, ...],
    random_state: int,
    progress: Progress | None,
    names: Sequence[str] | None = None,
) -> Material:
    items = adapter.check_items(X)
    columns = {
        name: None if it is None else np.asarray(it) for name, it in (("y", y), ("groups", groups), ("parts", parts))
    }
    for name, column in (*columns.items(), ("names", names)):
        if column is not None and len(column) != len(items):
            raise DataError(f"{name} has {len(column)} entries for {len(items)} items: give one for each item")
    nothing: Progress = lambda doing, done, total: None  # noqa: E731  (a default that is called)
    return Material(
        adapter, items, columns["y"], columns["groups"], columns["parts"], skipped, X, None, (), random_state,
        progress or nothing, names,
    )  # fmt: skip


def _audit(
    material: Material, found: list[Finding], source: str, seconds: dict[str, float], left_out: dict[str, str]
) -> Audit:
    return Audit(
        tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))),
        source,
        [material.name(at) for at in range(len(material.items))],
        material.labels,
        material.parts,
        seconds,
        left_out,
    )
