"""What every step of a network did to one item, as numbers.

Blocks, kernels and windows are counted from 1, as the pictures name them; arrays are indexed from 0, as ever.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from gridcnn.errors import ConfigurationError
from gridcnn.estimator import GridClassifier
from gridcnn.explain.coordinates import Coordinates, coordinates
from gridcnn.explain.receptive_field import ReceptiveField
from gridcnn.grid import GridSpec
from gridcnn.network.augment import flipped_copies
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.network.layers import ParallelBranches

__all__ = ["Step", "Trace", "trace"]


@dataclass(frozen=True)
class Step:
    """One step of the network and what it did.

    Parameters
    ----------
    name : str
        Unique in its trace: `"block 1 convolution 2"`, `"block 1 pool"`, `"column"`, `"votes"`.
    kind : str
        `"convolution"`, `"norm"`, `"relu"`, `"pool"`, `"column"`, `"dense"` or `"votes"`.
    block : int or None
        Number of the block, from 1; None after the blocks.
    run : callable
        What makes `output` of `input`, for tensors with a batch axis, float64.
    input, output : ndarray
        float64, without a batch axis: maps `(maps, *sizes)`, or a column `(entries,)`.
    below, field : tuple of ReceptiveField
        For each map of `output`: which cells of `input`, and which cells of the grid, a cell was computed from. Empty
        after the blocks.
    """

    name: str
    kind: str
    block: int | None
    run: Callable[[Tensor], Tensor]
    input: np.ndarray
    output: np.ndarray
    below: tuple[ReceptiveField, ...] = ()
    field: tuple[ReceptiveField, ...] = ()

    def again(self) -> np.ndarray:
        """Apply the step to its recorded input once more."""
        with torch.no_grad():
            return self.run(torch.from_numpy(self.input)[None])[0].numpy()

    @cached_property
    def kernels(self) -> tuple[np.ndarray, ...]:
        """The kernel behind each map of a convolution, `(input maps, *size)`; empty for other steps."""
        return tuple(kernel for branch in self._branches for kernel in branch.weight.detach().numpy())

    @cached_property
    def bias(self) -> np.ndarray:
        """What is added to each map of a convolution `(maps,)`, or to each entry of a dense layer; zeros where none."""
        layers = self._branches or ([self.run] if isinstance(self.run, nn.Linear) else [])
        parts = [np.zeros(len(b.weight)) if b.bias is None else b.bias.detach().numpy() for b in layers]
        return np.concatenate(parts) if parts else np.zeros(len(self.output))

    @cached_property
    def weights(self) -> np.ndarray:
        """The weights `(entries of output, entries of input)` of a dense layer or of the votes; empty otherwise."""
        return self.run.weight.detach().numpy() if isinstance(self.run, nn.Linear) else np.empty((0, 0))

    @cached_property
    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """What a norm multiplies each map with and then adds to it, two arrays `(maps,)`."""
        if self.kind != "norm":
            raise ConfigurationError(f"{self.name} is no normalisation; those are the steps of kind 'norm'")
        n_axes = self.output.ndim - 1
        line = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, *(1,) * n_axes)
        with torch.no_grad():
            low, high = self.run(line.expand(2, len(self.output), *(1,) * n_axes)).flatten(1).numpy()
        return high - low, low

    @property
    def _branches(self) -> list[Any]:
        """The convolutions side by side that make up a convolution step."""
        if self.kind != "convolution":
            return []
        return list(self.run) if isinstance(self.run, ParallelBranches) else [self.run]


@dataclass(frozen=True)
class Trace:
    """Everything the network did to one window of one item.

    Parameters
    ----------
    item : object
        The raw item.
    name : str
        What to call it: the path, the sentence, or the array's shape.
    modality : str
        `"image"`, `"sound"`, `"text"` or `"array"`.
    spec : GridSpec
        Names, sizes and units of the axes.
    coordinates : tuple of Coordinates
        Where the cells of each ordered axis lie: Hz, seconds, pixels, words.
    window, n_windows : int
        Which window this is, from 1, and how many the item has; more than 1 for long recordings and texts.
    n_views : int
        In how many ways (as it is, mirrored) each window is answered; more than 1 where training mirrored the grids.
    encoded : ndarray
        The window as the adapter encoded it: uint8 pixels `(colour, height, width)`, waveform `(samples,)`, token ids.
    grid : ndarray of shape `spec.shape`
        The window as the network sees it, float64.
    steps : tuple of Step
        From the first convolution to the votes. Each step's input is the output of the one before.
    classes : ndarray of shape (n_classes,)
        The labels.
    probabilities : ndarray of shape (n_classes,)
        Of this window.
    item_probabilities : ndarray of shape (n_classes,)
        The mean over all windows of the item, and over each one as it is and mirrored where training mirrored the
        grids: the classifier's answer.
    backbone : ConvPoolDense
        A copy of the network in float64, which the steps are of.
    remarks : tuple of str
        What a reader should know: several windows, a mirror image, unknown words.
    """

    item: Any
    name: str
    modality: str
    spec: GridSpec
    coordinates: tuple[Coordinates, ...]
    window: int
    n_windows: int
    n_views: int
    encoded: np.ndarray
    grid: np.ndarray
    steps: tuple[Step, ...]
    classes: np.ndarray
    probabilities: np.ndarray
    item_probabilities: np.ndarray
    backbone: ConvPoolDense
    remarks: tuple[str, ...] = ()

    @property
    def measured(self) -> np.ndarray:
        """The channels of an array without those that may follow: the same ones once more, by their own scale."""
        return self.grid[: len(self.encoded)]

    @property
    def logits(self) -> np.ndarray:
        """The sum of the votes for each class and its bias, `(n_classes,)`."""
        return self.steps[-1].output

    @property
    def column(self) -> np.ndarray:
        """The last maps as one column of numbers, `(entries,)`."""
        return next(step for step in self.steps if step.kind == "column").output

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return max(step.block or 0 for step in self.steps)

    @property
    def prediction(self) -> Any:
        """The most probable label of this window."""
        return self.classes[self.probabilities.argmax()]

    def __getitem__(self, name: str) -> Step:
        """Return the step of that name."""
        for step in self.steps:
            if step.name == name:
                return step
        raise ConfigurationError(f"there is no step {name!r}; there are {', '.join(step.name for step in self.steps)}")

    def block(self, number: int) -> tuple[Step, ...]:
        """Return the steps of a block, counted from 1; ConfigurationError if there is none of that number."""
        if not 1 <= number <= self.n_blocks:
            raise ConfigurationError(f"there is no block {number}; blocks are counted from 1 to {self.n_blocks}")
        return tuple(step for step in self.steps if step.block == number)

    def activation(self, block: int) -> Step:
        """Return the last ReLU of a block, in whose maps the block's kernels show where they match."""
        return [step for step in self.block(block) if step.kind == "relu"][-1]

    def class_index(self, label: Any = None) -> int:
        """Return the index of a label, or of the prediction; ConfigurationError if there is no such class."""
        if label is None:
            return int(self.probabilities.argmax())
        found = [index for index, known in enumerate(self.classes) if str(known) == str(label)]
        if not found:
            raise ConfigurationError(f"there is no class {label!r}; there are {', '.join(map(str, self.classes))}")
        return found[0]

    def run_from(self, step: Step, values: Tensor) -> Tensor:
        """Run what follows a step on other outputs of it, `(batch, ...)` → logits `(batch, n_classes)`."""
        for later in self.steps[self.steps.index(step) + 1 :]:
            values = later.run(values)
        return values


