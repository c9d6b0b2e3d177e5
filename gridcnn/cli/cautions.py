"""What a person should bear in mind about answers: reasons to trust them less, counted over the items."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gridcnn.cli.output import note
from gridcnn.segments import NAMED

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter

MOST_LOOKED_AT = 50
MOST_LISTED = 5
LONGEST_NAME = 60  # characters


class Cautions:
    """Looks at some of many items, chosen evenly as they pass, always the same ones.

    Parameters
    ----------
    adapter : Adapter
        Fitted.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._chosen: list[tuple[int, Any]] = []
        self._seen = 0
        self._random = random.Random(0)

    def see(self, item: Any) -> None:
        """Consider an item, as `Adapter.check_items` returns it (algorithm R [1]_).

        References
        ----------
        .. [1] J. S. Vitter, "Random sampling with a reservoir", ACM Transactions on Mathematical Software 11, 1985.
        """
        place = self._seen if self._seen < MOST_LOOKED_AT else int(self._random.random() * (self._seen + 1))
        if place < MOST_LOOKED_AT:
            self._chosen[place : place + 1] = [(self._seen, item)]
        self._seen += 1

    def print(self) -> None:
        """Print to standard error in what the chosen items are unlike those in training, and how many are."""
        found = Counter[str]()
        first: dict[str, Any] = {}
        for _, item in sorted(self._chosen, key=lambda chosen: chosen[0]):
            for caution in self._adapter.cautions(item):
                found[caution] += 1
                first.setdefault(caution, item)
        looked_at = len(self._chosen)
        for caution, count in found.most_common(MOST_LISTED):
            which = "the item" if looked_at == 1 else f"{count} of the {looked_at} items looked at"
            if self._adapter.reads_files and isinstance(first[caution], NAMED):
                which += f" ({_short(str(first[caution]))}{', …' if count > 1 else ''})"
            note(f"{which}: {caution}")


def print_cautions(adapter: Adapter, items: Iterable[Any]) -> None:
    """Print the cautions about at most 50 of some items, as `Adapter.check_items` returns them."""
    cautions = Cautions(adapter)
    for item in items:
        cautions.see(item)
    cautions.print()


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"…{name[-LONGEST_NAME:]}"
