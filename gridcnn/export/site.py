"""A static page with a model inside: any web server can hand out the folder, and the model runs in the browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gridcnn import explain
from gridcnn.durable import make_folder
from gridcnn.errors import ConfigurationError, ExportError, ItemError
from gridcnn.export.card import model_card
from gridcnn.export.exported_model import require, stacked
from gridcnn.export.onnx_file import TOLERANCE, metadata_of, sealed
from gridcnn.export.traced_graph import traced_graph
from gridcnn.export.web_runtime import web_runtime
from gridcnn.model import FittedModel, fitted_model
from gridcnn.pipeline.replacing import replacing
from gridcnn.render import live

__all__ = ["export_site"]

POLICY = live.POLICY.partition("; frame-ancestors")[0].replace(
    "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
)
"""What a browser may load for the page; a page cannot say itself who may show it in a frame."""

MOST_COMPARED = 20
"""Items whose answers and values are compared before anything is written."""

SAME = ("kind", "measured", "step", "hertz")
"""What is the same in the input of all items, as a page shows it: see `gridcnn.render.shown_input`."""

MARK = {"name", "takes", "groups", "n_copies"}
"""Keys of `layers.json` by which a site that gridcnn wrote is known."""

ASKED = {"image", "sound", "text"}
"""Modalities that a page asks for by itself; of others it asks for numbers, if their items are some."""

Values = dict[str, Any]


def export_site(
    model: Any,
    folder: str | Path,
    *,
    name: str,
    licence: str | None = None,
    items: Any = None,
    runtime: str | Path | None = None,
) -> int:
    """Write a folder with the live page, a model and what runs it in a browser.

    Before anything is written, the answers and the values of all drawn steps are compared with those of the model.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    folder : path
        Made if there is none. It must be empty, or hold a site that gridcnn wrote, which is replaced; files whose
        names begin with a dot do not count.
    name : str
        What the model is called.
    licence : str, optional
        Licence of the model, such as `mit`.
    items : sequence of raw items, optional
        The first 20 are compared; the default are made-up ones.
    runtime : path, optional
        Where the files of onnxruntime-web are, see `gridcnn.export.web_runtime`.

    Returns
    -------
    int
        Number of bytes written, without those of the runtime.

    Raises
    ------
    ConfigurationError
        If the adapter cannot be exported, the page cannot ask for an item, or the folder holds something else than a
        site of gridcnn or cannot be written.
    ExportError
        If a package or the runtime is missing, or the answers or the values differ by more than 1e-4.
    """
    require("onnx")
    model = fitted_model(model)
    _refuse_to_mix(Path(folder))
    layers = live.layers(model)
    _refuse_to_be_mute(layers)
    graph = traced_graph(model, layers).model()
    ran = web_runtime(runtime)
    content = sealed(graph, metadata_of(model) | ({} if licence is None else {"licence": licence}))
    if items is None:
        items = model.adapter.trial_items(np.random.default_rng(0))
    axes, seen = _compare(model, content, model.adapter.check_items(items))
    shown = {**layers, "name": name, "n_copies": 2 ** len(model.network.flip_axes), "axes": axes, "input": seen}
    files = {
        "layers.json": json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace"),
        "model.onnx": content,
        "README.md": model_card(model, name=name, licence=licence, source="model.onnx", onnx="model.onnx").encode(),
        **live.files("site.js", POLICY),
    }
    _write(Path(folder), files | {f"runtime/{each}": ran[each] for each in ran})
    return sum(map(len, files.values()))


def _refuse_to_mix(folder: Path) -> None:
    """Refuse a folder with files that are not those of a site; `layers.json`, which is written first, tells."""
    try:
        if not folder.is_dir() or all(each.name.startswith(".") for each in folder.iterdir()):
            return
        layers = json.loads((folder / "layers.json").read_bytes())
    except (OSError, ValueError):
        layers = None
    if not isinstance(layers, dict) or not set(layers) >= MARK:
        raise ConfigurationError(
            f"{folder} is not empty, and gridcnn wrote no site there: name a new folder, so that none of its files is "
            "replaced"
        )


def _refuse_to_be_mute(layers: Values) -> None:
    """Refuse a model whose items the page has no way to ask for."""
    takes = layers["takes"]
    if takes["modality"] not in ASKED and not takes["shape"]:
        raise ConfigurationError(
            f"a page cannot ask for a {layers['noun']}, so it would never answer: export the model as a file that ends "
            "in .onnx, or use gridcnn serve"
        )


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the layers first, which tell that it is a site, and the page last: where it is, all of it is."""
    try:
        for name in sorted(files, key=lambda name: (name == "index.html") - (name == "layers.json")):
            place = folder / name
            make_folder(place.parent)
            with replacing(place) as file:
                file.write(files[name])
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written ({error.strerror}): name another folder") from error


