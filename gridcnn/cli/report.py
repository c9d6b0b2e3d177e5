"""`gridcnn report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gridcnn.cli.cautions import print_cautions
from gridcnn.cli.columns import Columns
from gridcnn.cli.models import load_model, part_to_score, read_for
from gridcnn.cli.options import (
    AnnotationsOption,
    EncodingOption,
    EndOption,
    LabelOption,
    LabelsOption,
    ModelArgument,
    PathOption,
    SourceArgument,
    SplitOption,
    SplitPartOption,
    StartOption,
    TextOption,
)
from gridcnn.cli.output import list_skipped, note, prepare_page, printable_lines, written
from gridcnn.cli.segmented import names_in
from gridcnn.cli.several import columns_for
from gridcnn.display import counted


def report(
    model: ModelArgument,
    source: SourceArgument,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the page is saved (.html).")
    ] = Path("report.html"),
    train: Annotated[
        str | None,
        typer.Option(
            "--train",
            metavar="SOURCE",
            help="What the model was trained on: the classic baseline is fitted on it, to stand beside the model.  "
            "\\[default: the training part of SOURCE, if it is divided]",
        ),
    ] = None,
    label: LabelOption = None,
    labels: LabelsOption = None,
    text: TextOption = None,
    path: PathOption = None,
    split: SplitOption = None,
    start: StartOption = None,
    end: EndOption = None,
    annotations: AnnotationsOption = None,
    split_part: SplitPartOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Score a model on held-out items and save a page: scores, curves, mistakes to look at and listen to."""
    prepare_page(output, [model, source, *([] if train is None else [train])])
    fitted = load_model(model)
    times = {"start": start, "end": end, "annotations": annotations}
    columns = Columns(label=label, text=text, path=path, split=split, encoding=encoding, **times, labels=labels)
    columns = columns_for(fitted, columns)
    data = read_for(fitted, source, columns)
    held_out = part_to_score(data, split_part)
    learned = None if train is None else read_for(fitted, train, columns)
    if data.split is not None and learned is None:
        learned = data
    if learned is not None and learned.split is not None:
        learned = learned.part("train") if "train" in learned.split else None

    from gridcnn.evaluation.label_sets_report import make_label_set_report
    from gridcnn.evaluation.report import make_report
    from gridcnn.render.report_page import label_set_report_page, report_page

    make: Any = make_label_set_report if fitted.several else make_report
    page: Any = label_set_report_page if fitted.several else report_page
    made = make(
        fitted,
        held_out.items,
        held_out.labels,
        train=None if learned is None else (learned.items, learned.labels),
        name=model.name,
        source=source,
        skipped=held_out.skipped,
        names=names_in(held_out),
    )
    with written(output) as file:
        file.write(page(made))
    print(printable_lines(made))
    print(f"report saved to {output}")
    for line in data.notes:
        note(f"note: {line}")
    print_cautions(fitted.adapter, fitted.adapter.check_items(held_out.items))
    if made.skipped:
        note(f"{counted(len(made.skipped), 'item')} could not be read, not counted here:")
        list_skipped(made.skipped)
