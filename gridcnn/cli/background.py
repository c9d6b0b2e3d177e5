"""`gridcnn train --background`: segments of background, if no item has that class yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from gridcnn.answer_rule import background_index
from gridcnn.cli.output import note
from gridcnn.segments import are_segments

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset

__all__ = ["DEFAULT_NAME", "NoBackgroundOption", "with_background", "with_default_name"]

DEFAULT_NAME = "background"

MOSTLY = 0.5
"""Share of the recordings that is not annotated, from which background is drawn without being asked for."""

NoBackgroundOption = Annotated[
    bool,
    typer.Option(
        "--no-background",
        help="Draw no background, as is usual if most of the time of the annotated recordings is not annotated.",
    ),
]


def with_background(
    learning: Dataset, every: Dataset, name: str | None, reader: Adapter, seed: int, *, usual: bool = False
) -> tuple[Dataset, str | None]:
    """Return training segments and others, drawn from between them, of a background class, and its name.

    Parameters
    ----------
    learning : Dataset
        The items to train on.
    every : Dataset
        All items of the source: what is annotated for a test is no background either.
    name : str or None
        The background class. Nothing is drawn if items have that class, or if items are no segments.
    reader : Adapter
        Knows how long a file is.
    seed : int
        Of the random numbers.
    usual : bool
        Whether background is also drawn without a name, from recordings that are mostly not annotated.

    With several labels an item, background is what has none of them: such segments have an empty set, and the name that
    is returned is None.
    """
    labels = learning.labels
    if labels is None:
        return learning, name
    if learning.several:
        labels, known = without_label(labels, name)
        learning = replace(learning, labels=labels)
        if name in known or (name is None and not all(labels)):  # background is there already
            return learning, None
        if not are_segments(learning.items):
            background_index(known, name)
    else:
        known = set(map(str, labels))
    if not are_segments(learning.items):
        return learning, name
    from gridcnn.pipeline.background import background_segments, neighbours, share_annotated, varied

    annotated, taken = list(learning.items), list(every.annotated or every.items)
    files = {each.path for each in annotated}
    why = ""
    if name is None and usual and DEFAULT_NAME not in known:
        share = share_annotated(taken, reader.length_of, files=files)
        if share <= 1 - MOSTLY or every.quiet:
            name, why = DEFAULT_NAME, f", which is {1 - share:.0%} of the time (--no-background draws none)"
    if name is None or name in known:
        return learning, name
    drawn = background_segments(taken, reader.length_of, files=files, quiet=every.quiet, seed=seed)
    near = neighbours(drawn, annotated)
    called = "without a label" if learning.several else f"of {name!r}"
    note(f"{len(drawn):,} segments {called} are drawn from where nothing is annotated{why}")
    more = with_nothing(labels, len(drawn)) if learning.several else [*map(str, labels), *[name] * len(drawn)]
    return replace(
        learning,
        items=varied(annotated, drawn, seed),
        labels=np.asarray(more),
        groups=None if learning.groups is None else np.concatenate([learning.groups, learning.groups[near]]),
        split=None if learning.split is None else np.concatenate([learning.split, learning.split[near]]),
    ), None if learning.several else name


def without_label(labels: Iterable[Any], name: str | None) -> tuple[np.ndarray, set[str]]:
    """Return label sets without the label that names the background, and all labels that they had."""
    known = {str(label) for each in labels for label in each}
    return with_nothing([tuple(label for label in each if str(label) != name) for each in labels], 0), known


def with_nothing(labels: Iterable[Any], n_more: int) -> np.ndarray:
    """Return label sets and so many empty ones, object `(n,)`."""
    sets = [*labels, *[()] * n_more]
    return np.fromiter(sets, dtype=object, count=len(sets))


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
