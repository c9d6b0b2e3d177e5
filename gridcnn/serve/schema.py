"""What requests and answers look like, for the OpenAPI document; nothing is validated with these."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

__all__ = ["EXPLAIN", "PREDICT", "REFUSALS", "Explained", "Model", "Models", "Predicted", "Refusal"]


class Model(BaseModel):
    """A model that is served."""

    name: str
    noun: str = Field(description="What an item is called: picture, sound, sentence, row.")
    modality: str
    classes: list[str] = Field(description="The labels, in the order of the probabilities.")


class Models(BaseModel):
    """All models that are served."""

    models: list[Model]


class Result(BaseModel):
    """The answer for one item: a prediction, or an error."""

    item: str = Field(description="Name of the file, or position among the inputs, from 0.")
    prediction: str | None = Field(None, description="The most probable label.")
    probabilities: list[float] | None = Field(None, description="In the order of the classes; they sum to 1.")
    cautions: list[str] | None = Field(None, description="Why the answer deserves less trust.")
    error: str | None = Field(None, description="Why there is no answer.")


class Predicted(BaseModel):
    """The answers for the items of a request, in their order."""

    model: str
    classes: list[str]
    results: list[Result]


class Explained(BaseModel):
    """Numbers of a network, as the live page draws them."""

    model_config = {"extra": "allow"}


class Said(BaseModel):
    """Why a request was refused."""

    message: str
    limit: str | None = Field(None, description="Name of the limit that was exceeded.")
    most: float | None = Field(None, description="That limit.")


class Refusal(BaseModel):
    """The answer to a request that was refused."""

    error: Said


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "The body is damaged, or the request comes from another site."},
    401: {"model": Refusal, "description": "The token is missing or wrong."},
    403: {"model": Refusal, "description": "The request comes from another site."},
    404: {"model": Refusal, "description": "There is no such model."},
    405: {"model": Refusal, "description": "There is no such method."},
    408: {"model": Refusal, "description": "The body arrived too slowly."},
    413: {"model": Refusal, "description": "The body is too large, or has too many items or values."},
    415: {"model": Refusal, "description": "The body is of another type."},
    422: {"model": Predicted | Refusal, "description": "The request has no items, or none of them could be answered."},
    429: {"model": Refusal, "description": "Too many requests at the same time."},
}
"""What else a request may get."""

_FILES = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "Files."},
        "inputs": {"type": "array", "items": {"type": "string"}, "description": "Texts."},
    },
}
_INPUTS = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "inputs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [
                    {"type": "string", "description": "A text."},
                    {"type": "array", "description": "Numbers: pixels, samples, a series, a row.", "items": {}},
                ]
            },
        }
    },
}
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": _FILES},
        "application/json": {"schema": _INPUTS, "example": {"inputs": ["a text", "another text"]}},
    },
}
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Of the model."}
_CAUTIONS = {
    "name": "cautions",
    "in": "query",
    "schema": {"type": "boolean", "default": True},
    "description": "Whether each answer comes with reasons to trust it less, which take some time to find.",
}
PREDICT: dict[str, Any] = {"requestBody": _BODY, "parameters": [_NAME, _CAUTIONS]}
EXPLAIN: dict[str, Any] = {"requestBody": _BODY, "parameters": [_NAME]}
"""The parameters and the body of a request with items."""
