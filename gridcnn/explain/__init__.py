"""What a network did to one item: every step as numbers, matches, votes, and where it looked.

Blocks, kernels and windows are counted from 1, as the pictures name them; arrays and their cells are indexed from 0.
"""

from gridcnn.explain.attribution import METHODS, attribute, grad_cam
from gridcnn.explain.contribution import Contribution, Contributions, votes
from gridcnn.explain.coordinates import Coordinates
from gridcnn.explain.patches import Patch, class_patch, patch_under, strongest_patch, top_patches
from gridcnn.explain.receptive_field import ReceptiveField
from gridcnn.explain.similarity import cosine_similarity_map, pool_map, random_kernel
from gridcnn.explain.tracing import Step, Trace, trace

__all__ = [
    "METHODS",
    "Contribution",
    "Contributions",
    "Coordinates",
    "Patch",
    "ReceptiveField",
    "Step",
    "Trace",
    "attribute",
    "class_patch",
    "cosine_similarity_map",
    "grad_cam",
    "patch_under",
    "pool_map",
    "random_kernel",
    "strongest_patch",
    "top_patches",
    "trace",
    "votes",
]
