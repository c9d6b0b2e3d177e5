"""Characters in an exported model: texts as lists of characters, lower-cased and in Unicode's composed form (NFC).

A graph knows strings but neither code points nor Unicode, so what Python knows of these is written down as tables: the
graph then does what `str.lower` and `unicodedata.normalize` do, in any locale and on any machine.

References
----------
Unicode Standard Annex 15, "Unicode normalization forms"; The Unicode Standard, 3.12, "Conjoining jamo behavior".
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.adapters.tokens import folded
from gridcnn.onnx_graph import Graph

__all__ = ["Strings", "after", "before", "look_up", "matrix_of", "normalised", "rows_of"]

BORDER = "\n"
"""Stands before each text, so that no rule reaches from one into another."""

LAST = ".\n\n\n"
"""A text after the last one, so that there is a next character, and a next token, wherever a rule looks for one."""

END = 2**62  # of any slice

LONGEST_CHAIN = 3
"""Most characters that one takes up, one after another, when it is composed; `test_export_text.py` counts them."""

LEAD, VOWEL, TAIL, SYLLABLE = 0x1100, 0x1161, 0x11A7, 0xAC00
N_LEADS, N_VOWELS, N_TAILS = 19, 21, 28
APART = 1_000_000  # far more than there are syllables


@dataclass(frozen=True)
class Strings:
    """Strings of many texts in a row: characters or tokens.

    Parameters
    ----------
    values : str
        Name of the strings `(n,)`.
    item : str
        Name of the number of the text that each belongs to, int64 `(n,)`, in order.
    """

    values: str
    item: str

    def where(self, graph: Graph, chosen: str) -> Strings:
        """Return those for which `chosen`, bool `(n,)`, is true."""
        return Strings(*(graph("Compress", each, chosen, axis=0) for each in (self.values, self.item)))


def normalised(graph: Graph, texts: str, lowercase: bool, replaced: dict[str, str]) -> Strings:
    """Return the characters of all texts, each text after a line feed, and of `LAST` as one more text.

    Parameters
    ----------
    graph : Graph
        Where to.
    texts : str
        Name of the texts, strings `(batch,)`.
    lowercase : bool
        Whether `tokens.folded` changes them.
    replaced : dict of str to str
        Characters that stand for others.
    """
    texts = graph("Concat", texts, graph.constant([LAST]), axis=0)
    characters = rows_of(graph, graph("StringConcat", graph.constant(BORDER), texts))
    changes = _decompositions(lowercase) | replaced
    changed = look_up(graph, characters.values, changes, "")
    is_same = graph("Equal", changed, graph.constant(""))
    parts = rows_of(graph, graph("Where", is_same, characters.values, changed))
    return _composed(graph, Strings(parts.values, graph("Gather", characters.item, parts.item)))


def rows_of(graph: Graph, texts: str) -> Strings:
    """Return the characters of texts, strings `(n,)`."""
    matrix = matrix_of(graph, texts)
    is_filled = graph("Not", graph("Equal", matrix, graph.constant("")))
    row = graph.slice(graph("NonZero", is_filled), 0, 1, axis=0)
    flat = graph("Reshape", is_filled, graph.constant([-1]))
    return Strings(graph("Compress", matrix, flat), graph("Squeeze", row, graph.constant([0])))


def matrix_of(graph: Graph, texts: str) -> str:
    """Return the characters of texts, strings `(n,)` to `(n, characters)`, with `""` at the end of the shorter ones."""
    matrix = graph("com.microsoft:Tokenizer", texts, mark=0, mincharnum=1, pad_value="", separators=[""])
    return graph.typed(matrix, str, [None, None])


def look_up(graph: Graph, values: str, table: dict[str, Any], default: Any) -> str:
    """Return what a table has for strings, strings or int64; elsewhere the default."""
    kind = "string" if isinstance(default, str) else "int64"
    given = {"keys_strings": list(table), f"values_{kind}s": list(table.values()), f"default_{kind}": default}
    return graph("ai.onnx.ml:LabelEncoder", values, **given)


def after(graph: Graph, values: str, distance: int, fill: object, dtype: object = None) -> str:
    """Return the values that stand at a distance after each, and `fill` at the end."""
    end = graph.constant([fill] * distance, dtype)
    return graph("Concat", graph.slice(values, distance, END, axis=0), end, axis=0)


def before(graph: Graph, values: str, distance: int, fill: object, dtype: object = None) -> str:
    """Return the values that stand at a distance before each, and `fill` at the beginning."""
    start = graph.constant([fill] * distance, dtype)
    return graph("Concat", start, graph.slice(values, 0, -distance, axis=0), axis=0)


# --- Unicode's canonical composition ---------------------------------------------------------------------------------


def _composed(graph: Graph, characters: Strings) -> Strings:
    """Return decomposed characters in composed form."""
    zero, n = graph.constant(np.int64(0)), graph.size(characters.values, 0)
    combining = look_up(graph, characters.values, _combining_classes(), 0)
    # The marks after a letter are put in the order of their classes: a stable sort, by the letter first.
    letter = graph("CumSum", graph.cast(graph("Equal", combining, zero), np.int64), zero)
    key = graph("Add", graph("Mul", letter, graph.constant(256)), combining)
    key = graph("Add", graph("Mul", key, n), graph.range(n))
    order = graph.several("TopK", 2, key, n, axis=0, largest=0, sorted=1)[1]
    combining = graph("Gather", combining, order)
    sorted_ = Strings(graph("Gather", characters.values, order), characters.item)  # sorting stays within the text
    syllables = graph.constant([chr(SYLLABLE + number) for number in range(N_LEADS * N_VOWELS * N_TAILS)])
    for _ in range(LONGEST_CHAIN):
        sorted_, combining = _composed_once(graph, sorted_, combining, syllables)
    return sorted_


def _composed_once(graph: Graph, characters: Strings, combining: str, syllables: str) -> tuple[Strings, str]:
    """Compose each letter with the first character after it with which that is possible."""
    zero, here = graph.constant(np.int64(0)), graph.range(graph.size(combining, 0))
    is_letter = graph("Equal", combining, zero)
    as_number = graph.cast(is_letter, np.int64)
    rank = graph("Sub", graph("CumSum", as_number, zero), as_number)  # letters before each
    letters = graph("Compress", here, is_letter, axis=0)
    letter = graph("Gather", letters, graph("Max", graph("Sub", rank, graph.constant(1)), zero))  # the nearest of them
    # What stands between blocks it, unless its class is lower.
    is_next = graph("Equal", letter, graph("Sub", here, graph.constant(1)))
    is_free = graph("Or", is_next, graph("Less", before(graph, combining, 1, 0), combining))
    first, second = graph("Gather", characters.values, letter), characters.values
    both = look_up(graph, graph("StringConcat", first, second), _compositions(), "")
    is_syllable, syllable = _syllable(graph, first, second, syllables)
    both = graph("Where", is_syllable, syllable, both)
    possible = graph("And", is_free, graph("Not", graph("Equal", both, graph.constant(""))))
    count = graph("CumSum", graph.cast(possible, np.int64), zero)
    since = graph("Sub", count, graph("Gather", count, letter))
    is_used = graph("And", possible, graph("Equal", since, graph.constant(1)))
    where, what = (graph("Compress", each, is_used, axis=0) for each in (letter, both))
    is_left = graph("Not", is_used)
    composed = Strings(graph("ScatterElements", characters.values, where, what, axis=0), characters.item)
    return composed.where(graph, is_left), graph("Compress", combining, is_left, axis=0)


def _syllable(graph: Graph, first: str, second: str, syllables: str) -> tuple[str, str]:
    """Return whether two Korean letters, or a syllable and a letter, make a syllable, and which."""
    leads = {chr(LEAD + at): at * N_VOWELS * N_TAILS for at in range(N_LEADS)}
    open_ = {chr(SYLLABLE + at): APART + at for at in range(0, N_LEADS * N_VOWELS * N_TAILS, N_TAILS)}
    vowels = {chr(VOWEL + at): at * N_TAILS for at in range(N_VOWELS)}
    tails = {chr(TAIL + at): APART + at for at in range(1, N_TAILS)}
    neither = APART * 2 // 5
    number = graph(
        "Add", look_up(graph, first, leads | open_, neither), look_up(graph, second, vowels | tails, neither)
    )
    kinds, number = graph("Div", number, graph.constant(APART)), graph("Mod", number, graph.constant(APART))
    most = graph.constant(N_LEADS * N_VOWELS * N_TAILS - 1)
    fits = graph("And", graph("LessOrEqual", number, most), graph("Not", graph("Equal", kinds, graph.constant(1))))
    return fits, graph("Gather", syllables, graph("Min", number, most))


# --- tables ----------------------------------------------------------------------------------------------------------


@functools.cache
def _decompositions(lowercase: bool) -> dict[str, str]:
    """Return the characters that lower-casing and canonical decomposition change, and into what.

    Korean syllables are left as they are: composing them again would change nothing.
    """
    changed = {}
    for character in _all_characters():
        lowered = folded(character) if lowercase else character
        if lowered != character or (unicodedata.decomposition(character) and not _is_syllable(character)):
            changed[character] = unicodedata.normalize("NFD", lowered)
    return {character: parts for character, parts in changed.items() if character != parts}


@functools.cache
def _combining_classes() -> dict[str, int]:
    return {character: number for character in _all_characters() if (number := unicodedata.combining(character))}


@functools.cache
def _compositions() -> dict[str, str]:
    """Return the pairs of characters that have one composed character, but for Korean."""
    pairs = {}
    for character in _all_characters():
        parts = [chr(int(code, 16)) for code in unicodedata.decomposition(character).split() if code[0] != "<"]
        if len(parts) == 2 and unicodedata.normalize("NFC", character) == character:
            pairs["".join(parts)] = character
    return {pair: one for pair, one in pairs.items() if unicodedata.normalize("NFC", pair) == one}


def _is_syllable(character: str) -> bool:
    return 0 <= ord(character) - SYLLABLE < N_LEADS * N_VOWELS * N_TAILS


@functools.cache
def _all_characters() -> list[str]:
    """Return all characters, without the halves of surrogate pairs."""
    return [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
