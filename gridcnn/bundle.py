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
from torch.overrides import TorchFunctionMode

from gridcnn import adapters
from gridcnn.adapters import Adapter
from gridcnn.certainty import Certainty
from gridcnn.constraints import Constraint, Each, Flag, Named, Number, Optional, Record, Text
from gridcnn.errors import (
    BundleError,
    ConfigurationError,
    MissingAdapterError,
    NotABundleError,
    TamperedBundleError,
)
from gridcnn.model import EpochRecord, FittedModel, Network, fitted_model
from gridcnn.multilabel import stored_thresholds
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.config import BackboneConfig
from gridcnn.network.sizes import check_sizes, weight_shapes
from gridcnn.parameters import check
from gridcnn.pipeline.sealed import Sealed, is_sealed, read_sealed, write_sealed
from gridcnn.predictions import LABEL_KINDS, stored_labels
from gridcnn.stored_json import plain

__all__ = ["FORMAT_VERSION", "adapter_and_classes", "is_bundle", "load", "save"]

FORMAT_VERSION = 5
"""Formats 1 to 4 were written before 0.1, with other names and less of the fitted state; they are not read."""

SEVERAL_LABELS = 6
"""Format of a model with several labels an item, which a gridcnn that reads only format 5 would take for one label."""

KIND = "gridcnn"
FINGERPRINTS = "fingerprints"
DIGEST = 16  # bytes of one
NETWORK = "network."
"""What the names of the other tensors begin with."""

MOST_PROCESSES = 4_096

SCORES_OF_LABELS = ("mean_average_precision", "micro_f1", "macro_f1")
"""Scores of a model with several labels an item."""

_COUNT = Number(int, low=0, high=2**63)
_SCORE = Number(finite=False)  # NaN if there was no validation
_ANYTHING = Record()

DESCRIPTION: Mapping[str, Constraint] = {
    "adapter": adapters.STORED,
    "classes": Record({"kind": Text(1)}),
    "backbone": _ANYTHING,
    "flip_axes": Each(Text(1_000), most=2),
    "history": Each(Each(_SCORE, fewest=len(EpochRecord._fields), most=len(EpochRecord._fields))),
    "best_epoch": _COUNT,
    "interrupted": Flag(),
    "scores": Record(
        also={
            **dict.fromkeys(("validation_accuracy", "validation_loss", "test_accuracy"), _SCORE),
            **dict.fromkeys((f"validation_{name}" for name in SCORES_OF_LABELS), _SCORE),
            **dict.fromkeys((f"test_{name}" for name in SCORES_OF_LABELS), _SCORE),
            **dict.fromkeys(("test_items", "test_items_trained_on"), _COUNT),
            "baseline": Record({"name": Text(), "part": Text(), "accuracy": _SCORE, "network": _SCORE}),
        }
    ),
    "summary": Record(
        also={
            **dict.fromkeys(("training_items", "validation_items", "merged_items", "skipped_items"), _COUNT),
            "class_counts": Named(_COUNT),
            "refit": Flag(),
            "versions": Named(Text(1_000)),
            "from": Record(
                {"digest": Text(100), "classes": Each(Text()), "new_classes": Each(Text())},
                also={"name": Text(), "training_items": _COUNT, "without_items": Each(Text())},
            ),
        }
    ),
    "recipe": _ANYTHING,
    "parameters": Record(
        also={
            "cache": Optional(Flag()),
            "device": Optional(Text(100)),
            "n_jobs": Optional(Number(int, low=-1, high=MOST_PROCESSES, closed=True)),
        }
    ),
}
"""What has to be there. Other names are passed over: a later gridcnn may add what an earlier one can do without."""


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
    write_sealed(path, KIND, SEVERAL_LABELS if model.several else FORMAT_VERSION, _describe(model), tensors)


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
    return opened(read_sealed(path, KIND, FORMAT_VERSION, SEVERAL_LABELS), path)


def opened(sealed: Sealed, path: str | Path) -> FittedModel:
    """Return the model that a sealed file holds; `path` names it in messages."""
    values, tensors = sealed
    try:
        check(values, DESCRIPTION)
    except ConfigurationError as error:
        raise _inconsistent(path, error) from error
    name, package = values["adapter"]["name"], values["adapter"]["package"]
    try:
        is_installed = adapters.installed(name, package) is not None
    except ConfigurationError as error:
        raise BundleError(f"{path}: {error}") from error
    if not is_installed:
        raise MissingAdapterError(path, name, package)
    try:
        return _rebuild(values, tensors)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _inconsistent(path, error) from error


def _inconsistent(path: str | Path, error: Exception) -> TamperedBundleError:
    return TamperedBundleError(f"{path}: its parts do not agree with each other ({error}). Save it again")


