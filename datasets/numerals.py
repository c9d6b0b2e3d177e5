"""Numbers as people write them: with a decimal point or comma, with separators of thousands."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.cells import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Numerals", "as_numbers", "is_words"]

_WORDS = np.dtype(object)

LARGEST_WHOLE = 2.0**53
"""Up to which every integer is a float."""

_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")  # 1,5 and 1.234,5
_POINT = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")  # 1,234.5
_WHOLE = re.compile(r"[+-]?\d+([eE][+-]?\d+)?")
_OPEN = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # 1,234 may be either


def as_numbers(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose columns are numbers where all of their cells are, with NaN for empty cells.

    Parameters
    ----------
    table : DataFrame
        Columns of strings or of numbers. Two may have one name.

    Returns
    -------
    (DataFrame, list of str)
        The table; the names of the columns that were written with a decimal comma. A cell such as 1,234 is read as the
        others of its column are; if they leave it open, as those of the whole table; and by the separator of the csv
        file if these do, too, since a file of decimal commas is separated by semicolons.
    """
    numbers = _plain(table)
    written = {position: _Written() for position, kind in enumerate(numbers.dtypes) if is_words(kind)}
    for position, each in written.items():
        each.add(numbers.iloc[:, position])
    styles = _chosen(written, table.attrs.get("delimiter"))
    commas = [str(numbers.columns[position]) for position, style in styles.items() if style == "comma"]
    return _read_in(numbers, styles), commas


class Numerals:
    """Reads the numbers of a table that comes in parts, as `as_numbers` reads them in the whole table.

    Parameters
    ----------
    parts : callable
        Returns the parts of the table, tables with the same columns, each time that it is called: once or twice.
    """

    def __init__(self, parts: Callable[[], Iterable[pd.DataFrame]]) -> None:
        odd: set[int] = set()
        delimiter = None
        for part in parts():
            delimiter = part.attrs.get("delimiter")
            others = [at for at in range(part.shape[1]) if at not in odd]
            kinds = _plain(part.iloc[:, others]).dtypes
            odd |= {at for at, kind in zip(others, kinds, strict=True) if is_words(kind)}
        written = {at: _Written() for at in sorted(odd)}
        for part in parts() if odd else ():
            for at, each in written.items():
                each.add(part.iloc[:, at])
        self._styles = _chosen(written, delimiter)

    def read(self, part: pd.DataFrame) -> pd.DataFrame:
        """Return one of the parts; a column of which some cells are no numbers may have numbers or words in it."""
        numbers = _plain(part)
        for at in self._styles:  # 2692 is plain in this part, and text all the same
            numbers.isetitem(at, part.iloc[:, at].to_numpy())
        return _read_in(numbers, self._styles)


