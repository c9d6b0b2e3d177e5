"""`gridcnn predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gridcnn.cli.answering import Answering, load_answering
from gridcnn.cli.answers import Answers
from gridcnn.cli.asking import Asked, read_inputs
from gridcnn.cli.cautions import print_cautions
from gridcnn.cli.options import (
    EncodingOption,
    PathOption,
    Precision,
    PrecisionOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import note, prepare_output
from gridcnn.cli.sources import Columns
from gridcnn.cli.stopping import exit_code
from gridcnn.cli.waiting import Waiting
from gridcnn.errors import ConfigurationError


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A model that `gridcnn train` saved or `gridcnn export` wrote (.onnx), or hf://USER/NAME.",
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, a table (csv, tsv, parquet, jsonl), a text file with one sentence a line, or - for "
            "such lines on standard input.",
        ),
    ],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A csv file.  [default: standard output]")
    ] = None,
    text: TextOption = None,
    path: PathOption = None,
    encoding: EncodingOption = None,
    precision: PrecisionOption = Precision.float32,
    threads: ThreadsOption = None,
) -> None:
    """Predict classes: one row per item with its prediction, a probability per class, and its error if it has one.

    The rows stand in the order of the items, and none is left out: row 7 of a csv file gets row 7 of the answers. They
    are written as they are computed; if you stop the command, FILE holds the rows so far.
    """
    if output is not None:
        prepare_output(output, [model, *inputs])
    columns = Columns(text=text, path=path, encoding=encoding)
    watched = output is not None or not sys.stdout.isatty()  # answers that scroll by are progress enough
    console = Console(stderr=True, force_terminal=None if watched else False)
    answers, asked = Answers(output), list[Asked]()
    try:
        with Waiting(console, "reading") as waiting:
            answering = load_answering(model, threads, precision.value)
            asked = read_inputs(inputs, answering.adapter, columns)
            if output is not None:
                _refuse_to_replace(output, asked)
            waiting.now("predicting")
            with answers.opened():
                answers.head(answering.classes)
                for rows in _answered(answering, asked):
                    answers.add(rows)
                    waiting.progress(answers.n_rows, len(asked))
            print_cautions(answering.adapter, [each.item for each in asked if not each.error])
    except KeyboardInterrupt as stopped:
        kept = f", in {output}" if output is not None and answers.n_rows else ""
        note(f"stopped: {answers.n_rows} of {len(asked) or 'all'} items are answered{kept}.")
        raise typer.Exit(exit_code(stopped)) from None
    if answers.n_failed:
        note(f"{answers.n_failed} of {answers.n_rows} items could not be predicted: see their error column.")
    if answers.n_failed == answers.n_rows:
        raise typer.Exit(1)


def _refuse_to_replace(output: Path, asked: Sequence[Asked]) -> None:
    """Refuse an output that is one of the files in a folder, or of those that a csv file lists."""
    for each in asked:
        if each.name.endswith(output.name) and _are_same(output, each.name):
            raise ConfigurationError(f"{output} is one of the items to predict: give the result another name.")


def _are_same(output: Path, name: str) -> bool:
    try:
        return output.samefile(name)
    except (OSError, ValueError):  # one of them is no file; a name may also be a text
        return False


def _answered(model: Answering, asked: Sequence[Asked]) -> Iterator[list[list[object]]]:
    """Yield the rows of some hundred items at a time, in the order of the items."""
    waiting = iter(asked)
    for part in model.in_parts([each.item for each in asked if not each.error]):
        rows = []
        for label, probabilities, error in zip(part.labels, part.probabilities.tolist(), part.errors, strict=True):
            for each in waiting:
                if not each.error:
                    rows.append(_failed(model, each.name, error) if error else [each.name, label, *probabilities, ""])
                    break
                rows.append(_failed(model, each.name, each.error))
        yield rows
    yield [_failed(model, each.name, each.error) for each in waiting]


def _failed(model: Answering, name: str, error: str) -> list[object]:
    return [name, "", *[""] * len(model.classes), error]
