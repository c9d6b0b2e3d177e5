"""The answers of a model for what clients sent: an item that cannot be read has an error, the others are answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gridcnn.errors import GridcnnError, ItemError
from gridcnn.inference import predict_in_parts
from gridcnn.inference.predictor import predictor
from gridcnn.model import FittedModel
from gridcnn.pipeline.device import choose_device
from gridcnn.serve.limits import Limits
from gridcnn.serve.sent import Folder, Sent

__all__ = ["FAULT", "Answer", "Answering"]

FAULT = "the model could not answer this item"
"""What a client is told of an error that nobody foresaw; the log of the service says more."""

_log = logging.getLogger("gridcnn.serve")


class Answer(NamedTuple):
    """The answer for one item: a label and probabilities `(n_classes,)`, or an error."""

    label: str = ""
    probabilities: Sequence[float] = ()
    cautions: Sequence[str] = ()
    error: str = ""


class Answering:
    """Answers what clients sent, in one thread at a time.

    Parameters
    ----------
    model : FittedModel
        A trained model.
    limits : Limits
        What an item may have.
    precision : {"float32", "bfloat16"}
        As `predict` has it.
    """

    def __init__(self, model: FittedModel, limits: Limits, precision: str = "float32") -> None:
        self.model = model
        self._precision = precision
        self._labels = model.class_names
        self._most = limits.of_an_item
        self._folder = Folder()
        predictor(model.network, choose_device("auto"), precision)  # made now rather than for the first request

    def close(self) -> None:
        """Remove the folder of files that are being read."""
        self._folder.remove()

    def answers(self, asked: Sequence[tuple[Sent, bool]]) -> list[Answer]:
        """Answer items, each with its cautions or without them."""
        answers = [Answer()] * len(asked)
        good, items = [], []
        with self._folder.files([sent for sent, _ in asked]) as values:
            for at, value in enumerate(values):
                item, error = self._read(value)
                if error:
                    answers[at] = Answer(error=error)
                else:
                    good.append(at)
                    items.append(item)
            for at, item, answer in zip(good, items, self._predicted(items), strict=True):
                wanted = asked[at][1] and not answer.error
                answers[at] = answer._replace(cautions=self._cautions(item)) if wanted else answer
        return [
            answer._replace(error=sent.scrubbed(answer.error, value)) if answer.error else answer
            for answer, (sent, _), value in zip(answers, asked, values, strict=True)
        ]

    def explain(self, sent: Sent, function: Callable[[FittedModel, Any], Any]) -> Any:
        """Call a function with the model and one item; ItemError if that cannot be read."""
        with self._folder.files([sent]) as (value,):
            item, error = self._read(value)
            try:
                if error:
                    raise ItemError(sent.name, error)
                return function(self.model, item)
            except ItemError as why:
                raise ItemError(sent.name, sent.scrubbed(why.reason, value)) from None

    def _read(self, value: Any) -> tuple[Any, str]:
        """Return the item that was sent, or why it is none."""
        adapter = self.model.adapter
        try:
            return adapter.check_items([adapter.received(value, self._most)])[0], ""
        except ItemError as error:
            return None, error.reason
        except GridcnnError as error:
            return None, str(error)
        except (ValueError, TypeError, OverflowError) as error:
            return None, f"it cannot be read: {error}"
        except Exception as error:  # decoders raise anything on what a stranger sends
            _log.warning("an item could not be read", exc_info=error)
            return None, FAULT

    def _predicted(self, items: Sequence[Any]) -> list[Answer]:
        try:
            parts = list(predict_in_parts(self.model, items, precision=self._precision))
        except Exception as error:  # that of one item must not be that of the others
            if len(items) > 1:
                return [answer for item in items for answer in self._predicted([item])]
            _log.warning("an item could not be answered", exc_info=error)
            return [Answer(error=FAULT)]
        return [
            Answer(error=error) if error else Answer(self._labels[int(np.argmax(chances))], chances.tolist())
            for part in parts
            for error, chances in zip(part.errors, part.probabilities, strict=True)
        ]

    def _cautions(self, item: Any) -> Sequence[str]:
        try:
            return self.model.adapter.cautions(item)
        except Exception as error:  # an answer without cautions is better than none
            _log.warning("an item has no cautions", exc_info=error)
            return ()
