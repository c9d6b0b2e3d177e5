"""Defaults for pictures, as GridClassifier takes them."""

from __future__ import annotations

from typing import Any

from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.image_work import seconds_an_item, work
from gridcnn.adapters.questions import Option, Question

__all__ = ["LONGEST_SIDE", "SHORTEST_SIDE", "learned_size", "questions", "settings"]

LONGEST_SIDE, SHORTEST_SIDE = 64, 8
LONGER_SIDE = 128
"""Cells of the longer side that are tried beside 64."""

MOST_ASKED = 3_000
"""Items; of more, trying another size would take longer than a default training may."""

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
KERNELS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    # Most cells of the longer side: kernels of grey pictures, of coloured ones. 64 cells and fewer kernels do better
    # than 40 cells and more; beyond, a block more sees as much of a picture.
    40: ((24, 48, 96), (64, 256, 256)),
    80: ((24, 48, 96), (32, 128, 256)),
}
KERNELS_BEYOND: tuple[tuple[int, ...], tuple[int, ...]] = ((12, 24, 48, 96), (16, 32, 128, 256))
GREY: dict[str, Any] = {
    "head": "flatten",
    "augment": {  # no flips: a flipped digit or letter is another one
        "shift": {"height": 0.1, "width": 0.1},
        "scale": {"height": 0.1, "width": 0.1},
        "rotate": 10.0,
        "annealed": True,  # clothes all stand upright, and fill their pictures
    },
}
COLOUR: dict[str, Any] = {
    "head": "global_max",  # a thing may stand anywhere in a photograph
    "augment": {"shift": {"height": 0.07, "width": 0.07}, "flip": ["width"]},  # if that keeps their classes
}
PHOTOGRAPHS = 40  # cells of the longer side from which coloured pictures are framed at will, and not cut to one size
BY_HEART = 30  # epochs from which they are learned by heart: of fewer, turning and scaling gain nothing
AUGMENT_PHOTOGRAPHS: dict[str, Any] = {
    "shift": {"height": 0.1, "width": 0.1},
    "scale": {"height": 0.15, "width": 0.15},
    "rotate": 10.0,
    "flip": ["width"],
}


def settings(height: int, width: int, n_items: int, *, colour: bool) -> dict[str, Any]:
    """Return the parameters of `GridClassifier` that suit so many pictures of this size."""
    kind, fewest = (COLOUR, FEWEST_EPOCHS_COLOUR) if colour else (GREY, FEWEST_EPOCHS_GREY)
    sizes = (kernels for most, kernels in KERNELS.items() if max(height, width) <= most)
    widest = next(sizes, KERNELS_BEYOND)[colour]
    kernels = widest[: block_count(min(height, width), len(widest))]
    usual = epoch_count(EPOCH_ITEMS, n_items, fewest, MOST_EPOCHS)
    planned = work(n_items, seconds_an_item(height, width, 3 if colour else 1, kernels), usual)
    if colour and max(height, width) > PHOTOGRAPHS and planned.epochs >= BY_HEART:
        kind = {**kind, "augment": AUGMENT_PHOTOGRAPHS}
    return {**SETTINGS, **kind, "kernels": kernels, "epochs": planned.epochs, "refit": planned.refit}


def learned_size(height: float, width: float, longest: int = LONGEST_SIDE) -> tuple[int, int]:
    """Return the sides of the grid, shrunk or grown to what can be learned.

    >>> learned_size(400, 500), learned_size(5, 30)
    ((51, 64), (8, 30))
    """
    shrink = min(1.0, longest / max(height, width))
    return max(round(height * shrink), SHORTEST_SIDE), max(round(width * shrink), SHORTEST_SIDE)


def questions(height: float, width: float, n_items: int) -> list[Question]:
    """Ask how many cells pictures of this size need, if there are not too many of them."""
    if n_items > MOST_ASKED or max(height, width) < LONGER_SIDE:
        return []
    larger = learned_size(height, width, LONGER_SIDE)
    names = (f"{side} cells" for side in (LONGEST_SIDE, LONGER_SIDE))
    return [Question("longer side of the grid", (Option(next(names)), Option(next(names), adapter={"size": larger})))]
