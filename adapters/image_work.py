"""What pictures cost to train on, counted and not measured, so that a default training takes minutes on any of them.

A plan that a clock makes differs from run to run. This one counts multiplications and numbers, so the same pictures
get the same plan on any machine, and two fits give the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Work", "seconds_allowed", "seconds_an_item", "work"]

SECONDS_A_PRODUCT, SECONDS_A_NUMBER = 3e-12, 7.5e-9
"""Of one core, to train: for a multiply-add (counted three times, since gradients need two), for a number in a map.

Fitted to the steps of twelve networks, from 8 x 8 grey to 128 x 102 colour, on a core that multiplies bfloat16 in tiles
(AMX); eleven of them are met within a third. In float32 with AVX-512 the same core takes 1.8 (grey) to 2.5
times as long (colour).
"""

SECONDS_AT_LEAST, SECONDS_MORE, SECONDS_OF_MANY = 440.0, 0.0385, 0.085
"""Of one core, for a whole fit: so many, and so many for each item; of large sets, so many for each item.

On two cores that is 5 minutes for 2,000 pictures, 8 for 10,000, and 40 for 50,000.
"""

TWICE = 2.2
"""Times the work of the first training that a fit takes which trains once more on all items, a tenth more of them."""

ALWAYS_TWICE = 3_000
"""Fewer items are worth a second training, even at the price of epochs."""

FEWEST_EPOCHS = 6


class Work(NamedTuple):
    """How many epochs a training gets, and whether it is followed by another one, on all items."""

    epochs: int
    refit: bool


def work(n_items: int, seconds: float, usual: int) -> Work:
    """Plan a training of at most the usual number of epochs.

    Parameters
    ----------
    n_items : int
        Pictures.
    seconds : float
        What a picture takes in an epoch, as `seconds_an_item` counts it.
    usual : int
        Epochs.

    Examples
    --------
    >>> work(1_000, seconds=0.0004, usual=40)
    Work(epochs=40, refit=True)
    >>> work(9_000, seconds=0.005, usual=30)
    Work(epochs=17, refit=False)
    """
    allowed = seconds_allowed(n_items) / (n_items * seconds)  # epochs
    refit = n_items <= ALWAYS_TWICE or TWICE * usual <= allowed
    affordable = int(allowed / TWICE if refit else allowed)
    return Work(max(min(usual, affordable), min(usual, FEWEST_EPOCHS)), refit)


def seconds_allowed(n_items: int) -> float:
    """Return the seconds of one core that a default fit on so many pictures may take.

    Examples
    --------
    >>> [round(seconds_allowed(n_items)) for n_items in (100, 2_000, 10_000, 50_000)]
    [444, 517, 850, 4250]
    """
    return max(SECONDS_AT_LEAST + SECONDS_MORE * n_items, SECONDS_OF_MANY * n_items)


def seconds_an_item(height: int, width: int, channels: int, kernels: Sequence[int]) -> float:
    """Return the seconds of one core that a picture takes in an epoch.

    The blocks have two convolutions of 3 x 3, and pool between them.

    Examples
    --------
    >>> [round(1000 * seconds_an_item(side, side, 3, (64, 256, 256)), 1) for side in (16, 32, 64)]
    [0.6, 2.6, 10.3]
    """
    products = numbers = 0
    for maps in kernels:
        products += 9 * channels * maps * height * width
        numbers += maps * height * width
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        products += 9 * maps * maps * height * width
        numbers += maps * height * width
        channels = maps
    return 3 * SECONDS_A_PRODUCT * products + SECONDS_A_NUMBER * numbers
