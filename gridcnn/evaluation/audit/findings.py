"""What an audit finds: records that a terminal, a program and a page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from gridcnn.display import as_table, counted

__all__ = ["MOST_EXAMPLES", "SEVERITIES", "Audit", "Example", "Finding", "NotAskedError", "Severity", "items_are"]

Severity: TypeAlias = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the gravest on: scores or models will be wrong; they may be; a person should know."""

MOST_EXAMPLES = 12
"""Examples that a finding keeps, the worst first."""


def items_are(count: int) -> str:
    """Return "1 item is" or "2,000 items are", as a message begins."""
    return counted(count, "item is", "items are")


class NotAskedError(Exception):
    """What a check needs is missing: it found nothing because it did not look. The message says what it needs."""


@dataclass(frozen=True)
class Example:
    """One example of a finding.

    Parameters
    ----------
    items : tuple of int
        Indices of the items that belong together in it, among all items; empty if it is about none that was read.
    note : str
        What a person should see in them.
    """

    items: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be, with the data.

    Parameters
    ----------
    kind : str
        Name of the finding, for programs: `"copies-across-parts"`.
    severity : {"error", "warning", "note"}
        `"error"`: scores will be wrong, or items are. `"warning"`: they may be. `"note"`: a person should know.
    message : str
        What was found.
    advice : str
        What to do about it.
    count : int
        Number of items, classes or groups that it is about.
    examples : tuple of Example
        The worst ones, at most 12.
    numbers : mapping
        What was measured, JSON-ready.
    affected : tuple of int
        Indices of all items that it is about, if it is about single items.
    """

    kind: str
    severity: Severity
    message: str
    advice: str
    count: int
    examples: tuple[Example, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    affected: tuple[int, ...] = ()


@dataclass(frozen=True)
class Audit:
    """The findings about a data set, the gravest first.

    Parameters
    ----------
    findings : tuple of Finding
    source : str
        Name of the data.
    names : sequence of n str
        What a person calls each item.
    labels, parts : sequence of n, or None
        Class and part of each item.
    seconds : mapping of str to float
        How long each check that was run took.
    left_out : mapping of str to str
        Why other checks were not run.
    """

    findings: tuple[Finding, ...]
    source: str
    names: Sequence[str]
    labels: np.ndarray | None
    parts: np.ndarray | None
    seconds: Mapping[str, float]
    left_out: Mapping[str, str]

    def worst(self) -> Severity | None:
        """Return the gravest severity among the findings; None without any."""
        return next((each for each in SEVERITIES if any(finding.severity == each for finding in self.findings)), None)

    def described(self, item: int) -> dict[str, Any]:
        """Return name, class and part of an item, JSON-ready."""
        described: dict[str, Any] = {"item": self.names[item], "index": item}
        for name, column in (("label", self.labels), ("part", self.parts)):
            if column is not None:
                described[name] = column[item].item() if isinstance(column, np.ndarray) else column[item]
        return described

    def to_dict(self) -> dict[str, Any]:
        """Return the audit, JSON-ready."""
        return {
            "source": self.source,
            "items": len(self.names),
            "worst": self.worst(),
            "findings": [
                {
                    "kind": finding.kind,
                    "severity": finding.severity,
                    "message": finding.message,
                    "advice": finding.advice,
                    "count": finding.count,
                    "numbers": dict(finding.numbers),
                    "examples": [
                        {"note": example.note, "items": [self.described(item) for item in example.items]}
                        for example in finding.examples
                    ],
                    "affected": list(finding.affected),
                }
                for finding in self.findings
            ],
            "checks": {name: round(seconds, 3) for name, seconds in self.seconds.items()},
            "left_out": dict(self.left_out),
        }

    def __str__(self) -> str:
        lines = [
            f"{finding.severity}: {finding.message} ({finding.count:,}). {finding.advice}" for finding in self.findings
        ]
        return "\n".join(lines or ["nothing was found"])

    def _repr_html_(self) -> str:
        """Show the findings in a notebook."""
        if not self.findings:
            return f"<p>{counted(len(self.names), 'item')}, and nothing was found.</p>"
        return as_table(
            ("severity", "found", "count", "what to do"),
            [(each.severity, each.message, each.count, each.advice) for each in self.findings],
        )
