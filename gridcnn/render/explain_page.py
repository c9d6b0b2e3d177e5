"""One self-contained page that shows the whole way of one item through a network.

The numbers come from `gridcnn.explain`; this file chooses which of them are drawn and packs them into the page, as
32-bit floats. The template lays them out; its script draws them and writes out the sum behind a cell.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from gridcnn import explain
from gridcnn.adapters.windows import cut_windows
from gridcnn.estimator import GridClassifier
from gridcnn.explain import ReceptiveField, Step, Trace
from gridcnn.render.html import render
from gridcnn.render.preview import clip_uri, name_of, picture_uri, tinted

__all__ = ["explain_page"]

MOST_MAPS = 12
"""Kernels drawn of each convolution, the most important first."""

MOST_CELLS = 300_000
"""Cells of all maps that are drawn, at most: fewer kernels are drawn where there are more."""

LARGEST_MAP = 256 * 256
"""Cells of the largest map that is drawn."""

LONGEST_COLUMN = 20_000
"""Entries of the longest column that is drawn."""

LARGEST_CLIP = 500_000
"""Samples up to which the sound is kept exactly; longer sounds become MP3."""

N_LABELS = 3
"""Classes whose votes can be looked at."""

COMMON_WORDS = 3_000
"""Words of the vocabulary among which those are found that a kernel answers to."""

TITLES = {"convolution": "match", "relu": "ReLU", "pool": "pooled"}

Kernels = list[int]


def explain_page(
    classifier: GridClassifier,
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
    classifier : GridClassifier
        A fitted classifier.
    item : object
        One raw item: a path, a sentence, an array.
    name : str, optional
        What the page calls the item; the default is the file's name, the sentence, or the array's shape.
    label : str, optional
        The class that is explained; the default is the predicted one.
    window : int, optional
        Which window of a long recording or text, counted from 1; the default is the surest.
    random_state : int
        Seed of the random kernel that stands beside the learned one.

    Raises
    ------
    ItemError
        If the item cannot be decoded.
    ConfigurationError
        If there is no such class or window.
    """
    trace = explain.trace(classifier, item, window=window)
    target = trace.class_index(label)
    drawn = _choose_kernels(trace, target)
    groups = _groups(trace, drawn)
    remarks = [*trace.remarks, *_summaries(trace, groups)]
    whole_grid = trace.grid.size <= 4 * LARGEST_MAP
    data = {
        "modality": trace.modality,
        "upwards": trace.modality == "sound",  # low frequencies stand at the bottom
        "sizes": list(trace.grid.shape[1:]),
        "axes": [_axis(axis) for axis in trace.coordinates],
        "grid": _packed(trace.grid) if whole_grid else None,
        "groups": [group for group in groups if group["drawn"]],
        "column": _column(trace),
        "votes": [_votes(trace, index) for index in _labels(trace, target)],
        "attribution": _packed(explain.attribute(trace, trace.classes[target])),
        "cam": _packed(explain.grad_cam(trace, trace.classes[target])),
        "match": _match(trace, drawn, random_state),
    }
    order = np.argsort(-trace.item_probabilities, kind="stable")[:10]
    return render(
        "page.html",
        script="page.js",
        name=name or name_of(classifier.adapter_, item),
        item=_input(classifier, trace),
        explained=str(trace.classes[target]),
        prediction=str(classifier.classes_[trace.item_probabilities.argmax()]),
        classes=[(str(trace.classes[index]), float(trace.item_probabilities[index])) for index in order],
        n_classes=len(trace.classes),
        stack=_stack(trace),
        remarks=remarks,
        trace=trace,
        groups=data["groups"],
        data=data,
        looks_for=_looks_for(classifier, trace, drawn),
    )


# ---- what is drawn -----------------------------------------------------------------------------------------------


def _convolutions(trace: Trace) -> list[tuple[int, list[Step]]]:
    """Return each convolution with the steps up to the next one, and its number within its block."""
    found: list[tuple[int, list[Step]]] = []
    for step in trace.steps:
        if step.kind == "convolution":
            before = found[-1] if found else None
            number = before[0] + 1 if before and before[1][0].block == step.block else 1
            found.append((number, [step]))
        elif step.block is not None:
            found[-1][1].append(step)
    return found


