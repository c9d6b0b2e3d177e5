"""How files that are items of a model are tried, whatever they hold: a small network is trained, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def trained(adapter: Any, items: Sequence[Any], path: Path) -> Path:
    """Train a small network on items of two classes by turns, and save it."""
    import gridcnn  # noqa: PLC0415  (torch: not needed to make the corpus)
    from gridcnn.bundle import save  # noqa: PLC0415

    quick = {"epochs": 1, "kernels": (4,), "dense": (), "cache": False, "random_state": 0, "device": "cpu"}
    save(gridcnn.fit(adapter, items, ["a", "b"] * (len(items) // 2), quick), path)
    return path


def load(path: Path) -> Any:
    """Load the model."""
    import torch  # noqa: PLC0415

    import gridcnn  # noqa: PLC0415

    torch.set_num_threads(1)
    return gridcnn.load(path)


def attempt(model: Any, path: Path) -> None:
    """Answer as `predict` does, with cautions."""
    import gridcnn  # noqa: PLC0415
    from gridcnn.errors import ItemError  # noqa: PLC0415

    answer = gridcnn.predict(model, [path])
    if answer.errors[0]:
        raise ItemError(path.name, answer.errors[0])
    if not np.isfinite(answer.probabilities).all():
        raise ArithmeticError(f"probabilities {answer.probabilities}")
    model.adapter.cautions(path)
