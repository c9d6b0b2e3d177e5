"""What `gridcnn.explain` measured, as pictures: every function returns a matplotlib figure.

Orange speaks for, purple against, white is zero, also to colour-blind eyes; all maps in one row share one scale. What
is too large to be drawn is summarised, and the picture says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from gridcnn import explain
from gridcnn.errors import ConfigurationError
from gridcnn.estimator import GridClassifier
from gridcnn.explain import Patch, Step, Trace

__all__ = [
    "answer",
    "arrays",
    "attribution",
    "confusion_matrix",
    "feature_maps",
    "input_grid",
    "kernels",
    "learning_curves",
    "match",
    "pooling",
    "relu",
    "stack",
    "top_patches",
    "votes",
    "walk",
    "write_all",
]

SIGNED = "PuOr_r"
SOUND = "magma"
FOR, AGAINST, GREY = "#b35806", "#542788", "#64748b"
WIDTH = 11.0  # inches; 1100 pixels at the resolution below
RESOLUTION = 100
MOST_MAPS = 8
MOST_CELLS = 256  # a side; of larger maps several cells are drawn as one
MOST_WORDS = 40
CHARACTERS = 92  # on a line


# ---- the input and the answer ----------------------------------------------------------------------------------------


def input_grid(trace: Trace) -> Figure:
    """Draw the item as the network sees it: a picture, a spectrogram in Hz and seconds, words, a curve."""
    figure = _figure(4.2 if len(trace.spec.axes) == 2 else 3.0)
    ax = figure.subplots()
    _draw_input(ax, trace)
    return _finished(figure, trace, f"The input: {trace.spec}")


def answer(trace: Trace, most: int = 10) -> Figure:
    """Draw the probabilities of the most probable classes."""
    figure = _figure(0.9 + 0.32 * min(len(trace.classes), most))
    _draw_answer(figure.subplots(), trace, most)
    return _finished(figure, trace, "The answer")


# ---- convolution, ReLU, pooling --------------------------------------------------------------------------------------


def kernels(trace: Trace, block: int = 1, most: int = 16) -> Figure:
    """Draw the kernels of a block's first convolution, loudest first in this item.

    A kernel over more than three input maps is drawn where it weighs most, over one of them.
    """
    step = next(step for step in trace.block(block) if step.kind == "convolution")
    chosen = _loudest(step.output, most)
    shown = [_face(step.kernels[index]) for index in chosen]
    columns = min(8, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = _figure(0.8 + 1.55 * rows)
    limit = max(float(np.abs(face).max()) for face in shown)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax, index, face in zip(axes, chosen, shown, strict=False):
        _draw_signed(ax, face, limit, trace)
        ax.set_title(f"kernel {index + 1}", fontsize=9)
    _hide(axes[len(shown) :])
    _scale(figure, axes, limit, "weight")
    listed = "" if len(chosen) == len(step.output) else f", {len(chosen)} of {len(step.output)}"
    return _finished(figure, trace, f"The kernels of block {block}{listed}: nobody designed them")


def match(trace: Trace, kernel: int | None = None) -> Figure:
    """Draw how well a kernel of the first convolution matches each patch, beside a kernel that nobody trained.

    `kernel` is counted from 1; None takes the one with the best match.
    """
    step = trace.steps[0]
    if kernel is not None and not 1 <= kernel <= len(step.kernels):
        raise ConfigurationError(f"there is no kernel {kernel}; kernels are counted from 1 to {len(step.kernels)}")
    if kernel is None:
        peaks = [explain.cosine_similarity_map(each, step.input, padding="same").max() for each in step.kernels]
        kernel = int(np.argmax(peaks)) + 1
    learned = step.kernels[kernel - 1]
    rows = [(f"kernel {kernel}", learned), ("a random kernel", explain.random_kernel(learned))]
    figure = _figure(5.6)
    axes = figure.subplots(2, 3, width_ratios=[2, 1, 2])
    for (title, each), (left, middle, right) in zip(rows, axes, strict=True):
        _draw_input(left, trace)
        face = _face(each)
        _draw_signed(middle, face, float(np.abs(face).max()), trace)
        middle.set_title(title, fontsize=10)
        matches = explain.cosine_similarity_map(each, step.input, padding="same")
        _draw_signed(right, matches, 1.0, trace)
        right.set_title(f"match, best {matches.max():.2f}", fontsize=10)
    _scale(figure, axes[:, 2], 1.0, "match")
    return _finished(figure, trace, "How well a kernel matches: 1 where the patch is the kernel")


def arrays(named: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw arrays of shape (height, width) side by side on one scale, with their numbers where these can be read."""
    figure = _figure(WIDTH / len(named) + 0.2)
    limit = max(_limit(values) for values in named.values())
    axes = np.atleast_1d(figure.subplots(1, len(named)))
    for ax, (name, values) in zip(axes, named.items(), strict=True):
        ax.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
        ax.set(title=name, xticks=[], yticks=[])
        _write_numbers(ax, values)
    _scale(figure, axes, limit, "")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def feature_maps(trace: Trace, block: int = 1, most: int = MOST_MAPS) -> Figure:
    """Draw the maps of a block before ReLU, after it and after pooling, each row on one scale."""
    active = trace.activation(block)
    rows = [("before ReLU", active.input), ("after ReLU", active.output)]
    rows += [("after pooling", step.output) for step in trace.block(block) if step.kind == "pool"]
    chosen = _loudest(active.output, most)
    figure = _figure(0.7 + len(rows) * (1.5 if active.output.ndim == 3 else 1.9))
    parts = np.ravel(figure.subfigures(len(rows), 1, squeeze=False))
    for part, (title, maps) in zip(parts, rows, strict=True):
        _draw_row(part, maps, [index for index in chosen if index < len(maps)], trace, title)
    return _finished(figure, trace, f"Block {block}: {_listing(chosen, len(active.output))}")


