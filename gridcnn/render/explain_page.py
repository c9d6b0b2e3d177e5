"""One self-contained page that shows every step of a network for one item.

The numbers come from `gridcnn.explain`; this file selects those that are drawn and packs them into the page, as 32-bit
floats. The template lays them out; its script draws them and writes out the sum behind a cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gridcnn import explain
from gridcnn.errors import ItemError
from gridcnn.explain import Trace
from gridcnn.model import fitted_model
from gridcnn.render.drawn_kernels import LARGEST_MAP, Kernels, choose_kernels, convolutions
from gridcnn.render.html import render
from gridcnn.render.live import describe, unknown_words, values_of
from gridcnn.render.packing import packed
from gridcnn.render.preview import name_of

__all__ = ["explain_page"]

N_LABELS, MOST_LABELS = 3, 10
"""Number of classes whose contributions are shown, and at most if an item may have several labels."""


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
    voted = _labels(trace, target)
    layers = describe(model, trace.steps, drawn, voted)
    values = values_of(trace, drawn)
    data = {
        "layers": layers,
        "values": {**values, "votes": [_contributions(trace, index) for index in voted]},
        "explained": str(trace.classes[target]),
        "attribution": packed(explain.attribute(trace, trace.classes[target])),
        "cam": packed(explain.grad_cam(trace, trace.classes[target])),
        "match": _match(trace, _to_match(drawn, layers), random_state, fixed=layers["fixed"]),
    }
    names = ["none of the classes" if at == model.background else name for at, name in enumerate(model.class_names)]
    order = np.argsort(-trace.item_probabilities, kind="stable")[:2]
    return render(
        "page.html",
        script="page.js",
        name=name or name_of(item),
        noun=layers["noun"],
        kind=values["input"]["kind"],
        explained=data["explained"],
        prediction=_given(trace) or names[trace.item_probabilities.argmax()],
        classes=[(names[index], float(trace.item_probabilities[index])) for index in order],
        several=model.several,
        cautions=values["cautions"],
        unknown=_unknown(trace),
        stack=layers["stack"],
        remarks=[*trace.remarks, *_left_out(layers["left_out"])],
        data=data,
    )


def _labels(trace: Trace, target: int) -> list[int]:
    """Return the explained class, and then the most probable others; with several labels, all that are given."""
    others = [int(index) for index in np.argsort(-trace.probabilities, kind="stable") if index != target]
    n_given = 0 if trace.thresholds is None else int((trace.item_probabilities >= trace.thresholds).sum())
    return [target, *others][: min(max(N_LABELS, n_given), MOST_LABELS)]


def _given(trace: Trace) -> str:
    """Return the labels that an item is given, if it may have several, as a heading says them."""
    if trace.thresholds is None:
        return ""
    given = trace.classes[trace.item_probabilities >= trace.thresholds]
    return ", ".join(map(str, given)) or "no label"


def _unknown(trace: Trace) -> dict[str, Any] | None:
    """Return the words of the window that the model does not know, and their share.

    None if it knows all of them; and if it knows none, since a remark of the trace lists them then.
    """
    found = unknown_words(trace)
    if found is None or found["count"] == found["total"]:
        return None
    return {
        **found,
        "count": f"{found['count']} of {found['total']}",
        "unit": "characters" if found["characters"] else "words",
        "where": " of this window" if trace.n_windows > 1 else "",
    }


def _contributions(trace: Trace, target: int) -> dict[str, Any]:
    """Return the strongest contributions for and against a class, with the pieces of the input that they rest on."""
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
        "class": target,
        "supporting": listed(found.strongest_for),
        "opposing": listed(found.strongest_against),
    }


def _to_match(drawn: list[Kernels], layers: dict[str, Any]) -> list[Kernels]:
    """Return the drawn kernels without those of a bag, which look for nothing; none if no others count."""
    bag = layers["bag"]
    if bag is None:
        return drawn
    return [[] if bag["alone"] else [kernel for kernel in kernels if kernel + 1 < bag["first"]] for kernels in drawn]


def _match(trace: Trace, drawn: list[Kernels], random_state: int, *, fixed: bool) -> dict[str, Any] | None:
    """Return the similarity maps of a learned kernel and of a random one of the same size and norm; None without one.

    A kernel that is `fixed`, not learned, is compared with none. The chosen kernel is the drawn one
    whose best match exceeds chance most: kernels of only nine numbers match some edge even if they are random.
    """
    best: tuple[float, dict[str, Any]] | None = None
    for kernels, (_, (step, *_)) in zip(drawn, convolutions(trace.steps), strict=True):
        if math.prod(step.input.shape[1:]) > LARGEST_MAP:
            continue
        for kernel in kernels[:3]:
            learned = step.kernels[kernel]
            chance = explain.random_kernel(learned, random_state)
            found, by_chance = (
                explain.cosine_similarity_map(each, step.input, padding="same") for each in (learned, chance)
            )
            gain = float(found.max() - (0 if fixed else by_chance.max()))
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
                        "random": None if fixed else packed(by_chance),
                        "fixed": fixed,
                    },
                )
    return best and best[1]


def _left_out(found: dict[str, Any]) -> list[str]:
    """Name the parts that are left out because they are too large to draw."""
    remarks = []
    if found["convolutions"]:
        where = ", ".join(f"block {block} convolution {number}" for block, number in found["convolutions"])
        remarks.append(
            f"The maps of {where} have more than {found['largest']:,} cells, too many to draw: they are left out."
        )
    if fewer := found["fewer"]:
        remarks.append(f"The input is large: only the {fewer} strongest kernels of each convolution are drawn.")
    if entries := found["entries"]:
        remarks.append(f"The column has {entries:,} entries, too many to draw: shown are the strongest votes.")
    return remarks