def _choose_kernels(trace: Trace, target: int) -> list[Kernels]:
    """Return the indices of the kernels to draw, of each convolution: those whose maps speak most about the class.

    Importance is the sum of |value × gradient of the logit| over a kernel's map, as the next convolution reads it.
    """
    convolutions = [steps for _, steps in _convolutions(trace)]
    values = torch.from_numpy(trace.grid.copy())[None].requires_grad_()
    outputs = {}
    for step in trace.steps:
        outputs[step.name] = values = step.run(values)
    maps = [outputs[steps[-1].name] for steps in convolutions]
    chosen = []
    for each, gradient in zip(maps, torch.autograd.grad(values[0, target], maps), strict=True):
        importance = (gradient * each)[0].abs().flatten(1).sum(dim=1).detach().numpy()
        loudest = each[0].abs().flatten(1).amax(dim=1).detach().numpy()  # decides among those that say nothing
        order = np.lexsort((-loudest, -importance))
        chosen.append(order[:MOST_MAPS].tolist())
    cells = [
        sum(math.prod(step.output.shape[1:]) for step in steps if step.kind in {"norm", "pool"} or step is steps[0])
        for steps in convolutions
    ]
    most = MOST_MAPS
    while most > 1 and most * sum(cells) > MOST_CELLS:
        most -= 1
    return [kernels[:most] for kernels in chosen]


def _groups(trace: Trace, drawn: list[Kernels]) -> list[dict[str, Any]]:
    """Return what the page needs of each convolution and the steps that follow it."""
    groups: list[dict[str, Any]] = []
    n_channels = len(trace.grid)
    channels, visible = list(range(n_channels)), trace.grid.size <= 4 * LARGEST_MAP
    for kernels, (number, steps) in zip(drawn, _convolutions(trace), strict=True):
        convolution = steps[0]
        fits = all(math.prod(step.output.shape[1:]) <= LARGEST_MAP for step in steps)
        sizes = list(convolution.kernels[0].shape[1:])
        group: dict[str, Any] = {
            "block": convolution.block,
            "number": number,
            "drawn": fits,
            "n_maps": len(convolution.output),
            "maps": [kernel + 1 for kernel in kernels],
            "n_channels": n_channels,
            "channels": [channel + 1 for channel in channels],
            "below_drawn": visible,
            "size": sizes,
            "kernel_sizes": sorted({convolution.kernels[kernel].shape[1] for kernel in kernels}),
            "names": [f"block {convolution.block}, convolution {number}, kernel {kernel + 1}" for kernel in kernels],
        }
        if fits:
            group["kernels"] = [_packed(convolution.kernels[kernel][channels]) for kernel in kernels]
            group["strength"] = max(float(np.abs(convolution.kernels[kernel]).max()) for kernel in kernels)
            group["bias"] = [float(convolution.bias[kernel]) for kernel in kernels]
            group["below"] = [_reach(convolution.below[kernel]) for kernel in kernels]
            group["stages"] = _stages(steps, kernels)
            visible, channels = True, kernels
        else:
            visible, channels = False, []
        n_channels = len(convolution.output)
        groups.append(group)
    return groups


def _stages(steps: Sequence[Step], kernels: Kernels) -> list[dict[str, Any]]:
    """Return the maps that are drawn of one convolution: before ReLU, after it, pooled, in the network's own order."""
    stages: list[dict[str, Any]] = []
    for at, step in enumerate(steps):
        following = steps[at + 1].kind if at + 1 < len(steps) else ""
        if step.kind == "convolution" and following == "norm":
            continue  # drawn together with its normalisation
        stage: dict[str, Any] = {
            "kind": step.kind,
            "title": {"convolution": "match", "norm": "match", "relu": "ReLU", "pool": "pooled"}.get(
                step.kind, step.kind
            ),
            "step": step.name,
            "sizes": list(step.output.shape[1:]),
            "field": [_reach(step.field[kernel]) for kernel in kernels],
        }
        if step.kind == "norm":
            scale, shift = step.scale_and_shift
            stage["scale"], stage["shift"] = scale[kernels].tolist(), shift[kernels].tolist()
            stage["convolves"] = steps[at - 1].kind == "convolution"
            stage["title"] = "match" if stage["convolves"] else "scaled"
        if step.kind == "pool":
            stage["below"] = [_reach(step.below[kernel]) for kernel in kernels]
            stage["average"] = "Avg" in type(step.run).__name__
        if step.kind != "relu" or not stages:
            stage["values"] = _packed(step.output[kernels])
        stages.append(stage)
    return stages


