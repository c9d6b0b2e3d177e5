"""Arrays of numbers in .npy files, of which rows are read where they are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridcnn.datasets.wording import shortened
from gridcnn.errors import DataError

__all__ = ["load_array"]


def load_array(path: Path) -> NDArray[Any]:
    """Map a .npy file into memory.

    Parameters
    ----------
    path : Path
        What `numpy.save` wrote: integers, floats or booleans in one to eight axes.

    Returns
    -------
    ndarray
        A view of the file.

    Raises
    ------
    DataError
        If there is no such file, or it is damaged, or holds something else. Python objects are never unpickled.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file, seen from {Path.cwd()}: check the spelling.")
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a header is a Python literal, which may be wrong in every way
        said = shortened(" ".join(str(error).split())) or type(error).__name__
        raise DataError(f"{path}: not an array that numpy.save wrote ({said}): save it as numbers.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: several arrays in one file (.npz): save the one that is meant with numpy.save.")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: it holds {shortened(array.dtype, 60)}, no real numbers: save it as numbers.")
    if not array.size or not 1 <= array.ndim <= 8:
        raise DataError(f"{path}: its shape is {array.shape}, but rows of numbers are expected: (n, A) or (n, A, B).")
    return array
