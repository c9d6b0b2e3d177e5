"""A map of items as the report draws it: places in pixels, colours, names of classes where there is room."""

from __future__ import annotations

from collections import Counter
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
    """Return the names of classes at the medians of their items, moved apart where they would overlap."""
    truth = np.array(found.truth)
    labels: list[dict[str, Any]] = [
        {
            "name": _short(name, LONGEST_CLASS),
            "x": float(np.median(x[truth == name])),
            "y": float(np.median(y[truth == name])),
        }
        for name in names
    ]
    labels.sort(key=lambda label: label["y"])
    for at, label in enumerate(labels):
        half = 4 * len(label["name"])
        label["x"] = round(min(max(label["x"], half), max(x.max() - half, half)), 1)
        for above in labels[:at]:
            near = abs(above["x"] - label["x"]) < half + 4 * len(above["name"])
            if near and label["y"] - above["y"] < APART:
                label["y"] = above["y"] + APART
        label["y"] = round(min(label["y"], height + 4), 1)
    return labels


def _short(text: str, most: int = LONGEST_NAME) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
