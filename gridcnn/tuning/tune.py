"""From raw items and labels to the hyperparameters that suit them, and a model trained with these."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state

from gridcnn.adapters import Adapter
from gridcnn.errors import ConfigurationError, DataError, GridcnnError
from gridcnn.model import FittedModel
from gridcnn.pipeline.label_sets import as_given, with_classes
from gridcnn.training.announce import about_input
from gridcnn.training.callbacks import Callback
from gridcnn.training.checkpoint import run_of
from gridcnn.training.choose import open_questions
from gridcnn.training.fit import fit
from gridcnn.training.folds import Fold, survey
from gridcnn.training.going_on import starting_folds
from gridcnn.training.job import Job, make_job
from gridcnn.training.judging import Judged, lead
from gridcnn.training.recipe import fit_config, resolve
from gridcnn.tuning.records import Tried, Tuned, Watchers, best_first
from gridcnn.tuning.space import Settings, Space
from gridcnn.tuning.verdict import FINALISTS, Fresh, fresh_folds

if TYPE_CHECKING:
    from gridcnn.tuning.search import Search

__all__ = ["TRIALS", "require_extra", "tune"]

TRIALS = 50
"""Trials of a search that has no limit in time either."""

APART = ("time_limit", "checkpoint_dir", "checkpoint_every")
"""Parameters of a fit that a search has no use for."""

FOLDS, FEWEST_JUDGED = 3, 300
"""Folds of data of which one split would hold out fewer items than that."""

RESERVE = 0.5
"""Share of a time limit that is kept, at most, for judging the best trials anew and for the last training."""

HOPELESS = -0.5
"""Standard errors by which a finalist may be behind the defaults after some folds; with more it is out."""


def tune(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    sample_weight: Any = None,
    groups: Any = None,
    validation: tuple[Any, Any] | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    study: Any = None,
    name: str = "gridcnn",
    train: bool = True,
    callbacks: Iterable[Callback] = (),
) -> Tuned:
    """Search hyperparameters by trials, and train a model with the best ones, or with the defaults.

    The first trial is that of the defaults. All trials are judged by the same items held out from them. The best two
    are then trained again beside the defaults and judged by items that no trial was judged by; unless one of them is
    better beyond chance, the model is that of `gridcnn.fit` with the same arguments, bit for bit.

    Parameters
    ----------
    adapter : Adapter
        Reads the items; it is cloned, and remains as it is. What is set in it is not searched.
    X : sequence of n raw items
        As in `gridcnn.fit`.
    y : array-like of shape (n,) or (n, n_classes)
        Labels, as in `gridcnn.fit`.
    parameters : mapping, optional
        As in `gridcnn.fit`: what is set is kept, and not searched. `time_limit` and `checkpoint_dir` have no place
        here.
    sample_weight, groups : array-like of shape (n,), optional
        As in `gridcnn.fit`.
    validation : (X, y), optional
        Items that trials are judged by, instead of a part of `X`. The last training learns from them as well.
    trials : int, optional
        Trials of the whole study, those of other processes and of earlier runs counted, and those that were pruned or
        failed as well. None is 50, or no limit if there is one in `seconds`.
    seconds : float, optional
        Time for this call. No trial begins if what follows it would take longer, as far as earlier ones tell.
    study : str or path, optional
        Where trials are kept: a file of SQLite, which processes on one machine may share, or the URL of a database,
        such as `postgresql://user:password@host/name`, for several machines. A call with the same data and parameters
        goes on there; of a process that was killed, the trial that it was in is run again. None keeps them in memory.
    name : str
        Of the study in that place.
    train : bool
        Whether to judge the best anew and train a model at the end; False only adds trials to the study.
    callbacks : iterable of Callback
        They hear of each epoch and message; a `gridcnn.tuning.records.Watcher` hears of each trial as well.

    Returns
    -------
    Tuned

    Raises
    ------
    ConfigurationError
        If Optuna is not installed, a parameter is out of its range, `study` cannot be used, or it holds a study of
        other data or parameters.
    DataError
        If there are too few items to hold any out.
    GridcnnError
        As `gridcnn.fit` raises.

    Examples
    --------
    >>> from gridcnn import datasets, tune
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(200))
    >>> tuned = tune(ImageAdapter(), digits.items, digits.labels, {"epochs": 2, "folds": 1}, trials=2)
    >>> len(tuned.trials), tuned.trials[0].told
    (2, {})
    """
    require_extra()
    from gridcnn.tuning.search import Search  # noqa: PLC0415  (Optuna may be missing)
    from gridcnn.tuning.storage import reach  # noqa: PLC0415

    started = time.perf_counter()
    given = dict(parameters or {})
    _check(given, trials, seconds)
    reach(study)
    watcher = Watchers(callbacks)
    config = fit_config(given)
    job = make_job(adapter, X, y, given, config, sample_weight, groups, [watcher])
    seed = check_random_state(config.random_state).randint(2**31)
    job, surveyed = survey(job)
    job, questions = open_questions(job, surveyed)
    folds = _folds(job, surveyed, validation, seed)
    if folds[0].checking is None:
        raise DataError(
            f"a search needs items to judge trials by, and of {len(job.items.target):,} none can be held out: add "
            "items, or give some for validation"
        )
    job.say(about_input(job, folds, given=validation is not None))
    space = Space(job, surveyed, questions)
    epochs = resolve(job.settings, surveyed, len(job.items.target)).training.epochs
    search = Search(job, space, folds, seed, epochs, watcher)
    search.open(study, name, run_of(job, *folds[0]))
    if not space.dimensions:
        job.callback.on_message("there is nothing to search: all that could be is set, or this data leaves no choice")
    clock = _Clock(seconds, started, len(folds), train=train)
    wanted = trials if trials is not None else TRIALS if seconds is None else 2**31
    search.run(wanted, clock.may_begin, wait=train)
    if seconds is not None and time.perf_counter() - started > seconds:
        watcher.on_message(f"the trials took longer than the {seconds:g} s allowed: one is not ended in its middle")
    outcome = _outcome(search, job, space, folds, seed, anew=train)
    if not train:
        watcher.on_searched()
        return outcome
    reader = adapter
    if outcome.chosen is not None and outcome.chosen is not outcome.usual:
        settings = space.settings(outcome.chosen.point)
        given |= space.answered(outcome.chosen.point)
        given |= {key: value for key, value in settings.parameters.items() if value is not None}
        reader = clone(adapter).set_params(**settings.adapter)
    watcher.on_searched()
    watcher.on_message(outcome.why)
    X, y, sample_weight, groups = _joined(job, X, y, sample_weight, groups, validation)
    model = fit(reader, X, y, given, sample_weight=sample_weight, groups=groups, callbacks=[watcher])
    return replace(outcome, model=_noted(model, outcome))


def _folds(job: Job, surveyed: Adapter, validation: tuple[Any, Any] | None, seed: int) -> list[Fold]:
    """Return the folds by which trials are judged: several if one split would hold out few items, as luck would win."""
    folds = starting_folds(job, surveyed, validation, seed)
    held = folds[0].checking
    possible = validation is None and job.config.folds is None and job.refits(surveyed)
    if len(folds) > 1 or not possible or held is None or len(held.target) >= FEWEST_JUDGED:
        return folds
    return starting_folds(replace(job, config=replace(job.config, folds=FOLDS)), surveyed, None, seed)


def require_extra() -> None:
    """Raise ConfigurationError if what a search needs is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigurationError("a search needs Optuna, which is not installed: pip install 'gridcnn[tune]'")


