"""Save a trained classifier to one file, and read it back without running anything that the file says.

A bundle is a safetensors file: the weights, and under the metadata key `gridcnn` a JSON text with everything else. A
digest over both is kept beside them. It finds damage and careless edits; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

import gridcnn
from gridcnn import adapters
from gridcnn.errors import (
    BundleError,
    BundleVersionError,
    NotABundleError,
    TamperedBundleError,
    TruncatedBundleError,
)
from gridcnn.estimator import GridClassifier
from gridcnn.network.backbone import BackboneConfig, ConvPoolDense
from gridcnn.training.loop import EpochRecord, Network

__all__ = ["FORMAT_VERSION", "load", "save"]

FORMAT_VERSION = 3  # the first had no "mirrored"; before the third, sounds and arrays became other grids
_OTHER_GRIDS_BEFORE_3 = {"AudioAdapter", "ArrayAdapter", "TableAdapter"}
_NOT_SAVED = {"adapter", "progress"}
_LABEL_KINDS = {"U": str, "i": int, "u": int, "f": float, "b": bool}


def save(classifier: GridClassifier, path: str | Path) -> None:
    """Write a fitted classifier to `path`, whole or not at all.

    Raises
    ------
    BundleError
        If the folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BundleError(f"{path}: the folder {path.parent} does not exist; make it first")
    weights = {name: tensor.contiguous() for name, tensor in classifier.network_.state_dict().items()}
    description = json.dumps(_describe(classifier), ensure_ascii=False, sort_keys=True, default=_plain)
    metadata = {
        "gridcnn": description,
        "gridcnn_format": str(FORMAT_VERSION),
        "gridcnn_digest": _digest(description, weights),
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(safetensors.torch.save(weights, metadata=metadata))
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files that only the owner can read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | Path) -> GridClassifier:
    """Read a classifier from a bundle.

    Raises
    ------
    NotABundleError
        If there is no such file, or it is something else.
    TruncatedBundleError
        If the file ends too early.
    BundleVersionError
        If a newer gridcnn wrote it, or it holds sounds or arrays, and an older one that made other grids of them.
    TamperedBundleError
        If its contents do not agree with its digest or with each other.
    """
    path = Path(path)
    metadata, weights = _read(path)
    version = metadata.get("gridcnn_format", "")
    if "gridcnn" not in metadata or not version.isdigit():
        raise NotABundleError(f"{path} is a safetensors file, but not one that gridcnn wrote")
    if int(version) > FORMAT_VERSION:
        raise BundleVersionError(
            f"{path} has format {version}; gridcnn {gridcnn.__version__} reads up to format {FORMAT_VERSION}. "
            "Upgrade gridcnn"
        )
    if metadata.get("gridcnn_digest") != _digest(metadata["gridcnn"], weights):
        raise TamperedBundleError(f"{path} was changed after it was written: its digest does not match. Save it again")
    try:
        values = json.loads(metadata["gridcnn"])
        if int(version) < 3 and values["adapter"]["class"] in _OTHER_GRIDS_BEFORE_3:
            raise BundleVersionError(
                f"{path} has format {version}, for which sounds and arrays became other grids. Train it again"
            )
        return _rebuild(values, weights)
    except BundleVersionError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise TamperedBundleError(f"{path}: its parts do not agree with each other ({error}). Save it again") from error


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise NotABundleError(f"{path}: there is no such file")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
    header = int.from_bytes(start[:8], "little")
    if size < 9 or start[8:] != b"{" or header > 100_000_000:
        raise NotABundleError(f"{path} is not a gridcnn bundle (not a safetensors file)")
    if size < 8 + header:
        raise TruncatedBundleError(f"{path} is cut off: {size} bytes, but its header alone needs {8 + header}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        if "incomplete" in str(error).lower() or "buffer" in str(error).lower():
            raise TruncatedBundleError(
                f"{path} is cut off, or bytes were added ({error}). Copy or save it again"
            ) from error
        raise TamperedBundleError(f"{path} has a damaged header ({error}). Copy or save it again") from error


def _describe(classifier: GridClassifier) -> dict[str, Any]:
    adapter = classifier.adapter_
    parameters = classifier.get_params(deep=False)
    return {
        "adapter": {"class": type(adapter).__name__, "settings": adapter.get_params(), "state": adapter.state()},
        "table": classifier.adapter is None,
        "parameters": {name: value for name, value in parameters.items() if name not in _NOT_SAVED},
        "backbone": vars(classifier.network_.backbone.config),
        "mirrored": classifier.network_.flip_axes,
        "classes": {"kind": classifier.classes_.dtype.kind, "labels": classifier.classes_.tolist()},
        "features": {
            "count": getattr(classifier, "n_features_in_", None),
            "names": getattr(classifier, "feature_names_in_", np.array([])).tolist(),
        },
        "history": [list(record) for record in classifier.history_],
        "best_epoch": classifier.best_epoch_,
        "interrupted": classifier.interrupted_,
        "scores": classifier.scores_,
        "summary": classifier.summary_,
    }


def _rebuild(values: Mapping[str, Any], weights: dict[str, Tensor]) -> GridClassifier:
    stored = values["adapter"]
    adapter = adapters.from_state(stored["class"], stored["settings"], stored["state"])
    kind = values["classes"]["kind"]
    classes = np.array([_LABEL_KINDS[kind](label) for label in values["classes"]["labels"]])
    config: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values["backbone"].items()
    }
    classifier = GridClassifier(adapter=None if values["table"] else adapter, **values["parameters"])
    classifier.adapter_ = adapter
    classifier.classes_ = classes
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten: leave the user's generator alone
        backbone = ConvPoolDense(adapter.spec_, BackboneConfig(**config), len(classes))
        network = Network(adapter.frontend(), backbone, values.get("mirrored", ()))
    network.load_state_dict(weights)
    network.kernels_channels_last()
    classifier.network_ = network.eval()
    classifier.history_ = [EpochRecord(*record) for record in values["history"]]
    classifier.best_epoch_ = int(values["best_epoch"])
    classifier.interrupted_ = bool(values["interrupted"])
    classifier.scores_ = dict(values["scores"])
    classifier.summary_ = dict(values["summary"])
    classifier.skipped_ = []
    if values["features"]["count"] is not None:
        classifier.n_features_in_ = int(values["features"]["count"])
    if values["features"]["names"]:
        classifier.feature_names_in_ = np.array(values["features"]["names"], dtype=object)
    return classifier


def _digest(description: str, weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(description.encode())
    for name in sorted(weights):
        tensor = weights[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Turn what JSON does not know (numpy numbers, paths, tuples of them) into what it does."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
