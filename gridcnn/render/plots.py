"""The numbers of `gridcnn.explain` as pictures: every function returns a matplotlib figure.

Orange speaks for a class, purple against it, and white is zero, also to colour-blind eyes; all maps in one row share
one scale. A grid that is too large to be drawn is summarised, and the picture says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gridcnn import explain
from gridcnn.durable import make_folder
from gridcnn.errors import ConfigurationError
from gridcnn.explain import Patch, Trace
from gridcnn.pipeline.replacing import replacing
from gridcnn.render.drawing import (
    AGAINST,
    FOR,
    GREY,
    MOST_CELLS,
    MOST_MAPS,
    SIGNED,
    WIDTH,
    add_scale,
    before_and_after,
    draw_answer,
    draw_bars,
    draw_input,
    draw_patch,
    draw_place,
    draw_row,
    draw_sentence,
    draw_signed,
    face_of,
    finished,
    hide,
    limit_of,
    listing,
    loudest,
    map_index,
    new_figure,
    origin_of,
    size_of,
    summary_of,
    write_numbers,
)
from gridcnn.render.spectrogram import draw_spectrogram, is_spectrogram
from gridcnn.render.training_plots import confusion_matrix, learning_curves

__all__ = [
    "answer",
    "arrays",
    "attribution",
    "confusion_matrix",
    "contributions",
    "cosine_similarity",
    "feature_maps",
    "input_grid",
    "kernels",
    "learning_curves",
    "pooling",
    "relu",
    "stack",
    "top_patches",
    "walk",
    "write_all",
]


# ---- the input and the answer ----------------------------------------------------------------------------------------


def input_grid(trace: Trace) -> Figure:
    """Draw the item as the network sees it: a picture, a spectrogram in Hz and seconds, words, a curve."""
    figure = new_figure(4.2 if len(trace.spec.axes) == 2 else 3.0)
    draw = draw_spectrogram if is_spectrogram(trace) else draw_input
    draw(figure.subplots(), trace)
    return finished(figure, trace, f"The input: {trace.spec}")


def answer(trace: Trace, most: int = 10) -> Figure:
    """Draw the probabilities of the most probable classes."""
    figure = new_figure(0.9 + 0.32 * min(len(trace.classes), most))
    draw_answer(figure.subplots(), trace, most)
    return finished(figure, trace, "The answer")


# ---- convolution, ReLU, pooling --------------------------------------------------------------------------------------


def kernels(trace: Trace, block: int = 1, most: int = 16) -> Figure:
    """Draw the kernels of a block's first convolution, loudest first in this item.

    A kernel over more than three input maps is drawn where it weighs most, over one of them.
    """
    step = next(step for step in trace.block(block) if step.kind == "convolution")
    chosen = loudest(step.output, most)
    shown = [face_of(step.kernels[index]) for index in chosen]
    columns = min(8, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(0.8 + 1.55 * rows)
    limit = max(float(np.abs(face).max()) for face in shown)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax, index, face in zip(axes, chosen, shown, strict=False):
        draw_signed(ax, face, limit, trace)
        ax.set_title(f"kernel {index + 1}", fontsize=9)
    hide(axes[len(shown) :])
    add_scale(figure, axes, limit, "weight")
    listed = "" if len(chosen) == len(step.output) else f", {len(chosen)} of {len(step.output)}"
    return finished(figure, trace, f"The kernels of block {block}{listed}: nobody designed them")


def cosine_similarity(trace: Trace, kernel: int | None = None) -> Figure:
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
    figure = new_figure(5.6)
    axes = figure.subplots(2, 3, width_ratios=[2, 1, 2])
    for (title, each), (left, middle, right) in zip(rows, axes, strict=True):
        draw_input(left, trace)
        face = face_of(each)
        draw_signed(middle, face, float(np.abs(face).max()), trace)
        middle.set_title(title, fontsize=10)
        matches = explain.cosine_similarity_map(each, step.input, padding="same")
        draw_signed(right, matches, 1.0, trace)
        right.set_title(f"match, best {matches.max():.2f}", fontsize=10)
    add_scale(figure, axes[:, 2], 1.0, "match")
    return finished(figure, trace, "How well a kernel matches: 1 where the patch is the kernel")


def arrays(named: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw arrays of shape (height, width) in a row on one scale, with their numbers if these can be read."""
    figure = new_figure(WIDTH / len(named) + 0.2)
    limit = max(limit_of(values) for values in named.values())
    axes = np.atleast_1d(figure.subplots(1, len(named)))
    for ax, (name, values) in zip(axes, named.items(), strict=True):
        ax.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
        ax.set(title=name, xticks=[], yticks=[])
        write_numbers(ax, values)
    add_scale(figure, axes, limit, "")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


