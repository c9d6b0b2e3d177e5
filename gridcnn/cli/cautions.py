"""What a person should bear in mind about answers: reasons to trust them less, counted over the items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gridcnn.cli.output import note

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter

MOST_LOOKED_AT = 50
MOST_LISTED = 5


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
    found = Counter(caution for item in looked_at for caution in adapter.cautions(item))
    for caution, count in found.most_common(MOST_LISTED):
        which = "the item" if len(looked_at) == 1 else f"{count} of the {len(looked_at)} items looked at"
        note(f"{which}: {caution}")
