"""The command line: parse, one call, print. Nothing here imports torch until a command needs it.

A command is a function in a file of its own, listed in `COMMANDS`.
"""

from __future__ import annotations

import atexit
import gc
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from gridcnn.cli import cache, check, datasets, evaluate, explain, predict, report, train
from gridcnn.cli.output import note
from gridcnn.errors import GridcnnError

__all__ = ["app", "main"]

COMMANDS = (
    train.train,
    evaluate.evaluate,
    predict.predict,
    explain.explain,
    report.report,
    check.check,
    datasets.datasets,
    cache.cache,
)
"""In the order in which --help lists them."""

_BAD_INPUT = 2

app = typer.Typer(
    name="gridcnn",
    help="Train, evaluate and use convolutional classifiers for images, sound, text and sampled series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in COMMANDS:
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error that gridcnn raises on purpose becomes one line and exit code 2."""
    gc.set_threshold(100_000)  # what imports make stays: looking through it for garbage took a quarter of `explain`
    atexit.register(gc.freeze)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {' '.join(str(message).split())}")
        try:
            app(arguments)
        except GridcnnError as error:
            note(f"error: {' '.join(str(error).split())}")
            sys.exit(_BAD_INPUT)


def _print_version(wanted: bool) -> None:
    if wanted:
        from gridcnn.versions import versions

        print(f"gridcnn {versions()['gridcnn']}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass
