"""Files that the cells of a table name, in whichever way they write it."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["located_file"]


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
