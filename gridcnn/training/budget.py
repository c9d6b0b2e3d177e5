"""Training within a wall-clock limit: the cost is measured first, then grid, kernels and epochs are chosen to fit.

The one-cycle schedule must end, at its lowest learning rate, before the limit; a training that is cut off in the middle
is worth much less than a shorter one. So the number of epochs is settled before the first epoch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from gridcnn.adapters import Adapter
from gridcnn.adapters.base import sample_of
from gridcnn.display import none_can
from gridcnn.errors import DataError
from gridcnn.model import Network
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.pipeline.encode import encode_items
from gridcnn.training.callbacks import Callback
from gridcnn.training.config import TrainingConfig
from gridcnn.training.contention import Contention
from gridcnn.training.loop import Examples, evaluate, seeded, train
from gridcnn.training.recipe import Recipe
from gridcnn.training.schedule import Schedule

__all__ = [
    "BUSY",
    "Budget",
    "Cost",
    "Pace",
    "Passes",
    "fewest_epochs",
    "measure",
    "probe",
    "smaller_share",
]

PLANNED_SHARE = 0.9
"""Share of the limit that is planned for; the rest is a reserve for a machine that gets slower."""

TWICE = 2.2
"""Times the seconds of a training that it and a second one take, which learns from a tenth more items."""

MOST_EPOCHS, FEWEST_EPOCHS = 2.0, 0.25
"""Multiples of the adapter's epochs. Twice as many did no harm; below a quarter, coarser grids did better."""

SHARES = (1.0, 0.75, 0.5, 0.375, 0.25)
"""Shares of the cells along each axis that are tried; of the kernels, if a grid has no resolution to give up."""

FIRST_SAMPLE, SAMPLE_SECONDS = 64, 0.2
"""Size of the first sample, and the encoding time from which a sample predicts that of all items."""

PROBE_SECONDS, MEASURING_SHARE, LONGEST_MEASURING = 0.4, 0.02, 3.0
"""Time for which steps are measured: on a sample; on all items, as a share of the limit; and the longest one."""

WARM_STEPS, FEWEST_STEPS, FEW_STEPS = 2, 3, 12
"""The first steps, which allocate memory and choose algorithms, are not timed; how many are at least; up to how many
their median counts, which one slow step does not move. (Of more, the mean: those of texts are of unequal lengths.)
"""

MOST_PATIENCE = 10
"""Times the seconds that measuring should take, after which even fewer steps have to do."""

WARM_ITEMS = 4
"""Items that are encoded first, untimed: what reads them is loaded then."""

BUSY = 0.8
"""Share of the time with a processor below which the machine counts as busy with other things."""

SCORED = 128
"""Examples that are scored to time scoring."""


class Pace(NamedTuple):
    """Measured seconds of one training step, and of scoring one example."""

    step: float
    scoring: float

    def epoch(self, n_examples: float, n_scored: float, batch_size: int) -> float:
        """Return the seconds of an epoch over `n_examples` that ends with scoring `n_scored` others."""
        return math.ceil(n_examples / batch_size) * self.step + n_scored * self.scoring


class Cost(NamedTuple):
    """Costs measured on a sample: seconds to encode an item, windows of an item, and the pace of training.

    `share` is that of the time in which this process, ready to compute, had a processor.
    """

    encoding: float
    windows: float
    pace: Pace
    share: float = 1.0

    def epoch(self, n_items: int, n_validation: int, batch_size: int) -> float:
        """Return the seconds of an epoch."""
        return self.pace.epoch(n_items * self.windows, n_validation * self.windows, batch_size)

    def seconds(self, trainings: Iterable[Passes], epochs: int, batch_size: int) -> float:
        """Return the seconds of all trainings of a fit, each of which encodes what it learns from and is scored on.

        Examples
        --------
        >>> cost = Cost(encoding=0.001, windows=1, pace=Pace(step=0.5, scoring=0.01))
        >>> cost.seconds([Passes(900, 100), Passes(1000, 0)], epochs=10, batch_size=100)
        107.0
        """
        return sum(
            sum(each) * self.encoding + epochs * self.epoch(each.items, each.scored, batch_size) for each in trainings
        )


class Passes(NamedTuple):
    """One training of a fit: over how many items, and on how many others it is scored after each epoch."""

    items: int
    scored: int


