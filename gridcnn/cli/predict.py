"""`gridcnn predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gridcnn.cli.answering import load_answering
from gridcnn.cli.answers import Answers, columns_of
from gridcnn.cli.cautions import Cautions
from gridcnn.cli.columns import Columns
from gridcnn.cli.formats import FormatName, format_of
from gridcnn.cli.on_workers import predict_on_workers, require_local
from gridcnn.cli.options import (
    AbstainOption,
    ByClassOption,
    EncodingOption,
    EndOption,
    InputsArgument,
    PathOption,
    Precision,
    PrecisionOption,
    RayAddressOption,
    SetsOption,
    StartOption,
    TextOption,
    ThreadsOption,
    WorkersOption,
)
from gridcnn.cli.output import note
from gridcnn.cli.remote_sources import read_anywhere
from gridcnn.cli.resuming import what_makes
from gridcnn.cli.rows import count, each_item, kept, named, nothing, unfinished
from gridcnn.cli.stopping import exit_code
from gridcnn.cli.waiting import Waiting
from gridcnn.display import counted


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A model that `gridcnn train` saved or `gridcnn export` wrote (.onnx), or hf://USER/NAME.",
        ),
    ],
    inputs: InputsArgument,
    *,
    output_name: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A csv, jsonl or parquet file, by its suffix; with --workers a folder, also s3://BUCKET/FOLDER.  "
            "\\[default: standard output]",
        ),
    ] = None,
    format_name: Annotated[
        FormatName | None,
        typer.Option("--format", help="Write in this format.  \\[default: that of the suffix of FILE, or csv]"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an interrupted run has left: FILE.partial, or shards.")
    ] = False,
    text: TextOption = None,
    path: PathOption = None,
    encoding: EncodingOption = None,
    abstain: AbstainOption = None,
    sets: SetsOption = None,
    by_class: ByClassOption = False,
    precision: PrecisionOption = Precision.float32,
    threads: ThreadsOption = None,
    start: StartOption = None,
    end: EndOption = None,
    workers: WorkersOption = None,
    address: RayAddressOption = None,
) -> None:
    """Predict classes: one row per item with its prediction, a probability per class, and its error if it has one.

    The probabilities are calibrated on items held out in training. With --abstain, less certain items are “unsure”; an
    item that is most like the background class has neither a prediction nor an error.

    The rows stand in the order of the items, and none is left out: row 7 of a csv file gets row 7 of the answers. They
    are written as they are computed, to FILE.partial, which gets its name FILE at the end. Whatever stops the command,
    the same one with --resume goes on behind the last rows. Neither items nor answers are held in memory.

    With --workers, many processes answer, here or on the machines of a Ray cluster, and the rows are written as shards
    of parquet to a folder, which is whole as soon as it holds manifest.json. Inputs may be s3:// and gs:// with and
    without workers; what is written there is written by workers.
    """
    columns = Columns(text=text, path=path, encoding=encoding, start=start, end=end)
    promises = {"abstain": abstain, "sets": sets, "by_class": by_class}
    if workers is not None:
        refused = {"--start": start is not None, "--threads": threads is not None,
                   f"--format {format_name}": format_name not in {None, FormatName.parquet}}  # fmt: skip
        rows = predict_on_workers(
            model, inputs, output_name, columns, promises, precision=precision.value, workers=workers,
            address=address, resume=resume, refused=refused,
        )  # fmt: skip
        _end(*rows)
        return
    require_local([] if output_name is None else [output_name], address)
    output = None if output_name is None else Path(output_name)
    from gridcnn.adapters.limits import current

    partial = unfinished(output, [model, *inputs], resume=resume)
    kind = format_of(output, format_name)
    watched = output is not None or not sys.stdout.isatty()  # answers that scroll by are progress enough
    console = Console(stderr=True, force_terminal=None if watched else False)
    n_items, answers = None, None
    try:
        with Waiting(console, "reading") as waiting:
            answering = load_answering(model, threads, precision.value, promises)
            without, surrounded = partial.is_one_of if partial else nothing, answering.rule.background is not None
            sources = read_anywhere(inputs, answering.adapter, columns, without, surrounded=surrounded)
            n_items = count(sources)
            cautions = Cautions(answering.adapter)
            asked = each_item(sources, output, cautions)
            answers = Answers(output, partial, kind, columns_of(answering.rule))
            run = None
            if partial is not None:
                options = {"--format": kind.name, "--text": text, "--path": path, "--encoding": encoding,
                           "--precision": precision.value, "--abstain": abstain, "--sets": sets,
                           "--by-class": by_class, "--start": start, "--end": end}  # fmt: skip
                options |= {f"--max-{name}": most for name, most in current().items()}
                run = what_makes(answering.file, answers.columns, sources, options)
            with answers.opened(run):
                answers.pass_over(each.name for each in asked)
                waiting.now("predicting")
                for part in named(answering.in_parts, asked):
                    answers.add(part)
                    waiting.progress(answers.n_rows, n_items)
            cautions.print()
        for line in answering.rule.notes:
            note(line)
    except KeyboardInterrupt as stopped:
        n_rows = 0 if answers is None else answers.n_rows
        note(
            f"stopped: {n_rows:,} of {'all' if n_items is None else f'{n_items:,}'} items are answered{kept(partial)}."
        )
        raise typer.Exit(exit_code(stopped)) from None
    except Exception:
        if partial is not None and answers is not None and answers.is_ahead:
            note(f"{counted(answers.n_rows, 'item is', 'items are')} answered{kept(partial)}.")
        raise
    _end(answers.n_rows, answers.n_failed)


def _end(n_rows: int, n_failed: int) -> None:
    """Say how many items have no answer; if none has, the command has failed."""
    if n_failed:
        note(f"{n_failed} of {counted(n_rows, 'item')} could not be predicted: see the column error.")
    if n_failed == n_rows:
        raise typer.Exit(1)
