"""What can be said on the command line: options that several commands share, and how their values are parsed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gridcnn.errors import ConfigurationError


class Choice(StrEnum):
    """A flag with a closed set of values."""


class OnError(Choice):
    """What happens to an item that cannot be read."""

    skip = "skip"
    raise_ = "raise"


class Ordering(Choice):
    """Whether the order of a table's columns is checked."""

    check = "check"
    assume = "assume"


class Pool(Choice):
    """What a pooling window becomes."""

    max = "max"
    average = "average"


class Padding(Choice):
    """What a kernel meets at the border."""

    same = "same"
    valid = "valid"


class Head(Choice):
    """How the last maps become the column."""

    flatten = "flatten"
    global_max = "global_max"
    global_average = "global_average"


def integers(flag: str, text: str | None) -> tuple[int, ...] | None:
    """Parse "24,48,96"; "none" is the empty list."""
    if text is None:
        return None
    if text.strip().lower() in {"", "none"}:
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise ConfigurationError(
            f"{flag}: expected whole numbers separated by commas, such as 24,48,96; got {text!r}"
        ) from None


def size_of(flag: str, text: str | None) -> tuple[int, int] | None:
    """Parse "32" or "48x64" (height by width)."""
    if text is None:
        return None
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.strip().isdigit() for side in sides):
        raise ConfigurationError(f"{flag}: expected pixels such as 32, or height and width such as 48x64; got {text!r}")
    return int(sides[0]), int(sides[-1])


def seconds_of(flag: str, text: str | None) -> float | None:
    """Parse a duration with its units, such as "90s", "5m" or "1h30m"."""
    if text is None:
        return None
    import pandas as pd

    try:
        seconds = float("nan") if text.isdigit() else pd.Timedelta(text).total_seconds()
    except ValueError:
        seconds = float("nan")
    if not seconds >= 1:
        raise ConfigurationError(
            f"{flag}: expected a duration of at least a second with its units, such as 90s, 5m or 1h30m; got {text!r}"
        )
    return seconds


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of class folders (images or sound), a csv/tsv/parquet/jsonl file, or the name of a set that "
        "`gridcnn datasets` lists.",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `gridcnn train` saved.")]
LabelOption = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels.  [default: label]")
]
TextOption = Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="Column of sentences.")]
PathOption = Annotated[
    str | None,
    typer.Option("--path", metavar="COLUMN", help="Column of files, relative to the folder of the csv file."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="COLUMN", help="Column that says train, validation or test.")
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of the csv file, such as cp1252.  [default: detected]")
]

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads that compute.  [default: OMP_NUM_THREADS, or the cores that this process may use]",
    ),
]


def network_option(flag: str, help_: str, **more: Any) -> Any:
    """Return an option that --help lists under the network."""
    return typer.Option(flag, help=help_, rich_help_panel="Network", **more)


def training_option(flag: str, help_: str, **more: Any) -> Any:
    """Return an option that --help lists under the training."""
    return typer.Option(flag, help=help_, rich_help_panel="Training", **more)


def input_option(flag: str, help_: str, **more: Any) -> Any:
    """Return an option that --help lists under what is read."""
    return typer.Option(flag, help=help_, rich_help_panel="Input", **more)
