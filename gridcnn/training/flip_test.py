"""Whether a mirror image still belongs to its class: true of a cat, not of a letter, nor of a sign that says "left".

A simple classifier, linear discriminants of edges, learns half of the pictures and answers for the other half, as they
are and mirrored. Where it is right about the pictures more often than about their mirror images, by more than chance,
the classes have a left and a right.

Source: Dalal and Triggs 2005, "Histograms of oriented gradients for human detection", for edges counted by direction
and region; McNemar 1947, "Note on the sampling error of the difference between correlated proportions", for the score.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from gridcnn.grid import GridSpec
from gridcnn.network.augment import flipped_copies

__all__ = ["FlipTest", "flip_test"]

SAMPLE = 2_000
"""Pictures that are looked at, at most."""

FEWEST = 50
"""Pictures below which nothing can be said."""

FEWEST_OF_CLASS = 4
"""Pictures of a class below which it is left out."""

REGIONS = 8
"""Regions of a picture along each axis."""

COMPONENTS = 64
"""Principal components of the edges that the discriminants are made of, at most."""

CHANCE = 4.0
"""Standard errors that chance may reach; over 20 draws from photographs (CIFAR-10) it reached from -2.6 to 2.4."""


class FlipTest(NamedTuple):
    """Shares of right answers for pictures and for their mirror images; their difference in standard errors."""

    upright: float
    mirrored: float
    z: float

    def __str__(self) -> str:
        return (
            f"a simple classifier is right about {self.upright:.0%} of the pictures and {self.flip_axes:.0%} of their "
            f"mirror images ({self.z:.1f} standard errors)"
        )

    @property
    def keeps_classes(self) -> bool:
        """Whether mirror images are recognised as often as pictures, as far as can be told."""
        return self.z <= CHANCE


def flip_test(
    windows: np.ndarray, target: np.ndarray, frontend: nn.Module, spec: GridSpec, axis: str
) -> FlipTest | None:
    """Test whether mirroring along an axis keeps the classes of pictures.

    Parameters
    ----------
    windows : ndarray of shape (n, *encoded_shape)
        Encoded pictures; a random 2,000 of them are looked at, always the same ones.
    target : ndarray of shape (n,)
        Class index of each.
    frontend : Module
        Turns them into grids, two axes each.
    spec : GridSpec
        The grids.
    axis : str
        Axis to mirror.

    Returns
    -------
    FlipTest or None
        None where it cannot tell: of fewer than 50 pictures, fewer than two classes, or pictures that are all alike.
    """
    from sklearn.decomposition import PCA  # noqa: PLC0415  (only pictures that may be mirrored need them)
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: PLC0415
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415

    rows = np.sort(np.random.default_rng(0).permutation(len(target))[:SAMPLE])
    rows = rows[np.bincount(target[rows])[target[rows]] >= FEWEST_OF_CLASS]
    target = target[rows]
    if len(rows) < FEWEST or len(np.unique(target)) < 2:
        return None
    with torch.inference_mode():
        pictures, mirrored = flipped_copies(frontend(torch.from_numpy(windows[rows])), spec, [axis])
        edges, mirrored_edges = _edges(pictures), _edges(mirrored)
    if not np.ptp(edges, axis=0).any():
        return None
    right = np.zeros((2, len(target)), dtype=bool)
    for learned, answered in StratifiedKFold(2, shuffle=True, random_state=0).split(edges, target):
        components = min(COMPONENTS, edges.shape[1], len(learned))
        classifier = make_pipeline(
            PCA(components, random_state=0), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        )
        classifier.fit(edges[learned], target[learned])
        for view, features in zip(right, (edges, mirrored_edges), strict=True):
            view[answered] = classifier.predict(features[answered]) == target[answered]
    upright_only, mirrored_only = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    z = (upright_only - mirrored_only) / math.sqrt(max(upright_only + mirrored_only, 1))
    return FlipTest(float(right[0].mean()), float(right[1].mean()), float(z))


def _edges(pictures: Tensor) -> np.ndarray:
    """Return how much of each picture's regions rises across, along, and towards either corner, `(n, features)`."""
    grey = F.pad(pictures.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    along = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    both = across * along  # above 0 where it rises towards one pair of corners, below 0 towards the other
    kinds = torch.cat([across.abs(), along.abs(), both.clamp(min=0).sqrt(), (-both).clamp(min=0).sqrt()], dim=1)
    height, width = (min(REGIONS, size) for size in pictures.shape[2:])
    return F.adaptive_avg_pool2d(kinds, (height, width)).flatten(1).numpy()
