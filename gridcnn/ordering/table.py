"""The check for tables: a verdict on the order of the columns."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from gridcnn.errors import ConfigurationError, DataError
from gridcnn.ordering.alternatives import score_alternatives
from gridcnn.ordering.columns import counting_names, name_some
from gridcnn.ordering.evidence import Evidence
from gridcnn.ordering.pictures import Picture
from gridcnn.ordering.prepare import Prepared, prepare
from gridcnn.ordering.report import ADVICE, OrderReport, Verdict
from gridcnn.ordering.rule import decide

__all__ = ["check_order"]

Kind = Literal["auto", "numeric", "categorical"]


def check_order(
    X: Any, y: Any = None, *, kind: Kind = "auto", alternatives: bool = False, random_state: int = 0
) -> OrderReport:
    """Decide whether the order of a table's columns carries information that a convolution could use.

    Parameters
    ----------
    X : array or DataFrame of shape (rows, columns)
        The table; missing values are allowed. At most 2,000 rows and 1,024 columns are looked at, and the table is
        never copied as a whole.
    y : array of shape (rows,), optional
        Labels or numbers to predict. They can show an order that correlations do not show; they never hide one.
    kind : {"auto", "numeric", "categorical"}, default "auto"
        `"categorical"` says that the columns hold codes, such as token ids.
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
    evidence = Evidence(table, rng)
    answer = decide(evidence)
    picture = evidence.picture
    counting = counting_names(table.names)
    if counting:
        evidence.numbers["names"] = counting + " (shown, not counted as proof)"
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
        rows_used=evidence.rows,
        columns_used=evidence.columns,
        evidence=evidence.numbers,
        grid=(picture.height, picture.width) if picture else None,
        channels=picture.channels if picture else 1,
        warnings=tuple(table.warnings),
        left_out=table.left_out,
        advice=_advice(answer.verdict, table, picture),
        alternatives=scored,
        figure_data=evidence.figure,
    )


def _advice(verdict: Verdict, table: Prepared, picture: Picture | None) -> str:
    if picture:
        size = f"{picture.height} × {picture.width // picture.channels}"
        colours = f" × {picture.channels} colours" if picture.channels > 1 else ""
        return f"Reshape each row to {size}{colours} and train on it as a picture."
    if table.long_format and verdict != "ordered":
        return (
            "Bring each series into one row first (pivot by its identifier and time), or give check_axes an array "
            "(series, sensors, time)."
        )
    own = [f"--text {name}" for name in table.texts[:1]] + [f"--path {name}" for name in table.files[:1]]
    if own and verdict != "ordered":
        return (
            f"Column {name_some([*table.files, *table.texts])} holds {'words' if table.texts else 'file names'}: to "
            f"train on it, say {' or '.join(own)} (in Python, give that column alone to its adapter). For the other "
            f"columns: {ADVICE[verdict]}"
        )
    return ADVICE[verdict]
