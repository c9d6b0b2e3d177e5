"""The flip test: whether a mirror image still belongs to its class. It does for a cat, but not for most letters.

A simple classifier, linear discriminants of edges, learns half of the pictures and predicts the other half, as they are
and flipped. If it is right about the pictures more often than about their mirror images, by more than chance, the
classes have a left and a right, and flips must not be used as augmentation.

Pictures of one thing in a row, taken moments apart, look alike upright and not mirrored, which fools this test where
they fall into both halves. So what is lost is looked at again with halves that keep pictures together that are alike.

References
----------
Dalal and Triggs 2005, "Histograms of oriented gradients for human detection", for edges counted by direction and
region; McNemar 1947, "Note on the sampling error of the difference between correlated proportions", for the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from gridcnn.grid import GridSpec
from gridcnn.network.augment import flipped_copies

__all__ = ["FlipTest", "flip_test"]

SAMPLE = 2_000
"""Largest number of pictures that are tested."""

FEWEST = 50
"""The test needs this many pictures."""

FEWEST_OF_CLASS = 4
"""A class with fewer pictures is left out."""

REGIONS = 8
"""Regions of a picture along each axis."""

COMPONENTS = 64
"""Largest number of principal components that the discriminants use."""

CHANCE = 4.0
"""Standard errors that chance may reach; in 20 draws of photographs (CIFAR-10) z lay between -2.6 and 2.4."""


CHANCE_APART = 1.6
"""The same of clusters of alike pictures, which are looked at in addition.

Bursts of 5 to 30 altered copies of photographs (CIFAR-10, 2 or 10 classes), which had z up to 32, lay between -1.7 and
1.2; coloured digits, 100 to 2,000, between 2.0 and 4.2.
"""

FEWEST_CLUSTERS, CLUSTERS = 4, 16
"""Clusters of each class, and of all classes together, at least. With many, bursts are torn apart."""


class FlipTest(NamedTuple):
    """Accuracy on pictures as they are and flipped, in [0, 1], and the difference in standard errors.

    `z_apart` is that between clusters of alike pictures, each of which is in one half; it is only looked at if
    `z` is beyond chance.
    """

    upright: float
    flipped: float
    z: float
    z_apart: float | None = None

    def __str__(self) -> str:
        return (
            f"a simple classifier is right about {self.upright:.0%} of the pictures and {self.flipped:.0%} of their "
            f"mirror images ({self.z:.1f} standard errors)"
        )

    @property
    def keeps_classes(self) -> bool:
        """Whether mirror images are recognised as often as pictures, up to chance, or up to alike pictures."""
        return self.z <= CHANCE or (self.z_apart is not None and self.z_apart <= CHANCE_APART)


def flip_test(
    windows: np.ndarray, target: np.ndarray, frontend: nn.Module, spec: GridSpec, axis: str
) -> FlipTest | None:
    """Test whether flipping along an axis keeps the classes of pictures.

    Parameters
    ----------
    windows : ndarray of shape (n, *encoded_shape)
        Encoded pictures; at most 2,000 of them are tested, always the same ones.
    target : ndarray of shape (n,)
        Class index of each.
    frontend : Module
        Maps them to grids of two axes.
    spec : GridSpec
        The grids.
    axis : str
        Axis to flip.

    Returns
    -------
    FlipTest or None
        None if the test is not possible: it needs at least 50 pictures of at least two classes that are not all alike.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(target))[:SAMPLE])
    rows = rows[np.bincount(target[rows])[target[rows]] >= FEWEST_OF_CLASS]
    target = target[rows]
    if len(rows) < FEWEST or len(np.unique(target)) < 2:
        return None
    with torch.inference_mode():
        pictures, flipped = flipped_copies(frontend(torch.from_numpy(windows[rows])), spec, [axis])
        edges, flipped_edges = _edges(pictures), _edges(flipped)
    if not np.ptp(edges, axis=0).any():
        return None
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # noqa: PLC0415  (only flips need them)

    halves = StratifiedKFold(2, shuffle=True, random_state=0).split(edges, target)
    upright, mirrored = _right(edges, flipped_edges, target, halves)
    difference = upright.astype(int) - mirrored
    test = FlipTest(float(upright.mean()), float(mirrored.mean()), _standard_errors(difference))
    if test.keeps_classes:
        return test
    alike = _clusters(edges + flipped_edges, target)  # the same for a picture and for its mirror image
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=0).split(edges, target, alike)
    upright, mirrored = _right(edges, flipped_edges, target, halves)
    by_cluster = np.bincount(alike, upright.astype(float) - mirrored)  # pictures of a burst are right or wrong together
    return test._replace(z_apart=_standard_errors(by_cluster))


def _standard_errors(differences: np.ndarray) -> float:
    """Return how far the sum of independent differences lies from 0, in standard errors."""
    return float(differences.sum() / math.sqrt(max(np.square(differences).sum(), 1)))


def _right(
    edges: np.ndarray, flipped_edges: np.ndarray, target: np.ndarray, halves: Iterable[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Learn each half; return whether the other one is predicted rightly as it is and flipped, `(2, n)`."""
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415

    right = np.zeros((2, len(target)), dtype=bool)
    for learned, answered in halves:
        components = min(COMPONENTS, edges.shape[1], len(learned))
        classifier = make_pipeline(
            PCA(components, random_state=0), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        )
        classifier.fit(edges[learned], target[learned])
        for hits, features in zip(right, (edges, flipped_edges), strict=True):
            hits[answered] = classifier.predict(features[answered]) == target[answered]
    return right


def _clusters(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the number of its cluster for each picture; all of a cluster are of one class, and alike."""
    from scipy.cluster.hierarchy import fcluster, linkage  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415

    places = PCA(min(COMPONENTS, *features.shape), random_state=0).fit_transform(features)
    kinds, cluster = np.unique(target), np.zeros(len(target), dtype=int)
    most = max(FEWEST_CLUSTERS, CLUSTERS // len(kinds))
    for kind in kinds:
        members = np.flatnonzero(target == kind)
        found = fcluster(linkage(places[members], "ward"), most, "maxclust")
        cluster[members] = most * kind + found - 1
    return cluster


def _edges(pictures: Tensor) -> np.ndarray:
    """Return how strongly each region of a picture rises across, along, and towards either corner, `(n, features)`."""
    grey = F.pad(pictures.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    along = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    both = across * along  # above 0 where it rises towards one pair of corners, below 0 towards the other
    kinds = torch.cat([across.abs(), along.abs(), both.clamp(min=0).sqrt(), (-both).clamp(min=0).sqrt()], dim=1)
    height, width = (min(REGIONS, size) for size in pictures.shape[2:])
    return F.adaptive_avg_pool2d(kinds, (height, width)).flatten(1).numpy()
