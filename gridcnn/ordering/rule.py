"""The rule: which tests are run in which order, and what their answers mean together."""

from __future__ import annotations

import math
from typing import NamedTuple

from gridcnn.ordering.evidence import FEW_COLUMNS, Evidence
from gridcnn.ordering.lags import Lags
from gridcnn.ordering.neighbours import Neighbours
from gridcnn.ordering.report import Verdict

__all__ = ["FEW_ROWS", "Answer", "decide"]

FEW_ROWS = 20
SORTED_SEAM = 0.85


class Answer(NamedTuple):
    """A verdict with its reason, one sentence, and the test behind it."""

    verdict: Verdict
    reason: str
    test: str


def decide(evidence: Evidence) -> Answer:
    """Run the tests of a table until one of them decides; remarks go to the warnings of the table."""
    rows, columns, warnings = evidence.rows, evidence.columns, evidence.table.warnings
    if columns < FEW_COLUMNS:
        few = "no column varies" if not columns else f"{columns} column{'s vary' if columns > 1 else ' varies'}"
        return Answer(
            "exchangeable", f"{few}: fewer than {FEW_COLUMNS} columns are no axis to slide a kernel along.", "size"
        )
    if rows < FEW_ROWS:
        warnings.append(f"{rows} rows are too few: at least {FEW_ROWS} are needed, 100 are better")
        return Answer("undecided", f"{rows} rows are too few to tell order from chance.", "size")
    if rows < 100:
        warnings.append(f"{rows} rows: below 100, only clear orders are found")
    if tokens := evidence.tokens():
        return _by_tokens(tokens)
    if evidence.are_copies():
        warnings.append("nearly all columns are copies of one another")
        return Answer("undecided", "the columns are copies of one another, so that any order is as good.", "copies")
    if copies := evidence.copies():
        warnings.append(f"columns are copies of one another: {copies}")
    near, lags = evidence.neighbours(), evidence.lags()
    if picture := evidence.find_picture():
        return Answer(
            "ordered",
            f"The columns look like a {picture.height} × {picture.width} picture: similarity returns at every "
            f"{picture.width}th column.",
            "hidden picture",
        )
    answer = _by_correlation(near, lags)
    if answer and answer.verdict == "ordered":
        return answer
    labels = evidence.labels()
    if labels and _by_labels(labels):
        return Answer(
            "ordered", "A convolution sees the labels better in this order than in any of 49 shuffled ones.", "labels"
        )
    if answer:
        if near.seam >= SORTED_SEAM and near.z_flip >= 2.5:
            warnings.append(
                "the columns may have been sorted by similarity: neighbours are close, the columns after them are not"
            )
        return answer
    return _otherwise(near, lags, labels, rows, columns)


def _by_tokens(tokens: dict[str, float]) -> Answer:
    if max(tokens["share_flip"], tokens["share_shuffle"]) <= 0.01 and min(tokens["z_flip"], tokens["z_shuffle"]) >= 4:
        return Answer(
            "ordered",
            "Which code follows which is not left to chance: the columns are positions in a sequence.",
            "tokens",
        )
    return Answer("undecided", "which code follows which does not stand out from shuffled columns.", "tokens")


def _by_labels(labels: dict[str, float]) -> bool:
    """Tell whether a convolution sees the labels better in the given order than in others, and than other models."""
    return (
        labels["share_shuffle"] <= 0.02 and labels["z_shuffle"] >= 4 and labels["value"] >= labels["order_free"] + 0.02
    )


def _by_correlation(near: Neighbours, lags: Lags | None) -> Answer | None:
    """Return ordered, undecided for a table that may have been sorted by similarity, or None for anything else."""
    if lags and lags.z_shuffle >= 4:
        share = min(lags.value, lags.rest + 0.2)
        if (
            share >= 0.6
            and lags.rest >= 0.4
            and lags.z_flip >= 3.5
            and (near.seam < 0.9 or near.z_flip < 0 or share >= 0.8)
        ) or (share >= 0.5 and lags.rest >= 0.45 and lags.z_flip >= 8):
            return Answer(
                "ordered",
                f"The distance between columns explains {lags.value:.0%} of how they correlate, more than groups do.",
                "lags",
            )
    close = min(near.z_flip, near.z_tree) >= 2.5 and near.share_flip <= 0.06
    paired = min(near.z_pair, near.z_pair_tree) >= 3 and near.share_pair <= 0.03
    if (close or paired) and near.z_shuffle >= 2.5:
        annealed = lags is not None and lags.z_flip >= 2.5 and near.z_second >= 0.4 * near.z_flip
        clear = lags is not None and lags.value >= 0.8 and lags.rest >= 0.8 and lags.z_flip >= 2.5
        if near.seam < SORTED_SEAM or annealed or clear:
            return Answer(
                "ordered", "Neighbouring columns are more alike than groups of similar columns explain.", "neighbours"
            )
        return Answer(
            "undecided",
            "Neighbours are close, but the columns after them are not: this may be a table sorted by similarity.",
            "sorted by similarity?",
        )
    return None


def _otherwise(near: Neighbours, lags: Lags | None, labels: dict[str, float] | None, rows: int, columns: int) -> Answer:
    """Answer for a table that no test called ordered: exchangeable if there is evidence for it, else undecided."""
    if lags and lags.z_flip >= 5 and lags.value >= 0.4 and lags.rest >= 0.3:
        return Answer(
            "undecided", "Distance explains some of how columns correlate, but not enough to call them ordered.", "lags"
        )
    if lags and lags.value >= 0.65 and lags.rest >= 0.6 and lags.z_shuffle >= 10 and near.z_pair >= 3:
        return Answer(
            "undecided", "Distance explains how columns correlate, but groups of columns explain it as well.", "lags"
        )
    if (min(near.z_flip, near.z_tree) >= 1.5 or min(near.z_pair, near.z_pair_tree) >= 2) and near.z_shuffle >= 2.5:
        return Answer(
            "undecided",
            "Neighbours are a little closer than groups explain, but not enough to call them ordered.",
            "neighbours",
        )
    if rows >= 100 and near.z_flip >= 2.5 and near.z_shuffle >= 2.5 and near.z_tree > -2.5:
        return Answer(
            "undecided",
            "Neighbours are closer than the groups that half of the rows show, but not than those that all rows show.",
            "neighbours",
        )
    if near.z_flip <= -3:
        return Answer("exchangeable", "The columns most like each other do not stand side by side.", "neighbours")
    if columns >= FEW_COLUMNS and near.z_shuffle >= 2.3:
        return Answer(
            "exchangeable",
            "Related columns stand together in groups, and within and between groups the order says nothing.",
            "groups",
        )
    if (near.flip_mean - near.shuffle_mean) * math.sqrt(rows) > 1:
        return Answer(
            "exchangeable", "Some columns belong together, but the order of the columns does not follow it.", "groups"
        )
    if rows >= 100 and near.shuffle_mean * math.sqrt(rows) > 3 and near.z_shuffle < 2 and lags and lags.z_shuffle < 2:
        reason = "The columns are alike, but no more so side by side than far apart."
        return Answer("exchangeable", reason, "lags")
    if labels and labels["order_free"] > labels["value"] + 0.03:
        return Answer(
            "exchangeable", "Models that ignore the order predict the labels better than convolutions do.", "labels"
        )
    return Answer(
        "undecided", "The columns hardly correlate, so that nothing speaks for an order or against it.", "nothing found"
    )
