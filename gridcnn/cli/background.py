"""`gridcnn train --background`: segments of background of recordings, logs and texts, if no item has that class."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import typer

from gridcnn.answer_rule import background_index
from gridcnn.cli.output import note
from gridcnn.display import counted

if TYPE_CHECKING:
    from gridcnn.adapters import Adapter
    from gridcnn.datasets import Dataset
    from gridcnn.model import FittedModel
    from gridcnn.segments import File, Segment

__all__ = ["DEFAULT_NAME", "Learning", "NoBackgroundOption", "with_background", "with_default_name"]

DEFAULT_NAME = "background"

MOSTLY = 0.5
"""Share of the recordings that is not annotated, from which background is drawn without being asked for."""

LITTLE = 0.25
"""Segments of background for each annotated one, below which events run into each other."""

NoBackgroundOption = Annotated[
    bool,
    typer.Option(
        "--no-background",
        help="Draw no background, as is usual if most of the time of the annotated recordings is not annotated.",
    ),
]


class Learning(NamedTuple):
    """What a training learns from.

    Parameters
    ----------
    items : Dataset
        For training, with background if any was drawn.
    checking : Dataset or None
        The validation part.
    name : str or None
        The background class.
    reader : Adapter
        Reads them.
    """

    items: Dataset
    checking: Dataset | None
    name: str | None
    reader: Adapter


def with_background(
    parts: Mapping[str, Dataset],
    every: Dataset,
    name: str | None,
    reader: Adapter,
    seed: int,
    *,
    usual: bool = False,
    start: FittedModel | None = None,
) -> Learning:
    """Return training segments and others, drawn from between them, of a background class, and who reads them.

    Parameters
    ----------
    parts : mapping of str to Dataset
        The items to train on, `"train"`, and perhaps others.
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
    start : FittedModel or None
        The model that a training goes on from: it reads the items, and draws background only by a name.

    With several labels an item, background is what has none of them: such segments have an empty set, and the name that
    is returned is None.
    """
    if start is not None:
        from gridcnn.cli.segmented import read_by

        parts = {part: read_by(each, start) for part, each in parts.items()}
        drawn = _with_background(parts, every, name, start.adapter, seed, usual=False)
        return drawn._replace(reader=reader)
    return _with_background(parts, every, name, reader, seed, usual=usual)


def _with_background(
    parts: Mapping[str, Dataset], every: Dataset, name: str | None, reader: Adapter, seed: int, *, usual: bool
) -> Learning:
    learning, checking = parts["train"], parts.get("validation")
    labels, annotated = learning.labels, learning.segments
    everything = every.annotated or every.segments
    if labels is None:
        return Learning(learning, checking, name, reader)
    several = learning.several
    if several:
        labels, known = without_label(labels, name)
        learning = replace(learning, labels=labels)
        if name in known or (name is None and not all(labels)):  # background is there already
            return Learning(learning, checking, None, reader)
        if annotated is None:
            background_index(known, name)
    else:
        known = set(map(str, labels))
    if annotated is None or everything is None:
        return Learning(learning, checking, name, reader)
    from gridcnn.pipeline.background import background_segments, neighbours, share_annotated, unannotated, varied

    @functools.cache
    def length_of(path: File) -> float:
        return reader.length_of(every.long_item(path))

    files = {each.path for each in annotated}
    why = ""
    if name is None and usual and DEFAULT_NAME not in known:
        share = share_annotated(everything, length_of, files=files)
        if share <= 1 - MOSTLY or every.quiet:
            name, why = DEFAULT_NAME, f", which is {1 - share:.0%} of the time (--no-background draws none)"
    if name is None or (name in known and learning.places is None):
        return Learning(learning, checking, name, reader)
    gaps = [end - start for _, start, end in unannotated(everything, length_of, files=files)]
    reader, window = reader.located([each.end - each.start for each in annotated], gaps)
    drawn: list[Segment] = []
    if name not in known:
        quiet = every.quiet
        drawn = background_segments(everything, length_of, files=files, quiet=quiet, least=window, seed=seed)
        called = "without a label" if several else f"of {name!r}"
        segments = counted(len(drawn), "segment")
        is_ = "is" if len(drawn) == 1 else "are"
        note(f"{segments} {called} {is_} drawn from where nothing is annotated{why}")
        if len(drawn) < LITTLE * len(annotated):
            note(
                "warning: that is little, since hardly anything is left between what is annotated: events that lie "
                "close to each other may be found as one"
            )
    near = neighbours(drawn, annotated)
    more = with_nothing(labels, len(drawn)) if several else np.array([*map(str, labels), *[name] * len(drawn)])
    if learning.places is None:
        items: Any = varied(annotated, drawn, seed)
    else:
        varies = [bool(each) if several else each != name for each in more]
        items = _read([*annotated, *drawn], varies, every, reader, window, length_of)
        if checking is not None and checking.places is not None:
            shown = _read(checking.places, [False] * len(checking), every, reader, window, length_of)
            checking = replace(checking, items=shown)
    learning = replace(
        learning,
        items=items,
        labels=more,
        groups=None if learning.groups is None else np.concatenate([learning.groups, learning.groups[near]]),
        split=None if learning.split is None else np.concatenate([learning.split, learning.split[near]]),
        places=None if learning.places is None else [*annotated, *drawn],
    )
    return Learning(learning, checking, None if several else name, reader)


def without_label(labels: Iterable[Any], name: str | None) -> tuple[np.ndarray, set[str]]:
    """Return label sets without the label that names the background, and all labels that they had."""
    known = {str(label) for each in labels for label in each}
    return with_nothing([tuple(label for label in each if str(label) != name) for each in labels], 0), known


def with_nothing(labels: Iterable[Any], n_more: int) -> np.ndarray:
    """Return label sets and so many empty ones, object `(n,)`."""
    sets = [*labels, *[()] * n_more]
    return np.fromiter(sets, dtype=object, count=len(sets))


def _read(
    spans: Sequence[Segment],
    varies: Sequence[bool],
    every: Dataset,
    reader: Adapter,
    window: int,
    length_of: Callable[[File], float],
) -> list[Any]:
    """Return parts of logs or texts, with what surrounds those that windows meet at several places, or short ones."""
    from gridcnn.pipeline.background import INSIDE, met

    ends = (
        met(span, length_of(span.path), window, inside=INSIDE if several else 1)
        for span, several in zip(spans, varies, strict=True)
    )
    return [reader.part(every.long_item(span.path), *each) for span, each in zip(spans, ends, strict=True)]


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
