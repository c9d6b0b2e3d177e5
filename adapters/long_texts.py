"""Texts of any length: the windows that slide over one, and its parts, which are counted in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcnn.adapters.base import Adapter
from gridcnn.adapters.long_items import around, stretch, window_for
from gridcnn.adapters.text_cells import checked
from gridcnn.adapters.windows import slid

if TYPE_CHECKING:
    from gridcnn.adapters.vocabulary import Vocabulary

__all__ = ["LongTexts"]


class LongTexts(Adapter):
    """The part of `TextAdapter` that is about long texts; words are what white space separates."""

    length: int | None
    length_: int
    tokens_: str
    known: Vocabulary

    def tokenise(self, text: str) -> list[str]:
        """Cut a text into tokens."""
        raise NotImplementedError

    def length_of(self, item: Any) -> float:
        """Return the number of words of a text."""
        return float(len(checked(item).split()))

    def part(self, item: Any, start: float = 0, end: float | None = None, *, surrounded: bool = False) -> str:
        """Return words of a text; all of it as it is."""
        if end is None and not start:
            return checked(item)
        words = checked(item).split()
        first, behind = stretch(len(words), start, end, "words")
        if surrounded:
            first, behind = around(len(words), first, behind, self.length_)
        return " ".join(words[first:behind])

    def located(self, lengths: Sequence[float], gaps: Sequence[float] = ()) -> tuple[Adapter, int]:
        """Return an adapter whose windows are no longer than most parts, and most gaps, unless their length was set."""
        if self.length is not None:
            return self, self.length
        length = window_for(lengths, gaps)
        return type(self)(**{**self.get_params(), "length": length}), length

    def slide(self, item: Any, step: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield places (tokens) and windows of one text of any length, step by step; see `Adapter.slide`."""
        checked(item)
        rows = self.known.rows_of(self.tokenise(item), self.length_)
        for starts in slid(len(rows), self.length_, step):
            yield starts.astype(float), rows[starts[:, None] + np.arange(self.length_)]

    def counted(self, item: Any, places: np.ndarray, *, ends: bool = False) -> np.ndarray:
        """Return the words in which tokens stand; of a model of characters, characters as they are."""
        if self.tokens_ != "word" or not len(places):
            return places
        behind = np.cumsum([len(self.tokenise(word)) for word in item.split()])  # tokens up to the end of each word
        last = np.ceil(places) - 1 if ends else np.floor(places)
        words = np.searchsorted(behind, last, side="right") + (1 if ends else 0)
        return np.asarray(np.clip(words, 0, len(behind)), dtype=float)
