"""`gridcnn push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.columns import Columns
from gridcnn.cli.options import (
    AnnotationsOption,
    EncodingOption,
    EndOption,
    LabelOption,
    LabelsOption,
    ModelArgument,
    PathOption,
    SplitOption,
    SplitPartOption,
    StartOption,
    TextOption,
)
from gridcnn.cli.output import note
from gridcnn.cli.several import columns_for
from gridcnn.display import printable
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.export.card_scores import AnyReport


def push(
    model: ModelArgument,
    repository: Annotated[
        str,
        typer.Argument(metavar="USER/NAME", help="Repository on the Hugging Face Hub; it is made if there is none."),
    ],
    *,
    private: Annotated[bool, typer.Option("--private", help="Only you may see it.")] = False,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="NAME", help="Licence of the model, such as mit or cc-by-4.0.")
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            "--test",
            metavar="SOURCE",
            help="Labelled items that the model has not seen (the test part, if SOURCE is divided): the model card "
            "gets its scores on them, and its calibration.",
        ),
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="Upload the model as an ONNX file, too.")] = True,
    label: LabelOption = None,
    labels: LabelsOption = None,
    text: TextOption = None,
    path: PathOption = None,
    split: SplitOption = None,
    split_part: SplitPartOption = None,
    start: StartOption = None,
    end: EndOption = None,
    annotations: AnnotationsOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Upload a model and its model card to the Hugging Face Hub.

    Log in first, by `hf auth login` or the variable HF_TOKEN. Afterwards `gridcnn predict hf://USER/NAME ...` works
    everywhere.
    """
    times = {"start": start, "end": end, "annotations": annotations}
    columns = Columns(label=label, text=text, path=path, split=split, encoding=encoding, **times, labels=labels)
    if test is None and (given := [*columns.given(), *([] if split_part is None else ["--split-part"])]):
        raise ConfigurationError(f"{', '.join(given)}: for the items of --test, so name them as well.")

    from gridcnn.export.hub import is_hub_name
    from gridcnn.export.hub import push as upload

    if is_hub_name(model):
        raise ConfigurationError(f"{model.as_posix()} is on the hub already: name a file that `gridcnn train` saved.")
    report = None if test is None else _report(model, test, columns, split_part)
    pushed = upload(model, repository, private=private, licence=licence, evaluation=report, onnx=onnx)
    print(printable(f"pushed {', '.join(pushed.files)} to {pushed.url}"))
    if pushed.without_onnx and onnx:
        note(f"note: there is no ONNX file among them: {pushed.without_onnx}")
    if licence is None:
        note("note: the model card states no licence, so nobody may use the model: name one by --licence")


def _report(model: Path, source: str, columns: Columns, split_part: str | None) -> AnyReport:
    """Score the model on items that it has not seen."""
    from gridcnn.cli.models import load_model, part_to_score, read_for
    from gridcnn.evaluation.label_sets_report import make_label_set_report
    from gridcnn.evaluation.report import make_report

    fitted = load_model(model)
    columns = columns_for(fitted, columns)
    every = read_for(fitted, source, columns)
    data = part_to_score(every, split_part)
    learned = every.part("train") if every.split is not None and "train" in every.split else None
    seen = None if learned is None else (learned.items, learned.labels)
    make: Any = make_label_set_report if fitted.several else make_report
    report: AnyReport = make(fitted, data.items, data.labels, train=seen, name=model.name, source=source)
    return report
