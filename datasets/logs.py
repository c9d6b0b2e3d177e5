"""One long series in a file: the log of sensors, whose rows are samples and whose columns are channels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gridcnn.datasets.tables import read_table
from gridcnn.errors import DataError

__all__ = ["read_log"]


def read_log(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a long series from a table (csv, tsv, parquet, …) or a .npy file.

    Returns
    -------
    ndarray of shape (samples,) or (channels, samples)
        One channel for each column of numbers; of a .npy file what it holds.

    Raises
    ------
    DataError
        If it cannot be read, or a column holds what is no number.
    """
    place = Path(path)
    if place.suffix.lower() == ".npy":
        try:
            values = np.load(place, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{place}: cannot be read as an array ({error}).") from None
        if values.dtype.kind not in "fiub" or values.ndim not in (1, 2):
            raise DataError(
                f"{place}: expected numbers of shape (samples,) or (channels, samples), got {values.shape}."
            )
        return np.asarray(values)
    table = read_table(place, None)
    try:
        values = table.to_numpy(dtype=float).T
    except (TypeError, ValueError) as error:
        raise DataError(f"{place}: a log has columns of numbers only, one for each channel ({error}).") from None
    return np.asarray(values[0] if len(values) == 1 else values)
