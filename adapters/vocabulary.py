"""Known tokens and known pieces of words, and the numbers that stand for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gridcnn.adapters.tokens import LONGEST_WORD, MOST_PIECES, pieces

__all__ = ["FIRST_WORD", "PADDING", "UNKNOWN", "Vocabulary", "common_pieces"]

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2

LARGEST_PIECE_VOCABULARY = 30_000
RAREST_PIECE = 3  # different words of the training texts that a piece must stand in
MOST_KEPT = 50_000  # words up to which the ids of unknown ones are kept as well, some 400 bytes each


class Vocabulary:
    """Gives each token its id and those of its pieces.

    Parameters
    ----------
    tokens, pieces : sequence of str
        The known ones; the ids of tokens count from `FIRST_WORD`, those of pieces from 1.
    as_now : callable
        Applied to both: earlier versions kept a form of the Greek sigma that `tokens.folded` does not keep.

    Attributes
    ----------
    tokens, pieces : dict of str to int
        Their ids.
    """

    def __init__(self, tokens: Sequence[str], pieces: Sequence[str], as_now: Callable[[str], str] = str) -> None:
        self.tokens: dict[str, int] = {}
        self.pieces: dict[str, int] = {}
        for number, token in enumerate(tokens, start=FIRST_WORD):
            if len(token) <= LONGEST_WORD:  # which earlier versions did not ask
                self.tokens.setdefault(as_now(token), number)
        for number, piece in enumerate(pieces, start=1):
            self.pieces.setdefault(as_now(piece), number)
        self._rows: dict[str, np.ndarray] = {}

    @property
    def row_size(self) -> int:
        """How many ids stand for a token."""
        return 1 + MOST_PIECES * bool(self.pieces)

    def ids_of(self, token: str) -> np.ndarray:
        """Return the id of a token and of its first known pieces, int32 `(row_size,)`, with padding at the end.

        The rows of the vocabulary, and of some more tokens, are kept.
        """
        row = self._rows.get(token)
        if row is None:
            row = np.full(self.row_size, PADDING, dtype=np.int32)
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
