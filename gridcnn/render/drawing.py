"""The parts of a picture: figures, inputs, maps, patches, scales, titles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from gridcnn.display import percentage
from gridcnn.errors import ConfigurationError
from gridcnn.explain import Contribution, Patch, Step, Trace
from gridcnn.grid import GridSpec

SIGNED = "PuOr_r"
SOUND = "magma"
FOR, AGAINST, GREY = "#b35806", "#542788", "#64748b"
WIDTH = 11.0  # inches; 1100 pixels at the resolution below
RESOLUTION = 100
MOST_MAPS = 8
MOST_CELLS = 256  # a side; of larger maps several cells are drawn as one
MOST_WORDS = 40
CHARACTERS = 92  # on a line


def new_figure(height: float) -> Figure:
    """Return an empty figure of the usual width; height in inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained", dpi=RESOLUTION)


def finished(figure: Figure, trace: Trace, title: str) -> Figure:
    """Set the title, and below it what a reader should know about this item."""
    notes = list(trace.remarks)
    if max(trace.spec.sizes) > MOST_CELLS:
        notes.append(f"The grid is too large to draw ({trace.spec}): each cell drawn is the mean of several.")
    lines = [title, *(plain(note, 150) for note in notes)]
    figure.suptitle("\n".join(lines), fontsize=11, x=0.01, ha="left")
    return figure


def plain(words: str, most: int) -> str:
    """Return words that matplotlib draws as they are: no formula, line break or half of an emoji, at most `most`."""
    words = " ".join(words.split()).replace("$", r"\$").encode("utf-8", "replace").decode("utf-8")
    return words if len(words) <= most else words[: most - 1] + "…"


def draw_input(ax: Axes, trace: Trace) -> None:
    """Draw the grid itself with its units or words on the axes."""
    if len(trace.spec.axes) == 2:
        pixels = trace.adapter.preview_window(trace.encoded).pixels
        if pixels is not None:
            ax.imshow(pixels, cmap="gray", interpolation="nearest", vmin=0, vmax=255)
        else:
            draw_heat(ax, trace.grid[0], trace, cmap=colours_of(trace.spec))
        name_axes(ax, trace)
        return
    if trace.coordinates[0].words:
        draw_heat(ax, trace.grid, trace, cmap=SIGNED, vmin=-limit_of(trace.grid), vmax=limit_of(trace.grid))
        ax.set_ylabel("embedding", fontsize=9)
        name_words(ax, trace)
        return
    lines = ax.plot(trace.coordinates[0].centre, trace.measured.T, lw=1)
    shapes = trace.grid[len(lines) :]
    for line, shape in zip(lines, shapes, strict=False):
        ax.plot(trace.coordinates[0].centre, shape, lw=1, ls=":", color=line.get_color())
    ylabel = "standardised (dotted: by itself)" if len(shapes) else "standardised"
    ax.set(xlabel=f"{trace.spec.axes[0].name} {unit_of(trace, 0)}".strip(), ylabel=ylabel)


def draw_answer(ax: Axes, trace: Trace, most: int) -> None:
    """Draw the probabilities of the most probable classes as bars."""
    order = np.argsort(-trace.probabilities)[:most]
    names = [plain(str(trace.classes[index]), 30) for index in order]
    bars = ax.barh(range(len(order)), trace.probabilities[order], color=[FOR] + [GREY] * (len(order) - 1))
    ax.bar_label(bars, fmt=percentage, padding=4, fontsize=9)
    ax.set_yticks(range(len(order)), names)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1.08), xlabel="probability")
    ax.spines[["top", "right"]].set_visible(False)


def draw_bars(ax: Axes, values: np.ndarray, title: str) -> None:
    """Draw a column of numbers as upright lines, orange above zero and purple below."""
    positions = np.arange(len(values))
    width = float(np.clip(700 / len(values), 0.4, 6))
    ax.vlines(positions, 0, values, colors=[FOR if value >= 0 else AGAINST for value in values], linewidth=width)
    ax.axhline(0, color=GREY, lw=0.5)
    ax.set_xlim(-1, len(values))
    ax.set_title(title, fontsize=10, loc="left")
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def draw_row(part: Any, maps: np.ndarray, chosen: Sequence[int], trace: Trace, title: str) -> None:
    """Draw several maps on one scale, each by itself; maps of one axis are the rows of one picture."""
    limit = limit_of(maps[list(chosen)])
    if maps.ndim == 2:
        ax = part.subplots()
        draw_signed(ax, maps[list(chosen)], limit, trace)
        ax.set_yticks(range(len(chosen)), [str(index + 1) for index in chosen], fontsize=7)
        ax.set_ylabel(title, fontsize=9)
        axes = np.array([ax])
    else:
        axes = np.atleast_1d(part.subplots(1, max(len(chosen), 1)))
        for ax, index in zip(axes, chosen, strict=True):
            draw_signed(ax, maps[index], limit, trace)
            ax.set_title(f"{index + 1}", fontsize=8, pad=2)
        axes[0].set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")
    add_scale(part, axes, limit, "")