def feature_maps(trace: Trace, block: int = 1, most: int = MOST_MAPS) -> Figure:
    """Draw the maps of a block before ReLU, after it and after pooling, each row on one scale."""
    active = trace.activation(block)
    rows = [("before ReLU", active.input), ("after ReLU", active.output)]
    rows += [("after pooling", step.output) for step in trace.block(block) if step.kind == "pool"]
    chosen = loudest(active.output, most)
    figure = new_figure(0.7 + len(rows) * (1.5 if active.output.ndim == 3 else 1.9))
    parts = np.ravel(figure.subfigures(len(rows), 1, squeeze=False))
    for part, (title, maps) in zip(parts, rows, strict=True):
        draw_row(part, maps, [index for index in chosen if index < len(maps)], trace, title)
    return finished(figure, trace, f"Block {block}: {listing(chosen, len(active.output))}")


def relu(trace: Trace, block: int = 1, kernel: int | None = None) -> Figure:
    """Draw one map before and after ReLU: cells below zero become zero, others stay."""
    step = trace.activation(block)
    index = map_index(step, kernel)
    return before_and_after(trace, step, index, step.input[index], f"ReLU, block {block}, kernel {index + 1}")


def pooling(trace: Trace, block: int = 1, kernel: int | None = None) -> Figure:
    """Draw one map before and after pooling, with the windows drawn in."""
    step = next((step for step in trace.block(block) if step.kind == "pool"), None)
    if step is None:
        raise ConfigurationError(f"block {block} pools nothing; draw its feature_maps instead")
    index = map_index(step, kernel)
    figure = before_and_after(trace, step, index, step.input[index], f"Pooling, block {block}, kernel {index + 1}")
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
    figure = new_figure(3.6)
    ax = figure.subplots()
    largest = max(trace.spec.sizes)
    stages = [("the grid", trace.grid)]
    stages += [(f"block {n}", trace.block(n)[-1].output) for n in range(1, trace.n_blocks + 1)]
    left, top, bottom = 0.0, 0.0, 0.0
    captions = []
    for title, maps in stages:
        sheets = loudest(maps, most)
        sizes = maps.shape[1:] if maps.ndim == 3 else (max(1, maps.shape[1] // 6), maps.shape[1])
        height, width = (size / largest for size in sizes)
        gap = 0.06
        limit = limit_of(maps)
        for depth, index in enumerate(reversed(sheets)):
            x, y = left + depth * gap, (len(sheets) - 1 - depth) * gap - height / 2
            extent = (x, x + width, y, y + height)
            top, bottom = max(top, y + height), min(bottom, y)
            picture = summary_of(np.atleast_2d(maps[index]))[0]
            ax.imshow(
                picture, cmap=SIGNED, vmin=-limit, vmax=limit, extent=extent, origin=origin_of(trace.spec), zorder=depth
            )
            ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=GREY, linewidth=0.7, zorder=depth))
        across = width + (len(sheets) - 1) * gap
        words = f"{title}\n{len(maps)} × {' × '.join(map(str, maps.shape[1:]))}"
        captions.append((left + across / 2, words))
        left += across + 0.35
    for x, words in captions:
        ax.text(x, bottom - 0.06, words, ha="center", va="top", fontsize=9)
    ax.text(
        left, 0, f"column\n{len(trace.feature_vector)} numbers\n\nanswer\n{trace.prediction}", va="center", fontsize=10
    )
    ax.set(xlim=(-0.1, left + 0.7), ylim=(bottom - 0.35, top + 0.05), aspect="equal")
    ax.set_axis_off()
    return finished(figure, trace, f"The three steps stack: at most {most} maps of each block are drawn")


def walk(trace: Trace, most: int = MOST_MAPS) -> Figure:
    """Draw every block for one item, from the input at the bottom to the answer at the top."""
    two_axes = len(trace.spec.axes) == 2
    heights = [0.5 + 0.28 * min(len(trace.classes), 5), 1.2]
    blocks = list(range(trace.n_blocks, 0, -1))
    heights += [1.5 if two_axes else 1.9] * len(blocks) + [3.0 if two_axes else 2.2]
    figure = new_figure(sum(heights) + 0.5)
    parts = np.ravel(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False))
    draw_answer(parts[0].subplots(), trace, 5)
    draw_bars(parts[1].subplots(), trace.feature_vector, f"the column: {len(trace.feature_vector)} numbers")
    for part, number in zip(parts[2:], blocks, strict=False):
        maps = trace.block(number)[-1].output
        chosen = loudest(maps, most)
        draw_row(part, maps, chosen, trace, f"block {number}\n{len(chosen)} of {len(maps)}\nmaps, {size_of(maps)}")
    draw_input(parts[-1].subplots(), trace)
    return finished(figure, trace, f"From the input (below) to the answer: {trace.prediction}")


# ---- votes and where it looked ---------------------------------------------------------------------------------------


