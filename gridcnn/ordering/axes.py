"""The check for arrays: a verdict for each axis after the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcnn.errors import DataError
from gridcnn.ordering.evidence import FEW_COLUMNS, measure_axis
from gridcnn.ordering.prepare import check_alpha, rank_scores, without_mask
from gridcnn.ordering.report import AxesReport, OrderReport
from gridcnn.ordering.rule import FEW_ROWS, decide_axis
from gridcnn.ordering.similarity import varying

__all__ = ["check_axes"]

ITEMS, POSITIONS, CELLS = 2000, 24, 120
ADVICE = {
    "ordered": "Slide kernels along this axis.",
    "exchangeable": "Make this axis channels.",
    "undecided": "Declare this axis ordered if you know that it is; else make it channels.",
}


def check_axes(X: Any, *, alpha: float = 0.01, random_state: int = 0) -> AxesReport:
    """Decide for each axis of an array whether its order carries information.

    Parameters
    ----------
    X : array of shape (items, A, B, …)
        Numbers with at least three axes; the first one counts items. Missing values are allowed, infinite ones count as
        missing. At most 2,000 items are looked at, and the middle 120 cells of an axis at 24 positions of the others.
    alpha : float, default 0.01
        Level of the tests, in (0, 0.5): how often an axis without an order may be called ordered.
    random_state : int, default 0
        Seed: the same array and seed give the same report.

    Returns
    -------
    AxesReport
        One verdict for each axis after the first.

    Raises
    ------
    DataError
        If X has fewer than three axes, or is not numeric.
    ConfigurationError
        If `alpha` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> series = rng.normal(size=(200, 6, 30)).cumsum(axis=2)  # items, sensors, time
    >>> check_axes(series).verdicts[1]
    'ordered'
    """
    check_alpha(alpha)
    array = X if type(X) is np.ndarray or isinstance(X, np.memmap) else without_mask(X)
    if array.ndim < 3:
        raise DataError(
            f"check_axes takes an array (items, A, B, …), this one has shape {array.shape}: use check_order for a table"
        )
    if array.dtype.kind not in "biuf":
        raise DataError(f"check_axes takes an array of numbers, this one holds {array.dtype}: encode it first")
    if not array.size:
        raise DataError(f"the array has shape {array.shape}: there is nothing to check")
    rng = np.random.default_rng(random_state)
    items = len(array)
    take = np.sort(rng.choice(items, ITEMS, replace=False)) if items > ITEMS else np.arange(items)
    seeds = rng.integers(2**32, size=array.ndim)  # an axis does not depend on the tests of the others
    reports = (_axis(array, axis, take, alpha, np.random.default_rng(seeds[axis])) for axis in range(1, array.ndim))
    return AxesReport(tuple(array.shape), tuple(reports))


def _axis(array: Any, axis: int, take: Any, alpha: float, rng: np.random.Generator) -> OrderReport:
    size = array.shape[axis]
    used = min(size, CELLS)
    blocks = _blocks(array, axis, take, used) if size >= FEW_COLUMNS and len(take) >= FEW_ROWS else []
    tested = measure_axis(blocks, alpha, rng, (size - used) // 2) if blocks else None
    answer = decide_axis(tested, len(take), size, alpha)
    evidence, figure = (tested.numbers(), tested.figure(alpha) | {"noun": "cell"}) if tested else ({}, {})
    return OrderReport(
        answer.verdict, answer.reason, answer.test, len(array), size, len(take), used, evidence,
        alpha=float(alpha), advice=ADVICE[answer.verdict], figure_data=figure,
    )  # fmt: skip


def _blocks(array: Any, axis: int, take: Any, used: int) -> list[Any]:
    """Return rank scores of the middle cells of an axis, (items, cells), at some positions of the other axes."""
    first = (array.shape[axis] - used) // 2
    rest = [other for other in range(1, array.ndim) if other != axis]
    places = np.stack(np.meshgrid(*(np.arange(array.shape[other]) for other in rest), indexing="ij"), axis=-1)
    places = places.reshape(-1, len(rest))
    if len(places) > POSITIONS:
        places = places[np.linspace(0, len(places) - 1, POSITIONS).astype(int)]
    blocks = []
    for place in places:
        index: list[Any] = [slice(None)] * array.ndim
        for other, at in zip(rest, place, strict=True):
            index[other] = int(at)
        index[axis] = slice(first, first + used)
        block = np.asarray(array[tuple(index)][take], dtype=np.float64)
        block[~np.isfinite(block)] = np.nan
        scores = rank_scores(block)
        if varying(scores).sum() >= FEW_COLUMNS:
            blocks.append(scores)
    return blocks
