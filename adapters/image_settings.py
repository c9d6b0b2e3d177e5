"""Defaults for pictures, as GridClassifier takes them."""

from __future__ import annotations

from typing import Any

from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.image_work import seconds_an_item, work

__all__ = ["settings"]

EPOCH_ITEMS = 160_000  # items seen in training, between the bounds: small sets need more passes
FEWEST_EPOCHS_GREY, FEWEST_EPOCHS_COLOUR, MOST_EPOCHS = 8, 30, 40  # colour has more to tell apart
SETTINGS: dict[str, Any] = {
    "kernel_sizes": (3,),
    "convs_per_block": 2,
    "pool_after": 1,
    "pool": "max",
    "pool_size": 2,
    "dense": (),
    "dropout": 0.2,
    "batch_norm": True,
    "batch_size": 128,
    "learning_rate": 5e-3,
    "kernel_learning_rate": 0.04,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
}
GREY: dict[str, Any] = {
    "kernels": (24, 48, 96),
    "head": "flatten",
    "augment": {  # no flips: a flipped digit or letter is another one
        "shift": {"height": 0.1, "width": 0.1},
        "scale": {"height": 0.1, "width": 0.1},
        "rotate": 10.0,
        "annealed": True,  # clothes all stand upright, and fill their pictures
    },
}
MANY_CELLS = 40  # a longer side has fewer kernels: 64 cells and these do better than 40 cells and the others
KERNELS_OF_MANY = (32, 128, 256)
COLOUR: dict[str, Any] = {
    "kernels": (64, 256, 256),
    "head": "global_max",  # a thing may stand anywhere in a photograph
    "augment": {"shift": {"height": 0.07, "width": 0.07}, "flip": ["width"]},  # if that keeps their classes
}


def settings(height: int, width: int, n_items: int, *, colour: bool) -> dict[str, Any]:
    """Return the parameters of `GridClassifier` that suit so many pictures of this size."""
    kind, fewest = (COLOUR, FEWEST_EPOCHS_COLOUR) if colour else (GREY, FEWEST_EPOCHS_GREY)
    kernels = KERNELS_OF_MANY if colour and max(height, width) > MANY_CELLS else kind["kernels"]
    kernels = kernels[: block_count(min(height, width), len(kernels))]
    usual = epoch_count(EPOCH_ITEMS, n_items, fewest, MOST_EPOCHS)
    planned = work(n_items, seconds_an_item(height, width, 3 if colour else 1, kernels), usual)
    return {**SETTINGS, **kind, "kernels": kernels, "epochs": planned.epochs, "refit": planned.refit}
