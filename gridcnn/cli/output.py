"""What a command leaves behind: tables on standard output, remarks on standard error, files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gridcnn.errors import ConfigurationError, Skipped


def note(line: str) -> None:
    """Print a remark to standard error."""
    print(line, file=sys.stderr)


def print_table(table: Table) -> None:
    """Print a table; a pipe is as wide as the table."""
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    console.print(table)


def list_skipped(skipped: Iterable[Skipped]) -> None:
    """Print what was left out and why, to standard error."""
    for each in skipped:
        note(f"  {each.item}: {each.reason}")


def prepare_output(output: Path) -> None:
    """Make sure, before the work begins, that its result can be written."""
    if output.is_dir():
        raise ConfigurationError(f"{output} is a folder: name a file in it, such as {output / 'model.safetensors'}.")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{output.parent} cannot be made ({error.strerror}): choose another folder.") from None
