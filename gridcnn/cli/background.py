"""`gridcnn train --background`: segments of background, if no item has that class yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gridcnn.cli.output import note
from gridcnn.segments import Segment

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset

__all__ = ["DEFAULT_NAME", "with_background", "with_default_name"]

DEFAULT_NAME = "background"


def with_background(learning: Dataset, every: Dataset, name: str | None, reader: Adapter, seed: int) -> Dataset:
    """Return training segments and others, drawn from between them, of a background class.

    Parameters
    ----------
    learning : Dataset
        The items to train on.
    every : Dataset
        All items of the source: what is annotated for a test is no background either.
    name : str or None
        The background class. Nothing is drawn if it is None, if items have that class, or if items are no segments.
    reader : Adapter
        Knows how long a file is.
    seed : int
        Of the random numbers.
    """
    labels = learning.labels
    if name is None or labels is None or not all(isinstance(item, Segment) for item in learning.items):
        return learning
    if name in set(map(str, labels)):
        return learning
    from gridcnn.pipeline.background import background_segments, neighbours, varied

    annotated = list(learning.items)
    files = {each.path for each in annotated}
    drawn = background_segments(list(every.items), reader.length_of, files=files, most=None, seed=seed)
    near = neighbours(drawn, annotated)
    note(f"{len(drawn):,} segments of {name!r} are drawn from where nothing is annotated")
    return replace(
        learning,
        items=varied(annotated, drawn, seed),
        labels=np.array([*map(str, labels), *[name] * len(drawn)]),
        groups=None if learning.groups is None else np.concatenate([learning.groups, learning.groups[near]]),
        split=None if learning.split is None else np.concatenate([learning.split, learning.split[near]]),
    )


def with_default_name(arguments: list[str]) -> list[str]:
    """Give a `--background` without a name its usual one.

    >>> with_default_name(["train", "a.csv", "--background", "-o", "m.safetensors"])
    ['train', 'a.csv', '--background', 'background', '-o', 'm.safetensors']
    >>> with_default_name(["--background", "noise"])
    ['--background', 'noise']
    """
    given = []
    for at, each in enumerate(arguments):
        given.append(each)
        alone = at + 1 == len(arguments) or arguments[at + 1].startswith("-")
        if each == "--background" and alone:
            given.append(DEFAULT_NAME)
    return given
