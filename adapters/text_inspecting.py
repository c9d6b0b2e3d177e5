"""How an audit looks at texts: what stays without case, punctuation and white space, how long they are, empty ones."""

from __future__ import annotations

import unicodedata
from typing import Any

from gridcnn.adapters.inspecting import Inspection, Inspector, digest
from gridcnn.adapters.tokens import normalised
from gridcnn.errors import ItemError

__all__ = ["TextInspector"]


class TextInspector(Inspector):
    """Inspects texts."""

    def inspect(self, item: Any) -> Inspection:
        """Describe one text; raise ItemError if it is none."""
        if not isinstance(item, str):
            raise ItemError(item, f"expected a text (str), got {type(item).__name__}")
        letters = _letters(item)
        return Inspection(
            digest(item.encode("utf-8", "surrogatepass")),
            key=letters.encode("utf-8", "surrogatepass"),
            stored={"characters": float(len(item)), "words": float(len(item.split()))},
            flaws=() if letters else ("without a letter or digit",),
        )


def _letters(text: str) -> str:
    """Return the letters, digits and marks of a text in one form, whatever their case, with nothing between them."""
    folded = normalised(normalised(text, "NFKC").casefold(), "NFKC")
    return "".join(each for each in folded if unicodedata.category(each)[0] in "LNM")