def _check(given: Mapping[str, Any], trials: int | None, seconds: float | None) -> None:
    for name in APART:
        if given.get(name) is not None:
            raise ConfigurationError(f"{name} has no place in a search, which keeps its state in a study: leave it out")
    if not isinstance(given.get("random_state", 0), int | np.integer):
        raise ConfigurationError(
            f"a search needs a seed, so that it can be gone on with: random_state must be a whole number, got "
            f"{given['random_state']!r}"
        )
    if trials is not None and trials < 1:
        raise ConfigurationError(f"trials must be a whole number of at least 1, got {trials!r}")
    if seconds is not None and not seconds > 0:
        raise ConfigurationError(f"seconds must be a number above 0, got {seconds!r}")


def _outcome(search: Search, job: Job, space: Space, folds: Sequence[Fold], seed: int, *, anew: bool) -> Tuned:
    """Return what the trials tell, and, if they are to be judged `anew`, which settings are taken."""
    done = search.trials
    usual = search.usual(done)
    chosen, why = None, "no verdict yet"
    if anew and usual is not None:
        chosen, why = _verdict(search, job, folds, seed, done, usual)
    elif anew:
        chosen, why = None, "the defaults were not tried to an end, so they are taken"
    settings = Settings({}, {}, {}) if chosen is None else space.settings(chosen.point)
    return Tuned(
        None,
        tuple(done),
        usual,
        chosen,
        why,
        settings.parameters,
        settings.adapter,
        search.importance,
        job.items.several,
    )


