"""Work on this machine alone, or by the workers of a Ray cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.model import FittedModel

__all__ = ["fit_by"]


def fit_by(workers: int | None, address: str | None) -> Callable[..., FittedModel]:
    """Return the function that trains: here, or by so many workers; refuse if what they need is missing."""
    if workers is None:
        if address is not None:
            raise ConfigurationError("--ray-address without --workers: say how many workers of the cluster to use.")
        from gridcnn.training.fit import fit

        return fit
    from gridcnn.scale.session import ray_module, require_answer

    ray_module("train")
    require_answer(address)
    from gridcnn.scale.training import fit as fit_far

    return functools.partial(fit_far, workers=workers, address=address)
