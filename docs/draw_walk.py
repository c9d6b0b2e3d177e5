"""Draw the pictures of docs/how-a-cnn-sees.md into docs/walk/: `make docs`, or `python docs/draw_walk.py [FOLDER]`.

The hand-made kernels are matched with a drawn X; everything else is what two small networks, trained here, computed.
The pictures hold numbers and letters, hardly a word, so that the text in either language can show them.
"""

import io
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from PIL import Image, ImageDraw

from gridcnn import Callback, GridClassifier, datasets, explain
from gridcnn.adapters import AudioAdapter, ImageAdapter
from gridcnn.ordering import score_alternatives

FOLDER = Path(__file__).parent / "walk"
SIGNED = "PuOr_r"  # orange above zero, purple below, as everywhere in gridcnn
BOARD = LinearSegmentedColormap.from_list("board", ["#1f2937", "#ffffff"])
FOR, AGAINST, GREY, LIGHT, INK = "#b35806", "#542788", "#64748b", "#cbd5e1", "#111827"
BLUE, GREEN, PINK = "#0284c7", "#059669", "#db2777"  # the falling stroke, the rising one, the crossing
FRAMES = {"falling": BLUE, "rising": GREEN, "crossing": PINK}
WIDTH, RESOLUTION = 8.8, 125  # inches, pixels an inch
SIDE = 20  # of the letters

# ---- the classic X ---------------------------------------------------------------------------------------------------

FALLING = 2 * np.eye(3) - 1
KERNELS = {"falling": FALLING, "rising": FALLING[:, ::-1], "crossing": np.maximum(FALLING, FALLING[:, ::-1])}


def classic_x() -> np.ndarray:
    """Return the drawn X: 9 × 9 cells, -1 with +1 on two strokes."""
    letter = -np.ones((9, 9))
    for place in range(1, 8):
        letter[place, [place, 8 - place]] = 1
    return letter


def another_x() -> np.ndarray:
    """Return an X that crosses higher up and has longer legs."""
    letter = -np.ones((9, 9))
    for row in range(8):
        letter[row, [row + 1, 7 - row]] = 1
    return letter


def match(kernel: np.ndarray, letter: np.ndarray) -> np.ndarray:
    """Return the match map of a kernel of ±1 with a letter of ±1."""
    return explain.cosine_similarity_map(kernel[None], letter[None])


# ---- the networks ----------------------------------------------------------------------------------------------------


class KernelDiary(Callback):
    """Keeps the kernels of the first convolution after each epoch."""

    def __init__(self) -> None:
        self.kernels: list[np.ndarray] = []

    def on_epoch(self, record, network) -> None:
        """Keep the kernels as they are now."""
        first = network.backbone.blocks[0].convs[0][0]
        self.kernels.append(first.weight.detach()[:, 0].clone().numpy())


class Letters(NamedTuple):
    """The network that tells an X from an O, letters it has not seen, and how its kernels came about."""

    classifier: GridClassifier
    unseen: datasets.Dataset
    kernels: list[np.ndarray]


PLAIN = {  # convolution, ReLU, pooling, and nothing else
    "convs_per_block": 1, "pool_after": None, "padding": "valid", "batch_norm": False, "dropout": 0.0, "augment": None,
    "batch_size": 32, "cache": False,
}  # fmt: skip


def learn_letters() -> Letters:
    """Train on drawn letters; the strong decay wears off what was random and is of no use."""
    learning, unseen = datasets.xo(1500, SIDE, random_state=0), datasets.xo(500, SIDE, random_state=1)
    diary = KernelDiary()
    settings = {
        "adapter": ImageAdapter(size=SIDE), "kernels": (4, 8), "kernel_sizes": (5,), "weight_decay": 1.0,
        "random_state": 2, "callbacks": [diary], **PLAIN,
    }  # fmt: skip
    unmoved = {"epochs": 1, "learning_rate": 1e-12, "kernel_learning_rate": 1e-12}  # the kernels as they were drawn
    GridClassifier(**settings, **unmoved).fit(learning.items, learning.labels)
    classifier = GridClassifier(**settings, epochs=10, kernel_learning_rate=0.04)
    classifier.fit(learning.items, learning.labels)
    print(f"X or O: {classifier.score(unseen.items, unseen.labels):.3f} of {len(unseen)} unseen letters right")
    return Letters(classifier, unseen, diary.kernels)


def learn_digits() -> explain.Trace:
    """Train on handwritten digits, and return what the network did to a 4 that it has not seen."""
    digits = datasets.digits()
    learning, unseen = digits.take(range(1400)), digits.take(range(1400, len(digits)))
    classifier = GridClassifier(
        adapter=ImageAdapter(size=16), kernels=(6, 12), kernel_sizes=(3,), dense=(16,), epochs=16, **PLAIN
    )
    classifier.fit(learning.items, learning.labels)
    print(f"digits: {classifier.score(unseen.items, unseen.labels):.3f} of {len(unseen)} unseen digits right")
    fours = [item for item, label in zip(unseen.items, unseen.labels, strict=True) if label == 4]
    surest = classifier.predict_proba(fours)[:, 4].argmax()
    return explain.trace(classifier, fours[surest])


