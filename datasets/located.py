"""Files that the cells of a table name, in whichever way they write it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gridcnn.datasets.event_files.plain import time_columns
from gridcnn.datasets.folder import DOCUMENTS
from gridcnn.datasets.logs import LOG_FILES
from gridcnn.datasets.media import is_media_name

__all__ = ["how_to_read", "located_file", "mostly_files"]


def mostly_files(cells: Iterable[Any]) -> bool:
    """Whether most of some cells name pictures, sounds, texts or logs, by their suffixes.

    >>> mostly_files(["a.wav", "b.txt", "c"]), mostly_files(["is a.wav here?", "1.5", "no"]), mostly_files([])
    (True, False, False)
    """
    names = [str(cell).strip().lower() for cell in cells]
    files = DOCUMENTS | LOG_FILES
    found = sum(os.path.splitext(name)[1] in files or is_media_name(name) for name in names)  # noqa: PTH122
    return 2 * found > len(names)


def how_to_read(column: str, columns: Sequence[Any]) -> str:
    """Say which options read a table of these columns, one of which names files.

    >>> how_to_read("file", ["file", "begin", "end", "kind"])
    'name their column, --path file, and for parts of them --start begin --end end'
    """
    times = time_columns(columns)
    parts = "" if times is None else f", and for parts of them --start {times[0]} --end {times[1]}"
    return f"name their column, --path {column}{parts}"


def located_file(cell: str, folder: Path, elsewhere: list[str]) -> Path:
    """Return the file that a cell names, relative to the folder of the manifest; note if it is found in another way.

    A cell may also be written with backslashes, with ~, as a URL of this machine, or without its suffix, or be relative
    to the working directory, if a file is found so, and only one.
    """
    text = cell.strip()
    literal = folder / text
    if os.path.isfile(literal):  # noqa: PTH113  (twice as fast, and the usual case)
        return literal
    plain = text
    if text.lower().startswith("file:"):
        with contextlib.suppress(ValueError):  # no valid URL, such as file://[x
            plain = unquote(urlsplit(text).path)
    spellings = dict.fromkeys([plain, plain.replace("\\", "/"), os.path.expanduser(plain)])  # noqa: PTH111
    for spelling in spellings:
        try:
            for place in (folder / spelling, Path(spelling)):
                if place.is_file():
                    elsewhere.append(text)
                    return place
            named = list((folder / spelling).parent.glob(f"{_literal(Path(spelling).name)}.*"))
        except (OSError, ValueError):  # a name too long, or with a zero byte
            continue
        if len(named) == 1 and named[0].is_file() and not Path(spelling).suffix:
            elsewhere.append(text)
            return named[0]
    return literal


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
