"""What answers in `gridcnn predict`: a trained model, or an exported one, for which torch is not imported."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.models import load_model, located_model
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np

    from gridcnn.adapters import Adapter
    from gridcnn.predictions import Predictions

__all__ = ["Answering", "load_answering"]


@dataclass(frozen=True)
class Answering:
    """A loaded model.

    Parameters
    ----------
    file : Path
        Its file.
    adapter : Adapter
        Reads the items.
    classes : ndarray of shape (n_classes,)
        The labels.
    in_parts : callable
        Yields the answers for some hundred checked items at a time, in order.
    """

    file: Path
    adapter: Adapter
    classes: np.ndarray
    in_parts: Callable[[Iterable[Any]], Iterator[Predictions]]


def load_answering(model: Path, threads: int | None = None, precision: str = "float32") -> Answering:
    """Load a model that `gridcnn train` saved or `gridcnn export` wrote, and compute with so many threads."""
    from gridcnn.export.exported_model import ExportedModel, is_exported

    model = located_model(model)
    if is_exported(model):
        if precision != "float32":
            raise ConfigurationError(
                f"{model} computes as it was exported: leave out --precision, or predict with the model that "
                "`gridcnn train` saved."
            )
        exported = ExportedModel(model, threads)
        return Answering(model, exported.adapter, exported.classes, exported.predict_in_parts)
    fitted = load_model(model, threads)
    from gridcnn.inference import predict_in_parts
    from gridcnn.inference.predictor import predictor
    from gridcnn.pipeline.device import choose_device

    if precision != "float32":
        predictor(fitted.network, choose_device(), precision)  # what is refused here has written nothing yet
    in_parts = functools.partial(predict_in_parts, fitted, precision=precision)
    return Answering(model, fitted.adapter, fitted.classes, in_parts)
