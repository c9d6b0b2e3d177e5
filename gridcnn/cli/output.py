"""What a command leaves behind: tables on standard output, remarks on standard error, files.

A user's text is printed as it is, never read as markup; characters that a terminal would obey are escaped.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gridcnn.display import printable
from gridcnn.durable import make_folder
from gridcnn.errors import ConfigurationError, GridcnnError, Skipped
from gridcnn.pipeline.replacing import replacing
from gridcnn.temporary import as_called

if TYPE_CHECKING:
    from gridcnn.model import FittedModel

LEAST_SPACE = 16 * 2**20  # bytes that a disk should have left, more than any model and its history need
MOST_LISTED = 20  # left-out items named on a terminal; the file beside the model has all of them
PAGES = frozenset({".html", ".htm"})
"""Suffixes of pages."""

LONGEST_LINE = 300  # characters of a reason


def printable_lines(text: object) -> str:
    """Return text of several lines with its other control characters escaped."""
    return "\n".join(map(printable, str(text).split("\n")))


def survive_any_text() -> None:
    """Let standard output and error escape what their encoding lacks, instead of failing half-way.

    A stream that is closed (`>&-`, a service without a terminal) leads nowhere.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  (open as long as the process runs)
    sys.stdout, sys.stderr = (
        open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: PTH123, SIM115
        for stream in (sys.stdout, sys.stderr)
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def note(line: str) -> None:
    """Print a remark to standard error."""
    print(printable(as_called(line)), file=sys.stderr)


def table(*columns: object, title: str | None = None) -> Table:
    """Return an empty table; its cells are added by `add_row`."""
    made = Table(title=None if title is None else Text(printable(title)))
    for column in columns:
        made.add_column(Text(printable(column)))
    return made


def add_row(to: Table, *cells: object) -> None:
    """Add a row of cells to a table, as plain text."""
    to.add_row(*(Text(printable(cell)) for cell in cells))


def print_table(filled: Table) -> None:
    """Print a table; a pipe is as wide as the table."""
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    with console.capture() as shown:
        console.print(filled)
    print(shown.get(), end="")  # not by rich, which has its own exit code for `| head`


def list_skipped(skipped: Sequence[Skipped]) -> None:
    """Print what was left out and why, to standard error: the first ones, and how many there are besides."""
    for each in skipped[:MOST_LISTED]:
        line = f"  {each.item}: {each.reason}"
        note(line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…")
    if len(skipped) > MOST_LISTED:
        note(f"  … and {len(skipped) - MOST_LISTED:,} more")


def prepare_output(
    output: Path, inputs: Iterable[str | Path] = (), *, plain: bool = False, model: bool = False
) -> None:
    """Make sure, before the work begins, that its result can be written, and that this loses no input and no model.

    Parameters
    ----------
    output : Path
        A file that the command will write; `written` and `save_model` make its folder.
    inputs : iterable of str or path
        What the command reads: the model, files, folders. Names of data sets and sentences, which are no files, are
        passed over.
    plain : bool
        Whether the result must be a plain file, and not a device or a pipe.
    model : bool
        Whether the result is a model: models are replaced by models only, and a model replaces nothing else.

    Raises
    ------
    ConfigurationError
        If the output is a folder or one of the inputs, by whatever name, or cannot be written.
    """
    try:
        if not output.name:
            raise ConfigurationError("an empty name is no file: say where the result goes, such as -o FILE.")
        if output.is_dir():
            raise ConfigurationError(f"{output} is a folder: name a file in it, such as {output / 'result'}.")
        if output.is_file():
            _refuse_to_lose(output, inputs, model=model)
        elif output.exists():
            if plain:
                raise ConfigurationError(f"{output} is no plain file: give the result another name.")
            return
        place = Path(os.path.realpath(output))
        folder = next(each for each in place.parents if each.exists())  # the others are made when there is a result
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{place.name[:32]}."):
            pass
        (folder / place.name).exists()  # fails if the name is too long
        free = shutil.disk_usage(folder).free
    except ConfigurationError:
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{output} cannot be written ({why}): choose another place.") from None
    if free < LEAST_SPACE:
        raise ConfigurationError(
            f"{output} cannot be written: the disk has only {free / 2**20:.1f} MB left. Make room, or choose another "
            "place."
        )


def prepare_page(output: Path, inputs: Iterable[str | Path] = (), *, plain: bool = False) -> None:
    """Make sure of the same for a page, whose name says that it is one, or says nothing.

    Raises
    ------
    ConfigurationError
        As `prepare_output`, or if the name ends as that of another kind of file.
    """
    if output.suffix.lower() not in PAGES | {""}:
        raise ConfigurationError(f"{output}: a page is written: let the name end in .html, such as {output.stem}.html.")
    prepare_output(output, inputs, plain=plain)


def _refuse_to_lose(output: Path, inputs: Iterable[str | Path], *, model: bool) -> None:
    """Refuse to replace an existing file that is read, that is read-only, or that is of another kind."""
    from gridcnn.bundle import is_bundle

    if any(_is_read(output, each) for each in inputs):
        raise ConfigurationError(f"{output} is also read by this command: give the result another name.")
    if not os.access(output, os.W_OK):
        raise ConfigurationError(f"{output} exists and is read-only: give the result another name.")
    if model and output.stat().st_size and not is_bundle(output):
        raise ConfigurationError(f"{output} exists and is no model: give the model another name, or remove that file.")
    if not model and is_bundle(output):
        raise ConfigurationError(f"{output} is a model: give the result another name.")


def _is_read(output: Path, source: str | Path) -> bool:
    """Whether an existing file is an input, by whatever name, or lies in a folder that is one and is no result."""
    try:
        if output.samefile(source):
            return True
        inside = Path(source).is_dir() and output.resolve().is_relative_to(Path(source).resolve())
    except (OSError, ValueError):
        return False  # the name of a data set, or a sentence
    return inside and not _is_result(output)


def _is_result(file: Path) -> bool:
    """Whether gridcnn wrote a file: an earlier result in a folder of items is no item."""
    from gridcnn.bundle import is_bundle

    with file.open("rb") as opened:
        start = opened.read(64).lower()
    return is_bundle(file) or not start or start.startswith(_RESULTS)


_RESULTS = (b"<!doctype html", b"item,prediction,", b'{"item": ', b"item,reason\n", b"epoch,loss,")
"""How pages, predictions, lists of skipped items and histories begin."""


@contextlib.contextmanager
def written(output: Path) -> Iterator[IO[str]]:
    """Open a text file that appears whole, under its name, at the end of the block, or not at all.

    What is no plain file, such as a pipe, is written to as it is. What UTF-8 has no form for, such as the bytes of an
    old file name, is escaped.
    """
    special = output.exists() and not output.is_file()
    make_folder(output.parent)
    opened = output.open if special else functools.partial(replacing, output)
    with opened("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        yield stream


def write_csv(output: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a csv file, whole or not at all."""
    import csv

    with written(output) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def save_model(model: FittedModel, output: Path) -> Path:
    """Save a model, at its place or, if that has become impossible, somewhere else; return where it is.

    Hours of training are not lost to a disk that filled up meanwhile: the working folder, the home folder and the
    system's folder for temporary files are tried as well.

    Raises
    ------
    GridcnnError
        If none of them can be written.
    """
    from gridcnn.bundle import save

    failures = []
    for place in _places(output):
        try:
            make_folder(place.parent)
            save(model, place)
        except (OSError, GridcnnError) as error:
            failures.append(f"{place}: {getattr(error, 'strerror', None) or error}")
        else:
            if failures:
                note(f"warning: the model could not be saved to {failures[0]}. It is saved to {place} instead.")
            return place
    raise GridcnnError(f"the model could not be saved anywhere: {'; '.join(failures)}")


def _places(output: Path) -> Iterator[Path]:
    """Yield where a model may go: its place, and others that replace nothing."""
    yield output
    for folder in (Path.cwd, Path.home, tempfile.gettempdir):
        try:
            place = _unused(Path(folder()) / output.name)
        except (OSError, RuntimeError):  # the working folder was removed, or this user has no home
            continue
        yield place


def _unused(place: Path) -> Path:
    """Return a name that no file has yet: a fallback replaces nothing."""
    number, free = 1, place
    while free.exists():
        free = place.with_name(f"{place.stem}-{number}{place.suffix}")
        number += 1
    return free
