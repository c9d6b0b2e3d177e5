"""What a person should bear in mind about answers: reasons to trust them less, counted over the items."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gridcnn.cli.output import note

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter

MOST_LOOKED_AT = 50
MOST_LISTED = 5
LONGEST_NAME = 60  # characters


def print_cautions(adapter: Adapter, items: Sequence[Any]) -> None:
    """Print to standard error in what some of the items are unlike those in training, and how many are.

    Parameters
    ----------
    adapter : Adapter
        Fitted.
    items : sequence
        As `Adapter.check_items` returns them; at most 50 are looked at. Those that cannot be read have no cautions.
    """
    from gridcnn.adapters.base import sample_of

    looked_at = sample_of(items, MOST_LOOKED_AT)
    found = Counter[str]()
    first: dict[str, Any] = {}
    for item in looked_at:
        for caution in adapter.cautions(item):
            found[caution] += 1
            first.setdefault(caution, item)
    for caution, count in found.most_common(MOST_LISTED):
        which = "the item" if len(looked_at) == 1 else f"{count} of the {len(looked_at)} items looked at"
        if adapter.reads_files and isinstance(first[caution], str | os.PathLike):
            which += f" ({_short(str(first[caution]))}{', …' if count > 1 else ''})"
        note(f"{which}: {caution}")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[-LONGEST_NAME:]}"
