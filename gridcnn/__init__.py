"""Classify anything that is like a picture, see how the network does it, and be told when it should not be used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridcnn import explain
    from gridcnn.bundle import load, save
    from gridcnn.errors import GridcnnError
    from gridcnn.estimator import GridClassifier
    from gridcnn.evaluation.audit import Audit, audit
    from gridcnn.grid import Axis, GridSpec
    from gridcnn.inference import Embeddings, Predictions, embed, predict
    from gridcnn.model import FittedModel
    from gridcnn.network.backbone import ConvPoolDense
    from gridcnn.network.config import BackboneConfig
    from gridcnn.ordering import Alternatives, AxesReport, OrderReport, check_axes, check_order, score_alternatives
    from gridcnn.render import plots
    from gridcnn.training.callbacks import Callback
    from gridcnn.training.fit import fit
    from gridcnn.training.malloc import keep_freed_memory
    from gridcnn.training.progress import Progress
    from gridcnn.tuning.records import Tuned, Watcher
    from gridcnn.tuning.tune import tune

__version__ = "0.1.0"

_HOMES = {
    "Alternatives": "gridcnn.ordering",
    "Audit": "gridcnn.evaluation.audit",
    "AxesReport": "gridcnn.ordering",
    "Axis": "gridcnn.grid",
    "BackboneConfig": "gridcnn.network.config",
    "Callback": "gridcnn.training.callbacks",
    "ConvPoolDense": "gridcnn.network.backbone",
    "Embeddings": "gridcnn.inference",
    "FittedModel": "gridcnn.model",
    "GridClassifier": "gridcnn.estimator",
    "GridSpec": "gridcnn.grid",
    "GridcnnError": "gridcnn.errors",
    "OrderReport": "gridcnn.ordering",
    "Predictions": "gridcnn.inference",
    "Progress": "gridcnn.training.progress",
    "Tuned": "gridcnn.tuning.records",
    "Watcher": "gridcnn.tuning.records",
    "audit": "gridcnn.evaluation.audit",
    "check_axes": "gridcnn.ordering",
    "check_order": "gridcnn.ordering",
    "embed": "gridcnn.inference",
    "fit": "gridcnn.training.fit",
    "keep_freed_memory": "gridcnn.training.malloc",
    "load": "gridcnn.bundle",
    "predict": "gridcnn.inference",
    "save": "gridcnn.bundle",
    "score_alternatives": "gridcnn.ordering",
    "tune": "gridcnn.tuning.tune",
}

_MODULES = {"explain": "gridcnn.explain", "plots": "gridcnn.render.plots"}

__all__ = [
    "Alternatives",
    "Audit",
    "AxesReport",
    "Axis",
    "BackboneConfig",
    "Callback",
    "ConvPoolDense",
    "Embeddings",
    "FittedModel",
    "GridClassifier",
    "GridSpec",
    "GridcnnError",
    "OrderReport",
    "Predictions",
    "Progress",
    "Tuned",
    "Watcher",
    "__version__",
    "audit",
    "check_axes",
    "check_order",
    "embed",
    "explain",
    "fit",
    "keep_freed_memory",
    "load",
    "plots",
    "predict",
    "save",
    "score_alternatives",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that `import gridcnn` does not import torch."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gridcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
