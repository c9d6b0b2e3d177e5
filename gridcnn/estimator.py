"""GridClassifier: scikit-learn's face of `gridcnn.training.fit` and `gridcnn.inference.predict`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import validate_data

from gridcnn import bundle
from gridcnn.adapters import Adapter, TableAdapter
from gridcnn.errors import BundleError, Skipped
from gridcnn.inference import predict
from gridcnn.model import EpochRecord, FittedModel, Network, fitted_model
from gridcnn.pipeline.label_sets import with_classes
from gridcnn.training.callbacks import Callback
from gridcnn.training.config import FitConfig
from gridcnn.training.fit import fit
from gridcnn.training.job import Split, split
from gridcnn.training.plan import Plan, plan
from gridcnn.training.recipe import PARAMETERS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GridClassifier"]

_FIT_DEFAULTS = {each.name: each.default for each in dataclasses.fields(FitConfig)}


class GridClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify images, sound, text or sampled series with one small convolutional network.

    Parameters
    ----------
    adapter : Adapter or None
        Turns raw items into grids: `ImageAdapter`, `AudioAdapter`, `TextAdapter`, `ArrayAdapter`. None is
        `TableAdapter(ordering)`: a numeric table, one column a cell, whose columns must have an order.
    ordering : {"check", "assume"}
        If `adapter` is None: test whether the order of the columns carries information, and refuse the table if it
        does not; or `"assume"`, your word that neighbouring columns are related (a spectrum, a sampled series).
    kernels, kernel_sizes, convs_per_block, pool_after, padding, batch_norm
    pool, pool_size, pool_stride, head, dense, dropout
        The network, see `BackboneConfig`. None is the adapter's choice.
    epochs, batch_size, learning_rate, kernel_learning_rate, weight_decay, label_smoothing, adversarial, patience
        The training, see `TrainingConfig`. None is the adapter's choice.
    time_limit, augment, augment_strength, class_weight, background, validation_fraction, folds, refit, random_state,
    device, n_jobs, on_error, cache
        Data, time and machine, see `FitConfig`.
    callbacks : sequence of Callback
        They observe the training, and may stop it.

    Attributes
    ----------
    model_ : FittedModel
        The trained model; the attributes below are its parts.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted; after a fit on a matrix of zeros and ones the numbers of its columns, or their names.
    adapter_ : Adapter
        The fitted adapter.
    network_ : Network
        Frontend and backbone, on the CPU, in evaluation mode.
    history_ : list of EpochRecord
        Loss, accuracy and speed of each epoch.
    best_epoch_ : int
        Epoch whose weights were kept.
    scores_ : dict
        `validation_accuracy` and `validation_loss` of the kept weights, if there was a validation split: of single
        windows and without test-time augmentation, so that `predict` is right a little more often.
    skipped_ : list of Skipped
        Items that were left out, with their reasons.
    interrupted_ : bool
        Whether Ctrl-C ended the training early.
    ordering_report_ : OrderReport or None
        For a table: the evidence that its columns are ordered; None if that was assumed, or the model was loaded.
    summary_ : dict
        Counts of the training items and of each class, and the versions of the packages that compute.
    n_parameters_ : int
        Number of learned weights of the network.

    Examples
    --------
    >>> from gridcnn import datasets
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(200))
    >>> classifier = GridClassifier(adapter=ImageAdapter(), epochs=8).fit(digits.items, digits.labels)
    >>> classifier.predict_proba(digits.items[:3]).shape
    (3, 10)
    """

    adapter: Adapter | None
    ordering: str
    callbacks: Sequence[Callback]

    def __init__(
        self,
        adapter: Adapter | None = None,
        *,
        ordering: str = "check",
        callbacks: Sequence[Callback] = (),
        **parameters: Any,
    ) -> None:
        if unknown := sorted(set(parameters) - set(PARAMETERS)):
            raise TypeError(
                f"GridClassifier got unexpected parameters {', '.join(unknown)}; known: {', '.join(PARAMETERS)}"
            )
        self.adapter = adapter
        self.ordering = ordering
        self.callbacks = callbacks
        for name in PARAMETERS:
            setattr(self, name, parameters.get(name, _FIT_DEFAULTS.get(name)))

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        validation: tuple[Any, Any] | None = None,
        start: Any = None,
    ) -> Self:
        """Train on raw items and labels; see `gridcnn.training.fit` for the parameters and errors.

        `start` is a fitted model, or a fitted classifier, to go on from.
        """
        self.model_ = fit(
            self._new_adapter(start),
            X,
            y,
            self._parameters(),
            sample_weight=sample_weight,
            groups=groups,
            validation=validation,
            callbacks=self.callbacks,
            start=start,
        )
        self.ordering_report_ = getattr(self.model_.adapter, "report_", None)
        if self.model_.adapter.reads_rows:
            validate_data(self, X, skip_check_array=True)  # sets the names and the number of features
        return self

    def plan(self, X: Any, y: Any, groups: Any = None, *, measure_time: bool = False) -> Plan:
        """Return what `fit` would do with these items; see `gridcnn.training.plan`."""
        return plan(self._new_adapter(), X, y, self._parameters(), groups=groups, measure_time=measure_time)

    def split(self, X: Any, y: Any, groups: Any = None, validation: tuple[Any, Any] | None = None) -> Split:
        """Return the training items and the validation split of `fit`; see `gridcnn.training.split`."""
        return split(self._new_adapter(), X, y, self._parameters(), groups=groups, validation=validation)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities of shape `(n, n_classes)`, columns in the order of `classes_`.

        An item that cannot be decoded raises `ItemError`, whatever `on_error` says; `predict_frame` gives answers with
        gaps instead.
        """
        model = fitted_model(self)
        return predict(model, self._checked(X), on_error="raise", **self._machine()).probabilities

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each item, shape `(n,)`, which may be the background.

        If the items of `fit` could have several labels, return zeros and ones, int64 `(n, n_classes)`: 1 if the
        probability of a label reaches its threshold, see `FittedModel.thresholds`.
        """
        probabilities = self.predict_proba(X)
        if self.model_.several:
            return np.asarray(probabilities >= self.model_.thresholds, dtype=np.int64)
        labels: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of the items that are answered right; with several labels, whose labels are all right."""
        if fitted_model(self).several:
            y, _ = with_classes(y, self.classes_)
        found: float = super().score(X, y, sample_weight)
        return found

    def predict_frame(self, X: Any) -> pd.DataFrame:
        """Return one row an item: `item`, `prediction`, a probability `p(LABEL)` for each class, `error`.

        An item that cannot be decoded keeps its row, with an empty prediction and its error.
        """
        model = fitted_model(self)
        return predict(model, self._checked(X), **self._machine()).to_frame()

    def save(self, path: str | Path) -> None:
        """Write the trained model to one bundle file, see `gridcnn.save`."""
        bundle.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a classifier back from a bundle file, see `gridcnn.load`."""
        return cls.from_model(bundle.load(path))

    @classmethod
    def from_model(cls, model: FittedModel) -> Self:
        """Return a fitted classifier around a model, with the parameters that the model was trained with."""
        ordering = getattr(model.adapter, "ordering", "check")
        if unknown := sorted(set(model.parameters) - set(PARAMETERS)):
            raise BundleError(
                f"the model was trained with parameters that this gridcnn does not know ({', '.join(unknown)[:200]}): "
                "upgrade gridcnn, or use gridcnn.load, which keeps them"
            )
        classifier = cls(clone(model.adapter), ordering=ordering, **model.parameters)
        classifier.model_ = model
        classifier.ordering_report_ = getattr(model.adapter, "report_", None)
        columns = getattr(model.adapter, "columns_", None)
        if model.adapter.reads_rows:
            n_columns = getattr(model.adapter, "n_columns", int(np.prod(model.adapter.spec_.shape)))
            classifier.n_features_in_ = n_columns if columns is None else len(columns)
            if columns is not None:
                classifier.feature_names_in_ = np.array(columns, dtype=object)
        return classifier

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _html_repr(self) -> str:
        """Show scikit-learn's diagram in a notebook, and below it what a fitted model is."""
        diagram: str = super()._html_repr()
        return diagram + (self.model_._repr_html_() if hasattr(self, "model_") else "")

    @property
    def classes_(self) -> np.ndarray:
        """Labels, sorted."""
        return self.model_.classes

    @property
    def adapter_(self) -> Adapter:
        """The fitted adapter."""
        return self.model_.adapter

    @property
    def network_(self) -> Network:
        """Frontend and backbone."""
        return self.model_.network

    @property
    def history_(self) -> list[EpochRecord]:
        """One record for each epoch."""
        return list(self.model_.history)

    @property
    def best_epoch_(self) -> int:
        """Epoch whose weights were kept."""
        return self.model_.best_epoch

    @property
    def scores_(self) -> dict[str, Any]:
        """Scores known so far."""
        return self.model_.scores

    @property
    def skipped_(self) -> list[Skipped]:
        """Training items that were left out."""
        return list(self.model_.skipped)

    @property
    def interrupted_(self) -> bool:
        """Whether Ctrl-C ended the training early."""
        return self.model_.interrupted

    @property
    def summary_(self) -> dict[str, Any]:
        """What the model was trained on."""
        return self.model_.summary

    @property
    def n_parameters_(self) -> int:
        """Number of learned weights."""
        return fitted_model(self).n_parameters

    def _new_adapter(self, start: Any = None) -> Adapter:
        if self.adapter is None and start is not None:
            adapter: Adapter = clone(fitted_model(start).adapter)
            return adapter
        return TableAdapter(ordering=self.ordering) if self.adapter is None else self.adapter

    def _parameters(self) -> dict[str, Any]:
        """Return what differs from the defaults, which are the adapter's choice."""
        given = {name: getattr(self, name) for name in PARAMETERS}
        return {name: value for name, value in given.items() if value is not _FIT_DEFAULTS.get(name)}

    def _machine(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("device", "n_jobs")}

    def _checked(self, X: Any) -> Any:
        """Return the items as they are; check the columns of a table as scikit-learn's contract wants."""
        if self.adapter_.reads_rows:
            validate_data(self, X, reset=False, dtype=None, ensure_all_finite=False)  # a row's gaps are its own error
        return X


def _signature(names: Iterable[str]) -> inspect.Signature:
    """Return the constructor's signature with every parameter by its name, as scikit-learn reads it."""
    written = inspect.signature(GridClassifier.__init__).parameters
    fixed = [each for each in written.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    declared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_FIT_DEFAULTS.get(name)) for name in names
    ]
    return inspect.Signature([*fixed, *declared])


GridClassifier.__init__.__signature__ = _signature(PARAMETERS)  # type: ignore[attr-defined]
