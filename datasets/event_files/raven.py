"""Selection tables of Raven: text with tabs, a row for each selection and each view of it.

References
----------
Raven Pro 1.4 User's Manual (Cornell Lab of Ornithology), chapter 7 on sequences of files. How others read
and write such tables: opensoundscape (`BoxedAnnotations.from_raven_files`: the annotation is the first column of
a person's own), crowsetta (`formats.bbox.raven`), BirdNET-Analyzer (`generate_raven_table`: Begin Path, File Offset,
and a row "nocall" for a recording in which nothing was found).
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from gridcnn.datasets.event_files.plain import values_of
from gridcnn.datasets.event_files.reading import Reading
from gridcnn.datasets.event_files.roles import Roles, field_of, read_events, require_free, used_columns
from gridcnn.datasets.folder import read_document
from gridcnn.datasets.tables import csv_table
from gridcnn.datasets.wording import listed
from gridcnn.display import counted
from gridcnn.errors import DataError
from gridcnn.segments import Event

__all__ = ["BEGIN", "read", "write"]

BEGIN, END, _DELTA = "Begin Time (s)", "End Time (s)", "Delta Time (s)"
_LABELS = ("annotation", "annotations", "species", "commonname", "label", "class", "tags", "tag", "tag1", "calltype",
           "call", "soundtype", "type", "speciescode")  # fmt: skip
"""Usual names of the column of labels, as `field_of` writes them, the first of which that is there counts."""
_OFFSET, _PATH, _FILE, _LAST_FILE, _LAST_PATH = "File Offset (s)", "Begin Path", "Begin File", "End File", "End Path"
_OWN = frozenset({"Selection", "View", BEGIN, END})
_MEASURED = re.compile(
    r".*\(.*\)|(Begin|End|Peak|Center|Max|Min) .*|Length.*|Occupancy|Sound Window|DetectionID|Notes?"
)
"""Columns that Raven can add by itself, most of which have a unit, and those that hold anything."""
_NOTHING = "nocall"
"""The label and the code of BirdNET for a recording in which it found nothing."""


def read(reading: Reading) -> None:
    """Read a selection table.

    Times count from the beginning of a file if the column `File Offset (s)` says where in it a selection begins, or if
    it names one file only; of a sequence of files, Raven counts from the beginning of the first.

    Raises
    ------
    DataError
        If it cannot be read, has no times, or names several files and does not say what its times count from.
    """
    header, *rows = [_cells(line) for line in _lines(read_document(reading.path, reading.encoding))] or [[]]
    if BEGIN not in header or (END not in header and _DELTA not in header):
        raise DataError(f"{reading.path}: no Raven selection table: the columns {BEGIN!r} and {END!r} are expected.")
    while rows and not any(rows[-1]):
        rows.pop()
    table = csv_table(header, rows, 2, "\t")
    source = next((name for name in (_PATH, _FILE) if name in header and any(map(str.strip, table[name]))), None)
    roles = Roles(
        start=_OFFSET if _OFFSET in header and source else BEGIN,
        end=END if END in header else None,
        since=BEGIN if _OFFSET in header and source and END in header else None,
        duration=None if END in header else _DELTA,
        source=() if source is None else (source,),
        label=_label(table, reading),
        confidence=next((name for name in ("Confidence", "Score") if name in header), None),
        low=next((name for name in ("Low Freq (Hz)",) if name in header), None),
        high=next((name for name in ("High Freq (Hz)",) if name in header), None),
        channel="Channel" if "Channel" in header else None,
        own=_OWN | {_FILE, _PATH, _OFFSET, _LAST_FILE, _LAST_PATH},
    )
    for first, last in ((_FILE, _LAST_FILE), (_PATH, _LAST_PATH)):
        if first in header and last in header:
            _refuse_spanning(table, first, last)
    read_events(table, roles, reading)
    if source is not None and _OFFSET not in header:
        _require_one_scale(reading)
    if "Selection" in header and "View" in header:
        _merge_views(reading, table)
    _leave_out_nothing(reading)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def _cells(line: str) -> list[str]:
    """Split a line; a cell that a spreadsheet has put in quotes loses them."""
    return [_unquoted(cell) for cell in line.split("\t")] if line.strip() else []


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


def _label(table: Any, reading: Reading) -> tuple[str, ...]:
    """Return the column of labels: the usual one, or the only one of a person's own that holds words."""
    names = list(map(str, table.columns))
    by_field = {field_of(name): name for name in reversed(names)}
    usual = next((by_field[each] for each in _LABELS if each in by_field), None)
    if usual is not None or reading.label is not None:
        return () if usual is None else (usual,)
    known = {*_OWN, _OFFSET, _PATH, _FILE, _LAST_FILE, _LAST_PATH, "Channel", "Confidence", "Score", ""}
    own = [name for name in names if name not in known and not _MEASURED.fullmatch(name)]
    words = [name for name in own if any(cell.strip() and not _is_number(cell) for cell in table[name])]
    if len(words) == 1:
        reading.notes.append(f"{reading.path}: labels are in the column {words[0]!r}, the only one that holds words")
        return (words[0],)
    if words:
        reading.notes.append(
            f"{reading.path}: no column is called Annotation, and {listed(words[:9])} may all hold labels: say which "
            "with --label"
        )
    return ()


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"[-+.,:\d\s]+", cell))


