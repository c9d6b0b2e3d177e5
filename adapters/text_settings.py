"""Hyperparameters that suit texts, and the question that their data decide."""

from __future__ import annotations

from typing import Any

from gridcnn.adapters.questions import Option

__all__ = ["ANYWHERE_OR_EXACTLY", "EPOCH_ITEMS", "FEWEST_EPOCHS", "MOST_EPOCHS", "SETTINGS"]

SETTINGS: dict[str, Any] = {
    "kernels": (100,),
    "kernel_sizes": (3, 4, 5),
    "convs_per_block": 1,
    "pool": "max",
    "pool_size": 1,  # the head takes the best match of the whole sentence
    "head": "global_max",
    "dense": (),
    "dropout": 0.5,
    "batch_norm": False,
    "batch_size": 50,
    "learning_rate": 2e-3,
    "kernel_learning_rate": 0.01,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
    "adversarial": 0.4,
    "augment": {},
}
ANYWHERE_OR_EXACTLY = (Option("anywhere"), Option("exactly there", {"head": "flatten"}))
EPOCH_ITEMS = 400_000  # texts seen in training, between the bounds
FEWEST_EPOCHS, MOST_EPOCHS = 4, 10
