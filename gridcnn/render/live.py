"""What a live page shows: the network, once for each model, and the values of one item after another.

`layers` and `maps` return what `gridcnn/render/front/provider.js` describes field by field, JSON-ready; the explanation
page of one item holds the same. `files` are those that a browser needs, for a service or a folder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from gridcnn import explain
from gridcnn.adapters.windows import cut_windows
from gridcnn.explain import Coordinates, Step, Trace
from gridcnn.explain.steps import record
from gridcnn.model import FittedModel, fitted_model
from gridcnn.render.asked_numbers import asked_numbers
from gridcnn.render.drawn_kernels import (
    LARGEST_MAP,
    MOST_MAPS,
    Kernels,
    grid_fits,
    groups,
    heaviest_kernels,
    kernel_weights,
    map_values,
)
from gridcnn.render.html import render
from gridcnn.render.packing import packed, packed_axis, times
from gridcnn.render.shown_input import shown_input
from gridcnn.render.voting import bag_of, features, places_of_largest, sums

__all__ = ["POLICY", "describe", "files", "layers", "maps", "unknown_words", "values_of"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may load for the live page: its own files, and pictures and sounds that a person chose."""

LONGEST_COLUMN = 256 * 256
"""Length of the longest feature vector that is drawn."""

MOST_WEIGHTS = 2**20
"""Largest number of weights of the votes that are sent."""

COMMON_WORDS = 3_000
"""Number of known words among which those are found that a kernel responds to."""

_FIXED: WeakKeyDictionary[FittedModel, list[Kernels]] = WeakKeyDictionary()


def layers(model: Any) -> dict[str, Any]:
    """Return what a live page shows of a model whatever the item: classes, axes, kernels, sizes, weights of the votes.

    At most 12 kernels of each convolution are in it, the same for every item: those with the largest weights, times
    the weights of what reads their maps.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    """
    model = fitted_model(model)
    backbone = model.network.calibrated().double().eval().requires_grad_(False)
    steps = record(backbone, np.zeros(model.adapter.spec_.shape))
    drawn = heaviest_kernels(steps, backbone)
    _FIXED[model] = drawn
    n_classes = len(model.classes)
    shown = n_classes * len(steps[-1].input) <= MOST_WEIGHTS
    return describe(model, steps, drawn, range(n_classes) if shown else range(0))


def maps(model: Any, item: Any) -> dict[str, Any]:
    """Return the values of one item for the kernels that `layers` returns: the answer, grid, maps, column, cautions.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    item : object
        One raw item as the model's adapter reads it.

    Raises
    ------
    ItemError
        If the item cannot be decoded, or the network's answer is not finite.
    """
    model = fitted_model(model)
    if model not in _FIXED:
        layers(model)
    return values_of(explain.trace(model, item), _FIXED[model])


def describe(model: FittedModel, steps: Sequence[Step], drawn: list[Kernels], voted: Sequence[int]) -> dict[str, Any]:
    """Return the network as a page draws it; `voted` are the indices of the classes whose weights are in it."""
    adapter, spec, logits = model.adapter, model.adapter.spec_, steps[-1]
    weights = kernel_weights(steps, model.network.backbone)
    shown = groups(steps, drawn, weights)
    entries, found = len(logits.input), features(steps, model.network.backbone.config)
    return {
        "classes": model.class_names,
        "background": model.background,
        "thresholds": None if model.thresholds is None else model.thresholds.tolist(),
        "temperature": model.network.temperature,
        "noun": adapter.noun,
        "unit": adapter.unit,
        "about": adapter.describe_grid(),
        "takes": _takes(model),
        "sizes": list(spec.sizes),
        "n_channels": spec.channels.size,
        "channel": spec.channels.name,
        "upwards": spec.axes[0].upwards,
        "axes": [packed_axis(Coordinates.of(axis)) for axis in spec.axes],
        "groups": [group for group in shown if group["drawn"]],
        "column": _column(steps, found),
        "features": found,
        "fixed": bool(model.recipe.get("solved")),
        "bag": bag_of(steps, found["summed"], weights[-1]),
        "dense": {
            "classes": list(voted),
            "weights": packed(logits.weights[list(voted)]) if len(voted) and entries <= LONGEST_COLUMN else None,
            "bias": logits.bias.tolist(),
        },
        "looks_for": _looks_for(model, steps[0], drawn[0], found["summed"]),
        "stack": _stack(steps),
        "left_out": _left_out(shown, entries),
    }


def values_of(trace: Trace, drawn: list[Kernels]) -> dict[str, Any]:
    """Return the values of a traced item for the drawn kernels."""
    config = trace.backbone.config
    column = trace.steps[-1].input
    return {
        "probabilities": trace.item_probabilities.tolist(),
        "window": trace.window,
        "n_windows": trace.n_windows,
        "n_copies": trace.n_copies,
        "logits": trace.logits.tolist(),
        "grid": packed(trace.grid) if grid_fits(trace.grid) else None,
        "maps": map_values(trace.steps, drawn),
        "column": packed(column) if len(column) <= LONGEST_COLUMN else None,
        "peaks": places_of_largest(trace.steps, config),
        "sums": sums(trace.steps, config),
        "axes": [packed_axis(axis) for axis in trace.coordinates],
        "input": shown_input(trace),
        "cautions": trace.adapter.cautions(trace.item),
        "unknown": unknown_words(trace),
        "remarks": list(trace.remarks),
    }


