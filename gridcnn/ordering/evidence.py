"""The evidence on one table: its tests, each run when the rule asks for it, and their numbers for the report."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from gridcnn.ordering.columns import name_some
from gridcnn.ordering.lags import Lags, compare_lags
from gridcnn.ordering.neighbours import SPLITS, Neighbours, compare_neighbours, halves
from gridcnn.ordering.pictures import Picture, fold, hidden_picture
from gridcnn.ordering.prepare import Prepared
from gridcnn.ordering.probe import probe
from gridcnn.ordering.tokens import bigrams_against_nulls
from gridcnn.ordering.trees import Floats, correlations, fisher, similarity, tree_of

__all__ = ["FEW_COLUMNS", "Evidence"]

CENTRAL = 400  # columns that take part in tests with trees
LAG_COLUMNS = 160
FEW_COLUMNS = 5  # fewer make no axis
FEW_FOR_TESTS = 8  # fewer columns have too few orders for the tests of lags, labels and tokens
COPY = 0.9999  # |r| of two columns that count as copies
PICTURE_SCORE = 2.0  # effect score that one axis of a hidden picture needs


class Evidence:
    """The tests of one table.

    All tests draw from one random generator, so their numbers depend on the order in which they are run.

    Parameters
    ----------
    table : Prepared
        The table.
    rng : numpy.random.Generator
        Source of randomness.

    Attributes
    ----------
    rows, columns : int
        Rows, and columns that vary.
    numbers : dict
        Effect scores of the tests that were run, for the report.
    figure : dict
        Arrays of these tests, for the figure.
    picture : Picture or None
        The hidden picture, once `find_picture` has found it.
    """

    def __init__(self, table: Prepared, rng: np.random.Generator) -> None:
        self.table = table
        self.numbers: dict[str, Any] = {}
        self.figure: dict[str, Any] = {}
        self.picture: Picture | None = None
        self._rng = rng
        self._varying = np.flatnonzero(table.varies)
        self._first = max(0, (len(self._varying) - CENTRAL) // 2)
        self.rows, self.columns = len(table.scores), len(self._varying)

    @cached_property
    def _scores(self) -> Floats:
        return self.table.scores[:, self._varying]

    @cached_property
    def _central(self) -> Floats:
        return self._scores[:, self._first : self._first + CENTRAL]

    @cached_property
    def _correlations(self) -> Floats:
        return correlations(self._central)

    @cached_property
    def _similar(self) -> Floats:
        return similarity(self._correlations)

    @cached_property
    def _halves(self) -> list[tuple[Floats, Floats]]:
        return halves(self._central, SPLITS, self._rng)

    def are_copies(self) -> bool:
        """Tell whether nearly all pairs of columns are copies of one another."""
        strength = np.abs(self._correlations[np.triu_indices(len(self._correlations), 1)])
        return bool((strength > COPY).mean() > 0.95)

    def copies(self) -> str:
        """Name the first pairs of columns that are copies of one another; empty if there are none."""
        names = [self.table.names[column] for column in self._varying[self._first :]]
        pairs = np.argwhere(np.triu(np.abs(self._correlations) > COPY, 1))
        return name_some((f"{names[one]} = {names[two]}" for one, two in pairs), 3)

    def tokens(self) -> dict[str, float] | None:
        """Compare which code follows which with the null orders; None unless the columns hold codes."""
        if not self.table.tokens or self.columns < FEW_FOR_TESTS:
            return None
        found = bigrams_against_nulls(self.table.values, self._rng)
        self.numbers["tokens"] = found
        return found

    def neighbours(self) -> Neighbours:
        """Compare the similarity of neighbours with the null orders."""
        pairs = [(similarity(one), similarity(two)) for one, two in self._halves]
        near = compare_neighbours(pairs, self._similar, self._rng)
        self.numbers["neighbours"] = {
            "value": near.value,
            "flips": near.flip_mean,
            "shuffles": near.shuffle_mean,
            "z_flips": near.z_flip,
            "z_tree": near.z_tree,
            "z_shuffles": near.z_shuffle,
            "seam": near.seam,
        }
        given = float(np.diagonal(self._similar, 1).mean())
        self.figure.update(similar=self._similar, given=given, null=near.null)
        return near

    def lags(self) -> Lags | None:
        """Measure how well the distance explains the correlations of the middle columns; None for too few columns."""
        if self.columns < FEW_FOR_TESTS:
            return None
        first = max(0, (len(self._similar) - LAG_COLUMNS) // 2)
        middle = slice(first, first + LAG_COLUMNS)
        pairs = [(fisher(one[middle, middle]), fisher(two[middle, middle])) for one, two in self._halves]
        lags = compare_lags(pairs, tree_of(self._similar[middle, middle]), self._rng)
        self.numbers["lags"] = {
            "share": lags.value,
            "without peaks": lags.rest,
            "flips": lags.flip_mean,
            "z_flips": lags.z_flip,
            "z_shuffles": lags.z_shuffle,
        }
        self.figure["profile"] = lags.profile
        return lags

    def find_picture(self) -> Picture | None:
        """Find a hidden picture, and confirm it by the order of one of its axes."""
        table = self.table
        columns = table.scores.shape[1]
        if columns < 36 or (columns < table.columns - 4 and columns < 1024):
            return None
        width_of = table.columns if columns >= 1024 else columns
        whole = similarity(correlations(table.scores))
        known = max(0.25, float(table.varies.mean()) ** 2)  # pairs with a constant column count as 0
        found = hidden_picture(whole / known, width_of, self._rng)
        if found is None:
            return None
        best, shown = self._closer_axis(whole, found)
        self.numbers["picture"] = {
            "width": found.width,
            "score": found.score,
            "best shuffle": found.null_max,
            "z_shuffles": found.z,
            "z_axis": best,
        }
        self.figure["picture_profile"] = found.profile
        if best >= PICTURE_SCORE:
            self.figure.update(shown)
            self.picture = found
        return self.picture

    def _closer_axis(self, whole: Floats, picture: Picture) -> tuple[float, dict[str, Any]]:
        """Return the effect score of the axis with the closer neighbours, and its part of the figure."""
        halved = halves(self.table.scores, 2, self._rng)
        best, shown = -np.inf, {}
        for axis, name in enumerate(("row", "column")):
            folded = fold(whole, picture.width, axis)
            if len(folded) < FEW_COLUMNS:
                continue
            pairs = [
                (fold(similarity(one), picture.width, axis), fold(similarity(two), picture.width, axis))
                for one, two in halved
            ]
            near = compare_neighbours(pairs, folded, self._rng)
            closer = min(near.z_flip, near.z_tree)
            if closer > best:
                best = closer
                shown = {"axis": name, "given": float(np.diagonal(folded, 1).mean()), "null": near.null}
        return best, shown

    def labels(self) -> dict[str, float] | None:
        """Ask random convolutions for the labels, see `probe`; None without labels, or for too small a table."""
        if self.table.target is None or self.columns < FEW_FOR_TESTS or self.rows < 40:
            return None
        found = probe(self._scores, self.table.target, self._rng)
        if found:
            self.numbers["labels"] = found
        return found
