"""A trace: every step of a network for one item, as numbers.

Blocks, kernels and windows are counted from 1, as the pictures name them; arrays are indexed from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridcnn.adapters import Adapter
from gridcnn.display import percentage
from gridcnn.errors import ConfigurationError, ItemError
from gridcnn.explain.steps import Step, record
from gridcnn.grid import Coordinates, GridSpec
from gridcnn.model import Network, fitted_model
from gridcnn.multilabel import shares
from gridcnn.network.augment import flipped_copies
from gridcnn.network.backbone import ConvPoolDense
from gridcnn.predictions import NOT_FINITE
from gridcnn.segments import NAMED

__all__ = ["Trace", "trace"]

AT_ONCE = 16
"""Windows that are computed together: a long text has thousands."""


@dataclass(frozen=True)
class Trace:
    """All steps of the network for one window of one item.

    Parameters
    ----------
    item : object
        The raw item.
    name : str
        Its name: the path, the sentence, or the array's shape.
    adapter : Adapter
        The fitted adapter that encoded it.
    spec : GridSpec
        Names, sizes and units of the axes.
    coordinates : tuple of Coordinates
        Where the cells of each ordered axis lie: Hz, seconds, pixels, words.
    window, n_windows : int
        Which window this is, from 1, and how many the item has; more than 1 for long recordings and texts.
    n_copies : int
        Number of copies (as it is, flipped) that are averaged for each window; more than 1 if training flipped grids.
    encoded : ndarray
        The window as the adapter encoded it: uint8 pixels `(colour, height, width)`, waveform `(samples,)`, token ids.
    grid : ndarray of shape `spec.shape`
        The window as the network sees it, float64.
    steps : tuple of Step
        From the first convolution to the logits. Each step's input is the output of the one before.
    classes : ndarray of shape (n_classes,)
        The labels.
    probabilities : ndarray of shape (n_classes,)
        Of this window.
    item_probabilities : ndarray of shape (n_classes,)
        The mean over all windows of the item and their copies: the model's answer.
    thresholds : ndarray of shape (n_classes,) or None
        The probability from which an item has each label; None if every item has one.
    backbone : ConvPoolDense
        A copy of the network in float64, whose steps these are.
    remarks : tuple of str
        What a reader should know: several windows, flipped copies, unknown words.
    """

    item: Any
    name: str
    adapter: Adapter
    spec: GridSpec
    coordinates: tuple[Coordinates, ...]
    window: int
    n_windows: int
    n_copies: int
    encoded: np.ndarray
    grid: np.ndarray
    steps: tuple[Step, ...]
    classes: np.ndarray
    probabilities: np.ndarray
    item_probabilities: np.ndarray
    backbone: ConvPoolDense
    remarks: tuple[str, ...] = ()
    thresholds: np.ndarray | None = None

    @property
    def measured(self) -> np.ndarray:
        """The channels of the encoded window; a frontend may add copies of them in another scale."""
        return self.grid[: len(self.encoded)]

    @property
    def logits(self) -> np.ndarray:
        """The score of each class before softmax, or sigmoid with several labels, `(n_classes,)`."""
        return self.steps[-1].output

    @property
    def feature_vector(self) -> np.ndarray:
        """The last maps as one vector, `(features,)`."""
        return next(step for step in self.steps if step.kind == "features").output

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
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
        """Return the last ReLU of a block, whose maps show where the block's kernels match."""
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
        """Run the steps after a step on other outputs of it, `(batch, ...)` → logits `(batch, n_classes)`."""
        for later in self.steps[self.steps.index(step) + 1 :]:
            values = later.run(values)
        return values


