"""What every loader returns: raw items, their labels, and what must stay together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gridcnn.errors import DataError, Skipped

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
"""The names people give to the parts of a set, and the three names used here."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Raw items with their labels, before any adapter has seen them.

    Parameters
    ----------
    items : sequence of length n
        A list of paths, a list of sentences, an array of shape ``(n, ...)``, or a DataFrame of n rows for a table.
    labels : ndarray of shape (n,), str or int, or None
        The class of each item; None where only a prediction is wanted.
    modality : {"image", "sound", "text", "array", "table"}
        What the items are.
    name : str
        What the set is called.
    groups : ndarray of shape (n,), optional
        Speaker, site, fold: items of one group must never be on both sides of a split.
    split : ndarray of shape (n,), optional
        ``"train"``, ``"validation"`` or ``"test"`` for each item, where the set comes divided.
    axes : tuple of str
        Names of the axes after the first, for arrays, such as ``("height", "width")``.
    sample_rate : int, optional
        Samples per second (Hz), for sound given as waveforms.
    skipped : tuple of Skipped
        What was left out, and why.
    description : str
        Where the set comes from, in a sentence.

    Raises
    ------
    DataError
        If labels, groups or split have another length than the items.

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

    def __post_init__(self) -> None:
        for field, column in (("labels", self.labels), ("groups", self.groups), ("split", self.split)):
            if column is not None and len(column) != len(self):
                raise DataError(f"{len(self)} items but {len(column)} {field}: give each item one, in the same order.")

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        classes = "no labels" if self.labels is None else f"{len(self.counts)} classes"
        return f"<Dataset {self.name or 'unnamed'}: {len(self)} {self.modality} items, {classes}>"

    @property
    def counts(self) -> dict[str | int, int]:
        """How many items each class has, in the order of the sorted labels; empty where there are no labels."""
        if self.labels is None:
            return {}
        names, counts = np.unique(self.labels, return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    def take(self, indices: Iterable[int] | NDArray[Any]) -> Dataset:
        """Return the items at these positions, with everything that belongs to them.

        Parameters
        ----------
        indices : array-like of int, or of bool with one value for each item
            Which items, in which order.

        Returns
        -------
        Dataset
            The chosen items; `skipped` stays with the whole set and is empty here.
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
        )

    def part(self, name: str) -> Dataset:
        """Return the items of one part of a set that comes divided.

        Parameters
        ----------
        name : str
            ``"train"``, ``"validation"`` or ``"test"``, or another usual spelling of them such as ``"dev"``.

        Raises
        ------
        DataError
            If the set has no such part; the parts it has are listed.
        """
        if self.split is None:
            raise DataError(f"{self.name or 'This set'} comes undivided, without a part {name!r}: use all of it.")
        chosen = self.split == SPLIT_NAMES.get(name.lower(), name)
        if not chosen.any():
            parts = ", ".join(np.unique(self.split).tolist())
            raise DataError(f"{self.name or 'This set'} has no part {name!r}: choose one of {parts}.")
        return self.take(chosen)
