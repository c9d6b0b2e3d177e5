"""Names of sheets: book.xlsx#cats is the sheet called cats of a file of Excel, which may have several."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

__all__ = ["Sheet", "table_path"]

_SHEET = re.compile(r"(.+\.xlsx(?:\.(?:gz|bz2|xz|zst))?)#([^/]+)", re.DOTALL | re.IGNORECASE)

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 cannot make a subclass of Path itself


class Sheet(_Path):
    """A sheet of a file of Excel: a path that is called as the sheet is, and opens the file.

    Examples
    --------
    >>> sheet = Sheet("marks/book.xlsx#cats")
    >>> sheet.sheet, sheet.name, str(sheet.parent)
    ('cats', 'book.xlsx', 'marks')
    """

    __slots__ = ()

    def __fspath__(self) -> str:
        """Return the path of the file."""
        found = _SHEET.fullmatch(str(self))
        return str(self) if found is None else found[1]

    @property
    def sheet(self) -> str:
        """Name of the sheet."""
        found = _SHEET.fullmatch(str(self))
        return "" if found is None else found[2]

    @property
    def name(self) -> str:
        """Name of the file, which says how it is read."""
        return os.path.basename(self.__fspath__())  # noqa: PTH119

    @property
    def suffix(self) -> str:
        """Last part of that name, such as ".xlsx"."""
        return os.path.splitext(self.name)[1]  # noqa: PTH122

    @property
    def stem(self) -> str:
        """That name without its last part."""
        return os.path.splitext(self.name)[0]  # noqa: PTH122


def table_path(path: str | os.PathLike[str]) -> Path:
    """Return a path, or the sheet that it means, if there is no file of that name and one without the sheet.

    Examples
    --------
    >>> table_path("rows.csv#1") == Path("rows.csv#1")
    True
    """
    place = path if isinstance(path, Path) else Path(path)
    found = _SHEET.fullmatch(str(place))
    if found is None or not os.path.isfile(found[1]) or os.path.lexists(str(place)):  # noqa: PTH113
        return place
    return Sheet(str(place))
