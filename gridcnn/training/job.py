"""The checked input of a fit: items each once, labels indexed, parameters validated, and the validation split."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, _num_samples

from gridcnn.adapters import Adapter
from gridcnn.answer_rule import background_index
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.model import FittedModel, fitted_model
from gridcnn.multilabel import set_numbers
from gridcnn.pipeline.cache import default_cache_folder, usable
from gridcnn.pipeline.encode import EncodedItems, encode_items, fit_adapter
from gridcnn.pipeline.label_sets import (
    as_given,
    check_label_sets,
    going_on_from,
    has_several,
    refuse_what_needs_one_label,
    warn_of_constant,
    with_classes,
    with_columns,
)
from gridcnn.pipeline.labels import check_class_weight, check_classes, check_labels
from gridcnn.pipeline.split import LabelledItems, few, merge_repeats, take, validation_indices
from gridcnn.training.callbacks import Callback, CallbackList
from gridcnn.training.config import FitConfig
from gridcnn.training.following import encode_together, fit_together
from gridcnn.training.peers import ALONE, Peers
from gridcnn.training.recipe import fit_config, resolve
from gridcnn.training.start import Start, require_adapter, start_from

__all__ = ["Job", "Split", "make_job", "split", "split_job"]

Split = tuple[tuple[Sequence[Any], np.ndarray], tuple[Sequence[Any], np.ndarray] | None]
"""Items and labels to train on, and those of the validation split, or None."""


@dataclass(frozen=True)
class Job:
    """One call of `fit`, `plan` or `split`: the checked input and the settings."""

    adapter: Adapter  # not fitted
    items: LabelledItems
    n_given: int  # items before repeats were merged
    classes: np.ndarray
    order_report: Any
    columns: list[str] | None
    parameters: Mapping[str, Any]
    config: FitConfig
    cache: Path | None
    callback: Callback
    chosen: Mapping[str, Any] = field(default_factory=dict)  # what the data decided
    ended: bool | None = None  # whether series end early, as all of them tell; a part may tell otherwise
    start: Start | None = None  # the model that it goes on from
    peers: Peers = ALONE  # the processes that encode and train with this one

    @property
    def only_votes(self) -> bool:
        """Whether the kernels of the model to go on from stay, and only votes are learned, in one step."""
        return self.start is not None and self.start.only_votes

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters that a person set, and those that the data decided."""
        return {**self.parameters, **self.chosen}

    def fitted(self, adapter: Adapter, items: Sequence[Any], *, cached: bool = True) -> Adapter:
        """Fit an adapter; one that has checked the order of a whole table does not check it again."""
        if self.start is not None:
            return copy.deepcopy(self.start.adapter)
        of_numbers: Any = adapter  # whose `fit` takes more than the contract asks for
        fitted: Adapter
        if adapter.reads_rows:
            fitted = of_numbers.fit(items, report=self.order_report, columns=self.columns, ended=self.ended)
            return fitted
        if self.columns is not None or self.ended is not None:
            fitted = of_numbers.fit(items, columns=self.columns, ended=self.ended)
            return fitted
        if adapter.survey is not None:
            return fit_together(self.peers, adapter, items)
        return fit_adapter(adapter, items, n_jobs=self.config.n_jobs, cache=self.cache if cached else None)

    def encode(self, adapter: Adapter, part: LabelledItems, device: torch.device) -> EncodedItems:
        """Encode the items of a part."""
        return encode_items(
            adapter,
            part.items,
            names=part.names,
            frontend_on=device,
            on_error=self.config.on_error,
            n_jobs=self.config.n_jobs,
            cache=self.cache,
            progress=self.callback.on_encode,
            spread=None if self.peers.alone else functools.partial(encode_together, self.peers),
        )

    def say(self, lines: Iterable[str]) -> None:
        """Tell the callbacks, a message each."""
        for line in lines:
            self.callback.on_message(line)

    def with_settings(self, parameters: Mapping[str, Any], of_adapter: Mapping[str, Any]) -> Job:
        """Return the same job with other settings, which the data or a time limit have chosen."""
        adapter: Any = clone(self.adapter).set_params(**of_adapter)
        if self.columns is not None:
            adapter.columns_ = self.columns
        return replace(self, adapter=adapter, chosen={**self.chosen, **parameters})

    def refits(self, adapter: Adapter) -> bool:
        """Whether to train once more on all items, if there is time: what was only validated on is missing else."""
        if not self.config.validation_fraction:
            return False
        if self.config.refit is not None:
            return self.config.refit
        return self.items.groups is not None or resolve(self.settings, adapter, len(self.items.target)).refit


