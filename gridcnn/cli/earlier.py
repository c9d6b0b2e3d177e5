"""An earlier model in a training: one to go on from (`--from`), or one whose settings are taken (`--like`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gridcnn.errors import ConfigurationError

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset
    from gridcnn.model import FittedModel

__all__ = ["Earlier", "FromOption", "LikeOption", "LogOption", "earlier_models"]

FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Go on from a model: its weights are the first ones, its classes are kept, new ones are added, and "
        "training takes a quarter of the epochs.",
    ),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        "--like", metavar="MODEL", help="Train from scratch with the settings of a model; flags that are given win."
    ),
]

LogOption = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="PLACE",
        help="Log each epoch: tensorboard:FOLDER or mlflow:URI, if that package is installed.",
    ),
]

_LEARNED_WITH = ("augment", "class_weight", "refit", "random_state")
_FLAGS = {"augment": "augment", "class_weight": "class_weight", "refit": "refit", "random_state": "seed"}
"""Settings of a training that are no hyperparameters, by the parameters of the command."""


class Earlier(NamedTuple):
    """The model that a training goes on from, and the one whose settings it takes; at most one of them."""

    start: FittedModel | None = None
    like: FittedModel | None = None
    name: str = ""

    @property
    def adapter(self) -> Adapter | None:
        """What decides which items a file holds."""
        model = self.start or self.like
        return None if model is None else model.adapter

    def in_kind(self, data: Dataset) -> Dataset:
        """Return items with labels of the kind that the model to go on from has: a table does not tell 7 from "7"."""
        if self.start is None or data.labels is None or data.several or data.labels.dtype.kind not in "iu":
            return data
        return replace(data, labels=data.labels.astype(str)) if self.start.classes.dtype.kind == "U" else data

    def name_in(self, model: FittedModel) -> None:
        """Note the name of the model that another one came from."""
        if self.start is not None:
            model.summary["from"]["name"] = self.name

    def adapter_name(self, given: str | None) -> str | None:
        """Return the name of the adapter, unless another one is asked for."""
        return given if given is not None or self.adapter is None else type(self.adapter).__name__

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the adapter: those given, and else those of a model to be like."""
        if self.like is None:
            return dict(given)
        theirs = self.like.adapter.get_params(deep=False)
        theirs = {name: value for name, value in theirs.items() if value is not None}
        ours = {name: value for name, value in given.items() if value is not None}
        if theirs.get("vectors") is not None and ours.get("vectors") is None:
            raise ConfigurationError(
                f"the model was trained with the vectors of {theirs['vectors']}: say where they are, --vectors FILE"
            )
        return {**given, **theirs, **ours}

    def hyperparameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters: those given, and else those of a model to be like."""
        if self.like is None:
            return dict(given)
        from gridcnn.training.recipe import PARAMETERS

        apart = {*_LEARNED_WITH, "device", "n_jobs", "on_error", "cache"}
        theirs = {name: value for name, value in self.like.parameters.items() if name in PARAMETERS}
        theirs = {name: value for name, value in theirs.items() if name not in apart and value is not None}
        lengths = {"epochs", "time_limit"}
        if lengths & given.keys():
            theirs = {name: value for name, value in theirs.items() if name not in lengths}
        return {**theirs, **given}

    def settings(self, given: Mapping[str, Any], context: typer.Context) -> dict[str, Any]:
        """Return the other settings: those that a person wrote, and else those of a model to be like."""
        if self.like is None:
            return dict(given)
        theirs = {
            name: self.like.parameters[name]
            for name in _LEARNED_WITH
            if name in self.like.parameters and not _is_written(_FLAGS[name], context)
        }
        return {**given, **theirs}


def earlier_models(start: Path | None, like: Path | None, *, compare: bool) -> Earlier:
    """Load the models that two options name.

    Raises
    ------
    ConfigurationError
        If both are given, or a baseline is to go on from a model.
    """
    if start is None and like is None:
        return Earlier()
    if start is not None and like is not None:
        raise ConfigurationError("--from goes on from a model with its settings, --like begins anew: give one of them")
    if start is not None and compare:
        raise ConfigurationError("--compare: the classic baseline cannot go on from a model: leave out --from")
    from gridcnn.bundle import load
    from gridcnn.cli.models import located_model

    if start is not None:
        return Earlier(start=load(located_model(start)), name=start.name)
    assert like is not None  # for the type checker
    return Earlier(like=load(located_model(like)), name=like.name)


def _is_written(name: str, context: typer.Context) -> bool:
    """Whether a person wrote an option of the running command."""
    source = context.get_parameter_source(name)
    return source is not None and source.name in {"COMMANDLINE", "ENVIRONMENT"}
