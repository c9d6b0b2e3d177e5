"""Generated picture files for the benchmarks of input: as many as wanted, of one size and ten classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

DRAWN = 512
"""Pictures that differ; the others are copies of them under other names."""


def draw_pictures(folder: Path, n_files: int, side: int = 32, suffix: str = ".png") -> tuple[list[Path], list[str]]:
    """Write digits in colour on a noisy ground into class folders; return the paths, shuffled, and the labels."""
    rng = np.random.default_rng(0)
    digits = load_digits()
    paths, labels, drawn = [], [], []
    for name in digits.target_names:
        (folder / str(name)).mkdir(parents=True)
    for number in range(n_files):
        index = number % DRAWN
        label = str(digits.target[index])
        path = folder / label / f"{number:06d}{suffix}"
        if number < DRAWN:
            shape = Image.fromarray((digits.images[index] * 12).astype(np.uint8)).resize((side, side))
            pixels = rng.integers(0, 64, (side, side, 3), dtype=np.uint8) + np.asarray(shape)[:, :, None]
            Image.fromarray(pixels).save(path)
            drawn.append(path.read_bytes())
        else:
            path.write_bytes(drawn[index])
        paths.append(path)
        labels.append(label)
    return paths, labels