def _leave_out_nothing(reading: Reading) -> None:
    """Leave out rows that say that nothing was found."""
    kept = [
        at
        for at, event in enumerate(reading.events)
        if not (event.label == _NOTHING and event.more.get("Species Code") == _NOTHING)
    ]
    if left_out := len(reading.events) - len(kept):
        reading.notes.append(
            f"{reading.path}: {counted(left_out, 'row')} {_NOTHING!r}, by which nothing was found, left out"
        )
    _keep(reading, kept)


def _keep(reading: Reading, kept: Sequence[int]) -> None:
    reading.events[:] = [reading.events[at] for at in kept]
    reading.rows[:] = [reading.rows[at] for at in kept]


def _refuse_spanning(table: Any, begins: str, ends: str) -> None:
    """Mark selections that reach into another file as bad rows."""
    for row, first, last in zip(table.index.tolist(), table[begins], table[ends], strict=True):
        if last.strip() and last.strip() != first.strip():
            table.attrs["malformed"].setdefault(row, f"it begins in {first} and ends in another file, {last}")


def _require_one_scale(reading: Reading) -> None:
    """Raise DataError if nobody knows whether times count from the beginning of each file or of the first one."""
    spans: dict[str, tuple[float, float]] = {}
    for event in reading.events:
        first, last = spans.get(event.source, (event.start, event.end))
        spans[event.source] = min(first, event.start), max(last, event.end)
    ordered = sorted(spans.values())
    apart = all(before[1] <= after[0] for before, after in itertools.pairwise(ordered))
    if len(spans) > 1 and apart:
        raise DataError(
            f"{reading.path}: {len(spans)} files are named, and it is not clear whether times count from the beginning "
            f"of each, or of the first, as Raven counts in a sequence: add the measurement {_OFFSET!r} in Raven and "
            "save the table again, or make one table a file."
        )


def _merge_views(reading: Reading, table: Any) -> None:
    """Count a selection once that has a row for each view in which Raven showed it, such as waveform and spectrogram.

    The row of a spectrogram is kept, which has the frequencies. Rows of one view are never the same selection.
    """
    number = dict(zip(table.index.tolist(), table["Selection"], strict=True))
    view = dict(zip(table.index.tolist(), table["View"], strict=True))
    shown: dict[tuple[Any, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for at, (row, event) in enumerate(zip(reading.rows, reading.events, strict=True)):
        place = number[row], event.source, event.start, event.end, event.channel
        shown[place][view[row].strip().lower()].append(at)
    left_out = set[int]()
    for views in shown.values():
        best, *others = sorted(views, key=lambda name: (name.startswith("waveform"), name))
        for other in others:
            for kept, at in zip(views[best], views[other], strict=False):
                labels = {reading.events[kept].label, reading.events[at].label} - {""}
                if len(labels) < 2:
                    reading.events[kept] = replace(reading.events[kept], label=next(iter(labels), ""))
                    left_out.add(at)
    _keep(reading, [at for at in range(len(reading.events)) if at not in left_out])


def write(file: IO[bytes], events: Sequence[Event]) -> None:
    """Write a selection table, with columns only for what at least one event has."""
    more = used_columns(events)
    columns = {
        "Selection": None,
        "View": None,
        "Channel": lambda event: event.channel,
        BEGIN: lambda event: event.start,
        END: lambda event: event.end,
        "Low Freq (Hz)": lambda event: event.low,
        "High Freq (Hz)": lambda event: event.high,
        _PATH: lambda event: event.source,
        _OFFSET: lambda event: event.start,
        "Annotation": lambda event: event.label,
        "Confidence": lambda event: event.confidence,
    }
    require_free(more, {*columns, _FILE, _LAST_FILE}, "raven")
    unknown = {"Channel": 7, "Low Freq (Hz)": 5, "High Freq (Hz)": 6, "Confidence": 4}
    values = list(map(values_of, events))
    for name, at in unknown.items():
        if all(each[at] is None for each in values):
            del columns[name]
    file.write(_line([*columns, *more]))
    for number, event in enumerate(events, start=1):
        cells = [get(event) for get in columns.values() if get is not None]
        file.write(_line([number, "Spectrogram 1", *cells, *(event.more.get(name) for name in more)]))


def _line(cells: Sequence[Any]) -> bytes:
    return ("\t".join(map(_written, cells)) + "\n").encode("utf-8", "backslashreplace")


def _written(value: Any) -> str:
    """Write a cell: there is no form for tabs and ends of lines in it, which become spaces."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(float(value)) if hasattr(value, "__float__") and not isinstance(value, int) else str(value)
    text = value.replace("\t", " ").replace("\r\n", " ").replace("\r", " ").replace("\n", " ")
    return '"' + text.replace('"', '""') + '"' if text.startswith('"') else text


def is_table(path: Path, start: str) -> bool:
    """Whether the beginning of a file is that of a selection table."""
    first = start.splitlines()[0] if start else ""
    return BEGIN in [_unquoted(cell).strip() for cell in first.split("\t")]
