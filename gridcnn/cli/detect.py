"""`gridcnn detect`."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.columns import Columns
from gridcnn.cli.detecting import (
    ConfidenceOption,
    MergeOption,
    PrecisionOption,
    Run,
    StepOption,
    confidence_for,
    confidence_of,
    refuse_background,
)
from gridcnn.cli.long_items import long_items, read_long
from gridcnn.cli.models import load_model, located_model
from gridcnn.cli.options import EncodingOption, ModelArgument, PathOption, TextOption, ThreadsOption
from gridcnn.cli.output import note, prepare_output, write_csv
from gridcnn.cli.segmented import require_long
from gridcnn.cli.several import refuse
from gridcnn.cli.stopping import exit_code
from gridcnn.display import counted
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.inference.detecting import Detections
    from gridcnn.model import FittedModel
    from gridcnn.segments import Event

MOST_PLACES = 6
"""Files that are named when they are written."""

_OF_ONE_RECORDING = frozenset({"raven", "audacity"})
"""Formats that are opened over one recording, whose times have no other meaning."""

_SUFFIXES = {
    "csv": ".csv",
    "parquet": ".parquet",
    "raven": ".selections.txt",
    "audacity": ".labels.txt",
    "kaleidoscope": ".kaleidoscope.csv",
    "labelstudio": ".labelstudio.json",
}

_BY_SUFFIX = {".csv": "csv", ".parquet": "parquet", ".json": "labelstudio", ".txt": "raven"}

ShortestOption = Annotated[
    float, typer.Option("--min-duration", metavar="SECONDS", help="Leave out events that are shorter.")
]


def detect(
    model: ModelArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Long recordings, texts or logs (csv, tsv, parquet, npy, npz), folders of them, or tables that list "
            "them.",
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where the events go, in the format of its suffix."),
    ],
    step: StepOption = None,
    min_confidence: ConfidenceOption = None,
    precision: PrecisionOption = None,
    merge: MergeOption = None,
    shortest: ShortestOption = 0.0,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="One or more of csv, parquet, raven, audacity, kaleidoscope, labelstudio, such as csv,raven: FILE is "
            "the first, the others stand beside it; of several recordings, raven and audacity have a file each.  "
            "\\[default: by the suffix of FILE]",
        ),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            "--curve", metavar="FOLDER", help="Also save the probabilities of all windows, an npz a recording."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with FILE.partial, which an interrupted run has left.")
    ] = False,
    text: TextOption = None,
    path: PathOption = None,
    encoding: EncodingOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Find events in long recordings: from when to when, which class, how certain.

    A window of the model's length slides over each recording, of any length, at flat memory. There is an event where
    the probability of a class is high enough; it lasts as long as the cells of the window tell. The background class is
    never an event. Recordings that cannot be read are listed in FILE.skipped.csv; what was found before damage is kept.
    """
    from gridcnn.inference.detecting import Detecting, detect

    kinds = _kinds(output, formats)
    prepare_output(output, [model, *inputs])
    if precision is not None and min_confidence is not None:
        raise ConfigurationError("--precision and --min-confidence both say what counts as an event: give one of them")
    settings = Detecting(step, confidence_of(min_confidence), merge, shortest)
    file = located_model(model)
    fitted = load_model(file, threads)
    require_long(fitted)
    if precision is not None:
        refuse(fitted, "--precision", "take confidences that `gridcnn evaluate --events` names, by --min-confidence")
        settings = replace(settings, confidence=confidence_for(precision, fitted))
    refuse_background(settings, fitted)
    settings.thresholds(fitted.class_names)
    items = long_items(inputs, fitted.adapter, Columns(text=text, path=path, encoding=encoding))
    names = _apart([each.name for each in items])
    made_by = {"model": file, "inputs": inputs, "settings": repr(settings)}
    _about_background(fitted)
    with Run.begun(output, made_by, resume=resume) as run:
        waiting = [each for each in items if not run.knows(each)]
        states: list[list[int]] = []

        def opened() -> Iterator[Any]:
            for each in waiting:
                states.append(each.state)
                yield read_long(each, fitted.adapter)

        try:
            found = detect(fitted, opened(), settings, curves=curve is not None)
            for each, one in zip(waiting, found, strict=False):
                if curve is not None and one.curve is not None:
                    _save_curve(curve / f"{names[each.name]}.npz", each.name, one, fitted.class_names)
                run.add(each, states.pop(0), one)
        except KeyboardInterrupt as stopped:
            done = sum(map(run.knows, items))
            note(f"stopped: {done} of {len(items)} are done{'; the same command with --resume goes on' * (done > 0)}.")
            raise typer.Exit(exit_code(stopped)) from None
        length = run.length
        events, errors = run.finish(items)
    unread = {name for name, _ in errors} - {event.source for event in events}
    rate = getattr(fitted.adapter, "sample_rate_", None)
    places = _write(output, kinds, events, {name: names[name] for name in names if name not in unread}, rate)
    seconds = f", {length / 3600:.2f} hours of sound" if fitted.adapter.spec_.axes[-1].unit == "s" else ""
    some = ", ".join(map(str, places[:MOST_PLACES])) + (", …" if len(places) > MOST_PLACES else "")
    found_in = counted(len(items), "item")
    print(f"{counted(len(events), 'event')} in {found_in}{seconds}, saved to {some}")
    if errors:
        listed = output.with_name(f"{output.name}.skipped.csv")
        write_csv(listed, ("item", "reason"), errors)
        note(f"{len(errors)} of {counted(len(items), 'item')} could not be read, or not to their end: see {listed}")
    if len(errors) == len(items) and not events:
        raise typer.Exit(1)