def before_and_after(trace: Trace, step: Step, index: int, before: np.ndarray, title: str) -> Figure:
    """Draw one map before and after a step, on one scale."""
    after = step.output[index]
    limit = max(limit_of(before), limit_of(after))
    wide = before.ndim == 1
    figure = new_figure(3.4 if wide else 4.4)
    axes = figure.subplots(2, 1) if wide else figure.subplots(1, 2)
    for ax, values, name in ((axes[0], before, "before"), (axes[1], after, "after")):
        draw_signed(ax, values, limit, trace)
        ax.set_title(f"{name}: {' × '.join(map(str, values.shape))}", fontsize=10)
        if values.ndim == 2:
            write_numbers(ax, values)
    add_scale(figure, axes, limit, "")
    return finished(figure, trace, title)


def draw_patch(ax: Axes, patch: Patch) -> None:
    """Draw the cells of a patch by themselves: pixels, a piece of a spectrogram, words, curves."""
    cells = patch.cells
    ax.set(xticks=[], yticks=[])
    if cells.ndim == 2:
        if patch.words:
            words = "\n".join(plain(word, 14) for word in patch.where.split()[:6])
            ax.text(0.5, 0.5, words, ha="center", va="center", fontsize=8, transform=ax.transAxes)
        else:
            ax.plot(cells.T, lw=1)
        return
    if not square_cells(patch.spec):
        origin = origin_of(patch.spec)
        ax.imshow(cells[0], cmap=colours_of(patch.spec), origin=origin, aspect="auto", interpolation="nearest")
        ax.set_xlabel(patch.where.replace(", ", "\n"), fontsize=7)
        return
    low, high = cells.min(), cells.max()
    picture = (cells - low) / max(high - low, 1e-9)
    ax.imshow(picture.transpose(1, 2, 0) if len(cells) == 3 else picture[0], cmap="gray", interpolation="nearest")


def draw_place(ax: Axes, vote: Contribution, trace: Trace) -> None:
    """Draw where a vote comes from: framed in the grid, with its middle, or as the words there; or name its map."""
    patch = vote.patch
    if vote.kind in {"mean", "share", "sum"}:  # of all cells
        ax.text(0.5, 0.5, f"{vote.kind} of\nmap {patch.kernel}", ha="center", va="center", fontsize=8)
        ax.set(xticks=[], yticks=[])
        return
    if patch.cells.ndim == 2:
        draw_patch(ax, patch)
        return
    draw_input(ax, trace)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    rows, columns = patch.region
    size = (columns.stop - columns.start, rows.stop - rows.start)
    ax.add_patch(Rectangle((columns.start - 0.5, rows.start - 0.5), *size, fill=False, edgecolor="#22d3ee", lw=1.5))
    ax.plot(columns.start + (size[0] - 1) / 2, rows.start + (size[1] - 1) / 2, ".", color="#22d3ee", markersize=5)


def draw_sentence(trace: Trace, values: np.ndarray) -> Figure:
    """Draw a text with each word on its colour."""
    words = [(word, value) for word, value in zip(trace.coordinates[0].words, values, strict=True) if word]
    limit = limit_of(values)
    shades = colormaps[SIGNED]
    places, at, row = [], 0.0, 0
    for word in (plain(word, 40) for word, _ in words):
        if at and at + len(word) > CHARACTERS:
            at, row = 0.0, row + 1
        places.append((at, row, word))
        at += len(word) + 1.4
    figure = new_figure(0.9 + 0.45 * (row + 1))
    ax = figure.subplots()
    for (left, line, word), (_, value) in zip(places, words, strict=True):
        colour = shades(0.5 + 0.5 * value / limit)
        dark = sum(colour[:3]) < 1.4
        box = {"facecolor": colour, "edgecolor": "none", "boxstyle": "round,pad=0.25"}
        ax.text(left, -line, word, family="monospace", fontsize=11, bbox=box, color="white" if dark else "black")
    ax.set(xlim=(-1, CHARACTERS + 1), ylim=(-row - 0.6, 0.8))
    ax.set_axis_off()
    add_scale(figure, np.array([ax]), limit, "")
    return figure


def draw_signed(ax: Axes, values: np.ndarray, limit: float, trace: Trace, *, named: bool = False) -> None:
    """Draw numbers around zero: orange above, purple below; `named` puts the axes of the grid beside them."""
    draw_heat(ax, np.atleast_2d(values), trace, cmap=SIGNED, vmin=-limit, vmax=limit)
    if named:
        name_axes(ax, trace)
        return
    ax.set(xticks=[], yticks=[])
    if values.shape[-1] == trace.spec.sizes[0]:
        name_words(ax, trace)


