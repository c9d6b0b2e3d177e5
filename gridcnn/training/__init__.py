"""From raw items and labels to a FittedModel."""

from gridcnn.training.callbacks import Callback, EarlyStopping
from gridcnn.training.config import FitConfig, TrainingConfig
from gridcnn.training.fit import fit
from gridcnn.training.job import split
from gridcnn.training.malloc import keep_freed_memory
from gridcnn.training.plan import Plan, plan

__all__ = [
    "Callback",
    "EarlyStopping",
    "FitConfig",
    "Plan",
    "TrainingConfig",
    "fit",
    "keep_freed_memory",
    "plan",
    "split",
]