def contributions(trace: Trace, label: Any = None) -> Figure:
    """Draw the column, its weights for a class and their products, and the strongest votes with their patches."""
    found = explain.contributions(trace, label)
    figure = new_figure(7.4)
    top, bottom = np.ravel(figure.subfigures(2, 1, height_ratios=[1, 1.15], squeeze=False))
    axes = top.subplots(3, 1, sharex=True)
    draw_bars(axes[0], found.features, "the column")
    draw_bars(axes[1], found.weights, f"weights for {found.label}")
    draw_bars(axes[2], found.products, "votes: column × weights")
    axes[2].set_xlabel("entry of the column")
    for part, strongest, title in zip(
        bottom.subfigures(2, 1),
        (found.strongest_for, found.strongest_against),
        (f"strongest for {found.label}", f"strongest against {found.label}"),
        strict=True,
    ):
        part.suptitle(title, fontsize=10, x=0.01, ha="left")
        axes = part.subplots(1, 10)
        for ax, each in zip(axes, strongest, strict=False):
            draw_place(ax, each, trace)
            ax.set_title(f"{each.product:+.2f}", fontsize=9, color=FOR if each.product > 0 else AGAINST)
        hide(axes[len(strongest) :])
    total = f"votes {found.products.sum():+.2f}, bias {found.bias:+.2f}, logit {found.logit:+.2f}"
    return finished(figure, trace, f"How the column voted for {found.label}: {total}")


def attribution(trace: Trace, label: Any = None) -> Figure:
    """Draw which cells speak for and against a class, and Grad-CAM beside; over words for a text."""
    index = trace.class_index(label)
    values = explain.attribute(trace, label)
    cam = explain.grad_cam(trace, label)
    title = f"What speaks for {trace.classes[index]} (orange) and against it (purple)"
    if trace.coordinates[-1].words:
        return finished(draw_sentence(trace, values), trace, title)
    figure = new_figure(4.3 if len(trace.spec.axes) == 2 else 5.6)
    axes = figure.subplots(1, 3) if len(trace.spec.axes) == 2 else figure.subplots(3, 1, sharex=True)
    draw_input(axes[0], trace)
    limit = float(np.quantile(np.abs(values), 0.995)) or limit_of(values)
    draw_signed(axes[1], values, limit, trace, named=True)
    axes[1].set_title("integrated gradients", fontsize=10)
    draw_signed(axes[2], cam, limit_of(cam), trace, named=True)
    axes[2].set_title("Grad-CAM, last block", fontsize=10)
    return finished(figure, trace, title)


def top_patches(patches: Sequence[Sequence[Patch]], most: int = 6) -> Figure:
    """Draw the inputs that excite each kernel most, from `explain.top_patches`: one row a kernel."""
    rows = [row for row in patches if row][:most]
    if not rows:
        raise ConfigurationError("no kernel is excited by any of the items, so there is no patch to draw")
    figure = new_figure(0.6 + 1.25 * len(rows))
    axes = figure.subplots(len(rows), max(map(len, rows)), squeeze=False)
    for row, line in zip(rows, axes, strict=True):
        for ax, patch in zip(line, row, strict=False):
            draw_patch(ax, patch)
            ax.set_title(f"{patch.value:.2f}", fontsize=8)
        hide(line[len(row) :])
        line[0].set_ylabel(f"kernel\n{row[0].kernel}", rotation=0, ha="right", va="center", fontsize=9)
    title = f"What excites a kernel most: {rows[0][0].step}, {len(rows)} of {len(patches)} kernels"
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    return figure


# ---- files -----------------------------------------------------------------------------------------------------------


def write_all(trace: Trace, folder: str | Path, label: Any = None) -> list[Path]:
    """Write every picture of one item as PNG files, numbered in the order of the walk; return their paths."""
    trace.class_index(label)  # before anything is written
    make_folder(folder := Path(folder))
    written = []
    for number, (name, figure) in enumerate(_all(trace, label), start=1):
        written.append(folder / f"{number:02}-{name}.png")
        with replacing(written[-1]) as file:
            figure.savefig(file, format="png")
    return written


def _all(trace: Trace, label: Any) -> Iterator[tuple[str, Figure]]:
    yield "input", input_grid(trace)
    yield "kernels", kernels(trace)
    yield "match", cosine_similarity(trace)
    for number in range(1, trace.n_blocks + 1):
        yield f"block-{number}-maps", feature_maps(trace, number)
        yield f"block-{number}-relu", relu(trace, number)
        if any(step.kind == "pool" for step in trace.block(number)):
            yield f"block-{number}-pooling", pooling(trace, number)
    yield "stack", stack(trace)
    yield "votes", contributions(trace, label)
    yield "attribution", attribution(trace, label)
    yield "walk", walk(trace)
    yield "answer", answer(trace)
