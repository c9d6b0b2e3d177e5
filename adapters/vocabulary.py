"""Known tokens, pieces of words and runs of tokens, and the numbers that stand for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set

import numpy as np

from gridcnn.adapters.tokens import LONGEST_WORD, MOST_PIECES, pieces

__all__ = ["FIRST_WORD", "PADDING", "RUN_SIZES", "UNKNOWN", "Vocabulary", "common_pieces", "joined", "runs_in"]

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2

LARGEST_PIECE_VOCABULARY = 30_000
RAREST_PIECE = 3  # different words of the training texts that a piece must stand in
RUN_SIZES = {"word": (2,), "character": (2, 3, 4, 5)}
"""Tokens in a row that are looked up together, by what a token is."""

LARGEST_RUN_VOCABULARY = 50_000
RAREST_RUN = 2  # training texts that a run must stand in

MOST_KEPT = 50_000  # words up to which the ids of unknown ones are kept as well, some 400 bytes each


class Vocabulary:
    """Gives each token its id, those of its pieces, and those of the runs of tokens that it begins.

    Parameters
    ----------
    tokens, pieces, runs : sequence of str
        The known ones; the ids of tokens count from `FIRST_WORD`, those of pieces and runs from 1.
    kind : {"word", "character"}
        What a token is.
    as_now : callable
        Applied to both: earlier versions kept a form of the Greek sigma that `tokens.folded` does not keep.

    Attributes
    ----------
    tokens, pieces, runs : dict of str to int
        Their ids.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        pieces: Sequence[str] = (),
        runs: Sequence[str] = (),
        kind: str = "word",
        as_now: Callable[[str], str] = str,
    ) -> None:
        self.tokens: dict[str, int] = {}
        self.pieces: dict[str, int] = {}
        for number, token in enumerate(tokens, start=FIRST_WORD):
            if len(token) <= LONGEST_WORD:  # which earlier versions did not ask
                self.tokens.setdefault(as_now(token), number)
        for number, piece in enumerate(pieces, start=1):
            self.pieces.setdefault(as_now(piece), number)
        self.runs = {run: number for number, run in enumerate(runs, start=1)}
        self.kind = kind
        self._rows: dict[str, np.ndarray] = {}

    @property
    def own_size(self) -> int:
        """How many ids a token has wherever it stands: its own, and those of its pieces."""
        return 1 + MOST_PIECES * bool(self.pieces)

    @property
    def row_size(self) -> int:
        """How many ids stand for a token in a text."""
        return self.own_size + len(RUN_SIZES[self.kind]) * bool(self.runs)

    def rows_of(self, tokens: Sequence[str], fewest: int) -> np.ndarray:
        """Return the ids of the tokens of a text, int32 `(tokens, row_size)`, padded to at least `fewest` tokens."""
        ids = np.full((max(len(tokens), fewest), self.row_size), PADDING, dtype=np.int32)
        own = self.own_size
        for position, token in enumerate(tokens):
            ids[position, :own] = self.ids_of(token)
        if self.runs:
            for column, size in enumerate(RUN_SIZES[self.kind], start=own):
                found = [self.runs.get(run, PADDING) for run in joined(tokens, size, self.kind)]
                ids[: len(found), column] = found
        return ids

    def ids_of(self, token: str) -> np.ndarray:
        """Return the id of a token and of its first known pieces, int32 `(own_size,)`, with padding at the end.

        The rows of the vocabulary, and of some more tokens, are kept.
        """
        row = self._rows.get(token)
        if row is None:
            row = np.full(self.own_size, PADDING, dtype=np.int32)
            known = [self.pieces[piece] for piece in pieces(token) if piece in self.pieces][:MOST_PIECES]
            row[0] = self.tokens.get(token, UNKNOWN)
            row[1 : 1 + len(known)] = known
            if token in self.tokens or len(self._rows) < MOST_KEPT:
                self._rows[token] = row
        return row


def common_pieces(counts: Mapping[str, int]) -> list[str]:
    """Return the pieces that enough different words share, the most shared first."""
    words_with = Counter(piece for word in counts for piece in set(pieces(word)))
    common = [piece for piece, count in words_with.items() if count >= RAREST_PIECE]
    return sorted(common, key=lambda piece: (-words_with[piece], piece))[:LARGEST_PIECE_VOCABULARY]


def joined(tokens: Sequence[str], size: int, kind: str) -> list[str]:
    """Return the runs of `size` tokens, each as one string.

    >>> joined(["not", "so", "good"], 2, "word"), joined("abc", 3, "character")
    (['not so', 'so good'], ['abc'])
    """
    return list(
        map((" " if kind == "word" else "").join, zip(*(tokens[start:] for start in range(size)), strict=False))
    )


def runs_in(sentence: Sequence[str], size: int, kind: str, common: Set[str]) -> set[str]:
    """Return the runs of `size` tokens in a text whose two shorter runs are common."""
    shorter = [run in common for run in joined(sentence, size - 1, kind)]
    both = zip(joined(sentence, size, kind), shorter, shorter[1:], strict=False)
    return {run for run, begins, ends in both if begins and ends}
