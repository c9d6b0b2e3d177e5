"""Cutting text into tokens: words and punctuation, or characters, in any script."""

from __future__ import annotations

import functools
import itertools
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = [
    "BEGIN",
    "END",
    "LONGEST_WORD",
    "MOST_PIECES",
    "PIECE_SIZES",
    "Spacing",
    "characters",
    "cut",
    "folded",
    "has_words",
    "is_letter",
    "marked",
    "normalised",
    "pieces",
    "spacing_of",
    "well_formed",
    "words",
]

PIECE_SIZES = (3, 4, 5)
MOST_PIECES = 16  # of a word, the first known ones

LONGEST_WORD = 64
"""Characters up to which a word can be known, and beyond which it has no pieces."""

BEGIN, END = "⟨", "⟩"
"""Characters that stand before and after a text of characters, so that a kernel sees where it begins and ends."""

# Scripts that put no spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, kana, Chinese characters.
_UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

MOST_MARKS = 64
"""Combining marks in a row that are put in order together; Unicode's own limit for streams is 30."""

JOINERS = "\u200c\u200d"

_PLAIN_WORD = re.compile(r"\w+|[^\s\w]")


def well_formed(text: str) -> str:
    r"""Return a text with the replacement character for each half of a surrogate pair, as broken files hold.

    Examples
    --------
    >>> well_formed("a\ud800b") == "a\ufffdb"
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def normalised(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    r"""Return a text in a Unicode form, in a time that grows with its length.

    Marks on one letter are sorted in a time that grows with the square of their number: of a hundred thousand, which no
    language writes, in a minute. So they are normalised some at a time.

    Examples
    --------
    >>> normalised("e\u0301") == "\u00e9"
    True
    >>> len(normalised("e" + "\u0301\u0316" * 100_000))
    200000
    """
    if text.isascii() or not (runs := list(_many_marks().finditer(text))):
        return unicodedata.normalize(form, text)
    parts, at = [], 0
    for run in runs:
        parts.append(text[at : run.end()])
        at = run.end()
    return "".join(unicodedata.normalize(form, part) for part in (*parts, text[at:]))


def words(text: str) -> list[str]:
    """Cut text into words and single punctuation marks.

    English contractions are split as the Penn Treebank does, so that texts which were split before and texts which were
    not come out alike.

    Examples
    --------
    >>> words("I don't know (yet): it's naïve.")
    ['I', 'do', "n't", 'know', '(', 'yet', ')', ':', 'it', "'s", 'naïve', '.']
    """
    if text.isascii() and "'" not in text:
        return _PLAIN_WORD.findall(text)  # the same, in a third of the time
    return _word_pattern().findall(normalised(text).replace("’", "'"))


def folded(text: str) -> str:
    """Return a text without upper case, each character by itself and in no language in particular.

    A Greek sigma is the same letter at the end of a word as elsewhere.

    Examples
    --------
    >>> folded("ΛΌΓΟΣ") == folded("λόγος")
    True
    """
    return text.lower().replace("ς", "σ")


def characters(text: str) -> list[str]:
    """Cut text into characters; any stretch of white space is one space.

    Examples
    --------
    >>> characters("ab  c")
    ['a', 'b', ' ', 'c']
    """
    return list(" ".join(normalised(text).split()))


def marked(text: str) -> str:
    """Return a text with marks at its beginning and its end; an empty one has none."""
    return f"{BEGIN}{text}{END}" if text else text


def pieces(word: str) -> list[str]:
    """Cut a word into its stretches of three to five characters, its borders marked; of a long word, its beginning.

    Examples
    --------
    >>> pieces("word")
    ['<wo', 'wor', 'ord', 'rd>', '<wor', 'word', 'ord>', '<word', 'word>']
    """
    marked = f"<{word}>" if len(word) <= LONGEST_WORD else f"<{word[:LONGEST_WORD]}"
    return [marked[start : start + size] for size in PIECE_SIZES for start in range(len(marked) + 1 - size)]


class Spacing(NamedTuple):
    """What tells whether spaces separate words, in some texts."""

    parts: Counter[int]
    """How many texts have so many parts; empty ones do not count."""
    letters: int
    unspaced: int
    """Letters of scripts that put no spaces between words."""


def spacing_of(texts: Sequence[str]) -> Spacing:
    """Count parts and letters."""
    parts = Counter(len(text.split()) for text in texts if text.strip())
    letters = sum(character.isalpha() for text in texts for character in text)
    return Spacing(parts, letters, sum(len(_UNSPACED.findall(text)) for text in texts))


def has_words(found: Sequence[Spacing]) -> bool:
    """Whether spaces separate words: most texts have several parts, and most letters are of a script with spaces.

    Examples
    --------
    >>> [has_words([spacing_of([text])]) for text in ("What is a word ?", "GATTACA", "今日は 良い天気")]
    [True, False, False]
    """
    parts: Counter[int] = Counter()
    for each in found:
        parts.update(each.parts)
    letters, unspaced = sum(each.letters for each in found), sum(each.unspaced for each in found)
    return not parts or (statistics.median(parts.elements()) > 1 and unspaced <= letters / 2)


def cut(text: str, kind: str, *, lowercase: bool, with_marks: bool) -> list[str]:
    """Cut a text into words or characters, with marks at both ends or without."""
    text = well_formed(text).replace("\0", " ")  # where a string ends for JavaScript's onnxruntime
    text = folded(text) if lowercase else text
    text = marked(text) if with_marks else text
    return words(text) if kind == "word" else characters(text)


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    r"""Return the pattern of a token.

    Python's `\w` leaves out combining marks, without which the words of Hindi, Thai or Arabic fall apart, and the two
    joiners that Persian and Indic scripts write inside words.
    """
    letter = rf"[\w{JOINERS}{_combining_marks()}]"
    end = rf"(?!{letter})"
    negation = rf"[nN]'[tT]{end}"
    other_contraction = rf"'(?:[sS]|[rR][eE]|[vV][eE]|[lL][lL]|[dD]|[mM]){end}"
    return re.compile(rf"{negation}|{other_contraction}|(?:(?!{negation}){letter})+|[^\s\w]")


@functools.cache
def _many_marks() -> re.Pattern[str]:
    return re.compile(f"[{_combining_marks()}]{{{MOST_MARKS}}}")


def is_letter(character: str) -> bool:
    """Whether a character can be part of a word of several."""
    return character.isalnum() or character == "_" or character in JOINERS or _is_combining_mark(character)


def _is_combining_mark(character: str) -> bool:
    """Whether a character is a combining mark of a living script."""
    return 0x300 <= ord(character) < 0x20000 and unicodedata.category(character)[0] == "M"


def _combining_marks() -> str:
    """Return the combining marks as ranges for a character class."""
    marks = [code for code in range(0x20000) if _is_combining_mark(chr(code))]
    ranges = []
    for _, group in itertools.groupby(enumerate(marks), key=lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        ranges.append(f"\\U{run[0]:08x}-\\U{run[-1]:08x}")
    return "".join(ranges)
