"""Items that cannot be read, that are silent, clipped or constant, and mixed sample rates."""

from __future__ import annotations

from collections import Counter, defaultdict

from gridcnn.evaluation.audit.findings import MOST_EXAMPLES, Example, Finding, items_are
from gridcnn.evaluation.audit.material import Material

__all__ = ["check_flaws", "check_mixed", "check_readable"]

TOLERATED_SHARE = 0.1
"""Up to this share of the items may be unreadable before it is an error."""


def check_readable(material: Material) -> list[Finding]:
    """Find the items that cannot be decoded, with those that the loader left out."""
    bad = [at for at, reason in enumerate(material.reasons) if reason]
    count = len(bad) + len(material.skipped)
    if not count:
        return []
    examples = [Example((at,), material.reasons[at]) for at in bad]
    examples += [Example((), f"{each.item}: {each.reason}") for each in material.skipped]
    share = count / (len(material.items) + len(material.skipped))
    return [
        Finding(
            "unreadable", "error" if share > TOLERATED_SHARE else "warning",
            f"{count:,} of {len(material.items) + len(material.skipped):,} items cannot be read",
            "Training leaves them out: export or download them again, or remove them.",
            count, tuple(examples[:MOST_EXAMPLES]), {"share": share}, tuple(bad),
        )
    ]  # fmt: skip


def check_flaws(material: Material) -> list[Finding]:
    """Find the items that hold nothing, or that are damaged and can be read all the same."""
    by_flaw: dict[str, list[int]] = defaultdict(list)
    for at, inspection in material.read.items():
        for flaw in inspection.flaws:
            by_flaw[flaw].append(at)
    return [
        Finding(
            flaw.replace(" ", "-"), "warning", f"{items_are(len(items))} {flaw}",
            f"Look at them, and remove what is no example of its class{_by_class(material, items)}.",
            len(items), tuple(Example((item,)) for item in items[:MOST_EXAMPLES]), affected=tuple(items),
        )
        for flaw, items in by_flaw.items()
    ]  # fmt: skip


def _by_class(material: Material, items: list[int]) -> str:
    """Say of which class most of the items are, if they are of few."""
    counts = Counter(material.label(item) for item in items).most_common(2)
    if material.labels is None or len(items) < 3:
        return ""
    return f" ({', '.join(f'{count} are of {label}' for label, count in counts)})"


def check_mixed(material: Material) -> list[Finding]:
    """Find what all items should be stored alike in, and are not: sample rates."""
    found = []
    for name in material.inspector.uniform:
        values: dict[float | str, list[int]] = defaultdict(list)
        for at, inspection in material.read.items():
            if name in inspection.stored:
                values[inspection.stored[name]].append(at)
        if len(values) < 2:
            continue
        ordered = sorted(values.items(), key=lambda each: -len(each[1]))
        listed = ", ".join(f"{_plain(value)} ({len(items):,})" for value, items in ordered[:5])
        minority = [item for _, items in ordered[1:] for item in items]
        found.append(
            Finding(
                f"mixed-{name.replace(' ', '-')}", "note", f"items differ in their {name}: {listed}",
                "They are resampled to one; what only some of them hold (high frequencies) tells where an item comes "
                "from rather than what it is.",
                len(minority), tuple(Example((items[0],), f"{name} {_plain(value)}") for value, items in ordered[:6]),
                {"counts": {_plain(value): len(items) for value, items in ordered[:20]}}, tuple(minority),
            )
        )  # fmt: skip
    return found


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}" if value % 1 else f"{value:,.0f}"
