"""The rule, on one screen: which tests are run in which order, and what their answers mean together.

| asked in turn | ordered if | else |
| --- | --- | --- |
| size | – | fewer than 5 columns: exchangeable; fewer than 20 rows: undecided |
| tokens (columns of codes) | bigrams refute *shuffled* and *grouped* | undecided |
| copies | – | nearly all columns alike: undecided |
| hidden picture | a row width stands out | go on |
| the columns as a sequence | *shuffled*, *grouped*, *laid out*, *sorted* all refuted | go on |
| two to four channels of a sequence | the same for the items | go on |
| labels | convolutions see them better in this order | go on |
| *sorted* alone stands, for columns or channels | – | undecided: perhaps sorted by similarity |
| another family stands without a hint against it | – | exchangeable, if an order as strong would be found, or if |
| | | the order is like a shuffled one and tears groups apart |
| labels | – | exchangeable, if the order cannot bring a point of accuracy |
| – | – | undecided: what would settle it |

A family is refuted if its p-value is at most `alpha`, or the least that its few orders allow.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gridcnn.ordering.evidence import FEW_COLUMNS, Evidence, Tested
from gridcnn.ordering.nulls import Refutation
from gridcnn.ordering.report import MEANING, Verdict

__all__ = ["FEW_ROWS", "Answer", "decide", "decide_axis"]

FEW_ROWS = 20
FEW_FOR_EVIDENCE = 8  # fewer columns have too few orders
TORN = 0.95  # p-value of groups in an order that tears them apart
FAINT = 0.01  # mean r² of columns that hardly correlate

STANDS = {
    "shuffled": "Columns that are alike do not stand near one another: the order is like a shuffled one.",
    "grouped": "Related columns stand together in groups, and within and between groups the order says nothing.",
    "laid out": "The columns come in {kind}: items or statistics that could change places.",
}

NO_NEARER = "Similar cells stand no nearer to one another than if somebody had sorted them by similarity."


class Answer(NamedTuple):
    """A verdict with its reason, one sentence, and the test behind it."""

    verdict: Verdict
    reason: str
    test: str


def decide(evidence: Evidence) -> Answer:
    """Run the tests of a table until one of them decides."""
    rows, columns, alpha = evidence.rows, evidence.columns, evidence.alpha
    if answer := _by_size(rows, columns, "columns"):
        return answer
    if (tokens := evidence.tokens()) is not None:
        if all(one.holds(alpha) for one in tokens):
            return Answer("ordered", "Which code follows which is not left to chance: the columns are positions in a "
                          "sequence.", "tokens")  # fmt: skip
        return Answer("undecided", "which code follows which does not stand out from shuffled columns.", "tokens")
    if evidence.are_copies():
        return Answer("undecided", "the columns are copies of one another, so that any order is as good.", "copies")
    if picture := evidence.find_picture():
        of = f"{picture.height} × {picture.width // picture.channels}" if picture.height else "flattened"
        width = f"similarity returns at every {picture.width}th column" if picture.layout is None or (
            picture.layout.is_plain) else "similarity returns from row to row"  # fmt: skip
        return Answer("ordered", f"The columns look like {_article(of)} {of} picture: {width}.", "hidden picture")
    if evidence.order.is_ordered(alpha):
        return Answer("ordered", _closer("columns"), evidence.order.deciding(alpha).statistic)
    if layout := evidence.find_channels():
        return Answer("ordered", f"The columns are a sequence of {len(layout.cells)} items with {layout.channels} "
                      "channels each, whose similarity fades with distance.", "channels")  # fmt: skip
    labels = evidence.labels()
    if labels and labels.is_ordered(alpha):
        return Answer("ordered", "A convolution sees the labels better in this order than in shuffled ones.", "labels")
    if evidence.perhaps_channels:
        return Answer("undecided", f"The columns may be a sequence of items with {evidence.perhaps_channels} channels "
                      "each, but may also have been sorted by similarity.", "channels")  # fmt: skip
    answer = _without_order(evidence.order, rows, columns, alpha)
    if answer.verdict == "undecided" and labels and labels.brings_nothing:
        return Answer("exchangeable", "A convolution sees the labels as well in shuffled orders, to within a point of "
                      "accuracy.", "labels")  # fmt: skip
    return answer


def decide_axis(tested: Tested | None, rows: int, cells: int, alpha: float) -> Answer:
    """Decide on one axis of an array; `tested` is None if it is too small to be tested, or no cell varies."""
    if answer := _by_size(rows, cells, "cells"):
        return answer
    if tested is None:
        return Answer("undecided", "no cell along this axis varies.", "size")
    if tested.is_ordered(alpha):
        return Answer("ordered", _closer("cells"), tested.deciding(alpha).statistic)
    stands = tested.deciding(alpha)
    if stands.is_hinted and (stands.family == "sorted" or stands.least > alpha):
        return Answer("undecided", _little_closer(stands, "cells"), stands.family)
    if stands.family == "sorted":
        return Answer("exchangeable", NO_NEARER, "sorted")
    if tested.strength < FAINT:
        return Answer("exchangeable", "The cells hardly correlate: there are no neighbours to compare.", stands.family)
    if tested.rows < rows_needed(max(tested.strength, FAINT), max(cells, FEW_FOR_EVIDENCE)):
        return Answer("undecided", f"{rows} items are too few to be sure that an order would be found.", stands.family)
    return Answer("exchangeable", _stands(stands, "cells"), stands.family)


def _by_size(rows: int, columns: int, noun: str) -> Answer | None:
    if columns < FEW_COLUMNS:
        few = f"no {noun[:-1]} varies" if not columns else f"{columns} {noun if columns > 1 else noun[:-1]}"
        return Answer("exchangeable", f"{few}: fewer than {FEW_COLUMNS} {noun} are no axis to slide a kernel along.",
                      "size")  # fmt: skip
    if rows < FEW_ROWS:
        return Answer("undecided", f"{rows} rows are too few to tell order from chance.", "size")
    return None


def _closer(noun: str) -> str:
    return f"Similarity fades with the distance between {noun}, more than groups, layouts or sorting explain."


def _without_order(tested: Tested, rows: int, columns: int, alpha: float) -> Answer:
    """Answer for a table that no test called ordered: exchangeable if there is evidence for it, else undecided."""
    stands = tested.deciding(alpha)
    if stands.family == "sorted":
        return _perhaps_sorted("columns")
    if tested.strength < FAINT:
        return Answer("undecided", "The columns hardly correlate, so that nothing speaks for an order or against it; "
                      "labels might.", "nothing found")  # fmt: skip
    needed = rows_needed(tested.strength, columns)
    torn = stands.family == "shuffled" and not stands.is_hinted and tested.refutations[1].p > TORN
    if rows < needed and not torn:
        settle = f"about {_rounded(needed)} rows would" if math.isfinite(needed) else "more columns might"
        return Answer("undecided", f"An order as strong as these correlations would not be sure to be found in {rows} "
                      f"rows of {columns} columns: {settle} settle it.", stands.family)  # fmt: skip
    if not stands.is_hinted:
        return Answer("exchangeable", _stands(stands, "columns"), stands.family)
    return Answer("undecided", _little_closer(stands, "columns"), stands.family)


def _little_closer(family: Refutation, noun: str) -> str:
    return (
        f"The order is a little closer than if the {noun} stood {MEANING[family.family]} (p = {family.p:.2f}), but not "
        "enough to call it ordered."
    )


def _perhaps_sorted(noun: str) -> Answer:
    return Answer("undecided", f"Similar {noun} stand near one another, but no nearer than if somebody had sorted them "
                  "by similarity.", "sorted")  # fmt: skip


def _stands(family: Refutation, noun: str) -> str:
    said = STANDS[family.family].format(kind=family.kind)
    return said.replace("columns", noun).replace("Columns", noun.title())


def rows_needed(strength: float, columns: int) -> float:
    """Return the rows in which an order of this strength is found in 95 of 100 draws; infinite below 8 columns.

    Fitted to autoregressive and smooth series planted in tables of 20 to 1,000 rows and 5 to 60 columns: weak orders
    drown in the noise, and strong ones of few columns look like groups. `benchmarks/ordering.py` prints the power.

    Parameters
    ----------
    strength : float
        Mean r² of the pairs of columns.
    columns : int
        Number of columns.
    """
    if columns < FEW_FOR_EVIDENCE:
        return math.inf
    strength = min(max(strength, 1e-6), 0.99)
    alike = math.pow(strength / (1 - strength), 1.5)
    return max(1000 / columns, 130 / (strength * math.pow(columns, 1.4)), 9000 * alike / math.pow(columns, 1.7))


def _rounded(rows: float) -> int:
    digits = 10 ** max(0, int(math.log10(max(rows, 10))) - 1)
    return int(math.ceil(rows / digits) * digits)


def _article(size: str) -> str:
    return "an" if size.startswith(("8", "11 ", "18 ")) else "a"
