"""Whether all nodes of a cluster see the files that this machine sees."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridcnn.errors import ConfigurationError
from gridcnn.scale.session import ray_module
from gridcnn.segments import Segment
from gridcnn.stored import Stored

__all__ = ["file_among", "require_shared", "require_shared_run", "whole_names"]

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


def require_shared_run(folder: Path, file: Path | None) -> None:
    """Refuse machines that do not see a new file in the folder, or a file of the items."""
    token = folder / f".seen-{secrets.token_hex(8)}"
    token.write_bytes(b"?")
    try:
        require_shared([token, *([file] if file is not None and file.is_file() else [])])
    finally:
        token.unlink(missing_ok=True)


def whole_names(items: Any) -> Any:
    """Return items, if they are a sequence, with files named from the root: workers have other working directories."""
    if not isinstance(items, Sequence):
        return items

    def whole(item: Any) -> Any:
        if isinstance(item, Segment):
            return replace(item, path=whole(item.path))
        if isinstance(item, Stored):
            return item.whole()
        return os.path.abspath(item) if isinstance(item, str | Path) else item  # noqa: PTH100

    return [whole(item) for item in items]


def file_among(items: Any) -> Path | None:
    """Return the first file of this machine among the items, or the shard that holds the first one."""
    paths = (each.path if isinstance(each, Segment) else each for each in items)
    paths = (each.home() if isinstance(each, Stored) else each for each in paths)
    return next((Path(each) for each in paths if isinstance(each, str | Path)), None)