class Budget:
    """A limit on the wall clock, which runs from here on.

    Parameters
    ----------
    limit : float or None
        Seconds; None allows the usual epochs, however long they take.

    Attributes
    ----------
    earlier : float
        Seconds that an earlier process spent on the same fit.
    refit : bool or None
        Whether a second training, on all items, has to fit too; None if it should where there is time for the usual
        epochs twice.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.earlier = 0.0
        self.refit: bool | None = False
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.earlier + time.perf_counter() - self._started

    @property
    def left(self) -> float:
        """Seconds left to plan with."""
        return math.inf if self.limit is None else PLANNED_SHARE * self.limit - self.elapsed

    def epochs(self, usual: int, seconds_an_epoch: float, reserved: float = 0.0) -> tuple[int, bool]:
        """Return the number of epochs that fits into the time left, within bounds, and whether it fits twice.

        `reserved` seconds apart. Twice: once more, on all items, see `refit`.
        """
        if self.limit is None:
            return usual, bool(self.refit)
        affordable = (self.left - reserved) / seconds_an_epoch  # read once: the clock goes on
        refit = affordable >= TWICE * usual if self.refit is None else self.refit
        if refit:
            affordable /= TWICE
        return max(int(min(affordable, MOST_EPOCHS * usual)), fewest_epochs(usual)), refit

    def schedule(
        self,
        network: Network,
        examples: Examples,
        validation: Examples | None,
        config: TrainingConfig,
        device: torch.device,
        n_items: int,
    ) -> Schedule:
        """Measure the cost of an epoch of this training, and return the schedule that fits."""
        seconds = float(np.clip(MEASURING_SHARE * (self.limit or 0.0), PROBE_SECONDS, LONGEST_MEASURING))
        pace = measure(network, examples, config, device, seconds)
        epoch = pace.epoch(len(examples.target), 0 if validation is None else len(validation.target), config.batch_size)
        epochs, refit = self.epochs(config.epochs, epoch)
        seconds = self.elapsed + epochs * epoch * (TWICE if refit else 1)
        return Schedule(n_items, network.backbone.spec.sizes, epochs, seconds, self.limit, refit=refit)


def fewest_epochs(usual: int) -> int:
    """Return the smallest number of epochs worth training, if `usual` is the adapter's number.

    >>> [fewest_epochs(usual) for usual in (1, 8, 40)]
    [1, 3, 10]
    """
    return min(usual, max(3, math.ceil(FEWEST_EPOCHS * usual)))


def measure(
    network: Network, examples: Examples, config: TrainingConfig, device: torch.device, seconds: float = PROBE_SECONDS
) -> Pace:
    """Train a throwaway copy for about `seconds`, score some examples, and return the time of a step and a score.

    The network and torch's random numbers stay as they are.
    """
    if config.solved:
        scoring = _seconds_to_score(network, examples, device, config.batch_size)
        return Pace(scoring * config.batch_size, scoring)
    trial = copy.deepcopy(network)
    watch = _Stopwatch(seconds, device)
    steps = replace(config, epochs=max(config.epochs, WARM_STEPS + FEWEST_STEPS), patience=None)
    with seeded(0, device):
        if train(trial, examples, steps, device=device, callback=watch).interrupted:
            raise KeyboardInterrupt  # Ctrl-C ends a training with its best weights; here there are none
        step = watch.seconds_a_step()
    return Pace(step, _seconds_to_score(trial, examples, device, config.batch_size))


def _seconds_to_score(network: Network, examples: Examples, device: torch.device, batch_size: int) -> float:
    some = Examples(*(part[:SCORED] for part in examples))
    started = time.perf_counter()
    evaluate(network, some, device, batch_size)
    return (time.perf_counter() - started) / len(some.target)


def probe(
    adapter: Adapter,
    items: Sequence[Any],
    recipe: Recipe,
    n_classes: int,
    device: torch.device,
    n_jobs: int | None = None,
) -> Cost:
    """Encode a sample of the items, train on it for a moment, and return the costs."""
    encode_items(adapter, sample_of(items, WARM_ITEMS), frontend_on=device, on_error="skip", n_jobs=n_jobs)
    n_sampled = FIRST_SAMPLE
    while True:
        sample = sample_of(items, n_sampled)
        started = time.perf_counter()
        encoded = encode_items(adapter, sample, frontend_on=device, on_error="skip", n_jobs=n_jobs)
        taken = time.perf_counter() - started
        if len(sample) == len(items) or (len(encoded.windows) and taken > SAMPLE_SECONDS):
            break
        n_sampled *= 4
    windows = encoded.windows
    if not len(windows):
        raise DataError(f"{none_can(len(items), 'item')} be read; the first: {encoded.skipped[0].reason}")
    n_windows = max(2 * recipe.training.batch_size, len(windows))
    examples = Examples(
        np.resize(windows, (n_windows, *windows.shape[1:])), np.zeros(n_windows, np.int64), np.ones(n_windows)
    )
    with seeded(0, device):
        frontend = nn.Identity() if adapter.frontend_is_frozen else adapter.frontend()
        network = Network(frontend, ConvPoolDense(adapter.spec_, recipe.backbone, n_classes))
    with Contention() as contention:
        pace = measure(network, examples, recipe.training, device)
    return Cost(taken / len(sample), len(windows) / len(sample), pace, contention.share)


def smaller_share(share: float, needed: float, available: float) -> float | None:
    """Return the largest share at which training should fit, as its cost grows with the number of cells.

    None if it fits already, or if there is nothing smaller to try.

    >>> [smaller_share(1.0, needed=60, available=seconds) for seconds in (60, 50, 15, 1)]
    [None, 0.75, 0.5, 0.25]
    """
    if needed <= available or share == SHARES[-1]:
        return None
    wanted = share * math.sqrt(max(available, 0.0) / needed)
    return next((each for each in SHARES if each <= wanted), SHARES[-1])


class _Stopwatch(Callback):
    """Times the steps of a training after the first ones, and ends it after `seconds`."""

    def __init__(self, seconds: float, device: torch.device) -> None:
        self._seconds = seconds
        self._device = device
        self._times: list[float] = []  # at the end of each step

    def on_step(self, n_samples: int) -> bool:
        """Note a step, and stop after the last one."""
        self._times.append(self._now())
        n_timed = len(self._times) - WARM_STEPS
        if n_timed < 1:
            return False
        taken = self._times[-1] - self._times[WARM_STEPS - 1]
        return taken >= self._seconds * (1 if n_timed >= FEWEST_STEPS else MOST_PATIENCE)

    def seconds_a_step(self) -> float:
        """Return the time of a usual step."""
        steps = np.diff(self._times[WARM_STEPS - 1 :])
        return float(np.median(steps) if len(steps) <= FEW_STEPS else steps.mean())

    def _now(self) -> float:
        if self._device.type != "cpu":
            torch.accelerator.synchronize()  # a step is queued long before it is done
        return time.perf_counter()
