"""Save a fitted model to one file, and read it back without running any code that the file names.

A bundle is a safetensors file: the weights and the fingerprints of the training items as tensors, and everything else
as JSON text under the metadata key `gridcnn`. A digest over both is stored beside them. It finds damage and careless
edits; it is no signature.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gridcnn import adapters
from gridcnn.errors import (
    BundleError,
    BundleVersionError,
    ConfigurationError,
    MissingAdapterError,
    NotABundleError,
    TamperedBundleError,
    TruncatedBundleError,
)
from gridcnn.model import EpochRecord, FittedModel, Network, fitted_model
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.pipeline.replacing import replacing
from gridcnn.predictions import LABEL_KINDS
from gridcnn.versions import versions

__all__ = ["FORMAT_VERSION", "adapter_and_classes", "is_bundle", "load", "plain", "save"]

FORMAT_VERSION = 5
"""Formats 1 to 4 were written before 0.1, with other names and less of the fitted state; they are not read."""

LARGEST_HEADER = 100_000_000  # bytes, the limit of the safetensors format
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
    tensors = {f"network.{name}": tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    if broken := [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]:
        raise BundleError(f"the model has weights that are infinite or NaN ({broken[0]}): train it again")
    tensors[FINGERPRINTS] = torch.from_numpy(np.ascontiguousarray(model.fingerprints))
    description = json.dumps(_describe(model), sort_keys=True, default=plain)  # ASCII: any string has a form in it
    metadata = {
        "gridcnn": description,
        "gridcnn_format": str(FORMAT_VERSION),
        "gridcnn_digest": _digest(description, tensors),
    }
    with replacing(path) as file:
        file.write(safetensors.torch.save(tensors, metadata=metadata))


def is_bundle(path: str | Path) -> bool:
    """Whether a file begins as one that gridcnn wrote; only `load` says whether it can be loaded."""
    with Path(path).open("rb") as file:
        size, start = file.read(8), file.read(64)
    return len(size) == 8 and start.startswith(b'{"__metadata__":{"gridcnn')


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
    metadata, tensors = _read(path)
    version = metadata.get("gridcnn_format", "")
    if "gridcnn" not in metadata or not version.isdigit():
        raise NotABundleError(f"{path} is a safetensors file, but not one that gridcnn wrote")
    if int(version) != FORMAT_VERSION:
        newer = int(version) > FORMAT_VERSION
        raise BundleVersionError(
            f"{path} has format {version}, but gridcnn {versions()['gridcnn']} reads format {FORMAT_VERSION}: "
            + ("upgrade gridcnn" if newer else "train the model again, or load it with the gridcnn that wrote it")
        )
    if metadata.get("gridcnn_digest") != _digest(metadata["gridcnn"], tensors):
        raise TamperedBundleError(f"{path} was changed after it was written: its digest does not match. Save it again")
    try:
        values = json.loads(metadata["gridcnn"])
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


def _inconsistent(path: Path, error: Exception) -> TamperedBundleError:
    return TamperedBundleError(f"{path}: its parts do not agree with each other ({error}). Save it again")


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise NotABundleError(f"{path}: there is no such file")
    if path.suffix.lower() == ".onnx":
        raise NotABundleError(
            f"{path} is an exported model, which only `gridcnn predict` reads: give the .safetensors file"
        )
    try:
        with path.open("rb") as file:
            start = file.read(9)
            length = int.from_bytes(start[:8], "little")
            if len(start) < 9 or start[8:] != b"{" or length > LARGEST_HEADER:
                raise NotABundleError(f"{path} is not a gridcnn bundle (not a safetensors file)")
            content = start + file.read()  # safetensors itself opens no file whose name is not UTF-8
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror})") from error
    size = len(content)
    if size < 8 + length:
        raise TruncatedBundleError(f"{path} is cut off: {size} bytes, but its header alone needs {8 + length}")
    header = _header(content[8 : 8 + length])
    promised = None if header is None else _promised_size(header)
    if header is None or promised is None:
        raise TamperedBundleError(f"{path} has a damaged header. Copy or save it again")
    if size != 8 + length + promised:
        raise TruncatedBundleError(
            f"{path} is cut off, or bytes were added: {size} bytes, expected {8 + length + promised}. Copy or save it "
            "again"
        )
    try:
        return header.get("__metadata__") or {}, safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise TamperedBundleError(f"{path} has a damaged header ({error}). Copy or save it again") from error


def _header(text: bytes) -> dict[str, Any] | None:
    """Read a safetensors header; None if it is none."""
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError, RecursionError):
        return None


def _promised_size(header: Mapping[str, Any]) -> int | None:
    """Return how many bytes of tensors a safetensors header announces; None if it makes no sense."""
    try:
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return max([0, *map(int, ends)])
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        return None


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
    )


def _tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _digest(description: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def plain(value: Any) -> Any:
    """Turn values that JSON does not know (numpy numbers, paths) into values that it does."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
