"""The columns of a file of rows that a person named."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields

from gridcnn.errors import ConfigurationError

__all__ = ["Columns"]


@dataclass(frozen=True)
class Columns:
    """The columns of a manifest that a person named.

    Raises
    ------
    ConfigurationError
        If two of them contradict each other, or one lacks another.
    """

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

    def __post_init__(self) -> None:
        if self.label is not None and self.labels is not None:
            raise ConfigurationError("--label is one label an item, --labels several: give one of them.")
        if self.text is not None and self.path is not None:
            raise ConfigurationError("--text names a column of sentences, --path one of files: give one of them.")
        if (self.start is None) != (self.end is None):
            raise ConfigurationError("--start and --end belong together: name both columns, or neither.")
        if self.annotations is not None:
            self._check_annotations()
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise ConfigurationError(
                    f"--encoding: Python knows no encoding {self.encoding!r}: expected such as utf-8 or cp1252."
                ) from None

    def _check_annotations(self) -> None:
        from gridcnn.datasets.annotations import KINDS

        if self.annotations not in (*KINDS, "auto"):
            raise ConfigurationError(
                f"--annotations: expected auto or one of {', '.join(KINDS)}, got {self.annotations!r}"
            )
        others = [f"--{name}" for name in ("text", "path", "start", "end") if getattr(self, name) is not None]
        if others:
            raise ConfigurationError(
                f"{', '.join(others)}: leave it out: the format of annotations says what is where."
            )

    def given(self, *without: str) -> list[str]:
        """Return the flags that were used."""
        names = (field.name for field in fields(self))
        return [f"--{name}" for name in names if getattr(self, name) is not None and name not in without]
