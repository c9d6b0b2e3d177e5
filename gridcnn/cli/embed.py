"""`gridcnn embed`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gridcnn.cli.answers import Answers, Columns
from gridcnn.cli.cautions import Cautions
from gridcnn.cli.columns import Columns as ColumnNames
from gridcnn.cli.embedding_file import DIGEST_KEY, MODEL_KEY
from gridcnn.cli.formats import Column, FormatName, format_of
from gridcnn.cli.models import load_model, located_model
from gridcnn.cli.options import (
    EncodingOption,
    EndOption,
    InputsArgument,
    ModelArgument,
    PathOption,
    StartOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import note
from gridcnn.cli.remote_sources import read_anywhere
from gridcnn.cli.resuming import what_makes
from gridcnn.cli.rows import count, each_item, kept, named, unfinished
from gridcnn.cli.stopping import exit_code
from gridcnn.cli.waiting import Waiting
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError
from gridcnn.multilabel import joined

if TYPE_CHECKING:
    from gridcnn.inference import Embeddings
    from gridcnn.model import FittedModel


def embed(
    model: ModelArgument,
    inputs: InputsArgument,
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="A parquet, csv or jsonl file, by its suffix."),
    ] = Path("embeddings.parquet"),
    format_name: Annotated[
        FormatName | None,
        typer.Option("--format", help="Write in this format.  \\[default: that of the suffix of FILE]"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with FILE.partial, which an interrupted run has left.")
    ] = False,
    text: TextOption = None,
    path: PathOption = None,
    start: StartOption = None,
    end: EndOption = None,
    encoding: EncodingOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Write the feature vector of each item: what the network found in it, before the votes.

    A row has the item, its prediction and confidence, the vector (in parquet and jsonl a list of numbers, in csv a
    column for each), and its error if it has one. Items that are alike have vectors of a similar direction:
    `gridcnn search` finds them. With --start and --end, rows of a csv name parts of recordings, such as events that
    `gridcnn detect` found. Rows are written as they are computed, as by `gridcnn predict`.
    """
    from gridcnn.adapters.limits import current

    partial = unfinished(output, [model, *inputs], resume=resume)
    if partial is None:
        raise ConfigurationError(f"{output} is no plain file: give the vectors the name of one.")
    kind = format_of(output, format_name)
    columns = ColumnNames(text=text, path=path, encoding=encoding, start=start, end=end)
    n_items, answers = None, None
    try:
        with Waiting(Console(stderr=True), "reading") as waiting:
            fitted = load_model(model, threads)
            from gridcnn.inference import embed_in_parts

            surrounded = fitted.background is not None
            sources = read_anywhere(inputs, fitted.adapter, columns, partial.is_one_of, surrounded=surrounded)
            n_items = count(sources)
            cautions = Cautions(fitted.adapter)
            asked = each_item(sources, output, cautions)
            about = {MODEL_KEY: _as_stored(model), DIGEST_KEY: fitted.digest}
            answers = Answers(output, partial, kind, _columns(fitted), about)
            options: dict[str, Any] = {"--format": kind.name, "--text": text, "--path": path, "--encoding": encoding}
            options |= {"--start": start, "--end": end}
            options |= {f"--max-{name}": most for name, most in current().items()}
            with answers.opened(what_makes(located_model(model), answers.columns, sources, options)):
                answers.pass_over(each.name for each in asked)
                waiting.now("embedding")
                for part in named(functools.partial(embed_in_parts, fitted), asked):
                    answers.add(part)
                    waiting.progress(answers.n_rows, n_items)
            cautions.print()
    except KeyboardInterrupt as stopped:
        n_rows = 0 if answers is None else answers.n_rows
        note(f"stopped: {n_rows:,} of {'all' if n_items is None else f'{n_items:,}'} items are done{kept(partial)}.")
        raise typer.Exit(exit_code(stopped)) from None
    except Exception:
        if answers is not None and answers.is_ahead:
            note(f"{counted(answers.n_rows, 'item is', 'items are')} done{kept(partial)}.")
        raise
    note(f"{counted(answers.n_rows, 'item')}: {output}")
    if answers.n_failed:
        note(f"{answers.n_failed} of {counted(answers.n_rows, 'item')} without a vector: see the column error.")
    if answers.n_failed == answers.n_rows:
        raise typer.Exit(1)


def _as_stored(model: Path) -> str:
    """Return the name by which `gridcnn search` finds a model again, from whatever folder."""
    from gridcnn.export.hub import is_hub_name

    return str(model) if is_hub_name(model) and not model.exists() else str(model.resolve())


def _columns(model: FittedModel) -> Columns:
    from gridcnn.inference.embedding import length_of

    rule = model.rule()
    kind = str if model.several else type(model.classes.tolist()[0])

    def predictions(part: Embeddings) -> Sequence[Any]:
        answers = part.answers.labels
        if model.several:
            return [None if each is None else joined(each, model.class_names) for each in answers]
        return [None if each is None else kind(each) for each in answers]

    def confidences(part: Embeddings) -> Sequence[Any]:
        return [None if error else it for it, error in zip(part.confidences.tolist(), part.errors, strict=True)]

    def vectors(part: Embeddings) -> Sequence[Any]:
        return [None if error else it for it, error in zip(part.vectors, part.errors, strict=True)]

    return [
        (Column("item", str), lambda part: part.items),
        (Column("prediction", str if rule.abstains else kind), predictions),
        (Column("confidence", float), confidences),
        (Column("embedding", tuple, length_of(model.network)), vectors),
        (Column("error", str), lambda part: [error or None for error in part.errors]),
    ]