def _labels(trace: Trace, target: int) -> list[int]:
    """Return the explained class first, then those that were most probable beside it."""
    others = [int(index) for index in np.argsort(-trace.probabilities, kind="stable") if index != target]
    return [target, *others][:N_LABELS]


def _column(trace: Trace) -> dict[str, Any] | None:
    """Return the entries that vote, and how many stand in a row where they are drawn."""
    step = trace.steps[-1]
    if len(step.input) > LONGEST_COLUMN:
        return None
    last = [each for each in trace.steps if each.block][-1]
    flattened = len(step.input) == last.output.size and trace.steps[-2].kind == "column"
    cells = math.prod(last.output.shape[1:])
    in_a_row = cells if flattened and 4 <= cells <= 128 else min(64, math.ceil(math.sqrt(4 * len(step.input))))
    return {
        "values": _packed(step.input),
        "in_a_row": in_a_row,
        "maps": len(last.output),
        "flattened": flattened,
        "pooled": len(step.input) == len(last.output) and trace.steps[-2].kind == "column",
        "sizes": list(last.output.shape[1:]),
    }


def _votes(trace: Trace, target: int) -> dict[str, Any]:
    found = explain.votes(trace, trace.classes[target])

    def listed(each: Iterable[explain.Contribution]) -> list[dict[str, Any]]:
        return [
            {
                "entry": vote.entry,
                "value": vote.value,
                "weight": vote.weight,
                "product": vote.product,
                "where": vote.patch.where,
                "kernel": vote.patch.kernel,
                "region": [[int(piece.start), int(piece.stop)] for piece in vote.patch.region],
            }
            for vote in each
        ]

    return {
        "label": str(found.label),
        "bias": found.bias,
        "logit": found.logit,
        "probability": float(trace.probabilities[target]),
        "weights": _packed(found.weights) if len(found.weights) <= LONGEST_COLUMN else None,
        "supporting": listed(found.strongest_for),
        "opposing": listed(found.strongest_against),
    }


def _match(trace: Trace, drawn: list[Kernels], random_state: int) -> dict[str, Any] | None:
    """Return where a learned kernel matches, and where a random one of the same size and strength does.

    Of the drawn kernels the one is taken that matches furthest better than chance: a kernel of nine numbers alone is
    too small for that, and finds edges even where nobody taught it.
    """
    best: tuple[float, dict[str, Any]] | None = None
    for kernels, (_, (step, *_)) in zip(drawn, _convolutions(trace), strict=True):
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
                        "learned": _packed(found),
                        "random": _packed(by_chance),
                    },
                )
    return best and best[1]


@torch.inference_mode()
def _looks_for(classifier: GridClassifier, trace: Trace, drawn: list[Kernels]) -> dict[int, str]:
    """Return for a text the common word that each place of a kernel of the first convolution answers to most."""
    if trace.modality != "text":
        return {}
    adapter: Any = classifier.adapter_
    text = (" " if adapter.tokens_ == "word" else "").join(adapter.vocabulary_[:COMMON_WORDS])
    tokens = adapter.tokenise(text)
    windows = adapter.encode(text)
    places = np.arange(len(windows[0]))[None]
    if len(tokens) > len(windows[0]):
        places = cut_windows(np.arange(len(tokens)), len(windows[0]))
    grids = classifier.network_.frontend(torch.from_numpy(windows)).double().numpy()  # (windows, dim, length)
    vectors = np.zeros((max(len(tokens), len(windows[0])), grids.shape[1]))
    vectors[places] = grids.transpose(0, 2, 1)
    kernels = trace.steps[0].kernels
    return {
        kernel + 1: " ".join(tokens[index] for index in (vectors[: len(tokens)] @ kernels[kernel]).argmax(axis=0))
        for kernel in drawn[0]
    }


