"""The evidence on one axis or one table: its tests, each run when the rule asks for it, and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gridcnn.ordering.columns import name_some
from gridcnn.ordering.entanglement import Entanglement, measure_entanglement
from gridcnn.ordering.layout import Layout
from gridcnn.ordering.nulls import Refutation, compare
from gridcnn.ordering.pictures import Picture, hidden_picture
from gridcnn.ordering.prepare import Prepared
from gridcnn.ordering.probe import Probe, probe
from gridcnn.ordering.similarity import Floats, Ints, Similarity, correlations, similarity, varying
from gridcnn.ordering.statistics import profile_of
from gridcnn.ordering.tokens import bigrams_against_nulls

__all__ = ["FEW_COLUMNS", "Evidence", "Tested", "measure_axis"]

FEW_COLUMNS = 5  # fewer make no axis
CHANNELS = (2, 3, 4)
FEW_FOR_CHANNELS = 12  # fewer items make no sequence of channels
CENTRAL = 120  # columns that the tests look at
SPLITS, FEW_CELLS = 2, 60  # twice as many halves of the rows for so few cells, which cost little
FAMILIES = 4
LESS_CLEARLY = 0.1  # level for each of several channels
COPY = 0.9999  # |r| of two columns that count as copies
RIDGE = 0.02  # mean r
BREAK = 0.04  # atanh |r| by which neighbours of different channels are less alike


@dataclass(frozen=True)
class Tested:
    """An axis compared with the null families.

    Attributes
    ----------
    similar : Similarity
        Of the cells, on all rows.
    refutations : list of Refutation
        One per family; *sorted* is missing if another family was not refuted.
    strength : float
        Mean r² of the pairs of cells, what chance makes of it taken off.
    rows : int
        Number of rows, those of several blocks added up.
    """

    similar: Similarity
    refutations: list[Refutation]
    strength: float
    rows: int

    def deciding(self, alpha: float) -> Refutation:
        """Return the family that decides.

        Of an ordered axis, that which is refuted least; else the first that stands without a hint against it, or just
        the first that stands.
        """
        if self.is_ordered(alpha):
            return max(self.refutations, key=lambda one: one.p / max(alpha, one.least))
        standing = [one for one in self.refutations if not one.holds(alpha)]
        return next((one for one in standing if not one.is_hinted), standing[0])

    def numbers(self) -> dict[str, Any]:
        """Return scores and p-values by family, for the report."""
        found: dict[str, Any] = {
            one.family: {**one.scores, "p": one.p, **({"closest": one.kind} if one.kind else {})}
            for one in self.refutations
        }
        return found | {"strength": self.strength}

    def figure(self, alpha: float) -> dict[str, Any]:
        """Return the arrays of the figure: the statistic that decided, beside the null orders that decided."""
        decides = self.deciding(alpha)
        return {
            "similar": self.similar.size, "profile": profile_of(self.similar.size), "given": decides.given,
            "null": decides.null, "family": decides.family, "kind": decides.kind, "statistic": decides.statistic,
        }  # fmt: skip

    def is_ordered(self, alpha: float) -> bool:
        """Whether all four families are refuted."""
        return len(self.refutations) == FAMILIES and all(one.holds(alpha) for one in self.refutations)


def measure_axis(blocks: Sequence[Floats], alpha: float, rng: np.random.Generator, before: int = 0) -> Tested:
    """Compare the order of the cells of an axis with the null families.

    Parameters
    ----------
    blocks : sequence of arrays, each of shape (rows, cells)
        Rank scores of the cells at one position of the other axes each, of the same rows; NaN where a value is missing.
    alpha : float
        Level of the test.
    rng : numpy.random.Generator
        Source of randomness.
    before : int, default 0
        Number of cells left out before the first.
    """
    rows = len(blocks[0])
    common = common_rows(blocks[0])
    halves = []
    for _ in range(SPLITS if blocks[0].shape[1] > FEW_CELLS else 2 * SPLITS):
        order = rng.permutation(rows)
        one, two = order[: rows // 2], order[rows // 2 :]
        halves.append(
            (Similarity.of([block[one] for block in blocks]), Similarity.of([block[two] for block in blocks]))
        )
    whole = Similarity.of(blocks)
    off = ~np.eye(len(whole.size), dtype=bool)
    strength = float(np.mean(np.tanh(whole.size[off]) ** 2)) - 1 / common
    total = common * len(blocks)
    return Tested(whole, compare(whole, halves, total, rng, alpha, before), max(strength, 0.0), total)


def common_rows(scores: Floats) -> int:
    """Return the rows that two columns have in common, the median over pairs: all rows if no value is missing."""
    present = ~np.isnan(scores)
    if present.all():
        return len(scores)
    mask = present[:, varying(scores)].astype(np.float64)
    counts = mask.T @ mask
    return max(1, int(np.median(counts[np.triu_indices(len(counts), 1)]))) if len(counts) > 1 else len(scores)


class Evidence:
    """The tests of one table.

    All tests draw from one random generator, so their numbers depend on the order in which they are run.

    Parameters
    ----------
    table : Prepared
        The table.
    alpha : float
        Level of the tests.
    rng : numpy.random.Generator
        Source of randomness.

    Attributes
    ----------
    rows, columns : int
        Rows that two columns have in common, and columns that vary.
    numbers : dict
        Scores and p-values of the tests that were run, for the report.
    figure : dict
        Arrays of these tests, for the figure.
    picture : Picture or None
        The hidden picture, once `find_picture` has found it.
    layout : Layout or None
        The grid in each row, if the columns are not simply a sequence.
    perhaps_channels : int
        Channels of a sequence that only tables sorted by similarity could explain as well; 0 if there is none.
    opinion : Entanglement or None
        A second opinion on the columns as a sequence, which decides nothing.
    """

    def __init__(self, table: Prepared, alpha: float, rng: np.random.Generator) -> None:
        self.table, self.alpha = table, alpha
        self.numbers: dict[str, Any] = {}
        self.figure: dict[str, Any] = {}
        self.picture: Picture | None = None
        self.layout: Layout | None = None
        self.perhaps_channels = 0
        self.opinion: Entanglement | None = None
        self._rng = rng
        self._varying = np.flatnonzero(table.varies)
        self.columns = len(self._varying)
        self._before = max(0, (self.columns - CENTRAL) // 2)  # columns left out before the central ones
        self.rows = common_rows(table.scores[:, self._central]) if self.columns else len(table.scores)

    @cached_property
    def _central(self) -> Ints:
        return self._varying[self._before : self._before + CENTRAL]

    @cached_property
    def _correlations(self) -> Floats:
        return correlations(self.table.scores[:, self._central])

    def are_copies(self) -> bool:
        """Tell whether nearly all pairs of columns are copies of one another."""
        strength = np.abs(self._correlations[np.triu_indices(len(self._correlations), 1)])
        return bool((strength > COPY).mean() > 0.95)

    def copies(self) -> str:
        """Name the first pairs of columns that are copies of one another; empty if there are none."""
        names = [self.table.names[column] for column in self._central]
        pairs = np.argwhere(np.triu(np.abs(self._correlations) > COPY, 1))
        return name_some((f"{names[one]} = {names[two]}" for one, two in pairs), 3)

    @cached_property
    def order(self) -> Tested:
        """The columns as a sequence, compared with the null families."""
        tested = measure_axis([self.table.scores[:, self._central]], self.alpha, self._rng, self._before)
        self._note(tested)
        self.figure["names"] = [self.table.names[column] for column in self._central]
        self.opinion = measure_entanglement(self.table.scores[:, self._central], rng=self._rng)
        self.numbers["entanglement"] = vars(self.opinion)
        return tested

    def _note(self, tested: Tested) -> None:
        """Write the numbers of a tested axis to the report and the figure."""
        self.numbers |= tested.numbers()
        self.figure |= tested.figure(self.alpha)

    def tokens(self) -> list[Refutation] | None:
        """Compare which code follows which with the null orders; None unless the columns hold codes."""
        if not self.table.tokens:
            return None
        found = bigrams_against_nulls(self.table.values, self._rng)
        self.numbers |= {one.family: {**one.scores, "p": one.p} for one in found}
        return found

    def find_picture(self) -> Picture | None:
        """Find a flattened picture in the columns."""
        table = self.table
        columns = table.scores.shape[1]
        if columns < 36 or (columns < table.columns - 4 and columns < 1024):
            return None
        known = max(0.25, float(table.varies.mean()) ** 2)  # pairs with a constant column count as 0
        whole = similarity(correlations(table.scores)) / known
        found = hidden_picture(whole, max(columns, table.columns), self._rng, table.names, table.beyond)
        if found is None:
            return None
        self.numbers["picture"] = {
            "width": found.width, "score": found.score, "best shuffle": found.null_max, "z": found.z
        }  # fmt: skip
        self.figure |= {
            "similar": whole, "picture_profile": found.profile, "given": found.score, "null": found.null,
            "family": "shuffled", "kind": "", "statistic": "row width",
        }  # fmt: skip
        self.picture, self.layout = found, found.layout
        return found

    def find_channels(self) -> Layout | None:
        """Find an ordered sequence of items that hold two to four channels, side by side or one after another."""
        columns = self.table.scores.shape[1]
        laid_out = next(one for one in self.order.refutations if one.family == "laid out")
        perhaps_sorted = len(self.order.refutations) == FAMILIES
        for channels in CHANNELS:
            items = columns // channels
            if columns % channels or items < FEW_FOR_CHANNELS or len(self._varying) < columns:
                continue
            side_by_side = np.arange(columns).reshape(items, channels)
            in_turn = np.arange(columns).reshape(channels, items).T
            for cells, length, likely in (
                (side_by_side, channels, self._returns(channels)),
                (in_turn, items, not perhaps_sorted and self._breaks(items)),
            ):
                if laid_out.p > self.alpha and not laid_out.kind.startswith(f"blocks of {length} "):
                    continue  # blocks of another length explain the columns
                if likely and self._all_ordered(cells):
                    self.figure["names"] = []
                    self.layout = Layout(("column", "channels"), cells)
                    return self.layout
        return None

    def _all_ordered(self, cells: Ints) -> bool:
        """Tell whether items are an ordered sequence, cells of shape (items, channels).

        All channels together must refute all families, and each by itself, less clearly, those that are not drawn.
        """
        first = max(0, (len(cells) - CENTRAL) // 2)
        blocks = [self.table.scores[:, channel[first : first + CENTRAL]] for channel in cells.T]
        together = measure_axis(blocks, self.alpha, self._rng, first)
        if len(together.refutations) < FAMILIES:
            return False
        for block in blocks:
            alone = measure_axis([block], self.alpha, self._rng).refutations
            if not all(one.holds(LESS_CLEARLY) for one in alone if one.family != "sorted"):
                return False
        if max(one.p for one in together.refutations) <= self.alpha / (2 * len(CHANNELS)):  # one of so many layouts
            self._note(together)
            return True
        self.perhaps_channels = cells.shape[1]
        return False

    def _returns(self, lag: int) -> bool:
        """Tell whether r or |r| is higher at this lag than at those beside it: the same channel of the next item."""
        profiles = (profile_of(self._correlations), profile_of(np.abs(self._correlations)))
        return any(near[lag - 1] > max(near[lag - 2], near[lag]) + RIDGE for near in profiles)

    def _breaks(self, length: int) -> bool:
        """Tell whether neighbours across the ends of blocks of this length are less alike than within blocks."""
        scores = self.table.scores
        near = similarity(np.nanmean(scores[:, :-1] * scores[:, 1:], axis=0))
        ends = np.arange(1, len(near) + 1) % length == 0
        return bool(near[ends].max() < near[~ends].mean() - BREAK)

    def labels(self) -> Probe | None:
        """Ask random convolutions for the labels, see `probe`; None without labels, or for too small a table."""
        if self.table.target is None:
            return None
        found = probe(self.table.filled()[:, self._varying], self.table.target, self._rng)
        if found:
            self.numbers["labels"] = found._asdict()
        return found
