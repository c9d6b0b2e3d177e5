"""Groups, such as speakers or patients, that stand on both sides of a split."""

from __future__ import annotations

import numpy as np

from gridcnn.display import counted
from gridcnn.evaluation.audit.findings import MOST_EXAMPLES, Example, Finding, NotAskedError
from gridcnn.evaluation.audit.material import Material

__all__ = ["check_groups"]


def check_groups(material: Material) -> list[Finding]:
    """Find the groups that have items in the training part and in another."""
    groups, parts = material.groups, material.parts
    if groups is None or parts is None:
        missing = [name for name, column in (("groups", groups), ("parts", parts)) if column is None]
        raise NotAskedError(f"the set has no {' and no '.join(missing)}")
    known = np.isin(groups, np.unique(groups[parts == "train"]))
    leaked = np.flatnonzero(known & (parts != "train"))
    if not len(leaked):
        return []
    shared, first = np.unique(groups[leaked], return_index=True)
    examples = []
    for group, at in zip(shared[:MOST_EXAMPLES].tolist(), first[:MOST_EXAMPLES].tolist(), strict=True):
        other = int(np.flatnonzero((groups == group) & (parts == "train"))[0])
        examples.append(Example((other, int(leaked[at])), f"group {group}"))
    share = len(leaked) / int((parts != "train").sum())
    named = ", ".join(map(str, shared[:5].tolist())) + (f" and {len(shared) - 5:,} more" if len(shared) > 5 else "")
    return [
        Finding(
            "groups-across-parts", "error",
            f"{counted(len(shared), 'group')} ({named}) trained on and scored: {share:.0%} of the items to score",
            "Scores say how well known groups are recognised, not new ones: put each group into one part.",
            len(leaked), tuple(examples), {"groups": len(shared), "share": share}, tuple(leaked.tolist()),
        )
    ]  # fmt: skip
