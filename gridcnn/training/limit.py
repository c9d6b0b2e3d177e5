"""How a training ends within a time limit: its costs are measured, then grid, kernels and epochs are chosen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from gridcnn.adapters import Adapter
from gridcnn.model import FittedModel
from gridcnn.pipeline.split import LabelledItems
from gridcnn.training.budget import BUSY, TWICE, Budget, Passes, fewest_epochs, probe, smaller_share
from gridcnn.training.checkpoint import Checkpoints
from gridcnn.training.job import Job
from gridcnn.training.recipe import resolve
from gridcnn.training.run_folder import Planned
from gridcnn.training.schedule import Schedule, in_words

__all__ = [
    "Fitting",
    "announce",
    "as_reduced",
    "count",
    "fit_to_budget",
    "is_reduced",
    "reduced",
    "refits_in_time",
    "timed",
]


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
    n_items, n_validation = count(training), count(checking)
    while True:
        recipe = resolve({**job.settings, **chosen}, adapter, n_items)
        cost = probe(adapter, training.items, recipe, len(job.classes), device, job.config.n_jobs)
        encoding = cost.encoding * (n_items + n_validation)  # an overestimate for cached items: more epochs then
        epoch = cost.epoch(n_items, n_validation, recipe.training.batch_size)
        smaller = smaller_share(share, fewest_epochs(recipe.training.epochs) * epoch, budget.left - encoding)
        if smaller is None or (less := reduced(job, finest, smaller, training)) is None:
            break
        share, (adapter, chosen) = smaller, less
    epochs, refit = budget.epochs(recipe.training.epochs, epoch, reserved=encoding)
    refit = refit and budget.limit is not None  # else it is among the further ones
    trainings = [Passes(n_items, n_validation), *[Passes(n_items + n_validation, 0)] * refit, *further]
    needed = cost.seconds(trainings, epochs, recipe.training.batch_size)
    alone = budget.elapsed + cost.share * needed if cost.share < BUSY else None
    schedule = Schedule(n_items, adapter.spec_.sizes, epochs, budget.elapsed + needed, budget.limit, alone, refit)
    schedule = replace(schedule, trainings=len(trainings))
    return Fitting(share, adapter, chosen, schedule)


def count(part: LabelledItems | None) -> int:
    """Return the number of items of a part that there may be."""
    return 0 if part is None else len(part.target)


def reduced(job: Job, finest: Adapter, share: float, training: LabelledItems) -> tuple[Adapter, dict[str, Any]] | None:
    """Return a coarser adapter, or else the same one and fewer kernels; None if a person set both."""
    if share == 1:
        return finest, {}
    if job.start is not None:  # whose weights fit one grid and one network
        return None
    coarser = finest.coarser(share)
    if coarser is not None:
        return job.fitted(coarser, training.items, cached=False), {}
    if job.settings.get("kernels") is not None:
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


def refits_in_time(job: Job, model: FittedModel, budget: Budget, checkpoints: Checkpoints | None) -> bool:
    """Return whether a training on all items was planned for within a time limit, and still fits."""
    if checkpoints is not None and checkpoints.planned() is not None:  # an earlier process went on
        return True
    solved = "time" not in model.summary
    planned = job.refits(model.adapter) if solved else _chosen(model)["refit"]
    first = budget.elapsed if solved else sum(record.seconds for record in model.history[: model.best_epoch])
    expected = budget.elapsed + (TWICE - 1) * first
    if planned and budget.limit is not None and expected > budget.limit:
        job.callback.on_message(f"no training on all items: {in_words(budget.limit)} are not enough for it")
        return False
    if planned and checkpoints is not None:
        checkpoints.plan(Planned(1.0, max(model.best_epoch, 1), expected, refit=True))
    return bool(planned)


def as_reduced(job: Job, model: FittedModel) -> Job:
    """Return the job with the grid and the kernels that a time limit left to the model."""
    if not is_reduced(job, model):
        return job
    kernels = {name: value for name, value in _chosen(model).items() if name == "kernels"}
    return job.with_settings(kernels, model.adapter.get_params(deep=False))


def is_reduced(job: Job, model: FittedModel) -> bool:
    """Whether a time limit made the grid of a model coarser, or its kernels fewer."""
    return "kernels" in _chosen(model) or model.adapter.get_params() != job.adapter.get_params()


def _chosen(model: FittedModel) -> dict[str, Any]:
    chosen: dict[str, Any] = model.summary.get("time", {"chosen": {}})["chosen"]
    return chosen


def timed(model: FittedModel, budget: Budget | None, *, refit: bool) -> FittedModel:
    """Return the model with what became of its time limit, if it had one."""
    if budget is None or "time" not in model.summary:
        return model
    time = model.summary["time"]
    time = {**time, "taken": budget.elapsed, "chosen": {**time["chosen"], "refit": refit}}
    return replace(model, summary=model.summary | {"time": time})
