"""Layouts of hidden pictures: by names of columns, with labels at the ends, rows cut off or rolled, and colours."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from gridcnn.ordering.layout import ABSENT, Layout
from gridcnn.ordering.similarity import Floats, Ints
from gridcnn.ordering.statistics import lag_means

__all__ = ["Pairs", "channels_of", "positions", "rows_of", "spread"]

Pairs = Callable[[Ints, Ints], Floats]
"""From the first and the second columns of some pairs, similarity atanh |r| of each pair."""

MOST = 1024  # cells whose similarity is looked at
STRONG = 0.3  # atanh |r| that shows colours by one sign alone: a ridge, or breaks between pixels
SOME = 400  # pairs that show whether there are colour planes
PLANE = 0.1  # the same, for the ridge at the lag of a colour plane


def spread(similar: Floats, cells: Ints) -> Floats:
    """Return the similarity of the first 1,024 cells, as `similar` holds it for columns; 0 for absent columns.

    Raised in proportion to the share of pairs that are present, so that means over a lag stay comparable.
    """
    column = cells.ravel()[:MOST]
    held = (column >= 0) & (column < len(similar))
    last = int(np.flatnonzero(held)[-1]) + 1
    column, held = column[:last] * held[:last], held[:last]
    pairs = held[:, None] & held
    return np.ascontiguousarray(np.where(pairs, similar[np.ix_(column, column)], 0.0) / max(0.25, held.mean() ** 2))


def positions(names: list[str] | None, columns: int) -> list[tuple[Ints, tuple[int, ...], int | None]]:
    """Return how the columns may stand in order.

    Parameters
    ----------
    names : list of str or None
        Names of the columns.
    columns : int
        Number of columns.

    Returns
    -------
    list of (cells, left_out, width)
        Columns by position, -1 where there is none; columns at the ends that do not count along; the width of a row if
        the names tell it. At first as the names tell, if they count with gaps or in two numbers; at last as they are.
    """
    plain: list[tuple[Ints, tuple[int, ...], int | None]] = [(np.arange(columns), (), None)]
    if names is None or columns < 36:
        return plain
    kinds = [re.sub(r"\d+", "#", name) for name in names]
    inner = kinds[columns // 2]
    counted = [at for at, kind in enumerate(kinds) if kind == inner]
    left_out = tuple(at for at, kind in enumerate(kinds) if kind != inner)
    if len(left_out) > 2 or any(2 <= at < columns - 2 for at in left_out):
        return plain
    numbers = np.array([[int(n) for n in re.findall(r"\d{1,6}", names[at])] for at in counted]).reshape(
        len(counted), -1
    )
    numbers = numbers[:, np.ptp(numbers, axis=0) > 0]
    size = numbers.max(axis=0) - np.minimum(numbers.min(axis=0), 1) + 1  # counted from 0 or 1
    if len(size) == 2 and min(size) >= 4 and len(counted) <= size.prod() <= 2 * len(counted):
        numbers, width = (numbers - np.minimum(numbers.min(axis=0), 1)) @ np.array([size[1], 1]), int(size[1])
    elif len(size) == 1 and size[0] <= 2 * len(counted):
        numbers, width = numbers[:, 0] - min(numbers.min(), 1), None
    else:
        return plain
    cells = np.full(numbers.max() + 1 if width is None else size.prod(), ABSENT)
    if len(cells) > 2 * columns or len(np.unique(numbers)) < len(numbers):
        return plain
    cells[numbers] = counted
    return [*([] if np.array_equal(cells, plain[0][0]) else [(cells, left_out, width)]), *plain]


def rows_of(similar: Floats, cells: Ints, left_out: tuple[int, ...], width: int, lead: int) -> Layout:
    """Cut cells into rows, the first of which starts after `lead` cells.

    Up to two cells before the first row or after the last are left out, unless they resemble those below or above. If
    more are left over at both ends and together make a row, they are its two parts, rolled over the ends, if the first
    resemble what is then above them. Else the first and the last row are filled up with absent cells.
    """
    total, level = len(cells), float(np.diagonal(similar, width).mean())
    tail = (total - lead) % width

    def alike(first: Ints, second: Ints) -> float:
        seen = (np.maximum(first, second) < len(similar)) & (np.minimum(first, second) >= 0)
        return float(similar[first[seen], second[seen]].mean()) if seen.any() else 0.0

    front, back = np.arange(lead), np.arange(total - tail, total)
    if 0 < lead == width - tail and alike(front, front + total - width) >= alike(front, front + width) / 2:
        grid = np.roll(np.arange(total), -lead).reshape(-1, width)
        links = [alike(row, below) for row, below in zip(grid, np.roll(grid, -1, axis=0), strict=True)]
        top = int(np.argmin(links[::-1]))  # the weakest link is where the last row meets the first
        return Layout(("height", "width"), cells[np.roll(grid, top, axis=0)], left_out)
    trimmed = []
    for part, beside in ((front, front + width), (back, back - width)):
        constant = bool(len(part)) and part[-1] < len(similar) and not similar[part].any() and (cells[part] >= 0).any()
        if 0 < len(part) <= 2 and not constant and alike(part, beside) < level / 2:
            trimmed += [int(at) for at in part]
    kept = np.delete(cells, trimmed)
    lead -= sum(at < lead for at in trimmed)
    kept = np.concatenate([np.full(-lead % width, ABSENT), kept])
    kept = np.concatenate([kept, np.full(-len(kept) % width, ABSENT)])
    left_out = tuple(sorted({*left_out, *(int(cells[at]) for at in trimmed)} - {ABSENT}))
    return Layout(("height", "width"), kept.reshape(-1, width), left_out)


def channels_of(similar: Floats, layout: Layout, pairs: Pairs | None) -> Layout:
    """Find the colours of a picture: in each pixel, one after another, or plane after plane."""
    whole, width = spread(similar, layout.cells), layout.cells.shape[1]
    axes = ("height", "width", "channels")
    planes = _planes(similar, layout.cells, pairs)
    if planes > 1:
        cells = layout.cells.reshape(planes, -1, width)
        return Layout(axes, np.ascontiguousarray(np.moveaxis(cells, 0, -1)), layout.left_out)
    colours = _colours(whole, width)
    if colours > 1:
        return Layout(axes, layout.cells.reshape(-1, width // colours, colours), layout.left_out)
    return layout


def _planes(similar: Floats, cells: Ints, pairs: Pairs | None) -> int:
    """Count the colour planes of a picture: similarity peaks at the lag of one plane."""
    height, width = cells.shape
    limit = len(similar) if pairs is None else cells.size
    for planes in (4, 3, 2):
        lag, near = height // planes * width, []
        if height % planes or height // planes < 4:
            continue
        for aside in (-width, -1, 0, 1, width):
            both = np.stack([cells.ravel()[: -lag - width], cells.ravel()[lag + aside :][: cells.size - lag - width]])
            first, second = both[:, ((both >= 0) & (both < limit)).all(axis=0)]
            some = np.linspace(0, len(first) - 1, min(len(first), SOME), dtype=np.intp)
            at = first[some], second[some]
            near.append(float((similar[at] if pairs is None else pairs(*at)).mean()) if len(some) else 0.0)
        if near.pop(2) - max(near) > PLANE:
            return planes
    return 1


def _colours(similar: Floats, width: int) -> int:
    """Count the colours of a pixel by the lags at which similarity returns or breaks.

    If colours differ, the same colour of the next pixel is more similar than the next colour: a ridge at that lag. If
    they hardly differ, neighbours are similar within a pixel, and less so across its end.
    """
    profile = lag_means(similar, np.arange(len(similar))[None], 9)[0]
    near = np.diagonal(similar, 1)
    at = np.arange(len(near))
    for channels in (3, 4, 2):
        if width % channels or width // channels < 4:
            continue
        ridge = profile[channels - 1] - max(profile[channels - 2], profile[channels])
        again = profile[2 * channels - 1] - max(profile[2 * channels - 2], profile[2 * channels])
        within = min(near[at % channels == phase].mean() for phase in range(channels - 1))
        across = near[(at % channels == channels - 1) & (at % width != width - 1)].mean()
        if (ridge > 0.05 and again > 0.02) or max(ridge, within - across) > STRONG:
            return channels
    return 1
