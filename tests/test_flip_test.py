"""Pictures are mirrored where a mirror image keeps its class, and nowhere else."""

import warnings

import numpy as np
import pytest
import torch

from gridcnn import GridClassifier
from gridcnn.adapters import ImageAdapter
from gridcnn.adapters.standardise import Standardise
from gridcnn.grid import GridSpec
from gridcnn.training.callbacks import Callback
from gridcnn.training.flip_test import flip_test

SPEC = GridSpec.of("colour", 3, height=16, width=16)
N = 120


class Notes(Callback):
    def __init__(self):
        self.lines = []

    def on_message(self, line):
        self.lines.append(line)


def drawn(*strokes):
    """Draw pictures of as many classes as strokes, each somewhere in noise and in a colour of its own."""
    rng = np.random.default_rng(0)
    target = np.arange(N) % len(strokes)
    pictures = rng.integers(0, 60, (N, 16, 16, 3))
    for picture, kind in zip(pictures, target, strict=True):
        down, right = rng.integers(1, 6, 2)  # a stroke is 10 cells wide: as often to the left as to the right
        colour = rng.integers(120, 190, 3)
        for row, column in strokes[kind]:
            picture[down + row, right + column] += colour
    return pictures.astype(np.uint8), target


ARROW = [(5, column) for column in range(10)] + [(5 + side * step, step) for step in (1, 2, 3) for side in (-1, 1)]
BACK = [(row, 9 - column) for row, column in ARROW]
CROSS = [(step, step) for step in range(10)] + [(step, 9 - step) for step in range(10)]
BOX = [(row, column) for row in (0, 9) for column in range(10)] + [(row, c) for row in range(10) for c in (0, 9)]


def mirror_tested(pictures, target, axis="width"):
    windows = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
    return flip_test(windows, target, Standardise(torch.tensor(128.0), torch.tensor(128.0)), SPEC, axis)


def test_arrows_that_point_left_and_right_are_not_mirrored_into_each_other():
    test = mirror_tested(*drawn(ARROW, BACK))
    assert test.upright > 0.9
    assert test.flipped < 0.2
    assert not test.keeps_classes
    assert test.z_apart > 1.6
    assert mirror_tested(*drawn(ARROW, BACK), axis="height").keeps_classes


def test_crosses_and_boxes_may_be_mirrored():
    test = mirror_tested(*drawn(CROSS, BOX))
    assert test.upright > 0.9
    assert test.flipped > 0.9
    assert test.keeps_classes


def test_a_classifier_mirrors_in_training_and_in_its_answers_only_where_that_keeps_the_classes():
    notes = Notes()
    settings = {"adapter": ImageAdapter(), "kernels": (8,), "epochs": 6, "device": "cpu", "callbacks": [notes]}
    pictures, target = drawn(ARROW, BACK)
    arrows = GridClassifier(**settings).fit(list(pictures), target)
    assert arrows.network_.flip_axes == ()
    assert arrows.score(list(pictures), target) > 0.9
    assert "no flips along the width" in notes.lines[1]

    insisted = GridClassifier(**settings, augment={"flip": ["width"]}).fit(list(pictures), target)
    assert insisted.network_.flip_axes == ("width",)
    assert insisted.score(list(pictures), target) < 0.7

    pictures, target = drawn(CROSS, BOX)
    assert GridClassifier(**settings).fit(list(pictures), target).network_.flip_axes == ("width",)
    assert sum("no flips" in line for line in notes.lines) == 1


def test_nothing_is_said_of_few_pictures_or_of_classes_of_one():
    pictures, target = drawn(ARROW, BACK)
    assert mirror_tested(pictures[:49], target[:49]) is None
    assert mirror_tested(pictures, np.arange(N)) is None
    lonely = np.where(np.arange(N) < 3, target, 2)  # what is left is one class
    assert mirror_tested(pictures, lonely) is None


def test_photographs_of_one_thing_in_a_row_do_not_forbid_mirroring():
    rng = np.random.default_rng(0)
    things = rng.integers(40, 200, (24, 16, 16, 3))  # what each looks like tells nothing of its class
    pictures = np.repeat(things, 20, axis=0) + rng.integers(-20, 21, (480, 16, 16, 3))
    test = mirror_tested(pictures.astype(np.uint8), np.repeat(np.arange(24) % 3, 20))
    assert test.z > 10
    assert test.z_apart < 1.6
    assert test.keeps_classes


@pytest.mark.parametrize("level", [0, 200])
def test_nothing_is_said_of_pictures_without_an_edge(level):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mirror_tested(np.full((N, 16, 16, 3), level, np.uint8), np.arange(N) % 2) is None
