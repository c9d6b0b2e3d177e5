"""What is counted in training texts, all of them or a share: what several processes count adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from gridcnn.adapters.tokens import Spacing, cut, spacing_of
from gridcnn.adapters.vocabulary import FIRST_WORD, LARGEST_RUN_VOCABULARY, RAREST_RUN, RUN_SIZES, UNKNOWN, runs_in

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Ask", "TextSurvey", "added", "alone", "common_runs"]

Ask = Callable[..., list[Any]]
"""Called with the name of a method of a survey, and what that takes: returns the answers, one of each share."""


class TextSurvey:
    """Counts in a share of the training texts.

    Parameters
    ----------
    items : sequence
        Raw items; those that are no str are passed over.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        self.texts = [item for item in items if isinstance(item, str)]
        self.sentences: list[list[str]] = []

    def spacing(self) -> Spacing:
        """Return what tells whether spaces separate words."""
        return spacing_of(self.texts)

    def tokens(self, kind: str, lowercase: bool, with_marks: bool) -> tuple[Counter[str], Counter[int]]:
        """Cut the texts into tokens; return how often each token stands there, and how many texts have each length."""
        self.sentences = [cut(text, kind, lowercase=lowercase, with_marks=with_marks) for text in self.texts]
        counts = Counter(token for sentence in self.sentences for token in sentence)
        return counts, Counter(map(len, self.sentences))

    def runs(self, kind: str, size: int, common: Set[str]) -> Counter[str]:
        """Return in how many texts each run of `size` tokens stands whose two shorter ones are common."""
        counts: Counter[str] = Counter()
        for sentence in self.sentences:
            counts.update(runs_in(sentence, size, kind, common))
        return counts

    def company(self, tokens: Mapping[str, int]) -> csr_array:
        """Return how often two tokens stand near each other, by their ids."""
        from gridcnn.adapters.cooccurrence import company_of  # noqa: PLC0415  (what only decodes needs none)

        ids = [np.array([tokens.get(token, UNKNOWN) for token in sentence]) for sentence in self.sentences]
        return company_of(ids, FIRST_WORD + len(tokens))


def alone(items: Sequence[Any]) -> Ask:
    """Ask one survey of all items."""
    survey = TextSurvey(items)
    return lambda question, *given: [getattr(survey, question)(*given)]


def common_runs(ask: Ask, kind: str, known: Set[str]) -> list[str]:
    """Return the runs of known tokens that enough texts share, the most shared first.

    A longer run is counted only if both shorter ones in it are common, so that memory holds few rare ones.
    """
    common, found = known, Counter[str]()
    for size in RUN_SIZES[kind]:
        counts = added(ask("runs", kind, size, common))
        shared = {run: count for run, count in counts.items() if count >= RAREST_RUN}
        found.update(shared)
        common = shared.keys()
    return sorted(found, key=lambda run: (-found[run], run))[:LARGEST_RUN_VOCABULARY]


def added(counts: Sequence[Counter[Any]]) -> Counter[Any]:
    """Return the sum of counts."""
    total: Counter[Any] = Counter()
    for each in counts:
        total.update(each)
    return total