def relu(trace: Trace, block: int = 1, kernel: int | None = None) -> Figure:
    """Draw one map before and after ReLU: cells below zero become zero, others stay."""
    step = trace.activation(block)
    index = _map_index(step, kernel)
    return _before_and_after(trace, step, index, step.input[index], f"ReLU, block {block}, kernel {index + 1}")


def pooling(trace: Trace, block: int = 1, kernel: int | None = None) -> Figure:
    """Draw one map before and after pooling, with the windows drawn in."""
    step = next((step for step in trace.block(block) if step.kind == "pool"), None)
    if step is None:
        raise ConfigurationError(f"block {block} pools nothing; draw its feature_maps instead")
    index = _map_index(step, kernel)
    figure = _before_and_after(trace, step, index, step.input[index], f"Pooling, block {block}, kernel {index + 1}")
    ax, cells = figure.axes[0], step.output.shape[1:]
    if max(step.input.shape[1:]) <= MOST_CELLS:
        for cell in np.ndindex(*cells):
            window = step.below[index].patch(cell, step.input.shape[1:])
            height = (0, 1) if len(window) == 1 else (window[0].start, window[0].stop)
            across = window[-1]
            corner = (across.start - 0.5, height[0] - 0.5)
            size = (across.stop - across.start, height[1] - height[0])
            ax.add_patch(Rectangle(corner, *size, fill=False, edgecolor=GREY, linewidth=0.5))
    return figure


def stack(trace: Trace, most: int = 6) -> Figure:
    """Draw the maps of every block as sheets in their true proportions: they get smaller, and more."""
    figure = _figure(3.6)
    ax = figure.subplots()
    largest = max(trace.spec.sizes)
    stages = [("the grid", trace.grid)]
    stages += [(f"block {n}", trace.block(n)[-1].output) for n in range(1, trace.n_blocks + 1)]
    left, top, bottom = 0.0, 0.0, 0.0
    captions = []
    for title, maps in stages:
        sheets = _loudest(maps, most)
        sizes = maps.shape[1:] if maps.ndim == 3 else (max(1, maps.shape[1] // 6), maps.shape[1])
        height, width = (size / largest for size in sizes)
        gap = 0.06
        limit = _limit(maps)
        for depth, index in enumerate(reversed(sheets)):
            x, y = left + depth * gap, (len(sheets) - 1 - depth) * gap - height / 2
            extent = (x, x + width, y, y + height)
            top, bottom = max(top, y + height), min(bottom, y)
            picture = _summary(np.atleast_2d(maps[index]))[0]
            ax.imshow(picture, cmap=SIGNED, vmin=-limit, vmax=limit, extent=extent, origin=_origin(trace), zorder=depth)
            ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=GREY, linewidth=0.7, zorder=depth))
        across = width + (len(sheets) - 1) * gap
        words = f"{title}\n{len(maps)} × {' × '.join(map(str, maps.shape[1:]))}"
        captions.append((left + across / 2, words))
        left += across + 0.35
    for x, words in captions:
        ax.text(x, bottom - 0.06, words, ha="center", va="top", fontsize=9)
    ax.text(left, 0, f"column\n{len(trace.column)} numbers\n\nanswer\n{trace.prediction}", va="center", fontsize=10)
    ax.set(xlim=(-0.1, left + 0.7), ylim=(bottom - 0.35, top + 0.05), aspect="equal")
    ax.set_axis_off()
    return _finished(figure, trace, f"The three steps stack: at most {most} maps of each block are drawn")


