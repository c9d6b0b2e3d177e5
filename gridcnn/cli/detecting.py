"""What `detect` and `evaluate --events` share: long items by their names, and a run that can be gone on with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gridcnn.durable import sync
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.segments import Event

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.cli.asked import Asked
    from gridcnn.inference.detecting import Detections

__all__ = ["ConfidenceOption", "LongItem", "MergeOption", "Run", "StepOption", "confidence_of", "long_items"]

StepOption = Annotated[
    float | None,
    typer.Option(
        "--step",
        metavar="SECONDS",
        help="Distance between two windows, in seconds; samples or tokens of items without seconds.  "
        "\\[default: half of a window]",
    ),
]
ConfidenceOption = Annotated[
    str | None,
    typer.Option(
        "--min-confidence",
        metavar="P",
        help="Probability from which there is an event, such as 0.8, or for each class, dog=0.8,cat=0.6.  "
        "\\[default: 0.8]",
    ),
]
MergeOption = Annotated[
    float | None,
    typer.Option(
        "--merge",
        metavar="SECONDS",
        help="Events of one class that are this near to each other are one.  \\[default: a window]",
    ),
]


def confidence_of(text: str | None) -> float | dict[str, float]:
    """Parse "0.8" or "dog=0.8,cat=0.6"; None is the default."""
    if text is None:
        return 0.8
    try:
        if "=" not in text:
            return float(text)
        pairs = (each.rpartition("=") for each in text.split(","))
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise ConfigurationError(
            f"--min-confidence: expected a probability such as 0.8, or one a class, dog=0.8,cat=0.6; got {text!r}"
        ) from None


class LongItem(NamedTuple):
    """An item in which something may be detected: its name in the results, and what the adapter reads.

    `item` is an ItemError if it is known to be unreadable already.
    """

    name: str
    item: Any


def long_items(inputs: Sequence[str], adapter: Adapter) -> list[LongItem]:
    """Return the long items that files and folders hold, each once, in their order; of parquet files, their rows.

    Raises
    ------
    DataError
        If there is none, or an input does not exist.
    """
    from gridcnn.cli.sources import located
    from gridcnn.datasets import list_media_files

    found: dict[str, LongItem] = {}
    for each in inputs:
        place = located(each)
        if not place.exists():
            raise DataError(f"{each}: no such file or folder, seen from {Path.cwd()}: check the spelling.")
        if tables := _tables(place, adapter):
            rows = ((f"{table}, row {row.row}", row.item) for table in tables for row in _rows(table, adapter))
            found |= {name: LongItem(name, item) for name, item in rows}
            continue
        files = sorted(list_media_files(place).items) if place.is_dir() else [place]
        for file in files:
            found.setdefault(os.path.realpath(file), LongItem(str(file), _read(Path(file), adapter)))
    if not found:
        raise DataError(f"there is nothing in {', '.join(inputs)} to look through.")
    return list(found.values())


def _tables(place: Path, adapter: Adapter) -> list[Path]:
    """Return the parquet files that hold the items; none if these are files themselves."""
    from gridcnn.cli.listed import tables_of

    if not (adapter.reads_files or adapter.reads_texts):
        return []
    tables = tables_of(place, adapter)[0] if place.is_dir() else [place]
    return [table for table in tables if table.suffix.lower() == ".parquet"]


def _rows(table: Path, adapter: Adapter) -> Iterator[Asked]:
    from gridcnn.cli.listed import listed
    from gridcnn.cli.sources import Columns

    for number, asked in enumerate(listed(str(table), table, adapter, Columns()).items(), start=1):
        yield asked._replace(row=number, item=str(asked.item) if isinstance(asked.item, Path) else asked.item)


def _read(file: Path, adapter: Adapter) -> Any:
    """Return what the adapter reads: the path of a recording, the text of a file, the numbers of a series."""
    if adapter.reads_files:
        return str(file)
    if adapter.reads_texts:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: cannot be read as UTF-8 text ({error}).") from None
    from gridcnn.datasets.logs import read_log

    return read_log(file)


@dataclass
class Run:
    """A run of `detect`: what it found is kept in FILE.partial, a line for each item that is done.

    Parameters
    ----------
    place : Path
        FILE.partial.
    file : binary file
        The same, open.
    names : set of str
        The items that are done.
    """

    place: Path
    file: IO[bytes]
    names: set[str] = field(default_factory=set)
    length: float = 0.0
    _events: list[Event] = field(default_factory=list)
    _errors: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def begun(cls, output: Path, made_by: Mapping[str, Any], *, resume: bool) -> Iterator[Run]:
        """Begin a run, or go on with one of the same model, inputs and settings.

        Raises
        ------
        ConfigurationError
            If there is an unfinished run and `resume` is not asked for, or it is another one.
        """
        place = output.with_name(f"{output.name}.partial")
        if place.exists() and not resume:
            raise ConfigurationError(
                f"{place} is what an interrupted run has left: go on with --resume, or remove it to begin anew."
            )
        with Path(made_by["model"]).open("rb") as model:
            digest = hashlib.file_digest(model, "sha256").hexdigest()
        head = {**made_by, "model": digest}
        lines = _whole_lines(place) if place.exists() else []
        if lines and lines[0][1] != head:
            raise ConfigurationError(
                f"--resume: {place} belongs to another model, other inputs or other settings: remove it to begin anew."
            )
        with place.open("r+b" if place.exists() else "w+b") as file:
            run = cls(place, file)
            file.seek(lines[-1][0] if lines else 0)
            file.truncate()
            if not lines:
                run._append(head)
            for _, line in lines[1:]:
                run._take(line)
            yield run

    def add(self, name: str, found: Detections) -> None:
        """Keep what was found in an item."""
        events = [asdict(event) | {"source": name} for event in found.events]
        line = {"name": name, "length": found.length, "error": found.error, "events": events}
        self._append(line)
        self._take(line)

    def finish(self) -> tuple[list[Event], list[tuple[str, str]]]:
        """Return all events, and the items that could not be read with the reasons; nothing is left to go on with."""
        self.file.close()
        self.place.unlink(missing_ok=True)
        return self._events, self._errors

    def _append(self, line: Mapping[str, Any]) -> None:
        self.file.write(json.dumps(line).encode() + b"\n")
        self.file.flush()
        sync(self.file.fileno())

    def _take(self, line: Mapping[str, Any]) -> None:
        self.names.add(line["name"])
        self.length += line["length"]
        self._events += [Event(**each) for each in line["events"]]
        if line["error"]:
            self._errors.append((line["name"], line["error"]))


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
