"""The ordering check: whether the order of columns, or of an array's axis, carries information.

A convolution compares neighbours. Where neighbours mean nothing, it has no business; this package decides that with
statistics before any network is trained. See `docs/ordering-check.md` for the idea.
"""

from gridcnn.ordering.alternatives import Alternatives, Score, score_alternatives
from gridcnn.ordering.axes import check_axes
from gridcnn.ordering.report import AxesReport, OrderReport, Verdict
from gridcnn.ordering.rule import check_order

__all__ = [
    "Alternatives",
    "AxesReport",
    "OrderReport",
    "Score",
    "Verdict",
    "check_axes",
    "check_order",
    "score_alternatives",
]