def make_job(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any],
    config: FitConfig,
    sample_weight: Any = None,
    groups: Any = None,
    callbacks: Iterable[Callback] = (),
    start: Any = None,
    peers: Peers = ALONE,
) -> Job:
    """Check the input, index the labels, and merge repeats, which also fixes the order of the items."""
    fresh: Adapter = clone(adapter)
    fresh.check_parameters()
    if start is not None:
        require_adapter(fitted_model(start), fresh)
        _require_as_many(fitted_model(start), several=has_several(y))
        fresh = copy.deepcopy(fitted_model(start).adapter)  # which knows the columns of a table, and their order
    # A search draws numbers of numpy's types, which neither torch nor json take for numbers.
    parameters = {name: each.item() if isinstance(each, np.generic) else each for name, each in parameters.items()}
    report = None
    if fresh.reads_rows and start is None:
        report = fresh.check_order(X, _one_label(y, _num_samples(X)))  # rows in their order
    items = fresh.check_items(X)
    columns = fresh.column_names(X)
    if columns is not None and start is None:
        of_columns: Any = fresh
        of_columns.columns_ = columns  # so that those of validation items are taken by their names
    labelled = check_label_sets(y, len(items), fewest=2 if start is None else 1) if has_several(y) else None
    labels = check_labels(y, len(items)) if labelled is None else set_numbers(labelled.matrix)
    weight = _check_sample_weight(sample_weight, np.zeros(len(items)), dtype=np.float64, ensure_non_negative=True)
    group_index = None
    if groups is not None:
        try:
            group_index = np.unique(column_or_1d(groups), return_inverse=True)[1]
        except TypeError:
            raise DataError("groups are of several kinds, or missing in part: turn all of them into strings") from None
        if len(group_index) != len(items):
            raise DataError(f"groups has {len(group_index)} entries for {len(items)} items; give one for each item")
    n_given = int((weight > 0).sum())
    goes_on = None
    if labelled is None:
        classes = np.unique(labels[weight > 0])
    else:
        refuse_what_needs_one_label(config)
        if start is not None:
            labelled = going_on_from(y, labelled, fitted_model(start).classes)
        classes = labelled.classes
        warn_of_constant(labelled)
    if start is not None:
        goes_on, parameters = start_from(fitted_model(start), parameters, classes)
        config = replace(config, background=parameters.get("background"))
    if labelled is None:
        check_classes(classes, n_given)
    classes = classes if goes_on is None else goes_on.classes
    check_class_weight(config.class_weight, classes)
    background_index(classes, config.background)
    target = np.searchsorted(classes, labels) if labelled is None else with_columns(labelled, classes)
    given = LabelledItems(items, target, weight, _rows(X, len(items)), group_index)
    cache = _cache_folder(config) if fresh.reads_files else None
    merged = merge_repeats(given, files=fresh.reads_files, cache=cache)
    return Job(
        fresh,
        merged,
        n_given,
        classes,
        report,
        columns,
        parameters,
        config,
        cache,
        CallbackList(callbacks),
        chosen={} if goes_on is None else goes_on.settings(parameters, len(merged.target)),
        start=goes_on,
        peers=peers,
    )


def _require_as_many(model: FittedModel, *, several: bool) -> None:
    """Raise ConfigurationError if items have several labels and the model to go on from one, or the other way round."""
    if model.several != several:
        here, there = ("several labels an item", "one") if several else ("one label an item", "several")
        raise ConfigurationError(
            f"there {'are' if several else 'is'} {here}, and the model to go on from gives {there}: give it labels as "
            f"it was trained on ({'--labels' if model.several else '--label'} COLUMN), or train from scratch"
        )


def _one_label(y: Any, n_items: int) -> np.ndarray:
    """Return one label an item, with several labels the number of its label set."""
    return set_numbers(check_label_sets(y, n_items).matrix) if has_several(y) else check_labels(y, n_items)


def split_job(job: Job, validation: tuple[Any, Any] | None, seed: int) -> tuple[LabelledItems, LabelledItems | None]:
    """Return the items to train on and those of the validation split, or None if there is none."""
    if validation is not None:
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise ConfigurationError("validation must be a pair: items and their labels, such as (X, y)")
        return job.items, _given_validation(job, *validation)
    chosen = validation_indices(job.items, job.config.validation_fraction, seed, job.classes)
    if not len(chosen):
        return job.items, None
    rest = np.setdiff1d(np.arange(len(job.items.target)), chosen)
    return job.items.take(rest), job.items.take(chosen)


def _given_validation(job: Job, X: Any, y: Any) -> LabelledItems | None:
    items = job.adapter.check_items(X)
    if job.items.several:
        matrix, unknown = with_classes(y, job.classes)
        if unknown:
            warnings.warn(f"labels of validation items that training does not have: {few(list(unknown))}", stacklevel=4)
        return LabelledItems(items, matrix, np.ones(len(matrix)), _rows(X, len(items))) if len(matrix) else None
    labels = check_labels(y, len(items))
    known = np.flatnonzero(np.isin(labels, job.classes))
    if len(known) < len(labels):
        unseen = few([str(label) for label in np.setdiff1d(labels, job.classes)])
        warnings.warn(f"validation items of classes that training does not have are left out: {unseen}", stacklevel=4)
    if not len(known):
        return None
    target = np.searchsorted(job.classes, labels[known])
    return LabelledItems(take(items, known), target, np.ones(len(known)), _rows(X, len(items))[known])


def _cache_folder(config: FitConfig) -> Path | None:
    if not config.cache:
        return None
    return usable(default_cache_folder() if config.cache is True else Path(config.cache))


def _rows(X: Any, n_items: int) -> np.ndarray:
    """Return what a person calls each row of `X`: its index, if `X` comes from pandas, or else its number from 0."""
    return np.asarray(X.index) if isinstance(X, pd.DataFrame | pd.Series) else np.arange(n_items)


def split(
    adapter: Adapter,
    X: Any,
    y: Any,
    parameters: Mapping[str, Any] | None = None,
    *,
    groups: Any = None,
    validation: tuple[Any, Any] | None = None,
) -> Split:
    """Return the items and labels that `fit` trains on first, and those of its validation split (None without one).

    If `random_state` is an int, the split is the same each time, so that another model can be judged on the same items.
    """
    config = fit_config(parameters or {})
    job = make_job(adapter, X, y, parameters or {}, config, groups=groups)
    training, checking = split_job(job, validation, check_random_state(config.random_state).randint(2**31))

    def labels_of(part: LabelledItems) -> np.ndarray:
        return as_given(part.target, job.classes) if part.several else job.classes[part.target]

    return (training.items, labels_of(training)), None if checking is None else (checking.items, labels_of(checking))
