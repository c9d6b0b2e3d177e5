"""A second opinion: how suitable the order of the columns is for a locally connected network.

Such a network can fit data if and only if the two sides of each canonical cut of the axis are weakly entangled; at
level l the axis is cut in 2^l parts, each against the rest. As in the paper, correlation across the cuts stands in for
entanglement, and the best order comes from cutting the columns in balanced halves with little correlation between them,
then each half again. A pair is cut or kept, so weak entanglement means high |r| of kept pairs, which is measured here.
The best order is found on the other half of the rows: it gains by structure, not by noise.

The number decides nothing: grouped columns score high too, though only weights of their own at each place, not those
shared by a convolution, gain from groups. Labels do not enter: they did not help to foretell what a convolution gains.

References
----------
Y. Alexander, N. De La Vega, N. Razin and N. Cohen, "What makes data suitable for a locally connected neural network? A
necessary and sufficient condition based on quantum entanglement", NeurIPS 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcnn.errors import DataError
from gridcnn.ordering.orders import shuffles
from gridcnn.ordering.similarity import Floats, Ints, correlations

__all__ = ["Entanglement", "best_order", "measure_entanglement"]

ROWS, COLUMNS, SPLITS, SHUFFLES = 2000, 200, 3, 40
CLEAR = 2.0  # a gain of so many standard deviations of shuffled orders is the least to measure by


@dataclass(frozen=True)
class Entanglement:
    """The mean |r| of columns that the cuts leave together, in [0, 1], and how the given order compares."""

    given: float
    shuffled: float  # the mean of all orders
    spread: float  # the standard deviation of shuffled orders
    best: float  # the best order found, or the given one if that is better
    suitability: float  # (given - shuffled) / (best - shuffled, but at least 2 spread), at most 1
    standard_error: float  # of the suitability, from halves of the rows

    @property
    def sentence(self) -> str:
        """The numbers in one sentence."""
        if self.best < self.shuffled + CLEAR * self.spread:
            return "no order was found that suits a locally connected network clearly better than shuffled ones."
        share = f"{100 * self.suitability:.0f} % (± {100 * self.standard_error:.0f})"
        return (
            f"{share} of what the best order found gains a locally connected network over shuffled orders (mean |r| "
            f"within cuts of the axis: {self.given:.2f} here, {self.shuffled:.2f} shuffled, {self.best:.2f} best); "
            "groups gain it too, so this decides nothing."
        )


def measure_entanglement(scores: Floats, order: Ints | None = None, *, rng: np.random.Generator) -> Entanglement:
    """Compare the given order with shuffled ones and with the best one found.

    Parameters
    ----------
    scores : array, shape (rows, columns)
        Rank scores; NaN where a value is missing. At most 2,000 rows and the 200 central columns of the order are used.
    order : array of int, optional
        The order to judge, as positions of columns; by default the columns are taken as they come.
    rng : numpy.random.Generator
        Source of the halves of the rows and of the shuffled orders.

    Raises
    ------
    DataError
        If there are fewer than 20 rows or 5 columns.
    """
    laid = scores if order is None else scores[:, order]
    rows, columns = laid.shape
    if rows < 20 or columns < 5:
        raise DataError(f"entanglement needs 20 rows and 5 columns, this table has {rows} rows and {columns} columns")
    laid = laid[:, max(0, columns - COLUMNS) // 2 :][:, :COLUMNS]
    columns = min(columns, COLUMNS)
    parts = [np.arange(columns) * 2**level // columns for level in range(1, int(np.log2(columns)))]
    kept = np.array([(part[:, None] == part) & ~np.eye(columns, dtype=bool) for part in parts])
    weights = (kept / kept.sum(axis=(1, 2), keepdims=True)).mean(axis=0)  # the levels count alike

    def kept_together(similar: Floats, one: Ints) -> float:
        return float((similar[np.ix_(one, one)] * weights).sum())

    values, orders = [], shuffles(columns, SHUFFLES, rng)
    for _ in range(SPLITS):
        first, second = (_similar(laid[half]) for half in np.array_split(rng.permutation(rows)[:ROWS], 2))
        spread = float(np.std([kept_together((first + second) / 2, one) for one in orders]))
        for build, measure in ((first, second), (second, first)):
            own, cut = (kept_together(measure, one) for one in (np.arange(columns), best_order(build)))
            values.append((own, measure.sum() / (columns * (columns - 1)), cut, spread))
    given, shuffled, found, spread = (float(mean) for mean in np.mean(values, axis=0))
    best = max(given, found)
    gain = max(best - shuffled, CLEAR * spread, 1e-6)
    share = (given - shuffled) / gain
    off = np.array(values) @ np.array([1.0, share - 1, -share, 0.0])  # own - mean - share · (cut - mean), per half
    error = float(np.sqrt(off.reshape(SPLITS, 2).var(axis=1).mean())) / gain
    return Entanglement(given, shuffled, spread, best, share, error)


def best_order(similar: Floats) -> Ints:
    """Order columns by their similarity, (columns, columns) ≥ 0: cut in halves that share little, and each again."""
    if (columns := len(similar)) < 4:
        return np.arange(columns)
    side = np.ones(columns)
    second = np.linalg.eigh(np.diag(similar.sum(axis=1)) - similar)[1][:, 1]  # of the Laplacian: a spectral cut
    side[np.argsort(second, kind="stable")[: columns // 2]] = -1
    for _ in range(columns):  # then swap pairs for as long as that helps
        pull = -side * (similar @ side)  # similarity with the other side minus that with its own
        left, right = parts = np.flatnonzero(side < 0), np.flatnonzero(side > 0)
        gains = pull[left][:, None] + pull[right] - 2 * similar[np.ix_(left, right)]
        one, other = np.unravel_index(gains.argmax(), gains.shape)
        if gains[one, other] <= 1e-9:
            break
        side[left[one]], side[right[other]] = 1, -1
    return np.concatenate([part[best_order(similar[np.ix_(part, part)])] for part in parts])


def _similar(scores: Floats) -> Floats:
    """Return |r| of each two columns over the rows that have both; 0 on the diagonal and for constant columns."""
    r = np.abs(correlations(scores))
    np.fill_diagonal(r, 0)
    return r
