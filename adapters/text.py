"""Texts: sentences become rows of token ids, and each id becomes a learned vector."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from gridcnn.adapters.base import Adapter
from gridcnn.adapters.tokens import characters, has_words, words
from gridcnn.adapters.windows import cut_windows
from gridcnn.errors import ConfigurationError, DataError, ItemError
from gridcnn.grid import Axis, GridSpec

__all__ = ["Embed", "TextAdapter"]

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
SHORTEST_LEARNED_LENGTH = 8
LONGEST_LEARNED_LENGTH = 400
LEARNED_DIM = 128
SPREAD = 0.15  # standard deviation of a vector before training

SETTINGS: dict[str, Any] = {
    "kernels": (100,),
    "kernel_sizes": (3, 4, 5),
    "convolutions": 1,
    "pool": "max",
    "pool_size": 1,  # the head takes the best match of the whole sentence
    "head": "global_max",
    "dense": (),
    "dropout": 0.5,
    "normalise": False,
    "epochs": 10,
    "batch_size": 50,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "label_smoothing": 0.05,
    "augment": {},
}


class TextAdapter(Adapter):
    """Turns texts into grids `(embedding, tokens)`: every token is a vector, a kernel spans all of its entries.

    Items are str. What is longer than the grid becomes the fewest windows that cover it, at equal distances; what is
    shorter is padded at its end. An empty text is all padding.

    Parameters
    ----------
    tokens : {"auto", "word", "character"}, default "auto"
        What a token is. `"auto"` takes characters where the training texts have no spaces between words, as in Chinese,
        Japanese, Thai or DNA, and words elsewhere. Punctuation marks count as words.
    length : int or None, default None
        Tokens in a grid. None learns the 98th percentile of the training texts, within 8 to 400.
    embedding_dim : int or None, default None
        Size of a vector. None takes that of `vectors`, or 128.
    min_count : int, default 2
        A token that is rarer than this in the training texts counts as unknown, unless `vectors` has it. Above 1,
        training meets unknown words, as prediction will.
    max_vocabulary : int, default 50000
        Most tokens to know; the most frequent ones are kept.
    vectors : path or None, default None
        A text file of pretrained vectors, one word and its numbers a line, with or without word2vec's header line. It
        is read in `fit` only; training starts from its vectors and changes them.
    lowercase : bool, default True
        Whether case is ignored.

    Attributes
    ----------
    tokens_ : {"word", "character"}
    length_, embedding_dim_ : int
        What the parameters came to.
    vocabulary_ : list of str
        The known tokens, the most frequent first; ids 0 and 1 are padding and unknown, so the first has id 2.

    Source
    ------
    Kim 2014, "Convolutional neural networks for sentence classification".
    """

    modality: ClassVar[str] = "text"
    learned: ClassVar[tuple[str, ...]] = ("tokens_", "length_", "embedding_dim_", "vocabulary_")

    tokens_: str
    length_: int
    embedding_dim_: int
    vocabulary_: list[str]

    def __init__(
        self,
        tokens: str = "auto",
        length: int | None = None,
        embedding_dim: int | None = None,
        min_count: int = 2,
        max_vocabulary: int = 50_000,
        vectors: str | os.PathLike[str] | None = None,
        lowercase: bool = True,
    ) -> None:
        self.tokens = tokens
        self.length = length
        self.embedding_dim = embedding_dim
        self.min_count = min_count
        self.max_vocabulary = max_vocabulary
        self.vectors = vectors
        self.lowercase = lowercase

    def fit(self, items: Sequence[Any]) -> Self:
        """Learn the kind of token, the vocabulary and the length from the training texts.

        Raises
        ------
        ConfigurationError
            If a parameter cannot work.
        DataError
            If no item is a text with a token in it, or a line of `vectors` is malformed.
        """
        self._check_parameters()
        texts = [item for item in items if isinstance(item, str)]
        self.tokens_ = self.tokens if self.tokens != "auto" else "word" if has_words(texts) else "character"
        sentences = [self.tokenise(text) for text in texts]
        counts = Counter(token for sentence in sentences for token in sentence)
        if not counts:
            raise DataError(f"none of the {len(items)} training items is a text with a word in it")
        lengths = [len(sentence) for sentence in sentences]
        learned = int(np.clip(np.percentile(lengths, 98), SHORTEST_LEARNED_LENGTH, LONGEST_LEARNED_LENGTH))
        self.length_ = int(self.length or learned)
        self._vectors = {} if self.vectors is None else read_vectors(self.vectors, counts.keys())
        frequent = [token for token, count in counts.items() if count >= self.min_count or token in self._vectors]
        self.vocabulary_ = sorted(frequent, key=lambda token: (-counts[token], token))[: self.max_vocabulary]
        self._choose_dim()
        self._index_vocabulary()
        return self

    @property
    def spec_(self) -> GridSpec:
        """Embedding dimension × token."""
        return GridSpec(Axis("embedding", self.embedding_dim_, ordered=False), (Axis("token", self.length_),))

    def tokenise(self, text: str) -> list[str]:
        """Cut a text into tokens as `encode` does."""
        cut: Callable[[str], list[str]] = words if self.tokens_ == "word" else characters
        return cut(text.lower() if self.lowercase else text)

    def encode(self, item: Any) -> np.ndarray:
        """Return the token ids of one text, int32, shape `(windows, length_)`.

        Raises
        ------
        ItemError
            If it is no str.
        """
        if not isinstance(item, str):
            raise ItemError(item, f"expected a text (str), got {type(item).__name__}")
        ids = np.array([self._ids.get(token, UNKNOWN) for token in self.tokenise(item)], dtype=np.int32)
        if len(ids) > self.length_:
            return cut_windows(ids, self.length_)
        window = np.full((1, self.length_), PADDING, dtype=np.int32)
        window[0, : len(ids)] = ids
        return window

    def lift(self) -> nn.Module:
        """Return the module that looks up the vector of each id: int32 `(batch, length_)` to grids.

        Its vectors are drawn with torch's global random generator; after `fit` with `vectors`, those of the file take
        their places.
        """
        embed = Embed(FIRST_WORD + len(self.vocabulary_), self.embedding_dim_)
        known = getattr(self, "_vectors", {})
        with torch.no_grad():
            for position, token in enumerate(self.vocabulary_):
                if token in known:
                    embed.vectors.weight[FIRST_WORD + position] = torch.from_numpy(known[token])
        return embed

    def defaults(self, n_items: int) -> dict[str, Any]:
        """Return the parameters of `GridClassifier` that suit texts."""
        return dict(SETTINGS)

    def restore(self, state: Any) -> Self:
        """Set what `fit` learned in an earlier run; the file of vectors is not needed again."""
        super().restore(state)
        self._index_vocabulary()
        return self

    def _index_vocabulary(self) -> None:
        self._ids = {token: FIRST_WORD + position for position, token in enumerate(self.vocabulary_)}

    def _check_parameters(self) -> None:
        if self.tokens not in ("auto", "word", "character"):
            raise ConfigurationError(f"tokens must be 'auto', 'word' or 'character', got {self.tokens!r}")
        for name in ("length", "embedding_dim", "min_count", "max_vocabulary"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value}")

    def _choose_dim(self) -> None:
        if not self._vectors:
            self.embedding_dim_ = int(self.embedding_dim or LEARNED_DIM)
            return
        self.embedding_dim_ = len(next(iter(self._vectors.values())))
        if self.embedding_dim not in (None, self.embedding_dim_):
            raise ConfigurationError(
                f"embedding_dim={self.embedding_dim}, but the vectors in {self.vectors} have {self.embedding_dim_} "
                "numbers; leave embedding_dim out"
            )


class Embed(nn.Module):
    """Looks up the vector of each token; padding is all zeros.

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary with padding and unknown.
    dim : int
        Size of a vector.
    """

    def __init__(self, n_tokens: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(n_tokens, dim, padding_idx=PADDING)
        with torch.no_grad():
            self.vectors.weight *= SPREAD  # torch draws them with standard deviation 1

    def forward(self, ids: Tensor) -> Tensor:
        """Map integer ids `(batch, length)` to float32 grids `(batch, dim, length)`."""
        vectors: Tensor = self.vectors(ids)  # (batch, length, dim)
        return vectors.transpose(1, 2)


def read_vectors(path: str | os.PathLike[str], wanted: Set[str]) -> dict[str, np.ndarray]:
    """Read the vectors of the wanted words from a text file, one line at a time.

    Parameters
    ----------
    path : path
        UTF-8 text; every line has a word and its numbers, separated by spaces. A first line of two whole numbers
        (word2vec's header) is passed over.
    wanted : set of str
        The words to keep.

    Returns
    -------
    dict of str to ndarray of shape (dim,), float32
        The first vector of each wanted word that the file has.

    Raises
    ------
    DataError
        If the file is missing, is no text, a line is malformed, or no line has a wanted word.
    """
    vectors: dict[str, np.ndarray] = {}
    dim = None
    try:
        for number, line in _lines(path):
            word, *numbers = line.rstrip().split(" ")
            if number == 1 and len(numbers) == 1 and word.isdigit() and numbers[0].isdigit():
                continue
            dim = dim or len(numbers)
            if len(numbers) != dim or dim == 0:
                raise DataError(f"{path}, line {number}: expected a word and {dim or 'its'} numbers, got {line[:60]!r}")
            if word not in wanted or word in vectors:
                continue
            try:
                vectors[word] = np.array(numbers, dtype=np.float32)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number}: the vector of {word!r} has an entry that is no number"
                ) from error
            if not np.isfinite(vectors[word]).all():
                raise DataError(f"{path}, line {number}: the vector of {word!r} has an entry that is NaN or infinite")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text; vectors are read from word2vec's text format") from error
    except OSError as error:
        raise DataError(f"{path}: the file of vectors cannot be read ({error.strerror})") from error
    if not vectors:
        raise DataError(f"{path} has no vector for any word of the training texts; is it of the same language?")
    return vectors


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        yield from enumerate(file, start=1)