def _about_background(model: FittedModel) -> None:
    if model.background is None and not model.several:  # a model of several labels may give none
        note(
            "warning: the model has no background class, so that everything is one of its classes: train it with "
            "--background, which draws segments in which nothing is annotated"
        )


def _kinds(output: Path, formats: str | None) -> list[str]:
    if formats is None:
        suffix = output.suffix.lower()
        if suffix and suffix not in _BY_SUFFIX:
            listed = ", ".join(f"{each} ({kind})" for each, kind in _BY_SUFFIX.items())
            raise ConfigurationError(
                f"{output}: let the name end in {listed}, or say which with --format: {', '.join(_SUFFIXES)}."
            )
        return [_BY_SUFFIX.get(suffix, "csv")]
    kinds = [each.strip().lower() for each in formats.split(",")]
    for each in kinds:
        if each not in _SUFFIXES:
            raise ConfigurationError(f"--format: {each!r} is none of {', '.join(_SUFFIXES)}")
    return list(dict.fromkeys(kinds))


def _write(
    output: Path, kinds: Sequence[str], events: Sequence[Event], names: Mapping[str, str], rate: int | None
) -> list[Path]:
    """Write the events in each format; the first one under the name that was asked for.

    Parameters
    ----------
    names : mapping of str to str
        What the recordings that were read are called where each has a file of its own, by their paths.
    rate : int or None
        Sample rate of the model, below half of which it hears (Hz).
    """
    from gridcnn.datasets.annotations import write_annotations

    places = []
    by_source: dict[str, list[Event]] = {name: [] for name in names}
    for event in events:
        by_source[event.source].append(event)
    for at, kind in enumerate(kinds):
        whole = output if at == 0 else output.with_name(f"{_stem(output)}{_SUFFIXES[kind]}")
        parts: dict[Path, Sequence[Event]] = {whole: events}
        if kind in _OF_ONE_RECORDING and (len(by_source) > 1 or kind == "audacity"):
            end = _SUFFIXES[kind]
            parts = {output.with_name(f"{_stem(output)}.{_plain(names[name])}{end}"): by_source[name] for name in names}
        for place, some in parts.items():
            write_annotations(place, [_in_band(each, rate) for each in some] if kind == "raven" else some, kind)
            places.append(place)
    return places


def _in_band(event: Event, rate: int | None) -> Event:
    """Return an event with a channel and frequencies, without which Raven draws no selection in a spectrogram."""
    return event if rate is None else replace(event, channel=1, low=0.0, high=rate / 2)


def _stem(output: Path) -> str:
    ends = (each for each in _SUFFIXES.values() if output.name.endswith(each) and output.name != each)
    return output.name.removesuffix(max(ends, key=len, default=output.suffix))


def _plain(name: str) -> str:
    """Return a name without the suffix of a recording; what follows a suffix is the row of a table."""
    return re.sub(r"\.\w{1,5}$", "", name)


def _apart(paths: Sequence[str]) -> dict[str, str]:
    """Return the names of recordings, by their paths; those of one name begin with the folders that tell them apart.

    >>> _apart(["a/night.wav", "b/night.wav", "b/day.wav"])
    {'a/night.wav': 'a-night.wav', 'b/night.wav': 'b-night.wav', 'b/day.wav': 'day.wav'}
    >>> _apart(["night.wav", "night.flac", "site/1/night.wav"])
    {'night.wav': 'night.wav', 'night.flac': 'night.flac', 'site/1/night.wav': '1-night.wav'}
    """
    apart: dict[str, str] = {}
    taken: set[str] = set()
    parts = {path: [each for each in Path(path).parts if each not in {"/", "..", "\\"}] for path in paths}
    counts = Counter(tuple(some[-length:]) for some in parts.values() for length in range(1, len(some) + 1))
    for path, some in parts.items():
        lengths = (length for length in range(1, len(some)) if counts[tuple(some[-length:])] == 1)
        name = "-".join(some[-next(lengths, len(some)) :]).replace(":", "")
        numbered = itertools.chain([name], (f"{number}-{name}" for number in itertools.count(2)))
        apart[path] = next(each for each in numbered if each not in taken)
        taken.add(apart[path])
    return apart


def _save_curve(file: Path, source: str, found: Detections, classes: Sequence[str]) -> None:
    import numpy as np

    file.parent.mkdir(parents=True, exist_ok=True)
    places, probabilities = np.asarray(found.places), np.asarray(found.curve)
    np.savez_compressed(
        file, time=places, probability=probabilities, classes=np.array(classes), source=np.array(source)
    )
