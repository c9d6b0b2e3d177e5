"""Exported models beside the trained ones: the largest difference of a probability, on all held-out items.

    GRIDCNN_DATA=… python benchmarks/export.py [--only fsdd,trec,…] [--epochs 2]

Each model is trained for a few epochs on at most 6,000 training items, exported, and asked all held-out items one by
one as they are (recordings of several lengths, pictures of several sizes and modes), once by torch and once by
onnxruntime. The accuracy is not that of the defaults, and stands here only to show that the models have learned
something. The bar is a difference of 1e-5.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from sets import DATA, divisions
from sklearn.datasets import load_sample_images

from gridcnn import fit
from gridcnn.adapters import ArrayAdapter, AudioAdapter, ImageAdapter, TableAdapter, TextAdapter
from gridcnn.export.onnx_file import export_onnx

MOST_TRAINED_ON = 6_000
BAR = 1e-5
MODES = ("L", "RGB", "RGBA", "P", "CMYK", "1", "LA", "I;16")


class Set(NamedTuple):
    """Items to train on and to ask."""

    adapter: Any
    items: Any
    labels: Any
    held_out: Any
    held_out_labels: Any


def _of_manifest(name: str, adapter: Any, folder: Path) -> Set:
    division = next(divisions(name, folder))
    column = division.columns[1]
    parts = [division.manifest[division.manifest["split"] == part] for part in ("train", "test")]
    train, test = ((part[column].tolist(), part["label"].to_numpy()) for part in parts)
    return Set(adapter, *train, *test)


def _texts(name: str) -> Set:
    table = pd.read_csv(DATA / "development" / f"{name}.csv", dtype=str, keep_default_na=False)
    train, test = (table[table["split"] == part] for part in ("train", "test"))
    return Set(
        TextAdapter(),
        train["text"].tolist(), train["label"].to_numpy(), test["text"].tolist(), test["label"].to_numpy(),
    )  # fmt: skip


def _photographs(folder: Path) -> Set:
    """Cut 600 pictures of all sizes out of two photographs, and store them in several modes and formats."""
    random = np.random.default_rng(0)
    items, labels = [], []
    for number in range(600):
        which = number % 2
        photograph = load_sample_images().images[which]
        height, width = (int(random.integers(20, side)) for side in photograph.shape[:2])
        top, left = (int(random.integers(0, side - cut)) for side, cut in zip(photograph.shape, (height, width)))
        picture = Image.fromarray(photograph[top : top + height, left : left + width])
        mode = MODES[number // 2 % len(MODES)]
        if mode == "I;16":
            picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        else:
            picture = picture.convert(mode)
        path = folder / f"{number}.{'jpg' if mode in {'L', 'RGB', 'CMYK'} and number % 3 else 'tif'}"
        picture.save(path)
        items.append(str(path))
        labels.append(("pagoda", "flower")[which])
    return Set(ImageAdapter(), items[:300], np.array(labels[:300]), items[300:], np.array(labels[300:]))


def _series() -> Set:
    found = np.load(DATA / "development" / "ts_MedicalImages.npz", allow_pickle=True)
    axes = ("channels", "time")
    return Set(ArrayAdapter(axes=axes), *(found[name] for name in ("X_train", "y_train", "X_test", "y_test")))


def _hidden_grid() -> Set:
    """Read handwritten digits as a table of 64 columns, in which the picture is hidden."""
    from gridcnn.datasets import load  # noqa: PLC0415

    digits = load("digits")
    rows = np.stack(digits.items).reshape(len(digits.items), -1).astype(np.float64)
    return Set(TableAdapter(), rows[:1200], digits.labels[:1200], rows[1200:], digits.labels[1200:])


def sets(folder: Path) -> dict[str, Any]:
    """Return what makes each set, by name."""
    return {
        "fsdd": lambda: _of_manifest("fsdd", AudioAdapter(), folder),
        "esc10": lambda: _of_manifest("esc10", AudioAdapter(), folder),
        "trec": lambda: _of_manifest("trec", TextAdapter(), folder),
        "names": lambda: _texts("names"),
        "tweet_irony": lambda: _texts("tweet_irony"),
        "mnist": lambda: _of_manifest("mnist", ImageAdapter(), folder),
        "cifar10": lambda: _of_manifest("cifar10", ImageAdapter(), folder),
        "photographs": lambda: _photographs(folder),
        "series": _series,
        "hidden grid": _hidden_grid,
    }


def rows(only: list[str], epochs: int) -> Iterator[str]:
    """Yield a line for each set."""
    with tempfile.TemporaryDirectory() as place:
        for name, make in sets(Path(place)).items():
            if only and name not in only:
                continue
            data = make()
            chosen = np.random.default_rng(0).permutation(len(data.items))[:MOST_TRAINED_ON]
            items = data.items[chosen] if isinstance(data.items, np.ndarray) else [data.items[at] for at in chosen]
            settings = {"epochs": epochs, "refit": False, "random_state": 0}
            model = fit(data.adapter, items, np.asarray(data.labels)[chosen], settings)
            start = time.perf_counter()
            found = export_onnx(model, Path(place) / "m.onnx", items=data.held_out, labels=data.held_out_labels)
            accuracy = "–" if found.accuracy is None else f"{100 * found.accuracy[1]:.1f}"
            yield (
                f"| {name} | {found.n_compared:,} | {found.difference:.1e} | {found.same_labels:,} | {accuracy} | "
                f"{found.n_bytes / 2**20:.2f} | {time.perf_counter() - start:.0f} |"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    print("| data | held-out items | largest difference | equal labels | accuracy, % | file, MB | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows([each for each in given.only.split(",") if each], given.epochs):
        print(row, flush=True)