def trace(model: Any, item: Any, *, window: int | None = None) -> Trace:
    """Run one item through a fitted model and record every step.

    The network runs in float64, so that the arithmetic shown is the arithmetic done: its answers are those of
    `predict_proba` up to the rounding of float32.

    Parameters
    ----------
    model : FittedModel or GridClassifier
        A fitted one.
    item : object
        One raw item as the model's adapter reads it: a path, a sentence, an array, a row of a table.
    window : int or None
        Which window of a long recording or text, counted from 1. None takes the one with the highest
        probability of the item's predicted class.

    Raises
    ------
    ItemError
        If the item cannot be decoded, or the network's answer is not finite.
    ConfigurationError
        If the item has no such window.

    Examples
    --------
    >>> from gridcnn import datasets, fit
    >>> from gridcnn.adapters import ImageAdapter
    >>> digits = datasets.load("digits").take(range(100))
    >>> model = fit(ImageAdapter(), digits.items, digits.labels, {"epochs": 1})
    >>> steps = trace(model, digits.items[0]).steps
    >>> steps[0].name, steps[0].output.shape, steps[-1].name, steps[-1].output.shape
    ('block 1 convolution 1', (24, 8, 8), 'logits', (10,))
    """
    model = fitted_model(model)
    adapter, network = model.adapter, model.network
    item = adapter.check_items([item])[0]
    windows = adapter.encode(item)
    if window is not None and not 1 <= window <= len(windows):
        raise ConfigurationError(f"the item has no window {window}; windows are counted from 1 to {len(windows)}")
    backbone = network.calibrated().double().eval().requires_grad_(False)
    chances = _probabilities(network, backbone, windows, adapter.spec_)
    answer = chances.mean(axis=(0, 1))
    if not np.isfinite(answer).all():
        raise ItemError(name_of(item), NOT_FINITE)
    best = answer.argmax()
    if window is None:
        window = 1 + int(chances[:, 0, best].argmax())
    with torch.inference_mode():
        grid = network.frontend(torch.from_numpy(windows[window - 1 : window])).double()[0].numpy()
    steps = record(backbone, grid)
    axes = adapter.coordinates(item, window, len(windows))
    return Trace(
        item=item,
        name=name_of(item),
        adapter=adapter,
        spec=adapter.spec_,
        coordinates=axes,
        window=window,
        n_windows=len(windows),
        n_copies=chances.shape[1],
        encoded=windows[window - 1],
        grid=grid,
        steps=tuple(steps),
        classes=model.classes,
        probabilities=shares(steps[-1].output, several=network.several),
        item_probabilities=answer,
        backbone=backbone,
        thresholds=model.thresholds,
        remarks=(
            *_remarks(axes, window, len(windows)),
            *_remarks_on_flips(network.flip_axes, str(model.classes[best]), chances[window - 1, :, best]),
            *_remarks_on_labels(model.thresholds, answer, model.class_names),
        ),
    )


def _probabilities(network: Network, backbone: ConvPoolDense, windows: np.ndarray, spec: GridSpec) -> np.ndarray:
    """Return the probabilities of all windows, `(windows, copies, n_classes)`, a few windows at a time."""
    logits = []
    with torch.inference_mode():
        for start in range(0, len(windows), AT_ONCE):
            grids = network.frontend(torch.from_numpy(windows[start : start + AT_ONCE])).double()
            copies = [backbone(each) for each in flipped_copies(grids, spec, network.flip_axes)]
            logits.append(torch.stack(copies, dim=1))
        every = torch.cat(logits)
    found: np.ndarray = (every.sigmoid() if network.several else every.softmax(dim=2)).numpy()
    return found


def name_of(item: Any) -> str:
    """Name an item: a path or sentence as it is, an array by its shape."""
    if isinstance(item, NAMED):
        return str(item)
    return f"array of shape {np.asarray(item).shape}"


def _remarks_on_flips(axes: Sequence[str], label: str, chances: np.ndarray) -> list[str]:
    """Say which probability each copy of a grid (as it is, flipped) gives the predicted class."""
    if not axes:
        return []
    others = ", ".join(percentage(chance) for chance in chances[1:])
    return [
        f"The answer is the mean over the item as it is, which is shown here, and flipped along its "
        f"{' and '.join(axes)}: “{label}” has {percentage(chances[0])} as it is and {others} flipped."
    ]


def _remarks_on_labels(thresholds: np.ndarray | None, answer: np.ndarray, names: Sequence[str]) -> list[str]:
    """Say which labels an item is given, if it may have several, and why."""
    if thresholds is None:
        return []
    given = [
        f"“{names[at]}” ({percentage(answer[at])}, from {percentage(thresholds[at])} on)"
        for at in np.flatnonzero(answer >= thresholds).tolist()
    ]
    found = f"This one is given {', '.join(given)}." if given else "This one is given none."
    return [f"An item may have several labels, or none: each has a probability and a threshold of its own. {found}"]


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
