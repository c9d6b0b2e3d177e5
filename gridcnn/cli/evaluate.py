"""`gridcnn evaluate`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.cautions import print_cautions
from gridcnn.cli.columns import Columns
from gridcnn.cli.detecting import (
    ConfidenceOption,
    MergeOption,
    StepOption,
    confidence_of,
    refuse_background,
)
from gridcnn.cli.event_scores import evaluate_events
from gridcnn.cli.models import load_model, part_to_score, read_for, score_items
from gridcnn.cli.options import (
    AbstainOption,
    AnnotationsOption,
    ByClassOption,
    EncodingOption,
    EndOption,
    LabelOption,
    LabelsOption,
    ModelArgument,
    PathOption,
    SetsOption,
    SourceArgument,
    SplitOption,
    SplitPartOption,
    StartOption,
    TextOption,
    ThreadsOption,
)
from gridcnn.cli.output import add_row, list_skipped, note, print_table, table
from gridcnn.cli.segmented import require_long
from gridcnn.cli.several import columns_for, note_after_scores, show_scores
from gridcnn.display import counted, printable
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.cli.models import Scored
    from gridcnn.evaluation.metrics import Evaluation
    from gridcnn.evaluation.trust import Trust
    from gridcnn.inference.detecting import Detecting
    from gridcnn.model import FittedModel


def evaluate(
    model: ModelArgument,
    source: SourceArgument,
    *,
    label: LabelOption = None,
    labels: LabelsOption = None,
    text: TextOption = None,
    path: PathOption = None,
    split: SplitOption = None,
    start: StartOption = None,
    end: EndOption = None,
    annotations: AnnotationsOption = None,
    events: Annotated[
        bool,
        typer.Option(
            "--events", help="Score events in long recordings, logs or texts, found as `gridcnn detect` finds them."
        ),
    ] = False,
    collar: Annotated[
        float | None,
        typer.Option(
            "--collar",
            metavar="SECONDS",
            help="With --events: what onsets and offsets may be off.  \\[default: 0.5; samples or words: half of a "
            "window]",
        ),
    ] = None,
    step: StepOption = None,
    min_confidence: ConfidenceOption = None,
    merge: MergeOption = None,
    split_part: SplitPartOption = None,
    encoding: EncodingOption = None,
    abstain: AbstainOption = None,
    sets: SetsOption = None,
    by_class: ByClassOption = False,
    threads: ThreadsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model on items whose class is known."""
    settings = _settings(events, collar, step, min_confidence, merge)
    if events and (others := [flag for flag, it in {"--abstain": abstain, "--sets": sets}.items() if it is not None]):
        raise ConfigurationError(f"{', '.join(others)}: for items, and not for events: leave out --events, or them.")
    fitted = load_model(model, threads)
    if settings is not None:
        require_long(fitted)
        refuse_background(settings, fitted)
        settings.thresholds(fitted.class_names)  # refuses unknown classes
    rule = fitted.rule(abstain=abstain, sets=sets, by_class=by_class)
    times = {"start": start, "end": end, "annotations": annotations}
    columns = Columns(label=label, text=text, path=path, split=split, encoding=encoding, **times, labels=labels)
    columns = columns_for(fitted, columns)
    data = read_for(fitted, source, columns, as_events=events)
    data = part_to_score(data, split_part)
    if settings is not None:
        evaluate_events(fitted, data, settings, collar=collar, as_json=as_json)
        return
    if fitted.several:
        n_trained_on, n_items, skipped = show_scores(fitted, data, as_json=as_json)
        note_after_scores(data, skipped)
        print_cautions(fitted.adapter, fitted.adapter.check_items(data.items))
        if n_trained_on:
            note(trained_on(n_trained_on, n_items))
        return
    scored = score_items(fitted, data, rule)
    scores, n_trained_on = scored.scores, scored.n_trained_on
    skipped = [*data.skipped, *scored.unreadable]
    if as_json:
        print(json.dumps(_values(fitted, scored) | {"skipped": [each._asdict() for each in skipped]}, indent=2))
    else:
        _print_scores(scores, scored.trust, asked=abstain is not None)
    for line in (*data.notes, *rule.notes):
        note(line)
    if fitted.background is not None:
        note(f"“{fitted.class_names[fitted.background]}” is never given as an answer: items most like it get none.")
    print_cautions(fitted.adapter, fitted.adapter.check_items(data.items))
    if n_trained_on:
        note(trained_on(n_trained_on, scores.n_items))
    if skipped:
        note(f"{counted(len(skipped), 'item')} could not be read, not counted here:")
        list_skipped(skipped)


