"""The state of a training between two steps: all that a later process needs to go on as if there had been no break."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridcnn.model import EpochRecord, Network
from gridcnn.pipeline.bucketing import shuffled_batches

__all__ = ["TrainingState"]


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
    ) -> None:
        self.network = network
        self.optimisers = optimisers
        self.schedules = schedules
        self.device = device
        self.history: list[EpochRecord] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] | None = None
        self.position = 0
        self.totals = torch.zeros(2, device=device)
        self.learning_rate = 0.0
        self.resumed = False
        self._random = _random_state(device)  # at the beginning of the epoch, before its order is drawn
        self._began = time.perf_counter()

    def begin_epoch(self, n_examples: int, n_steps: int, sizes: np.ndarray | None) -> list[np.ndarray]:
        """Return the batches of an epoch that are still to come, in their random order; see `shuffled_batches`."""
        if not self.position:
            self.totals = torch.zeros(2, device=self.device)
            self.learning_rate = float(self.schedules[-1].get_last_lr()[0])
            self._random = _random_state(self.device)
            self._began = time.perf_counter()
            return shuffled_batches(n_examples, n_steps, sizes)
        now = _random_state(self.device)
        _set_random_state(self._random, self.device)
        order = shuffled_batches(n_examples, n_steps, sizes)
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
        """Return the state: values that JSON holds exactly, and copies of tensors."""
        values = {
            "history": [list(record) for record in self.history],
            "best_epoch": self.best_epoch,
            "position": self.position,
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
            "schedules": [
                {"steps": schedule.last_epoch, "rates": schedule.get_last_lr()} for schedule in self.schedules
            ],
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

        Raises
        ------
        KeyError, RuntimeError, TypeError, ValueError
            If it is the state of another training.
        """
        self.network.load_state_dict(_of("network", tensors))
        for number, optimiser in enumerate(self.optimisers):
            for index, parameter in enumerate(_parameters(optimiser)):
                stored = _of(f"optimiser.{number}.{index}", tensors)
                optimiser.state[parameter] = {name: _laid_out(each, parameter) for name, each in stored.items()}
        for schedule, each in zip(self.schedules, values["schedules"], strict=True):
            schedule.last_epoch = int(each["steps"])
            schedule._last_lr = [float(rate) for rate in each["rates"]]
            for group, rate in zip(schedule.optimizer.param_groups, schedule._last_lr, strict=True):
                group["lr"] = rate
        self.history = [EpochRecord(int(record[0]), *map(float, record[1:])) for record in values["history"]]
        self.best_epoch = int(values["best_epoch"])
        best = _of("best", tensors)
        self.best_weights = {name: tensor.to(self.device) for name, tensor in best.items()} or None
        self.position = int(values["position"])
        self.learning_rate = float(values["learning_rate"])
        self.totals = tensors["totals"].to(self.device)
        self._random = _of("random.epoch", tensors)
        _set_random_state(_of("random.now", tensors), self.device)
        self._began = time.perf_counter() - float(values["seconds"])
        self.resumed = True


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _of(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _laid_out(stored: Tensor, parameter: Tensor) -> Tensor:
    """Return an optimiser's tensor laid out in memory as its parameter is: sums are computed in that order."""
    if stored.ndim == 0:  # a count of steps
        return stored.to(parameter.device)
    if stored.shape != parameter.shape:
        raise ValueError(f"a moment of shape {tuple(stored.shape)} for weights of shape {tuple(parameter.shape)}")
    return torch.empty_like(parameter, requires_grad=False).copy_(stored)


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
