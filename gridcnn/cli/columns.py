"""The columns of a file of rows that a person named."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Columns"]


@dataclass(frozen=True)
class Columns:
    """The columns of a manifest that a person named."""

    label: str | None = None
    text: str | None = None
    path: str | None = None
    group: str | None = None
    split: str | None = None
    start: str | None = None
    end: str | None = None
    annotations: str | None = None
    encoding: str | None = None
    labels: str | None = None

    def given(self, *without: str) -> list[str]:
        """Return the flags that were used."""
        names = (field.name for field in fields(self))
        return [f"--{name}" for name in names if getattr(self, name) is not None and name not in without]