def walk(trace: Trace, most: int = MOST_MAPS) -> Figure:
    """Draw every block for one item, from the input at the bottom to the answer at the top."""
    two_axes = len(trace.spec.axes) == 2
    heights = [0.5 + 0.28 * min(len(trace.classes), 5), 1.2]
    blocks = list(range(trace.n_blocks, 0, -1))
    heights += [1.5 if two_axes else 1.9] * len(blocks) + [3.0 if two_axes else 2.2]
    figure = _figure(sum(heights) + 0.5)
    parts = np.ravel(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False))
    _draw_answer(parts[0].subplots(), trace, 5)
    _draw_bars(parts[1].subplots(), trace.column, f"the column: {len(trace.column)} numbers")
    for part, number in zip(parts[2:], blocks, strict=False):
        maps = trace.block(number)[-1].output
        chosen = _loudest(maps, most)
        _draw_row(part, maps, chosen, trace, f"block {number}\n{len(chosen)} of {len(maps)}\nmaps, {_size(maps)}")
    _draw_input(parts[-1].subplots(), trace)
    return _finished(figure, trace, f"From the input (below) to the answer: {trace.prediction}")


# ---- votes and where it looked ---------------------------------------------------------------------------------------


def votes(trace: Trace, label: Any = None) -> Figure:
    """Draw the column, its weights for a class and their products, and the strongest votes with their patches."""
    found = explain.votes(trace, label)
    figure = _figure(7.4)
    top, bottom = np.ravel(figure.subfigures(2, 1, height_ratios=[1, 1.15], squeeze=False))
    axes = top.subplots(3, 1, sharex=True)
    _draw_bars(axes[0], found.column, "the column")
    _draw_bars(axes[1], found.weights, f"weights for {found.label}")
    _draw_bars(axes[2], found.products, "votes: column × weights")
    axes[2].set_xlabel("entry of the column")
    for part, strongest, title in zip(
        bottom.subfigures(2, 1),
        (found.strongest_for, found.strongest_against),
        (f"strongest for {found.label}", f"strongest against {found.label}"),
        strict=True,
    ):
        part.suptitle(title, fontsize=10, x=0.01, ha="left")
        axes = part.subplots(1, 10)
        for ax, vote in zip(axes, strongest, strict=False):
            _draw_place(ax, vote.patch, trace)
            ax.set_title(f"{vote.product:+.2f}", fontsize=9, color=FOR if vote.product > 0 else AGAINST)
        _hide(axes[len(strongest) :])
    total = f"votes {found.products.sum():+.2f}, bias {found.bias:+.2f}, logit {found.logit:+.2f}"
    return _finished(figure, trace, f"How the column voted for {found.label}: {total}")


def attribution(trace: Trace, label: Any = None) -> Figure:
    """Draw which cells speak for and against a class, and Grad-CAM beside; over words for a text."""
    index = trace.class_index(label)
    values = explain.attribute(trace, label)
    cam = explain.grad_cam(trace, label)
    title = f"What speaks for {trace.classes[index]} (orange) and against it (purple)"
    if trace.coordinates[-1].words:
        return _finished(_sentence(trace, values), trace, title)
    figure = _figure(4.3 if len(trace.spec.axes) == 2 else 5.6)
    axes = figure.subplots(1, 3) if len(trace.spec.axes) == 2 else figure.subplots(3, 1, sharex=True)
    _draw_input(axes[0], trace)
    limit = float(np.quantile(np.abs(values), 0.995)) or _limit(values)
    _draw_signed(axes[1], values, limit, trace, named=True)
    axes[1].set_title("integrated gradients", fontsize=10)
    _draw_signed(axes[2], cam, _limit(cam), trace, named=True)
    axes[2].set_title("Grad-CAM, last block", fontsize=10)
    return _finished(figure, trace, title)


