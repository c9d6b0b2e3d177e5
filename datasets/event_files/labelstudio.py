"""Tasks of Label Studio in JSON: regions of a sound or series that people labelled, or that a model predicted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from gridcnn.datasets.cells import as_word
from gridcnn.datasets.event_files.reading import BadRowError, Reading, number_of
from gridcnn.datasets.folder import read_document
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError
from gridcnn.segments import Event

__all__ = ["is_tasks", "read", "write"]

_KINDS = {"labels": "labels", "timeserieslabels": "timeserieslabels"}
"""Types of regions in time, and the key of their labels."""

_SOUNDS = ("audio", "url", "sound", "file", "path", "csv", "ts")
"""Usual names of what a task is about."""

_KNOWN = frozenset({"low", "high"})


def read(reading: Reading) -> None:
    """Read exported tasks, in full or in the short form JSON-MIN; rows are numbered by the tasks.

    Raises
    ------
    DataError
        If it is no list of tasks.
    """
    if reading.label is not None:
        raise DataError(f"{reading.path}: tasks have no columns, so none is called {reading.label!r}.")
    reading.names_sources = True
    text = read_document(reading.path, reading.encoding)
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{reading.path}: no JSON ({shortened(error)}): export it again.") from None
    if isinstance(tasks, dict):
        tasks = [tasks]
    if not isinstance(tasks, list) or not is_tasks(tasks):
        raise DataError(f'{reading.path}: expected a list of tasks of Label Studio, {{"data": …, "annotations": …}}.')
    for number, task in enumerate(tasks, start=1):
        try:
            source = _source(task)
        except BadRowError as error:
            reading.skip(number, str(error))
            continue
        for region in _regions(task):
            try:
                for event in _events(source, *region):
                    reading.add(number, event)
            except BadRowError as error:
                reading.skip(number, str(error))


def is_tasks(content: Any) -> bool:
    """Whether JSON is a list of tasks."""
    return isinstance(content, list) and all(
        isinstance(task, dict) and (isinstance(task.get("data"), dict) or isinstance(task.get("label"), list))
        for task in content
    )


def _source(task: Mapping[str, Any]) -> str:
    """Return what a task is about: the value under a usual name, or the only text there is."""
    data = task.get("data", task)
    named = [str(data[key]) for key in _SOUNDS if isinstance(data.get(key), str)]
    texts = [value for value in data.values() if isinstance(value, str)]
    if named or len(texts) == 1:
        return (named or texts)[0]
    raise BadRowError(f"none of its data is called {', '.join(_SOUNDS[:4])}, so it is not clear which file it is about")


def _regions(task: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], float | None, bool]]:
    """Yield the regions of a task: each with the score of what it is part of, and whether a model predicted it."""
    for each in _dicts(task.get("annotations")):
        if not each.get("was_cancelled"):
            yield from ((region, None, False) for region in _dicts(each.get("result")))
    for each in _dicts(task.get("predictions")):
        yield from ((region, each.get("score"), True) for region in _dicts(each.get("result")))
    if "data" not in task:
        yield from (({"type": "labels", "value": region}, None, False) for region in _dicts(task.get("label")))


def _dicts(content: Any) -> list[Mapping[str, Any]]:
    return [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []


def _events(source: str, region: Mapping[str, Any], score: Any, predicted: bool) -> Iterator[Event]:
    """Yield an event for each label of a region; none if it is no region in time, such as a choice or a transcript."""
    key, value = _KINDS.get(str(region.get("type"))), region.get("value")
    if key is None or not isinstance(value, dict):
        return
    if isinstance(value.get("text"), str) and "channel" not in value:
        raise BadRowError("a part of a text, not of time")
    start, end = (number_of(value.get(name), name) for name in ("start", "end"))
    if end < start:
        raise BadRowError(f"it ends at {end:g}, before it begins at {start:g}")
    labels = value.get(key) if isinstance(value.get(key), list) else []
    channel = value.get("channel")
    score = region.get("score", score) if predicted else None
    confidence = None if score is None else number_of(score, "score")
    if confidence is not None and confidence > 1:
        raise BadRowError(f"its score is {confidence:g}, more than 1")
    given = region.get("meta")
    meta: dict[str, Any] = given if isinstance(given, dict) else {}
    low, high = (None if meta.get(name) is None else number_of(meta[name], name) for name in ("low", "high"))
    for label in labels or [""]:
        yield Event(
            source=source,
            start=start,
            end=end,
            label=label if isinstance(label, str) else as_word(label),
            confidence=confidence,
            low=low,
            high=high,
            channel=None if channel is None else int(number_of(channel, "channel")) + 1,
            more={name: cell for name, cell in meta.items() if name not in _KNOWN},
        )


def write(file: IO[bytes], events: Sequence[Event]) -> None:
    """Write a task for each run of events in one file; those with a confidence are predictions.

    Frequencies and further columns are written as `meta` of a region.
    """
    file.write(b"[")
    for number, (source, run) in enumerate(itertools.groupby(events, lambda event: event.source)):
        task = _task(source, list(run), number)
        file.write(b",\n" if number else b"\n")
        file.write(json.dumps(task, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    file.write(b"\n]\n")


def _task(source: str, events: Sequence[Event], number: int) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {"audio": source}}
    for key, predicted in (("annotations", False), ("predictions", True)):
        regions = [
            _region(event, f"{number}-{at}")
            for at, event in enumerate(events)
            if (event.confidence is not None) == predicted
        ]
        if regions:
            task[key] = [{"result": regions}]
    if "predictions" in task:
        scores = [region["score"] for region in task["predictions"][0]["result"]]
        task["predictions"][0] |= {"model_version": "gridcnn", "score": sum(scores) / len(scores)}
    return task


def _region(event: Event, name: str) -> dict[str, Any]:
    value: dict[str, Any] = {"start": float(event.start), "end": float(event.end)}
    if event.channel is not None:
        value["channel"] = event.channel - 1
    region: dict[str, Any] = {
        "id": name,
        "from_name": "label",
        "to_name": "audio",
        "type": "labels",
        "value": {**value, "labels": [event.label] if event.label else []},
    }
    if event.confidence is not None:
        region["score"] = float(event.confidence)
    known = {name: float(cell) for name, cell in (("low", event.low), ("high", event.high)) if cell is not None}
    if meta := {**event.more, **known}:
        region["meta"] = meta
    return region
