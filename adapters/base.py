"""The contract of an adapter: raw items of one modality in, grids out, and all else that depends on the modality."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from gridcnn.adapters.inspecting import Inspector
from gridcnn.adapters.long_items import LongItems
from gridcnn.adapters.questions import Question
from gridcnn.adapters.raw_items import is_path, sample_of
from gridcnn.adapters.received import as_received
from gridcnn.adapters.records import ClassicModel, Preview
from gridcnn.errors import ConfigurationError, DataError
from gridcnn.grid import Coordinates, GridSpec
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.parameters import Constraint, Parameterised, check

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Adapter", "ClassicModel", "Preview", "is_path", "sample_of"]


class Adapter(LongItems, Parameterised):
    """Turns raw items of one modality (files, sentences, arrays) into grids, in two halves.

    `encode` runs on the host and turns one raw item into a compact array (uint8 pixels, waveform, token ids).
    `frontend` runs on the device, as an `nn.Module`, and turns batches of compact arrays into grids. An exported model
    ships the frontend and the backbone together, so that it needs no preprocessing code.

    Constructor parameters follow scikit-learn (stored unchanged, `get_params` returns them). What `fit` learns is
    stored under names that end in an underscore, listed in `fitted_attributes`, and is JSON-ready: a bundle holds it.

    Whatever else depends on the modality is a method here too: what a person sees of an item, what a cell means, the
    classic model to compare with. A new modality implements `fit`, `spec_`, `encode`, `frontend` and `defaults`.
    """

    modality: ClassVar[str]
    """What the items are called: `"image"`, `"sound"`, `"text"`, `"array"`, …"""

    task: ClassVar[str] = ""
    """What the Hugging Face Hub calls the classification of such items; empty if it has no name for it."""

    noun: str = "item"
    """A person's word for one item: picture, sound, sentence."""
    unit: str = ""
    """What the symbol in a cell is called, such as "word"; cells of numbers have none."""

    fitted_attributes: ClassVar[tuple[str, ...]]
    """Names of the attributes that `fit` sets, all JSON-ready."""

    constraints: ClassVar[Mapping[str, Constraint]] = {}
    """What each constructor parameter may be; `check_parameters` checks them."""

    state_constraints: ClassVar[Mapping[str, Constraint]] = {}
    """What each fitted attribute may be when it comes from a file; `check_state` checks them."""

    inspector: ClassVar[type[Inspector]] = Inspector
    """How an audit looks at raw items; it is made from the constructor parameters."""

    frontend_is_frozen: ClassVar[bool] = False
    """Whether the frontend learns nothing and is worth computing once per data set rather than once per epoch."""

    reads_files: ClassVar[bool] = False
    """Whether an item that is a str or a path names a file; others are `Stored`, and `as_path` opens either."""

    reads_texts: ClassVar[bool] = False
    """Whether an item is a str: a cell of a table's text column, or a line of standard input."""

    reads_rows: ClassVar[bool] = False
    """Whether an item is a row of a table of numbers, whose columns may have names."""

    survey: ClassVar[type[Any] | None] = None
    """What counts in a share of the items, if `fit` counts in all of them: it takes a way to ask several of these."""

    # ---- from raw items to grids ------------------------------------------------------------------------------------

    def check_parameters(self) -> None:
        """Raise ConfigurationError for the first constructor parameter that is not what `constraints` allows."""
        check(self.get_params(deep=False), self.constraints)

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

    def check_order(self, X: Any, labels: Any = None) -> Any:
        """Return the evidence that `X`, as it was given, has an order that a kernel may slide along; or refuse it.

        Only an adapter that reads rows is asked.

        Parameters
        ----------
        X : object
            All training items, before `check_items`.
        labels : array of shape (n,), optional
            Their classes.

        Returns
        -------
        OrderReport or None
            None where the modality itself vouches for the order of its axes.

        Raises
        ------
        OrderingError
            If the items could be shuffled along the axis without losing anything; its `report` holds the evidence.
        """
        return None

    def column_names(self, X: Any) -> list[str] | None:
        """Return the names of the columns of `X`, for an adapter that reads rows; None without names."""
        return None

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

        Most modalities have one window; a long recording has several, whose predictions are averaged. ItemError if the
        item cannot be decoded; the message names it and says why.
        """

    @abstractmethod
    def frontend(self) -> nn.Module:
        """Return a new module that maps `(batch, *encoded_shape)` to grids `(batch, *spec_.shape)`, float32."""

    def received(self, value: Any, most: Mapping[str, float]) -> Any:
        """Return what a stranger sent to a service as one raw item for `check_items`.

        Parameters
        ----------
        value : Path, str, or nested lists of numbers
            The file that was sent, a text, or an array as JSON writes it, where null is a missing number.
        most : mapping
            How much an item may have: `"pixels"`, `"seconds"` of sound, `"characters"`. A file is judged by its header
            before it is decoded.

        Raises
        ------
        ItemError
            If it is nothing that this adapter reads, or larger than it may be.
        """
        return as_received(value, most, files=self.reads_files, texts=self.reads_texts)

    # ---- the same in an exported model ------------------------------------------------------------------------------

    def decode(self, item: Any) -> Any:
        """Return one raw item as an exported model takes it: decoded pixels, a waveform, a str, an array.

        `encode` cuts and resizes what this returns, and so do the nodes that `add_to` adds.

        Raises
        ------
        ItemError
            If it cannot be decoded.
        """
        raise NotImplementedError

    def add_to(self, graph: Graph, frontend: nn.Module) -> Windows:
        """Add the input of an exported model to a graph, and all that turns a batch of it into grids.

        The input is a batch of what `decode` returns. The nodes do what `encode` does after decoding, and then what the
        trained `frontend` does.

        Raises
        ------
        ConfigurationError
            If this adapter cannot be exported.
        """
        raise ConfigurationError(
            f"a model of {type(self).__name__} cannot be exported yet: that adapter does not write its preprocessing "
            "as a graph (it has no method add_to)"
        )

    def trial_items(self, random: np.random.Generator) -> list[Any]:
        """Return raw items made up to try an exported model: ordinary and odd ones, of several sizes."""
        return []

    def describe_input(self) -> str:
        """Say what an exported model takes, in Markdown: the name of its input, types, shapes, units, limits."""
        return "a batch of items as they are decoded, all of one size; its input says of which type and shape"

    @abstractmethod
    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the hyperparameters that suit this modality and `n_items` training items.

        Keys are the names of the fields of `BackboneConfig` and `TrainingConfig`, and `refit`; `augment` is a dict of
        the fields of `AugmentConfig`. What a person sets takes their place.
        """

    def questions(self, n_items: int) -> list[Question]:
        """Return what the data should decide before the training on `n_items` items, the most important first.

        Each option costs a training or more, so there should be few, and only where data of this modality differ. A
        parameter that a person set is not asked about.
        """
        return []

    def content(self, item: Any, windows: np.ndarray) -> bytes:
        """Return what makes two items the same, whatever they are called: by default the encoded windows."""
        return np.ascontiguousarray(windows).tobytes()

    # ---- what a person sees -----------------------------------------------------------------------------------------

    def preview(self, item: Any) -> Preview:
        """Return what a person can look at, listen to or read of one item, small.

        Raises
        ------
        ItemError
            If it cannot be decoded.
        """
        return Preview()

    def preview_window(self, window: np.ndarray) -> Preview:
        """Return the same of one encoded window, shape `encoded_shape`, as exactly as the network sees it."""
        return Preview()

    def remarks(self) -> list[str]:
        """Return what a person must know before trusting a model that reads its items in this way, a sentence each.

        What is cut off, resized, rescaled or lost, as `fit` found it in the training items; told from the fitted state.
        """
        return []

    def cautions(self, item: Any) -> list[str]:
        """Return why an answer for this item deserves less trust, a short sentence each: unknown words, silence.

        Equal reasons have equal words, without the name of the item, so that they can be counted over many items. An
        item that cannot be read has none.
        """
        return []

    def describe_grid(self) -> str:
        """Say in a sentence or two how a grid shows an item."""
        spec = self.spec_
        channels = f" of {spec.channels.size} channels" if spec.channels.size > 1 else ""
        return f"{' × '.join(map(str, spec.sizes))} cells{channels}, as the network sees them."

    def coordinates(self, item: Any, window: int = 1, n_windows: int = 1) -> tuple[Coordinates, ...]:
        """Return what the cells of a window (counted from 1) of an item mean, one entry for each ordered axis."""
        return tuple(Coordinates.of(axis) for axis in self.spec_.axes)

    def empty_grid(self, grid: Tensor) -> Tensor:
        """Return a grid `(channels, *sizes)` that shows nothing, as attribution compares an item's grid with.

        By default the median cell of each channel: the paper of a drawing, the background of a sound.
        """
        median = grid.flatten(1).median(dim=1).values
        return median.reshape(-1, *[1] * (grid.ndim - 1)).expand_as(grid)

    def symbols(self, item: Any) -> list[str] | None:
        """Return the symbols (tokens) that an item's cells stand for, without padding; None where cells are numbers."""
        return None

    def known_symbols(self, most: int) -> tuple[list[str], np.ndarray] | None:
        """Return at most `most` known symbols, and the encoded windows whose cells, one after another, they are.

        None where cells are numbers.
        """
        return None

    # ---- the classic model ------------------------------------------------------------------------------------------

    def baseline(self, random_state: int = 0) -> ClassicModel:
        """Return the classic model of this modality: by default the best of three that know no order, on all cells."""
        from gridcnn.adapters.classic import order_free  # noqa: PLC0415  (its libraries are slow to import)

        return order_free(random_state)

    # ---- fitted state -----------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """Return the constructor parameters as a saved model holds them: of a file they keep the name, not the folder.

        A saved model may be published, and the folders of a machine tell about its owner.
        """
        settings = self.get_params(deep=False)
        return {name: Path(it).name if isinstance(it, os.PathLike) else it for name, it in settings.items()}

    def state(self) -> dict[str, Any]:
        """Return the fitted state, JSON-ready."""
        return {name: getattr(self, name) for name in self.fitted_attributes}

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Raise ConfigurationError if a fitted state is none that `fit` could have learned with these parameters.

        It may come from a stranger, so this is asked before `restore`: no attribute may be of another type, and none so
        large that the frontend, or the first answer, takes hours or all memory.
        """
        check(state, self.state_constraints)

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Set the fitted state of an earlier run, from `state()`."""
        for name in self.fitted_attributes:
            setattr(self, name, state[name])
        return self
