"""Options of the command line: those that several commands share, those of hyperparameters, and their parsers."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gridcnn.errors import ConfigurationError
from gridcnn.parameters import Choice as AnyOf
from gridcnn.parameters import Constraint, Flag, Number, Optional, Parameter, Several, check, parameters_of

DURATION = "DURATION"
"""Metavar of parameters in seconds that are given with their units."""


class Choice(StrEnum):
    """A flag with a closed set of values."""


class OnError(Choice):
    """What happens to an item that cannot be read."""

    skip = "skip"
    raise_ = "raise"


class Precision(Choice):
    """How exactly a network is computed."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Ordering(Choice):
    """Whether the order of a table's columns is checked."""

    check = "check"
    assume = "assume"


def integers(flag: str, text: str) -> tuple[int, ...]:
    """Parse "24,48,96"; "none" is the empty list."""
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
    if len(sides) > 2 or not all(side.strip().isdecimal() and len(side) < 10 for side in sides):
        raise ConfigurationError(f"{flag}: expected pixels such as 32, or height and width such as 48x64; got {text!r}")
    return int(sides[0]), int(sides[-1])


def seconds_of(flag: str, text: str) -> float:
    """Parse a duration with its units, such as "90s", "5m" or "1h30m"."""
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
        help="A folder of class folders (images, sound or text) or a zip or tar of one; a csv, tsv, parquet, jsonl, "
        "json or xlsx file (or book.xlsx#SHEET); the same in a bucket, s3://BUCKET/FOLDER; the name of a set that "
        "`gridcnn datasets` lists; or hf://datasets/USER/NAME.",
    ),
]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model that `gridcnn train` saved, or hf://USER/NAME.")
]
InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders, a table (csv, tsv, parquet, jsonl), a text file with one sentence a line, or - for "
        "such lines on standard input. `predict` and `embed` read them in buckets, too: s3://BUCKET/FOLDER.",
    ),
]
LabelOption = Annotated[
    str | None, typer.Option("--label", metavar="COLUMN", help="Column of labels.  \\[default: label]")
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="COLUMN",
        help="In place of --label: column of several labels an item, as a list or as a|b|c; an empty cell is none. Of "
        "annotations the column of labels, or auto: those that overlap in time are heard together.",
    ),
]
TextOption = Annotated[str | None, typer.Option("--text", metavar="COLUMN", help="Column of sentences.")]
PathOption = Annotated[
    str | None,
    typer.Option("--path", metavar="COLUMN", help="Column of files, relative to the folder of the csv file."),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="COLUMN", help="Column that says train, validation or test.")
]
SplitPartOption = Annotated[
    str | None, typer.Option("--split-part", metavar="PART", help="Part of a divided set to score.  \\[default: test]")
]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--start",
        metavar="COLUMN",
        help="With --end: column of where a part begins, in seconds (of a log: samples; of a text: words).",
    ),
]
EndOption = Annotated[str | None, typer.Option("--end", metavar="COLUMN", help="Column of where a part ends.")]
AnnotationsOption = Annotated[
    str | None,
    typer.Option(
        "--annotations",
        metavar="FORMAT",
        help="SOURCE holds annotations of long recordings: raven, audacity, kaleidoscope, labelstudio, csv, parquet "
        "or auto.",
    ),
]
EncodingOption = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of the csv file, such as cp1252.  \\[default: detected]")
]

AdapterOption = Annotated[
    str | None,
    typer.Option(
        "--adapter",
        metavar="NAME",
        help="Adapter that reads the items, also one of an installed package.  \\[default: the one that suits them]",
        rich_help_panel="Input",
    ),
]

AbstainOption = Annotated[
    float | None,
    typer.Option(
        "--abstain",
        metavar="SHARE",
        help="Answer “unsure” rather than guess, so that this share of the given answers is right, such as 0.95: as "
        "far as the items tell that were held out in training, and for items like them.",
    ),
]
SetsOption = Annotated[
    float | None,
    typer.Option(
        "--sets",
        metavar="SHARE",
        help="Give each item the set of classes that it may belong to, so that this share of the sets holds the true "
        "class, such as 0.9.",
    ),
]
ByClassOption = Annotated[
    bool, typer.Option("--by-class", help="With --sets: keep the share among the items of each class.")
]

PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="bfloat16 is about twice as fast on CPUs that multiply it, and moves probabilities by some thousandths.",
    ),
]

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads that compute.  \\[default: OMP_NUM_THREADS, or the cores that this process may use]",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Compute in N processes of Ray, on this machine or on those of a cluster: pip install 'gridcnn\\[scale]'.",
        rich_help_panel="Many machines",
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="The cluster of --workers: HOST:PORT, auto for the one that runs here.  \\[default: RAY_ADDRESS, or this "
        "machine alone]",
        rich_help_panel="Many machines",
    ),
]


def input_option(flag: str, help_: str, **more: Any) -> Any:
    """Return an option that --help lists under what is read."""
    return typer.Option(flag, help=help_, rich_help_panel="Input", **more)


def training_option(flag: str, help_: str, **more: Any) -> Any:
    """Return an option that --help lists under the training."""
    return typer.Option(flag, help=help_, rich_help_panel="Training", **more)


def with_hyperparameters(
    *panels: tuple[type, str], without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each declared parameter of configuration classes, in their panels of --help.

    The command receives those that were given as `hyperparameters`, a dict by the names of the fields; `without` names
    fields that it has no option for.
    """
    declared = {
        each.name: (panel, each)
        for config, panel in panels
        for each in parameters_of(config).values()
        if each.flag and each.name not in without
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            given = {name: values.pop(name) for name in declared}
            parsed = {name: _parsed(declared[name][1], value) for name, value in given.items() if value is not None}
            check(parsed, {name: declared[name][1].constraint for name in parsed})  # before any data are read
            command(**values, hyperparameters=parsed)

        signature = inspect.signature(command)
        written = [each for each in signature.parameters.values() if each.name != "hyperparameters"]
        options = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(panel, each))
            for name, (panel, each) in declared.items()
        ]
        hints = typing.get_type_hints(command, include_extras=True)
        hints.pop("hyperparameters")
        described: Any = wrapper
        described.__signature__ = signature.replace(
            parameters=[*(each.replace(annotation=hints[each.name]) for each in written), *options]
        )
        described.__annotations__ = {**hints, **{option.name: option.annotation for option in options}}
        del described.__wrapped__  # or its signature would be read
        return wrapper

    return decorate


def with_options_of(other: Callable[..., None], *names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command some options of another one, as they are declared there.

    The command receives their values as `shared`, a dict by the names of the other's parameters.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(**values: Any) -> None:
            shared = {name: values.pop(name) for name in names}
            command(**values, shared=shared)

        theirs, hints = inspect.signature(other).parameters, typing.get_type_hints(command, include_extras=True)
        hints.pop("shared")
        written = [each for each in inspect.signature(command).parameters.values() if each.name != "shared"]
        inner = [each for each in written if each.name == "hyperparameters"]
        options = [theirs[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in names]
        described: Any = wrapper
        described.__signature__ = inspect.Signature(
            [
                *(each.replace(annotation=hints[each.name]) for each in written if each not in inner),
                *options,
                *(each.replace(annotation=hints[each.name]) for each in inner),
            ]
        )
        described.__annotations__ = {**hints, **{option.name: option.annotation for option in options}}
        del described.__wrapped__  # or its signature would be read
        return wrapper

    return decorate


def _constraint(parameter: Parameter) -> Constraint:
    return parameter.constraint.of if isinstance(parameter.constraint, Optional) else parameter.constraint


def _annotation(panel: str, parameter: Parameter) -> Any:
    """Return the annotation that makes typer offer a parameter as an option; None means that it was not given."""
    flag, constraint, metavar = f"--{parameter.flag}", _constraint(parameter), parameter.metavar
    kind: Any = str
    if isinstance(constraint, Flag):
        flag, kind = f"{flag}/--no-{parameter.flag}", bool
    elif isinstance(constraint, AnyOf):
        kind = _enumeration(parameter.name, constraint.allowed)
    elif isinstance(constraint, Number) and metavar is None:
        kind = constraint.kind
    elif isinstance(constraint, Several):
        kind, metavar = list[str], "LIST"
    option = typer.Option(flag, help=parameter.help, rich_help_panel=panel, metavar=metavar)
    return Annotated[kind | None, option]


def _enumeration(name: str, members: tuple[str, ...]) -> Any:
    make: Any = StrEnum  # a type checker wants to see the members
    return make(name, {each: each for each in members})


def _parsed(parameter: Parameter, value: Any) -> Any:
    if isinstance(_constraint(parameter), Several):
        return integers(f"--{parameter.flag}", ",".join(value)) if value else None
    if parameter.metavar == DURATION:
        return seconds_of(f"--{parameter.flag}", value)
    return value.value if isinstance(value, StrEnum) else value
