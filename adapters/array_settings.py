"""The defaults of series and arrays, and the question whether few series should learn their kernels."""

from __future__ import annotations

import math
from typing import Any

from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.questions import Option, Question
from gridcnn.grid import GridSpec

__all__ = ["learning_questions", "settings_of"]

SETTINGS: dict[str, Any] = {
    "convs_per_block": 1,
    "pool": "max",
    "pool_size": 2,
    "dense": (),
    "dropout": 0.2,
    "batch_norm": True,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "weight_decay": 1e-2,
}
ONE_AXIS: dict[str, Any] = {
    "kernels": (32, 64, 128, 128, 128),
    "kernel_sizes": (7,),
    "head": "global_average",  # what a curve does may happen anywhere in it
    "label_smoothing": 0.05,
}
FEW_SERIES: dict[str, Any] = {**ONE_AXIS, "kernels": (32, 64, 64)}
TWO_AXES: dict[str, Any] = {
    "kernels": (16, 32, 64),
    "kernel_sizes": (3,),
    "head": "flatten",
    "label_smoothing": 0.0,
}
SHIFT, SCALE = 0.05, 0.1
"""How far a series may be shifted and stretched in training, as shares of its length."""

FEW_ITEMS = 1_000
"""Up to so many series, fixed kernels may tell more than learned ones."""

FEWEST_COMPARED = 100
"""Of fewer series, so few are held out that a comparison would decide by luck."""

FIXED_MAPS, MOST_FIXED_WEIGHTS = 10_080, 2**20
"""Maps of fixed kernels, over all dilations, and weights of these kernels: of many channels there are fewer maps."""

EPOCH_ITEMS, EPOCH_FEW = 10_000, 20_000  # items seen in training, between the bounds: small sets need more passes
FEWEST_EPOCHS_ONE_AXIS, FEWEST_EPOCHS_TWO_AXES, MOST_EPOCHS = 20, 30, 200
MOST_EPOCHS_FEW = 100  # of batches of a few series

FIXED_SIZE, CONTRASTS = 9, 84
"""Cells of a fixed kernel, and how many contrasts of three cells with the other six there are."""

MOST_FIXED_CELLS = 2**25
"""Cells of all maps of one series, 128 MiB: of long series there are fewer maps."""

MOST_BRANCHES = 30
"""Sets of fixed kernels, each at one dilation: more are near than far."""

CELLS_AT_ONCE = 2**23
"""Of all maps of a batch: 32 MiB, which stays in the caches of a processor for the most part."""

OF_LEARNING = (
    "learning_rate", "kernel_learning_rate", "weight_decay", "label_smoothing", "adversarial", "patience",
)  # fmt: skip
"""What only kernels that are learned need: who sets it asks for them."""

SHORTEST = 9
"""Cells of a series that fixed kernels can tell something about."""


def settings_of(spec: GridSpec, n_items: int) -> dict[str, Any]:
    """Return the parameters of `GridClassifier` that suit such grids and so many items."""
    names, few = [axis.name for axis in spec.axes], n_items <= FEW_ITEMS
    augment: dict[str, Any] = {}
    if len(names) > 1:
        shape, seen, fewest, most = TWO_AXES, EPOCH_ITEMS, FEWEST_EPOCHS_TWO_AXES, MOST_EPOCHS
    else:
        shape, seen, most = (FEW_SERIES, EPOCH_FEW, MOST_EPOCHS_FEW) if few else (ONE_AXIS, EPOCH_ITEMS, MOST_EPOCHS)
        fewest = FEWEST_EPOCHS_ONE_AXIS
        augment = {"shift": {names[0]: SHIFT}, "scale": {names[0]: SCALE}}
    blocks = block_count(min(spec.sizes), len(shape["kernels"]))
    epochs = epoch_count(seen, n_items, fewest, most)
    return {**SETTINGS, **shape, "kernels": shape["kernels"][:blocks], "epochs": epochs, "augment": augment}


def learning_questions(spec: GridSpec, n_items: int) -> list[Question]:
    """Ask whether the kernels of a network for few series should be learned; the usual answer is no."""
    if len(spec.axes) > 1 or n_items > FEW_ITEMS or spec.sizes[0] < SHORTEST:
        return []
    settings = {**fixed_kernels(spec.sizes[0], spec.channels.size), **dict.fromkeys(OF_LEARNING)}
    fixed = Option("fixed kernels", settings)
    learned = Option("learned kernels", {**dict.fromkeys(settings), "augment": "auto"})  # None is the default
    return [Question("what is learned", (fixed, learned) if n_items >= FEWEST_COMPARED else (fixed,))]


def fixed_kernels(length: int, channels: int = 1) -> dict[str, Any]:
    """Return the settings of a network whose kernels are fixed contrasts, at distances up to the length of a series.

    Distances grow by equal factors; those that are the same once they are rounded down get several sets of kernels, so
    that most look at neighbouring cells.

    >>> fixed_kernels(60)["dilations"]
    (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7)
    """
    widest = max((length - 1) / (FIXED_SIZE - 1), 1.0)
    maps = min(FIXED_MAPS, MOST_FIXED_WEIGHTS // (FIXED_SIZE * channels), MOST_FIXED_CELLS // length)
    branches = min(max(maps // CONTRASTS, 1), MOST_BRANCHES)
    thresholds = max(maps // (CONTRASTS * branches), 1)
    dilations = [math.floor(widest ** (at / max(branches - 1, 1)) + 1e-9) for at in range(branches)]
    return {
        "solved": True,
        "kernels": (CONTRASTS * thresholds,),
        "kernel_sizes": (FIXED_SIZE,),
        "dilations": tuple(dilations),
        "convs_per_block": 1,
        "batch_norm": False,
        "pool_size": 1,
        "head": "share_average",
        "dense": (),
        "dropout": 0.0,
        "augment": None,
        "epochs": 1,
        "batch_size": min(max(CELLS_AT_ONCE // (maps * length), 1), 32),
    }
