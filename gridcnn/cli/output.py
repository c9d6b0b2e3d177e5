"""What a command leaves behind: tables on standard output, remarks on standard error, files.

A user's text is printed as it is, never read as markup; characters that a terminal would obey are escaped.
"""

from __future__ import annotations

import contextlib
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

from gridcnn.errors import ConfigurationError, GridcnnError, Skipped

if TYPE_CHECKING:
    from gridcnn.model import FittedModel

LEAST_SPACE = 16 * 2**20  # bytes that a disk should have left, more than any model and its history need
MOST_LISTED = 20  # left-out items named on a terminal; the file beside the model has all of them
LONGEST_LINE = 300  # characters of a reason


def printable(text: object) -> str:
    """Return text with its control characters escaped, in one line: names of files and classes may hold any."""
    return "".join(each if each.isprintable() else _escaped(each) for each in str(text))


def printable_lines(text: object) -> str:
    """Return text of several lines with its other control characters escaped."""
    return "\n".join(map(printable, str(text).split("\n")))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def survive_any_text() -> None:
    """Let standard output and error escape what their encoding lacks, instead of failing half-way."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def note(line: str) -> None:
    """Print a remark to standard error."""
    print(printable(line), file=sys.stderr)


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
    console.print(filled)


def list_skipped(skipped: Sequence[Skipped]) -> None:
    """Print what was left out and why, to standard error: the first ones, and how many there are besides."""
    for each in skipped[:MOST_LISTED]:
        line = f"  {each.item}: {each.reason}"
        note(line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…")
    if len(skipped) > MOST_LISTED:
        note(f"  … and {len(skipped) - MOST_LISTED:,} more")


def prepare_output(output: Path, inputs: Iterable[str | Path] = (), *, plain: bool = False) -> None:
    """Make sure, before the work begins, that its result can be written, and that this loses no input.

    Parameters
    ----------
    output : Path
        A file that the command will write; its folder is made.
    inputs : iterable of str or path
        What the command reads: the model, files, folders. Names of data sets, which are no files, are passed over.
    plain : bool
        Whether the result must be a plain file, and not a device or a pipe.

    Raises
    ------
    ConfigurationError
        If the output is a folder or one of the inputs, by whatever name, or cannot be written.
    """
    try:
        if output.is_dir():
            raise ConfigurationError(f"{output} is a folder: name a file in it, such as {output / 'result'}.")
        special = output.exists() and not output.is_file()
        if output.exists() and not special and any(_is_read(output, Path(each)) for each in inputs):
            raise ConfigurationError(f"{output} is also read by this command: give the result another name.")
        if special:
            if plain:
                raise ConfigurationError(f"{output} is no plain file: give the result another name.")
            return
        if output.exists() and not os.access(output, os.W_OK):
            raise ConfigurationError(f"{output} exists and is read-only: give the result another name.")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}."):
            pass
        free = shutil.disk_usage(output.parent).free
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


def _is_read(output: Path, source: Path) -> bool:
    """Whether an existing file is an input, by whatever name, or lies in a folder that is one."""
    if not source.exists():
        return False  # the name of a data set
    return output.samefile(source) or (source.is_dir() and output.resolve().is_relative_to(source.resolve()))


@contextlib.contextmanager
def written(output: Path) -> Iterator[IO[str]]:
    """Open a text file that appears whole, under its name, at the end of the block, or not at all.

    What is no plain file, such as a pipe, is written to as it is. What UTF-8 has no form for, such as the bytes of an
    old file name, is escaped.
    """
    if output.exists() and not output.is_file():
        with output.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            yield stream
        return
    handle, draft = tempfile.mkstemp(dir=Path(os.path.realpath(output)).parent, prefix=f".{output.name}.")
    place = Path(draft)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            yield stream
        umask = os.umask(0)
        os.umask(umask)
        place.chmod(0o666 & ~umask)  # mkstemp makes files that only the owner can read
        place.replace(os.path.realpath(output))  # a link stays one
    except BaseException:
        place.unlink(missing_ok=True)
        raise


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
    for folder in dict.fromkeys([output.parent, Path.cwd(), Path.home(), Path(tempfile.gettempdir())]):
        place = folder / output.name if folder == output.parent else _unused(folder / output.name)
        try:
            save(model, place)
        except (OSError, GridcnnError) as error:
            failures.append(f"{place}: {getattr(error, 'strerror', None) or error}")
        else:
            if failures:
                note(f"warning: the model could not be saved to {failures[0]}. It is saved to {place} instead.")
            return place
    raise GridcnnError(f"the model could not be saved anywhere: {'; '.join(failures)}")


def _unused(place: Path) -> Path:
    """Return a name that no file has yet: a fallback replaces nothing."""
    number, free = 1, place
    while free.exists():
        free = place.with_name(f"{place.stem}-{number}{place.suffix}")
        number += 1
    return free
