"""The answers of a fitted model for many items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gridcnn.answer_rule import AnswerRule
from gridcnn.errors import ItemError
from gridcnn.inference.predictor import predictor
from gridcnn.model import FittedModel, fitted_model
from gridcnn.pipeline.cache import FINGERPRINT
from gridcnn.pipeline.device import choose_device
from gridcnn.pipeline.encode import EncodedItems, encode_ahead
from gridcnn.predictions import NOT_FINITE, Predictions, name_of

__all__ = ["Predictions", "answers_of", "predict", "predict_in_parts", "raise_first"]

PART, MOST = 128, 2048
"""Smallest and largest number of items whose windows are computed together, while the next ones are decoded."""


def predict(
    model: Any,
    items: Any,
    *,
    device: str = "auto",
    precision: str = "float32",
    n_jobs: int | None = None,
    on_error: str = "skip",
    fingerprints: bool = False,
    rule: AnswerRule | None = None,
) -> Predictions:
    """Return the answers of a model.

    The probabilities of a long recording or text are the mean over its windows; if training flipped grids, also the
    mean over the flipped copies.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    items : sequence of n raw items
        As the model's adapter reads them.
    device : str
        As in `FitConfig`.
    precision : {"float32", "bfloat16"}
        bfloat16 is about twice as fast on CPUs that multiply it, and moves probabilities by some thousandths. Others
        refuse it (ConfigurationError), since it would be slower. Texts are mostly computed in float32 all the same.
    n_jobs : int or None
        Threads that decode files; None means one a core.
    on_error : {"skip", "raise"}
        Whether an item that has no answer has an error in its place, or raises `ItemError`.
    fingerprints : bool
        Whether to compute the digest of each item's content, see `FittedModel.trained_on`.
    rule : AnswerRule, optional
        How probabilities become answers, such as `model.rule(abstain=0.95, sets=0.9)`; the default is `model.rule()`.
    """
    model = fitted_model(model)
    raw = model.adapter.check_items(items)
    rule = rule or model.rule()
    parts = list(
        predict_in_parts(model, raw, device=device, precision=precision, n_jobs=n_jobs, on_error=on_error, rule=rule)
    )
    return Predictions(
        [name for part in parts for name in part.items],
        np.concatenate([part.probabilities for part in parts]) if parts else np.empty((0, len(model.classes))),
        [error for part in parts for error in part.errors],
        model.classes,
        _joined(parts) if fingerprints else None,
        rule,
    )


def predict_in_parts(
    model: FittedModel,
    items: Iterable[Any],
    *,
    device: str = "auto",
    precision: str = "float32",
    n_jobs: int | None = None,
    on_error: str = "skip",
    rule: AnswerRule | None = None,
) -> Iterator[Predictions]:
    """Yield the answers for some hundred items at a time, in order; the next items are decoded meanwhile.

    Nothing is kept of the items before, so that there may be any number of them.

    Parameters
    ----------
    items : iterable
        Items as `Adapter.check_items` returns them, which leaves paths and texts as they are; taken as they are needed.
        An `ItemError` among them stands for an item that is known to be unreadable, and is its answer.
    model, device, precision, n_jobs, on_error, rule
        As in `predict`.
    """
    rule = rule or model.rule()
    compute = predictor(model.network, choose_device(device), precision)
    part = min(max(PART, compute.batch_size), MOST)
    before = 0
    for some, encoded in encode_ahead(model.adapter, items, n_jobs=n_jobs, part=part):
        answers = answers_of(model, compute, some, encoded, before, rule)
        if on_error == "raise":
            raise_first(answers, some)
        before += len(some)
        yield answers


def answers_of(
    model: FittedModel,
    compute: Callable[[np.ndarray], np.ndarray],
    some: Sequence[Any],
    encoded: EncodedItems,
    before: int,
    rule: AnswerRule,
) -> Predictions:
    """Return the answers for some encoded items, of which `before` others came before the first one."""
    errors = {index: each.reason for index, each in zip(encoded.skipped_index, encoded.skipped, strict=True)}
    answered, first, windows = np.unique(encoded.item, return_index=True, return_counts=True)
    n_items = len(some)
    probabilities = np.full((n_items, len(model.classes)), np.nan)
    fingerprints = np.zeros((n_items, FINGERPRINT), dtype=np.uint8)
    if len(answered):
        sums = np.add.reduceat(compute(encoded.windows), first)
        probabilities[answered] = sums / windows[:, None]
        fingerprints[answered] = encoded.fingerprints
        errors |= dict.fromkeys(answered[~np.isfinite(sums).all(axis=1)].tolist(), NOT_FINITE)
        probabilities[list(errors)] = np.nan
    names = [name_of(_source(item), before + index) for index, item in enumerate(some)]
    return Predictions(
        names,
        probabilities,
        [errors.get(index, "") for index in range(n_items)],
        model.classes,
        fingerprints,
        rule,
    )


def raise_first(answers: Predictions, some: Sequence[Any]) -> None:
    """Raise the first error of some answers as `ItemError`, if there is one; `some` are their items."""
    at = next((at for at, error in enumerate(answers.errors) if error), None)
    if at is not None:
        name = f"row {answers.items[at]}" if isinstance(some[at], np.ndarray) else answers.items[at]
        raise ItemError(name, answers.errors[at])


def _source(item: Any) -> Any:
    return item.item if isinstance(item, ItemError) else item


def _joined(parts: Sequence[Predictions]) -> np.ndarray:
    digests = [part.fingerprints for part in parts if part.fingerprints is not None]
    return np.concatenate([np.empty((0, FINGERPRINT), dtype=np.uint8), *digests])