def _settings(
    events: bool, collar: float | None, step: float | None, min_confidence: str | None, merge: float | None
) -> Detecting | None:
    """Return what counts as an event, None if none are to be scored; refuse options that need them."""
    given = {"--collar": collar, "--step": step, "--min-confidence": min_confidence, "--merge": merge}
    if not events:
        if used := [flag for flag, value in given.items() if value is not None]:
            raise ConfigurationError(f"{', '.join(used)}: for events: say --events, too, or leave it out.")
        return None
    from gridcnn.inference.detecting import Detecting

    if collar is not None and not 0 <= collar < math.inf:
        raise ConfigurationError(f"--collar: expected a number of at least 0, got {collar!r}")
    return Detecting(step, confidence_of(min_confidence), merge)


def _values(model: FittedModel, scored: Scored) -> dict[str, Any]:
    trust = scored.trust.to_dict()
    return {
        **scored.scores.to_dict(),
        "calibration": {**trust["calibration"], "temperature": model.certainty.temperature},
        "sets": trust["covered"],
        "abstaining": trust["abstained"],
        "trained_on": scored.n_trained_on,
    }


def _print_scores(scores: Evaluation, trust: Trust, *, asked: bool) -> None:
    print(f"items              {scores.n_items}")
    print(f"accuracy           {scores.accuracy:.4f}")
    print(f"balanced accuracy  {scores.balanced_accuracy:.4f}")
    print(f"macro F1           {scores.macro_f1:.4f}")
    print(f"calibration error  {trust.calibration.error:.4f} (by chance {trust.calibration.by_chance:.4f})")
    if (sets := trust.covered) is not None:
        low, high = sets.interval
        print(f"sets that hold it  {sets.share:.4f} (95 % interval {low:.4f} to {high:.4f})")
        print(f"mean size of sets  {sets.mean_size:.2f} ({sets.empty:.1%} are empty)")
    if asked:
        right = "none" if trust.abstained.accuracy is None else f"{trust.abstained.accuracy:.4f}"
        print(f"answered           {trust.abstained.answered:.4f}, of which right {right}")
    shown = table("class", "precision", "recall", "F1", "support")
    for at, row in enumerate(scores.classes):
        precision, recall, both = scores.answered(at) > 0, row.support > 0, scores.answered(at) + row.support > 0
        parts = ((row.precision, precision), (row.recall, recall), (row.f1, both))
        add_row(shown, row.name, *(f"{value:.3f}" if there else "–" for value, there in parts), row.support)
    print_table(shown)
    confusion = table("true \\ predicted", *(row.name for row in scores.classes))
    for row, counts in zip(scores.classes, scores.confusion, strict=True):
        add_row(confusion, row.name, *counts)
    print_table(confusion)
    print_unmatched(scores)


def trained_on(n_trained_on: int, n_items: int) -> str:
    """Warn of scores on items that the model was trained on."""
    from gridcnn.evaluation.report import about_trained_on

    return (
        f"warning: {about_trained_on(n_trained_on, n_items)}, so these scores say "
        f"{'nothing' if n_trained_on == n_items else 'less'} about new items."
    )


def print_unmatched(scores: Evaluation) -> None:
    """Name the classes that occur only in the data or only in the model."""
    if scores.unseen:
        counted = ", ".join(f"{name} ({count})" for name, count in scores.unseen.items())
        print(printable(f"classes unseen in training, their items not scored: {counted}"))
    if scores.missing:
        print(printable(f"classes of the model without an item here: {', '.join(scores.missing)}"))
