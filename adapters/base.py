"""The contract of an adapter: raw items of one modality in, grids out."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from torch import nn

from gridcnn.errors import DataError
from gridcnn.grid import GridSpec

__all__ = ["Adapter", "sample_of"]


class Adapter(BaseEstimator):  # type: ignore[misc]
    """Turns raw items of one modality (files, sentences, arrays) into grids, in two halves.

    `encode` runs on the host and turns one raw item into a compact array (uint8 pixels, waveform, token ids).
    `lift` runs on the device, as an `nn.Module`, and turns batches of compact arrays into grids. An exported model
    ships `lift` and the backbone together, so that it needs no preprocessing code.

    Constructor parameters follow scikit-learn (stored unchanged, `get_params` returns them). What `fit` learns is
    stored under names that end in an underscore, listed in `learned`, and is JSON-ready, so that a bundle can hold it.
    """

    modality: ClassVar[str]
    """`"image"`, `"sound"`, `"text"` or `"array"`."""

    learned: ClassVar[tuple[str, ...]]
    """Names of the attributes that `fit` sets, all JSON-ready."""

    lift_is_frozen: ClassVar[bool] = False
    """Whether the lift has nothing to learn and is worth computing once per data set rather than once per epoch."""

    reads_files: ClassVar[bool] = False
    """Whether an item that is a str or a path names a file."""

    def check_items(self, X: Any) -> Sequence[Any]:
        """Return `X` as a sequence of raw items.

        Raises
        ------
        TypeError
            If `X` is one item rather than a sequence of items.
        DataError
            If `X` is a DataFrame of several columns.
        """
        if isinstance(X, str | bytes | os.PathLike):
            raise TypeError(f"expected a sequence of items, got one {type(X).__name__}: put it in a list, [{X!r}]")
        if isinstance(X, pd.DataFrame):
            if X.shape[1] != 1:
                columns = ", ".join(map(str, X.columns))
                raise DataError(f"expected one column of items, got {X.shape[1]} ({columns}): choose one, X['name']")
            return X.iloc[:, 0].tolist()
        return list(X)

    @abstractmethod
    def fit(self, items: Sequence[Any]) -> Self:
        """Learn the size of the grid, a vocabulary and the like from the *training* items only.

        Items that cannot be read are passed over: `encode` reports them. Raises DataError where none can be read.
        """

    def coarser(self, share: float) -> Self | None:
        """Return a new adapter, not fitted, whose grids have about `share` of the cells along each axis of this one's.

        None where the modality has no resolution to give up, or the user set it.
        """
        return None

    @property
    @abstractmethod
    def spec_(self) -> GridSpec:
        """The grids this fitted adapter makes."""

    @abstractmethod
    def encode(self, item: Any) -> np.ndarray:
        """Turn one raw item into its compact windows, shape `(windows, *encoded_shape)`.

        Most modalities have one window; a long recording has several, whose predictions are averaged.

        Raises
        ------
        ItemError
            If the item cannot be decoded; the message names it and says why.
        """

    @abstractmethod
    def lift(self) -> nn.Module:
        """Return a new module that maps `(batch, *encoded_shape)` to grids `(batch, *spec_.shape)`, float32."""

    @abstractmethod
    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the GridClassifier parameters that suit this modality and `n_items` training items.

        Keys are parameter names of `GridClassifier` that are None there unless the user sets them: `kernels`,
        `kernel_sizes`, `head`, `epochs`, `augment`, …
        """

    def state(self) -> dict[str, Any]:
        """Return what `fit` learned, JSON-ready."""
        return {name: getattr(self, name) for name in self.learned}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Set what `fit` learned in an earlier run, from `state()`."""
        for name in self.learned:
            setattr(self, name, state[name])
        return self


def sample_of(items: Sequence[Any], n_items: int) -> list[Any]:
    """Return at most `n_items` of `items`, in order, always the same ones."""
    if len(items) <= n_items:
        return list(items)
    chosen = np.random.default_rng(0).choice(len(items), n_items, replace=False)
    return [items[index] for index in np.sort(chosen)]
