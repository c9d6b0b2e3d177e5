"""The parameters in the address of a request.

FastAPI could read them, in a quarter of the time that a small request takes.
"""

from __future__ import annotations

from fastapi import Request

from gridcnn.answer_rule import AnswerRule
from gridcnn.errors import ConfigurationError
from gridcnn.model import FittedModel
from gridcnn.serve.limits import RefusedError

__all__ = ["flag", "rule_of"]


def flag(request: Request, name: str, *, default: bool) -> bool:
    """Return a parameter that is true or false; RefusedError if it is something else."""
    given = request.query_params.get(name, str(default)).lower()
    if given not in ("true", "false", "1", "0"):
        raise RefusedError(422, f"{name} is true or false, got {given[:20]!r}")
    return given in ("true", "1")


def rule_of(request: Request, model: FittedModel) -> AnswerRule:
    """Return how the items of a request are answered; RefusedError if its model cannot promise that."""
    try:
        return model.rule(
            abstain=_share(request, "abstain"),
            sets=_share(request, "sets"),
            by_class=flag(request, "by_class", default=False),
        )
    except ConfigurationError as error:
        raise RefusedError(422, str(error)) from None


def _share(request: Request, name: str) -> float | None:
    given = request.query_params.get(name)
    try:
        return None if given is None else float(given)
    except ValueError:
        raise RefusedError(422, f"{name} is a share in (0, 1), such as 0.95; got {given and given[:20]!r}") from None
