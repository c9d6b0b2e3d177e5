"""Save a fitted model to one file, and read it back without running any code that the file names.

A bundle is a sealed file (`gridcnn.pipeline.sealed`): the weights and the fingerprints of the training items are its
tensors, and everything else is its description.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridcnn import adapters
from gridcnn.certainty import Certainty
from gridcnn.errors import (
    BundleError,
    ConfigurationError,
    MissingAdapterError,
    NotABundleError,
    TamperedBundleError,
)
from gridcnn.model import EpochRecord, FittedModel, Network, fitted_model
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.sealed import Sealed, is_sealed, plain, read_sealed, write_sealed
from gridcnn.predictions import LABEL_KINDS

__all__ = ["FORMAT_VERSION", "adapter_and_classes", "is_bundle", "load", "plain", "save"]

FORMAT_VERSION = 5
"""Formats 1 to 4 were written before 0.1, with other names and less of the fitted state; they are not read."""

KIND = "gridcnn"
FINGERPRINTS = "fingerprints"


def save(model: Any, path: str | Path) -> None:
    """Write a fitted model to `path`, whole or not at all.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    path : path
        The file; an existing one is replaced.

    Raises
    ------
    BundleError
        If the folder of `path` does not exist, the labels are of a kind that a bundle cannot hold, or a weight is not
        finite.
    """
    model, path = fitted_model(model), Path(path)
    if not path.parent.is_dir():
        raise BundleError(f"{path}: the folder {path.parent} does not exist; make it first")
    kind = type(model.adapter)
    if kind.__name__ not in adapters.names():
        warnings.warn(
            f"no installed package announces the adapter {kind.__name__}, so this bundle cannot be loaded; announce it "
            "by an entry point in the group gridcnn.adapters",
            stacklevel=2,
        )
    tensors = {f"network.{name}": tensor for name, tensor in model.network.state_dict().items()}
    if broken := [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]:
        raise BundleError(f"the model has weights that are infinite or NaN ({broken[0]}): train it again")
    tensors[FINGERPRINTS] = torch.from_numpy(np.ascontiguousarray(model.fingerprints))
    write_sealed(path, KIND, FORMAT_VERSION, _describe(model), tensors)


def is_bundle(path: str | Path) -> bool:
    """Whether a file begins as one that `save` wrote; only `load` says whether it can be loaded."""
    return is_sealed(path, KIND)


def load(path: str | Path) -> FittedModel:
    """Read a fitted model from a bundle.

    Raises
    ------
    NotABundleError
        If there is no such file, or it is something else.
    TruncatedBundleError
        If the file ends too early.
    BundleVersionError
        If another version of gridcnn wrote it in a format that this one does not read.
    MissingAdapterError
        If its adapter belongs to a package that is not installed.
    TamperedBundleError
        If its contents do not agree with its digest or with each other.
    BundleError
        If it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() == ".onnx" and path.is_file():
        raise NotABundleError(
            f"{path} is an exported model, which only `gridcnn predict` reads: give the .safetensors file"
        )
    return opened(read_sealed(path, KIND, FORMAT_VERSION), path)


def opened(sealed: Sealed, path: str | Path) -> FittedModel:
    """Return the model that a sealed file holds; `path` names it in messages."""
    values, tensors = sealed
    try:
        stored = values["adapter"]
        name, package = str(stored["name"]), str(stored["package"])
    except (KeyError, TypeError, ValueError) as error:
        raise _inconsistent(path, error) from error
    try:
        is_installed = adapters.installed(name, package) is not None
    except ConfigurationError as error:
        raise BundleError(f"{path}: {error}") from error
    if not is_installed:
        raise MissingAdapterError(path, name, package)
    try:
        return _rebuild(values, tensors)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise _inconsistent(path, error) from error


def _inconsistent(path: str | Path, error: Exception) -> TamperedBundleError:
    return TamperedBundleError(f"{path}: its parts do not agree with each other ({error}). Save it again")


def adapter_and_classes(model: FittedModel) -> dict[str, Any]:
    """Return the fitted adapter and the labels of a model as values for JSON, with `plain` for what JSON lacks."""
    adapter = model.adapter
    if model.classes.dtype.kind not in LABEL_KINDS:
        raise BundleError(f"labels of type {model.classes.dtype} cannot be saved: use strings or integers as labels")
    return {
        "adapter": {
            "name": type(adapter).__name__,
            "package": adapters.provider(type(adapter)),
            "settings": adapter.settings(),
            "state": adapter.state(),
        },
        "classes": {"kind": model.classes.dtype.kind, "labels": model.classes.tolist()},
    }


def _describe(model: FittedModel) -> dict[str, Any]:
    return {
        **adapter_and_classes(model),
        "parameters": _parameters(model.parameters),
        "backbone": vars(model.network.backbone.config),
        "flip_axes": model.network.flip_axes,
        "history": [list(record) for record in model.history],
        "best_epoch": model.best_epoch,
        "interrupted": model.interrupted,
        "certainty": model.certainty.to_dict(),
        "scores": model.scores,
        "summary": model.summary,
        "recipe": model.recipe,
    }


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with class weights as pairs, since keys of JSON are strings; a generator has no seed.

    A folder of this machine is nobody else's: of `cache` it is kept that there was one.
    """
    kept = dict(parameters)
    if isinstance(kept.get("cache"), str | Path):
        kept["cache"] = True
    if isinstance(kept.get("class_weight"), Mapping):
        kept["class_weight"] = [[plain(label), weight] for label, weight in kept["class_weight"].items()]
    if isinstance(kept.get("random_state"), np.random.RandomState):
        kept["random_state"] = None
    return kept


def _rebuild(values: Mapping[str, Any], tensors: dict[str, Tensor]) -> FittedModel:
    stored = values["adapter"]
    adapter = adapters.from_state(stored["name"], stored["settings"], stored["state"])
    label = LABEL_KINDS[values["classes"]["kind"]]
    classes = np.array([label(each) for each in values["classes"]["labels"]])
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten: leave the user's generator alone
        backbone = ConvPoolDense(adapter.spec_, BackboneConfig(**_tupled(values["backbone"])), len(classes))
        network = Network(adapter.frontend(), backbone, values["flip_axes"])
    network.load_state_dict(
        {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name != FINGERPRINTS}
    )
    network.kernels_channels_last()
    parameters = _tupled(values["parameters"])
    if isinstance(parameters.get("class_weight"), tuple):
        parameters["class_weight"] = {label(name): weight for name, weight in parameters["class_weight"]}
    return FittedModel(
        adapter,
        network.eval(),
        classes,
        history=tuple(EpochRecord(*record) for record in values["history"]),
        best_epoch=int(values["best_epoch"]),
        scores=dict(values["scores"]),
        summary=dict(values["summary"]),
        recipe=dict(values["recipe"]),
        parameters=parameters,
        fingerprints=tensors[FINGERPRINTS].numpy(),
        interrupted=bool(values["interrupted"]),
        certainty=Certainty.from_dict(values.get("certainty")),
    )


def _tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