def trace(classifier: GridClassifier, item: Any, *, window: int | None = None) -> Trace:
    """Run one item through a fitted classifier and record every step.

    The network runs in float64, so that the arithmetic shown is the arithmetic done: its answers are those of
    `predict_proba` up to the rounding of float32.

    Parameters
    ----------
    classifier : GridClassifier
        Fitted, or loaded from a bundle.
    item : object
        One raw item as the classifier's adapter reads it: a path, a sentence, an array, a row of a table.
    window : int or None
        Which window of a long recording or text, counted from 1. None takes the one that is surest of the item's
        predicted class.

    Raises
    ------
    ItemError
        If the item cannot be decoded.
    ConfigurationError
        If the item has no such window.

    Examples
    --------
    >>> from gridcnn import datasets
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(100))
    >>> classifier = GridClassifier(adapter=ImageAdapter(), epochs=1).fit(digits.items, digits.labels)
    >>> steps = trace(classifier, digits.items[0]).steps
    >>> steps[0].name, steps[0].output.shape, steps[-1].name, steps[-1].output.shape
    ('block 1 convolution 1', (24, 8, 8), 'votes', (10,))
    """
    check_is_fitted(classifier, "network_")
    adapter = classifier.adapter_
    item = adapter.check_items([item])[0]
    windows = adapter.encode(item)
    if window is not None and not 1 <= window <= len(windows):
        raise ConfigurationError(f"the item has no window {window}; windows are counted from 1 to {len(windows)}")
    mirrored = classifier.network_.flip_axes
    backbone = copy.deepcopy(classifier.network_.backbone).double().eval().requires_grad_(False)
    with torch.inference_mode():
        grids = [classifier.network_.frontend(torch.from_numpy(each[None])).double() for each in windows]
        by_view = [
            torch.cat([backbone(view) for view in flipped_copies(grid, adapter.spec_, mirrored)]) for grid in grids
        ]
        chances = torch.stack(by_view).softmax(dim=2).numpy()  # (windows, views, n_classes)
    answer = chances.mean(axis=(0, 1))
    best = answer.argmax()
    if window is None:
        window = 1 + int(chances[:, 0, best].argmax())
    grid = grids[window - 1][0].numpy()
    steps = record(backbone, grid)
    axes = coordinates(adapter, item, window, len(windows))
    return Trace(
        item=item,
        name=name_of(item),
        modality=adapter.modality,
        spec=adapter.spec_,
        coordinates=axes,
        window=window,
        n_windows=len(windows),
        n_views=chances.shape[1],
        encoded=windows[window - 1],
        grid=grid,
        steps=tuple(steps),
        classes=classifier.classes_,
        probabilities=softmax(steps[-1].output),
        item_probabilities=answer,
        backbone=backbone,
        remarks=(
            *_remarks(axes, window, len(windows)),
            *_remarks_on_views(mirrored, str(classifier.classes_[best]), chances[window - 1, :, best]),
        ),
    )


