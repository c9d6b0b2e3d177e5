"""The review page: items with their answers, to be confirmed or corrected by keys, in one file, offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridcnn.errors import ItemError, Skipped
from gridcnn.evaluation.seen import seen
from gridcnn.model import FittedModel
from gridcnn.render.html import render
from gridcnn.render.preview import draw_grid, name_of, picture_uri, show
from gridcnn.segments import Segment

__all__ = ["Candidate", "review_page"]

MOST_RANKED = 9
"""Most probable classes of an item that the page knows."""


@dataclass(frozen=True)
class Candidate:
    """An item to look at.

    Parameters
    ----------
    name : str
        Its path, its text, or its file and row.
    item : object
        As `Adapter.check_items` returns it.
    probabilities : ndarray of shape (n_classes,)
        The answer.
    cells : dict of str to str
        What a saved row says of it, by the names of the columns: enough for `gridcnn train` to find it again.
    """

    name: str
    item: Any
    probabilities: np.ndarray
    cells: dict[str, str]


def review_page(
    model: FittedModel,
    candidates: Sequence[Candidate],
    *,
    name: str,
    strategy: str,
    n_items: int,
    command: str,
) -> tuple[str, list[Skipped]]:
    """Return the page as HTML, and the items that could not be shown, which it leaves out.

    Parameters
    ----------
    candidates : sequence of Candidate
        In the order in which they are shown.
    name : str
        Of the model.
    strategy : str
        Which of the `n_items` items these are, for a person.
    command : str
        How to train with the labels.
    """
    columns = list(dict.fromkeys(column for each in candidates for column in each.cells))
    shown, skipped = [], []
    for each in candidates:
        try:
            shown.append(_shown(model, each, columns))
        except ItemError as error:  # it could be read a moment ago
            skipped.append(Skipped(each.name, error.reason))
    data: dict[str, Any] = {
        "columns": [*columns, "labels" if model.several else "label"],
        "classes": model.class_names,
        "candidates": shown,
        "command": command,
        "several": model.several,
    }
    digest = hashlib.blake2b(json.dumps(data).encode(), digest_size=12).hexdigest()
    page = render(
        "review.html",
        script="review.js",
        model=name,
        n_candidates=len(shown),
        n_items=n_items,
        n_classes=len(model.classes),
        several=model.several,
        strategy=strategy,
        command=command,
        data={**data, "id": digest},
    )
    return page, skipped


def _shown(model: FittedModel, candidate: Candidate, columns: Sequence[str]) -> dict[str, Any]:
    preview, grid = seen(model, candidate.item)
    names = model.class_names
    part = candidate.item if isinstance(candidate.item, Segment) else None
    name = name_of(candidate.name if part is None else part)
    found = show(name, preview)
    if grid is not None:
        upwards = model.adapter.spec_.axes[0].upwards
        found = found._replace(picture=picture_uri(draw_grid(grid, upwards=upwards)))
    ranked = np.argsort(-candidate.probabilities, kind="stable")[:MOST_RANKED]
    answer, more = names[ranked[0]], {}
    if model.thresholds is not None:
        given = [name for name, has in zip(names, candidate.probabilities >= model.thresholds, strict=True) if has]
        answer, more = ", ".join(given) or "no label", {"given": given}
    return {
        "name": found.name,
        "picture": found.picture,
        "sound": found.sound,
        "text": found.text,
        "note": found.note,
        "answer": answer,
        **more,
        "ranked": [[int(at), float(candidate.probabilities[at])] for at in ranked],
        "cells": [candidate.cells.get(column, "") for column in columns],
    }
