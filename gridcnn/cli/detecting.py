"""What `detect` and `evaluate --events` share: their options, and a run that can be gone on with."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.output import note
from gridcnn.durable import make_folder, sync
from gridcnn.errors import ConfigurationError
from gridcnn.segments import Event

if TYPE_CHECKING:
    from gridcnn.cli.long_items import LongItem
    from gridcnn.inference.detecting import Detecting, Detections
    from gridcnn.model import FittedModel

__all__ = [
    "ConfidenceOption",
    "MergeOption",
    "PrecisionOption",
    "Run",
    "StepOption",
    "confidence_for",
    "confidence_of",
    "refuse_background",
]

LEAST_CONFIDENCE = 0.01

PrecisionOption = Annotated[
    float | None,
    typer.Option(
        "--precision",
        metavar="P",
        help="In place of --min-confidence: choose the confidence of each class so that this share of the events is "
        "right, such as 0.9, as far as items tell that were held out in training.",
    ),
]
StepOption = Annotated[
    float | None,
    typer.Option(
        "--step",
        metavar="SECONDS",
        help="Distance between two windows, in seconds; samples or tokens of items without seconds.  "
        "\\[default: three fifths of a window]",
    ),
]
ConfidenceOption = Annotated[
    str | None,
    typer.Option(
        "--min-confidence",
        metavar="P",
        help="Probability from which there is an event, such as 0.8, or for each class, dog=0.8,cat=0.6.  "
        "\\[default: 0.6]",
    ),
]
MergeOption = Annotated[
    float | None,
    typer.Option(
        "--merge",
        metavar="SECONDS",
        help="Events of one class that are this near to each other are one.  \\[default: half of a window]",
    ),
]


def confidence_of(text: str | None) -> float | dict[str, float]:
    """Parse "0.8" or "dog=0.8,cat=0.6"; None is the default."""
    if text is None:
        return 0.6
    try:
        if "=" not in text:
            return float(text)
        pairs = (each.rpartition("=") for each in text.split(","))
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise ConfigurationError(
            f"--min-confidence: expected a probability such as 0.8, or one a class, dog=0.8,cat=0.6; got {text!r}"
        ) from None


def confidence_for(precision: float, model: FittedModel) -> dict[str, float]:
    """Return the confidence that each class needs to be right that often, as held-out items tell; say where none is."""
    found = model.certainty.thresholds(precision, len(model.class_names))
    names = {at: name for at, name in enumerate(model.class_names) if at != model.background}
    chosen = {name: max(least, LEAST_CONFIDENCE) for at, name in names.items() if (least := found[at]) is not None}
    if chosen:
        listed = ", ".join(f"{name} {least:.2f}" for name, least in chosen.items())
        note(f"confidence for a precision of {precision:g}, as held-out items tell: {listed}")
    if missing := [name for name in names.values() if name not in chosen]:
        note(
            f"warning: a precision of {precision:g} cannot be promised for {', '.join(missing)}: too few of the items "
            "held out in training were answered so, or too few of these answers were right. They keep the usual "
            "confidence; train with more segments, or with --folds 5, which holds out each once"
        )
    return chosen


def refuse_background(settings: Detecting, model: FittedModel) -> None:
    """Refuse a confidence for the background, which is never an event."""
    name = None if model.background is None else model.class_names[model.background]
    if isinstance(settings.confidence, Mapping) and name in settings.confidence:
        raise ConfigurationError(f"--min-confidence: {name} is the background, which is never an event: leave it out")


@dataclass
class Run:
    """A run of `detect`: what it found is kept in FILE.partial, a line for each item that is done.

    Parameters
    ----------
    place : Path
        FILE.partial.
    file : binary file
        The same, open.
    done : dict of str to dict
        What was found in the items that are done, by their names.
    """

    place: Path
    file: IO[bytes]
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def begun(cls, output: Path, made_by: Mapping[str, Any], *, resume: bool) -> Iterator[Run]:
        """Begin a run, or go on with one of the same model, inputs and settings.

        If nothing was done when the block ends by an error, nothing is left behind.

        Raises
        ------
        ConfigurationError
            If there is an unfinished run and `resume` is not asked for, or it is another one.
        """
        place = output.with_name(f"{output.name}.partial")
        lines = _whole_lines(place) if place.exists() else []
        if len(lines) > 1 and not resume:
            raise ConfigurationError(
                f"{place} is what an interrupted run has left: go on with --resume, or remove it to begin anew."
            )
        with Path(made_by["model"]).open("rb") as model:
            digest = hashlib.file_digest(model, "sha256").hexdigest()
        head = {**made_by, "model": digest}
        if len(lines) < 2:  # an earlier run had done nothing yet
            lines = []
            make_folder(place.parent)
            if resume:
                note(f"--resume: there is no {place} to go on with, so this begins anew.")
        elif lines[0][1] != head:
            raise ConfigurationError(
                f"--resume: {place} belongs to another model, other inputs or other settings: remove it to begin anew."
            )
        with place.open("r+b" if place.exists() else "w+b") as file:
            run = cls(place, file)
            file.seek(lines[-1][0] if lines else 0)
            file.truncate()
            if not lines:
                run._append(head)
            run.done = {line["name"]: line for _, line in lines[1:]}
            try:
                yield run
            except BaseException:
                if not run.done:
                    file.close()
                    place.unlink(missing_ok=True)
                raise

    def knows(self, one: LongItem) -> bool:
        """Whether an item is done, and its file has not changed since."""
        return one.name in self.done and self.done[one.name].get("state") == one.state

    def add(self, one: LongItem, state: list[int], found: Detections) -> None:
        """Keep what was found in an item, whose file was in this state when it was opened."""
        events = [asdict(event) | {"source": one.name} for event in found.events]
        line = {"name": one.name, "state": state, "length": found.length, "error": found.error, "events": events}
        self._append(line)
        self.done[one.name] = line

    @property
    def length(self) -> float:
        """Of all items that are done."""
        return float(sum(line["length"] for line in self.done.values()))

    def finish(self, items: Sequence[LongItem]) -> tuple[list[Event], list[tuple[str, str]]]:
        """Return all events, and the items that could not be read with the reasons; nothing is left to go on with."""
        self.file.close()
        self.place.unlink(missing_ok=True)
        lines = [self.done[one.name] for one in items]
        errors = [(line["name"], line["error"]) for line in lines if line["error"]]
        return [Event(**each) for line in lines for each in line["events"]], errors

    def _append(self, line: Mapping[str, Any]) -> None:
        self.file.write(json.dumps(line).encode() + b"\n")
        self.file.flush()
        sync(self.file.fileno())


def _whole_lines(place: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return the lines of a file that were written to their ends, each with the place behind it."""
    lines, at = [], 0
    with place.open("rb") as file:
        for line in file:
            at += len(line)
            try:
                if not line.endswith(b"\n"):
                    break
                lines.append((at, json.loads(line)))
            except ValueError:
                break
    return lines
