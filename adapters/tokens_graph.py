"""Tokens in an exported model: characters become words and punctuation marks, as `tokens.py` cuts them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from gridcnn.adapters.characters_graph import END, Strings, after, before, look_up, matrix_of
from gridcnn.adapters.tokens import LONGEST_WORD, PIECE_SIZES, is_letter
from gridcnn.onnx_graph import Graph

__all__ = ["CUT_OFF", "add_pieces", "as_characters", "as_words"]

OTHER, SPACE, APOSTROPHE, N, T, SDM, RV, E, L = range(9)
KINDS = {
    **dict.fromkeys("nN", N), **dict.fromkeys("tT", T), **dict.fromkeys("sSdDmM", SDM), **dict.fromkeys("rRvV", RV),
    **dict.fromkeys("eE", E), **dict.fromkeys("lL", L), "'": APOSTROPHE,
}  # fmt: skip
"""The characters of English contractions, as the pattern of `tokens.words` has them."""

CUT_OFF = "…"
"""Stands in the place of what is beyond `LONGEST_WORD`; it is part of no word, so that such a word is never known."""


def as_characters(graph: Graph, characters: Strings) -> Strings:
    """Return each character as a token; white space between others becomes one space."""
    is_space = _is_space(graph, characters.values)
    is_other = graph("Not", is_space)
    zero = graph.constant(np.int64(0))
    # The last of some white space stays, if both what is next and the last that is none are of the same text.
    others = graph("Concat", graph.constant([-1]), graph("Compress", characters.item, is_other, axis=0), axis=0)
    latest = graph("Gather", others, graph("CumSum", graph.cast(is_other, np.int64), zero))
    is_inside = graph(
        "And", graph("Equal", latest, characters.item),
        graph("Equal", after(graph, characters.item, 1, -1), characters.item),
    )  # fmt: skip
    is_kept = graph("And", graph("And", is_space, is_inside), after(graph, is_other, 1, False))
    one = Strings(graph("Where", is_space, graph.constant(" "), characters.values), characters.item)
    kept = one.where(graph, graph("Or", is_other, is_kept))
    return Strings(kept.values, kept.item)


def as_words(graph: Graph, characters: Strings) -> Strings:
    """Return words and punctuation marks; of a longer word the first `LONGEST_WORD` characters and `CUT_OFF`."""
    is_space = _is_space(graph, characters.values)
    is_start = _starts(graph, characters.values, is_space)
    is_other = graph("Not", is_space)
    characters, is_start = characters.where(graph, is_other), graph("Compress", is_start, is_other, axis=0)
    n = graph.size(characters.values, 0)
    starts = graph("Compress", graph.range(n), is_start, axis=0)
    word = graph("Sub", graph("CumSum", graph.cast(is_start, np.int64), graph.constant(np.int64(0))), graph.constant(1))
    offset = graph("Sub", graph.range(n), graph("Gather", starts, word))
    values = _joined(graph, characters.values, offset)
    lengths = graph("Sub", graph("Concat", graph.slice(starts, 1, END, axis=0), n, axis=0), starts)
    is_long = graph("Greater", lengths, graph.constant(LONGEST_WORD))
    values = graph("StringConcat", values, graph("Where", is_long, graph.constant(CUT_OFF), graph.constant("")))
    return Strings(values, graph("Gather", characters.item, starts))


def add_pieces(graph: Graph, words: str, known: dict[str, int], most: int) -> str:
    """Return the numbers of the first pieces of words that are known, int64 `(n, most)`, with zeros at the end.

    Parameters
    ----------
    graph : Graph
        Where to.
    words : str
        Name of the words, strings `(n,)`, as `as_words` makes them.
    known : dict of str to int
        The number of each known piece, from 1.
    most : int
        How many numbers a word has.
    """
    marked = graph("StringConcat", graph("StringConcat", graph.constant("<"), words), graph.constant(">"))
    matrix = matrix_of(graph, marked)
    n = graph.size(words, 0)
    padding = graph("Expand", graph.constant([[""]]), graph.shape(n, max(PIECE_SIZES)))
    matrix = graph("Concat", matrix, padding, axis=1)  # so that there is room for one piece of each size
    width = graph.size(matrix, 1)
    numbers, grown = [], matrix
    for size in range(2, max(PIECE_SIZES) + 1):
        last = graph.slice(matrix, size - 1, width, axis=1)
        grown = graph("StringConcat", graph.slice(grown, 0, -1, axis=1), last)
        if size in PIECE_SIZES:
            of_size = {piece: number for piece, number in known.items() if len(piece) == size}
            found = look_up(graph, grown, of_size or NONE, 0)
            numbers.append(graph("Where", graph("Equal", last, graph.constant("")), graph.constant(0), found))
    every = graph("Concat", *numbers, axis=1)
    is_known = graph("Greater", every, graph.constant(0))
    place = graph("CumSum", graph.cast(is_known, np.int64), graph.constant(np.int64(1)))
    is_taken = graph("And", is_known, graph("LessOrEqual", place, graph.constant(most)))
    flat = graph("Reshape", is_taken, graph.constant([-1]))
    row = graph("Squeeze", graph.slice(graph("NonZero", is_taken), 0, 1, axis=0), graph.constant([0]))
    column = graph("Sub", graph("Compress", place, flat), graph.constant(1))
    where = graph("Add", graph("Mul", row, graph.constant(most)), column)
    zeros = graph("Expand", graph.constant([0]), graph("Mul", n, graph.constant([most])))
    filled = graph("ScatterElements", zeros, where, graph("Compress", every, flat), axis=0)
    return graph("Reshape", filled, graph.shape(n, most))


NONE = {"": 0}  # a table must have an entry


def _starts(graph: Graph, characters: str, is_space: str) -> str:
    """Return whether a token starts at each character, as `tokens.words` says."""
    letters = graph("RegexFullMatch", characters, pattern=f"[{_ranges(is_letter)}]")
    kind = look_up(graph, characters, KINDS, OTHER)
    next_kind, later_kind = after(graph, kind, 1, OTHER), after(graph, kind, 2, OTHER)

    def both(first: str, second: str) -> str:
        return graph("And", first, second)

    def is_kind(kinds: str, number: int) -> str:
        return graph("Equal", kinds, graph.constant(number))

    def ends_after(distance: int) -> str:
        return graph("Not", after(graph, letters, distance, False))

    is_apostrophe = is_kind(kind, APOSTROPHE)
    is_negation = both(
        both(is_kind(kind, N), is_kind(next_kind, APOSTROPHE)), both(is_kind(later_kind, T), ends_after(3))
    )
    has_one = both(is_kind(next_kind, SDM), ends_after(2))
    re_or_ve = both(is_kind(next_kind, RV), is_kind(later_kind, E))
    ll = both(is_kind(next_kind, L), is_kind(later_kind, L))
    is_contraction = both(is_apostrophe, graph("Or", has_one, both(graph("Or", re_or_ve, ll), ends_after(3))))
    goes_on = graph(
        "Or", before(graph, letters, 1, False),
        graph("Or", before(graph, is_contraction, 1, False), before(graph, is_negation, 2, False)),
    )  # fmt: skip
    begins_word = graph("Or", is_negation, both(letters, graph("Not", goes_on)))
    is_mark = graph("Not", graph("Or", graph("Or", letters, is_space), before(graph, is_negation, 1, False)))
    return graph("Or", begins_word, is_mark)


def _joined(graph: Graph, characters: str, offset: str) -> str:
    """Return words, of characters and their places in them: first pairs are joined, then pairs of these, and so on."""
    is_near = graph("Less", offset, graph.constant(LONGEST_WORD))
    parts, offset = graph("Compress", characters, is_near, axis=0), graph("Compress", offset, is_near, axis=0)
    two = graph.constant(2)
    for _ in range((LONGEST_WORD - 1).bit_length()):
        is_second = graph("Equal", graph("Mod", offset, two), graph.constant(1))
        seconds = graph("Where", is_second, parts, graph.constant(""))
        pairs = graph("StringConcat", parts, after(graph, seconds, 1, ""))
        is_first = graph("Not", is_second)
        parts = graph("Compress", pairs, is_first, axis=0)
        offset = graph("Div", graph("Compress", offset, is_first, axis=0), two)
    return parts


def _is_space(graph: Graph, characters: str) -> str:
    return graph("RegexFullMatch", characters, pattern=f"[{_ranges(str.isspace)}]")


def _ranges(is_one: Callable[[str], bool]) -> str:
    """Return all characters of a class as ranges of a regular expression (RE2)."""
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000 and is_one(chr(code))]
    runs = itertools.groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0])
    ends = [(run[0][1], run[-1][1]) for run in (list(group) for _, group in runs)]
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ends)
