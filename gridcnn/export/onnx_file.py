"""A fitted model as one ONNX file: raw items in, class probabilities out, with all preprocessing inside.

The file runs in plain onnxruntime, also in Node.js and in a browser. Its input is a batch of what `Adapter.decode`
returns: pixels, waveforms, strings, rows. Its outputs are `probabilities`, float32 `(batch, n_classes)`, `label`,
`(batch,)`, and `classes`, all labels in the order of the probabilities; labels are strings, and that of an item which
is most like the background is empty. A model with several labels an item has in place of `label` the output `labels`,
zeros and ones `(batch, n_classes)`: which probabilities reach their thresholds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridcnn.bundle import adapter_and_classes
from gridcnn.errors import ExportError
from gridcnn.export.exported_model import (
    DIGEST,
    FORMAT,
    FORMAT_VERSION,
    PLACE_OF_DIGEST,
    SEVERAL_LABELS,
    ExportedModel,
    require,
)
from gridcnn.inference import predict
from gridcnn.inference.folding import fold_batch_norm
from gridcnn.inference.onnx_network import add_network
from gridcnn.model import FittedModel, fitted_model
from gridcnn.onnx_graph import Graph, Windows
from gridcnn.pipeline.replacing import replacing
from gridcnn.predictions import Predictions
from gridcnn.stored_json import plain
from gridcnn.versions import versions

__all__ = ["TOLERANCE", "Exported", "add_answer", "export_onnx", "flipped_copies", "share_of_classes", "write_graph"]

TOLERANCE = 1e-4
"""Largest difference of a probability from torch's with which a file is written."""


@dataclass(frozen=True)
class Exported:
    """What an export found.

    Parameters
    ----------
    path : Path
        The file.
    n_bytes : int
        Its size.
    n_compared : int
        Items whose probabilities were compared with torch's.
    difference : float
        The largest difference between two probabilities.
    same_labels : int
        Number of these items with the same most probable label.
    accuracy : (float, float) or None
        Share of right labels of torch and of the file; None if there were no labels.
    n_trained_on : int
        Number of these items that the model was trained on, by their content.
    what : str
        What was compared: "items", or "made-up items".
    """

    path: Path
    n_bytes: int
    n_compared: int
    difference: float
    same_labels: int
    accuracy: tuple[float, float] | None
    n_trained_on: int
    what: str


def export_onnx(
    model: Any,
    path: str | Path,
    *,
    items: Any = None,
    labels: Any = None,
    precision: str = "float32",
    metadata: Mapping[str, str] | None = None,
) -> Exported:
    """Write a fitted model to an ONNX file, after comparing its answers with torch's.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    path : path
        The file; an existing one is replaced.
    items : sequence of raw items, optional
        Items to compare the answers on; the default are made-up ones.
    labels : sequence of labels, optional
        Those of the items: then the accuracy before and after is measured.
    precision : {"float32", "float16", "int8"}, default "float32"
        `"float16"` stores the weights in 16 bits and computes in 32; `"int8"` computes the network with 8 bits, whose
        ranges are learned from up to half of `items`, taken at random, while the others are compared.
    metadata : mapping of str to str, optional
        More texts that travel in the file, such as `licence` and `model_card`.

    Raises
    ------
    ConfigurationError
        If the adapter cannot be exported, or the precision needs items and there are none.
    ExportError
        If a package is missing, or the answers in float32 differ from torch's by more than 1e-4; no file is written
        then.
    """
    require("onnx")
    model = fitted_model(model)
    graph = write_graph(model).model()
    if items is None:
        compared = model.adapter.check_items(model.adapter.trial_items(np.random.default_rng(0)))
    else:
        compared = model.adapter.check_items(items)
    if precision != "float32":
        from gridcnn.export.precision import reduced  # noqa: PLC0415  (its tools are slow to import)

        graph, taken = reduced(graph, precision, model.adapter, [] if items is None else compared)
        others = np.setdiff1d(np.arange(len(compared)), taken)
        compared, labels = [compared[at] for at in others], None if labels is None else [labels[at] for at in others]
    content = sealed(graph, metadata_of(model) | {"precision": precision} | dict(metadata or {}))
    expected, found = predict(model, compared, fingerprints=True), ExportedModel(content).predict(compared)
    good = expected.good & found.good
    assert expected.fingerprints is not None  # for the type checker: they were asked for
    if not good.any():
        raise ExportError("none of the items to compare with can be read: give others")
    difference = float(np.abs(expected.probabilities[good] - found.probabilities[good]).max())
    if precision == "float32" and difference > TOLERANCE:
        raise ExportError(
            f"the exported model would answer otherwise than torch: a probability differs by {difference:.2g}, and at "
            f"most {TOLERANCE:g} is allowed; nothing is written. Please report this with the model"
        )
    with replacing(Path(path)) as file:
        file.write(content)
    return Exported(
        path=Path(path),
        n_bytes=len(content),
        n_compared=int(good.sum()),
        difference=difference,
        same_labels=int((expected.labels[good] == found.labels[good]).sum()),
        accuracy=None if labels is None else _accuracies(np.asarray(labels)[good], expected, found, good),
        n_trained_on=int(model.trained_on(expected.fingerprints[good]).sum()),
        what="made-up items" if items is None else "items",
    )


