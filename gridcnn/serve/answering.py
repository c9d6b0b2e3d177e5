"""The answers of a model for what clients sent: an item that cannot be read has an error, the others are answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gridcnn.adapters.received import Allowance
from gridcnn.answer_rule import AnswerRule
from gridcnn.errors import GridcnnError, ItemError
from gridcnn.inference import predict_in_parts
from gridcnn.inference.predictor import predictor
from gridcnn.model import FittedModel
from gridcnn.pipeline.device import choose_device
from gridcnn.serve.limits import Limits
from gridcnn.serve.sent import Folder, Sent

__all__ = ["FAULT", "Answer", "Answering", "Asked"]

FAULT = "the model could not answer this item"
"""What a client is told of an error that nobody foresaw; the log of the service says more."""

TURN = 0.2
"""Pixels or seconds in a turn, as a share of those that one item may have; the item that exceeds it is the last."""

LOOKED_AT = 0.5
"""Share of what one item may have beyond which it is not decoded once more for its cautions."""

TOO_LARGE = "it is so large that nothing was looked for that makes an answer deserve less trust"

_log = logging.getLogger("gridcnn.serve")


class Answer(NamedTuple):
    """The answer for one item: a label and probabilities `(n_classes,)`, or an error.

    The label of an item that is most like the background is None; of a model with several labels it is a list. `held`
    is the set of classes, if sets are wanted.
    """

    label: str | list[str] | None = ""
    probabilities: Sequence[float] = ()
    cautions: Sequence[str] = ()
    error: str = ""
    held: Sequence[str] | None = None


class Asked(NamedTuple):
    """An item, whether its cautions are wanted, what the items of its request may have, and how they are answered."""

    sent: Sent
    cautions: bool
    allowance: Allowance
    rule: AnswerRule


class _Read(NamedTuple):
    """An item as the adapter reads it, or an error; and its size as a share of the largest that an item may have."""

    asked: Asked
    value: Any
    item: Any
    error: str
    share: float


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
        self._limits = limits
        self._folder = Folder()
        predictor(model.network, choose_device("auto"), precision)  # made now rather than for the first request

    def close(self) -> None:
        """Remove the folder of files that are being read."""
        self._folder.remove()

    def answers(self, asked: Sequence[Asked]) -> list[Answer]:
        """Answer as many of the items, from the first on, as a turn has time for: all, unless some are large."""
        read: list[_Read] = []
        with self._folder.files() as value_of:
            for each in asked:
                spent = each.allowance.spent
                value = value_of(each.sent)
                item, error = self._read(each.sent, value, each.allowance)
                read.append(_Read(each, value, item, error, each.allowance.spent - spent))
                if sum(other.share for other in read) >= TURN:
                    break
            predicted = iter(self._predicted([each.item for each in read if not each.error]))
            return [self._answer(each, Answer(error=each.error) if each.error else next(predicted)) for each in read]

    def _answer(self, read: _Read, answer: Answer) -> Answer:
        if answer.error:
            return answer._replace(error=read.asked.sent.scrubbed(answer.error, read.value))
        answer = _ruled(answer, read.asked.rule)
        if not read.asked.cautions:
            return answer
        large = read.share > LOOKED_AT
        return answer._replace(cautions=[TOO_LARGE] if large else self._cautions(read.item))

    def explain(self, sent: Sent, function: Callable[[FittedModel, Any], Any]) -> Any:
        """Call a function with the model and one item; ItemError if that cannot be read."""
        with self._folder.files() as value_of:
            value = value_of(sent)
            item, error = self._read(sent, value, self._limits.allowance())
            try:
                if error:
                    raise ItemError(sent.name, error)
                return function(self.model, item)
            except ItemError as why:
                raise ItemError(sent.name, sent.scrubbed(why.reason, value)) from None

    def _read(self, sent: Sent, value: Any, allowance: Allowance) -> tuple[Any, str]:
        """Return the item that was sent, or why it is none."""
        if sent.error:
            return None, sent.error
        adapter = self.model.adapter
        try:
            return adapter.check_items([adapter.received(value, allowance)])[0], ""
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
            Answer(error=error) if error else Answer(probabilities=chances.tolist())
            for part in parts
            for error, chances in zip(part.errors, part.probabilities, strict=True)
        ]

    def _cautions(self, item: Any) -> Sequence[str]:
        try:
            return self.model.adapter.cautions(item)
        except Exception as error:  # an answer without cautions is better than none
            _log.warning("an item has no cautions", exc_info=error)
            return ()


def _ruled(answer: Answer, rule: AnswerRule) -> Answer:
    """Return an answer with the label and the set that its probabilities have by a rule."""
    probabilities = np.array([answer.probabilities])
    (label,), sets = rule.labels(probabilities), rule.sets(probabilities)
    if rule.several:
        return answer._replace(label=[str(each) for each in label])
    return answer._replace(
        label=None if label is None else str(label), held=None if sets is None else [str(each) for each in sets[0]]
    )