def _chosen(written: dict[int, _Written], delimiter: str | None) -> dict[int, str]:
    """Return the style, "comma" or "point", of the columns that have one, by their positions."""
    styles = {position: each.style() for position, each in written.items()}
    usual = next((style for style in ("comma", "point") if style in styles.values()), None)
    if usual is None:
        usual = "comma" if delimiter in (";", "\t") else "point"
    return {position: usual if style == "open" else style for position, style in styles.items() if style is not None}


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns are numbers if Python's way of writing them explains all of their cells.

    All cells are looked at together, since a table may have many thousand columns.
    """
    import pandas as pd  # noqa: PLC0415

    kinds = table.dtypes
    words = {kind for kind in kinds.unique() if is_words(kind) or pd.api.types.is_string_dtype(kind)}
    chosen = np.flatnonzero([kind in words for kind in kinds])  # the others are numbers already, or dates
    if not len(chosen):
        return table
    cells = table.iloc[:, chosen].to_numpy(dtype=object)
    numbers = _numbers(cells.ravel(order="F")).reshape(cells.shape, order="F")
    gaps = np.isnan(numbers)
    plain = np.asarray(~gaps.any(axis=0))
    for at in np.flatnonzero(~plain):
        plain[at] = all(map(is_missing, cells[gaps[:, at], at]))
    whole = plain & (np.abs(numbers) <= LARGEST_WHOLE).all(axis=0) & (numbers == np.rint(numbers)).all(axis=0)
    groups = [
        (chosen[whole], pd.DataFrame(numbers[:, whole].astype(np.int64), index=table.index)),
        (chosen[plain & ~whole], pd.DataFrame(numbers[:, plain & ~whole], index=table.index)),
    ]
    others = np.setdiff1d(np.arange(table.shape[1]), chosen[plain])
    groups.append((others, table.iloc[:, others]))
    read = pd.concat([columns for at, columns in groups if len(at)], axis=1)
    read = read.iloc[:, np.argsort(np.concatenate([at for at, _ in groups]), kind="stable")]
    return read.set_axis(table.columns, axis=1)


def is_words(kind: Any) -> bool:
    """Whether this is the type of a column of which some cells are no numbers."""
    return kind is _WORDS


def _numbers(cells: NDArray[Any]) -> NDArray[np.float64]:
    """Return cells as numbers, and NaN for what is none; an integer that no float holds is infinite."""
    import pandas as pd  # noqa: PLC0415

    try:
        read = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    except (OverflowError, TypeError):
        # Out of JSON come huge integers, and lists.
        cells = np.array([each if isinstance(each, str | int | float) else None for each in cells], dtype=object)
        huge = [isinstance(each, int) and abs(each) > sys.float_info.max for each in cells]
        cells[np.array(huge, dtype=bool)] = np.inf
        read = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    return read.to_numpy(dtype=np.float64, na_value=np.nan)


def _read_in(table: pd.DataFrame, styles: dict[int, str]) -> pd.DataFrame:
    """Return a table with the columns that are written in a style, by their positions, as numbers."""
    import pandas as pd  # noqa: PLC0415

    if not styles:
        return table
    read = {at: table.iloc[:, at].map(_reader(style)) for at, style in styles.items()}
    return pd.concat([read.get(at, table.iloc[:, at]) for at in range(table.shape[1])], axis=1)


class _Written:
    """How a column of strings writes its numbers, found out from all of its cells."""

    def __init__(self) -> None:
        self._fits = {"comma": True, "point": True}
        self._written = self._open = self._any = False
        self._strings = True

    def add(self, column: pd.Series[Any]) -> None:
        """Look at some cells of the column."""
        words = [cell for cell in column if isinstance(cell, str)]  # json has other cells, and none at all
        cells = {_joined(cell) for cell in words if cell.strip()}
        self._fits["comma"] &= all(_COMMA.fullmatch(cell) or _WHOLE.fullmatch(cell) for cell in cells)
        self._fits["point"] &= all(
            _POINT.fullmatch(cell) or _WHOLE.fullmatch(cell) or _is_number(cell) for cell in cells
        )
        self._written |= any("," in cell for cell in cells) or any(cell.strip() != _joined(cell) for cell in words)
        self._open |= any(_OPEN.fullmatch(cell) for cell in cells)
        self._any |= bool(cells)
        self._strings &= len(words) == len(column)

    def style(self) -> str | None:
        """Return "comma", "point", "open" between the two, or None if it is neither."""
        if not self._any or not self._written or not self._strings:
            return None
        if all(self._fits.values()):
            return "open" if self._open else "comma"
        return next((style for style, all_fit in self._fits.items() if all_fit), None)


def _joined(cell: Any) -> str:
    """Return a number without the spaces between its thousands."""
    return re.sub(r"(?<=\d)[ \u00a0\u202f\u2009](?=\d{3}(?!\d))", "", str(cell).strip())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _reader(style: str) -> Any:
    thousands, decimal = (".", ",") if style == "comma" else (",", ".")

    def read(cell: str) -> float:
        text = _joined(cell)
        return float(text.replace(thousands, "").replace(decimal, ".")) if text else float("nan")

    return read