def _accuracies(labels: np.ndarray, expected: Predictions, found: Predictions, good: np.ndarray) -> tuple[float, float]:
    before, after = (
        float((each.most_probable[good].astype(str) == labels.astype(str)).mean()) for each in (expected, found)
    )
    return before, after


def write_graph(model: FittedModel) -> Graph:
    """Return the whole graph of a model: from its input to `probabilities`, `label` and `classes`."""
    graph = Graph()
    folded = fold_batch_norm(model.network.calibrated())
    windows = model.adapter.add_to(graph, model.network.frontend)
    graph.part = "network"
    shares = [
        share_of_classes(graph, add_network(graph, folded, copy), several=model.several)
        for copy in flipped_copies(graph, windows.grids, model)
    ]
    add_answer(graph, shares, windows, model)
    return graph


def share_of_classes(graph: Graph, logits: str, *, several: bool) -> str:
    """Return the probabilities of windows, float64."""
    if several:
        return graph("Sigmoid", graph.cast(logits, np.float64))
    return graph("Softmax", graph.cast(logits, np.float64), axis=1)


def add_answer(graph: Graph, shares: Sequence[str], windows: Windows, model: FittedModel) -> str:
    """Add the outputs `probabilities`, `label` (with several labels `labels`) and `classes`.

    Parameters
    ----------
    graph : Graph
        Where to.
    shares : sequence of str
        Names of the probabilities of the windows as they are, and of their flipped copies.
    windows : Windows
        Which item each window belongs to.
    model : FittedModel
        Whose answer it is.

    Returns
    -------
    str
        Name of the index of the most probable class of each item, int64 `(batch,)`.
    """
    graph.part = "answer"
    mean = shares[0]
    if len(shares) > 1:  # onnxruntime has no Mean of float64
        mean = graph("Div", graph("Sum", *shares), graph.constant(np.float64(len(shares))))
    of_items = _mean_of_windows(graph, mean, windows, len(model.classes))
    names = [name.encode("utf-8", "backslashreplace").decode() for name in model.class_names]
    answers = ["" if at == model.background else name for at, name in enumerate(names)]
    graph.output("probabilities", graph.cast(of_items, np.float32), np.float32, ["batch", len(names)])
    best = graph("ArgMax", of_items, axis=1, keepdims=0)
    if model.thresholds is None:
        graph.output("label", graph("Gather", graph.constant(answers), best, axis=0), str, ["batch"])
    else:
        given = graph.cast(graph("GreaterOrEqual", of_items, graph.constant(model.thresholds)), np.int64)
        graph.output("labels", given, np.int64, ["batch", len(names)])
    graph.output("classes", graph.constant(names), str, [len(names)])
    return best


def flipped_copies(graph: Graph, grids: str, model: FittedModel) -> list[str]:
    """Return the grids and their flipped copies, see `gridcnn.network.augment.flipped_copies`."""
    copies = [grids]
    for axis, each in enumerate(model.network.backbone.spec.axes, start=2):
        if each.name in model.network.flip_axes:
            copies += [graph.slice(copy, -1, np.iinfo(np.int64).min, axis, step=-1) for copy in copies]
    return copies


def _mean_of_windows(graph: Graph, shares: str, windows: Windows, n_classes: int) -> str:
    """Return the mean of the probabilities `(windows, n_classes)` over the windows of each item."""
    if windows.item is None or windows.n_items is None:
        return shares
    item = graph("Unsqueeze", windows.item, graph.constant([1]))

    def summed(values: str, width: int) -> str:
        zeros = graph("Expand", graph.constant(np.float64(0)), graph.shape(windows.n_items or "", width))
        return graph("ScatterND", zeros, item, values, reduction="add")

    ones = graph("Expand", graph.constant(np.float64(1)), graph.shape(graph.size(windows.item, 0), 1))
    return graph("Div", summed(shares, n_classes), summed(ones, 1))


def metadata_of(model: FittedModel) -> dict[str, str]:
    """Return what travels in the file beside the graph: names and settings, each as JSON or as it is."""
    state = model.adapter.state().items()
    numbers = {name.rstrip("_"): value for name, value in state if np.ndim(value) == 0 and not isinstance(value, dict)}
    return {
        **{name: json.dumps(value, default=plain) for name, value in numbers.items()},
        "classes": json.dumps(model.class_names),
        "versions": json.dumps(versions()),
        "gridcnn": json.dumps(_description(model), sort_keys=True, default=plain),
        FORMAT: str(SEVERAL_LABELS if model.several else FORMAT_VERSION),
    }


def _description(model: FittedModel) -> dict[str, Any]:
    """Return what an `ExportedModel` is made from."""
    background = None if model.background is None else model.class_names[model.background]
    described = {**adapter_and_classes(model), "background": background, "certainty": model.certainty.to_dict()}
    return described if model.thresholds is None else described | {"thresholds": model.thresholds.tolist()}


def sealed(model: Any, metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of an `onnx.ModelProto` with its metadata, among them a digest over everything else."""
    from onnx import helper  # noqa: PLC0415

    helper.set_model_props(model, {**metadata, DIGEST: PLACE_OF_DIGEST})
    content: bytes = model.SerializeToString(deterministic=True)
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(PLACE_OF_DIGEST.encode(), digest.encode())