def draw_heat(ax: Axes, values: np.ndarray, trace: Trace, **colours: Any) -> None:
    """Draw numbers as colours, with several cells as one if there are too many."""
    picture, factors = summary_of(values)
    image = len(trace.spec.axes) == 2 and square_cells(trace.spec)
    origin = origin_of(trace.spec)
    height, width = (size * factor for size, factor in zip(picture.shape, factors, strict=True))
    extent = (-0.5, width - 0.5, -0.5, height - 0.5) if origin == "lower" else (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(
        picture, origin=origin, extent=extent, aspect="equal" if image else "auto", interpolation="nearest", **colours
    )


def origin_of(spec: GridSpec) -> Literal["lower", "upper"]:
    """Return where the first row is drawn: that of low frequencies at the bottom, that of a picture at the top."""
    return "lower" if spec.axes[0].upwards else "upper"


def square_cells(spec: GridSpec) -> bool:
    """Return whether both axes of a grid count in the same unit, so that its cells are squares."""
    return len({axis.unit for axis in spec.axes}) == 1


def colours_of(spec: GridSpec) -> str:
    """Return the colour map of a grid that is no picture."""
    return SOUND if spec.axes[0].upwards else "viridis"


def summary_of(values: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the map with several cells made one if it is too large to be drawn, and how many on each axis."""
    factors = tuple(math.ceil(size / MOST_CELLS) for size in values.shape)
    if factors == (1, 1):
        return values, (1, 1)
    padding = [(0, -size % factor) for size, factor in zip(values.shape, factors, strict=True)]
    padded = np.pad(values, padding, mode="edge")
    height, width = factors
    blocks = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
    return blocks.mean(axis=(1, 3)), (height, width)


def write_numbers(ax: Axes, values: np.ndarray) -> None:
    """Write the number into each cell if there are few enough to be read."""
    if max(values.shape) > 12:
        return
    limit = limit_of(values)
    for cell in np.ndindex(*values.shape):
        colour = "white" if abs(values[cell]) > 0.6 * limit else "black"
        ax.text(cell[1], cell[0], f"{values[cell]:.2g}", ha="center", va="center", fontsize=7, color=colour)


def name_axes(ax: Axes, trace: Trace) -> None:
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


def name_words(ax: Axes, trace: Trace) -> None:
    """Put the words of a text under a map as long as its grid."""
    words = trace.coordinates[0].words
    if words and len(words) <= MOST_WORDS:
        ax.set_xticks(range(len(words)), [plain(word, 16) for word in words], rotation=60, ha="right", fontsize=8)


def unit_of(trace: Trace, axis: int) -> str:
    """Return the unit of an axis in brackets; empty if it has none."""
    unit = trace.coordinates[axis].unit
    return f"({unit})" if unit else ""


def face_of(kernel: np.ndarray) -> np.ndarray:
    """Return the side of a kernel that is drawn: all of it if it has one ordered axis, otherwise its heaviest map."""
    if kernel.ndim == 2:
        return kernel
    face: np.ndarray = kernel[np.abs(kernel).sum(axis=(1, 2)).argmax()]
    return face


def loudest(maps: np.ndarray, most: int) -> list[int]:
    """Return the indices of the maps with the highest peaks, in their own order."""
    peaks = maps.reshape(len(maps), -1).max(axis=1)
    return sorted(np.argsort(-peaks, kind="stable")[:most].tolist())


def map_index(step: Step, kernel: int | None) -> int:
    """Return the index of a kernel counted from 1, or of the map with the highest peak."""
    if kernel is None:
        return int(step.output.reshape(len(step.output), -1).max(axis=1).argmax())
    if not 1 <= kernel <= len(step.output):
        raise ConfigurationError(f"{step.name} has no kernel {kernel}; they are counted from 1 to {len(step.output)}")
    return kernel - 1


def listing(chosen: Sequence[int], n_maps: int) -> str:
    """Say which of how many maps are drawn."""
    if len(chosen) == n_maps:
        return f"its {n_maps} maps"
    return f"the {len(chosen)} of its {n_maps} maps with the highest peaks"


def size_of(maps: np.ndarray) -> str:
    """Write the size of maps as a product."""
    return " × ".join(map(str, maps.shape[1:]))


def limit_of(values: np.ndarray) -> float:
    """Return the largest absolute value, or 1 if all are 0."""
    return float(np.abs(values).max()) or 1.0


def add_scale(figure: Any, axes: np.ndarray, limit: float, label: str) -> None:
    """Add the one colour scale of a row."""
    mappable = ScalarMappable(Normalize(-limit, limit), SIGNED)
    bar = figure.colorbar(mappable, ax=list(np.ravel(axes)), shrink=0.85, pad=0.01, aspect=18)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)


def hide(axes: np.ndarray) -> None:
    """Leave the unused axes of a row empty."""
    for ax in axes:
        ax.set_axis_off()
