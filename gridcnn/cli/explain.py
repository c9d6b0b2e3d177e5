"""`gridcnn explain`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gridcnn.cli.columns import Columns
from gridcnn.cli.models import load_model, one_item
from gridcnn.cli.options import EncodingOption, EndOption, ModelArgument, PathOption, StartOption, TextOption
from gridcnn.cli.output import PAGES, note, prepare_output, written
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError


def explain(
    model: ModelArgument,
    item: Annotated[
        str,
        typer.Argument(metavar="ITEM", help="A picture, a recording, a sentence in quotes, or with --row a csv file."),
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="A page (why.html), or with --png a folder.")
    ],
    png: Annotated[bool, typer.Option("--png", help="Write the steps as numbered PNG pictures into a folder.")] = False,
    label: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Explain this class.  \\[default: the predicted one]")
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(
            "--row",
            metavar="NUMBER",
            help="Explain this row of ITEM, a csv, tsv, parquet or jsonl file; the header of a csv is row 1.",
        ),
    ] = None,
    text: TextOption = None,
    path: PathOption = None,
    start: StartOption = None,
    end: EndOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Show what every layer did to one item: one page that opens offline, or pictures."""
    if not png:
        if output.suffix.lower() not in PAGES:
            raise ConfigurationError(f"{output}: name a page, such as why.html, or say --png for a folder of pictures.")
        prepare_output(output, [model, *([item] if os.path.isfile(item) else [])])  # noqa: PTH113  (or a sentence)
    elif output.is_file():
        raise ConfigurationError(f"{output} is a file: --png writes several pictures, so name a folder.")
    elif os.path.isfile(item) and output.resolve() == Path(item).resolve().parent:  # noqa: PTH113
        raise ConfigurationError(f"{item} lies in {output}: name another folder for the pictures.")
    else:
        prepare_output(output / "01-input.png")
    fitted = load_model(model)
    raw, name = one_item(fitted, item, row, Columns(text=text, path=path, start=start, end=end, encoding=encoding))
    if png:
        from gridcnn.explain import trace
        from gridcnn.render.plots import write_all

        pictures = write_all(trace(fitted, raw), output, label)
        note(f"{counted(len(pictures), 'picture')}: {output}")
        return
    from gridcnn.render.explain_page import explain_page

    page = explain_page(fitted, raw, name=name, label=label)
    with written(output) as file:
        file.write(page)
    note(f"page: {output}")
