"""How a network reached its answer for one item: every step as numbers, similarities, contributions, attribution.

Blocks, kernels and windows are counted from 1, as the pictures name them; arrays and their cells are indexed from 0.
"""

from gridcnn.explain.attribution import METHODS, attribute, grad_cam
from gridcnn.explain.contribution import Contribution, Contributions, contributions
from gridcnn.explain.patches import Patch, patch_under, top_patches
from gridcnn.explain.receptive_field import ReceptiveField
from gridcnn.explain.similarity import cosine_similarity_map, pool_map, random_kernel
from gridcnn.explain.steps import Step
from gridcnn.explain.tracing import Trace, trace
from gridcnn.grid import Coordinates

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
    "contributions",
    "cosine_similarity_map",
    "grad_cam",
    "patch_under",
    "pool_map",
    "random_kernel",
    "top_patches",
    "trace",
]