def top_patches(patches: Sequence[Sequence[Patch]], modality: str, most: int = 6) -> Figure:
    """Draw the inputs that excite each kernel most, from `explain.top_patches`: one row a kernel."""
    rows = [row for row in patches if row][:most]
    if not rows:
        raise ConfigurationError("no kernel is excited by any of the items, so there is no patch to draw")
    figure = _figure(0.6 + 1.25 * len(rows))
    axes = figure.subplots(len(rows), max(map(len, rows)), squeeze=False)
    for row, line in zip(rows, axes, strict=True):
        for ax, patch in zip(line, row, strict=False):
            _draw_patch(ax, patch, modality)
            ax.set_title(f"{patch.value:.2f}", fontsize=8)
        _hide(line[len(row) :])
        line[0].set_ylabel(f"kernel\n{row[0].kernel}", rotation=0, ha="right", va="center", fontsize=9)
    title = f"What excites a kernel most: {rows[0][0].step}, {len(rows)} of {len(patches)} kernels"
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


# ---- the training ----------------------------------------------------------------------------------------------------


def learning_curves(classifier: GridClassifier) -> Figure:
    """Draw loss and accuracy by epoch, in training and on held-out items."""
    history = classifier.history_
    epochs = [record.epoch for record in history]
    figure = _figure(3.6)
    for ax, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        ax.plot(epochs, [getattr(record, name) for record in history], ".-", color=GREY, label="training")
        held_out = [getattr(record, f"validation_{name}") for record in history]
        if not np.isnan(held_out).all():
            ax.plot(epochs, held_out, ".-", color=FOR, label="held out")
        ax.axvline(classifier.best_epoch_, color=AGAINST, lw=0.8, ls=":", label=f"kept: epoch {classifier.best_epoch_}")
        ax.set(xlabel="epoch", ylabel=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.suptitle("Learning", fontsize=11)
    return figure


def confusion_matrix(labels: Sequence[Any], predictions: Sequence[Any]) -> Figure:
    """Draw how often each class was taken for which: rows are true classes, and sum to 1."""
    names, index = np.unique(np.concatenate([np.asarray(labels), np.asarray(predictions)]), return_inverse=True)
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (index[: len(labels)], index[len(labels) :]), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(1.6 + 0.5 * len(names), 3.5, WIDTH))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained", dpi=RESOLUTION)
    ax = figure.subplots()
    image = ax.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    if len(names) <= 20:
        for row, column in np.argwhere(counts):
            shade = "black" if shares[row, column] > 0.6 else "white"
            ax.text(column, row, counts[row, column], ha="center", va="center", color=shade, fontsize=9)
        ax.set_xticks(range(len(names)), [str(name) for name in names], rotation=45, ha="right")
        ax.set_yticks(range(len(names)), [str(name) for name in names])
    ax.set(xlabel="answer", ylabel="true class", title=f"{counts.sum()} items, {np.trace(counts)} right")
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the true class")
    return figure


# ---- files -----------------------------------------------------------------------------------------------------------


def write_all(trace: Trace, folder: str | Path, label: Any = None) -> list[Path]:
    """Write every picture of one item as PNG files, numbered in the order of the walk; return their paths."""
    trace.class_index(label)  # before anything is written
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (name, figure) in enumerate(_all(trace, label), start=1):
        path = folder / f"{number:02}-{name}.png"
        figure.savefig(path)
        written.append(path)
    return written


def _all(trace: Trace, label: Any) -> Iterator[tuple[str, Figure]]:
    yield "input", input_grid(trace)
    yield "kernels", kernels(trace)
    yield "match", match(trace)
    for number in range(1, trace.n_blocks + 1):
        yield f"block-{number}-maps", feature_maps(trace, number)
        yield f"block-{number}-relu", relu(trace, number)
        if any(step.kind == "pool" for step in trace.block(number)):
            yield f"block-{number}-pooling", pooling(trace, number)
    yield "stack", stack(trace)
    yield "votes", votes(trace, label)
    yield "attribution", attribution(trace, label)
    yield "walk", walk(trace)
    yield "answer", answer(trace)


# ---- the parts of a picture ------------------------------------------------------------------------------------------


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout="constrained", dpi=RESOLUTION)


