"""GridClassifier: raw items and labels in, a trained network out, with scikit-learn's manners."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, _num_samples, check_is_fitted, validate_data
from torch import nn

from gridcnn.adapters import Adapter, TableAdapter
from gridcnn.augment import AugmentConfig
from gridcnn.backbone import BackboneConfig, ConvPoolDense, Layer
from gridcnn.cache import default_cache_folder
from gridcnn.encoding import EncodedItems, encode_items, lift_items
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.grid import GridSpec
from gridcnn.training import Examples, Network, Progress, TrainingConfig, choose_device, seeded, train

__all__ = ["GridClassifier", "Plan"]

SMALLEST_SPLIT = 50
"""Below this many items nothing is held back for validation: a handful would say nothing."""

PREDICTION_CHUNK = 1024
"""Items decoded at a time in prediction, so that memory stays bounded."""


@dataclass(frozen=True)
class Plan:
    """What `fit` would do: the grids, the network and its layer table, the training."""

    spec: GridSpec
    backbone: BackboneConfig
    training: TrainingConfig
    layers: list[Layer]


@dataclass(frozen=True)
class _TrainingSet:
    """Checked items with their labels as indices, weights and groups; no item and label stand in it twice."""

    items: Sequence[Any]
    target: np.ndarray
    weight: np.ndarray
    groups: np.ndarray | None

    def take(self, indices: np.ndarray) -> _TrainingSet:
        groups = None if self.groups is None else self.groups[indices]
        return _TrainingSet(_take(self.items, indices), self.target[indices], self.weight[indices], groups)


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
    epochs, batch_size, learning_rate, kernel_learning_rate, weight_decay, label_smoothing, patience
        The training, see `TrainingConfig`.
    augment : {"auto"}, dict or None
        Random changes of the training grids: the adapter's own, an `AugmentConfig` as a dict, or none. The adapter's
        own are weakened in proportion where `epochs` is set below the adapter's.
    class_weight : {"balanced"}, dict or None
        Weight of each class, in training and in validation; `"balanced"` makes all classes count the same.
    validation_fraction : float
        Share of the items held back to choose the best weights, in [0, 1). Stratified; whole groups where `groups`
        are given. Nothing is held back below 50 items.
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
        Lift and backbone, on the CPU, in evaluation mode.
    history_ : list of EpochRecord
        Loss, accuracy and speed of each epoch.
    best_epoch_ : int
        Epoch whose weights were kept.
    scores_ : dict
        `validation_accuracy` and `validation_loss` of the kept weights, where items were held back.
    skipped_ : list of Skipped
        Items that were left out, with their reasons.
    interrupted_ : bool
        Whether Ctrl-C ended the training early.
    ordering_report_ : OrderReport or None
        For a table: why its columns were taken for ordered; None where that was assumed.
    summary_ : dict
        What it was trained on: counts of items and of each class.

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
        normalise: bool | None = None,
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
        patience: int | None = None,
        augment: str | Mapping[str, Any] | None = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        validation_fraction: float = 0.1,
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
        self.patience = patience
        self.augment = augment
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
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
        DataError
            If fewer than two classes are left, or no item can be read.
        ItemError
            If an item cannot be decoded and `on_error` is `"raise"`.
        OrderingError
            If `X` is a plain table whose columns could be shuffled, or may be; its `report` holds the evidence.
        """
        training = self._training_set(X, y, sample_weight, groups)
        seed = check_random_state(self.random_state).randint(2**31)
        fitting, held_back = self._split(training, validation, seed)
        device = choose_device(self.device)
        self.adapter_ = self._fit_adapter(fitting.items)
        encoded = self._encode(fitting, self.progress)
        skipped = list(encoded.skipped)
        if not len(encoded.item):
            raise DataError(
                f"none of the {len(skipped)} items can be read; the first: {skipped[0].item}: {skipped[0].reason}"
            )
        encoded_validation = None
        if held_back is not None:
            encoded_validation = self._encode(held_back, None)
            skipped += encoded_validation.skipped
        backbone, config = self._configuration(len(fitting.target))
        with seeded(seed, device):
            self.network_ = self._new_network(backbone)
            learning = self._examples(fitting, encoded, device)
            class_weight = _class_weights(self.class_weight, self.classes_, learning)
            learning = _weighted(learning, class_weight)
            checking = None
            if held_back is not None and encoded_validation is not None and len(encoded_validation.item):
                checking = _weighted(self._examples(held_back, encoded_validation, device), class_weight)
            lift = self.network_.lift
            if self.adapter_.lift_is_frozen:  # its grids are computed already
                self.network_.lift = nn.Identity()
            outcome = train(self.network_, learning, config, validation=checking, device=device, progress=self.progress)
        self.network_.lift = lift
        self.network_.to("cpu").eval()
        self.history_, self.best_epoch_, self.interrupted_ = outcome
        self.skipped_ = skipped
        self.scores_: dict[str, Any] = {}
        if checking is not None and outcome.history:
            best = outcome.history[max(outcome.best_epoch, 1) - 1]
            self.scores_ = {"validation_accuracy": best.validation_accuracy, "validation_loss": best.validation_loss}
        counts = np.bincount(fitting.target, minlength=len(self.classes_)).tolist()
        self.summary_ = {
            "training_items": len(fitting.target),
            "validation_items": 0 if held_back is None else len(held_back.target),
            "skipped_items": len(skipped),
            "class_counts": dict(zip(map(str, self.classes_), counts, strict=True)),
            "ordering": getattr(self.adapter_, "ordering_", "by adapter"),
        }
        return self

    def plan(self, X: Any, y: Any) -> Plan:
        """Return what `fit` would do with these items, without decoding them all or training."""
        training = self._training_set(X, y, None, None)
        fitting, _ = self._split(training, None, 0)
        self.adapter_ = self._fit_adapter(fitting.items)
        backbone, config = self._configuration(len(fitting.target))
        with torch.random.fork_rng(devices=[]):
            layers = ConvPoolDense(self.adapter_.spec_, backbone, len(self.classes_)).layers()
        return Plan(self.adapter_.spec_, backbone, config, layers)

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

    def _training_set(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> _TrainingSet:
        """Check the input, index the labels, and merge repeats, which also fixes the order of the items."""
        if self.on_error not in {"raise", "skip"}:
            raise ConfigurationError(f"on_error must be 'raise' or 'skip', got {self.on_error!r}")
        adapter = self._new_adapter()
        if isinstance(adapter, TableAdapter):
            labels = _check_labels(y, _num_samples(X))
            self.ordering_report_ = adapter.check_order(X, labels)  # of the table as it came, rows in their order
        items, y = self._check_items(X, y)
        labels = _check_labels(y, len(items))
        weight = _check_sample_weight(sample_weight, np.zeros(len(items)), dtype=np.float64, ensure_non_negative=True)
        group_index = None
        if groups is not None:
            group_index = np.unique(column_or_1d(groups), return_inverse=True)[1]
            if len(group_index) != len(items):
                raise DataError(f"groups has {len(group_index)} entries for {len(items)} items; give one for each item")
        kept = np.flatnonzero(weight > 0)
        self.classes_, target = np.unique(labels[kept], return_inverse=True)
        if len(self.classes_) < 2:
            found = f"one class ({self.classes_[0]!r})" if len(self.classes_) else "no label"
            raise DataError(f"a classifier needs at least two classes, but y has {found}")
        merged = _merge_repeats(items, kept, target, weight)
        return _TrainingSet(
            _take(items, merged.index), merged.target, merged.weight,
            None if group_index is None else group_index[merged.index],
        )  # fmt: skip

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

    def _fit_adapter(self, items: Sequence[Any]) -> Adapter:
        adapter = self._new_adapter()
        return (
            adapter.fit(items, report=self.ordering_report_)
            if isinstance(adapter, TableAdapter)
            else adapter.fit(items)
        )

    def _split(
        self, training: _TrainingSet, validation: tuple[Any, Any] | None, seed: int
    ) -> tuple[_TrainingSet, _TrainingSet | None]:
        if validation is not None:
            return training, self._given_validation(*validation)
        if not 0 <= self.validation_fraction < 1:
            raise ConfigurationError(f"validation_fraction must lie in [0, 1), got {self.validation_fraction}")
        held = _held_back(training, self.validation_fraction, seed, self.classes_)
        if not len(held):
            return training, None
        rest = np.setdiff1d(np.arange(len(training.target)), held)
        return training.take(rest), training.take(held)

    def _given_validation(self, X: Any, y: Any) -> _TrainingSet | None:
        items, y = self._check_items(X, y, reset=False)
        labels = _check_labels(y, len(items))
        known = np.flatnonzero(np.isin(labels, self.classes_))
        if len(known) < len(labels):
            unseen = ", ".join(map(str, np.setdiff1d(labels, self.classes_)))
            warnings.warn(
                f"validation items of classes that training does not have are left out: {unseen}", stacklevel=3
            )
        if not len(known):
            return None
        target = np.searchsorted(self.classes_, labels[known])
        return _TrainingSet(_take(items, known), target, np.ones(len(known)), None)

    def _cache_folder(self) -> Path | None:
        if self.cache is True:
            return default_cache_folder()
        return Path(self.cache) if self.cache else None

    def _encode(self, part: _TrainingSet, progress: Progress | None) -> EncodedItems:
        return encode_items(
            self.adapter_, part.items, on_error=self.on_error, n_jobs=self.n_jobs, cache=self._cache_folder(),
            progress=progress.encoding if progress else None,
        )  # fmt: skip

    def _examples(self, part: _TrainingSet, encoded: EncodedItems, device: torch.device) -> Examples:
        """Pair windows with targets; an item's weight is shared among its windows, so that long items count no more."""
        target = part.target[encoded.item]
        weight = (part.weight / np.maximum(np.bincount(encoded.item, minlength=len(part.target)), 1))[encoded.item]
        windows = encoded.windows
        if self.adapter_.lift_is_frozen:
            windows = lift_items(self.adapter_, encoded, cache=self._cache_folder(), device=device)
        return Examples(windows, target, weight.astype(np.float32))

    def _configuration(self, n_items: int) -> tuple[BackboneConfig, TrainingConfig]:
        """Overlay the adapter's defaults with what the user set."""
        defaults = self.adapter_.defaults(n_items)
        values = {name: value for name, value in defaults.items() if name != "augment"}
        chosen = {name: getattr(self, name) for name in _names(BackboneConfig) | _names(TrainingConfig)}
        values |= {name: value for name, value in chosen.items() if value is not None and name != "augment"}
        for name in ("kernels", "kernel_sizes", "dense"):
            if name in values:
                values[name] = tuple(int(value) for value in np.atleast_1d(values[name]))
        backbone = BackboneConfig(**{name: values[name] for name in values.keys() & _names(BackboneConfig)})
        plain = TrainingConfig(**{name: values[name] for name in values.keys() & _names(TrainingConfig)})
        if self.augment == "auto":
            strength = min(1.0, plain.epochs / defaults.get("epochs", plain.epochs))
            augment = AugmentConfig.from_dict(defaults.get("augment", {})).scaled(strength)
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

    def _new_network(self, backbone: BackboneConfig) -> Network:
        return Network(self.adapter_.lift(), ConvPoolDense(self.adapter_.spec_, backbone, len(self.classes_)))

    # ---- answering ------------------------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities of shape `(n, n_classes)`, columns in the order of `classes_`.

        A long recording or text is cut into windows whose probabilities are averaged. An item that cannot be decoded
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

    @torch.inference_mode()
    def _probabilities(self, items: Sequence[Any], *, on_error: str) -> tuple[np.ndarray, list[str]]:
        """Return probabilities `(n, n_classes)`, NaN for items that failed, and each item's error or ''."""
        device = choose_device(self.device)
        network = self.network_.to(device)
        probabilities = np.full((len(items), len(self.classes_)), np.nan)
        errors = [""] * len(items)
        try:
            for start in range(0, len(items), PREDICTION_CHUNK):
                chunk = _take(items, np.arange(start, min(start + PREDICTION_CHUNK, len(items))))
                encoded = encode_items(self.adapter_, chunk, on_error=on_error, n_jobs=self.n_jobs)
                for index, skip in zip(encoded.skipped_index, encoded.skipped, strict=True):
                    errors[start + index] = skip.reason
                if not len(encoded.item):
                    continue
                window_probabilities = np.concatenate([
                    network(torch.from_numpy(np.array(encoded.windows[at : at + 256])).to(device))
                    .double().softmax(dim=1).cpu().numpy()
                    for at in range(0, len(encoded.item), 256)
                ])  # fmt: skip
                for label in range(len(self.classes_)):
                    sums = np.bincount(encoded.item, weights=window_probabilities[:, label], minlength=len(chunk))
                    counts = np.bincount(encoded.item, minlength=len(chunk))
                    with np.errstate(invalid="ignore"):
                        probabilities[start : start + len(chunk), label] = sums / counts
        finally:
            self.network_.to("cpu")
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


@dataclass(frozen=True)
class _Merged:
    index: np.ndarray
    target: np.ndarray
    weight: np.ndarray


def _merge_repeats(items: Sequence[Any], kept: np.ndarray, target: np.ndarray, weight: np.ndarray) -> _Merged:
    """Count an item that is given twice with one label as one item of twice the weight, and order items by content.

    So that a weight of 2 means exactly what two copies mean, no copy is both trained and validated on, and the order in
    which items are given does not matter.
    """
    first: dict[tuple[bytes, int], int] = {}
    total: dict[tuple[bytes, int], float] = {}
    for index, label in zip(kept.tolist(), target.tolist(), strict=True):
        key = (_identity(items[index], index), label)
        first.setdefault(key, index)
        total[key] = total.get(key, 0.0) + weight[index]
    keys = sorted(first)
    return _Merged(
        np.array([first[key] for key in keys]),
        np.array([label for _, label in keys]),
        np.array([total[key] for key in keys]),
    )


def _identity(item: Any, index: int) -> bytes:
    if isinstance(item, str | os.PathLike):
        return os.fsencode(item) if isinstance(item, os.PathLike) else item.encode("utf-8", "surrogatepass")
    if isinstance(item, np.ndarray):
        return hashlib.blake2b(item.tobytes() + str(item.shape).encode(), digest_size=16).digest()
    return b"item %012d" % index


def _held_back(training: _TrainingSet, fraction: float, seed: int, classes: np.ndarray) -> np.ndarray:
    """Return the indices of the validation part; empty where the set is too small to spare one."""
    target, groups = training.target, training.groups
    none = np.array([], dtype=int)
    if fraction == 0 or len(target) < SMALLEST_SPLIT:
        return none
    counts = np.bincount(target)
    if groups is not None:
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            warnings.warn("all items are of one group, so nothing can be held back for validation", stacklevel=5)
            return none
        folds = StratifiedGroupKFold(min(n_groups, max(2, round(1 / fraction))), shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class in fewer groups than folds: handled just below
            parts = [held for _, held in folds.split(np.zeros(len(target)), target, groups)]
        usable = [held for held in parts if len(np.unique(np.delete(target, held))) == len(classes) and len(held)]
        if not usable:
            warnings.warn("a class occurs in one group only, so no group can be held back for validation", stacklevel=5)
            return none
        return min(usable, key=lambda held: abs(len(held) - fraction * len(target)))
    if (counts < 2).any():
        alone = ", ".join(str(classes[index]) for index in np.flatnonzero(counts < 2))
        warnings.warn(f"classes with a single item are trained on but not validated: {alone}", stacklevel=5)
    several = np.flatnonzero(counts[target] >= 2)
    n_held = max(math.ceil(fraction * len(several)), int((counts >= 2).sum()))
    if len(several) - n_held < int((counts >= 2).sum()):
        return none
    split = StratifiedShuffleSplit(1, test_size=n_held, random_state=seed)
    _, held = next(split.split(np.zeros(len(several)), target[several]))
    indices: np.ndarray = several[held]
    return indices


def _class_weights(
    class_weight: str | Mapping[Any, float] | None, classes: np.ndarray, learning: Examples
) -> np.ndarray:
    totals = np.bincount(learning.target, weights=learning.weight, minlength=len(classes))
    if np.count_nonzero(totals) < 2:
        raise DataError("fewer than two classes are left after skipping items that cannot be read")
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, Mapping):
        return np.array([float(class_weight.get(label, 1.0)) for label in classes.tolist()])
    if class_weight != "balanced":
        raise ConfigurationError(f"class_weight must be 'balanced', a dict or None, got {class_weight!r}")
    shares: np.ndarray = totals.sum() / (len(classes) * np.maximum(totals, 1e-12))
    return shares


def _weighted(examples: Examples, class_weight: np.ndarray) -> Examples:
    return examples._replace(weight=(examples.weight * class_weight[examples.target]).astype(np.float32))


def _check_labels(y: Any, n_items: int) -> np.ndarray:
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    labels: np.ndarray = column_or_1d(y, warn=True)
    if len(labels) != n_items:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{n_items}, {len(labels)}]")
    if missing := np.flatnonzero(pd.isna(labels)).tolist():
        raise DataError(f"y has missing labels at {missing[:5]}: leave those items out, or label them")
    check_classification_targets(labels)
    return labels.astype(str) if labels.dtype == object and isinstance(labels[0], str) else labels


def _take(items: Sequence[Any], indices: np.ndarray) -> Sequence[Any]:
    return items[indices] if isinstance(items, np.ndarray) else [items[index] for index in indices]


def _names(config: type) -> set[str]:
    return {item.name for item in fields(config)}
