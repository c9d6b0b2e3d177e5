"""Defaults for pictures, as GridClassifier takes them."""

from __future__ import annotations

from typing import Any

from gridcnn.adapters.counts import block_count, epoch_count
from gridcnn.adapters.image_work import Work, seconds_an_item, work

__all__ = ["LONGEST_SIDE", "SHORTEST_SIDE", "learned_size", "settings"]

LONGEST_SIDE, SHORTEST_SIDE = 64, 8
SMALLER_SIDES = (56, 48, 40, 32)
ENOUGH_EPOCHS = 20  # smaller pictures are learned from rather than fewer times than this

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
COLOUR: dict[str, Any] = {
    "kernels": (64, 256, 256),
    "head": "global_max",  # a thing may stand anywhere in a photograph
    "augment": {"shift": {"height": 0.07, "width": 0.07}, "flip": ["width"]},  # if that keeps their classes
}


def settings(height: int, width: int, n_items: int, *, colour: bool) -> dict[str, Any]:
    """Return the parameters of `GridClassifier` that suit so many pictures of this size."""
    planned = _work(height, width, n_items, colour=colour)
    kind = _kind(height, width, colour=colour)
    return {**SETTINGS, **kind, "epochs": planned.epochs, "refit": planned.refit}


def learned_size(height: float, width: float, n_items: int | None = None, *, colour: bool = False) -> tuple[int, int]:
    """Return the sides of the grid: those of the pictures, shrunk or grown to what can be learned.

    Parameters
    ----------
    height, width : float
        Of the pictures.
    n_items : int or None
        How many pictures are learned from: of many, smaller ones, so that training takes minutes. None is a few.
    colour : bool
        Whether they are coloured, which takes more kernels.

    Examples
    --------
    >>> [learned_size(400, 500, n_items, colour=True) for n_items in (500, 1_800, 9_000)]
    [(51, 64), (38, 48), (32, 40)]
    >>> learned_size(400, 500, 9_000), learned_size(5, 30)
    ((51, 64), (8, 30))
    """
    sides = _shrunk(height, width, LONGEST_SIDE)
    if n_items is None:
        return sides
    for longest in (LONGEST_SIDE, *SMALLER_SIDES):
        sides = _shrunk(height, width, longest)
        usual, planned = _usual(n_items, colour=colour), _work(*sides, n_items, colour=colour)
        if planned.epochs >= min(usual, ENOUGH_EPOCHS):
            break
    return sides


def _shrunk(height: float, width: float, longest: int) -> tuple[int, int]:
    shrink = min(1.0, longest / max(height, width))
    return max(round(height * shrink), SHORTEST_SIDE), max(round(width * shrink), SHORTEST_SIDE)


def _kind(height: int, width: int, *, colour: bool) -> dict[str, Any]:
    kind = COLOUR if colour else GREY
    return {**kind, "kernels": kind["kernels"][: block_count(min(height, width), len(kind["kernels"]))]}


def _work(height: int, width: int, n_items: int, *, colour: bool) -> Work:
    kernels = _kind(height, width, colour=colour)["kernels"]
    seconds = seconds_an_item(height, width, 3 if colour else 1, kernels)
    return work(n_items, seconds, _usual(n_items, colour=colour))


def _usual(n_items: int, *, colour: bool) -> int:
    return epoch_count(EPOCH_ITEMS, n_items, FEWEST_EPOCHS_COLOUR if colour else FEWEST_EPOCHS_GREY, MOST_EPOCHS)
