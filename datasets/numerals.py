"""Numbers as people write them: with a decimal point or comma, with separators of thousands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gridcnn.datasets.cells import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Numerals", "as_numbers"]

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
    import pandas as pd  # noqa: PLC0415

    columns = [_plain(table.iloc[:, position]) for position in range(table.shape[1])]
    written = {position: _Written() for position, column in enumerate(columns) if column.dtype == object}
    for position, each in written.items():
        each.add(columns[position])
    styles = _chosen(written, table.attrs.get("delimiter"))
    for position, style in styles.items():
        columns[position] = columns[position].map(_reader(style))
    commas = [str(columns[position].name) for position, style in styles.items() if style == "comma"]
    return (pd.concat(columns, axis=1) if columns else pd.DataFrame(index=table.index)), commas


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
            columns = {at: part.iloc[:, at] for at in range(part.shape[1]) if at not in odd}
            odd |= {at for at, column in columns.items() if _plain(column).dtype == object}
        written = {at: _Written() for at in sorted(odd)}
        for part in parts() if odd else ():
            for at, each in written.items():
                each.add(part.iloc[:, at])
        self._styles = _chosen(written, delimiter)

    def read(self, part: pd.DataFrame) -> pd.DataFrame:
        """Return one of the parts; a column of which some cells are no numbers may have numbers or words in it."""
        import pandas as pd  # noqa: PLC0415

        columns = [
            part.iloc[:, at].map(_reader(self._styles[at])) if at in self._styles else _plain(part.iloc[:, at])
            for at in range(part.shape[1])
        ]
        return pd.concat(columns, axis=1) if columns else pd.DataFrame(index=part.index)


def _chosen(written: dict[int, _Written], delimiter: str | None) -> dict[int, str]:
    """Return the style, "comma" or "point", of the columns that have one, by their positions."""
    styles = {position: each.style() for position, each in written.items()}
    usual = next((style for style in ("comma", "point") if style in styles.values()), None)
    if usual is None:
        usual = "comma" if delimiter in (";", "\t") else "point"
    return {position: usual if style == "open" else style for position, style in styles.items() if style is not None}


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as numbers if Python's way of writing them explains all of its cells; else unchanged."""
    import pandas as pd  # noqa: PLC0415

    if not (pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)):
        return column  # numbers already, or dates
    numbers = pd.to_numeric(column, errors="coerce")
    odd = column[numbers.isna()]
    return numbers if odd.map(is_missing).all() else column


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
