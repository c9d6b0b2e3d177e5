"""The answers of `predict`, written as they come: to standard output, or to a file that gets its name at the end."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from gridcnn.cli.formats import Column, Format
from gridcnn.cli.output import printable_lines
from gridcnn.cli.partial import Mark, Partial
from gridcnn.cli.resuming import differences
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError
from gridcnn.multilabel import joined

if TYPE_CHECKING:
    from gridcnn.answer_rule import AnswerRule
    from gridcnn.predictions import Predictions

__all__ = ["Answers", "Columns", "Part", "columns_of"]


class Part(Protocol):
    """Some rows: predictions, or what else there is one of for each item."""

    @property
    def items(self) -> Sequence[str]:
        """Their names."""

    @property
    def errors(self) -> Sequence[str]:
        """Why they have no values; empty for those that have."""

    def __len__(self) -> int: ...


Columns = Sequence[tuple[Column, Callable[[Any], Sequence[Any]]]]
"""The columns of a file, in order, each with what reads its values from a part."""


def columns_of(rule: AnswerRule) -> list[tuple[Column, Callable[[Predictions], Sequence[Any]]]]:
    """Return the columns of the answers, in order, each with what reads its values from some predictions.

    All formats write these and nothing else: a further column is one more line here.
    """
    labels = rule.classes.tolist()
    kind = str if rule.abstains or rule.several else type(labels[0])

    def written(answer: Any) -> Any:
        return joined(answer, labels) if rule.several else kind(answer)

    return [
        (Column("item", str), lambda part: part.items),
        (Column("prediction", kind), lambda part: [None if each is None else written(each) for each in part.labels]),
        *([] if rule.largest_miss is None else [(Column("set", list), _sets)]),
        *((Column(f"p({label})", float), _probability(at)) for at, label in enumerate(labels)),
        (Column("error", str), lambda part: [error or None for error in part.errors]),
    ]


def _sets(part: Predictions) -> Sequence[Any]:
    sets = () if part.sets is None else part.sets
    return [None if each is None else [str(label) for label in each] for each in sets]


def _probability(at: int) -> Callable[[Predictions], Sequence[Any]]:
    return lambda part: [None if it != it else it for it in part.probabilities[:, at].tolist()]  # noqa: PLR0124  (NaN)


class Answers:
    """A table that grows row by row.

    Parameters
    ----------
    output : Path or None
        The file; None is standard output. What is no plain file, such as a pipe, is written to as it is.
    unfinished : Partial or None
        Its unfinished form, if it is a plain file.
    kind : type of Format
        How rows are written.
    columns : sequence of (Column, callable)
        What a row has, such as `columns_of(rule)`.
    about : mapping of str to str
        What the file says of itself, see `Format`.

    Attributes
    ----------
    n_rows, n_failed : int
        Number of rows written, also by the run that this one goes on with, and of those with an error.
    """

    def __init__(
        self,
        output: Path | None,
        unfinished: Partial | None,
        kind: type[Format],
        columns: Columns,
        about: Mapping[str, str] | None = None,
    ) -> None:
        self._format = kind([column for column, _ in columns], about)
        self._values = [values for _, values in columns]
        self._output, self._partial = output, unfinished
        self._write: Callable[[bytes], object] = _to_standard_output
        self._names = hashlib.blake2b(digest_size=16)
        self._before: Mark | None = None
        self.n_rows = self.n_failed = 0

    @property
    def is_ahead(self) -> bool:
        """Whether rows were added to those of an earlier run."""
        return self.n_rows > (0 if self._before is None else self._before.rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self._format.columns]

    @contextmanager
    def opened(self, run: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Open the file, which gets its name at the end of the block.

        After an error, or if a person stops the command, its rows stay beside that name, and what had it before stays.

        Parameters
        ----------
        run : mapping, optional
            What makes the rows, as `what_makes` describes it; needed for a file.

        Raises
        ------
        ConfigurationError
            If it cannot be written, or the rows that are there belong to another run.
        """
        try:
            if self._output is None:
                yield from self._whole()
            elif self._partial is None:
                with self._output.open("wb") as stream:
                    self._write = _at_once(stream)
                    yield from self._whole()
            else:
                assert run is not None  # for the type checker
                self._before = self._partial.begin(run, partial(differences, now=run))
                if self._before is not None:
                    self.n_rows, self.n_failed = self._before.rows, self._before.failed
                with self._partial.writing():
                    self._write = self._partial.write
                    yield from self._whole()
                    self._partial.finish(None if self._format.is_text else self._format.convert)
        except OSError as error:
            if self._output is None:
                raise
            raise ConfigurationError(
                f"{self._output} cannot be written ({error.strerror}): choose another place."
            ) from None

    def _whole(self) -> Iterator[None]:
        if self._before is None:
            self._write(self._format.head())
        yield

    def pass_over(self, names: Iterator[str]) -> None:
        """Take the names of the items that an earlier run has answered, which have to be the same as then.

        Parameters
        ----------
        names : iterator of str
            Of all items; it is left at the first one that has no answer.

        Raises
        ------
        ConfigurationError
            If they are others.
        """
        mark, n_names = self._before, 0
        if mark is None:
            return
        for name in itertools.islice(names, mark.rows):
            self._remember(name)
            n_names += 1
        if n_names < mark.rows or self._names.hexdigest() != mark.names:
            raise ConfigurationError(
                f"{self._partial} has {counted(mark.rows, 'row')} of other items than the first ones of these inputs: "
                f"give the same inputs as before, or remove {self._partial} to begin anew."
            )

    def add(self, part: Part) -> None:
        """Write the rows of some items, and hand them on at once."""
        self._write(self._format.rows([values(part) for values in self._values]))
        self.n_rows += len(part)
        self.n_failed += sum(map(bool, part.errors))
        if self._partial is not None:
            for name in part.items:
                self._remember(name)
            self._partial.mark(self.n_rows, self.n_failed, self._names.hexdigest())

    def _remember(self, name: str) -> None:
        self._names.update(name.encode("utf-8", "surrogatepass") + b"\0")


def _at_once(stream: IO[bytes]) -> Callable[[bytes], object]:
    return lambda rows: (stream.write(rows), stream.flush())


def _to_standard_output(rows: bytes) -> None:
    text = rows.decode()
    if sys.stdout.isatty():  # which obeys control characters, and names of classes and items may hold any
        text = printable_lines(text)
    sys.stdout.write(text)
    sys.stdout.flush()
