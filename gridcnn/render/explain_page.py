"""One self-contained page that shows every step of a network for one item.

The numbers come from `gridcnn.explain`; this file selects those that are drawn and packs them into the page, as 32-bit
floats. The template lays them out; its script draws them and writes out the sum behind a cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from gridcnn import explain
from gridcnn.adapters.windows import cut_windows
from gridcnn.errors import ItemError
from gridcnn.explain import Trace
from gridcnn.model import FittedModel, fitted_model
from gridcnn.render.drawn_kernels import LARGEST_MAP, MOST_MAPS, Kernels, choose_kernels, convolutions, groups
from gridcnn.render.html import render
from gridcnn.render.packing import packed, packed_axis, times
from gridcnn.render.preview import name_of
from gridcnn.render.shown_input import shown_input

__all__ = ["explain_page"]

LONGEST_COLUMN = 20_000
"""Length of the longest feature vector that is drawn."""

N_LABELS = 3
"""Number of classes whose contributions are shown."""

COMMON_WORDS = 3_000
"""Number of known words among which the page finds those that a kernel responds to."""


def explain_page(
    model: Any,
    item: Any,
    *,
    name: str | None = None,
    label: str | None = None,
    window: int | None = None,
    random_state: int = 0,
) -> str:
    """Return the page of one item, as HTML that needs no network and no other file.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    item : object
        One raw item: a path, a sentence, an array.
    name : str, optional
        Name of the item on the page; the default is the file's name, the sentence, or the array's shape.
    label : str, optional
        The explained class; the default is the predicted one.
    window : int, optional
        Number of the window of a long recording or text, from 1; the default is the most certain one.
    random_state : int
        Seed of the random kernel beside the learned one.

    Raises
    ------
    ItemError
        If the item cannot be decoded.
    ConfigurationError
        If there is no such class or window.
    """
    model = fitted_model(model)
    try:
        trace = explain.trace(model, item, window=window)
    except ItemError as error:
        raise error if name is None else ItemError(name, error.reason) from None
    target = trace.class_index(label)
    drawn = choose_kernels(trace, target)
    shown = groups(trace, drawn)
    remarks = [*trace.remarks, *_summaries(trace, shown)]
    whole_grid = trace.grid.size <= 4 * LARGEST_MAP
    data = {
        "upwards": trace.spec.axes[0].upwards,
        "channel": trace.spec.channels.name,
        "sizes": list(trace.grid.shape[1:]),
        "axes": [packed_axis(axis) for axis in trace.coordinates],
        "grid": packed(trace.grid) if whole_grid else None,
        "groups": [group for group in shown if group["drawn"]],
        "column": _features(trace),
        "votes": [_contributions(trace, index) for index in _labels(trace, target)],
        "attribution": packed(explain.attribute(trace, trace.classes[target])),
        "cam": packed(explain.grad_cam(trace, trace.classes[target])),
        "match": _match(trace, drawn, random_state),
    }
    order = np.argsort(-trace.item_probabilities, kind="stable")[:10]
    return render(
        "page.html",
        script="page.js",
        name=name or name_of(item),
        item=shown_input(trace),
        explained=str(trace.classes[target]),
        prediction=str(model.classes[trace.item_probabilities.argmax()]),
        classes=[(str(trace.classes[index]), float(trace.item_probabilities[index])) for index in order],
        n_classes=len(trace.classes),
        cautions=model.adapter.cautions(trace.item),
        unknown=_unknown(trace),
        stack=_stack(trace),
        remarks=remarks,
        trace=trace,
        groups=data["groups"],
        data=data,
        looks_for=_looks_for(model, trace, drawn),
        noun=model.adapter.noun,
        about=model.adapter.describe_grid(),
    )


def _labels(trace: Trace, target: int) -> list[int]:
    """Return the explained class, and then the most probable others."""
    others = [int(index) for index in np.argsort(-trace.probabilities, kind="stable") if index != target]
    return [target, *others][:N_LABELS]


def _unknown(trace: Trace) -> dict[str, Any] | None:
    """Return the words of the window that the model does not know, and their share.

    None if it knows all of them; and if it knows none, since a remark of the trace lists them then.
    """
    cells = trace.coordinates[-1]
    every = [(word, known) for word, known in zip(cells.words, cells.known, strict=True) if word]
    words = [(word, known) for word, known in every if any(map(str.isalnum, word))] or every  # no punctuation
    unknown = [word for word, known in words if not known]
    if len(unknown) in (0, len(words)):
        return None
    return {
        "words": list(dict.fromkeys(unknown)),
        "count": f"{len(unknown)} of {len(words)}",
        "unit": "words" if any(len(word) > 1 for word, _ in words) else "characters",
        "where": " of this window" if trace.n_windows > 1 else "",
    }


def _features(trace: Trace) -> dict[str, Any] | None:
    """Return the features behind the logits, and how many of them are drawn in a row."""
    step = trace.steps[-1]
    if len(step.input) > LONGEST_COLUMN:
        return None
    last = [each for each in trace.steps if each.block][-1]
    flattened = len(step.input) == last.output.size and trace.steps[-2].kind == "features"
    cells = math.prod(last.output.shape[1:])
    in_a_row = cells if flattened and 4 <= cells <= 128 else min(64, math.ceil(math.sqrt(4 * len(step.input))))
    return {
        "values": packed(step.input),
        "in_a_row": in_a_row,
        "maps": len(last.output),
        "flattened": flattened,
        "pooled": len(step.input) == len(last.output) and trace.steps[-2].kind == "features",
        "sizes": list(last.output.shape[1:]),
    }


def _contributions(trace: Trace, target: int) -> dict[str, Any]:
    found = explain.contributions(trace, trace.classes[target])

    def listed(each: Iterable[explain.Contribution]) -> list[dict[str, Any]]:
        return [
            {
                "entry": one.index,
                "value": one.feature,
                "weight": one.weight,
                "product": one.product,
                "where": one.patch.where,
                "kernel": one.patch.kernel,
                "region": [[int(piece.start), int(piece.stop)] for piece in one.patch.region],
            }
            for one in each
        ]

    return {
        "label": str(found.label),
        "bias": found.bias,
        "logit": found.logit,
        "probability": float(trace.probabilities[target]),
        "weights": packed(found.weights) if len(found.weights) <= LONGEST_COLUMN else None,
        "supporting": listed(found.strongest_for),
        "opposing": listed(found.strongest_against),
    }


def _match(trace: Trace, drawn: list[Kernels], random_state: int) -> dict[str, Any] | None:
    """Return the similarity maps of a learned kernel and of a random one of the same size and norm.

    The chosen kernel is the drawn one whose best match exceeds chance most: kernels of only nine numbers match some
    edge even if they are random.
    """
    best: tuple[float, dict[str, Any]] | None = None
    for kernels, (_, (step, *_)) in zip(drawn, convolutions(trace), strict=True):
        if math.prod(step.input.shape[1:]) > LARGEST_MAP:
            continue
        for kernel in kernels[:3]:
            learned = step.kernels[kernel]
            chance = explain.random_kernel(learned, random_state)
            found, by_chance = (
                explain.cosine_similarity_map(each, step.input, padding="same") for each in (learned, chance)
            )
            gain = float(found.max() - by_chance.max())
            if best is None or gain > best[0]:
                best = (
                    gain,
                    {
                        "name": f"kernel {kernel + 1} of block {step.block}",
                        "numbers": learned.size,
                        "sizes": list(step.input.shape[1:]),
                        "best": float(found.max()),
                        "best_by_chance": float(by_chance.max()),
                        "learned": packed(found),
                        "random": packed(by_chance),
                    },
                )
    return best and best[1]


@torch.inference_mode()
def _looks_for(model: FittedModel, trace: Trace, drawn: list[Kernels]) -> dict[int, str]:
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
    kernels = trace.steps[0].kernels
    return {
        kernel + 1: " ".join(symbols[at] for at in (vectors[: len(symbols)] @ kernels[kernel]).argmax(axis=0))
        for kernel in drawn[0]
    }


def _stack(trace: Trace) -> list[tuple[str, str]]:
    """Return the stack of layers in words: names and sizes."""
    rows = [("input", times(trace.grid.shape))]
    rows += [(f"block {block}", times(trace.block(block)[-1].output.shape)) for block in range(1, trace.n_blocks + 1)]
    rows.append(("column", f"{len(trace.feature_vector):,}"))
    rows += [(step.name, f"{len(step.output):,}") for step in trace.steps if step.kind == "dense"]
    return [*rows, ("votes", f"{len(trace.classes):,}")]


def _summaries(trace: Trace, groups: list[dict[str, Any]]) -> list[str]:
    """Name the parts that are left out because they are too large to draw."""
    remarks = []
    if skipped := [group for group in groups if not group["drawn"]]:
        where = ", ".join(f"block {group['block']} convolution {group['number']}" for group in skipped)
        remarks.append(
            f"The maps of {where} have more than {LARGEST_MAP:,} cells, too many to draw: they are left out."
        )
    fewer = min((len(group["maps"]) for group in groups if group["drawn"]), default=0)
    if fewer and any(len(group["maps"]) < min(MOST_MAPS, group["n_maps"]) for group in groups):
        remarks.append(f"The input is large: only the {fewer} strongest kernels of each convolution are drawn.")
    if len(trace.steps[-1].input) > LONGEST_COLUMN:
        remarks.append(
            f"The column has {len(trace.steps[-1].input):,} entries, too many to draw: shown are the strongest votes."
        )
    return remarks