def letter(
    kind: str,
    *,
    centre: tuple[float, float] = (0.5, 0.5),
    radius: float = 0.32,
    degrees: float = 0.0,
    stroke: float = 0.07,
) -> np.ndarray:
    """Draw an X or an O: centre, radius and stroke as shares of the side."""
    large = 8 * SIDE
    turn = np.deg2rad(degrees)
    if kind == "O":
        angles = np.linspace(0, 2 * np.pi, 64)
        lines = [np.stack([0.8 * np.cos(angles), np.sin(angles)], axis=1)]
    else:
        corner = np.sqrt(0.5)
        lines = [corner * np.array([[-1, -1], [1, 1]]), corner * np.array([[-1, 1], [1, -1]])]
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    picture = Image.new("L", (large, large), 30)
    draw = ImageDraw.Draw(picture)
    for line in lines:
        points = (radius * line @ rotation + centre) * large
        draw.line([(x, y) for x, y in points.tolist()], fill=190, width=round(stroke * large), joint="curve")
    return np.asarray(picture.reduce(8))


# ---- a sheet to draw on ----------------------------------------------------------------------------------------------


class Sheet:
    """A figure measured in units from its upper left corner, so that maps of any size can stand side by side."""

    def __init__(self, width: float, height: float) -> None:
        self.unit = WIDTH / width  # inches
        self.figure = Figure(figsize=(WIDTH, height * self.unit), dpi=RESOLUTION)
        self.ax = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, width), ylim=(height, 0))
        self.ax.set_axis_off()

    def cells(self, values, x, y, cell=1.0, limit=1.0, *, colours=SIGNED, numbers="", lowest=None) -> None:
        """Draw an array as cells from `-limit` (or `lowest`) to `limit`; with its numbers, if wanted."""
        values = np.atleast_2d(values)
        height, width = values.shape
        across, down = x + cell * np.arange(width + 1), y + cell * np.arange(height + 1)
        edges = {}
        if cell * self.unit > 0.12:  # inches
            edges = {"edgecolors": GREY if colours is BOARD else "white", "linewidth": 0.6}
        lowest = -limit if lowest is None else lowest
        self.ax.pcolormesh(across, down, values, cmap=colours, vmin=lowest, vmax=limit, **edges)
        self.frame(x, y, cell * width, cell * height, GREY, line=0.6)
        if numbers:
            longest = max(len(numbers.format(value)) for value in values[~np.isnan(values)])
            size = min(11.0, 72 * cell * self.unit / (0.72 * longest))  # points; a digit is 0.64 of it wide
            for row, column in np.argwhere(~np.isnan(values)):
                value = values[row, column]
                shade = colormaps.get_cmap(colours)((value - lowest) / (limit - lowest))
                colour = "white" if sum(shade[:3]) < 1.6 else INK
                shown = numbers.format(value).replace("-", "−")
                self.words(x + cell * (column + 0.5), y + cell * (row + 0.5), shown, size, colour)

    def board(self, picture, x, y, cell=1.0, *, numbers="") -> None:
        """Draw a picture, bright strokes on a dark board."""
        low, high = picture.min(), picture.max()
        self.cells(picture, x, y, cell, high, colours=BOARD, lowest=low, numbers=numbers)

    def frame(self, x, y, width, height, colour, line=2.2, style="-", fill=None) -> None:
        """Draw a frame around an area."""
        area = Rectangle((x, y), width, height, linewidth=line, edgecolor=colour, linestyle=style)
        area.set(fill=fill is not None, facecolor=fill or "none")
        self.ax.add_patch(area)

    def words(self, x, y, text, size=11.0, colour=INK, **style) -> None:
        """Write something centred on a point."""
        self.ax.text(x, y, text, **{"size": size, "color": colour, "ha": "center", "va": "center", **style})

    def arrow(self, x, y, to_x, to_y, colour=GREY) -> None:
        """Draw an arrow."""
        style = {"arrowstyle": "-|>", "color": colour, "lw": 1.4, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13}
        self.ax.annotate("", (to_x, to_y), (x, y), arrowprops=style)

    def lines(self, segments, colours, widths, alpha=1.0) -> None:
        """Draw many straight lines under everything else."""
        self.ax.add_collection(LineCollection(segments, colors=colours, linewidths=widths, alpha=alpha, zorder=0.5))

    def node(self, x, y, radius, fill, text="", colour="white") -> None:
        """Draw a neuron."""
        self.ax.add_patch(Circle((x, y), radius, facecolor=fill, edgecolor=GREY, linewidth=0.8, zorder=3))
        self.words(x, y, text, 13, colour, weight="bold", zorder=4)

    def probability(self, x, y, width, name, value, *, high=False) -> None:
        """Draw one probability as a bar with its name."""
        self.words(x, y, name, 14 if high else 12, INK if high else GREY, weight="bold" if high else "normal")
        self.frame(x + 0.06 * width + 0.5, y - 0.3, max(value * width, 0.02), 0.6, FOR if high else GREY, 0, fill=(
            FOR if high else GREY))  # fmt: skip
        self.words(x + 0.06 * width + 0.7 + value * width, y, f"{value:.2f}", 10, ha="left")

    def save(self, name: str) -> None:
        """Write the sheet as a PNG file."""
        save(self.figure, name)


def save(figure: Figure, name: str) -> None:
    """Write a figure with a palette of colours, which makes a file of a third the size."""
    drawn = io.BytesIO()
    figure.savefig(drawn)
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


def colour_of(value: float, limit: float):
    """Return the colour of a value, white at zero."""
    return colormaps[SIGNED](0.5 + 0.5 * value / limit)


# ---- 1 to 4: what stays the same -------------------------------------------------------------------------------------


