"""GridClassifier: raw items and labels in, a trained network out, with scikit-learn's manners."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted, validate_data
from torch import nn

from gridcnn.adapters import Adapter, TableAdapter
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.grid import GridSpec
from gridcnn.inference.predictor import predictor
from gridcnn.network.augment import AugmentConfig
from gridcnn.network.backbone import BackboneConfig, ConvPoolDense, Layer
from gridcnn.pipeline.cache import default_cache_folder
from gridcnn.pipeline.encode import EncodedItems, encode_ahead, encode_items, fit_adapter
from gridcnn.pipeline.split import TrainingSet, check_labels, class_weights, hold_back, merge_repeats, take
from gridcnn.training.budget import Budget, Schedule, fewest_epochs, probe, smaller_share
from gridcnn.training.flip_test import flip_test
from gridcnn.training.loop import Examples, Network, Outcome, Progress, TrainingConfig, choose_device, seeded, train
from gridcnn.versions import versions

__all__ = ["GridClassifier", "Plan"]

PREDICTION_PART = 128
"""Items at least whose windows are computed together in prediction, while the next ones are decoded."""


@dataclass(frozen=True)
class Plan:
    """What `fit` would do: the grids, the network and its layer table, the training, and the time where measured."""

    spec: GridSpec
    backbone: BackboneConfig
    training: TrainingConfig
    layers: list[Layer]
    schedule: Schedule | None = None


class GridClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify images, sound, text or sampled series with one small convolutional network.

    Hyperparameters that are None take the value that suits the adapter's modality and the number of items.

    Parameters
    ----------
    adapter : Adapter or None
        What turns raw items into grids: `ImageAdapter`, `AudioAdapter`, `TextAdapter`, `ArrayAdapter`. None is
        `TableAdapter(ordering)`: a numeric table, one column a cell, whose columns must have an order.
    ordering : {"check", "assume"}
        Where `adapter` is None: test whether the order of the columns carries information, and refuse the table where
        it does not; or `"assume"`, your word that neighbouring columns are related (a spectrum, a sampled series).
    kernels, kernel_sizes, convolutions, pool_after, padding, normalise, pool, pool_size, pool_stride, head, dense,
    dropout
        The network, see `BackboneConfig`.
    epochs, batch_size, learning_rate, kernel_learning_rate, weight_decay, label_smoothing, adversarial, patience
        The training, see `TrainingConfig`.
    time_limit : float or None
        Seconds that `fit` may take, decoding included, in place of `epochs`. What training costs on this machine is
        measured, and the epochs are chosen so that the schedule ends in time: at most twice the adapter's, at least a
        quarter of them; where even these do not fit, pictures and spectrograms get coarser, or kernels fewer, unless
        you set them. What was chosen stands in `adapter_` and `summary_["time"]`; given as parameters, without
        `time_limit`, it makes the same weights, bit for bit.
    augment : {"auto"}, dict or None
        Random changes of the training grids: the adapter's own, an `AugmentConfig` as a dict, or none. The adapter's
        own are weakened in proportion where `epochs` is set below the adapter's, and mirror pictures only where a test
        on the training items finds no class that has a left and a right (`gridcnn.training.flip_test`).
    class_weight : {"balanced"}, dict or None
        Weight of each class, in training and in validation; `"balanced"` makes all classes count the same.
    validation_fraction : float
        Share of the items held back to choose the best weights, in [0, 1). Stratified; whole groups where `groups`
        are given. Nothing is held back below 50 items.
    refit : bool or None
        Whether to learn once more, from all items, for the number of epochs that the part held back has shown to be
        best. `scores_` and `history_` stay those of the first time. None is the adapter's choice; never within a
        `time_limit`, and never where `fit` is given its validation items.
    random_state : int, RandomState or None
        Two fits with the same int on one machine give bit-identical weights.
    device : str
        `"auto"` (cuda, mps, cpu), or a torch device.
    n_jobs : int or None
        Threads that decode files; None means one a core.
    on_error : {"raise", "skip"}
        What to do with an item that cannot be decoded: raise `ItemError`, or leave it out and list it in `skipped_`.
    cache : bool or path
        Whether and where encoded files are kept between fits.
    progress : Progress or None
        A display that is told how the training goes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    adapter_ : Adapter
        The fitted adapter.
    network_ : Network
        Frontend and backbone, on the CPU, in evaluation mode.
    history_ : list of EpochRecord
        Loss, accuracy and speed of each epoch.
    best_epoch_ : int
        Epoch whose weights were kept.
    scores_ : dict
        `validation_accuracy` and `validation_loss` of the kept weights, where items were held back: of single windows,
        and of pictures that are not mirrored, so that `predict` is right a little more often.
    skipped_ : list of Skipped
        Items that were left out, with their reasons.
    interrupted_ : bool
        Whether Ctrl-C ended the training early.
    ordering_report_ : OrderReport or None
        For a table: why its columns were taken for ordered; None where that was assumed.
    summary_ : dict
        What it was trained on: counts of items and of each class; with which versions of the packages that compute.

    Examples
    --------
    >>> from gridcnn import datasets
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(200))
    >>> classifier = GridClassifier(adapter=ImageAdapter(), epochs=8).fit(digits.items, digits.labels)
    >>> classifier.predict_proba(digits.items[:3]).shape
    (3, 10)
    """

    def __init__(
        self,
        adapter: Adapter | None = None,
        *,
        ordering: str = "check",
        kernels: Sequence[int] | None = None,
        kernel_sizes: Sequence[int] | None = None,
        convolutions: int | None = None,
        pool_after: int | None = None,
        padding: str | None = None,
        batch_norm: bool | None = None,
        pool: str | None = None,
        pool_size: int | None = None,
        pool_stride: int | None = None,
        head: str | None = None,
        dense: Sequence[int] | None = None,
        dropout: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        kernel_learning_rate: float | None = None,
        weight_decay: float | None = None,
        label_smoothing: float | None = None,
        adversarial: float | None = None,
        patience: int | None = None,
        time_limit: float | None = None,
        augment: str | Mapping[str, Any] | None = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        validation_fraction: float = 0.1,
        refit: bool | None = None,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        n_jobs: int | None = None,
        on_error: str = "raise",
        cache: bool | str | Path = True,
        progress: Progress | None = None,
    ) -> None:
        self.adapter = adapter
        self.ordering = ordering
        self.kernels = kernels
        self.kernel_sizes = kernel_sizes
        self.convolutions = convolutions
        self.pool_after = pool_after
        self.padding = padding
        self.normalise = normalise
        self.pool = pool
        self.pool_size = pool_size
        self.pool_stride = pool_stride
        self.head = head
        self.dense = dense
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.kernel_learning_rate = kernel_learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.adversarial = adversarial
        self.patience = patience
        self.time_limit = time_limit
        self.augment = augment
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.random_state = random_state
        self.device = device
        self.n_jobs = n_jobs
        self.on_error = on_error
        self.cache = cache
        self.progress = progress

    # ---- learning -------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        validation: tuple[Any, Any] | None = None,
    ) -> Self:
        """Learn from raw items and labels.

        Parameters
        ----------
        X : sequence of n items
            What the adapter reads: paths, sentences, arrays; or a numeric table `(n, columns)`.
        y : array-like of shape (n,)
            Labels, strings or integers.
        sample_weight : array-like of shape (n,), optional
            How often each item counts. A weight of 2 is the same as the item given twice, and 0 as the item left out.
        groups : array-like of shape (n,), optional
            Speaker, site, patient: validation holds back whole groups, so that none is on both sides.
        validation : (X, y), optional
            Items to choose the best weights on, instead of a part of `X`.

        Raises
        ------
        ConfigurationError
            If a parameter is out of its range, or both `epochs` and `time_limit` are given.
        DataError
            If fewer than two classes are left, or no item can be read.
        ItemError
            If an item cannot be decoded and `on_error` is `"raise"`.
        OrderingError
            If `X` is a plain table whose columns could be shuffled, or may be; its `report` holds the evidence.
        """
        budget = self._budget()
        training = self._training_set(X, y, sample_weight, groups)
        seed = check_random_state(self.random_state).randint(2**31)
        fitting, held_back = self._split(training, validation, seed)
        outcome = self._learn(fitting, held_back, seed, budget=budget)
        self.history_, self.best_epoch_, self.interrupted_ = outcome
        if validation is None and held_back is not None and not self.interrupted_ and self._refits(training):
            self._learn_again(training, seed)
        return self

    def _learn(
        self,
        fitting: TrainingSet,
        held_back: TrainingSet | None,
        seed: int,
        *,
        budget: Budget | None = None,
        epochs: int | None = None,
    ) -> Outcome:
        """Fit the adapter and train the network; `epochs` stands in place of the usual number."""
        device = choose_device(self.device)
        self.adapter_ = self._fit_adapter(self._new_adapter(), fitting.items, self._cache_folder())
        chosen: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
        if budget is not None:
            chosen = self._shrink_to(budget, fitting, held_back, device)[0]
        encoded = self._encode(fitting, device)
        skipped = list(encoded.skipped)
        if not len(encoded.item):
            raise DataError(
                f"none of the {len(skipped)} items can be read; the first: {skipped[0].item}: {skipped[0].reason}"
            )
        encoded_validation = None
        if held_back is not None:
            encoded_validation = self._encode(held_back, device)
            skipped += encoded_validation.skipped
        mirrored = self._mirrored_axes(fitting, encoded)
        backbone, config = self._configuration(len(fitting.target), chosen, mirrored)
        with seeded(seed, device):
            self.network_ = self._new_network(backbone, config)
            learning = self._examples(fitting, encoded)
            class_weight = class_weights(self.class_weight, self.classes_, learning.target, learning.weight)
            learning = _weighted(learning, class_weight)
            checking = None
            if held_back is not None and encoded_validation is not None and len(encoded_validation.item):
                checking = _weighted(self._examples(held_back, encoded_validation), class_weight)
            frontend = self.network_.frontend
            if self.adapter_.frontend_is_frozen:  # its grids are computed already
                self.network_.frontend = nn.Identity()
            if budget is not None:
                schedule = budget.schedule(self.network_, learning, checking, config, device, len(fitting.target))
                chosen["epochs"] = schedule.epochs
                config = self._configuration(len(fitting.target), chosen, mirrored)[1]
                self._announce(schedule, chosen)
            outcome = train(self.network_, learning, config, validation=checking, device=device, progress=self.progress)
        self.network_.frontend = frontend
        self.network_.to("cpu").eval()
        self.skipped_ = skipped
        self.scores_: dict[str, Any] = {}
        if checking is not None and outcome.history:
            best = outcome.history[max(outcome.best_epoch, 1) - 1]
            self.scores_ = {"validation_accuracy": best.validation_accuracy, "validation_loss": best.validation_loss}
        counts = np.bincount(fitting.target, minlength=len(self.classes_)).tolist()
        self.summary_: dict[str, Any] = {
            "training_items": len(fitting.target),
            "validation_items": 0 if held_back is None else len(held_back.target),
            "refit": False,
            "skipped_items": len(skipped),
            "class_counts": dict(zip(map(str, self.classes_), counts, strict=True)),
            "ordering": getattr(self.adapter_, "ordering_", "by adapter"),
            "versions": versions(),
        }
        if budget is not None:
            self.summary_["time"] = {
                "limit": budget.limit, "expected": schedule.seconds, "taken": budget.elapsed,
                "chosen": {**chosen, "refit": False},
            }  # fmt: skip
        return outcome

    def _refits(self, training: TrainingSet) -> bool:
        if self.time_limit is not None:
            return False
        if self.refit is not None:
            return bool(self.refit)
        return bool(self.adapter_.defaults(len(training.target)).get("refit", False))

    def _learn_again(self, training: TrainingSet, seed: int) -> None:
        """Learn from all items, for as many epochs as were best; what was measured without some of them stays."""
        first, scores, held_back = self.__dict__.copy(), self.scores_, self.summary_["validation_items"]
        if self.progress is not None:
            self.progress.note(f"once more, from all {len(training.target):,} items")
        if self._learn(training, None, seed, epochs=max(self.best_epoch_, 1)).interrupted:
            self.__dict__.update(first, interrupted_=True)
            return
        self.scores_ = scores
        self.summary_ |= {"validation_items": held_back, "refit": True}

    def plan(self, X: Any, y: Any, *, measure_time: bool = False) -> Plan:
        """Return what `fit` would do with these items, without decoding them all or training.

        Its schedule is measured, which takes a few seconds, where `measure_time` or the estimator's `time_limit` asks
        for it.
        """
        budget = self._budget() or (Budget(None) if measure_time else None)
        training = self._training_set(X, y, None, None)
        fitting, held_back = self._split(training, None, 0)
        self.adapter_ = self._fit_adapter(self._new_adapter(), fitting.items)
        chosen: dict[str, Any] = {}
        schedule = None
        if budget is not None:
            chosen, schedule = self._shrink_to(budget, fitting, held_back, choose_device(self.device))
            chosen["epochs"] = schedule.epochs
        backbone, config = self._configuration(len(fitting.target), chosen)
        with torch.random.fork_rng(devices=[]):
            layers = ConvPoolDense(self.adapter_.spec_, backbone, len(self.classes_)).layers()
        return Plan(self.adapter_.spec_, backbone, config, layers, schedule)

    def split(
        self, X: Any, y: Any, groups: Any = None, validation: tuple[Any, Any] | None = None
    ) -> tuple[tuple[Sequence[Any], np.ndarray], tuple[Sequence[Any], np.ndarray] | None]:
        """Return the items and labels that `fit` learns from, and those that it holds back (None where it spares none).

        The same each time where `random_state` is an int, so that another model can be judged on the same items.
        """
        training = self._training_set(X, y, None, groups)
        fitting, held_back = self._split(training, validation, check_random_state(self.random_state).randint(2**31))
        held = None if held_back is None else (held_back.items, self.classes_[held_back.target])
        return (fitting.items, self.classes_[fitting.target]), held

    @property
    def n_parameters_(self) -> int:
        """Number of learned weights of the network."""
        check_is_fitted(self, "network_")
        return sum(parameter.numel() for parameter in self.network_.parameters())

    def _training_set(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> TrainingSet:
        """Check the input, index the labels, and merge repeats, which also fixes the order of the items."""
        if self.on_error not in {"raise", "skip"}:
            raise ConfigurationError(f"on_error must be 'raise' or 'skip', got {self.on_error!r}")
        adapter = self._new_adapter()
        if isinstance(adapter, TableAdapter):
            labels = check_labels(y, _num_samples(X))
            self.ordering_report_ = adapter.check_order(X, labels)  # of the table as it came, rows in their order
        items, y = self._check_items(X, y)
        labels = check_labels(y, len(items))
        weight = _check_sample_weight(sample_weight, np.zeros(len(items)), dtype=np.float64, ensure_non_negative=True)
        group_index = None
        if groups is not None:
            group_index = np.unique(column_or_1d(groups), return_inverse=True)[1]
            if len(group_index) != len(items):
                raise DataError(f"groups has {len(group_index)} entries for {len(items)} items; give one for each item")
        self.classes_ = np.unique(labels[weight > 0])
        if len(self.classes_) < 2:
            found = f"one class ({self.classes_[0]!r})" if len(self.classes_) else "no label"
            raise DataError(f"a classifier needs at least two classes, but y has {found}")
        return merge_repeats(items, np.searchsorted(self.classes_, labels), weight, group_index)

    def _check_items(self, X: Any, y: Any = None, *, reset: bool = True) -> tuple[Sequence[Any], Any]:
        adapter = self._new_adapter()
        if not isinstance(adapter, TableAdapter):
            return adapter.check_items(X), y
        adapter.check_columns(X)
        if reset and y is not None:
            X, y = validate_data(self, X, y, dtype=np.float32, y_numeric=False)
        else:
            X = validate_data(self, X, reset=reset, dtype=np.float32)
        return X, y

    def _new_adapter(self) -> Adapter:
        if self.adapter is None:
            return TableAdapter(ordering=self.ordering)
        fresh: Adapter = clone(self.adapter)
        return fresh

    def _fit_adapter(self, adapter: Adapter, items: Sequence[Any], cache: Path | None = None) -> Adapter:
        return (
            adapter.fit(items, report=self.ordering_report_)
            if isinstance(adapter, TableAdapter)
            else fit_adapter(adapter, items, n_jobs=self.n_jobs, cache=cache)
        )

    def _split(
        self, training: TrainingSet, validation: tuple[Any, Any] | None, seed: int
    ) -> tuple[TrainingSet, TrainingSet | None]:
        if validation is not None:
            return training, self._given_validation(*validation)
        if not 0 <= self.validation_fraction < 1:
            raise ConfigurationError(f"validation_fraction must lie in [0, 1), got {self.validation_fraction}")
        held = hold_back(training, self.validation_fraction, seed, self.classes_)
        if not len(held):
            return training, None
        rest = np.setdiff1d(np.arange(len(training.target)), held)
        return training.take(rest), training.take(held)

    def _given_validation(self, X: Any, y: Any) -> TrainingSet | None:
        items, y = self._check_items(X, y, reset=False)
        labels = check_labels(y, len(items))
        known = np.flatnonzero(np.isin(labels, self.classes_))
        if len(known) < len(labels):
            unseen = ", ".join(map(str, np.setdiff1d(labels, self.classes_)))
            warnings.warn(
                f"validation items of classes that training does not have are left out: {unseen}", stacklevel=3
            )
        if not len(known):
            return None
        target = np.searchsorted(self.classes_, labels[known])
        return TrainingSet(take(items, known), target, np.ones(len(known)))

    def _cache_folder(self) -> Path | None:
        if self.cache is True:
            return default_cache_folder()
        return Path(self.cache) if self.cache else None

    def _encode(self, part: TrainingSet, device: torch.device) -> EncodedItems:
        return encode_items(
            self.adapter_, part.items, frontend_on=device, on_error=self.on_error, n_jobs=self.n_jobs,
            cache=self._cache_folder(), progress=self.progress.encoding if self.progress else None,
        )  # fmt: skip

    def _examples(self, part: TrainingSet, encoded: EncodedItems) -> Examples:
        """Pair windows with targets; an item's weight is shared among its windows, so that long items count no more."""
        target = part.target[encoded.item]
        weight = (part.weight / np.maximum(np.bincount(encoded.item, minlength=len(part.target)), 1))[encoded.item]
        return Examples(encoded.windows, target, weight.astype(np.float32))

    def _mirrored_axes(self, part: TrainingSet, encoded: EncodedItems) -> list[str]:
        """Return the axes that the adapter would mirror, without those along which mirroring would mix up classes."""
        kept: list[str] = []
        if self.augment != "auto":
            return kept
        for axis in self.adapter_.defaults(len(part.target)).get("augment", {}).get("flip", ()):
            frontend = nn.Identity() if self.adapter_.frontend_is_frozen else self.adapter_.frontend()
            test = flip_test(encoded.windows, part.target[encoded.item], frontend, self.adapter_.spec_, axis)
            if test is None or test.keeps_classes:
                kept.append(axis)
            elif self.progress is not None:
                self.progress.note(f"pictures are not mirrored along their {axis}: {test}")
        return kept

    def _configuration(
        self, n_items: int, chosen: Mapping[str, Any] | None = None, mirrored: Sequence[str] | None = None
    ) -> tuple[BackboneConfig, TrainingConfig]:
        """Overlay the adapter's defaults with what the user set, and with what was `chosen` to fit a time limit.

        `mirrored` stands in place of the axes that the adapter would mirror.
        """
        defaults = self.adapter_.defaults(n_items)
        values = {name: value for name, value in defaults.items() if name != "augment"}
        given = {name: getattr(self, name) for name in _names(BackboneConfig) | _names(TrainingConfig)}
        values |= {name: value for name, value in given.items() if value is not None and name != "augment"}
        values |= chosen or {}
        for name in ("kernels", "kernel_sizes", "dense"):
            if name in values:
                values[name] = tuple(int(value) for value in np.atleast_1d(values[name]))
        backbone = BackboneConfig(**{name: values[name] for name in values.keys() & _names(BackboneConfig)})
        plain = TrainingConfig(**{name: values[name] for name in values.keys() & _names(TrainingConfig)})
        if self.augment == "auto":
            strength = min(1.0, plain.epochs / defaults.get("epochs", plain.epochs))
            usual = AugmentConfig.from_dict(defaults.get("augment", {})).scaled(strength)
            augment = usual if mirrored is None else replace(usual, flip=tuple(mirrored))
        elif isinstance(self.augment, str):
            raise ConfigurationError(f"augment must be 'auto', a dict or None, got {self.augment!r}")
        else:
            augment = AugmentConfig.from_dict(self.augment or {})
        batch_size = min(plain.batch_size, max(8, n_items // 8))
        training = TrainingConfig(
            **{name: getattr(plain, name) for name in _names(TrainingConfig) - {"augment", "batch_size"}},
            augment=augment, batch_size=batch_size,
        )  # fmt: skip
        return backbone, training

    # ---- within a time limit ----------------------------------------------------------------------------------------

    def _budget(self) -> Budget | None:
        if self.time_limit is None:
            return None
        if self.epochs is not None:
            raise ConfigurationError(
                f"epochs={self.epochs} and time_limit={self.time_limit} both say how long to train: give one of them"
            )
        return Budget(self.time_limit)

    def _shrink_to(
        self, budget: Budget, fitting: TrainingSet, held_back: TrainingSet | None, device: torch.device
    ) -> tuple[dict[str, Any], Schedule]:
        """Shrink the grid, or the kernels, until the fewest epochs fit the budget, as far as a sample of items tells.

        Sets `adapter_`; returns the parameters that are chosen besides, and the schedule that is to be expected.
        """
        finest, share = self.adapter_, 1.0
        chosen: dict[str, Any] = {}
        n_items, n_held_back = len(fitting.target), 0 if held_back is None else len(held_back.target)
        while True:
            backbone, config = self._configuration(n_items, chosen)
            cost = probe(self.adapter_, fitting.items, backbone, config, len(self.classes_), device, self.n_jobs)
            encoding = cost.encoding * (n_items + n_held_back)  # too much where the cache has them: more epochs then
            epoch = cost.epoch(n_items, n_held_back, config.batch_size)
            smaller = smaller_share(share, fewest_epochs(config.epochs) * epoch, budget.left - encoding)
            if smaller is None or (shrunk := self._shrunk(finest, smaller, fitting)) is None:
                break
            share, (self.adapter_, chosen) = smaller, shrunk
        epochs = budget.epochs(config.epochs, epoch, reserved=encoding)
        if n_held_back and self._refits(fitting):
            epoch += cost.epoch(n_items + n_held_back, 0, config.batch_size)
        expected = budget.elapsed + encoding + epochs * epoch
        return chosen, Schedule(n_items, self.adapter_.spec_.sizes, epochs, expected, budget.limit)

    def _shrunk(self, finest: Adapter, share: float, fitting: TrainingSet) -> tuple[Adapter, dict[str, Any]] | None:
        """Return a coarser adapter, or else the same one and fewer kernels; None where the user set these."""
        coarser = finest.coarser(share)
        if coarser is not None:
            return self._fit_adapter(coarser, fitting.items), {}
        if self.kernels is not None:
            return None
        usual = finest.defaults(len(fitting.target))["kernels"]
        return finest, {"kernels": tuple(math.ceil(share * count) for count in usual)}

    def _announce(self, schedule: Schedule, chosen: Mapping[str, Any]) -> None:
        kernels = f", with fewer kernels {chosen['kernels']}" if "kernels" in chosen else ""
        if not schedule.fits:
            warnings.warn(f"{schedule}{kernels}", stacklevel=3)
        elif self.progress is not None:
            self.progress.note(f"{schedule}{kernels}")

    def _new_network(self, backbone: BackboneConfig, config: TrainingConfig) -> Network:
        convolving = ConvPoolDense(self.adapter_.spec_, backbone, len(self.classes_))
        return Network(self.adapter_.frontend(), convolving, config.augment.flip)

    # ---- answering ------------------------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities of shape `(n, n_classes)`, columns in the order of `classes_`.

        A long recording or text is cut into windows whose probabilities are averaged, and so are those of a picture and
        its mirror image where training mirrored the pictures (`augment`). An item that cannot be decoded
        raises `ItemError`, whatever `on_error` says: see `predict_frame` for answers with gaps.
        """
        check_is_fitted(self, "network_")
        items, _ = self._check_items(X, reset=False)
        return self._probabilities(items, on_error="raise")[0]

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each item, shape `(n,)`."""
        probabilities = self.predict_proba(X)
        labels: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def predict_frame(self, X: Any) -> pd.DataFrame:
        """Return one row an item: `item`, `prediction`, a probability for each class, `error`.

        An item that cannot be decoded keeps its row, with an empty prediction and its error.
        """
        check_is_fitted(self, "network_")
        items, _ = self._check_items(X, reset=False)
        probabilities, errors = self._probabilities(items, on_error="skip")
        names = [str(item) if isinstance(item, str | os.PathLike) else str(row) for row, item in enumerate(items)]
        frame = pd.DataFrame({"item": names})
        answered = np.array([not error for error in errors], dtype=bool)
        predictions = np.full(len(names), None, dtype=object)
        predictions[answered] = self.classes_[probabilities[answered].argmax(axis=1)]
        frame["prediction"] = predictions
        columns = pd.DataFrame(probabilities, columns=[str(label) for label in self.classes_])
        return pd.concat([frame, columns, pd.DataFrame({"error": errors})], axis=1)

    def _probabilities(self, items: Sequence[Any], *, on_error: str) -> tuple[np.ndarray, list[str]]:
        """Return probabilities `(n, n_classes)`, NaN for items that failed, and each item's error or ''."""
        probabilities = np.full((len(items), len(self.classes_)), np.nan)
        errors = [""] * len(items)
        predict = predictor(self.network_, choose_device(self.device))
        part = max(PREDICTION_PART, predict.batch_size)
        parts = encode_ahead(self.adapter_, items, on_error=on_error, n_jobs=self.n_jobs, part=part)
        for start, encoded in parts:
            for index, skip in zip(encoded.skipped_index, encoded.skipped, strict=True):
                errors[start + index] = skip.reason
            if len(encoded.item):
                answered, first, windows = np.unique(encoded.item, return_index=True, return_counts=True)
                sums = np.add.reduceat(predict(encoded.windows), first)
                probabilities[start + answered] = sums / windows[:, None]
        return probabilities, errors

    # ---- keeping --------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the trained classifier to one bundle file, see `gridcnn.bundle.save`."""
        from gridcnn.bundle import save  # noqa: PLC0415  (bundle stands above the estimator)

        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> GridClassifier:
        """Read a classifier back from a bundle file, see `gridcnn.bundle.load`."""
        from gridcnn.bundle import load  # noqa: PLC0415

        return load(path)


def _weighted(examples: Examples, class_weight: np.ndarray) -> Examples:
    return examples._replace(weight=(examples.weight * class_weight[examples.target]).astype(np.float32))


def _names(config: type) -> set[str]:
    return {item.name for item in fields(config)}
