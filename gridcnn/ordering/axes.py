"""The check for arrays: a verdict for each axis after the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridcnn.errors import DataError
from gridcnn.ordering.evidence import FEW_COLUMNS
from gridcnn.ordering.neighbours import compare_neighbours, halves
from gridcnn.ordering.prepare import rank_scores
from gridcnn.ordering.report import AxesReport, OrderReport, Verdict
from gridcnn.ordering.rule import FEW_ROWS
from gridcnn.ordering.trees import Floats, correlations, similarity

__all__ = ["check_axes"]

ITEMS, POSITIONS, CELLS = 1000, 24, 256
FEW_ORDERS = 12  # a tree of at most so many cells has few leaf orders: even the best scores no more than about 3
SPLITS = 3


def check_axes(X: Any, y: Any = None, *, random_state: int = 0) -> AxesReport:
    """Decide for each axis of an array whether its order carries information.

    Parameters
    ----------
    X : array of shape (items, A, B, …)
        Numbers with at least three axes; the first one counts items. NaN and infinity count as 0. At most 1,000 items
        are looked at, and the middle 256 cells of an axis.
    y : array of shape (items,), optional
        Ignored; both checks take the same arguments.
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

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> series = rng.normal(size=(200, 6, 30)).cumsum(axis=2)  # items, sensors, time
    >>> check_axes(series).verdicts[1]
    'ordered'
    """
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.ndim < 3:
        raise DataError(
            f"check_axes takes an array (items, A, B, …), this one has shape {array.shape}: use check_order for a table"
        )
    if array.dtype.kind not in "biuf":
        raise DataError(f"check_axes takes an array of numbers, this one holds {array.dtype}: encode it first")
    rng = np.random.default_rng(random_state)
    items = len(array)
    take = np.sort(rng.choice(items, ITEMS, replace=False)) if items > ITEMS else np.arange(items)
    reports = tuple(_axis(array, axis, take, rng) for axis in range(1, array.ndim))
    return AxesReport(tuple(array.shape), reports)


def _axis(array: Any, axis: int, take: Any, rng: np.random.Generator) -> OrderReport:
    size = array.shape[axis]
    used = min(size, CELLS)

    def report(
        verdict: Verdict, reason: str, test: str, evidence: dict[str, Any] | None = None, **figure: Any
    ) -> OrderReport:
        advice = {
            "ordered": "Slide kernels along this axis.",
            "exchangeable": "Make this axis channels.",
            "undecided": "Declare this axis ordered if you know that it is; else make it channels.",
        }[verdict]
        return OrderReport(
            verdict, reason, test, len(array), size, len(take), used, evidence or {}, advice=advice, figure_data=figure
        )

    if size < FEW_COLUMNS:
        return report("exchangeable", f"{size} cells are too few to slide a kernel along.", "size")
    if len(take) < FEW_ROWS:
        return report("undecided", f"{len(take)} items are too few to tell order from chance.", "size")
    first = (size - used) // 2
    others = [np.arange(array.shape[other]) for other in range(1, array.ndim) if other != axis]
    places = np.stack(np.meshgrid(*others, indexing="ij"), axis=-1).reshape(-1, len(others))
    if len(places) > POSITIONS:
        places = places[np.linspace(0, len(places) - 1, POSITIONS).astype(int)]
    blocks = []
    for place in places:
        index: list[Any] = [slice(None)] * array.ndim
        for other, at in zip((o for o in range(1, array.ndim) if o != axis), place, strict=True):
            index[other] = int(at)
        index[axis] = slice(first, first + used)
        block = np.nan_to_num(np.asarray(array[tuple(index)][take], dtype=np.float64), posinf=0.0, neginf=0.0)
        if (block.max(axis=0) > block.min(axis=0)).sum() >= 2:
            blocks.append(rank_scores(block))
    if not blocks:
        return report("undecided", "no cell along this axis varies.", "size")
    seeds = rng.integers(2**32, size=1)
    splits = [halves(block, SPLITS, np.random.default_rng(seeds)) for block in blocks]  # the same halves everywhere
    pairs: list[tuple[Floats, Floats]] = [
        (
            np.mean([similarity(one[at][0]) for one in splits], axis=0),
            np.mean([similarity(one[at][1]) for one in splits], axis=0),
        )
        for at in range(SPLITS)
    ]
    whole = np.mean([similarity(correlations(block)) for block in blocks], axis=0)
    near = compare_neighbours(pairs, whole, rng)
    evidence = {
        "neighbours": {
            "value": near.value, "flips": near.flip_mean, "shuffles": near.shuffle_mean,
            "z_flips": near.z_flip, "z_tree": near.z_tree, "z_shuffles": near.z_shuffle, "z_second": near.z_second,
            "seam": near.seam, "share_closer": near.share_closer,
        }
    }  # fmt: skip
    figure = {"similar": whole, "given": float(np.diagonal(whole, 1).mean()), "null": near.null}
    closer = min(near.z_flip, near.z_tree)
    best_of_few = size <= FEW_ORDERS and near.share_closer <= 0.03 and near.z_shuffle >= 3
    if (
        closer >= (2 if best_of_few else 2.5)
        and near.z_shuffle >= 2
        and (near.seam < 0.9 or near.z_second >= 0.4 * near.z_flip or closer >= 6)
    ):
        return report(
            "ordered", "Neighbours along it are more alike than groups explain.", "neighbours", evidence, **figure
        )
    if near.z_flip <= -2 or near.z_shuffle < 2:
        return report(
            "exchangeable", "The most alike cells do not stand side by side.", "neighbours", evidence, **figure
        )
    if closer < 1.5:
        return report("exchangeable", "Neighbours are no more alike than groups explain.", "groups", evidence, **figure)
    return report("undecided", "Neighbours are a little closer than groups explain.", "neighbours", evidence, **figure)
