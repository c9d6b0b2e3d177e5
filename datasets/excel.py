"""Excel files, read row by row, as far as they may be held in memory; FILE.xlsx#SHEET names one of several sheets."""

from __future__ import annotations

import io
import shlex
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.datasets.compressed import require_whole
from gridcnn.datasets.limits import require_cells, require_unpacked
from gridcnn.datasets.sheets import Sheet
from gridcnn.datasets.wording import listed, shortened
from gridcnn.errors import DataError, GridcnnError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_excel"]

MOST_NAMED = 9
"""Sheets that a message names."""

MOST_ROWS = 1_048_576
"""Rows that a sheet of Excel can have."""


def read_excel(data: bytes, source: Path) -> pd.DataFrame:
    """Read the sheet that is named, or the one that is filled.

    Its first row holds the names of the columns, and rows keep their numbers.

    Parameters
    ----------
    data : bytes
        The file.
    source : Path
        Its name, for messages; a `Sheet` says which one is meant.

    Returns
    -------
    DataFrame
        Cells are what Excel last computed; None stands for empty ones and those with errors such as #N/A.

    Raises
    ------
    DataError
        If the file is damaged, has no such sheet, or several that are filled and none is named, or becomes too large
        in memory.
    """
    import pandas as pd  # noqa: PLC0415

    try:
        import defusedxml  # noqa: F401, PLC0415  (with which openpyxl refuses XML that declares entities)
        import openpyxl  # noqa: F401, PLC0415
    except ImportError:
        raise DataError(
            f"{source}: Excel files need the packages openpyxl and defusedxml: pip install 'gridcnn[excel]'."
        ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            require_whole(archive)
            require_unpacked(source, len(data), sum(member.file_size for member in archive.infolist()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and the like, which hold no data
            sheets, others = _sheets_of(data)
            wanted = [source.sheet] if isinstance(source, Sheet) else list(sheets)
            read = {title: _rows_of(sheets[title], source, len(data)) for title in wanted if title in sheets}
    except GridcnnError:
        raise
    except Exception as error:  # what openpyxl raises on a damaged file is open-ended
        if isinstance(error, MemoryError):
            raise
        raise DataError(
            f"{source}: not a readable Excel file ({shortened(error) or type(error).__name__}): save it again, or as "
            "csv."
        ) from error
    if not read:
        held = f"the file has {listed(list(sheets)[:MOST_NAMED])}" if sheets else "the file has none"
        no_cells = [title for title in ([source.sheet] if isinstance(source, Sheet) else others) if title in others]
        if no_cells or not sheets:
            why = f"{listed(no_cells[:MOST_NAMED])} holds a chart, a dialog or a macro; " if no_cells else ""
            do = "name one of these" if sheets else "put the rows into a sheet of their own"
            raise DataError(f"{source}: expected a sheet of cells; {why}{held}: {do}.")
        raise DataError(f"{source}: there is no such sheet: {held}.")
    filled = {title: rows for title, rows in read.items() if len(rows) > 1}
    if len(filled) > 1:
        first = next(iter(filled))
        raise DataError(
            f"{source}: {len(filled)} sheets are filled ({listed(list(filled)[:MOST_NAMED])}): say which one is meant, "
            f"such as {shlex.quote(f'{source}#{first}')}."
        )
    rows: list[list[Any]] = next(iter(filled.values()), [[]])
    width = max(map(len, rows))
    header, *cells = [row + [None] * (width - len(row)) for row in rows]
    names = ["" if name is None else str(name) for name in header]
    return pd.DataFrame(cells, columns=names, index=range(2, len(cells) + 2), dtype=object)


def _sheets_of(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """Return the sheets of cells of a workbook, by their titles, and the titles of its other sheets.

    Those are not read: openpyxl fails at a sheet that has no chart yet.
    """
    from openpyxl.reader.excel import ExcelReader  # noqa: PLC0415
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet  # noqa: PLC0415

    cells: dict[str, Any] = {}
    others: list[str] = []

    class Reader(ExcelReader):  # type: ignore[misc, unused-ignore]
        def read_worksheets(self) -> None:
            for sheet, relation in self.parser.find_sheets():
                if not relation.Type.endswith("/worksheet"):
                    others.append(sheet.name)
                elif relation.target in self.valid_files:
                    cells[sheet.name] = ReadOnlyWorksheet(self.wb, sheet.name, relation.target, self.shared_strings)

    Reader(io.BytesIO(data), read_only=True, data_only=True, keep_links=False).read()
    return cells, others


def _rows_of(sheet: Any, source: Path, size: int) -> list[list[Any]]:
    """Return the rows of a sheet in a file of `size` bytes, each up to its last filled cell, none empty at the end."""
    from openpyxl.cell.cell import ERROR_CODES  # noqa: PLC0415

    sheet.reset_dimensions()  # which some programs write wrongly
    rows: list[list[Any]] = []
    n_cells = width = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MOST_ROWS:
            raise ValueError(f"a row beyond {MOST_ROWS:,}")
        n_cells += len(values)
        require_cells(source, n_cells)
        some = values.count(None) < len(values)
        row = [None if value in ERROR_CODES else _whole(value) for value in values] if some else []
        while row and row[-1] is None:
            row.pop()
        rows.append(row)
        width = max(width, len(row))
        require_unpacked(source, size, 8 * width * number)
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _whole(value: Any) -> Any:
    """Return a number as Excel shows it, which stores 3 as 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
