"""The rule: which tests are asked in which order."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering.alternatives import score_alternatives
from gridcnn.ordering.columns import counting_names, name_some
from gridcnn.ordering.decision import FEW_COLUMNS, SORTED_SEAM, Answer, by_correlation, otherwise
from gridcnn.ordering.lags import compare_lags
from gridcnn.ordering.neighbours import SPLITS, compare_neighbours, halves
from gridcnn.ordering.pictures import Picture, fold, hidden_picture
from gridcnn.ordering.prepare import Prepared, prepare
from gridcnn.ordering.probe import probe
from gridcnn.ordering.report import ADVICE, OrderReport
from gridcnn.ordering.tokens import bigrams_against_nulls
from gridcnn.ordering.trees import R_LIMIT, Floats, correlations, similarity, tree_of

__all__ = ["check_order"]

CENTRAL = 400  # columns that take part in tests with trees
LAG_COLUMNS = 160
FEW_ROWS = 20

Kind = Literal["auto", "numeric", "categorical"]


def check_order(
    X: Any, y: Any = None, *, kind: Kind = "auto", alternatives: bool = False, random_state: int = 0
) -> OrderReport:
    """Decide whether the order of a table's columns carries information that a convolution could use.

    Parameters
    ----------
    X : array or DataFrame, shape (rows, columns)
        The table; missing values are allowed. At most 2,000 rows and 1,024 columns are looked at, and no copy of the
        whole is made.
    y : array, shape (rows,), optional
        Labels or numbers to predict. They can show an order that correlations do not, and never hide one.
    kind : {"auto", "numeric", "categorical"}, default "auto"
        `"categorical"` says that the columns hold codes, such as token ids.
    alternatives : bool, default False
        Where the table is refused and `y` holds classes, score models that need no order, see `score_alternatives`.
        Takes seconds.
    random_state : int, default 0
        Seed: the same table gives the same report.

    Returns
    -------
    OrderReport

    Raises
    ------
    DataError
        If X is not a table, holds no numbers or categories, or y does not fit it.
    ConfigurationError
        If `kind` is not one of the three.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> walks = rng.normal(size=(200, 30)).cumsum(axis=1)
    >>> check_order(walks).verdict
    'ordered'
    >>> check_order(walks[:, rng.permutation(30)]).verdict
    'exchangeable'
    """
    if kind not in ("auto", "numeric", "categorical"):
        raise ConfigurationError(f"kind is {kind!r}; use 'auto', 'numeric' or 'categorical'")
    rng = np.random.default_rng(random_state)
    table = prepare(X, y, kind, rng)
    evidence: dict[str, Any] = {}
    figure: dict[str, Any] = {}
    answer, picture = _ask(table, kind, rng, evidence, figure)
    counting = counting_names(table.names)
    if counting:
        evidence["names"] = counting + " (shown, not counted as proof)"
    if table.long_format and answer.verdict != "ordered":
        table.warnings.append(
            "each row resembles the row before and a column says when: a series in long format, one row per time step?"
        )
    scored = None
    if alternatives and answer.verdict != "ordered" and y is not None:
        try:
            scored = score_alternatives(X, y, random_state=random_state)
        except DataError as error:
            table.warnings.append(f"no other models were scored: {error}")
    return OrderReport(
        verdict=answer.verdict,
        reason=answer.reason,
        test=answer.test,
        rows=table.rows,
        columns=table.columns,
        rows_used=len(table.scores),
        columns_used=int(table.varies.sum()),
        evidence=evidence,
        grid=(picture.height, picture.width) if picture else None,
        channels=picture.channels if picture else 1,
        warnings=tuple(table.warnings),
        left_out=table.left_out,
        advice=_advice(answer, table, picture),
        alternatives=scored,
        figure_data=figure,
    )


def _advice(answer: Answer, table: Prepared, picture: Picture | None) -> str:
    if picture:
        size = f"{picture.height} × {picture.width // picture.channels}"
        colours = f" × {picture.channels} colours" if picture.channels > 1 else ""
        return f"Reshape each row to {size}{colours} and train on it as a picture."
    if table.long_format and answer.verdict != "ordered":
        return (
            "Bring each series into one row first (pivot by its identifier and time), or give check_axes an array "
            "(series, sensors, time)."
        )
    return ADVICE[answer.verdict]


def _ask(
    table: Prepared, kind: str, rng: np.random.Generator, evidence: dict[str, Any], figure: dict[str, Any]
) -> tuple[Answer, Picture | None]:
    used = np.flatnonzero(table.varies)
    rows, columns = len(table.scores), len(used)
    if columns < FEW_COLUMNS:
        what = "no column varies" if not columns else f"{columns} column{'s vary' if columns > 1 else ' varies'}"
        return Answer(
            "exchangeable", f"{what}: fewer than {FEW_COLUMNS} columns are no axis to slide a kernel along.", "size"
        ), None
    if rows < FEW_ROWS:
        table.warnings.append(f"{rows} rows are too few: at least {FEW_ROWS} are needed, 100 are better")
        return Answer("undecided", f"{rows} rows are too few to tell order from chance.", "size"), None
    if rows < 100:
        table.warnings.append(f"{rows} rows: below 100, only clear orders are found")
    if table.tokens and columns >= 8:
        return _tokens(table, rng, evidence) or Answer(
            "undecided", "which code follows which does not stand out from shuffled columns.", "tokens"
        ), None
    scores = table.scores[:, used]
    start = max(0, (columns - CENTRAL) // 2)
    central = scores[:, start : start + CENTRAL]
    whole = correlations(central)
    off = np.abs(whole[np.triu_indices(len(whole), 1)])
    if (off > 0.9999).mean() > 0.95:
        table.warnings.append("nearly all columns are copies of one another")
        return Answer(
            "undecided", "the columns are copies of one another, so that any order is as good.", "copies"
        ), None
    copies = np.argwhere(np.triu(np.abs(whole) > 0.9999, 1))
    if len(copies):
        pairs_named = name_some(
            (f"{table.names[used[start + i]]} = {table.names[used[start + j]]}" for i, j in copies), 3
        )
        table.warnings.append(f"columns are copies of one another: {pairs_named}")
    pairs = halves(central, SPLITS, rng)
    similar = [(similarity(one), similarity(two)) for one, two in pairs]
    near = compare_neighbours(similar, similarity(whole), rng)
    evidence["neighbours"] = {
        "value": near.value,
        "flips": near.flip_mean,
        "shuffles": near.shuffle_mean,
        "z_flips": near.z_flip,
        "z_tree": near.z_tree,
        "z_shuffles": near.z_shuffle,
        "seam": near.seam,
    }
    figure.update(similar=similarity(whole), given=float(np.diagonal(similarity(whole), 1).mean()), null=near.null)
    lags = None
    if columns >= 8:
        middle = slice(max(0, (len(whole) - LAG_COLUMNS) // 2), max(0, (len(whole) - LAG_COLUMNS) // 2) + LAG_COLUMNS)
        lags = compare_lags(
            [(_signed(one[middle, middle]), _signed(two[middle, middle])) for one, two in pairs],
            tree_of(similarity(whole[middle, middle])),
            rng,
        )
        evidence["lags"] = {
            "share": lags.value,
            "without peaks": lags.rest,
            "flips": lags.flip_mean,
            "z_flips": lags.z_flip,
            "z_shuffles": lags.z_shuffle,
        }
        figure["profile"] = lags.profile
    picture = _picture(table, rng, evidence, figure)
    if picture:
        shape = f"{picture.height} × {picture.width}"
        return Answer(
            "ordered",
            f"The columns look like a {shape} picture: similarity returns at every {picture.width}th column.",
            "hidden picture",
        ), picture
    answer = by_correlation(near, lags)
    if answer and answer.verdict == "ordered":
        return answer, None
    felt = None
    if table.target is not None and columns >= 8 and rows >= 40:
        felt = probe(scores, table.target, rng)
        if felt:
            evidence["labels"] = felt
            if felt["share_shuffle"] <= 0.02 and felt["z_shuffle"] >= 4 and felt["value"] >= felt["order_free"] + 0.02:
                return Answer(
                    "ordered",
                    "A convolution sees the labels better in this order than in any of 49 shuffled ones.",
                    "labels",
                ), None
    if answer:
        if near.seam >= SORTED_SEAM and near.z_flip >= 2.5:
            table.warnings.append(
                "the columns may have been sorted by similarity: neighbours are close, the columns after them are not"
            )
        return answer, None
    return otherwise(near, lags, felt, rows, columns), None


def _signed(r: Floats) -> Floats:
    return np.ascontiguousarray(np.arctanh(np.clip(r, -R_LIMIT, R_LIMIT)))


def _tokens(table: Prepared, rng: np.random.Generator, evidence: dict[str, Any]) -> Answer | None:
    found = bigrams_against_nulls(table.values, rng)
    evidence["tokens"] = found
    if max(found["share_flip"], found["share_shuffle"]) <= 0.01 and min(found["z_flip"], found["z_shuffle"]) >= 4:
        return Answer(
            "ordered",
            "Which code follows which is not left to chance: the columns are positions in a sequence.",
            "tokens",
        )
    return None


def _picture(
    table: Prepared, rng: np.random.Generator, evidence: dict[str, Any], figure: dict[str, Any]
) -> Picture | None:
    """Find a hidden picture, and confirm it by the order of one of its axes."""
    columns = table.scores.shape[1]
    if columns < 36 or (columns < table.columns - 4 and columns < 1024):
        return None
    width_of = table.columns if columns >= 1024 else columns
    seen = max(0.25, float(table.varies.mean()) ** 2)  # pairs with a constant column say nothing, and count as 0
    whole = similarity(correlations(table.scores))
    found = hidden_picture(whole / seen, width_of, rng)
    if not found:
        return None
    halved = halves(table.scores, 2, rng)
    best, shown = -np.inf, {}
    for axis, name in enumerate(("row", "column")):
        pairs = [
            (fold(similarity(one), found.width, axis), fold(similarity(two), found.width, axis)) for one, two in halved
        ]
        folded = fold(whole, found.width, axis)
        if len(folded) < FEW_COLUMNS:
            continue
        near = compare_neighbours(pairs, folded, rng)
        closer = min(near.z_flip, near.z_tree)
        if closer > best:
            best = closer
            shown = {"axis": name, "given": float(np.diagonal(folded, 1).mean()), "null": near.null}
    if best >= 2.0:
        figure.update(shown)
    evidence["picture"] = {
        "width": found.width,
        "score": found.score,
        "best shuffle": found.null_max,
        "z_shuffles": found.z,
        "z_axis": best,
    }
    figure["picture_profile"] = found.profile
    return found if best >= 2.0 else None
