"""`gridcnn info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridcnn.cli.options import ModelArgument
from gridcnn.display import printable

if TYPE_CHECKING:
    from gridcnn.model import FittedModel

WIDEST = 30  # characters of the name of a fact, usually


def info(
    model: ModelArgument,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts as JSON, for programs.")] = False,
) -> None:
    """Say what a model is: what it reads and answers, what it was made of, its scores, and how to use it."""
    from gridcnn.cli.models import load_model

    fitted = load_model(model)
    facts = fitted.facts()
    if as_json:
        import json

        print(json.dumps(facts))
        return
    shown = {"file": str(model), **facts}
    width = max(WIDEST, *(len(name) + 2 for name in shown))
    for name, value in shown.items():
        print(f"{name:<{width}}{printable(value)}")
    for line in fitted.adapter.remarks():
        print(f"{'note':<{width}}{printable(line)}")
    for number, line in enumerate(_commands(model, fitted)):
        print(f"{'' if number else 'to use it':<{width}}{printable(line)}")


def _commands(place: Path, model: FittedModel) -> list[str]:
    import shlex

    file = shlex.quote(str(place))
    if model.background is not None and model.adapter.reads_files and model.adapter.spec_.axes[-1].unit == "s":
        return [
            f"gridcnn detect {file} RECORDINGS -o events.csv",
            f"gridcnn evaluate {file} ANNOTATED --annotations auto --events",
            f"gridcnn review {file} events.csv --start start --end end",
            f"gridcnn export {file} -o model.onnx",
            f"gridcnn train MORE --annotations auto --from {file} -o OUTPUT",
        ]
    several = "items.csv" if not model.adapter.reads_files else "FOLDER"
    return [
        f"gridcnn predict {file} {several}",
        f"gridcnn evaluate {file} LABELLED{' --labels COLUMN' if model.several else ''}",
        f"gridcnn explain {file} ITEM -o why.html",
        f"gridcnn export {file} -o model.onnx",
        f"gridcnn train MORE --from {file}{' --labels COLUMN' if model.several else ''} -o OUTPUT",
        f"gridcnn train OTHERS --like {file} -o OUTPUT",
    ]
