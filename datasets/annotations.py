"""Annotations and detections in the formats that people use: what is heard, or happens, from when to when.

| kind | file | label | confidence | file of sound | frequencies | channel | further columns |
| --- | --- | --- | --- | --- | --- | --- | --- |
| `csv` | .csv (read: also .tsv, .jsonl, .json, .xlsx) | yes | yes | yes | yes | yes | as text |
| `parquet` | .parquet | yes | yes | yes | yes | yes | yes |
| `raven` | .txt, a selection table | yes (2) | yes | yes | yes | yes | as text (2) |
| `audacity` | .txt, a label track | yes (1) | no | no | yes | no | no |
| `kaleidoscope` | .csv | yes | yes | yes | yes | yes | as text |
| `labelstudio` | .json, tasks | yes | yes | yes | in `meta` | yes | in `meta` |

Times are held exactly by all of them. What a format cannot hold is left out; ends of lines (1), also tabs (2), become
spaces. An empty cell is no value: a further column whose value is an empty text is not there when it is read again.
Kaleidoscope knows a path without doubled slashes. In Label Studio, the events of a file that have a confidence come
after those that have none.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias, overload

from gridcnn.datasets.cells import OnError
from gridcnn.datasets.compressed import table_suffix
from gridcnn.datasets.encoding import decode
from gridcnn.datasets.event_files import audacity, kaleidoscope, labelstudio, plain, raven
from gridcnn.datasets.event_files.reading import Reading
from gridcnn.datasets.sounds_of_tables import SoundsOf
from gridcnn.datasets.tables import require_file
from gridcnn.durable import sync, take_name
from gridcnn.errors import DataError, Skipped
from gridcnn.segments import Event

__all__ = ["KINDS", "Annotations", "Kind", "kind_of_file", "read_annotations", "write_annotations"]

Kind: TypeAlias = Literal["csv", "parquet", "raven", "audacity", "kaleidoscope", "labelstudio"]

_START = 2**14
"""Bytes by which a file is recognised."""


class _Format(NamedTuple):
    read: Callable[[Reading], None]
    write: Callable[[IO[bytes], Sequence[Event]], None]
    suffixes: tuple[str, ...]


_FORMATS: dict[str, _Format] = {
    "csv": _Format(plain.read, plain.write_csv, (".csv",)),
    "parquet": _Format(plain.read, plain.write_parquet, (".parquet",)),
    "raven": _Format(raven.read, raven.write, (".selections.txt", ".txt", ".tsv")),
    "audacity": _Format(audacity.read, audacity.write, (".txt",)),
    "kaleidoscope": _Format(kaleidoscope.read, kaleidoscope.write, (".csv",)),
    "labelstudio": _Format(labelstudio.read, labelstudio.write, (".json",)),
}

KINDS: tuple[str, ...] = tuple(_FORMATS)
"""The names of the formats."""


@dataclass(frozen=True)
class Annotations(Sequence[Event]):
    """The events of a file, as a sequence.

    Parameters
    ----------
    events : tuple of Event
        In the order of the file.
    rows : tuple of int
        The number of the row of each.
    kind : str
        The format.
    skipped : tuple of Skipped
        The rows that hold none, with the reasons.
    notes : tuple of str
        What a person should know about how the file was read.
    several : mapping of str to sequence of Path
        The recordings that fit a `source`, where these are several, none of which is taken.
    """

    events: tuple[Event, ...]
    rows: tuple[int, ...]
    kind: str
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    several: Mapping[str, Sequence[Path]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    @overload
    def __getitem__(self, at: int) -> Event: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Event, ...]: ...
    def __getitem__(self, at: int | slice) -> Event | tuple[Event, ...]:
        return self.events[at]


def read_annotations(
    path: str | os.PathLike[str],
    kind: str | None = None,
    *,
    label: str | None = None,
    encoding: str | None = None,
    on_error: OnError = "raise",
    source: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> Annotations:
    """Read a file of annotations or detections.

    Parameters
    ----------
    path : path
        The file.
    kind : {"csv", "parquet", "raven", "audacity", "kaleidoscope", "labelstudio"}, optional
        Its format; without it, its name and its beginning say which.
    label : str, optional
        Column of labels, if it is not the usual one.
    encoding : str, optional
        Encoding of a text file; None detects it.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row that holds no event is an error, or is listed in `skipped` with its number: the header of a table
        is row 1, and tasks of Label Studio count from 1.
    source : str, optional
        The recording that all events are in, if the file does not name one. The default is the one beside it that has
        the same name: rec.wav for rec.txt, rec.Table.1.selections.txt and rec.BirdNET.results.csv.
    root : path, optional
        Folder in which recordings are looked for that are not where the file says; its own folder by default.

    Returns
    -------
    Annotations
        A sequence of events. The `source` of each is a path that exists if the recording was found, and otherwise what
        the file says; if that is nothing, the name of the file without its suffix.

    Raises
    ------
    DataError
        If it cannot be read, is of no such format, or, with ``on_error="raise"``, a row holds no event: it ends before
        it begins, or has no number where one must be.
    """
    place = Path(path)
    require_file(place)
    chosen = kind_of_file(place) if kind is None else kind
    if chosen is None:
        raise DataError(
            f"{place}: its name and its beginning are those of no format of annotations: say which with kind= "
            f"(--annotations), one of {', '.join(KINDS)}."
        )
    sounds = SoundsOf(place, Path(root) if root is not None else None)
    if source is None:
        source = sounds.beside() or str(place.with_name(place.name.split(".")[0] or place.name))
    reading = Reading(place, label, encoding, source)
    _format(chosen).read(reading)
    reading.finish(on_error)
    events = reading.events if not reading.names_sources else sounds.located(reading.events)
    notes = (*reading.notes, *sounds.notes())
    return Annotations(tuple(events), tuple(reading.rows), chosen, tuple(reading.skipped), notes, sounds.several)


def write_annotations(
    path: str | os.PathLike[str] | IO[bytes], events: Iterable[Event], kind: str | None = None
) -> None:
    """Write annotations or detections; the file has its name only when it is whole.

    Parameters
    ----------
    path : path or binary file
        Where to.
    events : iterable of Event
        In the order of the rows.
    kind : str, optional
        As for `read_annotations`; without it, the suffix says which: .csv, .parquet, .json (Label Studio) or .txt
        (Raven).

    Raises
    ------
    DataError
        If there is no such kind, or events have further columns that the format has itself.
    """
    chosen = kind if kind is not None else _kind_of_suffix(path)
    write = _format(chosen).write
    held = events if isinstance(events, Sequence) else list(events)
    if not isinstance(path, str | os.PathLike):
        write(path, held)
        return
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:32]}.", suffix=".draft")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file, held)
            file.flush()
            draft.chmod(0o666 & ~_umask())  # mkstemp makes files that only the owner can read
            sync(file.fileno())
        take_name(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _format(kind: str) -> _Format:
    if kind not in _FORMATS:
        raise DataError(f"{kind!r} is no format of annotations: choose one of {', '.join(KINDS)}.")
    return _FORMATS[kind]


def _kind_of_suffix(path: str | os.PathLike[str] | IO[bytes]) -> str:
    name = os.fspath(path).lower() if isinstance(path, str | os.PathLike) else ""
    pairs = itertools.chain.from_iterable(((kind, end) for end in each.suffixes) for kind, each in _FORMATS.items())
    found = next((kind for kind, end in pairs if name.endswith(end)), None)
    if found is None:
        raise DataError(f"{path}: say which format with kind=, one of {', '.join(KINDS)}.")
    return found


def kind_of_file(path: Path) -> str | None:
    """Return the format of a file by its name and its beginning; None if it is none of annotations.

    Raises
    ------
    DataError
        If it cannot be opened.
    """
    suffix = table_suffix(path)
    if suffix == ".parquet":
        return "parquet"
    if path.suffix.lower() not in {".txt", ".text", ".tsv", ".csv", ".json"}:
        return "csv" if suffix is not None else None
    start = _start(path)
    if start is None:
        return None
    if raven.is_table(path, start):
        return "raven"
    if path.suffix.lower() in {".txt", ".text"}:
        return "audacity" if audacity.is_track(start) else None
    header = start.split("\n", 1)[0]
    if path.suffix.lower() == ".json":
        return "labelstudio" if _holds_tasks(start) else "csv"
    return "kaleidoscope" if all(name in header for name in kaleidoscope.NEEDED) else "csv"


def _start(path: Path) -> str | None:
    """Return the beginning of a text file; None if it is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(_START)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    try:
        return decode(data[: data.rfind(b"\n") + 1] or data if len(data) == _START else data, path).lstrip("\ufeff")
    except DataError:  # in an encoding that is not proven
        return None if b"\0" in data else data.decode("latin-1")


def _holds_tasks(start: str) -> bool:
    """Whether the beginning of JSON is that of tasks rather than of rows."""
    decoder = json.JSONDecoder()
    text = start.lstrip().removeprefix("[").lstrip()
    try:
        first, _ = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return '"annotations"' in start or '"predictions"' in start
    return labelstudio.is_tasks([first])
