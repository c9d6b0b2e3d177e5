"""Does attribution point at what was drawn? On `xo` at the stroke, on `tones` at the tone.

    python benchmarks/attribution.py [--items 200] [--validation 40] [--write]

Where the stroke or tone covers less than a quarter of the cells, the share of the attribution for the predicted class
(its positive mass) that lies on the drawn cells. Drawn are the pixels that the pen covers by more than half, and the
cells of a spectrogram in which the tone has more power than the noise; there is no tolerance around them. The methods
are compared on validation items, the default is then measured on held-out items.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import numpy as np
import torch
from results import save
from scipy.stats import spearmanr

from gridcnn import ConvPoolDense, GridClassifier, datasets, explain
from gridcnn.adapters import AudioAdapter, ImageAdapter

VALIDATION, HELD_OUT = 2, 1  # seeds; the models are trained with seed 0
INTRO = """## Attribution

`benchmarks/attribution.py`: the share of the positive attribution for the predicted class that lies on the drawn cells,
where these are less than a quarter: mean and standard error of {items} held-out items, on which nothing was chosen.
Beside it the share of the input’s own distance from the empty grid, which knows no network, and of Grad-CAM of the last
block. “Net” is the mass for the class less the mass against it on the drawn cells, as a share of all mass: an untrained
network speaks for and against alike there, and its ranks of the cells have little to do with those of the trained one.

| set | accuracy | cells drawn | **share** | input | Grad-CAM | net | untrained: share | net | rank correlation |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
METHODS = """
The methods on {items} validation items, by which the default, the first, was chosen:

| method | `xo` | `tones` |
| --- | --- | --- |
"""


def pictures(n_items: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return letters, and where they were drawn."""
    data, drawn = datasets.xo(n_items, random_state=seed, with_masks=True)
    return data, drawn


def sounds(n_items: int, seed: int) -> tuple[Any, np.ndarray]:
    """Return tones, and the cells of their spectrograms in which they sound."""
    data, clean = datasets.tones(n_items, random_state=seed, with_clean=True)
    frontend = AudioAdapter(sample_rate=data.sample_rate).fit(data.items).frontend()
    with torch.inference_mode():
        tone, noise = (frontend.power(torch.from_numpy(sound)).numpy() for sound in (clean, data.items - clean))
    return data, tone > noise


def untrained(classifier: GridClassifier) -> GridClassifier:
    """Return a copy of a classifier with random weights in its backbone."""
    random = copy.deepcopy(classifier)
    backbone = random.network_.backbone
    torch.manual_seed(0)
    random.network_.backbone = ConvPoolDense(backbone.spec, backbone.config, backbone.n_classes).eval()
    return random


def shares(maps: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the share of each map's positive mass that lies on the drawn cells."""
    positive = np.maximum(maps, 0)
    found: np.ndarray = (positive * drawn).sum((1, 2)) / np.maximum(positive.sum((1, 2)), 1e-12)
    return found


def net_shares(maps: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the mass for the class less the mass against it on the drawn cells, as a share of each map's mass."""
    found: np.ndarray = (maps * drawn).sum((1, 2)) / np.maximum(np.abs(maps).sum((1, 2)), 1e-12)
    return found


def measure(make: Any, adapter: Any, n_items: int, n_validation: int) -> tuple[str, list[float]]:
    """Return a row of the table, and the share of each method on validation items."""
    learning = datasets.xo() if make is pictures else datasets.tones()
    classifier = GridClassifier(adapter=adapter).fit(learning.items, learning.labels)
    _, traces, drawn = traced(classifier, make, n_validation, VALIDATION)
    by_method = [shares(attributions(traces, method), drawn).mean() for method in explain.METHODS]

    accuracy, traces, drawn = traced(classifier, make, n_items, HELD_OUT)
    maps = attributions(traces)
    grids = np.stack([trace.grid for trace in traces])
    distance = np.abs(grids - np.median(grids, axis=(2, 3), keepdims=True)).sum(axis=1)
    cams = np.stack([explain.grad_cam(trace) for trace in traces])
    random = untrained(classifier)
    noise = attributions([explain.trace(random, trace.item) for trace in traces])
    ranks = np.mean([spearmanr(one.ravel(), other.ravel())[0] for one, other in zip(maps, noise, strict=True)])
    own = shares(maps, drawn)
    cells = [
        f"`{learning.name}`",
        f"{accuracy:.3f}",
        f"{drawn.mean():.0%}",
        f"**{own.mean():.3f}** ± {own.std() / np.sqrt(len(own)):.3f}",
        *(f"{shares(each, drawn).mean():.3f}" for each in (distance, cams)),
        f"{net_shares(maps, drawn).mean():+.3f}",
        f"{shares(noise, drawn).mean():.3f}",
        f"{net_shares(noise, drawn).mean():+.3f}",
        f"{ranks:+.3f}",
    ]
    return f"| {' | '.join(cells)} |", by_method


def traced(
    classifier: GridClassifier, make: Any, wanted: int, seed: int
) -> tuple[float, list[explain.Trace], np.ndarray]:
    """Return the accuracy, and the traces and drawn cells of items that are drawn on less than a quarter."""
    data, drawn = make(2 * wanted, seed)
    chosen = np.flatnonzero(drawn.mean(axis=(1, 2)) < 0.25)[:wanted]
    traces = [explain.trace(classifier, data.items[index]) for index in chosen]
    return classifier.score(data.items, data.labels), traces, drawn[chosen]


def attributions(traces: list[explain.Trace], method: str = explain.METHODS[0]) -> np.ndarray:
    return np.stack([explain.attribute(trace, method=method) for trace in traces])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=200, help="held-out items of each set")
    parser.add_argument("--validation", type=int, default=40, help="validation items of each set")
    parser.add_argument("--write", action="store_true", help="keep the tables for docs/RESULTS.md")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    sets = [(pictures, ImageAdapter()), (sounds, AudioAdapter(sample_rate=8000))]
    rows, methods = zip(*(measure(*each, chosen.items, chosen.validation) for each in sets), strict=True)
    compared = [
        f"| {method.replace('_', ' ')} | {xo:.3f} | {tones:.3f} |"
        for method, xo, tones in zip(explain.METHODS, *methods, strict=True)
    ]
    text = INTRO.format(items=chosen.items) + "\n".join(rows) + "\n"
    text += METHODS.format(items=chosen.validation) + "\n".join(compared)
    print(text)
    if chosen.write:
        save("attribution", text)


if __name__ == "__main__":
    main()