def _finished(figure: Figure, trace: Trace, title: str) -> Figure:
    """Set the title, and below it what a reader should know about this item."""
    notes = list(trace.remarks)
    if max(trace.spec.sizes) > MOST_CELLS:
        notes.append(f"The grid is too large to draw ({trace.spec}): each cell drawn is the mean of several.")
    lines = [title, *(_plain(note, 150) for note in notes)]
    figure.suptitle("\n".join(lines), fontsize=11, x=0.01, ha="left")
    return figure


def _plain(words: str, most: int) -> str:
    """Return words that matplotlib draws as they are: no formula, no line break, not longer than `most`."""
    words = " ".join(words.split()).replace("$", r"\$")
    return words if len(words) <= most else words[: most - 1] + "…"


def _draw_input(ax: Axes, trace: Trace) -> None:
    """Draw the grid itself with the axes of its modality."""
    if len(trace.spec.axes) == 2:
        if trace.modality == "image":
            pixels = trace.encoded.transpose(1, 2, 0)
            picture = pixels[..., 0] if pixels.shape[2] == 1 else pixels
            ax.imshow(picture, cmap="gray", interpolation="nearest", vmin=0, vmax=255)
        else:
            _draw_heat(ax, trace.grid[0], trace, cmap=SOUND if trace.modality == "sound" else "viridis")
        _name_axes(ax, trace)
        return
    if trace.coordinates[0].words:
        _draw_heat(ax, trace.grid, trace, cmap=SIGNED, vmin=-_limit(trace.grid), vmax=_limit(trace.grid))
        ax.set_ylabel("embedding", fontsize=9)
        _name_words(ax, trace)
        return
    lines = ax.plot(trace.coordinates[0].centre, trace.measured.T, lw=1)
    shapes = trace.grid[len(lines) :]
    for line, shape in zip(lines, shapes, strict=False):
        ax.plot(trace.coordinates[0].centre, shape, lw=1, ls=":", color=line.get_color())
    ylabel = "standardised (dotted: by itself)" if len(shapes) else "standardised"
    ax.set(xlabel=f"{trace.spec.axes[0].name} {_unit(trace, 0)}".strip(), ylabel=ylabel)


def _draw_answer(ax: Axes, trace: Trace, most: int) -> None:
    order = np.argsort(-trace.probabilities)[:most]
    names = [_plain(str(trace.classes[index]), 30) for index in order]
    bars = ax.barh(range(len(order)), trace.probabilities[order], color=[FOR] + [GREY] * (len(order) - 1))
    ax.bar_label(bars, fmt="%.3f", padding=4, fontsize=9)
    ax.set_yticks(range(len(order)), names)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.08), xlabel="probability")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_bars(ax: Axes, values: np.ndarray, title: str) -> None:
    """Draw a column of numbers as upright lines, orange above zero and purple below."""
    positions = np.arange(len(values))
    width = float(np.clip(700 / len(values), 0.4, 6))
    ax.vlines(positions, 0, values, colors=[FOR if value >= 0 else AGAINST for value in values], linewidth=width)
    ax.axhline(0, color=GREY, lw=0.5)
    ax.set_xlim(-1, len(values))
    ax.set_title(title, fontsize=10, loc="left")
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _draw_row(part: Any, maps: np.ndarray, chosen: Sequence[int], trace: Trace, title: str) -> None:
    """Draw several maps on one scale: side by side, or maps of one axis as the rows of one picture."""
    limit = _limit(maps[list(chosen)])
    if maps.ndim == 2:
        ax = part.subplots()
        _draw_signed(ax, maps[list(chosen)], limit, trace)
        ax.set_yticks(range(len(chosen)), [str(index + 1) for index in chosen], fontsize=7)
        ax.set_ylabel(title, fontsize=9)
        axes = np.array([ax])
    else:
        axes = np.atleast_1d(part.subplots(1, max(len(chosen), 1)))
        for ax, index in zip(axes, chosen, strict=True):
            _draw_signed(ax, maps[index], limit, trace)
            ax.set_title(f"{index + 1}", fontsize=8, pad=2)
        axes[0].set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")
    _scale(part, axes, limit, "")


