"""The ordering check: whether the order of columns, or of an array's axis, carries information.

A convolution compares neighbours, which is pointless if they are not related. This package decides with statistics
whether they are, before any network is trained. `docs/ordering-check.md` explains the idea.
"""

from gridcnn.ordering.alternatives import Alternatives, Score, score_alternatives
from gridcnn.ordering.axes import check_axes
from gridcnn.ordering.report import AxesReport, OrderReport, Verdict
from gridcnn.ordering.table import check_order

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