def adapter_and_classes(model: FittedModel) -> dict[str, Any]:
    """Return the fitted adapter and the labels of a model as values for JSON, with `plain` for what JSON lacks."""
    adapter = model.adapter
    if model.classes.dtype.kind not in LABEL_KINDS:
        raise BundleError(f"labels of type {model.classes.dtype} cannot be saved: use strings or integers as labels")
    try:
        stored_labels(model.classes.dtype.kind, model.classes.tolist())  # as whoever loads them will
    except ValueError as error:
        raise BundleError(f"these labels cannot be saved: {error}") from error
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
        **({} if model.thresholds is None else {"thresholds": model.thresholds.tolist()}),
    }


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with class weights as pairs, since keys of JSON are strings; a generator has no seed.

    A folder of this machine is nobody else's: of `cache` it is kept that there was one, of checkpoints nothing.
    """
    kept = {name: value for name, value in parameters.items() if name not in {"checkpoint_dir", "checkpoint_every"}}
    if isinstance(kept.get("cache"), str | Path):
        kept["cache"] = True
    if isinstance(kept.get("class_weight"), Mapping):
        kept["class_weight"] = [[plain(label), weight] for label, weight in kept["class_weight"].items()]
    if isinstance(kept.get("random_state"), np.random.RandomState):
        kept["random_state"] = None
    return kept


def _rebuild(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FittedModel:
    stored = values["adapter"]
    adapter = adapters.from_state(stored["name"], stored["settings"], stored["state"])
    classes = stored_labels(values["classes"]["kind"], values["classes"]["labels"])
    weights = {name: tensor for name, tensor in tensors.items() if name != FINGERPRINTS}
    fingerprints = tensors[FINGERPRINTS]
    if fingerprints.dtype != torch.uint8 or fingerprints.shape[1:] != (DIGEST,):
        raise ValueError(f"fingerprints have {DIGEST} bytes each")
    parameters = _tupled(values["parameters"])
    if isinstance(parameters.get("class_weight"), tuple):
        label = LABEL_KINDS[values["classes"]["kind"]]
        parameters["class_weight"] = {label(name): float(weight) for name, weight in parameters["class_weight"]}
    return FittedModel(
        adapter,
        _network(adapter, BackboneConfig(**_tupled(values["backbone"])), len(classes), values["flip_axes"], weights),
        classes,
        history=tuple(EpochRecord(int(epoch), *map(float, others)) for epoch, *others in values["history"]),
        best_epoch=values["best_epoch"],
        scores=values["scores"],
        summary=values["summary"],
        recipe=values["recipe"],
        parameters={name: value for name, value in parameters.items() if not name.startswith("checkpoint_")},
        fingerprints=fingerprints.numpy(),
        interrupted=values["interrupted"],
        certainty=Certainty.from_dict(values.get("certainty"), len(classes)),
        thresholds=stored_thresholds(values.get("thresholds"), len(classes)),
    )


def _network(
    adapter: Adapter, config: BackboneConfig, n_classes: int, flip_axes: list[str], weights: Mapping[str, Tensor]
) -> Network:
    """Return the network with the stored weights; what it would be is compared with them before it takes memory."""
    spec = adapter.spec_
    if unknown := set(flip_axes) - {axis.name for axis in spec.axes}:
        raise ValueError(f"grids have no axis {min(unknown)!r} to flip")
    if len(config.kernels) * config.convs_per_block * len(config.branches) + len(config.dense) > len(weights):
        raise ValueError("the network has more layers than there are tensors")
    check_sizes(spec, config, n_classes)
    expected = {f"backbone.{name}": shape for name, shape in weight_shapes(spec, config, n_classes).items()}
    if not adapter.frontend_is_frozen:
        with torch.device("meta"), _Undrawn():  # sizes without numbers
            planned = adapter.frontend().state_dict()
        expected |= {f"frontend.{name}": tuple(tensor.shape) for name, tensor in planned.items()}
    for name, shape in expected.items():
        found = weights.get(f"{NETWORK}{name}")
        if found is None or found.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {None if found is None else tuple(found.shape)}")
    if broken := [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]:
        raise ValueError(f"{broken[0]} has weights that are infinite or NaN")
    return _made(adapter, config, n_classes, flip_axes, weights)


class _Undrawn(TorchFunctionMode):
    """Leaves weights as they are made: to draw what has no memory, torch imports its compiler, which takes seconds."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def _made(
    adapter: Adapter, config: BackboneConfig, n_classes: int, flip_axes: list[str], weights: Mapping[str, Tensor]
) -> Network:
    with torch.random.fork_rng(devices=[]):  # what is drawn is overwritten: leave the user's generator alone
        network = Network(adapter.frontend(), ConvPoolDense(adapter.spec_, config, n_classes), flip_axes)
    state = network.state_dict()
    if unknown := weights.keys() - {f"{NETWORK}{name}" for name in state}:
        raise ValueError(f"there are tensors of no part of the network: {min(unknown)!r}")
    if odd := [name for name, tensor in state.items() if weights[f"{NETWORK}{name}"].dtype != tensor.dtype]:
        raise ValueError(f"{odd[0]} must be of type {state[odd[0]].dtype}")
    network.load_state_dict({name: weights[f"{NETWORK}{name}"] for name in state})
    network.kernels_channels_last()
    return network.eval()


def _tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