def _before_and_after(trace: Trace, step: Step, index: int, before: np.ndarray, title: str) -> Figure:
    after = step.output[index]
    limit = max(_limit(before), _limit(after))
    wide = before.ndim == 1
    figure = _figure(3.4 if wide else 4.4)
    axes = figure.subplots(2, 1) if wide else figure.subplots(1, 2)
    for ax, values, name in ((axes[0], before, "before"), (axes[1], after, "after")):
        _draw_signed(ax, values, limit, trace)
        ax.set_title(f"{name}: {' × '.join(map(str, values.shape))}", fontsize=10)
        if values.ndim == 2:
            _write_numbers(ax, values)
    _scale(figure, axes, limit, "")
    return _finished(figure, trace, title)


def _draw_patch(ax: Axes, patch: Patch, modality: str) -> None:
    cells = patch.cells
    ax.set(xticks=[], yticks=[])
    if cells.ndim == 2:
        if modality == "text":
            words = "\n".join(_plain(word, 14) for word in patch.where.split()[:6])
            ax.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, transform=ax.transAxes)
        else:
            ax.plot(cells.T, lw=1)
        return
    if modality == "sound":
        ax.imshow(cells[0], cmap=SOUND, origin="lower", aspect="auto", interpolation="nearest")
        ax.set_xlabel(patch.where.replace(", ", "\n"), fontsize=7)
        return
    low, high = cells.min(), cells.max()
    picture = (cells - low) / max(high - low, 1e-9)
    ax.imshow(picture.transpose(1, 2, 0) if len(cells) == 3 else picture[0], cmap="gray", interpolation="nearest")


def _draw_place(ax: Axes, patch: Patch, trace: Trace) -> None:
    """Draw where a patch lies: framed in the grid, with its middle, or as the words under it."""
    if patch.cells.ndim == 2:
        _draw_patch(ax, patch, trace.modality)
        return
    _draw_input(ax, trace)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    rows, columns = patch.region
    size = (columns.stop - columns.start, rows.stop - rows.start)
    ax.add_patch(Rectangle((columns.start - 0.5, rows.start - 0.5), *size, fill=False, edgecolor="#22d3ee", lw=1.5))
    ax.plot(columns.start + (size[0] - 1) / 2, rows.start + (size[1] - 1) / 2, ".", color="#22d3ee", markersize=5)


def _sentence(trace: Trace, values: np.ndarray) -> Figure:
    """Draw a text with each word on its colour."""
    words = [(word, value) for word, value in zip(trace.coordinates[0].words, values, strict=True) if word]
    limit = _limit(values)
    shades = colormaps[SIGNED]
    places, at, row = [], 0.0, 0
    for word in (_plain(word, 40) for word, _ in words):
        if at and at + len(word) > CHARACTERS:
            at, row = 0.0, row + 1
        places.append((at, row, word))
        at += len(word) + 1.4
    figure = _figure(0.9 + 0.45 * (row + 1))
    ax = figure.subplots()
    for (left, line, word), (_, value) in zip(places, words, strict=True):
        colour = shades(0.5 + 0.5 * value / limit)
        dark = sum(colour[:3]) < 1.4
        box = {"facecolor": colour, "edgecolor": "none", "boxstyle": "round,pad=0.25"}
        ax.text(left, -line, word, family="monospace", fontsize=11, bbox=box, color="white" if dark else "black")
    ax.set(xlim=(-1, CHARACTERS + 1), ylim=(-row - 0.6, 0.8))
    ax.set_axis_off()
    _scale(figure, np.array([ax]), limit, "")
    return figure


def _draw_signed(ax: Axes, values: np.ndarray, limit: float, trace: Trace, *, named: bool = False) -> None:
    _draw_heat(ax, np.atleast_2d(values), trace, cmap=SIGNED, vmin=-limit, vmax=limit)
    if named:
        _name_axes(ax, trace)
        return
    ax.set(xticks=[], yticks=[])
    if values.shape[-1] == trace.spec.sizes[0]:
        _name_words(ax, trace)


