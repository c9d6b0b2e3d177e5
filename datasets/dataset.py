"""`Dataset`, which every loader returns: raw items, their labels, and the groups that must stay together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gridcnn.display import counted
from gridcnn.errors import DataError, Skipped
from gridcnn.segments import File, Segment, are_segments

Modality: TypeAlias = Literal["image", "sound", "text", "array", "table"]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""Usual names of the parts of a set, and the three names used here."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Raw items with their labels, as an adapter takes them.

    Parameters
    ----------
    items : sequence of length n
        A list of paths, a list of sentences, an array of shape ``(n, ...)``, or a DataFrame of n rows for a table.
    labels : ndarray of shape (n,), str or int, or None
        The class of each item; if items may have several, objects that are tuples of labels. None if the items are only
        to be predicted.
    modality : {"image", "sound", "text", "array", "table"}
        What the items are.
    name : str
        Name of the set.
    groups : ndarray of shape (n,), optional
        Speaker, site or fold of each item: a split must keep the items of a group on one side.
    split : ndarray of shape (n,), optional
        ``"train"``, ``"validation"`` or ``"test"`` for each item, if the set comes in parts.
    axes : tuple of str
        Names of the axes after the first, if the items are an array, such as ``("height", "width")``.
    sample_rate : int, optional
        Samples per second (Hz), if the items are waveforms.
    skipped : tuple of Skipped
        The items that were left out, with the reasons.
    description : str
        One sentence on the origin of the set.
    notes : tuple of str
        What a person should know about how the set was read, one sentence each: how its parts were recognised, a column
        that was taken for an index.
    split_notes : tuple of str
        What concerns a training only: what stays on one side of a validation split, if nobody named groups.
    quiet : tuple of str
        Recordings whose annotations are empty: nothing is in them.
    annotated : tuple of Segment
        All annotations, if the items are made of them: what none of these covers is background.
    places : sequence of Segment, optional
        Where each item lies (`Span`) in a log or a text that it was cut out of.
    whole : callable, optional
        Returns that log or text by the `path` of a place; also there if the items are whole logs.

    Raises
    ------
    DataError
        If labels, groups or split do not have the length of the items.

    Examples
    --------
    >>> tiny = Dataset(["good", "bad"], np.array(["praise", "complaint"]), "text", split=np.array(["train", "test"]))
    >>> tiny.part("test").items
    ['bad']
    """

    items: Sequence[Any] | Any  # a DataFrame is no Sequence
    labels: NDArray[Any] | None
    modality: Modality
    name: str = ""
    groups: NDArray[Any] | None = None
    split: NDArray[Any] | None = None
    axes: tuple[str, ...] = ()
    sample_rate: int | None = None
    skipped: tuple[Skipped, ...] = ()
    description: str = ""
    notes: tuple[str, ...] = ()
    split_notes: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    annotated: tuple[Segment, ...] = ()
    places: Sequence[Segment] | None = None
    whole: Callable[[str], Any] | None = None

    def __post_init__(self) -> None:
        for field, column in (("labels", self.labels), ("groups", self.groups), ("split", self.split)):
            if column is not None and len(column) != len(self):
                raise DataError(f"{len(self)} items but {len(column)} {field}: give each item one, in the same order.")

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        classes = "no labels" if self.labels is None else counted(len(self.counts), "class", "classes")
        items = "item" if len(self) == 1 else "items"
        return f"<Dataset {self.name or 'unnamed'}: {len(self)} {self.modality} {items}, {classes}>"

    @property
    def counts(self) -> dict[str | int, int]:
        """Number of items of each class, in the order of the sorted labels; empty if there are no labels."""
        if self.labels is None:
            return {}
        every = [label for each in self.labels for label in each] if self.several else self.labels
        names, counts = np.unique(np.asarray(every), return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    @property
    def segments(self) -> Sequence[Segment] | None:
        """Where each item lies in a recording, a log or a text; None if they are no parts of anything."""
        return list(self.items) if are_segments(self.items) else self.places

    def long_item(self, path: File) -> Any:
        """Return the recording, log or text of a segment: of a recording its path."""
        return path if self.whole is None else self.whole(str(path))

    @property
    def several(self) -> bool:
        """Whether an item may have several labels, or none: then each of `labels` is a tuple."""
        return self.labels is not None and any(isinstance(each, tuple) for each in self.labels)

    def take(self, indices: Iterable[int] | NDArray[Any]) -> Dataset:
        """Return the items at some positions, with their labels, groups and parts.

        Parameters
        ----------
        indices : array-like of int, or of bool with one value for each item
            Positions in the wanted order, or a mask.

        Returns
        -------
        Dataset
            The chosen items. Its `skipped` is empty.
        """
        wanted = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
        rows = np.arange(len(self))[wanted if wanted.size else wanted.astype(int)]

        def pick(column: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if column is None else column[rows]

        items: Any
        if isinstance(self.items, np.ndarray):
            items = self.items[rows]
        elif hasattr(self.items, "iloc"):
            items = self.items.iloc[rows]
        else:
            items = [self.items[row] for row in rows]
        return replace(
            self,
            items=items,
            labels=pick(self.labels),
            groups=pick(self.groups),
            split=pick(self.split),
            skipped=(),
            places=None if self.places is None else [self.places[row] for row in rows],
        )

    def part(self, name: str) -> Dataset:
        """Return the items of one part of a set that comes in parts.

        Parameters
        ----------
        name : str
            ``"train"``, ``"validation"`` or ``"test"``, or another usual name of one of them such as ``"dev"``.

        Returns
        -------
        Dataset
            The items of the part. Its `skipped` is empty.

        Raises
        ------
        DataError
            If the set has no such part; the message lists its parts.
        """
        if self.split is None:
            raise DataError(f"{self.name or 'This set'} comes undivided, without a part {name!r}: use all of it.")
        chosen = self.split == SPLIT_NAMES.get(name.lower(), name)
        if not chosen.any():
            parts = ", ".join(np.unique(self.split).tolist())
            raise DataError(f"{self.name or 'This set'} has no part {name!r}: choose one of {parts}.")
        return self.take(chosen)
