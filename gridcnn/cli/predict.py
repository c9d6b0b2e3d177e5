"""`gridcnn predict`."""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.answering import load_answering
from gridcnn.cli.answers import Answers
from gridcnn.cli.asking import Asked, Source, read_inputs
from gridcnn.cli.cautions import Cautions
from gridcnn.cli.formats import FormatName, format_of
from gridcnn.cli.options import (
    AbstainOption,
    ByClassOption,
    EncodingOption,
    PathOption,
    Precision,
    PrecisionOption,
    SetsOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import note, prepare_output
from gridcnn.cli.partial import Partial
from gridcnn.cli.resuming import what_makes
from gridcnn.cli.sources import Columns
from gridcnn.cli.stopping import exit_code
from gridcnn.cli.waiting import Waiting
from gridcnn.errors import ConfigurationError, ItemError

if TYPE_CHECKING:
    from gridcnn.cli.answering import Answering
    from gridcnn.predictions import Predictions


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
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A csv, jsonl or parquet file, by its suffix.  \\[default: standard output]",
        ),
    ] = None,
    format_name: Annotated[
        FormatName | None,
        typer.Option("--format", help="Write in this format.  \\[default: that of the suffix of FILE, or csv]"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with FILE.partial, which an interrupted run has left.")
    ] = False,
    text: TextOption = None,
    path: PathOption = None,
    encoding: EncodingOption = None,
    abstain: AbstainOption = None,
    sets: SetsOption = None,
    by_class: ByClassOption = False,
    precision: PrecisionOption = Precision.float32,
    threads: ThreadsOption = None,
) -> None:
    """Predict classes: one row per item with its prediction, a probability per class, and its error if it has one.

    The probabilities are calibrated on items held out in training. With --abstain, less certain items are “unsure”; an
    item that is most like the background class has neither a prediction nor an error.

    The rows stand in the order of the items, and none is left out: row 7 of a csv file gets row 7 of the answers. They
    are written as they are computed, to FILE.partial, which gets its name FILE at the end. Whatever stops the command,
    the same one with --resume goes on behind the last rows. Neither items nor answers are held in memory.
    """
    from gridcnn.adapters.limits import current

    partial = _partial(output, [model, *inputs], resume=resume)
    kind = format_of(output, format_name)
    columns = Columns(text=text, path=path, encoding=encoding)
    watched = output is not None or not sys.stdout.isatty()  # answers that scroll by are progress enough
    console = Console(stderr=True, force_terminal=None if watched else False)
    promises = {"abstain": abstain, "sets": sets, "by_class": by_class}
    n_items, answers = None, None
    try:
        with Waiting(console, "reading") as waiting:
            answering = load_answering(model, threads, precision.value, promises)
            sources = read_inputs(inputs, answering.adapter, columns, partial.is_one_of if partial else _nothing)
            n_items = _count(sources)
            cautions = Cautions(answering.adapter)
            asked = _each(sources, output, cautions)
            answers = Answers(output, partial, kind, answering.rule)
            run = None
            if partial is not None:
                options = {"--format": kind.name, "--text": text, "--path": path, "--encoding": encoding,
                           "--precision": precision.value, "--abstain": abstain, "--sets": sets,
                           "--by-class": by_class}  # fmt: skip
                options |= {f"--max-{name}": most for name, most in current().items()}
                run = what_makes(answering.file, answers.columns, sources, options)
            with answers.opened(run):
                answers.pass_over(each.name for each in asked)
                waiting.now("predicting")
                for part in _answered(answering, asked):
                    answers.add(part)
                    waiting.progress(answers.n_rows, n_items)
            cautions.print()
        for line in answering.rule.notes:
            note(line)
    except KeyboardInterrupt as stopped:
        n_rows = 0 if answers is None else answers.n_rows
        note(
            f"stopped: {n_rows:,} of {'all' if n_items is None else f'{n_items:,}'} items are answered{_kept(partial)}."
        )
        raise typer.Exit(exit_code(stopped)) from None
    except Exception:
        if partial is not None and answers is not None and answers.is_ahead:
            note(f"{answers.n_rows:,} items are answered{_kept(partial)}.")
        raise
    if answers.n_failed:
        note(f"{answers.n_failed} of {answers.n_rows} items could not be predicted: see their error column.")
    if answers.n_failed == answers.n_rows:
        raise typer.Exit(1)


def _partial(output: Path | None, read: Sequence[str | Path], *, resume: bool) -> Partial | None:
    """Return the unfinished form of a file, None if there is none; refuse to lose what is there."""
    if output is not None:
        prepare_output(output, read)
    if output is None or (output.exists() and not output.is_file()):
        if resume:
            raise ConfigurationError("--resume goes on with a file: name it with -o FILE, as before.")
        return None
    partial = Partial(output)
    if not resume:
        partial.refuse_to_lose()
    return partial


def _kept(partial: Partial | None) -> str:
    return f", in {partial}; the same command with --resume goes on" if partial is not None and partial.has_rows else ""


def _nothing(place: Path) -> bool:
    return False


def _count(sources: Iterable[Source]) -> int | None:
    """Return the number of all items; None if only the end of standard input will tell."""
    counts = [source.n_items for source in sources]
    return None if None in counts else sum(count for count in counts if count is not None)


def _each(sources: Iterable[Source], output: Path | None, cautions: Cautions) -> Iterator[Asked]:
    """Read item after item, and refuse an output that is one of the files in a folder or of those that a csv lists."""
    for source in sources:
        for each in source.items():
            if output is not None and each.name.endswith(output.name) and _are_same(output, each.name):
                raise ConfigurationError(f"{output} is one of the items to predict: give the result another name.")
            if not isinstance(each.item, ItemError):
                cautions.see(each.item)
            yield each


def _are_same(output: Path, name: str) -> bool:
    try:
        return output.samefile(name)
    except (OSError, ValueError):  # one of them is no file; a name may also be a text
        return False


def _answered(model: Answering, asked: Iterator[Asked]) -> Iterator[Predictions]:
    """Yield the answers for some hundred items at a time, in their order and under their names."""
    names = deque[str]()  # of the items that are read and not answered yet

    def items() -> Iterator[Any]:
        for each in asked:
            names.append(each.name)
            yield each.item

    for part in model.in_parts(items()):
        yield dataclasses.replace(part, items=[names.popleft() for _ in range(len(part))])
