"""What a person must know before trusting a model of texts, and when an answer for one text deserves less trust."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from gridcnn.adapters.tokens import BEGIN, END

__all__ = ["cautions", "remarks"]

MANY = 0.5
"""Share of the words of a text that may be unknown without a word of it."""


def remarks(adapter: Any) -> list[str]:
    """Return what `Adapter.remarks` promises, for a fitted `TextAdapter`."""
    return [_about_tokens(adapter), _about_vocabulary(adapter), _about_length(adapter)]


def _about_tokens(adapter: Any) -> str:
    case = ", and upper and lower case are the same" if adapter.lowercase else ""
    if adapter.tokens_ == "word":
        why = ", because spaces separate the words of the training texts" if adapter.tokens == "auto" else ""
        return f"Texts are cut into words and punctuation marks{why}{case}."
    why = ", because no spaces separate words in the training texts" if adapter.tokens == "auto" else ""
    return f"Texts are cut into characters{why}{case}."


def _about_vocabulary(adapter: Any) -> str:
    n_known, unit = len({*adapter.vocabulary_} - {BEGIN, END}), adapter.tokens_
    known = f"The model knows {n_known:,} {unit if n_known == 1 else f'{unit}s'}"
    if n_known == adapter.max_vocabulary:
        known += ", the most frequent ones (the largest number that is kept)"
    elif adapter.min_count > 1:
        known += f", those that stand at least {adapter.min_count} times in the training texts"
    by_pieces = ", but for the pieces of words that they share with others" if adapter.pieces_ else ""
    return f"{known}; all others look alike to it{by_pieces}."


def _about_length(adapter: Any) -> str:
    return (
        f"Texts of more than {adapter.length_} {adapter.tokens_}s are read in overlapping windows of that length, and "
        "the answer is the mean over the windows; nothing is cut off."
    )


def cautions(tokens: Sequence[str], known: Collection[str], unit: str) -> list[str]:
    """Return what `Adapter.cautions` promises, for the tokens of a text; `unit` is a word for one of them."""
    if not tokens:
        return [f"it has no {unit}s"]
    words = [token for token in tokens if any(map(str.isalnum, token))] or tokens  # punctuation is known everywhere
    unknown = sum(token not in known for token in words)
    if unknown == len(words):
        return [f"none of its {unit}s is known to the model"]
    return [f"most of its {unit}s are unknown to the model"] if unknown > MANY * len(words) else []
