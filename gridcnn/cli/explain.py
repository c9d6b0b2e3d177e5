"""`gridcnn explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gridcnn.cli.models import load_model
from gridcnn.cli.options import ModelArgument
from gridcnn.cli.output import note, prepare_output
from gridcnn.errors import ConfigurationError


def explain(
    model: ModelArgument,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="A picture, a recording, or a sentence in quotes.")],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="A page (why.html), or with --png a folder.")
    ],
    png: Annotated[bool, typer.Option("--png", help="Write the steps as numbered PNG pictures into a folder.")] = False,
    label: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Explain this class.  [default: the predicted one]")
    ] = None,
) -> None:
    """Show what every layer did to one item: one page that opens offline, or pictures."""
    if not png:
        if output.suffix.lower() not in {".html", ".htm"}:
            raise ConfigurationError(f"{output}: name a page, such as why.html, or say --png for a folder of pictures.")
        prepare_output(output)
    elif output.is_file():
        raise ConfigurationError(f"{output} is a file: --png writes several pictures, so name a folder.")
    classifier = load_model(model)
    if classifier.adapter_.modality == "array":
        raise ConfigurationError(
            "this model reads rows of a table, which a command line cannot hold: in Python, "
            "gridcnn.explain.trace(classifier, row) and gridcnn.plots draw the same."
        )
    if png:
        from gridcnn.explain import trace
        from gridcnn.plots import write_all

        written = write_all(trace(classifier, item), output, label)
        note(f"{len(written)} pictures: {output}")
        return
    from gridcnn.page import explain_page

    output.write_text(explain_page(classifier, item, label=label), encoding="utf-8")
    note(f"page: {output}")
