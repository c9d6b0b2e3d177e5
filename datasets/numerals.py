"""Numbers as people write them: with a decimal point or comma, with separators of thousands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gridcnn.datasets.cells import is_missing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_numbers"]

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
    styles = [_style(column) for column in columns]
    usual = next((style for style in ("comma", "point") if style in styles), None)
    if usual is None:
        usual = "comma" if table.attrs.get("delimiter") in (";", "\t") else "point"
    commas = []
    for position, style in enumerate(styles):
        chosen = usual if style == "open" else style
        if chosen == "comma":
            commas.append(str(columns[position].name))
        if chosen in ("comma", "point"):
            columns[position] = columns[position].map(_reader(chosen))
    return (pd.concat(columns, axis=1) if columns else pd.DataFrame(index=table.index)), commas


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as numbers if Python's way of writing them explains all of its cells; else unchanged."""
    import pandas as pd  # noqa: PLC0415

    if not (pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)):
        return column  # numbers already, or dates
    numbers = pd.to_numeric(column, errors="coerce")
    odd = column[numbers.isna()]
    return numbers if odd.map(is_missing).all() else column


def _style(column: pd.Series[Any]) -> str | None:
    """Return how a column of strings writes its numbers: "comma", "point", "open" between the two, or None."""
    if column.dtype != object:
        return None
    words = [cell for cell in column if isinstance(cell, str)]  # json has other cells, and none at all
    cells = {_joined(cell) for cell in words if cell.strip()}
    fits = {
        "comma": all(_COMMA.fullmatch(cell) or _WHOLE.fullmatch(cell) for cell in cells),
        "point": all(_POINT.fullmatch(cell) or _WHOLE.fullmatch(cell) or _is_number(cell) for cell in cells),
    }
    written = any("," in cell for cell in cells) or any(cell.strip() != _joined(cell) for cell in words)
    if not cells or not written or len(words) < len(column):
        return None
    if fits["comma"] and fits["point"]:
        return "open" if any(_OPEN.fullmatch(cell) for cell in cells) else "comma"
    return next((style for style, all_fit in fits.items() if all_fit), None)


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
