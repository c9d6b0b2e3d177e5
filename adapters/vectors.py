"""The vectors that training starts from: pretrained ones, read from word2vec's text format, or learned from counts."""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import numpy as np

from gridcnn.adapters.text_survey import Ask
from gridcnn.adapters.vocabulary import PADDING
from gridcnn.errors import ConfigurationError, DataError

__all__ = ["dim_of", "first_vectors", "read_vectors"]

LONGEST_LINE = 2**20
"""Characters of a word and its numbers."""


def read_vectors(path: str | os.PathLike[str], wanted: Set[str]) -> dict[str, np.ndarray]:
    """Read the vectors of the wanted words from a text file, one line at a time.

    Parameters
    ----------
    path : path
        UTF-8 text; every line has a word and its numbers, separated by spaces. A first line of two whole numbers
        (word2vec's header) says how many words there are, which is passed over, and how many numbers each has.
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
                dim = int(numbers[0][:9])
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
    if Path(path).exists() and not Path(path).is_file():  # a pipe or a device may never end
        raise DataError(f"{path}: the file of vectors is no plain file")
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise DataError(
                    f"{path}, line {number}: more than {LONGEST_LINE:,} characters, so no word and its vector"
                )
            yield number, line


def dim_of(vectors: Mapping[str, np.ndarray], path: str | os.PathLike[str] | None, asked: int | None) -> int:
    """Return the size of pretrained vectors; ConfigurationError if another one was asked for."""
    dim = len(next(iter(vectors.values())))
    if asked not in (None, dim):
        raise ConfigurationError(
            f"embedding_dim={asked}, but the vectors in {path} have {dim} numbers; leave embedding_dim out"
        )
    return dim


def first_vectors(
    pretrained: Mapping[str, np.ndarray], tokens: Mapping[str, int], dim: int, ask: Ask
) -> dict[int, np.ndarray]:
    """Return the vectors that training starts from, by id: pretrained ones, or else of the company words keep."""
    if pretrained:
        return {tokens[token]: vector for token, vector in pretrained.items() if token in tokens}
    from gridcnn.adapters.cooccurrence import cooccurrence_vectors  # noqa: PLC0415  (what only decodes needs none)
    from gridcnn.adapters.embed import SPREAD  # noqa: PLC0415

    vectors = SPREAD * cooccurrence_vectors(functools.reduce(operator.add, ask("company", tokens)), dim)
    return {index: vector for index, vector in enumerate(vectors) if index != PADDING and vector.any()}
