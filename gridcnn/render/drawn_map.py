"""A map of items as the report draws it: places in pixels, colours, names of classes where there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gridcnn.evaluation.item_map import ItemMap
from gridcnn.render.preview import name_of

__all__ = ["drawn_map"]

WIDTH, FLATTEST = 720.0, 0.4
"""Pixels, and the height of a map at least, as a share of its width."""

COLOURS = 10
"""Colours of the style sheet; the rarest of more classes are grey."""

LONGEST_NAME = 100  # characters of an item
LONGEST_CLASS = 24
APART = 18.0
"""Pixels between two names of classes, one above the other."""

LETTER, BELOW, POINT = 4.0, 4.0, 5.0
"""Pixels: half of a letter; what a line of text lies below its middle; half of a point."""

NEAR = np.arange(-144.0, 145.0, 12.0)
"""Pixels from the median of a class at which its name is tried, to each side."""

WORTH_A_POINT = 12.0
"""Pixels that a name moves rather than cover one more point."""


def drawn_map(found: ItemMap | None) -> dict[str, Any] | None:
    """Return what the template draws; None if there is no map."""
    if found is None:
        return None
    counts = Counter(found.truth)
    coloured = sorted(found.classes, key=lambda name: -counts[name])[:COLOURS]
    colour = {name: at for at, name in enumerate(each for each in found.classes if each in coloured)}
    spread = found.points.max(axis=0) - found.points.min(axis=0)
    tall = float(spread[1]) / float(spread[0]) if spread[0] else 1.0
    width, height = WIDTH, WIDTH * min(max(tall, FLATTEST), 1.0)  # or a few items far off make it a sliver
    low = found.points.min(axis=0)
    x = (found.points[:, 0] - low[0]) / (float(spread[0]) or 1.0) * width
    y = (found.points[:, 1] - low[1]) / (float(spread[1]) or 1.0) * height
    points = [
        {
            "x": round(across, 1),
            "y": round(down, 1),
            "colour": colour.get(truth, "other"),
            "right": truth == answer,
            "said": f"{_short(name_of(name))}\n{truth if truth == answer else f'is {truth}, said {answer}'}",
        }
        for across, down, name, truth, answer in zip(
            x.tolist(), y.tolist(), found.names, found.truth, found.answers, strict=True
        )
    ]
    return {
        "width": round(width, 1),
        "height": round(height, 1),
        "points": sorted(points, key=lambda point: not point["right"]),  # mistakes are drawn last
        "labels": _labels(x, y, found, list(colour), height),
        "legend": [{"name": name, "colour": at, "count": counts[name]} for name, at in colour.items()],
        "more_classes": len(found.classes) - len(colour),
        "any_wrong": any(not point["right"] for point in points),
    }


def _labels(x: np.ndarray, y: np.ndarray, found: ItemMap, names: list[str], height: float) -> list[dict[str, Any]]:
    """Return the names of classes near the medians of their items, where they cover few points and no other name."""
    truth = np.array(found.truth)
    labels: list[dict[str, Any]] = []
    taken: list[tuple[np.ndarray, float]] = []
    for name in names:
        text, own = _short(name, LONGEST_CLASS), truth == name
        half = LETTER * len(text)
        across = np.clip(np.median(x[own]) + NEAR, half, max(WIDTH - half, half))
        down = np.clip(np.median(y[own]) + NEAR, 0.0, height)
        places = np.stack([each.ravel() for each in np.meshgrid(across, down)], axis=1)
        off = np.hypot(places[:, 0] - np.median(x[own]), places[:, 1] - np.median(y[own]))
        covered = sum(_overlaps(places, half + POINT, APART - POINT, point) for point in zip(x, y, strict=True))
        names_there = sum(_overlaps(places, half + wide, APART, place) for place, wide in taken)
        best = places[np.argmin(covered + off / WORTH_A_POINT + len(x) * names_there)]
        taken.append((best, half))
        labels.append({"name": text, "x": round(float(best[0]), 1), "y": round(float(best[1]) + BELOW, 1)})
    return labels


def _overlaps(places: np.ndarray, wide: float, tall: float, other: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return 1 for each place `(n, 2)` that is less than this far from another one to both sides, else 0, `(n,)`."""
    return ((np.abs(places[:, 0] - other[0]) < wide) & (np.abs(places[:, 1] - other[1]) < tall)).astype(int)


def _short(text: str, most: int = LONGEST_NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
