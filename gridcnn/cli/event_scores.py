"""`gridcnn evaluate --events`: detected events beside annotated ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from gridcnn.cli.output import add_row, note, print_table, table
from gridcnn.errors import DataError
from gridcnn.segments import Event

if TYPE_CHECKING:
    from gridcnn.datasets import Dataset
    from gridcnn.inference.detecting import Detecting
    from gridcnn.model import FittedModel

__all__ = ["evaluate_events"]

COLLAR = 0.5
"""Seconds."""

WANTED = 0.9
"""Precision for which a confidence is looked for."""

KEPT = 0.5
"""Share of the right detections that a higher confidence has to leave, or it is not worth advising."""


class Enough(NamedTuple):
    """The confidence from which the events of a class are as precise as wanted.

    Parameters
    ----------
    confidence : float or None
        In [0, 1]; None if there is none that leaves enough of the events that are right.
    recall : float
        Share of the annotated events that are found with it; NaN without one.
    needed : bool
        Whether it is higher than the one that was used.
    """

    confidence: float | None
    recall: float = math.nan
    needed: bool = False


def evaluate_events(
    model: FittedModel, data: Dataset, settings: Detecting, *, collar: float | None = None, as_json: bool = False
) -> None:
    """Detect in the annotated recordings of a data set, and print precision, recall and F1 of each class.

    The collar is 0.5 s, or half of a window of items without seconds, unless it is given.
    """
    from gridcnn.evaluation.events import score_events
    from gridcnn.inference.detecting import detect

    annotated = annotated_events(data, model)
    wholes = {str(each.path): each.path for each in data.segments or ()}
    files = list(dict.fromkeys(event.source for event in annotated))
    unit = model.adapter.spec_.axes[-1].unit
    collar = (COLLAR if unit == "s" else model.adapter.extent_ / 2) if collar is None else collar
    found: list[Event] = []
    unread = []
    whole = (wholes[path] if data.whole is None else model.adapter.part(data.whole(path)) for path in files)
    for path, one in zip(files, detect(model, whole, settings), strict=True):
        found += [replace(event, source=path) for event in one.events]
        if one.error:
            unread.append((path, one.error))
    scores = score_events(annotated, found, collar=collar)
    onsets = score_events(annotated, found, collar=collar, offsets=False)
    used = dict(zip(model.class_names, settings.thresholds(model.class_names).tolist(), strict=True))
    enough = confidences(annotated, found, collar, used)
    if as_json:
        rows = {
            name or "all": {
                "annotated": each.annotated,
                "detected": each.detected,
                "precision": each.precision,
                "recall": each.recall,
                "f1": each.f1,
                "f1_of_onsets": onsets[name].f1,
                "confidence": enough[name].confidence if name else None,
            }
            for name, each in scores.items()
        }
        print(json.dumps({"collar": collar, "classes": rows, "errors": unread}, indent=2))
        return
    shown = table(
        "class", "annotated", "detected", "precision", "recall", "F1", "F1 of onsets", f"confidence for {WANTED:.0%}"
    )
    for name, each in scores.items():
        add_row(
            shown,
            name or "all",
            each.annotated,
            each.detected,
            *(_share(value) for value in (each.precision, each.recall, each.f1, onsets[name].f1)),
            _told(enough[name]) if name else "",
        )
    print(f"{len(annotated):,} annotated events in {_counted(len(files), model)}, collar {collar:g} {unit}".rstrip())
    print_table(shown)
    if line := advice(enough, used, {name: each.recall for name, each in scores.items()}):
        note(line)
    for path, why in unread:
        note(f"{path}: {why}")


def _counted(n: int, model: FittedModel) -> str:
    what = "recording" if model.adapter.reads_files else "text" if model.adapter.reads_texts else "log"
    return f"{n:,} {what}{'s' * (n != 1)}"


def annotated_events(data: Dataset, model: FittedModel) -> list[Event]:
    """Return the labelled segments of a data set as events, without those of the background."""
    if data.labels is None or data.segments is None:
        raise DataError(f"{data.name}: events need the times of annotations: give --start and --end, or --annotations.")
    background = None if model.background is None else model.class_names[model.background]
    events = [
        Event(str(item.path), item.start, item.end, str(label))
        for item, labels in zip(data.segments, data.labels, strict=True)
        for label in (labels if data.several else [labels])
        if str(label) != background
    ]
    if data.several:
        events = _united(events)
    if not events:
        raise DataError(f"{data.name}: there is no annotated event to compare with.")
    return events


def _united(events: Sequence[Event]) -> list[Event]:
    """Return events of one label that touch or overlap as one: rows of label sets end where another event begins."""
    united: list[Event] = []
    for event in sorted(events, key=lambda each: (each.source, each.label, each.start)):
        last = united[-1] if united else None
        if last is not None and (last.source, last.label) == (event.source, event.label) and event.start <= last.end:
            united[-1] = replace(last, end=max(last.end, event.end))
        else:
            united.append(event)
    return united


def confidences(
    annotated: Sequence[Event], found: Sequence[Event], collar: float, used: Mapping[str, float]
) -> dict[str, Enough]:
    """Return the lowest confidence of each class, from the one that was used on, from which it is as precise as wanted.

    One that leaves less than half of the events that are right is not told: few events are precise by luck.
    """
    from gridcnn.evaluation.events import score_events

    enough: dict[str, Enough] = {}
    for name in sorted({event.label for event in (*annotated, *found)}):
        truth = [event for event in annotated if event.label == name]
        own = [event for event in found if event.label == name]
        now = score_events(truth, own, collar=collar)[""]
        enough[name] = Enough(None)
        if now.precision >= WANTED:
            enough[name] = Enough(used.get(name), now.recall)
        levels = {math.floor(100 * (event.confidence or 0.0)) / 100 for event in own}
        for level in sorted(levels) if now.precision < WANTED else ():
            scores = score_events(truth, [each for each in own if (each.confidence or 0.0) >= level], collar=collar)[""]
            if scores.precision >= WANTED and scores.matched >= KEPT * now.matched:
                enough[name] = Enough(max(level, 0.01), scores.recall, needed=True)
                break
    return enough


def advice(enough: Mapping[str, Enough], used: Mapping[str, float], recall: Mapping[str, float]) -> str:
    """Return which confidences are worth a try, with what they cost; empty if none is.

    Parameters
    ----------
    enough : mapping of str to Enough
        Of each class.
    used, recall : mapping of str to float
        Confidence that was used, and the recall with it. What was used and is not the default stays in the advice.
    """
    from gridcnn.inference.detecting import Detecting

    raised = {name: each for name, each in enough.items() if each.needed}
    if not raised:
        return ""
    others = {name: used[name] for name in enough if name not in raised and used.get(name, 0) != Detecting.confidence}
    chosen = {name: f"{each.confidence:.2f}" for name, each in raised.items()}
    chosen |= {name: f"{least:g}" for name, least in others.items() if name in used}
    costs = ", ".join(f"{name} {each.recall:.3f} instead of {recall[name]:.3f}" for name, each in raised.items())
    listed = ",".join(f"{name}={least}" for name, least in chosen.items())
    return f"for a precision of {WANTED:.0%} in these recordings: --min-confidence {listed} (recall of {costs})"


def _told(each: Enough) -> str:
    return "none" if each.confidence is None else f"{each.confidence:.2f}" if each.needed else "as it is"


def _share(value: float) -> str:
    return "" if value != value else f"{value:.3f}"  # noqa: PLR0124  (NaN)