def unknown_words(trace: Trace) -> dict[str, Any] | None:
    """Return the words of the window that the model does not know, with their number and that of all; None without."""
    cells = trace.coordinates[-1]
    every = [(word, known) for word, known in zip(cells.words, cells.known, strict=True) if word]
    words = [(word, known) for word, known in every if any(map(str.isalnum, word))] or every  # no punctuation
    unknown = [word for word, known in words if not known]
    if not unknown:
        return None
    return {
        "words": list(dict.fromkeys(unknown)),
        "count": len(unknown),
        "total": len(words),
        "characters": all(len(word) == 1 for word, _ in words),
    }


def files(entry: str = "serve.js", policy: str = "") -> dict[str, bytes]:
    """Return the files of the live page by name: `index.html`, and what it reads from the folder `static`.

    Parameters
    ----------
    entry : str
        Name of the module in `static` that starts the page.
    policy : str
        A Content-Security-Policy for the page to state itself, where no server sends one.
    """
    found = {"index.html": render("live.html", policy=policy, entry=entry).encode()}
    for folder, kinds in (("front", (".js", ".css")), ("templates", (".css",))):
        for file in resources.files("gridcnn.render").joinpath(folder).iterdir():
            if file.name.endswith(kinds):
                found[f"static/{file.name}"] = file.read_bytes()
    return found


def _takes(model: FittedModel) -> dict[str, Any]:
    """Say what a page should ask for, as the adapter's fitted state has it."""
    spec, state = model.adapter.spec_, model.adapter.state()
    sides = [1, *spec.sizes][-2:]
    return {
        "modality": model.adapter.modality,
        "height": sides[0],
        "width": sides[1],
        "channels": spec.channels.size,
        "paper": state.get("mean_"),
        "rate": state.get("sample_rate_"),
        "samples": state.get("samples_"),
        **asked_numbers(model.adapter),
    }


def _column(steps: Sequence[Step], found: dict[str, Any]) -> dict[str, int] | None:
    """Return how the features behind the logits are drawn; None if they are too many."""
    entries = len(steps[-1].input)
    if entries > LONGEST_COLUMN:
        return None
    last = [step for step in steps if step.block][-1]
    cells = math.prod(last.output.shape[1:])
    flattened = [part["kind"] for part in found["parts"]] == ["cells"]
    wide = max(min(64, math.ceil(math.sqrt(4 * entries))), math.ceil(math.sqrt(entries)))
    return {"entries": entries, "in_a_row": cells if flattened and 4 <= cells <= 128 else wide}


@torch.inference_mode()
def _looks_for(model: FittedModel, step: Step, drawn: Kernels, summed: int) -> dict[int, str]:
    """Return the known symbols to which the cells of the first kernels respond most, if there are symbols."""
    known = model.adapter.known_symbols(COMMON_WORDS)
    if known is None:
        return {}
    symbols, windows = known
    grids = model.network.frontend(torch.from_numpy(windows)).double().numpy()  # (windows, dim, length)
    length = grids.shape[2]
    places = np.arange(length)[None]
    if len(symbols) > length:
        places = cut_windows(np.arange(len(symbols)), length)
    vectors = np.zeros((max(len(symbols), length), grids.shape[1]))
    vectors[places] = grids.transpose(0, 2, 1)
    return {
        kernel + 1: " ".join(symbols[at] for at in (vectors[: len(symbols)] @ step.kernels[kernel]).argmax(axis=0))
        for kernel in drawn
        if kernel < len(step.kernels) - summed  # a sum looks for nothing, but adds up
    }


def _stack(steps: Sequence[Step]) -> list[tuple[str, str]]:
    """Return the stack of layers in words: names and sizes."""
    rows = [("input", times(steps[0].input.shape))]
    by_block = {step.block: step for step in steps if step.block}  # the last step of each
    rows += [(f"block {block}", times(step.output.shape)) for block, step in by_block.items()]
    rows.append(("column", f"{len(next(step for step in steps if step.kind == 'features').output):,}"))
    rows += [(step.name, f"{len(step.output):,}") for step in steps if step.kind == "dense"]
    return [*rows, ("votes", f"{len(steps[-1].output):,}")]


def _left_out(shown: Sequence[dict[str, Any]], entries: int) -> dict[str, Any]:
    """Name the parts that are too large to draw."""
    drawn = [group for group in shown if group["drawn"]]
    fewer = min((len(group["maps"]) for group in drawn), default=0)
    return {
        "convolutions": [[group["block"], group["number"]] for group in shown if not group["drawn"]],
        "largest": LARGEST_MAP,
        "fewer": fewer if any(len(group["maps"]) < min(MOST_MAPS, group["n_maps"]) for group in drawn) else 0,
        "entries": entries if entries > LONGEST_COLUMN else 0,
    }
