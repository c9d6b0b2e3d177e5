"""What answers in `gridcnn predict`: a trained model, or an exported one, for which torch is not imported."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridcnn.cli.models import load_model, located_model
from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.answer_rule import AnswerRule
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
    rule : AnswerRule
        How probabilities become answers.
    in_parts : callable
        Yields the answers for some hundred checked items at a time, in order.
    """

    file: Path
    adapter: Adapter
    rule: AnswerRule
    in_parts: Callable[[Iterable[Any]], Iterator[Predictions]]


def load_answering(
    model: Path, threads: int | None = None, precision: str = "float32", promises: Mapping[str, Any] | None = None
) -> Answering:
    """Load a model that `gridcnn train` saved or `gridcnn export` wrote, and compute with so many threads.

    `promises` are what its answers are to keep, the parameters of `AnswerRule.of`: refused if it cannot.
    """
    from gridcnn.export.exported_model import ExportedModel, is_exported

    model = located_model(model)
    if is_exported(model):
        if precision != "float32":
            raise ConfigurationError(
                f"{model} computes as it was exported: leave out --precision, or predict with the model that "
                "`gridcnn train` saved."
            )
        exported = ExportedModel(model, threads)
        rule = exported.rule(**promises or {})
        return Answering(model, exported.adapter, rule, functools.partial(exported.predict_in_parts, rule=rule))
    fitted = load_model(model, threads)
    from gridcnn.inference import predict_in_parts
    from gridcnn.inference.predictor import predictor
    from gridcnn.pipeline.device import choose_device

    if precision != "float32":
        predictor(fitted.network, choose_device(), precision)  # what is refused here has written nothing yet
    rule = fitted.rule(**promises or {})
    in_parts = functools.partial(predict_in_parts, fitted, precision=precision, rule=rule)
    return Answering(model, fitted.adapter, rule, in_parts)
