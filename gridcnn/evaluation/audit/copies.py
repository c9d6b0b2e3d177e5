"""Copies: items of equal content, and items that are the same but for how it is stored, within and across parts."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.errors import ItemError
from gridcnn.evaluation.audit.findings import MOST_EXAMPLES, Example, Finding, items_are
from gridcnn.evaluation.audit.material import Material
from gridcnn.evaluation.audit.nearest import near_pairs
from gridcnn.pipeline.duplicates import content_keys, identity

__all__ = ["check_copies", "check_exact_copies"]

SURE = 0.93
"""Likeness from which two items are copies."""

LIKELY, ISOLATED = 0.7, 0.25
"""Likeness from which they are copies if their distance is at most this share of that to other neighbours."""

MOST_CLOSE_UPS = 4_096  # kept in memory
MOST_SHOWN = 4  # items of a cluster


@dataclass(frozen=True)
class _Cluster:
    """Items that are copies of each other; `exact` if all of their contents are equal."""

    items: tuple[int, ...]
    exact: bool


def check_exact_copies(material: Material) -> list[Finding]:
    """Find items of equal bytes, without decoding them; those within one part and class are merged in training."""
    names = [identity(item, at) for at, item in enumerate(material.items)]
    keys = content_keys(material.items, names, files=material.adapter.reads_files)
    found = _findings(material, [_Cluster(tuple(same), exact=True) for same in _groups(keys)])
    return [finding for finding in found if finding.kind != "copies"]


def check_copies(material: Material) -> list[Finding]:
    """Find items of equal content, of equal form, and pictures and sounds that are near copies of each other."""
    read = material.read
    forest, exact = (_Forest(len(material.items)) for _ in range(2))
    for same in _groups([each.digest for each in read.values()], list(read)):
        forest.join(same)
        exact.join(same)
    for same in _groups([each.key or b"%d" % at for at, each in read.items()], list(read)):
        forest.join(same)
    for pair in _near_copies(material, [at for at in read if exact.root(at) == at]):
        forest.join(pair)
    clusters = [
        _Cluster(tuple(items), len({exact.root(item) for item in items}) == 1)
        for items in _groups([b"%d" % forest.root(at) for at in read], list(read))
    ]
    return _findings(material, clusters)


class _Forest:
    """Which items are joined, directly or through others; the smallest index stands for all of them."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def root(self, item: int) -> int:
        while self._above[item] != item:
            self._above[item] = item = self._above[self._above[item]]
        return item

    def join(self, items: Sequence[int]) -> None:
        roots = sorted({self.root(item) for item in items})
        for root in roots[1:]:
            self._above[root] = roots[0]


def _groups(keys: Iterable[bytes], places: Sequence[int] | None = None) -> list[list[int]]:
    """Return the places of the keys that occur more than once, by key."""
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        by_key[key].append(at if places is None else places[at])
    return [same for same in by_key.values() if len(same) > 1]


def _near_copies(material: Material, candidates: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs of items that are the same, stored in two ways."""
    inspector, read = material.inspector, material.read
    known = {at: vector for at in candidates if (vector := read[at].vector) is not None}
    by_size: dict[int, list[int]] = defaultdict(list)  # rows of different lengths are no copies
    for at, vector in known.items():
        by_size[len(vector)].append(at)
    found = []
    for same_size in by_size.values():
        vectors = np.stack([known[at] for at in same_size])
        pairs = near_pairs(vectors, inspector.turned(vectors), inspector.near)

        @functools.lru_cache(MOST_CLOSE_UPS)
        def close_up(item: int) -> Any:
            try:
                return inspector.close_up(material.items[item])
            except ItemError:  # it could be read a moment ago
                return None

        for done, pair in enumerate(pairs):
            one, other = same_size[pair.first], same_size[pair.second]
            first, second = close_up(one), close_up(other)
            if first is None or second is None:
                continue
            likeness = inspector.likeness(first, second)
            if likeness >= SURE or (likeness >= LIKELY and pair.isolation <= ISOLATED):
                found.append((one, other))
            if done % 100 == 0:
                material.progress("comparing", done, len(pairs))
    return found


def _findings(material: Material, clusters: Sequence[_Cluster]) -> list[Finding]:
    """Sort clusters by what is wrong with them; each is told once, where it does the most harm."""
    labels, parts = material.labels, material.parts
    contradicting, across, within = list[_Cluster](), list[_Cluster](), list[_Cluster]()
    for cluster in clusters:
        items = list(cluster.items)
        if labels is not None and len(set(labels[items].tolist())) > 1:
            contradicting.append(cluster)
        elif parts is not None and len(set(parts[items].tolist())) > 1:
            across.append(cluster)
        else:
            within.append(cluster)
    found = []
    if contradicting:
        found.append(
            _finding(
                material, contradicting, "copies-of-different-classes", "error",
                "equal to others of another class",
                "At most one of the labels is right: correct them, or remove the items.",
            )
        )  # fmt: skip
    if across:
        found.append(
            _finding(
                material, across, "copies-across-parts", "error", "equal to others in another part",
                "They are scored after the model has learned them, so the score is too high: remove them from one of "
                "the parts.",
            )
        )  # fmt: skip
    if within:
        near = any(not cluster.exact for cluster in within)
        advice = (
            "Give copies a common --group, or remove them: a random validation split may put them on both sides. "
            "(Exact ones are merged in training.)"
            if near
            else "Training merges them; remove them if they are no intended repetition."
        )
        severity = "warning" if near else "note"
        found.append(_finding(material, within, "copies", severity, "equal to others", advice))
    return found


def _finding(
    material: Material, clusters: Sequence[_Cluster], kind: str, severity: Any, what: str, advice: str
) -> Finding:
    extra = [item for cluster in clusters for item in cluster.items[1:]]
    exact = sum(len(cluster.items) - 1 for cluster in clusters if cluster.exact)
    how = {0: "but for how they are stored", len(extra): "exactly"}.get(exact, f"{exact:,} of them exactly")
    shown = sorted(clusters, key=lambda cluster: cluster.exact)[:MOST_EXAMPLES]  # what nobody sees at once comes first
    examples = tuple(
        Example(_telling(material, cluster)[:MOST_SHOWN], _told(cluster, len(cluster.items) - MOST_SHOWN))
        for cluster in shown
    )
    return Finding(
        kind, severity, f"{items_are(len(extra))} {what} ({how})", advice, len(extra), examples,
        {"exact": exact, "near": len(extra) - exact, "clusters": [list(cluster.items) for cluster in clusters]},
        tuple(sorted(item for cluster in clusters for item in cluster.items)),
    )  # fmt: skip


def _telling(material: Material, cluster: _Cluster) -> tuple[int, ...]:
    """Return the items of a cluster, those first that show of which classes and parts it is."""
    kinds = {
        item: (material.label(item), "" if material.parts is None else str(material.parts[item]))
        for item in cluster.items
    }
    first = {kind: item for item, kind in reversed(kinds.items())}
    return tuple(sorted(cluster.items, key=lambda item: (first[kinds[item]] != item, item)))


def _told(cluster: _Cluster, more: int) -> str:
    kind = "equal" if cluster.exact else "the same but for how it is stored"
    return f"{kind}{f', and {more} more' if more > 0 else ''}"