# ---- what the input looks like -----------------------------------------------------------------------------------


def _input(classifier: GridClassifier, trace: Trace) -> dict[str, Any]:
    """Return the input as a picture, a player, or words."""
    if trace.modality == "text":
        axis = trace.coordinates[0]
        length = max((at + 1 for at, word in enumerate(axis.words) if word), default=0)
        return {"kind": "words", "words": list(zip(axis.words, axis.known, strict=True))[:length]}
    if trace.modality == "sound":
        adapter: Any = classifier.adapter_
        short = len(trace.encoded) <= LARGEST_CLIP
        return {
            "kind": "picture",
            "picture": picture_uri(tinted(trace.grid[0, ::-1])),
            "sound": clip_uri(trace.encoded, adapter.sample_rate_, exact=short),
            "step": adapter.hop_length_ / adapter.sample_rate_,
            "seconds": len(trace.encoded) / adapter.sample_rate_,
            **_ticks(trace),
        }
    if trace.grid.ndim == 2:
        return {"kind": "curve", "measured": len(trace.measured)}
    if trace.modality == "image":
        pixels = trace.encoded.transpose(1, 2, 0)  # (height, width, colour)
        return {"kind": "picture", "picture": picture_uri(pixels if pixels.shape[2] == 3 else pixels[..., 0])}
    return {"kind": "picture", "picture": picture_uri(tinted(trace.measured.mean(axis=0)))}


def _ticks(trace: Trace) -> dict[str, list[tuple[str, float]]]:
    """Return round frequencies and seconds with their places, as shares of the height and the width."""
    frequency, time = trace.coordinates
    start, stop = float(time.low[0]), float(time.high[-1])
    pace = next(step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300) if (stop - start) / step <= 8)
    seconds = np.arange(math.ceil(start / pace - 1e-9), math.floor(stop / pace + 1e-9) + 1) * pace
    rows, columns = len(frequency.centre), len(time.centre)
    hertz: list[tuple[str, float]] = []
    for pitch in (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100):  # from the top down
        place = 1 - float(np.interp(pitch, frequency.centre, np.arange(rows) + 0.5)) / rows
        if frequency.centre[0] <= pitch <= frequency.centre[-1] and (not hertz or place - hertz[-1][1] > 0.08):
            hertz.append((f"{pitch // 1000} kHz" if pitch >= 1000 else f"{pitch} Hz", place))
    places = np.interp(seconds, time.centre, np.arange(columns) + 0.5) / columns
    times = [(f"{second:g} s", place) for second, place in zip(seconds.round(3), places.tolist(), strict=True)]
    return {"hertz": hertz, "times": times}


def _stack(trace: Trace) -> list[tuple[str, str]]:
    """Return the shrinking stack in words: what stands where, and its size."""
    rows = [("input", _times(trace.grid.shape))]
    rows += [(f"block {block}", _times(trace.block(block)[-1].output.shape)) for block in range(1, trace.n_blocks + 1)]
    rows.append(("column", f"{len(trace.column):,}"))
    rows += [(step.name, f"{len(step.output):,}") for step in trace.steps if step.kind == "dense"]
    return [*rows, ("votes", f"{len(trace.classes):,}")]


def _summaries(trace: Trace, groups: list[dict[str, Any]]) -> list[str]:
    """Say what is left out because it is too large to draw."""
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


# ---- packing -----------------------------------------------------------------------------------------------------


def _packed(values: np.ndarray) -> dict[str, Any]:
    """Pack numbers as little-endian 32-bit floats in base64."""
    numbers = np.ascontiguousarray(values, dtype="<f4")
    return {"shape": list(numbers.shape), "numbers": base64.b64encode(numbers.tobytes()).decode()}


def _reach(reach: ReceptiveField) -> list[list[int]]:
    return [[int(cells) for cells in each] for each in (reach.offset, reach.size, reach.stride)]


def _axis(axis: explain.Coordinates) -> dict[str, Any]:
    return {
        "name": axis.name,
        "unit": axis.unit,
        "low": [round(float(edge), 5) for edge in axis.low],
        "high": [round(float(edge), 5) for edge in axis.high],
        "words": list(axis.words),
    }


def _times(shape: Sequence[int]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