def draw_answer(letters: Letters) -> None:
    """1. A letter goes in, its name comes out."""
    sheet = Sheet(34, 9.2)
    for left, kind in ((0.3, "X"), (17.6, "O")):
        items = letters.unseen.items[letters.unseen.labels == kind]
        probabilities = letters.classifier.predict_proba(items).max(axis=1)
        item = items[probabilities.argmax()]
        probabilities = letters.classifier.predict_proba([item])[0]
        sheet.board(item, left, 0.8, 0.38)
        sheet.arrow(left + 7.8, 4.6, left + 8.8, 4.6)
        for depth, (side, shade) in enumerate(((3.2, "#e2e8f0"), (2.2, LIGHT), (1.2, "#94a3b8"))):
            box = FancyBboxPatch(
                (left + 9 + 0.75 * depth, 4.6 - side / 2), 0.55, side, boxstyle="round,pad=0.05,rounding_size=0.15",
                facecolor=shade, edgecolor=GREY, linewidth=1,
            )  # fmt: skip
            sheet.ax.add_patch(box)
        sheet.arrow(left + 11.3, 4.6, left + 12.2, 4.6)
        for row, name in enumerate(letters.classifier.classes_[::-1]):
            value = probabilities[list(letters.classifier.classes_).index(name)]
            sheet.probability(left + 12.7, 4.0 + 1.3 * row, 1.6, name, value, high=name == kind)
    sheet.save("01-answer")


CHANGES = (
    {},
    {"centre": (0.58, 0.43)},
    {"radius": 0.21},
    {"degrees": 22},
    {"stroke": 0.11},
    {"stroke": 0.05},
)


def draw_changes(letters: Letters) -> None:
    """2. Shifted, smaller, turned, thicker, thinner: the answer stays."""
    sheet = Sheet(36, 14.4)
    for row, kind in enumerate(("X", "O")):
        drawn = [letter(kind, **change) for change in CHANGES]
        for column, (picture, values) in enumerate(zip(drawn, letters.classifier.predict_proba(drawn), strict=True)):
            x, y = 0.5 + 5.9 * column, 0.3 + 7.2 * row
            sheet.board(picture, x, y, 5.4 / SIDE)
            sheet.words(x + 2.7, y + 6.1, f"{letters.classifier.classes_[values.argmax()]}  {values.max():.2f}", 11)
    sheet.save("02-changes")


PLACES = {"falling": ((1, 1), (5, 5)), "rising": ((1, 5), (5, 1)), "crossing": ((3, 3),)}
OTHER_PLACES = {"falling": ((0, 1), (5, 6)), "rising": ((0, 5), (5, 0)), "crossing": ((2, 3),)}


def draw_features() -> None:
    """3. Two letters, different cell by cell, share three small patterns."""
    sheet = Sheet(34, 12)
    for picture, places, left in ((classic_x(), PLACES, 0.6), (another_x(), OTHER_PLACES, 23.6)):
        sheet.board(picture, left, 1, 1.1)
        for name, corners in places.items():
            for row, column in corners:
                assert match(KERNELS[name], picture)[row, column] == 1
                sheet.frame(left + 1.1 * column, 1 + 1.1 * row, 3.3, 3.3, FRAMES[name], 3)
    for at, (name, kernel) in enumerate(KERNELS.items()):
        y = 0.6 + 3.8 * at
        sheet.board(kernel, 15.5, y, 1.05)
        sheet.frame(15.5, y, 3.15, 3.15, FRAMES[name], 3)
        for x, to_x in ((15.2, 11), (19, 23.1)):
            sheet.arrow(x, y + 1.6, to_x, y + 1.6, FRAMES[name])
    sheet.save("03-features")


def draw_found() -> None:
    """4. Where each pattern occurs: every place where it matches exactly."""
    sheet = Sheet(34, 14.4)
    for at, (name, kernel) in enumerate(KERNELS.items()):
        left = 0.6 + 11.5 * at
        sheet.board(kernel, left + 3.4, 0.4, 1.05)
        sheet.frame(left + 3.4, 0.4, 3.15, 3.15, FRAMES[name], 3)
        sheet.board(classic_x(), left, 4.3, 1.1)
        for row, column in np.argwhere(match(kernel, classic_x()) == 1):
            sheet.frame(left + 1.1 * column, 4.3 + 1.1 * row, 3.3, 3.3, FRAMES[name], 2.4)
    sheet.save("04-found")


# ---- 5 to 7: convolution ---------------------------------------------------------------------------------------------


def draw_sliding() -> None:
    """5. The kernel slides; each position fills one cell of the map."""
    picture = np.maximum(2 * np.eye(5) - 1, (2 * np.eye(5) - 1)[:, ::-1])
    found = match(FALLING, picture)
    sheet = Sheet(34, 13.9)
    sheet.board(FALLING, 0.5, 2.2, 0.95)
    sheet.frame(0.5, 2.2, 2.85, 2.85, BLUE, 2.6)
    stops = ((0, 0), (0, 1), (1, 1), (2, 2))
    for at, (row, column) in enumerate(stops):
        left = 5.4 + 7.3 * at
        sheet.board(picture, left, 0.6, 1.2)
        sheet.frame(left + 1.2 * column, 0.6 + 1.2 * row, 3.6, 3.6, BLUE, 3)
        so_far = np.full((3, 3), np.nan)
        so_far.flat[: 3 * row + column + 1] = found.flat[: 3 * row + column + 1]
        sheet.arrow(left + 3, 6.9, left + 3, 7.8)
        sheet.cells(so_far, left + 0.3, 8.1, 1.8, numbers="{:.2f}")
        sheet.frame(left + 0.3 + 1.8 * column, 8.1 + 1.8 * row, 1.8, 1.8, BLUE, 3)
    sheet.save("05-sliding")


