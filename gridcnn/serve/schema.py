"""What requests and answers look like, for the OpenAPI document; nothing is validated with these."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

__all__ = ["EXPLAIN", "PREDICT", "REFUSALS", "Layers", "Models", "Predicted", "Refusal", "Values"]


class Model(BaseModel):
    """A model that is served."""

    name: str
    noun: str = Field(description="What an item is called: picture, sound, sentence, row.")
    modality: str
    classes: list[str] = Field(description="The labels, in the order of the probabilities.")
    background: str | None = Field(description="The class that is never given as an answer.")
    thresholds: list[float] | None = Field(
        description="The probability from which an item has each label; null if every item has one label."
    )


class Models(BaseModel):
    """All models that are served."""

    models: list[Model]


class Result(BaseModel):
    """The answer for one item: a prediction, or an error."""

    item: str = Field(description="Name of the file, or position among the inputs, from 0.")
    prediction: str | list[str] | None = Field(
        None,
        description="The most probable label; “unsure” if the request asks to abstain; null for an item that is most "
        "like the background, so of none of the other classes. If items may have several labels, a list of those that "
        "reach their thresholds.",
    )
    probabilities: list[float] | None = Field(
        None, description="In the order of the classes; they sum to 1, unless items have several labels."
    )
    cautions: list[str] | None = Field(None, description="Why the answer deserves less trust.")
    set: list[str] | None = Field(None, description="The classes it may belong to, if the request asks for sets.")
    error: str | None = Field(None, description="Why there is no answer.")


class Predicted(BaseModel):
    """The answers for the items of a request, in their order."""

    model: str
    classes: list[str]
    results: list[Result]


class Packed(BaseModel):
    """An array of numbers."""

    shape: list[int]
    numbers: str = Field(description="The numbers, row by row: base64 of little-endian float32.")


class Axis(BaseModel):
    """What the cells of an ordered axis mean."""

    name: str
    unit: str
    low: list[float] = Field(description="Where each cell begins, in the unit.")
    high: list[float] = Field(description="Where each cell ends, in the unit.")
    words: list[str] = Field(description="The word of each cell, for texts.")


class Votes(BaseModel):
    """The last layer, which turns a vector into one logit for each class."""

    classes: list[int] = Field(description="Indices of the classes whose weights are here.")
    weights: Packed | None = Field(description="(classes, entries); null if there are too many.")
    bias: list[float]


class Layers(BaseModel):
    """A network as the live page draws it, whatever the item."""

    model_config = {"extra": "allow"}

    classes: list[str] = Field(description="The labels, in the order of the probabilities.")
    background: int | None = Field(description="Index of the class that is never given as an answer.")
    thresholds: list[float] | None = Field(description="The probability from which an item has each label.")
    temperature: float = Field(description="What the weights and biases of the last layer are divided by already.")
    noun: str = Field(description="What an item is called: picture, sound, sentence, row.")
    about: str = Field(description="How a grid shows an item.")
    sizes: list[int] = Field(description="Cells along each ordered axis of the grid.")
    n_channels: int = Field(description="Channels of the grid.")
    axes: list[Axis] = Field(description="One for each ordered axis of the grid.")
    groups: list[dict[str, Any]] = Field(
        description="One for each convolution that is drawn: its sizes; `maps`, the kernels that are drawn, counted "
        "from 1, at most 12; `kernels`, packed arrays; `stages`, the steps after it."
    )
    column: dict[str, Any] | None = Field(description="The vector from which the logits are computed.")
    dense: Votes


class Values(BaseModel):
    """How a network reached its answer for one item."""

    model_config = {"extra": "allow"}

    probabilities: list[float] = Field(description="The answer, the mean over all windows and mirrored copies.")
    window: int = Field(description="The window of the item that the arrays are of, from 1.")
    n_windows: int
    n_copies: int = Field(description="Mirrored copies whose answers are averaged.")
    logits: list[float] = Field(description="Of that window.")
    grid: Packed | None = Field(description="(channels, sizes…), what the network sees; null if it is too large.")
    maps: list[list[Packed | None]] = Field(
        description="For each group of the layers and each of its stages: (drawn kernels, sizes…); null for a ReLU "
        "that follows from the stage before."
    )
    column: Packed | None = Field(description="(entries), the vector from which the logits are computed.")
    axes: list[Axis] = Field(description="What the cells mean in this item.")
    cautions: list[str] = Field(description="Why the answer deserves less trust.")


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
_SHARE = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_ABSTAIN = {
    "name": "abstain",
    "in": "query",
    "schema": _SHARE,
    "description": "Answer “unsure” rather than guess, so that this share of the given answers is right, as far as the "
    "items tell that were held out in training.",
}
_SETS = {
    "name": "sets",
    "in": "query",
    "schema": _SHARE,
    "description": "Give each item the set of classes that it may belong to, so that this share of the sets holds the "
    "true one.",
}
_BY_CLASS = {
    "name": "by_class",
    "in": "query",
    "schema": {"type": "boolean", "default": False},
    "description": "Whether the sets keep that share among the items of each class.",
}
PREDICT: dict[str, Any] = {"requestBody": _BODY, "parameters": [_NAME, _CAUTIONS, _ABSTAIN, _SETS, _BY_CLASS]}
EXPLAIN: dict[str, Any] = {"requestBody": _BODY, "parameters": [_NAME]}
"""The parameters and the body of a request with items."""
