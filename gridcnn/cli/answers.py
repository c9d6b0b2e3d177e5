"""The answers of `predict`, written as they come: to standard output, or to a file that gets its name at the end."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from gridcnn.errors import ConfigurationError

__all__ = ["Answers"]

_CSV: Any = {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}


class Answers:
    """A csv table that grows row by row.

    A file is written beside its place and gets its name once it is complete, or once a person has stopped the command:
    then it holds the rows so far. After any other error it is removed, and what had its name before stays. What is no
    plain file, such as a pipe, is written to as it is.

    Parameters
    ----------
    output : Path or None
        The file; None is standard output.

    Attributes
    ----------
    n_rows, n_failed : int
        Number of rows written, and of those with an error, the last column.
    """

    def __init__(self, output: Path | None) -> None:
        self._output = output
        self._draft: Path | None = None
        self._stream: IO[str] = sys.stdout
        self.n_rows = self.n_failed = 0

    def __enter__(self) -> Self:
        if self._output is not None:
            self._open(self._output)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output is None:
            return
        try:
            self._stream.close()
            if self._draft is not None and (kind is None or (issubclass(kind, KeyboardInterrupt) and self.n_rows)):
                self._draft.replace(os.path.realpath(self._output))  # a link stays one
        except OSError as failure:
            raise self._unwritable(failure) from None
        finally:
            if self._draft is not None:
                self._draft.unlink(missing_ok=True)

    def head(self, labels: Iterable[object]) -> None:
        """Write the names of the columns."""
        self._write([["item", "prediction", *(f"p({label})" for label in labels), "error"]])

    def add(self, rows: Sequence[Sequence[object]]) -> None:
        """Write rows, and hand them on at once."""
        self._write(rows)
        self.n_rows += len(rows)
        self.n_failed += sum(1 for row in rows if row[-1])

    def _open(self, output: Path) -> None:
        try:
            if output.exists() and not output.is_file():
                self._stream = output.open("w", **_CSV)
                return
            handle, draft = tempfile.mkstemp(dir=Path(os.path.realpath(output)).parent, prefix=f".{output.name}.")
            self._draft, self._stream = Path(draft), os.fdopen(handle, "w", **_CSV)
            umask = os.umask(0)
            os.umask(umask)
            self._draft.chmod(0o666 & ~umask)  # mkstemp makes files that only the owner can read
        except OSError as error:
            raise self._unwritable(error) from None

    def _write(self, rows: Iterable[Sequence[object]]) -> None:
        text = "".join(f"{','.join(map(_cell, row))}\n" for row in rows)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            if self._output is None:
                raise
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"{self._output} cannot be written ({error.strerror}): choose another place.")


def _cell(value: object) -> str:
    """Write a value as a cell of a csv file, in quotes if need be."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if re.search('[",\r\n]', text):  # Python's own writer leaves a lone carriage return without quotes
        return '"' + text.replace('"', '""') + '"'
    return text