def draw_degree() -> None:
    """6. The degree of match, worked out twice, and why the map is smaller than the picture."""
    sheet = Sheet(34, 11.0)
    found = match(FALLING, classic_x())
    for y, (row, column), sum_ in ((0.5, (1, 1), "9 / 9"), (5.7, (3, 3), "(7 − 2) / 9")):
        patch = classic_x()[row : row + 3, column : column + 3]
        sheet.board(patch, 0.4, y, 1.35, numbers="{:+.0f}")
        sheet.words(5.1, y + 2.0, "×", 18)
        sheet.board(FALLING, 5.8, y, 1.35, numbers="{:+.0f}")
        sheet.frame(5.8, y, 4.05, 4.05, BLUE, 2.4)
        sheet.words(10.5, y + 2.0, "=", 18)
        sheet.cells(patch * FALLING, 11.2, y, 1.35, 1.6, numbers="{:+.0f}")
        sheet.words(15.6, y + 2.0, f"{sum_} = {found[row, column]:.2f}", 13, ha="left")
    left, top, cell = 23.4, 0.7, 1.0
    sheet.board(classic_x(), left, top, cell)
    for x, y, width, height in ((0, 0, 9, 1), (0, 8, 9, 1), (0, 1, 1, 7), (8, 1, 1, 7)):
        corner = (left + x * cell, top + y * cell)
        area = Rectangle(corner, width * cell, height * cell, hatch="////", linewidth=0)
        area.set(facecolor="none", edgecolor=LIGHT)
        sheet.ax.add_patch(area)
    sheet.frame(left + cell, top + cell, 7 * cell, 7 * cell, FOR, 2.4)
    sheet.frame(left, top, 3 * cell, 3 * cell, BLUE, 2.4)
    sheet.node(left + 1.5 * cell, top + 1.5 * cell, 0.25, BLUE)
    sheet.words(left + 4.5 * cell, top + 9.6 * cell, "9 × 9  →  7 × 7", 11)
    sheet.save("06-degree")


