"""The recordings that a file of annotations is about: named in it, or beside it under the same name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gridcnn.datasets.media import is_media_name, visible, walk
from gridcnn.display import counted
from gridcnn.segments import Event

__all__ = ["SoundsOf"]

MOST_TOLD = 3
"""Names that fit several recordings, of which is told."""


class SoundsOf:
    """Finds the recordings of one file of annotations.

    Parameters
    ----------
    table : Path
        The file.
    root : Path, optional
        Folder below which recordings are looked for by the ends of their paths; that of the file by default.

    Attributes
    ----------
    several : dict of str to list of Path
        The recordings that fit a name, where these are several, none of which is taken.
    """

    def __init__(self, table: Path, root: Path | None = None) -> None:
        self._table, self._root = table, root
        self._places: dict[str, str] = {}
        self._elsewhere: list[str] = []
        self.several: dict[str, list[Path]] = {}

    @cached_property
    def _beside(self) -> list[Path]:
        return sorted(each for each in self._table.parent.iterdir() if visible(each.name) and is_media_name(each.name))

    @cached_property
    def _below(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for each in walk(self._root or self._table.parent):
            if is_media_name(each.name):
                found.setdefault(each.name, []).append(each)
        return found

    def beside(self) -> str | None:
        """Return the one recording whose name without its suffix is that of the file, or what it begins with.

        Endings between dots are left out one by one: of rec.1.Table.1.selections.txt, rec.1.Table.1 comes before rec.1.
        """
        parts = self._table.name.split(".")
        for length in range(len(parts), 0, -1):
            stem = ".".join(parts[:length])
            found = [each for each in self._beside if stem in (each.stem, each.name) and each != self._table]
            if found:
                return str(found[0]) if len(found) == 1 else None
        return None

    def located(self, events: Iterable[Event]) -> list[Event]:
        """Return events with the paths of recordings that are there; those that are not stay as they are named."""
        return [replace(event, source=self._place(event.source)) for event in events]

    def _place(self, named: str) -> str:
        if named not in self._places:
            self._places[named] = self._find(named)
        return self._places[named]

    def _find(self, named: str) -> str:
        text = named.strip()
        if text.lower().startswith(("file:", "http:", "https:", "s3:", "gs:")) or "/data/" in text:
            text = unquote(urlsplit(text).path) or text  # of Label Studio, of which the last part is the name
        plain = text.replace("\\", "/")
        for spelling in dict.fromkeys((named, text, plain)):
            try:
                for place in (self._table.parent / spelling, Path(spelling)):
                    if place.is_file():
                        return str(place)
            except (OSError, ValueError):  # a name too long, or with a zero byte
                continue
        *folders, name = plain.split("/")
        without_key = re.sub(r"^[0-9a-f]{8}-", "", name)  # that Label Studio puts before the names of uploaded files
        for each in dict.fromkeys((name, without_key)):
            found = _best(self._below.get(each, []), folders)
            here = [place for place in found if place.parent == self._table.parent]
            if len(here) == 1 or len(found) == 1:
                self._elsewhere.append(named)
                return str((here or found)[0])
            if found:
                self.several[named] = found
        return named

    def notes(self) -> list[str]:
        """Say what was not found where the file says."""
        found = [
            f"{self._table}: {named} fits {len(places)} recordings, such as {places[0]} and {places[1]}: none is taken"
            for named, places in itertools.islice(self.several.items(), MOST_TOLD)
        ]
        if self._elsewhere:
            recordings, are = counted(len(self._elsewhere), "recording"), "is" if len(self._elsewhere) == 1 else "are"
            found.append(
                f"{self._table}: {recordings}, such as {self._elsewhere[0]}, {are} not where it says, and found by name"
            )
        return found


def _best(places: Sequence[Path], folders: Sequence[str]) -> list[Path]:
    """Return those whose last folders agree with as many of the named ones as any do."""

    def agreeing(place: Path) -> int:
        pairs = zip(reversed(place.parent.parts), reversed(folders), strict=False)
        return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

    most = max(map(agreeing, places), default=0)
    return [place for place in places if agreeing(place) == most]
