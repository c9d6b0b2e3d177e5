"""The ordering check: whether the order of columns, or of an array's axis, carries information.

A convolution compares neighbours, which is pointless if they are not related. This package decides with statistics
whether they are, before any network is trained. `docs/ordering-check.md` explains the idea.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridcnn.ordering.alternatives import Alternatives, Score, score_alternatives
    from gridcnn.ordering.axes import check_axes
    from gridcnn.ordering.report import AxesReport, OrderReport, Verdict
    from gridcnn.ordering.table import check_order

_HOMES = {
    "Alternatives": "gridcnn.ordering.alternatives",
    "AxesReport": "gridcnn.ordering.report",
    "OrderReport": "gridcnn.ordering.report",
    "Score": "gridcnn.ordering.alternatives",
    "Verdict": "gridcnn.ordering.report",
    "check_axes": "gridcnn.ordering.axes",
    "check_order": "gridcnn.ordering.table",
    "score_alternatives": "gridcnn.ordering.alternatives",
}

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


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: adapters need only small parts, and the models here are slow to import."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gridcnn.ordering' has no attribute {name!r}")