def draw_maps() -> None:
    """7. One map for each kernel, and the map of a kernel that does not occur."""
    sheet = Sheet(25.8, 16.6)
    chance = explain.random_kernel(FALLING[None], random_state=1)[0]
    kernels = [*KERNELS.values(), chance]
    colours = [*FRAMES.values(), GREY]
    for at, (kernel, colour) in enumerate(zip(kernels, colours, strict=True)):
        x, y = 0.5 + 12.9 * (at % 2), 0.4 + 8.3 * (at // 2)
        if at < 3:
            sheet.board(kernel, x, y + 2.2, 0.95)
        else:
            sheet.cells(kernel, x, y + 2.2, 0.95, np.abs(kernel).max())
        sheet.frame(x, y + 2.2, 2.85, 2.85, colour, 2.6)
        sheet.arrow(x + 3.1, y + 3.6, x + 4.2, y + 3.6, colour)
        sheet.cells(match(kernel, classic_x()), x + 4.5, y, 1.07, numbers="{:.2f}")
    sheet.save("07-maps")


# ---- 8 to 14: pooling, ReLU, stacking --------------------------------------------------------------------------------


def draw_windows() -> None:
    """8. Each window of 2 × 2 cells becomes its largest value, or its mean."""
    corner = match(FALLING, classic_x())[:4, :4]
    colours = (BLUE, GREEN, PINK, "#ca8a04")
    sheet = Sheet(24.6, 12)
    cell = 2.6

    def windows(x: float, y: float, size: float) -> None:
        for at, colour in enumerate(colours):
            gap = 0.09
            sheet.frame(
                x + size * (at % 2) + gap, y + size * (at // 2) + gap, size - 2 * gap, size - 2 * gap, colour, 3.2
            )

    sheet.cells(corner, 0.6, 0.8, cell, numbers="{:.2f}")
    windows(0.6, 0.8, 2 * cell)
    for y, kind, name in ((0.3, "max", "max"), (6.5, "average", "mean")):
        sheet.arrow(12, 6, 17.6, y + 2.6)
        sheet.words(14.8, 2.6 if kind == "max" else 9.5, name, 13)
        sheet.cells(explain.pool_map(corner, kind=kind), 18.2, y, cell, numbers="{:.2f}")
        windows(18.2, y, cell)
    sheet.save("08-windows")


def draw_pooled() -> None:
    """9. The map of 7 × 7 becomes 4 × 4; windows at the border may be incomplete."""
    found = match(FALLING, classic_x())
    sheet = Sheet(18, 9.2)
    sheet.cells(found, 0.4, 0.4, 1.1, numbers="{:.2f}")
    for row, column in np.ndindex(4, 4):
        whole = row < 3 and column < 3
        height, width = (2.2 if row < 3 else 1.1), (2.2 if column < 3 else 1.1)
        sheet.frame(
            0.4 + 2.2 * column + 0.06, 0.4 + 2.2 * row + 0.06, width - 0.12, height - 0.12,
            INK if whole else PINK, 1.6, "-" if whole else "--",
        )  # fmt: skip
    sheet.words(4.2, 8.65, "7 × 7", 11)
    sheet.arrow(8.7, 4.3, 10.6, 4.3)
    sheet.words(9.6, 3.8, "max", 11)
    sheet.cells(explain.pool_map(found), 11.2, 1.1, 1.5, numbers="{:.2f}")
    sheet.words(14.2, 8.65, "4 × 4", 11)
    sheet.save("09-pooled")


def draw_still_there(trace: explain.Trace) -> None:
    """10. A learned kernel, its map, and the map pooled once and twice: coarser, and still the stroke."""
    step = trace.steps[0]
    stroke = 2 * np.eye(5) - 1
    index = int(np.argmax([explain.cosine_similarity_map(each, stroke[None])[0, 0] for each in step.kernels]))
    found = step.output[index]
    limit = np.abs(found).max()
    sheet = Sheet(35, 8.4)
    sheet.board(trace.encoded[0], 0.4, 0.5, 6.6 / SIDE)
    kernel = step.kernels[index][0]
    sheet.cells(kernel, 8.4, 2.3, 0.6, np.abs(kernel).max())
    x = 12.8
    for size in (16, 8, 4):
        values = found if size == 16 else explain.pool_map(found, 16 // size)
        sheet.arrow(x - 1.2, 3.8, x - 0.2, 3.8)
        sheet.cells(values, x, 0.5, 6.6 / size, limit)
        sheet.words(x + 3.3, 7.8, f"{size} × {size}", 11)
        x += 7.6
    sheet.words(3.7, 7.8, f"{SIDE} × {SIDE}", 11)
    sheet.words(9.9, 7.8, "5 × 5", 11)
    sheet.save("10-still-there")


def draw_all_maps() -> None:
    """11. Pooling is done to all maps."""
    sheet = Sheet(34, 11)
    for at, (name, kernel) in enumerate(KERNELS.items()):
        x = 0.5 + 11.5 * at
        found = match(kernel, classic_x())
        sheet.board(kernel, x, 1.2, 0.7)
        sheet.frame(x, 1.2, 2.1, 2.1, FRAMES[name], 2.6)
        sheet.cells(found, x + 2.8, 0.4, 0.95)
        sheet.arrow(x + 6.1, 7.2, x + 6.1, 8.0)
        sheet.cells(explain.pool_map(found), x + 4.2, 8.2, 0.65)
    sheet.save("11-all-maps")


def draw_relu() -> None:
    """12. Cells below zero become zero."""
    found = match(FALLING, classic_x())
    sheet = Sheet(20, 8.4)
    sheet.cells(found, 0.4, 0.4, 1.08, numbers="{:.2f}")
    sheet.arrow(8.3, 4.2, 11.7, 4.2)
    sheet.words(10, 3.6, "max(0, x)", 12)
    sheet.cells(np.maximum(found, 0), 12.0, 0.4, 1.08, numbers="{:.2f}")
    sheet.save("12-relu")


def draw_three_steps(trace: explain.Trace) -> None:
    """13. Convolution, ReLU, pooling in a row, with the kernels that were learned."""
    convolution, relu, pool = trace.block(1)
    n_maps = len(convolution.kernels)
    sheet = Sheet(32, 4.9 * n_maps + 0.2)
    middle = (4.9 * n_maps - 0.4) / 2 + 0.1
    sheet.board(trace.encoded[0], 0.4, middle - 3.4, 6.8 / SIDE)
    limits = [np.abs(step.output).max() for step in (convolution, relu, pool)]
    strongest = max(np.abs(kernel).max() for kernel in convolution.kernels)
    for x, name in ((19.3, "ReLU"), (26.1, "max")):
        sheet.words(x, 1.6, name, 10, GREY)
    for at, kernel in enumerate(convolution.kernels):
        y = 0.2 + 4.9 * at
        sheet.lines([[(7.3, middle), (9.0, y + 2.2)]], GREY, 1.0)
        sheet.cells(kernel[0], 9.2, y + 0.8, 0.56, strongest)
        sheet.arrow(12.2, y + 2.2, 13.4, y + 2.2)
        sheet.cells(convolution.output[at], 13.6, y, 4.5 / 16, limits[0])
        sheet.arrow(18.4, y + 2.2, 20.2, y + 2.2)
        sheet.cells(relu.output[at], 20.4, y, 4.5 / 16, limits[0])
        sheet.arrow(25.2, y + 2.2, 27.0, y + 2.2)
        sheet.cells(pool.output[at], 27.4, y + 1.1, 4.5 / 16, limits[0])
    sheet.save("13-three-steps")


def draw_stack(trace: explain.Trace) -> None:
    """14. The three steps twice: maps get smaller, and there are more of them."""
    stages = [trace.encoded, trace.activation(1).output, trace.block(1)[-1].output]
    stages += [trace.activation(2).output, trace.block(2)[-1].output]
    sheet = Sheet(36, 10.8)
    x = 0.4
    for at, maps in enumerate(stages):
        cell, gap = 0.32, (0.42 if len(maps) > 4 else 0.6)
        side, n_maps = cell * maps.shape[1], len(maps)
        top = 4.6 - side / 2 - gap * (n_maps - 1) / 2
        for depth in range(n_maps):
            left, y = x + gap * (n_maps - 1 - depth), top + gap * depth
            if at:
                sheet.cells(maps[n_maps - 1 - depth], left, y, cell, maps.max(), colours=SIGNED)
            else:
                sheet.board(maps[0], left, y, cell)
        across = side + gap * (n_maps - 1)
        sheet.words(x + across / 2, 9.9, f"{n_maps} × {maps.shape[1]}×{maps.shape[2]}", 10.5)
        x += across + 1.4
        sheet.arrow(x - 1.15, 4.6, x - 0.25, 4.6)
    sheet.words(x + 0.8, 4.6, str(trace.prediction), 26, weight="bold")
    sheet.save("14-stack")


# ---- 15 to 19: the column and its votes ------------------------------------------------------------------------------


def draw_four(trace: explain.Trace) -> None:
    """15. A handwritten 4, from the picture at the bottom to the answer at the top."""
    sheet = Sheet(30, 27.4)
    y = 27.0

    def row(maps: np.ndarray, cell: float) -> None:
        nonlocal y
        side = cell * maps.shape[1]
        gap = min(0.8, (24.6 - len(maps) * side) / len(maps))
        across = len(maps) * (side + gap) - gap
        y -= side
        for at, values in enumerate(maps):
            left = 17 - across / 2 + at * (side + gap)
            if maps is trace.encoded:
                sheet.board(values, left, y, cell)
            else:
                sheet.cells(values, left, y, cell, maps.max())
        sheet.words(0.3, y + side / 2, f"{len(maps)} × {maps.shape[1]}×{maps.shape[2]}", 10.5, GREY, ha="left")
        rise()

    def rise() -> None:
        nonlocal y
        sheet.arrow(17, y - 0.15, 17, y - 0.95)
        y -= 1.15

    row(trace.encoded, 0.4)
    for number in (1, 2):
        row(trace.activation(number).output, 0.25 if number == 1 else 0.3)
        row(trace.block(number)[-1].output, 0.3)
    dense = trace.steps[-1].input
    for values, cell in ((trace.feature_vector, 24.8 / len(trace.feature_vector)), (dense, 0.8)):
        across = cell * len(values)
        y -= 0.8
        for at, value in enumerate(values):
            sheet.frame(17 - across / 2 + at * cell, y, cell, 0.8, LIGHT, 0.4, fill=colour_of(value, values.max()))
        sheet.words(0.3, y + 0.4, str(len(values)), 10.5, GREY, ha="left")
        rise()
    y -= 1.5
    for at, (name, value) in enumerate(zip(trace.classes, trace.probabilities, strict=True)):
        chosen = name == trace.prediction
        left = 17 - 9 + 1.8 * at
        sheet.frame(left, y, 1.5, 1.5, FOR if chosen else LIGHT, 1, fill=FOR if chosen else "white")
        sheet.words(left + 0.75, y + 0.72, str(name), 15 if chosen else 12, "white" if chosen else GREY)
        sheet.words(left + 0.75, y - 0.5, f"{value:.2f}", 9, INK if chosen else GREY)
    sheet.save("15-four")


def draw_column(trace: explain.Trace) -> None:
    """16. The last maps, and the column they become, lying on its side."""
    maps = trace.block(2)[-1].output
    sheet = Sheet(34, 8.4)
    limit = maps.max()
    each = 33.2 / len(maps)
    cell = 33.2 / len(trace.feature_vector)
    for at, values in enumerate(maps):
        left = 0.4 + at * each + (each - 2.6) / 2
        sheet.cells(values, left, 0.5, 1.3, limit)
        for entry in range(values.size):
            index = at * values.size + entry
            row, column = divmod(entry, values.shape[1])
            start = (left + 1.3 * (column + 0.5), 0.5 + 1.3 * (row + 0.5))
            sheet.ax.plot(
                [start[0], 0.4 + (index + 0.5) * cell], [start[1], 6.4], color=GREY, lw=0.8, zorder=4, marker="o",
                markevery=[0], markersize=2.5,
            )  # fmt: skip
    sheet.cells(trace.feature_vector, 0.4, 6.4, cell, limit)
    sheet.words(17, 7.95, f"{len(maps)} × {maps.shape[1]}×{maps.shape[2]}  →  {len(trace.feature_vector)}", 11)
    sheet.save("16-column")


def mean_columns(letters: Letters, count: int = 60) -> dict[str, np.ndarray]:
    """Return the mean column of unseen X's and of unseen O's."""
    found = {}
    for kind in ("X", "O"):
        items = [item for item, name in zip(letters.unseen.items, letters.unseen.labels, strict=True) if name == kind]
        found[kind] = np.mean(
            [explain.trace(letters.classifier, item).feature_vector for item in items[:count]], axis=0
        )
    return found


def draw_column_decides(letters: Letters) -> None:
    """17. Mean columns of many X's (up) and many O's (down): coloured where one is at least twice the other."""
    columns = mean_columns(letters)
    highest = max(values.max() for values in columns.values())
    n_entries = len(columns["X"])
    sheet = Sheet(34, 12)
    cell = 31.5 / n_entries
    sheet.words(1.0, 3.2, "X", 20, FOR, weight="bold")
    sheet.words(1.0, 8.8, "O", 20, AGAINST, weight="bold")
    for at in range(n_entries):
        heights = {kind: 5.4 * values[at] / highest for kind, values in columns.items()}
        left = 2.2 + at * cell
        for kind, other, colour in (("X", "O", FOR), ("O", "X", AGAINST)):
            own = heights[kind]
            shade = colour if own >= 2 * heights[other] and own > 0.3 else LIGHT
            sheet.frame(left + 0.1, 6 - own if kind == "X" else 6, cell - 0.2, own, shade, 0, fill=shade)
    sheet.lines([[(2.2, 6), (2.2 + 31.5, 6)]], GREY, 1)
    sheet.save("17-column-decides")


def draw_votes(trace: explain.Trace) -> None:
    """18. Every entry votes for every class: orange for, purple against, as thick as the vote."""
    sheet = Sheet(34, 13)
    cell = 33.2 / len(trace.feature_vector)
    places = {"X": 9.0, "O": 25.0}
    everything = {kind: explain.contributions(trace, kind) for kind in places}
    largest = max(np.abs(found.products).max() for found in everything.values())
    for kind, x in places.items():
        found = everything[kind]
        segments = [[(0.4 + (at + 0.5) * cell, 11.2), (x, 3.2)] for at in range(len(found.products))]
        order = np.argsort(np.abs(found.products))
        colours = [FOR if found.products[at] > 0 else AGAINST for at in order]
        widths = [0.3 + 5 * abs(found.products[at]) / largest for at in order]
        sheet.lines([segments[at] for at in order], colours, widths, 0.75)
        index = trace.class_index(kind)
        chosen = kind == trace.prediction
        sheet.node(x, 3.2, 1.0, FOR if chosen else GREY, kind)
        total = (
            f"{found.products.sum():+.2f} {'+' if found.bias >= 0 else '−'} {abs(found.bias):.2f} = {found.logit:+.2f}"
        )
        sheet.words(x, 1.4, total.replace("-", "−"), 11)
        sheet.words(
            x + 1.5, 3.2, f"{trace.probabilities[index]:.2f}", 13, ha="left", weight="bold" if chosen else "normal"
        )
    sheet.cells(trace.feature_vector, 0.4, 11.2, cell, trace.feature_vector.max())
    sheet.save("18-votes")


def draw_dense(trace: explain.Trace) -> None:
    """19. Dense layers stack too: the column, a layer between, and ten digits."""
    sheet = Sheet(34, 14)
    hidden_step, logits_step = trace.steps[-3], trace.steps[-1]
    column, hidden = hidden_step.input, logits_step.input
    n_column, n_hidden, n_classes = len(column), len(hidden), len(trace.classes)
    xs = [0.6 + 32.8 * (np.arange(n) + 0.5) / n for n in (n_column, n_hidden, n_classes)]
    for weights, values, below, above, y, to_y, most in (
        (hidden_step.weights, column, xs[0], xs[1], 12.6, 7.2, 1.6),
        (logits_step.weights, hidden, xs[1], xs[2], 7.2, 1.8, 3.4),
    ):
        products = weights * values
        limit = np.abs(products).max()
        pairs = [tuple(pair) for pair in np.argwhere(np.abs(products) > 0.25 * limit)]
        sheet.lines(
            [[(below[entry], y), (above[neuron], to_y)] for neuron, entry in pairs],
            [FOR if products[pair] > 0 else AGAINST for pair in pairs],
            [0.05 + most * abs(products[pair]) / limit for pair in pairs],
            0.6,
        )
    cell = 32.8 / n_column
    for at, value in enumerate(column):
        sheet.frame(0.6 + at * cell, 12.6, cell, 0.9, LIGHT, 0.3, fill=colour_of(value, column.max()))
    for x, value in zip(xs[1], hidden, strict=True):
        sheet.node(x, 7.2, 0.62, colour_of(value, hidden.max()))
    for x, name in zip(xs[2], trace.classes, strict=True):
        sheet.node(x, 1.5, 0.95, FOR if name == trace.prediction else GREY, str(name))
    sheet.save("19-dense")


def draw_learning(letters: Letters) -> None:
    """19, and where the kernels come from: random at first, corrected again and again while the loss falls."""
    history = letters.classifier.history_
    shown = [0, 1, 2, 3, 5, len(history)]
    figure = Figure(figsize=(WIDTH, 5.2), dpi=RESOLUTION, layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.75, 1])
    n_kernels = len(letters.kernels[0])
    axes = upper.subplots(n_kernels, len(shown))
    for column, epoch in enumerate(shown):
        kernels = letters.kernels[epoch]
        for ax, kernel in zip(axes[:, column], kernels, strict=True):
            limit = np.abs(kernel).max()
            ax.imshow(kernel, cmap=SIGNED, vmin=-limit, vmax=limit)
            ax.set(xticks=[], yticks=[])
        axes[0, column].set_title(epoch, fontsize=11)
    ax = lower.subplots()
    epochs = [record.epoch for record in history]
    ax.plot(epochs, [record.loss for record in history], ".-", color=FOR)
    ax.set(ylim=(0, None), xlim=(0, len(history) + 0.3), xticks=shown)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_ylabel("loss")
    save(figure, "19-learning")


# ---- 20: other data --------------------------------------------------------------------------------------------------


def draw_matrices() -> None:
    """20. A sound, a sentence and a grade sheet, each with its rows and columns swapped."""
    sounds = datasets.tones(40, random_state=3)
    rising = next(item for item, label in zip(sounds.items, sounds.labels, strict=True) if label == "rising")
    adapter = AudioAdapter(sample_rate=sounds.sample_rate).fit(sounds.items)
    encoded = torch.from_numpy(adapter.encode(rising)[:1])
    sound = adapter.frontend()(encoded)[0, 0].numpy()[::-1]
    rng = np.random.default_rng(5)
    sheet = Sheet(34, 21)
    height, width = sound.shape
    swapped = sound[rng.permutation(height)][:, rng.permutation(width)]
    for x, values in ((1.4, sound), (19.4, swapped)):
        sheet.ax.imshow(
            values, cmap="magma", extent=(x, x + 13.2, 6.0, 0.6), aspect="auto", interpolation="nearest", zorder=1
        )
    sheet.words(0.7, 3.3, "Hz", 11, rotation=90)
    sheet.words(8, 6.6, "s", 11)
    words = ["the", "meal", "was", "good", "not", "bad"]
    for x, order in ((1.4, words), (19.4, [words[at] for at in (0, 1, 2, 5, 4, 3)])):
        for at, word in enumerate(order):
            new = x > 10 and word != words[at]
            sheet.frame(x + 2.2 * at, 8.2, 2.1, 1.5, GREY, 0.8, fill="#fde68a" if new else "#f1f5f9")
            sheet.words(x + 2.2 * at + 1.05, 8.95, word, 12)
    grades = datasets.grades(6, random_state=2).items.iloc[:, [0, 1, 4, 5, 8, 11, 13]]
    names = [name[:4] for name in grades.columns]
    rows, columns = [0, 3, 2, 1, 5, 4], [0, 5, 2, 3, 4, 1, 6]
    for x, table, heads, numbers in (
        (1.4, grades.to_numpy(), names, range(6)),
        (19.4, grades.to_numpy()[rows][:, columns], [names[at] for at in columns], rows),
    ):
        cell = 1.72
        for at, head in enumerate(heads):
            sheet.words(x + 1.1 + cell * (at + 0.5), 11.6, head, 9.5, GREY)
        for at, number in enumerate(numbers):
            sheet.words(x + 0.4, 12.2 + 1.3 * (at + 0.5), "ABCDEF"[number], 11, GREY)
        for row, column in np.ndindex(*table.shape):
            left, top = x + 1.1 + cell * column, 12.2 + 1.3 * row
            sheet.frame(left, top, cell, 1.3, LIGHT, 0.8, fill="#f8fafc")
            sheet.words(left + cell / 2, top + 0.65, str(table[row, column]), 11)
    for y, sign, colour in ((3.3, "≠", AGAINST), (8.95, "≠", AGAINST), (16.1, "=", INK)):
        sheet.words(17.0, y, sign, 30, colour, weight="bold")
    sheet.save("20-like-a-picture")


def draw_shuffled(n_items: int = 600) -> None:
    """20. What a small convolution makes of letters and of grades, in the given order and in shuffled ones."""
    letters, grades = datasets.xo(n_items, SIDE, random_state=0), datasets.grades(n_items)
    rng = np.random.default_rng(0)
    picture, sheet_of_grades = letter("X"), grades.items.to_numpy()[:5, :5]
    jumbled = rng.permutation(picture.ravel()).reshape(picture.shape)
    sheet = Sheet(34, 18.6)
    y = 0.4
    for table, labels, icons in (
        (letters.items.reshape(n_items, -1), letters.labels, (picture, jumbled)),
        (grades.items, grades.labels, (sheet_of_grades, sheet_of_grades[:, [3, 0, 4, 2, 1]])),
    ):
        scores = score_alternatives(table, labels)
        print(f"{scores.given.accuracy:.3f} in the given order, {scores.shuffled.accuracy:.3f} shuffled")
        for icon, score, colour in zip(icons, (scores.given, scores.shuffled), (FOR, GREY), strict=True):
            if icon.shape == (5, 5):
                for row, column in np.ndindex(5, 5):
                    left, top = 0.4 + 1.2 * column, y + 0.82 * row
                    sheet.frame(left, top, 1.2, 0.82, LIGHT, 0.8, fill="#f8fafc")
                    sheet.words(left + 0.6, top + 0.41, str(icon[row, column]), 9)
            else:
                sheet.board(icon, 1.35, y, 4.1 / SIDE)
            sheet.frame(7.4, y + 1.25, 22 * score.accuracy, 1.6, colour, 0, fill=colour)
            sheet.words(7.8 + 22 * score.accuracy, y + 2.05, f"{100 * score.accuracy:.0f} %", 13, ha="left")
            y += 4.5
        y += 0.2
    sheet.save("20-shuffled")


def main() -> None:
    """Train, draw, and say how large the pictures are."""
    global FOLDER  # noqa: PLW0603
    FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # one thread adds up in one order, so that two runs learn the same kernels
    for draw in (draw_features, draw_found, draw_sliding, draw_degree, draw_maps, draw_windows, draw_pooled):
        draw()
    for draw in (draw_all_maps, draw_relu, draw_matrices):
        draw()
    letters = learn_letters()
    trace = explain.trace(letters.classifier, letter("X"))
    for draw in (draw_answer, draw_changes, draw_column_decides, draw_learning):
        draw(letters)
    for draw in (draw_still_there, draw_three_steps, draw_stack, draw_column, draw_votes):
        draw(trace)
    four = learn_digits()
    for draw in (draw_four, draw_dense):
        draw(four)
    draw_shuffled()
    sizes = [path.stat().st_size for path in FOLDER.glob("*.png")]
    print(f"{len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB, the largest {max(sizes) / 1e3:.0f} kB, in {FOLDER}/")


if __name__ == "__main__":
    main()