def _verdict(
    search: Search, job: Job, folds: Sequence[Fold], seed: int, done: Sequence[Tried], usual: Tried
) -> tuple[Tried, str]:
    """Return the trial whose settings are taken, and why: another one than the defaults only if it is better."""
    ranked = best_first(done)
    finalists = [each for each in ranked if _rank(each) < _rank(usual)][:FINALISTS]
    if len(ranked) == 1:
        return usual, f"no trial but that of the defaults is complete ({usual.accuracy:.4f}), so they are taken"
    if not finalists:
        return usual, f"none of {len(ranked)} complete trials was better than the defaults ({usual.accuracy:.4f})"
    fresh = fresh_folds(job.items, folds, seed, len(ranked), len(finalists))
    if fresh is None:
        return usual, "there are too few items to judge the best trials anew, so the defaults are taken"
    job.callback.on_message(
        f"judging the best {len(finalists)} anew beside the defaults, by {len(fresh.folds)} further trainings each"
    )
    best, most, told = usual, 0.0, []
    for each in finalists:
        is_ahead, difference, n_items = _judged_anew(search, fresh, each, usual)
        points = "points of ranking precision" if job.items.several else "points"
        told.append(f"trial {each.number} {100 * difference:+.1f} {points} on {n_items:,} items")
        if is_ahead and difference > most:
            best, most = each, difference
    compared = f"judged anew beside the defaults: {', '.join(told)}"
    if best is usual:
        return usual, f"{compared}; not better beyond chance, so the defaults are taken"
    return best, f"{compared}; trial {best.number} is better beyond chance and is taken"


def _judged_anew(search: Search, fresh: Fresh, trial: Tried, usual: Tried) -> tuple[bool, float, int]:
    """Return whether a trial is ahead of the defaults by fresh items, by how much, and of how many items."""
    mine: list[Judged] = []
    theirs: list[Judged] = []
    for at, fold in enumerate(fresh.folds):
        theirs.append(search.judged_anew(usual, at, fold))
        try:
            mine.append(search.judged_anew(trial, at, fold))
        except (GridcnnError, MemoryError, RuntimeError):  # these settings do not suit some of the items
            return False, 0.0, 0
        difference = fresh.differences(mine, theirs)
        if not len(difference):
            return False, 0.0, 0
        if lead(difference) < HOPELESS:
            return False, float(difference.mean()), len(difference)
    return fresh.is_ahead(mine, theirs), float(difference.mean()), len(difference)


def _rank(trial: Tried) -> tuple[float, float]:
    return -trial.accuracy, trial.loss


def _joined(
    job: Job, X: Any, y: Any, sample_weight: Any, groups: Any, validation: tuple[Any, Any] | None
) -> tuple[Any, Any, Any, Any]:
    """Return all that the last training learns from: also what trials were judged by."""
    if validation is None:
        return X, y, sample_weight, groups
    items, labels = validation
    if job.items.several:
        sets = [as_given(with_classes(each, job.classes)[0], job.classes) for each in (y, labels)]
        known, y = np.arange(len(sets[1])), np.concatenate(sets)
    else:
        known = np.flatnonzero(np.isin(np.asarray(labels), job.classes))
        y = np.concatenate([np.asarray(y), np.asarray(labels)[known]])
    more = len(known)
    if isinstance(X, pd.DataFrame | pd.Series):
        X = pd.concat([X, items.iloc[known]])
    elif isinstance(X, np.ndarray):
        X = np.concatenate([X, np.asarray(items)[known]])
    else:
        X = [*X, *(items[at] for at in known.tolist())]
    if sample_weight is not None:
        sample_weight = np.concatenate([np.asarray(sample_weight), np.ones(more)])
    if groups is not None:
        groups = np.concatenate([np.asarray(groups).astype(str), ["held out for validation"] * more])
    return X, y, sample_weight, groups


def _noted(model: FittedModel, outcome: Tuned) -> FittedModel:
    """Return the model with what a person may ask of its search."""
    told = {
        "trials": len(outcome.trials),
        "chosen": None if outcome.chosen is None else outcome.chosen.number,
        "settings": {} if outcome.chosen is None else dict(outcome.chosen.told),
        "why": outcome.why,
    }
    return replace(model, summary={**model.summary, "tuning": told})


@dataclass(frozen=True)
class _Clock:
    """Says whether there is time for another trial before what follows all trials."""

    limit: float | None
    started: float
    n_folds: int
    train: bool

    def may_begin(self, done: Sequence[Tried]) -> bool:
        """Return whether another trial should end in time."""
        if self.limit is None:
            return True
        first = next((each.seconds for each in done if each.complete), 0.0)
        mean = sum(each.seconds for each in done) / max(len(done), 1)
        anew = (1 + FINALISTS) * 3 * first / self.n_folds  # the defaults and the finalists, some folds each
        reserve = min(anew + 2 * first, RESERVE * self.limit) if self.train else 0.0
        return time.perf_counter() - self.started + mean < self.limit - reserve or not done
