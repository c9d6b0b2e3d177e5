"""A map of items: points in a plane, near each other if the network found the same in them.

References
----------
van der Maaten and Hinton 2008, "Visualizing data using t-SNE".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.inference import embed
from gridcnn.inference.similarity import of_length_one
from gridcnn.model import FittedModel

__all__ = ["ItemMap", "make_map", "placed"]

MOST_PLACED = 2_000
"""Items that are drawn: more would take t-SNE minutes, and a page megabytes."""

FEWEST_FOR_TSNE = 30
"""Below, a few neighbours are nearly all items, and principal components say more."""

COMPONENTS = 50
"""Principal components that t-SNE reads."""

PERPLEXITY = 30.0


@dataclass(frozen=True)
class ItemMap:
    """Items in a plane.

    Parameters
    ----------
    points : ndarray of shape (n, 2), float64
        Places in [0, 1] on both axes.
    names, truth, answers : list of str
        Name, true class and answer of each item.
    classes : list of str
        The true classes that occur, in the order of the model's.
    method : {"t-SNE", "principal components"}
        How the places were found.
    n_items : int
        How many there are, of which at most `MOST_PLACED` are placed, evenly chosen.
    neighbours_alike : float
        Share of the placed items whose most similar other item is of the same class, in [0, 1].
    """

    points: np.ndarray
    names: list[str]
    truth: list[str]
    answers: list[str]
    classes: list[str]
    method: str
    n_items: int
    neighbours_alike: float


def make_map(
    model: FittedModel, items: Sequence[Any], names: Sequence[str], truth: np.ndarray, answers: np.ndarray
) -> ItemMap | None:
    """Place readable items by their feature vectors, which are divided by their lengths.

    Parameters
    ----------
    items : sequence of n raw items
        As `Adapter.check_items` returns them.
    names : sequence of str
        What a person calls them.
    truth, answers : ndarray of shape (n,), str
        Their classes, and what the model says.

    Returns
    -------
    ItemMap or None
        None if fewer than three items can be placed.
    """
    chosen = np.unique(np.linspace(0, len(items) - 1, min(len(items), MOST_PLACED)).round().astype(int))
    embedded = embed(model, [items[at] for at in chosen.tolist()])
    chosen, vectors = chosen[embedded.answers.good], of_length_one(embedded.vectors[embedded.answers.good])
    if len(chosen) < 3:
        return None
    points, method = placed(vectors)
    found = set(truth[chosen].tolist())
    return ItemMap(
        points,
        [names[at] for at in chosen.tolist()],
        truth[chosen].tolist(),
        answers[chosen].tolist(),
        [name for name in model.class_names if name in found],
        method,
        len(items),
        _neighbours_alike(vectors, truth[chosen]),
    )


def placed(vectors: np.ndarray) -> tuple[np.ndarray, str]:
    """Return places in [0, 1] for at least three vectors `(n, features)`, always the same ones, and the method."""
    from sklearn.decomposition import PCA  # noqa: PLC0415  (slow to import)
    from sklearn.manifold import TSNE  # noqa: PLC0415

    n_components = min(COMPONENTS, len(vectors) - 1, vectors.shape[1])
    exact = vectors.astype(np.float64)
    if len(np.unique(exact, axis=0)) < 3:  # nothing varies, or along one line only
        components = np.pad(exact - exact.mean(axis=0), [(0, 0), (0, 1)])[:, :2]
        return _in_frame(components), "principal components"
    components = PCA(n_components, random_state=0).fit_transform(exact)
    if len(vectors) < FEWEST_FOR_TSNE:
        if components.shape[1] < 2:
            components = np.pad(components, [(0, 0), (0, 1)])
        return _in_frame(components[:, :2]), "principal components"
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    start = "pca" if components.shape[1] > 1 else "random"
    points = TSNE(2, perplexity=perplexity, init=start, random_state=0).fit_transform(components)
    return _in_frame(points), "t-SNE"


def _in_frame(points: np.ndarray) -> np.ndarray:
    """Move and scale places into [0, 1], both axes by the same factor."""
    low, high = points.min(axis=0), points.max(axis=0)
    centred: np.ndarray = (points - (low + high) / 2) / (float((high - low).max()) or 1.0) + 0.5
    return centred.astype(np.float64)


def _neighbours_alike(vectors: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of vectors of length one whose nearest other one is of the same class."""
    alike = 0
    for start in range(0, len(vectors), 512):
        similar = vectors[start : start + 512] @ vectors.T
        similar[np.arange(len(similar)), start + np.arange(len(similar))] = -np.inf
        alike += int((truth[similar.argmax(axis=1)] == truth[start : start + 512]).sum())
    return alike / len(vectors)
