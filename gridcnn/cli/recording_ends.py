"""Annotated segments that lie behind the ends of their recordings, or reach over them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gridcnn.errors import DataError, ItemError, Skipped
from gridcnn.segments import are_segments
from gridcnn.stored import Stored, fetch

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset

__all__ = ["within_recordings"]

LEAST_SHARE = 0.5
"""Share of a segment that must lie in its recording."""

ROUNDED = 0.01
"""Seconds by which a segment may end too late without a word."""


def within_recordings(data: Dataset, adapter: type[Adapter] | Adapter | None = None) -> Dataset:
    """Return a data set whose segments end with their recordings at the latest.

    Those that lie mostly behind the end, or whose recording cannot be opened, are listed in `skipped`. The adapter is
    the one that suits the items, if none is given.

    Raises
    ------
    DataError
        If no segment is left.
    """
    if not are_segments(data.items):
        return data
    from gridcnn import adapters

    chosen = adapters.for_modality(data.modality) if adapter is None else adapter
    reader = chosen() if isinstance(chosen, type) else chosen
    fetch(data.items)
    lengths: dict[str | Stored, float | ItemError] = {}
    kept, items, skipped, latest, n_cut = [], [], [], 0.0, 0
    for at, item in enumerate(data.items):
        if item.path not in lengths:
            lengths[item.path] = _length(reader, item.path)
        length = lengths[item.path]
        if isinstance(length, ItemError):
            skipped.append(Skipped(str(item), length.reason))
            continue
        inside = (length - item.start) / (item.end - item.start)
        if inside < LEAST_SHARE:
            part = "ends before that" if inside <= 0 else f"holds only {length - item.start:.3g} s of that, and ends"
            skipped.append(Skipped(str(item), f"the recording {part}{',' * (inside <= 0)} after {length:.6g} s"))
            continue
        kept.append(at)
        items.append(item if inside >= 1 else replace(item, end=length))
        if (over := item.end - length) > ROUNDED:
            latest, n_cut = max(latest, over), n_cut + 1
    if not kept:
        item, reason, _ = skipped[0]
        raise DataError(f"{data.name}: none of the {len(data):,} segments can be used; the first: {item}: {reason}.")
    notes = data.notes
    if n_cut:
        these, are = ("1 segment that reaches", "is") if n_cut == 1 else (f"{n_cut:,} segments that reach", "are")
        notes += (f"{these} over the end of the recording, by up to {latest:.3g} s, {are} cut to it",)
    return replace(data.take(kept), items=items, skipped=(*data.skipped, *skipped), notes=notes)


def _length(adapter: Adapter, path: str | Stored) -> float | ItemError:
    try:
        return adapter.length_of(path)
    except ItemError as error:
        return error
