"""Small data of two classes for `benchmarks/crash.py`: pictures, sounds, sentences, curves."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

Row = tuple[object, ...]


def pictures(folder: Path, count: int) -> list[Path]:
    """Write noisy pictures of two classes: brighter on the left, or on the right."""
    rng = np.random.default_rng(0)
    for at in range(count):
        pixels = rng.integers(0, 156, (16, 16), dtype=np.uint8)
        pixels[:, 8 * (at % 2) : 8 + 8 * (at % 2)] += 100
        place = folder / ["left", "right"][at % 2] / f"{at}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    return sorted(folder.rglob("*.png"))


def sounds(folder: Path, count: int) -> list[Path]:
    """Write short tones in noise, of two classes, low and high."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        tone = np.sin(2 * np.pi * (440, 1760)[at % 2] * np.arange(1600) / 8000)
        soundfile.write(folder / f"{at:03}.wav", 0.3 * tone + 0.2 * rng.normal(size=1600), 8000)
    return sorted(folder.glob("*.wav"))


def table(place: Path, columns: list[str], rows: Iterable[Row]) -> Path:
    """Write a csv file."""
    with place.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return place


def sentences(count: int) -> Iterator[Row]:
    """Yield texts of two classes, with a group each."""
    chance = random.Random(0)
    for at in range(count):
        words = [chance.choice(["the", "film", "was", "a", "very", "long", "story"]) for _ in range(9)]
        words[chance.randrange(9)] = chance.choice((["good", "great", "fine"], ["bad", "poor", "dull"])[at % 2])
        yield " ".join(words), ("yes", "no")[at % 2], f"speaker {at % 12}"


def series(count: int) -> Iterator[Row]:
    """Yield sampled curves of two classes, slow and fast."""
    rng = np.random.default_rng(0)
    for at in range(count):
        curve = np.sin(np.arange(24) * (0.3, 0.6)[at % 2] + rng.uniform(0, 6)) + 0.3 * rng.normal(size=24)
        yield *(f"{value:.4f}" for value in curve), ("slow", "fast")[at % 2]


def tones(folder: Path) -> Iterator[Row]:
    """Yield the rows of a manifest of `sounds`, with a group each."""
    for at, place in enumerate(sorted(folder.glob("*.wav"))):
        yield place, ("low", "high")[at % 2], f"speaker {at % 10}"
