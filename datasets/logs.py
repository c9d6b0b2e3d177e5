"""One long series in a file: the log of sensors, whose rows are samples and whose columns are channels."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.channels import Log
from gridcnn.datasets.cells import some_names
from gridcnn.datasets.limits import require_cells, require_unpacked
from gridcnn.datasets.numerals import as_numbers, is_words
from gridcnn.datasets.tables import read_table
from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError

__all__ = ["LOG_FILES", "read_log"]

LOG_FILES = frozenset({".csv", ".tsv", ".parquet", ".npy", ".npz"})
"""Suffixes of files that may hold a log."""


def _names(columns: Any) -> tuple[str, ...] | None:
    """Return names of channels; None if there is one channel, or the file has no line of names."""
    names = tuple(str(name).strip() for name in columns)
    if len(names) < 2 or len(set(names)) < len(names) or not all(map(_is_name, names)):
        return None
    return names


def _is_name(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return bool(text)
    return False


def read_log(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a long series from a table (csv, tsv, parquet, …), or from a .npy or .npz file of one array.

    Returns
    -------
    ndarray of shape (samples,) or (channels, samples)
        One channel for each column of numbers, decimal commas included: a `Log`, if they have names; of an array what
        it holds. A first column without a name that numbers the rows is left out. Empty cells are NaN.

    Raises
    ------
    DataError
        If it cannot be read, or a column or an array holds what is no number.
    """
    place = Path(path)
    if place.suffix.lower() in {".npy", ".npz"}:
        return _array(place)
    table = read_table(place, None)
    if bad := table.attrs.get("malformed"):
        row = next(iter(bad))
        raise DataError(f"{place}, row {row}: {bad[row]}: a log without it would be another one.")
    if not str(table.columns[0]).strip() and table.shape[1] > 1 and _counts(table.iloc[:, 0]):
        table = table.iloc[:, 1:]
    numbers, _ = as_numbers(table)
    if words := [str(name) for name, kind in zip(numbers.columns, numbers.dtypes, strict=True) if is_words(kind)]:
        raise DataError(
            f"{place}: a log has columns of numbers only, one for each channel, and {some_names(words)} are none: "
            "leave them out."
        )
    try:
        values = numbers.to_numpy(dtype=float).T
    except (TypeError, ValueError) as error:  # times, for one
        raise DataError(
            f"{place}: a log has columns of numbers only, one for each channel ({shortened(error)})."
        ) from None
    return np.asarray(values[0]) if len(values) == 1 else Log.of(values, _names(numbers.columns))


def _counts(column: Any) -> bool:
    return all(str(cell).strip().isdecimal() for cell in column)


def _array(place: Path) -> np.ndarray:
    try:
        if place.suffix.lower() == ".npz":
            _require_small(place)
        values: Any = np.load(place, allow_pickle=False, mmap_mode="r" if place.suffix.lower() == ".npy" else None)
        if not isinstance(values, np.ndarray):
            with values as arrays:
                if len(arrays.files) != 1:
                    raise DataError(f"{place}: {len(arrays.files)} arrays in one file: save the one that is meant.")
                values = arrays[arrays.files[0]]
    except DataError:
        raise
    except Exception as error:  # a header is a Python literal, which may be wrong in every way
        said = shortened(" ".join(str(error).split())) or type(error).__name__
        raise DataError(f"{place}: cannot be read as an array ({said}).") from None
    if values.dtype.kind not in "fiub" or values.ndim not in (1, 2) or not values.size:
        raise DataError(
            f"{place}: expected numbers of shape (samples,) or (channels, samples), got {values.dtype}, {values.shape}."
        )
    require_cells(place, values.size)
    return np.asarray(values)


def _require_small(place: Path) -> None:
    with zipfile.ZipFile(place) as archive:
        require_unpacked(place, place.stat().st_size, sum(member.file_size for member in archive.infolist()))
