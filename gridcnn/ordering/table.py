"""The check for tables: a verdict on the order of the columns."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering.alternatives import score_alternatives
from gridcnn.ordering.columns import counting_names, name_some
from gridcnn.ordering.evidence import FEW_COLUMNS, Evidence
from gridcnn.ordering.layout import ABSENT, Layout
from gridcnn.ordering.prepare import Prepared, check_alpha, prepare
from gridcnn.ordering.report import ADVICE, OrderReport, Verdict
from gridcnn.ordering.rule import FEW_ROWS, decide

__all__ = ["check_order"]

Kind = Literal["auto", "numeric", "categorical"]


def check_order(
    X: Any,
    y: Any = None,
    *,
    alpha: float = 0.01,
    kind: Kind = "auto",
    alternatives: bool = False,
    random_state: int = 0,
) -> OrderReport:
    """Decide whether the order of a table's columns carries information that a convolution could use.

    Parameters
    ----------
    X : array or DataFrame of shape (rows, columns)
        The table; missing values are allowed. At most 2,000 rows and 1,024 columns are looked at, and the table is
        never copied as a whole.
    y : array of shape (rows,), optional
        Labels or numbers to predict. They can show an order that correlations do not show, and show that an order
        brings nothing; they never hide one that correlations show.
    alpha : float, default 0.01
        Level of the tests, in (0, 0.5): how often columns without an order may be called ordered. A larger one finds
        weaker orders.
    kind : {"auto", "numeric", "categorical"}, default "auto"
        `"categorical"` says that the columns hold codes, such as token ids; `"auto"` finds that out where they hold
        words, `"numeric"` never takes them for tokens.
    alternatives : bool, default False
        Whether models that know no order are scored if the table is not called ordered and `y` holds classes, see
        `score_alternatives`. Takes seconds.
    random_state : int, default 0
        Seed: the same table and seed give the same report.

    Returns
    -------
    OrderReport
        The verdict, its reason and the evidence.

    Raises
    ------
    DataError
        If `X` is not a table, is empty, or holds neither numbers nor categories, or if `y` does not fit it.
    ConfigurationError
        If `alpha` is out of range, or `kind` is not one of the three.

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
    check_alpha(alpha)
    if kind not in ("auto", "numeric", "categorical"):
        raise ConfigurationError(f"kind is {kind!r}; use 'auto', 'numeric' or 'categorical'")
    rng = np.random.default_rng(random_state)
    table = prepare(X, y, kind, rng)
    evidence = Evidence(table, alpha, rng)
    answer = decide(evidence)
    warnings = [*table.warnings, *_remarks(evidence, answer.verdict)]
    scored = None
    if alternatives and answer.verdict != "ordered" and y is not None:
        try:
            scored = score_alternatives(X, y, random_state=random_state)
        except DataError as error:
            warnings.append(f"no other models were scored: {error}")
    picture = evidence.picture
    return OrderReport(
        verdict=answer.verdict,
        reason=answer.reason,
        test=answer.test,
        rows=table.rows,
        columns=table.columns,
        rows_used=len(table.scores),
        columns_used=evidence.columns,
        evidence=evidence.numbers,
        grid=(picture.height, picture.width) if picture and picture.height else None,
        layout=_in_table(evidence.layout, table),
        alpha=float(alpha),
        opinion=evidence.opinion.sentence if evidence.opinion else "",
        warnings=tuple(warnings),
        left_out=table.left_out,
        advice=_advice(answer.verdict, table, evidence),
        alternatives=scored,
        figure_data=evidence.figure,
    )


def _in_table(layout: Layout | None, table: Prepared) -> Layout | None:
    """Return a layout of the columns looked at as one of all columns."""
    if layout is None:
        return None
    kept = np.array([*table.kept, ABSENT])  # the last one answers -1
    return Layout(layout.axes, kept[layout.cells], tuple(int(kept[at]) for at in layout.left_out))


def _remarks(evidence: Evidence, verdict: Verdict) -> list[str]:
    """Remark on few rows, copies, names that suggest an order, labels beside a picture, and series in long format."""
    table, said = evidence.table, []
    if evidence.rows < FEW_ROWS:
        said.append(f"{evidence.rows} rows are too few: at least {FEW_ROWS} are needed, 100 are better")
    elif evidence.rows < 100:
        said.append(f"{evidence.rows} rows: below 100, only clear orders are found")
    if evidence.columns >= FEW_COLUMNS and not table.tokens and (copies := evidence.copies()):
        said.append(f"columns are copies of one another: {copies}")
    if counting := counting_names(table.names):
        evidence.numbers["names"] = counting
        if verdict != "ordered":
            said.append(
                f"{counting}, which suggests an order; the values do not show it"
                if verdict == "exchangeable"
                else f"{counting}, which suggests an order: if you know that it is one, declare it"
            )
    if evidence.layout and evidence.layout.left_out:
        beside = name_some(table.names[at] for at in evidence.layout.left_out)
        said.append(f"column {beside} beside the pixels looks like a label: if it is, say --label, or take it out")
    if table.long_format and verdict != "ordered":
        said.append(
            "each row resembles the row before and a column says when: a series in long format, one row per time step?"
        )
    return said


def _advice(verdict: Verdict, table: Prepared, evidence: Evidence) -> str:
    layout, picture = evidence.layout, evidence.picture
    if verdict == "ordered" and table.tokens:
        return "Join the words of each row into one column of text and train on that (on the command line: --text)."
    if verdict == "ordered" and table.left_out:
        return (
            f"Take out column {name_some(table.left_out)}, which cannot be a cell of a grid; then train on the others."
        )
    if layout and layout.left_out:
        beside = name_some(table.names[at] for at in layout.left_out)
        return f"Say --label, or take column {beside} out; then each row is laid out as a picture of {layout}."
    if layout:
        what = "a picture" if picture else "a sequence"
        return f"Train on the table as it is: each row is laid out as {what} of {layout}."
    if picture:
        return "Put the missing pixels back and train on pictures, or name columns by their place (pixel0, pixel1, …)."
    if table.long_format and verdict != "ordered":
        return (
            "Bring each series into one row first (pivot by its identifier and time), or give check_axes an array "
            "(series, sensors, time)."
        )
    own = [f"--text {name}" for name in table.texts[:1]] + [f"--path {name}" for name in table.files[:1]]
    if own and verdict != "ordered":
        return (
            f"{ADVICE[verdict]} Column {name_some([*table.files, *table.texts])} holds "
            f"{'words' if table.texts else 'file names'}: to classify these, say {' or '.join(own)} (in "
            "Python, give that column alone to its adapter)."
        )
    return ADVICE[verdict]
