"""`gridcnn detect`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridcnn.cli.detecting import (
    ConfidenceOption,
    MergeOption,
    PrecisionOption,
    Run,
    StepOption,
    confidence_for,
    confidence_of,
    long_items,
    read_long,
)
from gridcnn.cli.models import load_model, located_model
from gridcnn.cli.options import ModelArgument, ThreadsOption
from gridcnn.cli.output import note, prepare_output, write_csv
from gridcnn.cli.stopping import exit_code
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.model import FittedModel

_SUFFIXES = {
    "csv": ".csv",
    "parquet": ".parquet",
    "raven": ".selections.txt",
    "audacity": ".labels.txt",
    "kaleidoscope": ".kaleidoscope.csv",
    "labelstudio": ".labelstudio.json",
}

ShortestOption = Annotated[
    float, typer.Option("--min-duration", metavar="SECONDS", help="Leave out events that are shorter.")
]


def detect(
    model: ModelArgument,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Long recordings, folders or parquet files of them; text files; csv or npy files of a series.",
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
            "the first, the others stand beside it, of audacity one a recording.  \\[default: by the suffix of FILE]",
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
    if precision is not None:
        settings = replace(settings, confidence=confidence_for(precision, fitted))
    settings.thresholds(fitted.class_names)
    items = long_items(inputs, fitted.adapter)
    names = _apart({each.name: Path(each.name).name for each in items})
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
                    _save_curve(curve / f"{names[each.name]}.npz", one.places, one.curve, fitted.class_names)
                run.add(each, states.pop(0), one)
        except KeyboardInterrupt as stopped:
            done = sum(map(run.knows, items))
            note(f"stopped: {done} of {len(items)} are done; the same command with --resume goes on.")
            raise typer.Exit(exit_code(stopped)) from None
        length = run.length
        events, errors = run.finish(items)
    places = _write(output, kinds, events)
    seconds = f", {length / 3600:.2f} hours of sound" if fitted.adapter.spec_.axes[-1].unit == "s" else ""
    print(f"{len(events):,} events in {len(items)} items{seconds}, saved to {', '.join(map(str, places))}")
    if errors:
        listed = output.with_name(f"{output.name}.skipped.csv")
        write_csv(listed, ("item", "reason"), errors)
        note(f"{len(errors)} of {len(items)} items could not be read, or not to their end: see {listed}")
    if len(errors) == len(items) and not events:
        raise typer.Exit(1)


def _about_background(model: FittedModel) -> None:
    if model.background is None:
        note(
            "warning: the model has no background class, so that every sound is one of its classes: train it with "
            "--background, which draws segments in which nothing is annotated"
        )


def _kinds(output: Path, formats: str | None) -> list[str]:
    by_suffix = {".csv": "csv", ".parquet": "parquet", ".json": "labelstudio", ".txt": "raven"}
    if formats is None:
        return [by_suffix.get(output.suffix.lower(), "csv")]
    kinds = [each.strip().lower() for each in formats.split(",")]
    for each in kinds:
        if each not in _SUFFIXES:
            raise ConfigurationError(f"--format: {each!r} is none of {', '.join(_SUFFIXES)}")
    return list(dict.fromkeys(kinds))


def _write(output: Path, kinds: Sequence[str], events: Sequence[Any]) -> list[Path]:
    """Write the events in each format; the first one under the name that was asked for."""
    from gridcnn.datasets.annotations import write_annotations

    places = []
    names = _apart({event.source: Path(event.source).stem for event in events})
    for at, kind in enumerate(kinds):
        if kind == "audacity":  # a label track belongs to one recording
            for source, some in _by_source(events):
                place = output.with_name(f"{output.stem}.{names[source]}{_SUFFIXES[kind]}")
                write_annotations(place, some, kind)
                places.append(place)
            continue
        place = output if at == 0 else output.with_name(f"{output.stem}{_SUFFIXES[kind]}")
        write_annotations(place, events, kind)
        places.append(place)
    return places


def _apart(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names of recordings, by their paths; those of one name in several folders are numbered.

    >>> _apart({"a/night.wav": "night", "b/night.wav": "night"})
    {'a/night.wav': 'night', 'b/night.wav': 'night-2'}
    """
    apart: dict[str, str] = {}
    taken: set[str] = set()
    for path, name in names.items():
        numbered = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        apart[path] = next(each for each in numbered if each not in taken)
        taken.add(apart[path])
    return apart


def _by_source(events: Sequence[Any]) -> Iterable[tuple[str, list[Any]]]:
    groups: dict[str, list[Any]] = {}
    for event in events:
        groups.setdefault(event.source, []).append(event)
    return groups.items()


def _save_curve(file: Path, places: Any, curve: Any, classes: Sequence[str]) -> None:
    import numpy as np

    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, time=places, probability=curve, classes=np.array(classes))
