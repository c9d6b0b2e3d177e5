"""The state of a training between two steps: all that a later process needs to go on as if there had been no break."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridcnn.model import EpochRecord, Network
from gridcnn.pipeline.bucketing import shuffled_batches
from gridcnn.training.muon import Muon
from gridcnn.training.peers import Peers

__all__ = ["TrainingState"]

MOMENTS = {Muon: {"momentum"}, torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"}}
"""What each kind of optimiser remembers of a parameter after its first step."""


class TrainingState:
    """Weights, optimisers, schedules, random numbers, and the place in the data, of one training.

    Everything else (the examples, the settings) is what the training was started with. Captured between two steps and
    restored in a training that was started in the same way, on the same kind of machine, it leads to the same weights,
    bit for bit.

    Parameters
    ----------
    network : Network
        Is trained in place.
    optimisers : list of Optimizer
        Their schedules, in the same order, follow.
    schedules : list of LRScheduler
        One step each after each training step.
    device : torch.device
        Holds the network, and draws random numbers.
    epochs, steps_per_epoch : int
        Length of the training.

    Attributes
    ----------
    history : list of EpochRecord
        One for each epoch that is done.
    best_epoch : int
        The epoch whose weights are the best so far; 0 before the first.
    best_weights : dict or None
        These weights; None if the last ones are the best.
    position : int
        Steps done in the epoch that follows those of the history.
    totals : Tensor of shape (2,)
        Weighted sums of losses and of hits in that epoch.
    learning_rate : float
        The learning rate that it began with.
    resumed : bool
        Whether an earlier state was restored.
    """

    def __init__(
        self,
        network: Network,
        optimisers: list[torch.optim.Optimizer],
        schedules: list[torch.optim.lr_scheduler.OneCycleLR],
        device: torch.device,
        epochs: int,
        steps_per_epoch: int,
    ) -> None:
        self.network = network
        self.optimisers = optimisers
        self.schedules = schedules
        self.device = device
        self._epochs, self._steps_per_epoch = epochs, steps_per_epoch
        self.history: list[EpochRecord] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] | None = None
        self.position = 0
        self.totals = torch.zeros(2, device=device)
        self.learning_rate = 0.0
        self.resumed = False
        self._random = _random_state(device)  # at the beginning of the epoch, before its order is drawn
        self._began = time.perf_counter()

    def share(self, peers: Peers) -> None:
        """Give all processes of a training the state that the first one has restored, if it has."""
        if not peers.hand_out(self.resumed):
            return
        values, tensors = peers.hand_out(self.capture() if peers.first else None)
        if not peers.first:
            now = _random_state(self.device)  # each draws numbers of its own
            self.restore(values, tensors)
            _set_random_state(now, self.device)

    def begin_epoch(self, n_examples: int, sizes: np.ndarray | None) -> list[np.ndarray]:
        """Return the batches of an epoch that are still to come, in their random order; see `shuffled_batches`."""
        if not self.position:
            self.totals = torch.zeros(2, device=self.device)
            self.learning_rate = float(self.schedules[-1].get_last_lr()[0])
            self._random = _random_state(self.device)
            self._began = time.perf_counter()
            return shuffled_batches(n_examples, self._steps_per_epoch, sizes)
        now = _random_state(self.device)
        _set_random_state(self._random, self.device)
        order = shuffled_batches(n_examples, self._steps_per_epoch, sizes)
        _set_random_state(now, self.device)
        return order[self.position :]

    def step(self) -> None:
        """Let the optimisers and their schedules take a step, and count it."""
        for optimiser, schedule in zip(self.optimisers, self.schedules, strict=True):
            optimiser.step()
            schedule.step()
        self.position += 1

    @property
    def seconds(self) -> float:
        """Time that this epoch has taken so far, in seconds, without breaks."""
        return time.perf_counter() - self._began

    def end_epoch(self, record: EpochRecord, *, best: bool) -> None:
        """Note an epoch that is done; `best` if its weights are to be kept."""
        self.history.append(record)
        self.position = 0
        if best:
            self.best_epoch, self.best_weights = record.epoch, copy.deepcopy(self.network.state_dict())

    def capture(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the state: values that JSON holds exactly, and tensors, which the next step may change."""
        values = {
            "history": [list(record) for record in self.history],
            "best_epoch": self.best_epoch,
            "position": self.position,
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
            "rates": [schedule.get_last_lr() for schedule in self.schedules],
        }
        tensors = {"totals": self.totals, **_named("network", self.network.state_dict())}
        tensors |= _named("best", self.best_weights or {})
        tensors |= _named("random.epoch", self._random) | _named("random.now", _random_state(self.device))
        for number, optimiser in enumerate(self.optimisers):
            for index, parameter in enumerate(_parameters(optimiser)):
                tensors |= _named(f"optimiser.{number}.{index}", optimiser.state[parameter])
        return values, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def restore(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Put an earlier state in place of this one.

        Its parts have to agree with each other and with this training: an optimiser that steps with a moment of another
        shape or type reads and writes memory that is not its own.

        Raises
        ------
        IndexError, KeyError, OverflowError, RuntimeError, TypeError, ValueError
            If it is the state of another training, or none.
        """
        self._restore_place(values)
        expected, best = self.network.state_dict(), _of("best", tensors)
        weights = _all_like(_of("network", tensors), expected)
        self.best_weights = (
            {name: tensor.to(self.device) for name, tensor in _all_like(best, expected).items()} if best else None
        )
        _require((self.best_weights is None) == (self.best_epoch == 0), "the best weights belong to no epoch")
        self.totals = _like("totals", tensors["totals"], torch.zeros(2)).to(self.device, copy=True)
        for number, optimiser in enumerate(self.optimisers):
            for index, parameter in enumerate(_parameters(optimiser)):
                stored = _of(f"optimiser.{number}.{index}", tensors)
                _require(not stored or stored.keys() == MOMENTS[type(optimiser)], "its optimisers are others")
                optimiser.state[parameter] = {name: _laid_out(name, each, parameter) for name, each in stored.items()}
        self.network.load_state_dict(weights)
        self._random = _of("random.epoch", tensors)
        for state in (self._random, _of("random.now", tensors)):
            _set_random_state(state, self.device)
        self.resumed = True

    def _restore_place(self, values: Mapping[str, Any]) -> None:
        """Restore what is no tensor: how far the training is, and what it has measured."""
        history = [EpochRecord(int(record[0]), *map(float, record[1:])) for record in values["history"]]
        position, best_epoch = values["position"], values["best_epoch"]
        numbers = [record.epoch for record in history]
        _require(numbers == list(range(1, len(history) + 1)), "its epochs are not in order")
        _require(_is_count(best_epoch, len(history)), "its best epoch is none of its epochs")
        most = self._steps_per_epoch if len(history) < self._epochs else 0
        _require(_is_count(position, most) and len(history) <= self._epochs, "it has more steps than this training")
        for schedule, stored in zip(self.schedules, values["rates"], strict=True):
            rates = [float(rate) for rate in stored]
            _require(all(map(math.isfinite, rates)), "a learning rate is not finite")
            schedule.last_epoch = len(history) * self._steps_per_epoch + position
            schedule._last_lr = [*rates]
            for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
        self.history, self.position, self.best_epoch = history, position, best_epoch
        self.learning_rate = float(values["learning_rate"])
        self._began = time.perf_counter() - float(values["seconds"])


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _of(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _require(it_is_so: bool, otherwise: str) -> None:
    if not it_is_so:
        raise ValueError(otherwise)


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _like(name: str, stored: Tensor, expected: Tensor) -> Tensor:
    """Return a tensor that has the shape and the type of another one; ValueError if it has not."""
    for has, needs in ((tuple(stored.shape), tuple(expected.shape)), (stored.dtype, expected.dtype)):
        _require(has == needs, f"{name} is of {has}, and not of {needs}")
    return stored


def _all_like(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    _require(stored.keys() == expected.keys(), "its network is another one")
    return {name: _like(name, stored[name], tensor) for name, tensor in expected.items()}


def _laid_out(name: str, stored: Tensor, parameter: Tensor) -> Tensor:
    """Return an optimiser's tensor laid out in memory as its parameter is: sums are computed in that order."""
    if name == "step":
        return _like(name, stored, torch.zeros(())).to(parameter.device)
    return torch.empty_like(parameter, requires_grad=False).copy_(_like(name, stored, parameter))


def _random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's generators of random numbers: the CPU's, and the device's own."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states["mps"])
