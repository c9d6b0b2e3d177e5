"""`gridcnn evaluate`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gridcnn.cli.cautions import print_cautions
from gridcnn.cli.models import load_model, score_items
from gridcnn.cli.options import (
    EncodingOption,
    LabelOption,
    ModelArgument,
    PathOption,
    SourceArgument,
    SplitOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import add_row, list_skipped, note, print_table, printable, table
from gridcnn.cli.sources import Columns, read_labelled

if TYPE_CHECKING:
    from gridcnn.evaluation.metrics import Evaluation


def evaluate(
    model: ModelArgument,
    source: SourceArgument,
    *,
    label: LabelOption = None,
    text: TextOption = None,
    path: PathOption = None,
    split: SplitOption = None,
    split_part: Annotated[
        str | None,
        typer.Option("--split-part", help="Part of a divided set to score.  [default: test]"),
    ] = None,
    encoding: EncodingOption = None,
    threads: ThreadsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model on items whose class is known."""
    fitted = load_model(model, threads)
    columns = Columns(label=label, text=text, path=path, split=split, encoding=encoding)
    data = read_labelled(source, columns, on_error="skip", adapter=fitted.adapter, allow_one_class=True)
    if split_part is not None or data.split is not None:
        data = replace(data.part(split_part or "test"), skipped=data.skipped)
    scores, unreadable, n_trained_on = score_items(fitted, data)
    skipped = [*data.skipped, *unreadable]
    if as_json:
        listed = [each._asdict() for each in skipped]
        print(json.dumps({**scores.to_dict(), "trained_on": n_trained_on, "skipped": listed}, indent=2))
    else:
        _print_scores(scores)
    for line in data.notes:
        note(line)
    print_cautions(fitted.adapter, fitted.adapter.check_items(data.items))
    if n_trained_on:
        note(trained_on(n_trained_on, scores.n_items))
    if skipped:
        note(f"{len(skipped)} items could not be read and are not counted:")
        list_skipped(skipped)


def _print_scores(scores: Evaluation) -> None:
    print(f"items              {scores.n_items}")
    print(f"accuracy           {scores.accuracy:.4f}")
    print(f"balanced accuracy  {scores.balanced_accuracy:.4f}")
    print(f"macro F1           {scores.macro_f1:.4f}")
    shown = table("class", "precision", "recall", "F1", "support")
    for row in scores.classes:
        add_row(shown, row.name, f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", row.support)
    print_table(shown)
    confusion = table("true \\ predicted", *(row.name for row in scores.classes))
    for row, counts in zip(scores.classes, scores.confusion, strict=True):
        add_row(confusion, row.name, *counts)
    print_table(confusion)
    print_unmatched(scores)


def trained_on(n_trained_on: int, n_items: int) -> str:
    """Warn of scores on items that the model was trained on."""
    return (
        f"warning: {n_trained_on} of the {n_items} items were used in training (by their content), so these scores say "
        f"{'nothing' if n_trained_on == n_items else 'less'} about new items."
    )


def print_unmatched(scores: Evaluation) -> None:
    """Name the classes that occur only in the data or only in the model."""
    if scores.unseen:
        counted = ", ".join(f"{name} ({count})" for name, count in scores.unseen.items())
        print(printable(f"classes unseen in training, their items not scored: {counted}"))
    if scores.missing:
        print(printable(f"classes of the model without an item here: {', '.join(scores.missing)}"))
