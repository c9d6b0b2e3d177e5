"""A plan of a fit: layers, costs and duration, and how a training is made to fit a time limit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from sklearn.base import clone
from sklearn.utils import check_random_state

from gridcnn.adapters import Adapter
from gridcnn.grid import GridSpec
from gridcnn.network.backbone import ConvPoolDense, Layer
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.split import LabelledItems
from gridcnn.training.announce import about_input, about_network
from gridcnn.training.budget import BUSY, Budget, Passes, Schedule, fewest_epochs, probe, smaller_share
from gridcnn.training.callbacks import Callback
from gridcnn.training.config import TrainingConfig
from gridcnn.training.folds import folds_of
from gridcnn.training.job import Job, make_job
from gridcnn.training.recipe import fit_config, resolve

__all__ = ["Fitting", "Plan", "announce", "fit_to_budget", "plan", "reduced"]


@dataclass(frozen=True)
class Plan:
    """What a fit would do: the grids, the network and its layer table, the training, and its duration if measured."""

    spec: GridSpec
    backbone: BackboneConfig
    training: TrainingConfig
    layers: list[Layer]
    schedule: Schedule | None = None


def plan(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    groups: Any = None,
    validation: tuple[Any, Any] | None = None,
    measure_time: bool = False,
    callbacks: Iterable[Callback] = (),
) -> Plan:
    """Return what `fit` would do with these items, without decoding them all or training.

    Parameters
    ----------
    adapter, X, y, parameters, groups, validation
        As in `gridcnn.training.fit.fit`.
    measure_time : bool
        Measure the costs, which takes a few seconds, so that the plan has a schedule; a `time_limit` does so too.
    callbacks : iterable of Callback
        They hear the messages that `fit` would begin with.
    """
    config = fit_config(parameters or {})
    budget = Budget(config.time_limit) if measure_time or config.time_limit is not None else None
    job = make_job(adapter, X, y, parameters or {}, config, groups=groups, callbacks=callbacks)
    surveyed = job.fitted(job.adapter, job.items.items, cached=False)
    folds = folds_of(job, surveyed, validation, check_random_state(config.random_state).randint(2**31))
    job.say(about_input(job, folds, given=validation is not None))
    training, checking = folds[0]
    fitted = job.fitted(clone(job.adapter), training.items, cached=False)
    recipe, schedule = resolve(job.parameters, fitted, len(training.target)), None
    if budget is not None:
        device = choose_device(config.device)
        further = [Passes(*map(_count, fold)) for fold in folds[1:]]
        if validation is None and job.refits(fitted):
            further.append(Passes(_count(job.items), 0))
        fitting = fit_to_budget(budget, job, fitted, training, checking, device, further)
        fitted, schedule = fitting.adapter, fitting.schedule
        chosen = {**fitting.chosen, "epochs": schedule.epochs}
        recipe = resolve({**job.parameters, **chosen}, fitted, len(training.target))
    job.say([about_network(fitted, recipe, len(training.target), job.parameters), *fitted.remarks()])
    with torch.random.fork_rng(devices=[]):
        layers = ConvPoolDense(fitted.spec_, recipe.backbone, len(job.classes)).layers()
    return Plan(fitted.spec_, recipe.backbone, recipe.training, layers, schedule)


class Fitting(NamedTuple):
    """How a fit is made to end within a time limit.

    Parameters
    ----------
    share : float
        Share of the cells along each axis of the grid, or of the kernels.
    adapter : Adapter
        A fitted one, as coarse as that.
    chosen : dict
        The parameters chosen besides.
    schedule : Schedule
        What is expected.
    """

    share: float
    adapter: Adapter
    chosen: dict[str, Any]
    schedule: Schedule


def fit_to_budget(
    budget: Budget,
    job: Job,
    finest: Adapter,
    training: LabelledItems,
    checking: LabelledItems | None,
    device: torch.device,
    further: Sequence[Passes] = (),
) -> Fitting:
    """Make the grid coarser, or the kernels fewer, until the fewest epochs fit the budget, as a sample shows.

    The schedule counts this training, and `further` ones, which are not made to fit.
    """
    adapter, share = finest, 1.0
    chosen: dict[str, Any] = {}
    n_items, n_validation = _count(training), _count(checking)
    while True:
        recipe = resolve({**job.parameters, **chosen}, adapter, n_items)
        cost = probe(adapter, training.items, recipe, len(job.classes), device, job.config.n_jobs)
        encoding = cost.encoding * (n_items + n_validation)  # an overestimate for cached items: more epochs then
        epoch = cost.epoch(n_items, n_validation, recipe.training.batch_size)
        smaller = smaller_share(share, fewest_epochs(recipe.training.epochs) * epoch, budget.left - encoding)
        if smaller is None or (less := reduced(job, finest, smaller, training)) is None:
            break
        share, (adapter, chosen) = smaller, less
    epochs = budget.epochs(recipe.training.epochs, epoch, reserved=encoding)
    needed = cost.seconds([Passes(n_items, n_validation), *further], epochs, recipe.training.batch_size)
    alone = budget.elapsed + cost.share * needed if cost.share < BUSY else None
    schedule = Schedule(n_items, adapter.spec_.sizes, epochs, budget.elapsed + needed, budget.limit, alone)
    return Fitting(share, adapter, chosen, schedule)


def _count(part: LabelledItems | None) -> int:
    return 0 if part is None else len(part.target)


def reduced(job: Job, finest: Adapter, share: float, training: LabelledItems) -> tuple[Adapter, dict[str, Any]] | None:
    """Return a coarser adapter, or else the same one and fewer kernels; None if a person set both."""
    if share == 1:
        return finest, {}
    coarser = finest.coarser(share)
    if coarser is not None:
        return job.fitted(coarser, training.items, cached=False), {}
    if job.parameters.get("kernels") is not None:
        return None
    usual = finest.defaults(len(training.target))["kernels"]
    return finest, {"kernels": tuple(math.ceil(share * count) for count in usual)}


def announce(job: Job, schedule: Schedule, chosen: Mapping[str, Any]) -> None:
    """Tell the callbacks what was chosen for a time limit; warn if even that does not fit."""
    kernels = f", with fewer kernels {chosen['kernels']}" if "kernels" in chosen else ""
    if schedule.fits:
        job.callback.on_message(f"{schedule}{kernels}")
    else:
        warnings.warn(f"{schedule}{kernels}", stacklevel=4)
