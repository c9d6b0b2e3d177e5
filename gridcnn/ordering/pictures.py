"""Hidden pictures: in a flattened picture, pixels above one another are one row width apart, and correlate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridcnn.ordering.neighbours import against, lag_means
from gridcnn.ordering.trees import Floats, Ints, shuffles

__all__ = ["Picture", "fold", "hidden_picture"]

SHUFFLES = 39
LEAST = 0.3  # atanh |r| by which a true width stands out


@dataclass(frozen=True)
class Picture:
    """A flattened picture: its size in columns, and how far its width stands out.

    Attributes
    ----------
    height, width : int
        Size; `width` counts each colour of a pixel.
    channels : int
        Colours of a pixel.
    score, null_max : float
        How far the width stands out, in units of atanh |r|, and the highest score of shuffled columns.
    z : float
        Effect score against the shuffles.
    profile : array of shape (lags,)
        Mean similarity at lags 1, 2, …
    """

    height: int
    width: int
    channels: int
    score: float
    null_max: float
    z: float
    profile: Floats


def hidden_picture(similar: Floats, columns: int, rng: np.random.Generator) -> Picture | None:
    """Find the row width of a flattened picture.

    Parameters
    ----------
    similar : array, shape (d, d)
        Similarity atanh |r| of the first d columns, constant ones included (as 0).
    columns : int
        Number of columns of the whole table, a multiple of the width.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Picture or None
        None if no width stands out by 0.3 and above all shuffles.
    """
    here = len(similar)
    widths = np.array([w for w in range(4, min(columns // 4, here // 3) + 1) if columns % w == 0])
    if columns < 36 or not len(widths):
        return None
    given = np.arange(here)[None]
    scores, profile = _scores(similar, given, widths)
    best = int(scores[0].argmax())
    score, width = float(scores[0, best]), int(widths[best])
    if score < LEAST:
        return None
    null = _scores(similar, shuffles(here, SHUFFLES, rng), widths)[0].max(axis=1)
    if score <= null.max():
        return None
    return Picture(
        columns // width,
        width,
        _channels(similar, profile[0], width),
        score,
        float(null.max()),
        against(score, null),
        profile[0],
    )


def _scores(similar: Floats, orders: Ints, widths: Ints) -> tuple[Floats, Floats]:
    """Score each width, (orders, widths): the smaller of a ridge at that lag and a break at the row ends."""
    most = int(widths.max()) + 4
    profile = lag_means(similar, orders, min(most, similar.shape[0] - 1))
    nearest = similar.ravel()[orders[:, :-1] * similar.shape[0] + orders[:, 1:]]
    scores = np.empty((len(orders), len(widths)))
    for at, width in enumerate(widths):
        aside = 1 + min(3, width // 4)
        beside = [width - aside, width + aside]
        ridge = profile[:, width - 1] - profile[:, [lag - 1 for lag in beside if 0 < lag <= profile.shape[1]]].max(
            axis=1
        )
        ends = np.arange(width - 1, nearest.shape[1], width)
        inside = (nearest.sum(axis=1) - nearest[:, ends].sum(axis=1)) / (nearest.shape[1] - len(ends))
        scores[:, at] = np.minimum(ridge, inside - nearest[:, ends].mean(axis=1))
    return scores, profile


def _channels(similar: Floats, profile: Floats, width: int) -> int:
    """Count the colours of a pixel of a channel-last picture by the lags at which similarity returns or breaks.

    If colours differ, the same colour of the next pixel is more similar than the next colour: a ridge at that lag. If
    they hardly differ, neighbours are similar within a pixel, and less so across its end.
    """
    near = np.diagonal(similar, 1)
    at = np.arange(len(near))
    for channels in (3, 4, 2):
        if width % channels or width // channels < 4 or len(profile) <= 2 * channels:
            continue
        ridge = profile[channels - 1] - max(profile[channels - 2], profile[channels])
        again = profile[2 * channels - 1] - max(profile[2 * channels - 2], profile[2 * channels])
        within = min(near[at % channels == phase].mean() for phase in range(channels - 1))
        across = near[(at % channels == channels - 1) & (at % width != width - 1)].mean()
        if (ridge > 0.05 and again > 0.02) or within - across > LEAST:
            return channels
    return 1


def fold(similar: Floats, width: int, axis: int) -> Floats:
    """Average similarity along one axis of a folded picture over the other; axis 0 is height, 1 width."""
    height = len(similar) // width
    blocks = similar[: height * width, : height * width].reshape(height, width, height, width)
    return np.ascontiguousarray(
        np.einsum("iajb,ab->ij", blocks, np.eye(width)) / width
        if axis == 0
        else np.einsum("iajb,ij->ab", blocks, np.eye(height)) / height
    )
