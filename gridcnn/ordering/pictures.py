"""Hidden pictures: in a flattened picture, pixels above one another are one row width apart, and correlate.

A row width is believed if four things agree. Similarity peaks at the lag of one row (the *ridge*). It drops where a row
ends and the next begins (the *break*), more than in shuffled columns. Both axes of the folded picture are ordered,
against their shuffles and against flips of their groups: in a layout of items × statistics, items could change places.
And the end of a row is no closer to the start of the next row than to the start of its own: a series carries on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridcnn.ordering.layout import Layout
from gridcnn.ordering.orders import flips, shuffles, tree_of
from gridcnn.ordering.picture_gaps import fill_gaps
from gridcnn.ordering.picture_layouts import Pairs, channels_of, positions, rows_of, spread
from gridcnn.ordering.similarity import Floats, Ints
from gridcnn.ordering.statistics import lag_means

__all__ = ["Picture", "fold", "hidden_picture"]

SHUFFLES = 39
LEAST = 0.3  # atanh |r| by which a true width stands out
FAINT = 0.15  # enough if it is far above the shuffles
FAR = 4.0  # effect score that counts as far
AXIS_ORDERS = 399
MOST_BAR = 3.0  # effect score of each axis against its shuffles; less for fewer than eight lines, with few orders
FLIP_BARS = (1.3, 2.0)  # effect scores of the two axes against flips, the weaker first
CARRY_ON = 0.02  # atanh |r| by which the end of a row may be closer to the next row than to its own
GAPPED = 0.2  # the same before gaps are filled, which blur the lag
CLEAR = 0.9  # share of the best score that no other size of picture may reach
MOST_WITH_GAPS = 784  # columns
WIDEST_WITH_GAPS = 32
TRIES = 3  # widths that are looked at, best first


@dataclass(frozen=True)
class Picture:
    """A flattened picture: its size in columns, and how far its width stands out.

    Attributes
    ----------
    height : int or None
        Rows; None if columns are missing and their places are not clear.
    width : int
        Columns of one row; counts each colour of a pixel.
    channels : int
        Colours of a pixel.
    score, null_max : float
        How far the width stands out, in units of atanh |r|, and the highest score of shuffled columns.
    z : float
        Effect score against the shuffles.
    profile : array of shape (lags,)
        Mean similarity at lags 1, 2, …
    null : array of shape (orders,)
        Scores of shuffled columns.
    layout : Layout or None
        The column of each pixel, with axes height, width and, for colours, channels; None if `height` is None.
    """

    height: int | None
    width: int
    channels: int
    score: float
    null_max: float
    z: float
    profile: Floats
    null: Floats
    layout: Layout | None = None


def hidden_picture(
    similar: Floats, columns: int, rng: np.random.Generator, names: list[str] | None = None, pairs: Pairs | None = None
) -> Picture | None:
    """Find the picture that the columns of a table are a flattened form of.

    Pictures are found row by row or column by column, with colours side by side in each pixel or plane after plane;
    with one or two columns that are no pixels, such as a label, at either end; with rows cut off or rolled over the
    ends; and with pixels missing, by the numbers in the names of the others or, if gaps are at the ends of rows, by the
    similarity to the rows above.

    Parameters
    ----------
    similar : array, shape (d, d)
        Similarity atanh |r| of the first d columns, constant ones included (as 0).
    columns : int
        Number of columns of the whole table, at least d.
    rng : numpy.random.Generator
        Source of randomness.
    names : list of str, optional
        Names of all columns; numbers that count the pixels (`pixel7`) or their rows and columns (`px_3_4`) tell the
        place of each.
    pairs : callable, optional
        Similarity of given pairs among all columns; finds colour planes that lie beyond the first d columns.

    Returns
    -------
    Picture or None
        None unless a width of at least 4, for at least 5 rows, stands out by 0.3 and above all shuffles, or by 0.15 and
        far above them, and both axes are ordered. Where the first row is cut, 0.3 and far above are both asked for. If
        pixels are missing and sizes compete, a picture without height and layout.
    """
    for cells, left_out, width in positions(names, columns):
        found, stands_out = _search(similar, cells, left_out, width, rng, pairs)
        if stands_out:
            return found
    return _with_gaps(similar, columns, rng)


def against(value: float, null: Floats) -> float:
    """Return the effect score of a value: its distance from the null mean in null standard deviations."""
    gap = value - float(null.mean())
    return gap / max(float(null.std()), 1e-6 + 1e-3 * abs(gap))


def fold(similar: Floats, layout: Layout, axis: int) -> Floats:
    """Average similarity along one axis of a picture over all else.

    Parameters
    ----------
    similar : array, shape (d, d)
        Similarity of the first d columns of the table.
    layout : Layout
        The picture.
    axis : int
        0 is height, 1 width.

    Returns
    -------
    array, shape (size, size)
        Mean over the pairs of cells that the table holds, and 0 where there is none; as many lines of the axis as the d
        columns reach.
    """
    cells = layout.cells
    lines = np.moveaxis(cells, axis, -1).reshape(-1, cells.shape[axis])
    held = (lines >= 0) & (lines < len(similar))
    lines, held = lines[:, held.any(axis=0)], held[:, held.any(axis=0)]
    pairs = held[:, :, None] & held[:, None]
    total = np.where(pairs, similar[lines[:, :, None] * held[:, :, None], lines[:, None] * held[:, None]], 0.0).sum(
        axis=0
    )
    return np.ascontiguousarray(total / np.maximum(pairs.sum(axis=0), 1))


def _search(
    similar: Floats,
    cells: Ints,
    left_out: tuple[int, ...],
    given: int | None,
    rng: np.random.Generator,
    pairs: Pairs | None = None,
) -> tuple[Picture | None, bool]:
    """Find a picture among cells that stand in order, one row after another; `given` is its width, if known.

    Also tell whether a width stands out, be its axes ordered or not.
    """
    whole = spread(similar, cells)
    here, total = len(whole), len(cells)
    widths = np.arange(4, min(total // 4, here // 3) + 1) if given is None else np.array([given])
    if total < 36 or not len(widths) or widths[-1] > here // 3:
        return None, False
    scores, leads, profile = _scores(whole, np.arange(here)[None], widths, total, given)
    if scores.max() < FAINT:
        return None, False
    stands_out = False
    null = _scores(whole, shuffles(here, SHUFFLES, rng), widths, total, given)[0].max(axis=1)
    for kind, (least, far) in enumerate(((FAINT, LEAST), (LEAST, np.inf))):
        most = float(null[:, kind].max())
        for at in np.argsort(-scores[0, :, kind])[:TRIES]:
            score = float(scores[0, at, kind])
            z = against(score, null[:, kind])
            if score < least or score <= most or (z < FAR and score < far):
                break
            stands_out = True
            layout = rows_of(whole, cells, left_out, int(widths[at]), int(leads[0, at, kind]))
            layout = channels_of(similar, layout, pairs)
            if not _cut_within(whole, int(widths[at]), int(leads[0, at, kind])) and _both_axes(similar, layout, rng):
                height, wide = layout.cells.shape[:2]
                wide *= layout.channels
                return Picture(height, wide, layout.channels, score, most, z, profile[0], null[:, kind], layout), True
    return None, stands_out


def _with_gaps(similar: Floats, columns: int, rng: np.random.Generator) -> Picture | None:
    """Find a picture from which pixels at the ends of rows are missing, and put their places back."""
    if not 36 <= columns == len(similar) <= MOST_WITH_GAPS:
        return None
    lags = np.arange(4, min(columns // 4, WIDEST_WITH_GAPS))
    profile = lag_means(similar, np.arange(columns)[None], int(lags[-1]) + 6)[0]
    aside = 2 + np.minimum(3, lags // 4)
    ridges = profile[lags - 1] - np.maximum(
        profile[np.maximum(lags - aside, 1) - 1], profile[np.minimum(lags + aside, len(profile)) - 1]
    )
    if ridges.max() < GAPPED:
        return None
    lag, found = int(lags[ridges.argmax()]), []
    for width in range(lag, min(lag + 4, columns // 4 + 1)):
        grid = fill_gaps(similar, width, min(width // 3, 7))
        grid = grid[:, (grid >= 0).any(axis=0)]
        whole = spread(similar, grid)
        if 0 < (grid < 0).sum() < columns / 4 and 4 <= grid.shape[1] <= len(whole) // 4:
            score = _scores(whole, np.arange(len(whole))[None], np.array(grid.shape[1:]), grid.size, grid.shape[1])[0]
            found.append((float(score[0, 0, 0]) * float((grid >= 0).mean()) ** 2, grid))
    best = max((score for score, _ in found), default=0.0)
    if best < LEAST * (2 / 3):
        return None
    near = [grid for score, grid in found if score >= CLEAR * best]
    grid = next(grid for score, grid in found if score == best)
    picture = _search(similar, grid.ravel(), (), grid.shape[1], rng)[0]
    if picture is None or all(other.shape == grid.shape for other in near):
        return picture
    return replace(picture, height=None, layout=None)


def _scores(similar: Floats, orders: Ints, widths: Ints, total: int, given: int | None) -> tuple[Floats, Ints, Floats]:
    """Score each width: the smaller of a ridge at that lag and a break at the row ends.

    Returns
    -------
    scores : array, shape (orders, widths, 2)
        The best with rows that start at the first column, or beside one or two columns that are no pixels; and the best
        with rows that start anywhere.
    leads : array of int, shape (orders, widths, 2)
        How many columns precede the first whole row.
    profile : array, shape (orders, lags)
    """
    here = similar.shape[0]
    profile = lag_means(similar, orders, min(int(widths.max()) + 4, here - 1))
    near = similar.ravel()[orders[:, :-1] * here + orders[:, 1:]]
    scores = np.empty((len(orders), len(widths), 2))
    leads = np.empty(scores.shape, dtype=np.intp)
    for at, width in enumerate(widths):
        aside = 1 + min(3, width // 4)
        beside = [lag - 1 for lag in (width - aside, width + aside) if 0 < lag <= profile.shape[1]]
        ridge = profile[:, width - 1] - profile[:, beside].max(axis=1)
        breaks = _breaks(near, width)
        usual = [0] if given else [lead for lead in range(3) if (total - lead) % width <= (2, 1, 0)[lead]]
        for kind, allowed in enumerate((np.array(usual, dtype=np.intp), np.arange(0 if given else width))):
            if not len(allowed):
                scores[:, at, kind], leads[:, at, kind] = -1.0, 0
                continue
            best = breaks[:, allowed].argmax(axis=1)
            if kind:  # where border pixels are constant, any row end will do
                best[breaks[:, 0] >= 0.95 * breaks.max(axis=1)] = 0
            leads[:, at, kind] = allowed[best]
            scores[:, at, kind] = np.minimum(ridge, breaks[np.arange(len(orders)), allowed[best]])
    return scores, leads, profile


def _breaks(near: Floats, width: int) -> Floats:
    """Return how far the similarity of neighbours drops where rows end, if the first starts after 0 … width - 1."""
    pairs = near.shape[1]
    padded = np.pad(near, ((0, 0), (1, -(pairs + 1) % width)))  # a pair stands where its second column does
    ends = padded.reshape(len(near), -1, width).sum(axis=1)
    many = np.bincount(np.arange(1, pairs + 1) % width, minlength=width)
    return np.asarray((near.sum(axis=1, keepdims=True) - ends) / (pairs - many) - ends / many)


def _cut_within(similar: Floats, width: int, lead: int) -> bool:
    """Tell whether equal parts of a row are as separate as rows are: then each part is a row, or a series by itself."""
    near = np.diagonal(similar, 1)
    phase = (np.arange(len(near)) + 1 - lead) % width
    for part in range(4, width // 2 + 1):
        if width % part == 0:
            inside = near[phase % part != 0].mean()
            between = near[(phase % part == 0) & (phase != 0)].mean()
            if inside - between > 0.6 * (inside - near[phase == 0].mean()):
                return True
    return False


def _both_axes(similar: Floats, layout: Layout, rng: np.random.Generator) -> bool:
    """Tell whether both axes are ordered, and rows end where they are cut."""
    shuffled, flipped = _axes(similar, layout, rng)
    bars = [min(MOST_BAR, 0.45 + 0.35 * size) for size in layout.cells.shape[:2]]
    return (
        all(score >= bar for score, bar in zip(shuffled, bars, strict=True))
        and min(flipped) >= FLIP_BARS[0]
        and max(flipped) >= FLIP_BARS[1]
        and _carry_on(similar, layout) <= CARRY_ON
    )


def _axes(similar: Floats, layout: Layout, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """Return the effect scores of neighbours along height and width, against shuffles and against flips."""
    shuffled, flipped = [-np.inf] * 2, [-np.inf] * 2
    for axis in (0, 1):
        folded = fold(similar, layout, axis)
        folded = folded[np.ix_(folded.any(axis=0), folded.any(axis=0))]
        if len(folded) < 4:
            continue
        given = lag_means(folded, np.arange(len(folded))[None], 1)[0, 0]
        orders = (shuffles(len(folded), AXIS_ORDERS, rng), flips(tree_of(folded), AXIS_ORDERS, rng))
        for scores, each in zip((shuffled, flipped), orders, strict=True):
            scores[axis] = against(given, lag_means(folded, each, 1)[:, 0])
    return shuffled, flipped


def _carry_on(similar: Floats, layout: Layout) -> float:
    """Return how much closer the end of a row is to the start of the next than to the start of its own.

    A picture gives 0 or less. A series gives more: it carries on where its period begins anew.
    """
    near = min(3, layout.cells.shape[1] // 4)
    ends, starts = layout.cells[:-1, -near:], layout.cells[:, :near]
    gaps = []
    for end in range(near):
        for start in range(near):
            trio = np.stack([ends[:, end], starts[:-1, start], starts[1:, start]]).reshape(3, -1)
            one, own, after = trio[:, ((trio >= 0) & (trio < len(similar))).all(axis=0)]
            gaps.append(similar[one, after] - similar[one, own])
    total = np.concatenate(gaps)
    return float(total.mean()) if len(total) else np.inf