def _draw_heat(ax: Axes, values: np.ndarray, trace: Trace, **colours: Any) -> None:
    picture, factors = _summary(values)
    image = len(trace.spec.axes) == 2 and trace.modality != "sound"
    origin = _origin(trace)
    height, width = (size * factor for size, factor in zip(picture.shape, factors, strict=True))
    extent = (-0.5, width - 0.5, -0.5, height - 0.5) if origin == "lower" else (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(
        picture, origin=origin, extent=extent, aspect="equal" if image else "auto", interpolation="nearest", **colours
    )


def _origin(trace: Trace) -> Literal["lower", "upper"]:
    """Low frequencies stand below, the first row of a picture above."""
    return "lower" if trace.modality == "sound" else "upper"


def _summary(values: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the map with several cells made one where it is too large to be drawn, and how many on each axis."""
    factors = tuple(math.ceil(size / MOST_CELLS) for size in values.shape)
    if factors == (1, 1):
        return values, (1, 1)
    padding = [(0, -size % factor) for size, factor in zip(values.shape, factors, strict=True)]
    padded = np.pad(values, padding, mode="edge")
    height, width = factors
    blocks = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
    return blocks.mean(axis=(1, 3)), (height, width)


def _write_numbers(ax: Axes, values: np.ndarray) -> None:
    """Write the number into each cell, where there are few enough to be read."""
    if max(values.shape) > 12:
        return
    limit = _limit(values)
    for cell in np.ndindex(*values.shape):
        colour = "white" if abs(values[cell]) > 0.6 * limit else "black"
        ax.text(cell[1], cell[0], f"{values[cell]:.2g}", ha="center", va="center", fontsize=7, color=colour)


def _name_axes(ax: Axes, trace: Trace) -> None:
    """Put hertz, seconds, pixels or the caller's units on the axes of a picture of the whole grid."""
    if len(trace.spec.axes) == 1:
        ax.set(yticks=[], xlabel=trace.spec.axes[0].name)
        return
    for axis, coordinate, direction in zip(trace.spec.axes, trace.coordinates, (ax.yaxis, ax.xaxis), strict=True):
        if coordinate.unit == "pixel":
            direction.set_major_locator(MaxNLocator(5, integer=True))
        else:
            at = np.linspace(0, axis.size - 1, min(axis.size, 5)).round().astype(int)
            form = "{:.2f}" if coordinate.unit == "s" else "{:.0f}"
            direction.set_ticks(at, [form.format(coordinate.centre[index]) for index in at])
        unit = f" ({coordinate.unit})" if coordinate.unit else ""
        direction.set_label_text(f"{coordinate.name}{unit}", fontsize=9)


def _name_words(ax: Axes, trace: Trace) -> None:
    """Put the words of a text under a map as long as its grid."""
    words = trace.coordinates[0].words
    if words and len(words) <= MOST_WORDS:
        ax.set_xticks(range(len(words)), [_plain(word, 16) for word in words], rotation=60, ha="right", fontsize=8)


def _unit(trace: Trace, axis: int) -> str:
    unit = trace.coordinates[axis].unit
    return f"({unit})" if unit else ""


def _face(kernel: np.ndarray) -> np.ndarray:
    """Return the side of a kernel that is drawn: all of it where it has one ordered axis, else its heaviest map."""
    if kernel.ndim == 2:
        return kernel
    face: np.ndarray = kernel[np.abs(kernel).sum(axis=(1, 2)).argmax()]
    return face


def _loudest(maps: np.ndarray, most: int) -> list[int]:
    """Return the indices of the maps with the highest peaks, in their own order."""
    peaks = maps.reshape(len(maps), -1).max(axis=1)
    return sorted(np.argsort(-peaks, kind="stable")[:most].tolist())


def _map_index(step: Step, kernel: int | None) -> int:
    if kernel is None:
        return int(step.output.reshape(len(step.output), -1).max(axis=1).argmax())
    if not 1 <= kernel <= len(step.output):
        raise ConfigurationError(f"{step.name} has no kernel {kernel}; they are counted from 1 to {len(step.output)}")
    return kernel - 1


def _listing(chosen: Sequence[int], n_maps: int) -> str:
    if len(chosen) == n_maps:
        return f"its {n_maps} maps"
    return f"the {len(chosen)} of its {n_maps} maps with the highest peaks"


def _size(maps: np.ndarray) -> str:
    return " × ".join(map(str, maps.shape[1:]))


def _limit(values: np.ndarray) -> float:
    return float(np.abs(values).max()) or 1.0


def _scale(figure: Any, axes: np.ndarray, limit: float, label: str) -> None:
    """Add the one colour scale of a row."""
    mappable = ScalarMappable(Normalize(-limit, limit), SIGNED)
    bar = figure.colorbar(mappable, ax=list(np.ravel(axes)), shrink=0.85, pad=0.01, aspect=18)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def _hide(axes: np.ndarray) -> None:
    for ax in axes:
        ax.set_axis_off()