# ---- the same answers as the model ----------------------------------------------------------------------------------


def _compare(model: FittedModel, content: bytes, items: Any) -> tuple[list[Values], Values]:
    """Compare the values of the first items with those of a trace.

    Returns
    -------
    axes : list of dict
        What the cells of a window mean; seconds count from its beginning.
    seen : dict
        The input of an item, as far as it is the same for all.
    """
    session = require("onnxruntime").InferenceSession(content, providers=["CPUExecutionProvider"])
    (taken,), names = session.get_inputs(), [each.name for each in session.get_outputs()]
    axes: list[Values] = []
    seen: Values = {}
    for item in items[:MOST_COMPARED]:
        try:
            expected, decoded = live.maps(model, item), model.adapter.decode(item)
        except ItemError:
            continue
        found = dict(zip(names, session.run(None, {taken.name: stacked([decoded])}), strict=True))
        for what, numbers in _numbers(expected):
            if what == "logits" and found["window"] != expected["window"]:
                break  # two windows are equally certain
            difference = float(np.abs(found[what].ravel() - numbers.ravel()).max(initial=0))
            if not difference <= TOLERANCE * max(1.0, float(np.abs(numbers).max(initial=0))):
                if _hangs_on_rounding(model, item):
                    break
                raise ExportError(
                    f"the page would show other numbers than the model: {what} differ by {difference:.2g}; nothing is "
                    "written. Please report this with the model"
                )
        if found["window"] == expected["window"] and not _same_words(
            found.get("tokens", ()), expected["axes"][-1]["words"]
        ):
            raise ExportError("the page would show other words than the model; nothing is written. Please report this")
        if not axes:
            axes = [_from_the_beginning(axis) for axis in expected["axes"]]
            seen = {name: expected["input"][name] for name in SAME if name in expected["input"]}
    if not axes:
        raise ExportError("none of the items to compare with can be read: give others")
    return axes, seen


def _hangs_on_rounding(model: FittedModel, item: Any) -> bool:
    """Whether the logits of an item change if its grid does by as little as 32-bit floats are rounded by.

    A head of shares counts cells above 0. All those of a flat series may be 0 but for rounding.
    """
    trace, random = explain.trace(model, item), np.random.default_rng(0)
    noise = np.finfo(np.float32).eps * np.abs(trace.grid) * random.choice((-1.0, 1.0), trace.grid.shape)
    logits = trace.backbone(torch.from_numpy(trace.grid + noise)[None])[0].numpy()
    return bool(np.abs(logits - trace.logits).max() > TOLERANCE * max(1.0, float(np.abs(trace.logits).max())))


def _numbers(values: Values) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the values of `gridcnn.render.live.maps` under the names that a traced graph has for them."""
    yield "probabilities", np.asarray(values["probabilities"])
    yield "n_windows", np.array([values["n_windows"]])
    yield "logits", np.asarray(values["logits"])
    for name in ("grid", "column"):
        if values[name] is not None:
            yield name, _unpacked(values[name])
    for group, stages in enumerate(values["maps"]):
        for stage, maps in enumerate(stages):
            if maps is not None:
                yield f"maps {group} {stage}", _unpacked(maps)


def _same_words(shown: Sequence[str], words: Sequence[str]) -> bool:
    """Whether words are the same, where very long ones may be cut short."""
    cut = (word.startswith(each[:-1]) if each.endswith("…") else word == each for each, word in zip(shown, words))
    return len(shown) == len(words) and all(cut)


def _unpacked(packed: Values) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["numbers"]), "<f4")


def _from_the_beginning(axis: Values) -> Values:
    start = axis["low"][0] if axis["unit"] == "s" else 0
    moved = {side: [round(place - start, 5) for place in axis[side]] for side in ("low", "high")}
    return {**axis, **moved, "words": []}
