"""The contract of an adapter: raw items of one modality in, grids out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from gridcnn.grid import GridSpec

__all__ = ["Adapter"]


class Adapter(BaseEstimator):  # type: ignore[misc]
    """Turns raw items of one modality (files, sentences, arrays) into grids, in two halves.

    `encode` runs on the host and turns one raw item into a compact array (uint8 pixels, waveform, token ids).
    `lift` runs on the device, as an `nn.Module`, and turns batches of compact arrays into grids. An exported model ships
    `lift` and the backbone together, so that it needs no preprocessing code.

    Constructor parameters follow scikit-learn (stored unchanged, `get_params` returns them). What `fit` learns is stored
    under names that end in an underscore, listed in `learned`, and is JSON-ready, so that a bundle can hold it.
    """

    modality: ClassVar[str]
    """`"image"`, `"sound"`, `"text"` or `"array"`."""

    learned: ClassVar[tuple[str, ...]]
    """Names of the attributes that `fit` sets, all JSON-ready."""

    lift_is_frozen: ClassVar[bool] = False
    """Whether the lift has nothing to learn and is worth computing once per data set rather than once per epoch."""

    def check_items(self, X: Any) -> Sequence[Any]:
        """Return `X` as a sequence of raw items, or raise TypeError or DataError where it is something else."""
        return list(X)

    @abstractmethod
    def fit(self, items: Sequence[Any]) -> Self:
        """Learn the size of the grid, a vocabulary and the like from the *training* items only.

        Items that cannot be read are passed over: `encode` reports them. Raises DataError where none can be read.
        """

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
