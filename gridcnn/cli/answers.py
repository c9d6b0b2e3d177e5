"""The answers of `predict`, written as they come: to standard output, or to a file that gets its name at the end."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gridcnn.cli.output import written
from gridcnn.errors import ConfigurationError

__all__ = ["Answers"]


class Answers:
    """A csv table that grows row by row.

    Parameters
    ----------
    output : Path or None
        The file; None is standard output. What is no plain file, such as a pipe, is written to as it is.

    Attributes
    ----------
    n_rows, n_failed : int
        Number of rows written, and of those with an error, the last column.
    """

    def __init__(self, output: Path | None) -> None:
        self._output = output
        self._stream: IO[str] = sys.stdout
        self.n_rows = self.n_failed = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open the file, which gets its name at the end of the block, or when a person stops the command in it.

        After any other error it is removed, and what had its name before stays.

        Raises
        ------
        ConfigurationError
            If it cannot be written.
        """
        if self._output is None:
            yield
            return
        stopped = None
        try:
            with written(self._output) as self._stream:
                try:
                    yield
                except KeyboardInterrupt as error:
                    if not self.n_rows:
                        raise
                    stopped = error
        except OSError as error:
            raise ConfigurationError(
                f"{self._output} cannot be written ({error.strerror}): choose another place."
            ) from None
        if stopped is not None:
            raise stopped

    def head(self, labels: Iterable[object]) -> None:
        """Write the names of the columns."""
        self._write([["item", "prediction", *(f"p({label})" for label in labels), "error"]])

    def add(self, rows: Sequence[Sequence[object]]) -> None:
        """Write rows, and hand them on at once."""
        self._write(rows)
        self.n_rows += len(rows)
        self.n_failed += sum(1 for row in rows if row[-1])

    def _write(self, rows: Iterable[Sequence[object]]) -> None:
        self._stream.write("".join(f"{','.join(map(_cell, row))}\n" for row in rows))
        self._stream.flush()


def _cell(value: object) -> str:
    """Write a value as a cell of a csv file, in quotes if need be."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if re.search('[",\r\n]', text):  # Python's own writer leaves a lone carriage return without quotes
        return '"' + text.replace('"', '""') + '"'
    return text
