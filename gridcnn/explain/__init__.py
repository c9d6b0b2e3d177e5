"""What a network did to one item: every step as numbers, matches, votes, and where it looked.

Blocks, kernels and windows are counted from 1, as the pictures name them; arrays and their cells are indexed from 0.
"""

from gridcnn.explain.attributing import METHODS, attribute, grad_cam
from gridcnn.explain.coordinates import Coordinates
from gridcnn.explain.looking import Patch, class_patch, patch_under, strongest_patch, top_patches
from gridcnn.explain.matching import match_map, pool_map, random_kernel
from gridcnn.explain.receptive import Reach
from gridcnn.explain.tracing import Step, Trace, trace
from gridcnn.explain.voting import Vote, Votes, votes

__all__ = [
    "METHODS",
    "Coordinates",
    "Patch",
    "Reach",
    "Step",
    "Trace",
    "Vote",
    "Votes",
    "attribute",
    "class_patch",
    "grad_cam",
    "match_map",
    "patch_under",
    "pool_map",
    "random_kernel",
    "strongest_patch",
    "top_patches",
    "trace",
    "votes",
]
