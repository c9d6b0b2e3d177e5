"""Classify anything that is like a picture, see how the network does it, and be told when it should not be used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridcnn import explain, plots
    from gridcnn.bundle import load, save
    from gridcnn.errors import GridcnnError
    from gridcnn.estimator import GridClassifier
    from gridcnn.grid import Axis, GridSpec
    from gridcnn.network.backbone import BackboneConfig, ConvPoolDense
    from gridcnn.ordering import Alternatives, AxesReport, OrderReport, check_axes, check_order, score_alternatives

__version__ = "0.1.0"

_HOMES = {
    "Alternatives": "gridcnn.ordering",
    "AxesReport": "gridcnn.ordering",
    "Axis": "gridcnn.grid",
    "BackboneConfig": "gridcnn.network.backbone",
    "ConvPoolDense": "gridcnn.network.backbone",
    "GridClassifier": "gridcnn.estimator",
    "GridSpec": "gridcnn.grid",
    "GridcnnError": "gridcnn.errors",
    "OrderReport": "gridcnn.ordering",
    "check_axes": "gridcnn.ordering",
    "check_order": "gridcnn.ordering",
    "load": "gridcnn.bundle",
    "save": "gridcnn.bundle",
    "score_alternatives": "gridcnn.ordering",
}

_MODULES = {"explain", "plots"}

__all__ = [
    "Alternatives",
    "AxesReport",
    "Axis",
    "BackboneConfig",
    "ConvPoolDense",
    "GridClassifier",
    "GridSpec",
    "GridcnnError",
    "OrderReport",
    "__version__",
    "check_axes",
    "check_order",
    "explain",
    "load",
    "plots",
    "save",
    "score_alternatives",
]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that `import gridcnn` does not import torch."""
    if name in _MODULES:
        return importlib.import_module(f"gridcnn.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gridcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