@torch.no_grad()
def record(backbone: ConvPoolDense, grid: np.ndarray) -> list[Step]:
    """Run the steps of a backbone one by one over a grid of its dtype, and keep what goes in and out."""
    n_axes = len(backbone.spec.axes)
    values = torch.from_numpy(grid.copy())[None]
    field = (ReceptiveField.cell(n_axes),) * len(grid)
    steps: list[Step] = []
    for kind, block, run in backbone.steps():
        if isinstance(run, nn.Identity | nn.Dropout):
            continue
        before, values = values, run(values)
        below: tuple[ReceptiveField, ...] = ()
        if block is not None:
            below = receptive_fields(run, n_axes, values.shape[1])
            if kind == "convolution":  # a kernel spans all maps
                field = (ReceptiveField.around(field),) * len(below)
            field = tuple(own.then(step) for own, step in zip(field, below, strict=True))
        steps.append(
            Step(_step_name(kind, block, steps), kind, block, run, before[0].numpy(), values[0].numpy(), below,
                 field if block is not None else ())
        )  # fmt: skip
    return steps


def _step_name(kind: str, block: int | None, before: Sequence[Step]) -> str:
    """Name a step by its block and kind, and by a number where a block has several of the kind."""
    place = "" if block is None else f"block {block} "
    if kind in {"column", "votes", "pool"}:
        return place + kind
    number = 1 + sum(step.kind == kind and step.block == block for step in before)
    return f"{place}{kind} {number}"


def name_of(item: Any) -> str:
    """Name an item: a path or sentence as it is, an array by its shape."""
    if isinstance(item, str | os.PathLike):
        return str(item)
    return f"array of shape {np.asarray(item).shape}"


def _remarks_on_views(mirrored: Sequence[str], label: str, chances: np.ndarray) -> list[str]:
    """Say what each view of a grid (as it is, mirrored) gives the predicted class."""
    if not mirrored:
        return []
    others = ", ".join(f"{chance:.1%}" for chance in chances[1:])
    return [
        f"The answer is the mean over the item as it is, which is shown here, and mirrored along its "
        f"{' and '.join(mirrored)}: “{label}” has {chances[0]:.1%} as it is and {others} mirrored."
    ]


def _remarks(axes: tuple[Coordinates, ...], window: int, n_windows: int) -> list[str]:
    remarks = []
    if n_windows > 1:
        remarks.append(
            f"The item is longer than the grid and was cut into {n_windows} windows, whose probabilities are averaged. "
            f"This is window {window}."
        )
    words, known = axes[-1].words, axes[-1].known
    if words and not any(words):
        remarks.append("The text has no words: the grid is all padding, and the answer rests on the biases alone.")
    elif words and not any(known):
        listed = ", ".join(repr(word) for word in words if word)
        remarks.append(
            f"The model knows none of these words ({listed}): all share the vector of the unknown word, so the answer "
            "says only how many there are."
        )
    return remarks
