"""Whether all nodes of a cluster see the files that this machine sees."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gridcnn.errors import ConfigurationError
from gridcnn.scale.session import ray_module

__all__ = ["require_shared"]

ANSWERED_WITHIN = 60.0  # seconds; a node may have to start a process first


def require_shared(places: Iterable[Path]) -> None:
    """Ask every node whether it sees some files and folders; Ray has to be connected.

    Raises
    ------
    ConfigurationError
        If a node does not see one of them, or another one of that name.
    """
    ray = ray_module()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = {str(place): _seen(str(place)) for place in places}
    if not here:
        return
    nodes = [node for node in ray.nodes() if node["Alive"]]
    look = ray.remote(num_cpus=0, max_retries=0)(_looked)
    asked = [
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(list(here))
        for node in nodes
    ]
    for node, answer in zip(nodes, asked, strict=True):
        try:
            there = ray.get(answer, timeout=ANSWERED_WITHIN)
        except ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigurationError(
                f"the node {node['NodeManagerAddress']} does not run gridcnn ({reason}): install the same version of "
                "it on all nodes."
            ) from error
        for place, seen in here.items():
            if there[place] != seen:
                what = "does not see" if there[place] is None else "sees another file under the name of"
                raise ConfigurationError(
                    f"the node {node['NodeManagerAddress']} {what} {place}: put it on a storage that all nodes share "
                    "under the same path, or into a bucket, such as s3://BUCKET/FOLDER."
                )


def _looked(places: list[str]) -> dict[str, tuple[bool, int] | None]:
    return {place: _seen(place) for place in places}


def _seen(place: str) -> tuple[bool, int] | None:
    """Return whether a path is a folder, and the size of a file; None if there is nothing."""
    try:
        is_folder = Path(place).is_dir()
        return is_folder, 0 if is_folder else os.stat(place).st_size  # noqa: PTH116
    except OSError:
        return None
