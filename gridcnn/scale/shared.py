"""Whether all machines of a cluster see the files that this one sees."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from gridcnn.errors import ConfigurationError
from gridcnn.scale.session import ray_module

__all__ = ["require_shared"]


def require_shared(folder: Path, file: Path | None = None) -> None:
    """Raise ConfigurationError if any machine of the cluster cannot read a new file in a folder, or one of the items.

    Parameters
    ----------
    folder : Path
        Exists; a file is written to it and removed again.
    file : Path, optional
        Another file that all machines have to read.
    """
    token = folder / f".seen-{secrets.token_hex(8)}"
    token.write_bytes(b"")
    try:
        wanted = {str(token): folder, **({} if file is None or not file.is_file() else {str(file): file})}
        for node, missing in _missing(list(wanted)).items():
            if missing:
                raise ConfigurationError(
                    f"the machine {node} does not see {wanted[missing[0]]}, which this one sees: put it on storage "
                    "that all machines of the cluster share, under the same name"
                )
    finally:
        token.unlink(missing_ok=True)


def _missing(files: list[str]) -> dict[str, list[str]]:
    """Return the files that each machine cannot read."""
    ray: Any = ray_module()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0)(_unreadable)
    asked = {
        node["NodeManagerAddress"]: look.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
        ).remote(files)
        for node in ray.nodes()
        if node["Alive"]
    }
    return {name: ray.get(answer) for name, answer in asked.items()}


def _unreadable(files: list[str]) -> list[str]:
    return [each for each in files if not os.access(each, os.R_OK)]
